//! Findings about all members together.

use std::collections::BTreeSet;

use super::{Check, Evidence, Finding, Grade, MemberVerdict};
use crate::cluster::Seen;

/// What the members serve together, and what will happen to it.
pub(super) fn findings(evidence: &Evidence, members: &[MemberVerdict]) -> Vec<Finding> {
    let findings = [
        missing_members(evidence, members),
        different_certificates(evidence, members),
        changed_ca(evidence),
        unread_secret(evidence),
    ];
    findings.into_iter().flatten().collect()
}

fn finding(grade: Grade, check: Check, message: String, advice: String) -> Finding {
    Finding {
        grade,
        check,
        member: None,
        message,
        advice,
    }
}

fn missing_members(evidence: &Evidence, members: &[MemberVerdict]) -> Option<Finding> {
    if members.len() >= evidence.replicas {
        return None;
    }
    let message = format!("{} of {} members have a Pod", members.len(), evidence.replicas);
    let advice = format!(
        "kubectl sealwright status {} -n {}",
        evidence.database, evidence.namespace
    );
    Some(finding(Grade::Unknown, Check::Members, message, advice))
}

fn different_certificates(evidence: &Evidence, members: &[MemberVerdict]) -> Option<Finding> {
    let certificates = members.iter().filter_map(|member| member.certificate.as_ref());
    let served: BTreeSet<_> = certificates.map(|it| &it.fingerprint).collect();
    if served.len() < 2 {
        return None;
    }
    let (grade, advice) = match &evidence.operation {
        Some(operation) => (Grade::Note, format!("the operation {operation} runs")),
        None => (
            Grade::Problem,
            "wait for a minute, then look at the members that serve the older one".to_owned(),
        ),
    };
    let message = format!("members serve {} different certificates", served.len());
    Some(finding(grade, Check::Members, message, advice))
}

fn changed_ca(evidence: &Evidence) -> Option<Finding> {
    let message = evidence.issuer_ca_changed.clone()?;
    let advice = format!(
        "change over before the next renewal does, and give clients time to take the new CA: \
         kubectl sealwright tls rotate {} -n {} --restart auto",
        evidence.database, evidence.namespace
    );
    Some(finding(Grade::Note, Check::Chain, message, advice))
}

fn unread_secret(evidence: &Evidence) -> Option<Finding> {
    if !evidence.wants_tls {
        return None;
    }
    let (grade, why, advice) = match &evidence.secret {
        Seen::Present(_) => return None,
        Seen::Absent => (
            Grade::Problem,
            "it does not exist",
            "cert-manager makes it: look at the Certificate of the same name",
        ),
        Seen::Unknown(why) => (Grade::Note, why.as_str(), "the other checks do not need it"),
    };
    let message = format!(
        "what is served was not compared with the Secret {}: {why}",
        evidence.secret_name
    );
    Some(finding(grade, Check::Secret, message, advice.to_owned()))
}
