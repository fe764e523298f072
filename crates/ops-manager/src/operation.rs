//! From a request as written to an operation that can be carried out. An invalid one is refused here, with a message
//! that names what to change.

use api_types::condition;
use api_types::ops_request::{ApplyOption, OperationProgress, OpsRequestType, PostgresOpsRequestSpec};
use api_types::reported::ops_request::conditions;
use api_types::{PauseHolder, PostgresOpsRequest};
use jiff::{SignedDuration, Timestamp};

use crate::last_failure::LastFailure;
use crate::ops;
use crate::request_type::RequestType;
use crate::step::Step;

/// Minutes that a step may take per member when the request gives no `timeout`.
const DEFAULT_MINUTES_PER_MEMBER: i64 = 5;

/// One operation on one database.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Name of the request.
    pub name: String,
    /// UID of the request.
    pub uid: String,
    /// Namespace of request and database.
    pub namespace: String,
    /// Name of the Postgres.
    pub database: String,
    /// How requests of this type are carried out.
    pub type_: &'static dyn RequestType,
    /// The request as written; its type knows which section is its own.
    pub spec: PostgresOpsRequestSpec,
    /// Whether to wait until the database is Ready.
    pub apply: ApplyOption,
    /// Longest time of a step.
    pub timeout: Option<SignedDuration>,
    /// Choices made so far, as persisted.
    pub progress: OperationProgress,
    /// When the request was written.
    pub requested: Option<Timestamp>,
    /// When it began, as persisted.
    pub began: Option<Timestamp>,
    /// When the current step began, as persisted; the engine sets it for each step.
    pub step_began: Option<Timestamp>,
    /// The plan is approved, as persisted.
    pub is_approved: bool,
    /// The spec has the new settings, as persisted: there is no way back. The engine sets it for each step.
    pub committed: bool,
    /// Why the last effects did not succeed, if so; for conditions.
    pub last_failure: Option<LastFailure>,
}

/// Reads a request.
///
/// # Errors
/// A message with what is wrong with the request and what to write instead.
pub fn parse(request: &PostgresOpsRequest) -> Result<Operation, String> {
    let spec = &request.spec;
    let type_ = ops::find(spec.type_).ok_or_else(|| unsupported(spec.type_))?;
    type_.check(spec)?;
    let meta = &request.metadata;
    let status = request.status.as_ref();
    Ok(Operation {
        name: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        namespace: meta.namespace.clone().unwrap_or_default(),
        database: spec.database_ref.name.clone(),
        type_,
        spec: spec.clone(),
        apply: spec.apply.unwrap_or_default(),
        timeout: spec.timeout.as_deref().map(parse_timeout).transpose()?,
        progress: status
            .and_then(|status| status.progress.clone())
            .unwrap_or_default(),
        requested: meta.creation_timestamp.as_ref().map(|time| time.0),
        began: status
            .and_then(|status| condition::find(&status.conditions, spec.type_.as_str()))
            .map(|condition| condition.last_transition_time.0),
        step_began: None,
        is_approved: status
            .is_some_and(|status| condition::is_true(&status.conditions, conditions::APPROVED)),
        committed: false,
        last_failure: None,
    })
}

fn unsupported(type_: OpsRequestType) -> String {
    let known: Vec<_> = ops::REQUEST_TYPES
        .iter()
        .map(|type_| type_.kind().as_str())
        .collect();
    format!(
        "type {} is not supported yet; supported types for Postgres are {}. The database was not touched",
        type_.as_str(),
        known.join(", ")
    )
}

/// Reads a Go duration (`1h30m`, `90s`).
fn parse_timeout(text: &str) -> Result<SignedDuration, String> {
    text.parse::<SignedDuration>()
        .ok()
        .filter(SignedDuration::is_positive)
        .ok_or_else(|| {
            format!("spec.timeout {text:?} is not a positive duration; write for example 5m or 1h30m")
        })
}

impl Operation {
    /// This operation as the holder of a pause.
    pub fn holder(&self) -> PauseHolder {
        PauseHolder::request(&self.name, &self.uid)
    }

    /// How many times it is tried (`spec.maxRetries`; KubeDB's default is once).
    pub fn attempts(&self) -> i32 {
        self.spec.max_retries.unwrap_or(1).max(1)
    }

    /// Longest time of a step on a database with this many members. The time that a step grants to sessions and applications
    /// comes on top, or there might be none left for the step itself.
    pub fn step_timeout(&self, step: &Step, replicas: i32) -> SignedDuration {
        self.timeout_of_steps(replicas)
            .saturating_add((step.extra_time)(self))
    }

    /// Longest time of a step that grants none to others.
    pub fn timeout_of_steps(&self, replicas: i32) -> SignedDuration {
        self.timeout.unwrap_or_else(|| {
            SignedDuration::from_mins(DEFAULT_MINUTES_PER_MEMBER * i64::from(replicas.max(1)))
        })
    }

    /// How long the current step has been due.
    pub fn step_age(&self, now: Timestamp) -> SignedDuration {
        self.step_began
            .map(|began| now.duration_since(began))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(spec: &str) -> PostgresOpsRequest {
        let head = "{apiVersion: ops.kubedb.com/v1alpha1, kind: PostgresOpsRequest, metadata: {name: r, namespace: demo, uid: u}, spec: ";
        serde_yaml::from_str(&format!("{head}{spec}}}")).expect("a request")
    }

    #[test]
    fn go_durations_are_read() {
        let seconds = |text| parse_timeout(text).map(|duration| duration.as_secs());
        assert_eq!(seconds("5m"), Ok(300));
        assert_eq!(seconds("1h30m"), Ok(5400));
        assert_eq!(seconds("1h30m0s"), Ok(5400));
        assert!(seconds("0s").is_err());
        assert!(seconds("soon").unwrap_err().contains("5m"));
    }

    #[test]
    fn a_type_that_is_to_come_is_refused_with_the_ones_there_are() {
        let error = parse(&request("{databaseRef: {name: pg}, type: StorageMigration}")).unwrap_err();
        assert!(error.contains("StorageMigration is not supported yet"), "{error}");
        for known in ops::REQUEST_TYPES {
            assert!(error.contains(known.kind().as_str()), "{error}");
        }
    }

    #[test]
    fn a_step_has_five_minutes_per_member_unless_told_otherwise() {
        let plain = parse(&request("{databaseRef: {name: pg}, type: Restart}")).unwrap();
        assert_eq!(plain.timeout_of_steps(3).as_mins(), 15);
        let told = parse(&request("{databaseRef: {name: pg}, type: Restart, timeout: 3m}")).unwrap();
        assert_eq!(told.timeout_of_steps(3).as_mins(), 3);
    }

    #[test]
    fn the_time_that_a_step_grants_to_others_is_not_taken_from_it() {
        let op = parse(&request("{databaseRef: {name: pg}, type: Restart, timeout: 1m}")).unwrap();
        let step = Step::new(
            "Any",
            "",
            |_, _| String::new(),
            |_, _| Ok(crate::step::Progress::Done),
        );
        assert_eq!(op.step_timeout(&step, 3).as_mins(), 1);
        let granting = step.granting(|_| SignedDuration::from_mins(5));
        assert_eq!(op.step_timeout(&granting, 3).as_mins(), 6);
    }
}
