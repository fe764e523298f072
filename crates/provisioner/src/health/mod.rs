//! Health checks: one task per database, beside the reconciler, so that a hanging member never delays a decision.
//!
//! The reconciler hands a task its [`Targets`]; the task checks them at once and then periodically, keeps the latest
//! [`Report`] and wakes the reconciler when the report changes.

pub mod ask;
pub mod check;
pub mod diverged;
pub mod judge;
pub mod left_behind;
pub mod report;
pub mod seen;
pub mod slots;
pub mod targets;
pub mod watchers;

pub use judge::{Failure, FailureKind};
pub use report::{Member, Position, Report, Served, Verdict};
pub use slots::UserSlot;
pub use targets::{Candidate, Login, PatroniAccess, Renewal, Target, Targets, Tried};
pub use watchers::Watchers;
