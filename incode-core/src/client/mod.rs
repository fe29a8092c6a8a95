//! The four API calls (being written).
