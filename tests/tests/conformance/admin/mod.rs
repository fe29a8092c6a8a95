//! Operations, as the gate and the operator see them.

mod operations;
