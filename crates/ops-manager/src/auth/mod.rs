//! The domain of the superuser's credentials: what is kept of them while they change, and how members are seen to follow.

pub mod effect;
pub mod kept;
pub mod observe;
pub mod perform;
pub mod world;
