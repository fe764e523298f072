//! Moves that several operations make. Each is a plain function from the operation and the observed world to what is next.

pub mod authority;
pub mod certificates;
pub mod config;
pub mod drain;
pub mod failover;
pub mod pause;
pub mod proof;
pub mod rolling;
