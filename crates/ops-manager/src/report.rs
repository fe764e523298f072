//! From decisions to the request's status, and from a change of status to Events. Pure.

use api_types::PostgresOpsRequest;
use api_types::condition::{self, Condition};
use api_types::ops_request::{OpsRequestPhase, PostgresOpsRequestStatus};
use api_types::reported::ops_request::{conditions, events};
use jiff::Timestamp;
use runtime::Severity;

use crate::admit::{Admission, Waiting, reasons};
use crate::approval;
use crate::engine::{FAILED, PAUSE, RESUME, SUCCESSFUL};
use crate::operation::Operation;
use crate::queue;

/// Condition of a request that a newer one makes superfluous.
const SKIPPED: &str = conditions::SKIPPED;

/// The status after a decision about a request that has not begun.
pub fn admitted(
    op: &Operation,
    old: &PostgresOpsRequestStatus,
    admission: &Admission,
    generation: Option<i64>,
    now: Timestamp,
) -> PostgresOpsRequestStatus {
    let mut status = old.clone();
    match admission {
        Admission::Wait(waiting) => wait(&mut status, waiting, now),
        Admission::Begin(progress) => {
            status.progress = Some((**progress).clone());
            let (type_, begun) = (op.type_.kind().as_str(), op.type_.begun());
            conclude(
                &mut status,
                OpsRequestPhase::Progressing,
                (type_, type_),
                begun,
                now,
            );
        }
        Admission::NothingToDo(why) => {
            let word = (SUCCESSFUL, SUCCESSFUL);
            conclude(&mut status, OpsRequestPhase::Successful, word, why, now)
        }
        Admission::Skip(why) => conclude(
            &mut status,
            OpsRequestPhase::Skipped,
            (SKIPPED, SKIPPED),
            why,
            now,
        ),
        Admission::Merged { reason, message } => conclude(
            &mut status,
            OpsRequestPhase::Skipped,
            (SKIPPED, reason),
            message,
            now,
        ),
        Admission::Merge(merged) => wait(&mut status, &until_merged(merged), now),
        Admission::Refuse(why) => conclude(&mut status, OpsRequestPhase::Failed, (FAILED, FAILED), why, now),
        Admission::DryRun(plan) => approval::dry_run_done(&mut status, op, plan, now),
        Admission::AwaitApproval(question) => approval::await_approval(&mut status, question),
        Admission::Deny(why) => approval::deny(&mut status, why, now),
    }
    originals(&mut status, op, admission, now);
    status.observed_generation = generation;
    status
}

fn until_merged(merged: &PostgresOpsRequest) -> Waiting {
    Waiting {
        reason: reasons::QUEUED,
        message: format!("is merged into {}", queue::full_name(merged)),
    }
}

/// Of a request that others were merged into: which, and that they are skipped (KubeDB's conditions and words).
fn originals(status: &mut PostgresOpsRequestStatus, op: &Operation, admission: &Admission, now: Timestamp) {
    let Some(merging) = op.type_.merging().filter(|_| !op.spec.merged_from.is_empty()) else {
        return;
    };
    let names: Vec<&str> = op.spec.merged_from.iter().map(|it| it.name.as_str()).collect();
    let mut put = |type_: &str, reason: &str, message: &str| {
        condition::set(
            &mut status.conditions,
            Condition::new(type_, true, reason, message, now),
        );
    };
    put(conditions::MERGED_FROM_OPS, merging.reason, &names.join(", "));
    if !matches!(admission, Admission::Wait(waiting) if waiting.reason == reasons::ORIGINALS) {
        put(
            reasons::ORIGINALS,
            reasons::ORIGINALS,
            "All original ops requests have been marked as Skipped",
        );
    }
}

/// The status of a request that can't be read as an operation.
pub fn refused(
    old: &PostgresOpsRequestStatus,
    why: &str,
    generation: Option<i64>,
    now: Timestamp,
) -> PostgresOpsRequestStatus {
    let mut status = old.clone();
    conclude(&mut status, OpsRequestPhase::Failed, (FAILED, FAILED), why, now);
    status.observed_generation = generation;
    status
}

fn wait(status: &mut PostgresOpsRequestStatus, waiting: &Waiting, now: Timestamp) {
    status.phase = Some(OpsRequestPhase::Pending);
    status
        .conditions
        .retain(|c| c.type_ == waiting.reason || !reasons::ALL.contains(&c.type_.as_str()));
    let condition = Condition::new(waiting.reason, false, waiting.reason, &waiting.message, now);
    condition::set(&mut status.conditions, condition);
}

fn conclude(
    status: &mut PostgresOpsRequestStatus,
    phase: OpsRequestPhase,
    (type_, reason): (&str, &str),
    message: &str,
    now: Timestamp,
) {
    leave_queue(status, phase);
    condition::set(
        &mut status.conditions,
        Condition::new(type_, true, reason, message, now),
    );
}

/// Moves into a phase in which the status no longer reports a place in the queue.
pub(crate) fn leave_queue(status: &mut PostgresOpsRequestStatus, phase: OpsRequestPhase) {
    status.phase = Some(phase);
    status
        .conditions
        .retain(|condition| !reasons::ALL.contains(&condition.type_.as_str()));
}

/// One Event to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// How serious.
    pub severity: Severity,
    /// Reason of the Event.
    pub reason: String,
    /// Text of the Event.
    pub note: String,
    /// What was done.
    pub action: String,
}

/// The Events that a change of status is worth, in order (KubeDB's reasons and texts).
pub fn news(op: &Operation, old: &PostgresOpsRequestStatus, new: &PostgresOpsRequestStatus) -> Vec<News> {
    new.conditions
        .iter()
        .filter_map(|now| news_of(op, condition::find(&old.conditions, &now.type_), now))
        .chain(approval::question(old, new))
        .collect()
}

fn news_of(op: &Operation, old: Option<&Condition>, now: &Condition) -> Option<News> {
    let database = format!("{}/{}", op.namespace, op.database);
    let opened = old.is_none() && now.is_false();
    let became_true = now.is_true() && !old.is_some_and(Condition::is_true);
    let bracket = |reason: &str, doing: &str, done: &str| {
        let note = if opened { doing } else { done };
        (opened || became_true).then(|| News {
            severity: Severity::Normal,
            reason: reason.to_owned(),
            note: format!("{note} {database}"),
            action: if opened {
                format!("{reason}Begins")
            } else {
                reason.to_owned()
            },
        })
    };
    if now.type_ == PAUSE.condition {
        return bracket(
            events::PAUSE_DATABASE,
            "Pausing Postgres",
            "Successfully paused Postgres",
        );
    }
    if now.type_ == RESUME.condition {
        return bracket(
            events::RESUME_DATABASE,
            "Resuming PostgreSQL",
            "Successfully resumed PostgreSQL",
        );
    }
    let message = now.message.clone().unwrap_or_default();
    if now.reason.is_none() {
        // KubeDB's text. Its severity and reason are not taken over: a Warning is for what went wrong, and a reason is one word.
        let worth_telling = became_true || opened;
        return worth_telling.then(|| News {
            severity: Severity::Normal,
            reason: part_of_step(&now.type_).to_owned(),
            note: message,
            action: now.type_.clone(),
        });
    }
    became_true.then(|| News {
        severity: if now.type_ == FAILED {
            Severity::Warning
        } else {
            Severity::Normal
        },
        reason: now.type_.clone(),
        note: message,
        action: now.type_.clone(),
    })
}

/// The word of a sub-condition's type, which ends in the Pod's name: `EvictPod--pg-0`.
fn part_of_step(type_: &str) -> &str {
    type_.split("--").next().unwrap_or(type_)
}

/// The Event of a request that can't be read as an operation.
pub fn refusal(why: &str) -> News {
    News {
        severity: Severity::Warning,
        reason: FAILED.to_owned(),
        note: why.to_owned(),
        action: FAILED.to_owned(),
    }
}

/// Steps that a change of status completed, with the seconds that each took.
pub fn completed_steps(old: &PostgresOpsRequestStatus, new: &PostgresOpsRequestStatus) -> Vec<(String, f64)> {
    let took = |now: &Condition| {
        let before = condition::find(&old.conditions, &now.type_).filter(|c| c.is_false())?;
        let seconds = now
            .last_transition_time
            .0
            .duration_since(before.last_transition_time.0)
            .as_secs_f64();
        (now.is_true() && now.reason.is_some()).then(|| (now.type_.clone(), seconds))
    };
    new.conditions.iter().filter_map(took).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_normal_and_every_reason_is_one_word() {
        let request = serde_yaml::from_str(
            "{apiVersion: ops.kubedb.com/v1alpha1, kind: PostgresOpsRequest, metadata: {name: r, namespace: demo, uid: u}, \
             spec: {databaseRef: {name: pg}, type: Restart}}",
        );
        let op = crate::operation::parse(&request.expect("a request")).expect("an operation");
        let condition = |type_: &str, reason: &str| {
            let mut condition = Condition::new(type_, true, reason, "said", Timestamp::UNIX_EPOCH);
            condition.reason = condition.reason.filter(|reason| !reason.is_empty());
            condition
        };
        let new = PostgresOpsRequestStatus {
            conditions: vec![
                condition("EvictPod--pg-0", ""),
                condition("TransferLeader", ""),
                condition("RestartNodes", "RestartNodes"),
                condition(FAILED, FAILED),
            ],
            ..PostgresOpsRequestStatus::default()
        };
        let told: Vec<(Severity, String)> = news(&op, &PostgresOpsRequestStatus::default(), &new)
            .into_iter()
            .map(|it| (it.severity, it.reason))
            .collect();
        let normal = |reason: &str| (Severity::Normal, reason.to_owned());
        let expected = [
            normal("EvictPod"),
            normal("TransferLeader"),
            normal("RestartNodes"),
            (Severity::Warning, FAILED.to_owned()),
        ];
        assert_eq!(told, expected);
    }
}
