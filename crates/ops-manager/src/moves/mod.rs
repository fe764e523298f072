//! Moves that several operations make. Each is a plain function from the operation and the observed world to what is next.

pub mod children;
pub mod failover;
pub mod in_place;
pub mod membership;
pub mod parameters;
pub mod pause;
pub mod rolling;
