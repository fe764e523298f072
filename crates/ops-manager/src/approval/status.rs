//! Status of dry runs and of requests that wait for approval.

use api_types::PostgresOpsRequest;
use api_types::condition::{self, Condition};
use api_types::ops_request::{OperationPlan, OpsRequestPhase, PostgresOpsRequestStatus};
use api_types::reported::ops_request::{conditions, reasons};
use api_types::vocabulary::{APPROVAL, APPROVED_PLAN};
use jiff::Timestamp;
use runtime::Severity;

use super::{APPROVED, DENIED, Question, REQUIRED, annotation, is_approved};
use crate::admit::Admission;
use crate::engine::SUCCESSFUL;
use crate::operation::Operation;
use crate::report::{self, News, leave_queue};

/// Reason of the condition `Successful` of a dry run.
const DRY_RUN: &str = reasons::DRY_RUN;
/// Reason of [`APPROVED`] while no person has approved or denied.
const WAITING: &str = reasons::WAITING_FOR_APPROVAL;
/// Reason of [`APPROVED`] when another plan was approved than the one that there is.
const CHANGED: &str = reasons::PLAN_CHANGED;
/// Reason of [`APPROVED`] when there is nothing to approve at the moment.
const IMPOSSIBLE: &str = reasons::NOT_POSSIBLE_NOW;
/// Condition of a denied request.
const DENIAL: &str = conditions::DENIED;

/// The status after a decision about a request that has not begun; [`report::admitted`] with what was approved.
pub fn admitted(
    request: &PostgresOpsRequest,
    op: &Operation,
    admission: &Admission,
    now: Timestamp,
) -> PostgresOpsRequestStatus {
    let old = request.status.clone().unwrap_or_default();
    let mut status = report::admitted(op, &old, admission, request.metadata.generation, now);
    match admission {
        Admission::Begin(_) | Admission::Wait(_) if is_approved(request) => {
            let hash = status.plan.as_ref().map(|plan| plan.hash.as_str());
            let message = format!("the plan {} was approved", hash.unwrap_or_default());
            put(&mut status, true, reasons::PLAN_APPROVED, &message, now);
        }
        Admission::AwaitApproval(question) => ask(request, op, &mut status, question, now),
        _ => {}
    }
    status
}

/// The end of a dry run.
pub(crate) fn dry_run_done(
    status: &mut PostgresOpsRequestStatus,
    op: &Operation,
    plan: &OperationPlan,
    now: Timestamp,
) {
    let message = format!(
        "Nothing was done. {}/{}: {}. Plan {}",
        op.namespace, op.database, plan.summary, plan.hash
    );
    status.plan = Some(plan.clone());
    leave_queue(status, OpsRequestPhase::Successful);
    condition::set(
        &mut status.conditions,
        Condition::new(SUCCESSFUL, true, DRY_RUN, &message, now),
    );
}

/// The end of a denied request.
pub(crate) fn deny(status: &mut PostgresOpsRequestStatus, why: &str, now: Timestamp) {
    leave_queue(status, OpsRequestPhase::Denied);
    if condition::find(&status.conditions, APPROVED).is_some() {
        put(status, false, reasons::DENIED, why, now);
    }
    condition::set(
        &mut status.conditions,
        Condition::new(DENIAL, true, DENIAL, why, now),
    );
}

/// The phase and the plan of a request that waits for approval; the Event needs the request itself.
pub(crate) fn await_approval(status: &mut PostgresOpsRequestStatus, question: &Question) {
    leave_queue(status, OpsRequestPhase::WaitingForApproval);
    if let Question::Plan(plan) = question {
        status.plan = Some((**plan).clone());
    }
}

/// Publishes the plan to approve, and how to approve it.
fn ask(
    request: &PostgresOpsRequest,
    op: &Operation,
    status: &mut PostgresOpsRequestStatus,
    question: &Question,
    now: Timestamp,
) {
    let plan = match question {
        Question::Impossible(why) => {
            let message = format!("it can't be done now: {why}; {}", how_to_deny(op));
            return put(status, false, IMPOSSIBLE, &message, now);
        }
        Question::Plan(plan) => plan,
    };
    let given = annotation(request, APPROVED_PLAN).filter(|given| !given.is_empty() && *given != plan.hash);
    let (reason, why) = match given {
        Some(given) => (
            CHANGED,
            format!("the plan {given} was approved, but by now the plan is another one; "),
        ),
        None => (WAITING, String::new()),
    };
    // The commands first: what comes late in a long message is cut off in Events.
    let hash = &plan.hash;
    let message = format!(
        "{why}to approve plan {hash}: {}; {}. The plan: {}{}",
        annotate(op, &format!("{APPROVED_PLAN}={hash}")),
        how_to_deny(op),
        plan.summary,
        unknown_word(request),
    );
    put(status, false, reason, &message, now);
}

fn how_to_deny(op: &Operation) -> String {
    format!("to deny it: {}", annotate(op, &format!("{APPROVAL}={DENIED}")))
}

fn annotate(op: &Operation, pair: &str) -> String {
    format!(
        "kubectl annotate pgops {} -n {} {pair} --overwrite",
        op.name, op.namespace
    )
}

fn unknown_word(request: &PostgresOpsRequest) -> String {
    match annotation(request, APPROVAL) {
        None | Some(REQUIRED) => String::new(),
        Some(other) => format!(
            ". The value {other:?} of {APPROVAL} is not known, and counts as {REQUIRED:?}; write that or {DENIED:?}"
        ),
    }
}

fn put(
    status: &mut PostgresOpsRequestStatus,
    is_approved: bool,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    condition::set(
        &mut status.conditions,
        Condition::new(APPROVED, is_approved, reason, message, now),
    );
}

/// The Event that requests an approval, once for every plan.
pub(crate) fn question(old: &PostgresOpsRequestStatus, new: &PostgresOpsRequestStatus) -> Option<News> {
    let hash = |status: &PostgresOpsRequestStatus| status.plan.as_ref().map(|it| it.hash.clone());
    let waits = new.phase == Some(OpsRequestPhase::WaitingForApproval);
    let is_new = old.phase != new.phase || hash(old) != hash(new);
    let asked = condition::find(&new.conditions, APPROVED).filter(|_| waits && is_new)?;
    Some(News {
        severity: Severity::Normal,
        reason: WAITING.to_owned(),
        note: asked.message.clone().unwrap_or_default(),
        action: WAITING.to_owned(),
    })
}
