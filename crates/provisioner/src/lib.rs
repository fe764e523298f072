//! The provisioner: from a `Postgres` to the objects that it consists of, and back to its status.
//!
//! `controller` is the table of contents. `observe` reads, `decide` decides (pure), `perform` writes, `report` reports.

pub mod args;
pub mod auth_watch;
mod cert_manager;
pub mod child;
pub mod controller;
pub mod decide;
pub mod error;
pub mod health;
pub mod members_tls;
pub mod metrics;
pub mod observe;
pub mod pause_throttle;
pub mod perform;
pub mod plan;
pub mod report;
pub mod watch_filter;
pub mod world;
