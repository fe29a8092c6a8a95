//! The vendor's wire types (being written).
