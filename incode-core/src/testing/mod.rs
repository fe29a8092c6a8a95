//! What tests need, this project's and its users'.

pub mod signer;
