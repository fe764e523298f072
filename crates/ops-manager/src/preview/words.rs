//! The sentences of a preview.

use api_types::ops_request::{
    DrainPolicy, OperationPreview, PreviewAction, PreviewRestart, TlsPlan, TlsRestart,
};
use api_types::vocabulary::PAUSED_BY;

use crate::moves::{authority, drain};
use crate::operation::{Operation, What};
use crate::step::StepName;
use crate::world::World;

/// What is done in a step.
pub fn does(step: StepName, op: &Operation, world: &World) -> String {
    let plan = op.plan.tls.as_ref();
    match step {
        StepName::Pause => format!("provisioner is told by the annotation {PAUSED_BY} to leave the database alone"),
        StepName::IssueCertificates => "cert-manager is asked to issue every certificate anew".into(),
        StepName::SyncCertificates => {
            "the Certificates are brought to what they are to be; what is issued is examined before a member gets it".into()
        }
        StepName::TrustCa => trust(op, plan),
        StepName::ReloadTls => reload(plan).into(),
        StepName::DrainSessions => drained(op, plan),
        StepName::UpdatePetSets => update(op).into(),
        StepName::RestartNodes if world.replicas() <= 1 => "the Pod is restarted".into(),
        StepName::RestartNodes => {
            "the Pods are restarted one by one: the standbys, then a switchover, then the old primary".into()
        }
        StepName::ReloadPods => follow(op.restart()).into(),
        StepName::UpdateDatabase => {
            "every member is seen to serve what the spec says; CAs and Certificates that are not needed any more go".into()
        }
        StepName::RestoreDatabase => "the members go back to what the spec says".into(),
        StepName::Resume => "the pause is taken away".into(),
    }
}

fn trust(op: &Operation, plan: Option<&TlsPlan>) -> String {
    let new: Vec<String> = plan
        .iter()
        .flat_map(|plan| authority::new_issuers(plan))
        .map(|issuer| format!("{} {}", issuer.kind, issuer.name))
        .collect();
    let kept = "what the members serve is kept to go back to";
    if new.is_empty() {
        return kept.into();
    }
    let given = op.ca_overlap();
    let then = if given.is_zero() {
        String::new()
    } else {
        format!("; applications have {given:#} to take it")
    };
    format!(
        "{kept}; {} is asked for its CA, which the AppBinding, the client certificate's Secret and the members get beside \
         the old one{then}",
        new.join(" and ")
    )
}

/// What comes of a CA that was replaced under the name of an issuer, to add to [`StepName::TrustCa`]. `found` are the
/// provisioner's words, which name the CA; so another one makes another plan.
pub fn replaced(op: &Operation, found: &str) -> String {
    let given = op.ca_overlap();
    let then = if given.is_zero() {
        "clients that have not taken it when the old CA is dropped are refused; spec.tls.caOverlap gives them time".to_owned()
    } else {
        format!("clients have {given:#} to take it")
    };
    format!("; the CA changes, as {found}. Clients and members get the new CA beside the old one; {then}")
}

fn reload(plan: Option<&TlsPlan>) -> &'static str {
    match sides(plan) {
        (false, true) => "the members reload, and accept TLS beside plain text; standbys replicate over TLS",
        (true, false) => "the members reload, and accept plain text beside TLS",
        (true, true) => "the members reload, and serve the certificates in the Secrets",
        (false, false) => "the members reload",
    }
}

fn drained(op: &Operation, plan: Option<&TlsPlan>) -> String {
    let how = if sides(plan).1 { "without TLS" } else { "with TLS" };
    let drain = op.drain();
    let then = match drain.policy.unwrap_or_default() {
        DrainPolicy::Force => "then they are ended",
        DrainPolicy::Wait => "then the request fails",
    };
    let timeout = drain::timeout(&drain);
    format!(
        "the AppBinding tells applications the new settings; sessions {how} have {timeout:#} to end, {then}"
    )
}

fn update(op: &Operation) -> &'static str {
    match (&op.what, op.restart()) {
        (What::Restart, _) => "the Pod template gets a mark, so that every Pod has to be made anew",
        (What::ReconfigureTls(_), TlsRestart::Always) => {
            "the new settings are written into the spec of the Postgres and into its children; the Pod template gets a mark, \
             so that every Pod has to be made anew"
        }
        (What::ReconfigureTls(_), _) => {
            "the new settings are written into the spec of the Postgres and into its children"
        }
    }
}

fn follow(restart: TlsRestart) -> &'static str {
    match restart {
        TlsRestart::Auto => {
            "the members reload, and a TLS handshake with each shows whether it follows; one that does not is restarted"
        }
        _ => {
            "the members reload, and a TLS handshake with each shows whether it follows; if one does not, the request fails"
        }
    }
}

/// Whether there is TLS before and after.
fn sides(plan: Option<&TlsPlan>) -> (bool, bool) {
    plan.map_or((false, false), |plan| {
        (plan.before.tls.is_some(), plan.after.tls.is_some())
    })
}

/// All of it in one sentence, without an end.
pub fn summary(op: &Operation, preview: &OperationPreview, ca_is_replaced: bool) -> String {
    let mut parts = vec![aim(op).to_owned()];
    parts.extend(issued(preview));
    if ca_is_replaced {
        parts.push("the CA changes, as the issuer's was replaced".to_owned());
    }
    parts.extend(names(preview));
    parts.push(restarts(preview));
    parts.extend(ended(op, preview));
    parts.join("; ")
}

fn aim(op: &Operation) -> &'static str {
    let Some(plan) = &op.plan.tls else {
        return "would restart every member";
    };
    match sides(Some(plan)) {
        (false, true) => "would add TLS",
        (true, false) => "would remove TLS",
        _ if plan.rotate => "would rotate the certificates",
        _ if !authority::new_issuers(plan).is_empty() => "would change the issuer",
        _ => "would change the TLS settings",
    }
}

fn issued(preview: &OperationPreview) -> Vec<String> {
    let with = |action: PreviewAction, words: &str| {
        let aliases: Vec<&str> = preview
            .certificates
            .iter()
            .filter(|certificate| certificate.action == action)
            .map(|certificate| certificate.alias.as_str())
            .collect();
        (!aliases.is_empty()).then(|| format!("{words} {}", aliases.join(", ")))
    };
    [
        with(PreviewAction::Issue, "certificates issued:"),
        with(PreviewAction::IssueAnew, "certificates issued anew:"),
        with(PreviewAction::Delete, "certificates deleted:"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Of certificates that go on; those of added or removed TLS get or lose all.
fn names(preview: &OperationPreview) -> Vec<String> {
    let goes_on = [PreviewAction::IssueAnew, PreviewAction::Keep];
    let those = preview
        .certificates
        .iter()
        .filter(|it| goes_on.contains(&it.action));
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

fn restarts(preview: &OperationPreview) -> String {
    let pods: Vec<&str> = preview
        .members
        .iter()
        .map(|member| member.name.as_str())
        .collect();
    match preview
        .members
        .first()
        .map(|member| member.restart)
        .unwrap_or_default()
    {
        PreviewRestart::Always => format!("Pods restarted: {}", pods.join(", ")),
        PreviewRestart::IfNeeded => "Pods restarted: only one that does not follow a reload".into(),
        PreviewRestart::Never => "Pods restarted: none".into(),
    }
}

fn ended(op: &Operation, preview: &OperationPreview) -> Vec<String> {
    let sessions = &preview.sessions;
    let drains = preview
        .phases
        .iter()
        .any(|phase| phase.name == StepName::DrainSessions.as_str());
    let what = match op.drain().policy.unwrap_or_default() {
        DrainPolicy::Wait if drains => "sessions that have to end by themselves",
        _ => "sessions ended",
    };
    let mut parts = vec![format!(
        "{what}: {} with TLS, {} without",
        sessions.with_tls, sessions.without_tls
    )];
    if !sessions.not_counted.is_empty() {
        parts.push(format!(
            "sessions not counted: those of {}",
            sessions.not_counted.join(", ")
        ));
    }
    parts
}
