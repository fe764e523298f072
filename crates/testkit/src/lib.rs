//! What tests of several crates need. A dev-dependency only.

pub mod apiserver;
pub mod authority;
pub mod manifests;
