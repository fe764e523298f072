//! From a request as written to an operation that can be carried out. What can't be is refused here, in words that say
//! what to change.

use api_types::PostgresOpsRequest;
use api_types::condition;
use api_types::ops_request::{ApplyOption, Drain, OperationPlan, OpsRequestType, TlsRequest, TlsRestart};
use jiff::{SignedDuration, Timestamp};

use crate::moves::drain;
use crate::ops;
use crate::step::{Step, StepName};

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
    /// What is to be done.
    pub what: What,
    /// Whether to wait until the database is Ready.
    pub apply: ApplyOption,
    /// Longest time of a step.
    pub timeout: Option<SignedDuration>,
    /// Choices made so far, as persisted.
    pub plan: OperationPlan,
    /// When it began, as persisted.
    pub began: Option<Timestamp>,
    /// When the step that is looked at began, as persisted; set by the engine for each step.
    pub step_began: Option<Timestamp>,
    /// The spec says the new settings, as persisted: there is no way back. Set by the engine for each step.
    pub committed: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Make every Pod anew.
    Restart,
    /// Add, change or remove TLS.
    ReconfigureTls(Box<TlsRequest>),
}

/// The types that [`parse`] knows what to do with.
const SUPPORTED: [OpsRequestType; 2] = [OpsRequestType::ReconfigureTLS, OpsRequestType::Restart];

/// Reads a request.
///
/// # Errors
/// A sentence that says what is wrong with the request and what to write instead.
pub fn parse(request: &PostgresOpsRequest) -> Result<Operation, String> {
    let spec = &request.spec;
    let what = match (spec.type_, &spec.tls) {
        (OpsRequestType::Restart, _) => What::Restart,
        (OpsRequestType::ReconfigureTLS, Some(tls)) => {
            ops::reconfigure_tls::request::check(tls)?;
            What::ReconfigureTls(Box::new(tls.clone()))
        }
        (OpsRequestType::ReconfigureTLS, None) => {
            return Err(
                "`spec.tls` nil not supported in ReconfigureTLS type; set spec.tls to what is to change"
                    .into(),
            );
        }
        (other, _) => return Err(unsupported(other)),
    };
    let meta = &request.metadata;
    let status = request.status.as_ref();
    Ok(Operation {
        name: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        namespace: meta.namespace.clone().unwrap_or_default(),
        database: spec.database_ref.name.clone(),
        what,
        apply: spec.apply.unwrap_or_default(),
        timeout: spec.timeout.as_deref().map(parse_timeout).transpose()?,
        plan: status.and_then(|status| status.plan.clone()).unwrap_or_default(),
        began: status
            .and_then(|status| condition::find(&status.conditions, spec.type_.as_str()))
            .map(|condition| condition.last_transition_time.0),
        step_began: None,
        committed: false,
    })
}

fn unsupported(type_: OpsRequestType) -> String {
    let known: Vec<_> = SUPPORTED.iter().map(|type_| type_.as_str()).collect();
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
    /// Value of the pause annotation while this operation holds it: `<request name>/<request uid>`.
    pub fn holder(&self) -> String {
        format!("{}/{}", self.name, self.uid)
    }

    /// The steps between pause and resume.
    pub fn recipe(&self) -> Vec<Step> {
        match &self.what {
            What::Restart => ops::restart::RECIPE.to_vec(),
            What::ReconfigureTls(_) => ops::reconfigure_tls::recipe(&self.plan, self.restart()),
        }
    }

    /// What brings the database back to what its spec says when the recipe can't be finished.
    pub fn restore(&self) -> Option<Step> {
        match self.what {
            What::Restart => None,
            What::ReconfigureTls(_) => Some(ops::reconfigure_tls::RESTORE),
        }
    }

    /// Type and reason of the first condition.
    pub fn type_(&self) -> OpsRequestType {
        match self.what {
            What::Restart => OpsRequestType::Restart,
            What::ReconfigureTls(_) => OpsRequestType::ReconfigureTLS,
        }
    }

    /// Message of the first condition.
    pub fn begun(&self) -> &'static str {
        match self.what {
            What::Restart => "Postgres ops request is restarting nodes",
            What::ReconfigureTls(_) => "Postgres ops request is reconfiguring TLS",
        }
    }

    /// Message of the last condition when all went well.
    pub fn succeeded(&self) -> &'static str {
        match self.what {
            What::Restart => "Successfully completed the modification process.",
            What::ReconfigureTls(_) => "Successfully Reconfigured TLS",
        }
    }

    /// Longest time of a step on a database with this many members. The time that sessions and applications are given comes
    /// on top, or there might be none left for the step itself.
    pub fn step_timeout(&self, step: StepName, replicas: i32) -> SignedDuration {
        let own = self.timeout.unwrap_or_else(|| {
            SignedDuration::from_mins(DEFAULT_MINUTES_PER_MEMBER * i64::from(replicas.max(1)))
        });
        match step {
            StepName::DrainSessions => own.saturating_add(drain::timeout(&self.drain())),
            StepName::TrustCa => own.saturating_add(self.ca_overlap()),
            _ => own,
        }
    }

    /// How members are to take the change up.
    pub fn restart(&self) -> TlsRestart {
        match &self.what {
            What::ReconfigureTls(tls) => tls.restart.unwrap_or_default(),
            What::Restart => TlsRestart::Always,
        }
    }

    /// How long applications have at least to take the bundle with the old and the new CA. Validated with the request, see
    /// `request::check`.
    pub fn ca_overlap(&self) -> SignedDuration {
        let given = match &self.what {
            What::ReconfigureTls(tls) => tls.ca_overlap.as_deref(),
            What::Restart => None,
        };
        given
            .and_then(|text| text.parse().ok())
            .unwrap_or(SignedDuration::ZERO)
    }

    /// What becomes of sessions that the new settings do not admit.
    pub fn drain(&self) -> Drain {
        match &self.what {
            What::ReconfigureTls(tls) => tls.drain.clone().unwrap_or_default(),
            What::Restart => Drain::default(),
        }
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
        let error = parse(&request("{databaseRef: {name: pg}, type: UpdateVersion}")).unwrap_err();
        assert!(error.contains("UpdateVersion is not supported yet"), "{error}");
        assert!(error.contains("ReconfigureTLS, Restart"), "{error}");
    }

    #[test]
    fn reconfigure_tls_without_tls_is_refused() {
        let error = parse(&request("{databaseRef: {name: pg}, type: ReconfigureTLS}")).unwrap_err();
        assert!(error.starts_with("`spec.tls` nil not supported"), "{error}");
    }

    #[test]
    fn a_step_has_five_minutes_per_member_unless_told_otherwise() {
        let plain = parse(&request("{databaseRef: {name: pg}, type: Restart}")).unwrap();
        assert_eq!(plain.step_timeout(StepName::RestartNodes, 3).as_mins(), 15);
        let told = parse(&request("{databaseRef: {name: pg}, type: Restart, timeout: 3m}")).unwrap();
        assert_eq!(told.step_timeout(StepName::RestartNodes, 3).as_mins(), 3);
    }

    #[test]
    fn the_time_that_sessions_are_given_is_not_taken_from_the_step_that_ends_them() {
        let spec = "{databaseRef: {name: pg}, type: ReconfigureTLS, timeout: 1m, tls: {remove: true, drain: {timeout: 5m}}}";
        let op = parse(&request(spec)).unwrap();
        assert_eq!(op.step_timeout(StepName::DrainSessions, 3).as_mins(), 6);
        assert_eq!(op.step_timeout(StepName::ReloadPods, 3).as_mins(), 1);
    }

    #[test]
    fn the_time_that_applications_are_given_is_not_taken_from_the_step_that_publishes_the_cas() {
        let spec = "{databaseRef: {name: pg}, type: ReconfigureTLS, timeout: 1m, tls: {rotateCertificates: true, caOverlap: 2m}}";
        let op = parse(&request(spec)).unwrap();
        assert_eq!(op.step_timeout(StepName::TrustCa, 3).as_mins(), 3);
    }
}
