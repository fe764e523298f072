//! The sentences of a plan of `ReconfigureTLS`.

use api_types::ops_request::{
    CertificateAction, DrainPolicy, PlannedCertificate, PlannedMember, PlannedRestart, TlsPlan, TlsRestart,
    TlsSettings,
};
use api_types::tls::IssuerRef;
use jiff::SignedDuration;

use super::steps::{DRAIN, ISSUE, RESTART};
use super::{drain, plan_of, planned_certificates, recipe, request};
use crate::moves::children;
use crate::operation::Operation;
use crate::request_type::{Description, EndedSessions};
use crate::step::{Step, StepResult};
use crate::tls::issuer_ca;
use crate::world::World;

/// What is done in `TrustCA`.
pub fn trust(op: &Operation, world: &World) -> String {
    let mut text = "what the members serve is kept to go back to".to_owned();
    let given = request::ca_overlap(op);
    let new: Vec<IssuerRef> = plan_of(op).map(issuer_ca::new_issuers).unwrap_or_default();
    if !new.is_empty() {
        text += &new_authorities(&new, given);
    }
    if let Some(found) = replaced_ca(op, world) {
        text += &replaced(&found, given);
    }
    text
}

fn new_authorities(issuers: &[IssuerRef], given: SignedDuration) -> String {
    let all: Vec<String> = issuers
        .iter()
        .map(|issuer| format!("{} {}", issuer.kind, issuer.name))
        .collect();
    let then = if given.is_zero() {
        String::new()
    } else {
        format!("; applications have {given:#} to take it")
    };
    format!(
        "; {} is asked for its CA, which the AppBinding, the client certificate's Secret and the members get beside the old \
         one{then}",
        all.join(" and ")
    )
}

/// What comes of a CA that was replaced under the name of an issuer. `found` are the provisioner's words, which name the CA;
/// so another one makes another plan.
fn replaced(found: &str, given: SignedDuration) -> String {
    let then = if given.is_zero() {
        "clients that have not taken it when the old CA is dropped are refused; spec.tls.caOverlap gives them time".to_owned()
    } else {
        format!("clients have {given:#} to take it")
    };
    format!("; the CA changes, as {found}. Clients and members get the new CA beside the old one; {then}")
}

/// The CA that replaced another one under the name of its issuer, if this operation has a certificate issued by it.
fn replaced_ca(op: &Operation, world: &World) -> Option<String> {
    let found = world.ca_replaced()?;
    let all = certificates(op, world).ok()?;
    let is_issued = |it: &PlannedCertificate| {
        matches!(it.action, CertificateAction::Issue | CertificateAction::IssueAnew)
    };
    all.iter().any(is_issued).then_some(found)
}

/// What is done in `ReloadTLS`.
pub fn reload(op: &Operation, _: &World) -> String {
    match sides(plan_of(op)) {
        (false, true) => "the members reload, and accept TLS beside plain text; standbys replicate over TLS",
        (true, false) => "the members reload, and accept plain text beside TLS",
        (true, true) => "the members reload, and serve the certificates in the Secrets",
        (false, false) => "the members reload",
    }
    .into()
}

/// What is done in `DrainSessions`.
pub fn drain(op: &Operation, _: &World) -> String {
    let how = if sides(plan_of(op)).1 {
        "without TLS"
    } else {
        "with TLS"
    };
    let drain = request::drain(op);
    let then = match drain.policy.unwrap_or_default() {
        DrainPolicy::Force => "then they are ended",
        DrainPolicy::Wait => "then the request fails",
    };
    let timeout = drain::timeout(&drain);
    format!(
        "the AppBinding tells applications the new settings; sessions {how} have {timeout:#} to end, {then}"
    )
}

/// What is done in `UpdatePetSets`.
pub fn update(op: &Operation, _: &World) -> String {
    let written = "the new settings are written into the spec of the Postgres and into its children";
    match request::restart(op) {
        TlsRestart::Always => {
            format!("{written}; the Pod template gets a mark, so that every Pod has to be made anew")
        }
        TlsRestart::Auto | TlsRestart::Never => written.into(),
    }
}

/// What is done in `ReloadPods`.
pub fn follow(op: &Operation, _: &World) -> String {
    let then = match request::restart(op) {
        TlsRestart::Auto => "one that does not is restarted",
        TlsRestart::Always | TlsRestart::Never => "if one does not, the request fails",
    };
    format!("the members reload, and a TLS handshake with each shows whether it follows; {then}")
}

/// Whether there is TLS before and after.
fn sides(plan: Option<&TlsPlan>) -> (bool, bool) {
    plan.map_or((false, false), |plan| {
        (plan.before.tls.is_some(), plan.after.tls.is_some())
    })
}

/// What the operation will do.
pub fn description(op: &Operation, world: &World) -> StepResult<Description> {
    let settings = TlsSettings::of(&world.postgres.require("the Postgres")?.spec);
    let pods = children::resolved(world, &settings)?.pod_names();
    let steps = recipe(plan_of(op), request::restart(op));
    let certificates = certificates(op, world)?;
    let mut changes = issued(&certificates);
    if replaced_ca(op, world).is_some() {
        changes.push("the CA changes, as the issuer's was replaced".to_owned());
    }
    changes.extend(names(&certificates));
    Ok(Description {
        aim: aim(plan_of(op)).to_owned(),
        changes,
        members: members(op, &steps, &pods),
        sessions: sessions(op, &steps, &pods),
        certificates,
        ..Description::default()
    })
}

fn certificates(op: &Operation, world: &World) -> StepResult<Vec<PlannedCertificate>> {
    let Some(plan) = plan_of(op) else {
        return Ok(Vec::new());
    };
    let steps = recipe(Some(plan), request::restart(op));
    planned_certificates::of(has(&steps, &ISSUE), world, &plan.after)
}

fn has(steps: &[Step], wanted: &Step) -> bool {
    steps.iter().any(|step| step.condition == wanted.condition)
}

fn members(op: &Operation, steps: &[Step], pods: &[String]) -> Vec<PlannedMember> {
    let (restart, reason) = if has(steps, &RESTART) {
        (
            PlannedRestart::Always,
            "spec.tls.restart of the request is \"true\", which is the default",
        )
    } else if request::restart(op) == TlsRestart::Auto {
        (
            PlannedRestart::IfNeeded,
            "it reloads, and is restarted only if it is seen not to follow",
        )
    } else {
        (
            PlannedRestart::Never,
            "it reloads; if it is seen not to follow, the request fails",
        )
    };
    pods.iter()
        .map(|pod| PlannedMember {
            name: pod.clone(),
            role: None,
            restart,
            reason: reason.to_owned(),
        })
        .collect()
}

/// A restart ends every session of a member; otherwise those are ended that are drained.
fn sessions(op: &Operation, steps: &[Step], pods: &[String]) -> EndedSessions {
    if has(steps, &RESTART) {
        return EndedSessions::all(pods);
    }
    if !has(steps, &DRAIN) {
        return EndedSessions::default();
    }
    let ended = EndedSessions {
        by_themselves: request::drain(op).policy.unwrap_or_default() == DrainPolicy::Wait,
        ..EndedSessions::default()
    };
    let removes = !sides(plan_of(op)).1;
    if removes {
        EndedSessions {
            with_tls: pods.to_vec(),
            ..ended
        }
    } else {
        EndedSessions {
            without_tls: pods.to_vec(),
            ..ended
        }
    }
}

fn aim(plan: Option<&TlsPlan>) -> &'static str {
    let Some(plan) = plan else {
        return "would change the TLS settings";
    };
    match sides(Some(plan)) {
        (false, true) => "would add TLS",
        (true, false) => "would remove TLS",
        _ if plan.rotate => "would rotate the certificates",
        _ if !issuer_ca::new_issuers(plan).is_empty() => "would change the issuer",
        _ => "would change the TLS settings",
    }
}

fn issued(certificates: &[PlannedCertificate]) -> Vec<String> {
    let with = |action: CertificateAction, words: &str| {
        let aliases: Vec<&str> = certificates
            .iter()
            .filter(|certificate| certificate.action == action)
            .map(|certificate| certificate.alias.as_str())
            .collect();
        (!aliases.is_empty()).then(|| format!("{words} {}", aliases.join(", ")))
    };
    [
        with(CertificateAction::Issue, "certificates issued:"),
        with(CertificateAction::IssueAnew, "certificates issued anew:"),
        with(CertificateAction::Delete, "certificates deleted:"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Of certificates that go on; those of added or removed TLS get or lose all.
fn names(certificates: &[PlannedCertificate]) -> Vec<String> {
    let goes_on = [CertificateAction::IssueAnew, CertificateAction::Keep];
    let those = certificates.iter().filter(|it| goes_on.contains(&it.action));
    let (mut added, mut dropped) = (Vec::new(), Vec::new());
    for certificate in those {
        added.extend(certificate.names_added.iter().map(String::as_str));
        dropped.extend(certificate.names_dropped.iter().map(String::as_str));
    }
    [("names added:", added), ("names dropped:", dropped)]
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(words, names)| format!("{words} {}", names.join(", ")))
        .collect()
}
