//! Dry runs, and requests that run only after a person has approved their plan. Pure.
//!
//! Neither of them holds the queue: other requests pass them and are not skipped for them. Once a request runs, this
//! module no longer matters.

use api_types::PostgresOpsRequest;
use api_types::condition;
use api_types::ops_request::{OperationPlan, OperationProgress, OpsRequestPhase};
use api_types::vocabulary::{APPROVAL, APPROVED_PLAN};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::admit::{self, Admission, Waiting, reasons};
use crate::operation::Operation;
use crate::plan::{missing, plan};
use crate::step::Progress;
use crate::world::World;

mod status;

pub use status::admitted;
pub(crate) use status::{await_approval, deny, dry_run_done, question};

/// Condition of a request that needs an approval: whether it has it.
pub use api_types::reported::ops_request::conditions::APPROVED;
/// Value of the annotation [`APPROVAL`] that ends a request.
const DENIED: &str = "denied";
/// Value of the annotation [`APPROVAL`] that makes it wait. Any other value that does not end it does so too: what is
/// misspelt must not run.
const REQUIRED: &str = "required";
/// How long members may take to report what a complete plan needs.
const MEMBER_REPORT_GRACE: SignedDuration = SignedDuration::from_secs(15);
/// How old the count of sessions in a waiting request's plan may become.
const MAX_SESSION_COUNT_AGE: SignedDuration = SignedDuration::from_secs(30);

/// What a person has to approve.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Whether to carry out this plan.
    Plan(Box<OperationPlan>),
    /// Nothing can be approved now; the message states why. It may become possible again.
    Impossible(String),
}

/// Whether a request wants to know what would be done, in this world or with this approval.
pub fn needs_plan(request: &PostgresOpsRequest) -> bool {
    is_dry_run(request) || needs_approval(request)
}

/// Whether a request takes no place in the queue: it is not to run, or not yet.
pub fn is_not_queued(request: &PostgresOpsRequest) -> bool {
    is_dry_run(request) || is_denied(request) || (needs_approval(request) && !is_approved(request))
}

/// Decides on a request that has not begun: the result of [`admit::admit`], unless the request is not to run, or not
/// yet.
pub fn admit(
    request: &PostgresOpsRequest,
    op: &Operation,
    others: &[PostgresOpsRequest],
    world: &World,
    now: Timestamp,
) -> Admission {
    if is_denied(request) {
        return Admission::Deny(format!(
            "denied by the annotation {APPROVAL}: {DENIED}; the database was not touched"
        ));
    }
    match admit::admit(request, op, others, world, now) {
        Admission::Begin(progress) if needs_plan(request) => planned(request, op, progress, world, now),
        Admission::Wait(waiting) => unless_asked(request, waiting),
        Admission::Refuse(why) => refused(request, why),
        other => other,
    }
}

fn planned(
    request: &PostgresOpsRequest,
    op: &Operation,
    progress: Box<OperationProgress>,
    world: &World,
    now: Timestamp,
) -> Admission {
    let op = Operation {
        progress: (*progress).clone(),
        ..op.clone()
    };
    let plan = match plan(&op, world) {
        Ok(plan) => plan,
        Err(Progress::Impossible(why)) => return refused(request, why),
        Err(Progress::Wait(on)) => return unless_asked(request, not_known(on.to_string())),
        Err(other) => {
            return unless_asked(
                request,
                not_known(format!("the plan could not be made: {other:?}")),
            );
        }
    };
    let is_young = now.duration_since(created(request, now)) < MEMBER_REPORT_GRACE;
    if let Some(why) = missing(&plan).filter(|_| is_young && !op.type_.makes_a_primary()) {
        return unless_asked(request, not_known(why));
    }
    if is_dry_run(request) {
        return Admission::DryRun(Box::new(plan));
    }
    match known(request) {
        Some(known) if known.hash == plan.hash && is_approved(request) => Admission::Begin(progress),
        Some(known) if known.hash == plan.hash && !is_worth_reporting(known, &plan, now) => {
            Admission::AwaitApproval(Question::Plan(Box::new(known.clone())))
        }
        _ => Admission::AwaitApproval(Question::Plan(Box::new(plan))),
    }
}

/// A passing obstacle must not hide a plan that already waits for approval.
fn unless_asked(request: &PostgresOpsRequest, waiting: Waiting) -> Admission {
    match open_question(request) {
        Some(asked) => Admission::AwaitApproval(Question::Plan(Box::new(asked.clone()))),
        None => Admission::Wait(waiting),
    }
}

/// What is impossible now may be possible at the time of the approval.
fn refused(request: &PostgresOpsRequest, why: String) -> Admission {
    match open_question(request) {
        Some(_) => Admission::AwaitApproval(Question::Impossible(why)),
        None => Admission::Refuse(why),
    }
}

fn not_known(message: String) -> Waiting {
    Waiting {
        reason: reasons::DEPENDENCY,
        message,
    }
}

/// The plan that waits for approval.
fn open_question(request: &PostgresOpsRequest) -> Option<&OperationPlan> {
    known(request).filter(|_| was_asked(request) && !is_approved(request))
}

/// Plans of the same hash differ in roles and sessions only. The plan is rewritten when both were observed completely,
/// but not whenever a session comes or goes.
fn is_worth_reporting(known: &OperationPlan, new: &OperationPlan, now: Timestamp) -> bool {
    let counted = known.sessions.counted_at.as_ref().map(|time| time.0);
    let is_old = counted.is_none_or(|then| now.duration_since(then) >= MAX_SESSION_COUNT_AGE);
    is_old && missing(new).is_none()
}

fn annotation<'a>(request: &'a PostgresOpsRequest, key: &str) -> Option<&'a str> {
    request.annotations().get(key).map(String::as_str)
}

fn is_dry_run(request: &PostgresOpsRequest) -> bool {
    request.spec.dry_run.unwrap_or(false)
}

fn is_denied(request: &PostgresOpsRequest) -> bool {
    annotation(request, APPROVAL) == Some(DENIED)
}

/// A request that once waited for approval keeps needing it, also when the annotation is removed.
fn needs_approval(request: &PostgresOpsRequest) -> bool {
    annotation(request, APPROVAL).is_some() || was_asked(request)
}

fn was_asked(request: &PostgresOpsRequest) -> bool {
    request.phase() == Some(OpsRequestPhase::WaitingForApproval)
        || condition::find(request.conditions(), APPROVED).is_some()
}

/// Whether the plan in the request's status is the approved one.
fn is_approved(request: &PostgresOpsRequest) -> bool {
    let approved = annotation(request, APPROVED_PLAN).filter(|hash| !hash.is_empty());
    approved.is_some() && known(request).map(|known| known.hash.as_str()) == approved
}

fn known(request: &PostgresOpsRequest) -> Option<&OperationPlan> {
    request.status.as_ref()?.plan.as_ref()
}

fn created(request: &PostgresOpsRequest, now: Timestamp) -> Timestamp {
    let created = request.metadata.creation_timestamp.as_ref();
    created.map_or(now, |time| time.0)
}

#[cfg(test)]
mod tests;
