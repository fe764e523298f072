//! The first process of the container `postgres` of a member. It runs Patroni and does for it what Patroni does not:
//!
//! - it locks the volume before anything starts, so that two Pods of one name never run PostgreSQL on the same files;
//! - it has Patroni shut PostgreSQL down as soon as its own Pod is gone, before kubelet stops it;
//! - it takes note of every process that ends, as the first process of a container must;
//! - it starts a Patroni that crashed again beside the PostgreSQL that still runs;
//! - it wakes Patroni when a standby that commits may wait for went or came back;
//! - it has a standby restarted that stands still for good;
//! - it ends a PostgreSQL that hangs, so that it starts again or another member takes over, and notes it on the Pod.
//!
//! It controls Patroni by signals and by Patroni's REST API only.

pub mod api;
pub mod args;
pub mod child;
pub mod exits;
pub mod guard;
pub mod hang;
pub mod local;
pub mod login;
pub mod note;
pub mod pods;
pub mod postmaster;
pub mod standstill;
pub mod tend;
pub mod volume;
pub mod watch;

mod process;
mod signals;

pub use args::Args;
pub use process::run;
