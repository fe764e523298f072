//! `ReconfigureTLS`: TLS is added, its certificates are reissued or changed, or it is removed.
//!
//! The spec is committed in an overlap window: every member has proven that it accepts clients of the old settings and of the
//! new ones. Before it, the way back is a reload and no client has noticed anything; after it, the way on is what the
//! provisioner would do by itself. So spec and members agree whenever an operation ends, however it ends.

mod admission;
mod drain;
mod planned_certificates;
pub mod request;
mod states;
mod steps;
pub mod target;
mod words;

use api_types::Postgres;
use api_types::names;
use api_types::ops_request::{
    OperationProgress, OpsRequestType, PostgresOpsRequestSpec, TlsPlan, TlsRestart,
};
use api_types::tls::{CertificateAlias, IssuerRef, TlsConfig};
use api_types::vocabulary::CERT_MANAGER_GROUP;
use blueprint::TlsPhase;

use crate::admit::Admission;
use crate::operation::Operation;
use crate::request_type::{Description, Proposal, Reads, RequestType, TlsReads};
use crate::step::{Step, StepResult};
use crate::tls::issuer_ca;
use crate::world::World;
use steps::{
    DRAIN, FINISH, ISSUE, RELOAD, RELOAD_CLIENTS, RELOAD_PODS, RESTART, RESTORE, SYNC, SYNC_CLIENTS, TRUST,
    UPDATE,
};

/// What comes before the spec is committed.
const ROTATE: &[Step] = &[ISSUE, SYNC, TRUST, RELOAD];
const CHANGE: &[Step] = &[SYNC, TRUST, RELOAD];
/// The CA of a new issuer is trusted before anything is issued: a client may show its new certificate at once. The client
/// certificate comes last, see [`clients_come_last`].
const CHANGE_ISSUER: &[Step] = &[TRUST, SYNC, RELOAD, SYNC_CLIENTS, RELOAD_CLIENTS];
const ROTATE_TO_ISSUER: &[Step] = &[TRUST, ISSUE, SYNC, RELOAD, SYNC_CLIENTS, RELOAD_CLIENTS];
const ADD: &[Step] = &[SYNC, RELOAD];
const REMOVE: &[Step] = &[RELOAD];
/// What comes then.
const BY_RESTART: &[Step] = &[UPDATE, RESTART, FINISH];
const BY_RELOAD: &[Step] = &[UPDATE, RELOAD_PODS, FINISH];

/// Adds, changes or removes TLS.
pub struct ReconfigureTls;

impl RequestType for ReconfigureTls {
    fn kind(&self) -> OpsRequestType {
        OpsRequestType::ReconfigureTLS
    }

    fn begun(&self) -> &'static str {
        "Postgres ops request is reconfiguring TLS"
    }

    fn succeeded(&self) -> &'static str {
        "Successfully Reconfigured TLS"
    }

    fn check(&self, spec: &PostgresOpsRequestSpec) -> Result<(), String> {
        match &spec.tls {
            Some(tls) => request::check(tls),
            None => Err(
                "`spec.tls` nil not supported in ReconfigureTLS type; set spec.tls to what is to change"
                    .into(),
            ),
        }
    }

    fn reads(&self, op: &Operation, postgres: &Postgres) -> Reads {
        let tls = TlsReads {
            secrets: certificate_secrets(op, postgres),
            answers: plan_of(op)
                .iter()
                .flat_map(|plan| issuer_ca::new_issuers(plan))
                .map(|issuer| issuer_ca::request_name(op, &issuer))
                .collect(),
        };
        Reads {
            issuers: issuers(op, postgres),
            tls: Some(tls),
            ..Reads::default()
        }
    }

    fn plan(
        &self,
        op: &Operation,
        proposal: &Proposal<'_>,
        progress: &mut OperationProgress,
    ) -> Result<(), Admission> {
        progress.change.tls = Some(admission::plan(request::of(op), proposal)?);
        Ok(())
    }

    fn recipe(&self, op: &Operation) -> Vec<Step> {
        recipe(plan_of(op), request::restart(op))
    }

    fn restore(&self) -> Option<Step> {
        Some(RESTORE)
    }

    fn describe(&self, op: &Operation, world: &World) -> StepResult<Description> {
        words::description(op, world)
    }
}

/// The plan that was fixed when the operation began.
fn plan_of(op: &Operation) -> Option<&TlsPlan> {
    op.progress.change.tls.as_ref()
}

/// The steps of what was planned.
fn recipe(plan: Option<&TlsPlan>, restart: TlsRestart) -> Vec<Step> {
    let has_new_issuers = plan.is_some_and(clients_come_last);
    let sides = plan.map(|plan| (plan.before.tls.is_some(), plan.after.tls.is_some(), plan.rotate));
    let first = match sides {
        Some((true, true, true)) if has_new_issuers => ROTATE_TO_ISSUER,
        Some((true, true, false)) if has_new_issuers => CHANGE_ISSUER,
        Some((true, true, true)) => ROTATE,
        Some((true, true, false)) => CHANGE,
        Some((false, true, _)) => ADD,
        Some((_, false, _)) | None => REMOVE,
    };
    let changes_wire = sides.is_none_or(|(before, after, _)| before != after);
    match (restart, changes_wire) {
        // A restart ends every session anyway.
        (TlsRestart::Always, _) => [first, BY_RESTART].concat(),
        (TlsRestart::Auto | TlsRestart::Never, true) => [first, &[DRAIN], BY_RELOAD].concat(),
        (TlsRestart::Auto | TlsRestart::Never, false) => [first, BY_RELOAD].concat(),
    }
}

/// Whether members serve their new certificates before the client certificate is issued: when TLS stays, and another issuer signs.
fn clients_come_last(plan: &TlsPlan) -> bool {
    let stays = plan.before.tls.is_some() && plan.after.tls.is_some();
    stays && !issuer_ca::new_issuers(plan).is_empty()
}

/// The phase in which members accept clients of both settings.
fn overlap_phase(plan: &TlsPlan) -> TlsPhase {
    match (&plan.before.tls, &plan.after.tls) {
        (None, None) => TlsPhase::Off,
        (Some(_), Some(_)) => TlsPhase::Enforce,
        _ => TlsPhase::Accept,
    }
}

/// The Secrets of certificates that the spec names now, and that it will name.
fn certificate_secrets(op: &Operation, postgres: &Postgres) -> Vec<String> {
    let planned = plan_of(op)
        .into_iter()
        .flat_map(|plan| [plan.before.tls.as_ref(), plan.after.tls.as_ref()])
        .flatten();
    let all = planned.chain(postgres.spec.tls.as_ref());
    let named = all
        .flat_map(|tls| &tls.certificates)
        .filter_map(|certificate| certificate.secret_name.clone());
    let default = CertificateAlias::ALL.map(|alias| names::certificate(&op.database, alias));
    let mut found: Vec<String> = named.filter(|name| !name.is_empty()).chain(default).collect();
    found.sort();
    found.dedup();
    found
}

/// The issuers that the request names, or that the database has.
fn issuers(op: &Operation, postgres: &Postgres) -> Vec<IssuerRef> {
    let request = request::of(op);
    let own: Option<&TlsConfig> = postgres.spec.tls.as_ref();
    let certificates = request
        .certificates
        .iter()
        .chain(own.iter().flat_map(|tls| &tls.certificates));
    let all = request
        .issuer_ref
        .iter()
        .chain(own.and_then(|tls| tls.issuer_ref.as_ref()));
    let mut named: Vec<IssuerRef> = Vec::new();
    for issuer in all.chain(certificates.filter_map(|certificate| certificate.issuer_ref.as_ref())) {
        if issuer.group() == CERT_MANAGER_GROUP && !named.contains(issuer) {
            named.push(issuer.clone());
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation;

    fn parse(spec: &str) -> Result<Operation, String> {
        let head = "{apiVersion: ops.kubedb.com/v1alpha1, kind: PostgresOpsRequest, metadata: {name: r, namespace: demo, uid: u}, \
                    spec: {databaseRef: {name: pg}, type: ReconfigureTLS";
        operation::parse(&serde_yaml::from_str(&format!("{head}{spec}}}}}")).expect("a request"))
    }

    #[test]
    fn a_request_without_tls_is_refused() {
        let error = parse("").unwrap_err();
        assert!(error.starts_with("`spec.tls` nil not supported"), "{error}");
    }

    #[test]
    fn the_time_that_sessions_and_applications_are_given_is_not_taken_from_their_steps() {
        let op = parse(", timeout: 1m, tls: {remove: true, drain: {timeout: 5m}}").expect("an operation");
        assert_eq!(op.step_timeout(&DRAIN, 3).as_mins(), 6);
        assert_eq!(op.step_timeout(&RELOAD_PODS, 3).as_mins(), 1);
        let op =
            parse(", timeout: 1m, tls: {rotateCertificates: true, caOverlap: 2m}").expect("an operation");
        assert_eq!(op.step_timeout(&TRUST, 3).as_mins(), 3);
    }
}
