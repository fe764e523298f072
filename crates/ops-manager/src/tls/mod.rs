//! The domain of certificates: what is read of them, what can be done to them, and how members are seen to follow.

pub mod certificates;
pub mod effect;
pub mod issuer_ca;
pub mod observe;
pub mod perform;
pub mod published;
pub mod verification;
pub mod world;
