//! The domain of volumes: what is read of claims and volumes, and what can be done to them.

pub mod effect;
pub mod observe;
pub mod perform;
pub mod world;
