//! The PetSet controller: Pods with a stable name, a stable volume and an order, as `apps/v1 StatefulSet` has them.
//!
//! `observe → resolve → decide → perform → report`: [`observe`] reads the API server, [`resolve`] and [`decide`] are
//! plain functions over values, [`perform`] and [`report`] write. [`controller`] puts them in a row.

pub mod claims;
pub mod controller;
pub mod decide;
pub mod identity;
pub mod moves;
pub mod observe;
pub mod ownership;
pub mod perform;
pub mod placement;
pub mod probe;
pub mod report;
pub mod resolve;
pub mod revision;
pub mod rolling;
pub mod startup;
pub mod status;
pub mod trouble;
pub mod world;
