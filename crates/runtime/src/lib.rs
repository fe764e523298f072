//! What every operator process has: arguments, logs, probes, metrics, leader election, controllers and the ways to write
//! to the API server. Nothing here knows what a database is.

mod apply;
mod apply_error;
mod args;
mod backoff;
mod controller;
mod events;
mod leader;
mod metrics;
pub mod password;
mod process;
mod server;
mod shutdown;
mod status;
mod telemetry;

pub use api_types::error_chain;
pub use apply::{Deletion, Eviction, apply, apply_changed, delete, evict, merge_patch, needs_apply};
pub use apply_error::{Answer, ApplyError, ObjectId};
pub use args::{CommonArgs, LogFormat};
pub use backoff::Backoff;
pub use controller::{ReconcileError, Retry, run_controller};
pub use events::{Recorder, Severity};
pub use leader::LeaderError;
pub use metrics::{ControllerMetrics, Metrics, Sample, Series, exact, unix_seconds};
pub use process::{Process, RunError, run};
pub use server::{Gate, Readiness, ServerError, router};
pub use shutdown::{Shutdown, Trigger};
pub use status::patch_status;

/// The metrics library, so that operators register their own collectors with the same version.
pub use prometheus;
