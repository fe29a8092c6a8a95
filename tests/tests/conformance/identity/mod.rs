//! What belongs to whom: binding, linking, and pieces that do not fit.

mod belonging;
mod binding;
mod linking;
mod times;
