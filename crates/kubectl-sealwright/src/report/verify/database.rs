//! Findings about all members together.

use std::collections::BTreeSet;

use super::{Check, Evidence, Finding, Grade, MemberVerdict};
use crate::cluster::Seen;

/// What the members serve together, and what will become of it.
pub(super) fn findings(evidence: &Evidence, members: &[MemberVerdict]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |grade, check, message: String, advice: String| {
        findings.push(Finding {
            grade,
            check,
            member: None,
            message,
            advice,
        });
    };
    if members.len() < evidence.replicas {
        add(
            Grade::Unknown,
            Check::Members,
            format!("{} of {} members have a Pod", members.len(), evidence.replicas),
            format!(
                "kubectl sealwright status {} -n {}",
                evidence.database, evidence.namespace
            ),
        );
    }
    let served: BTreeSet<_> = members
        .iter()
        .filter_map(|member| member.certificate.as_ref().map(|c| &c.fingerprint))
        .collect();
    if served.len() > 1 {
        let (grade, advice) = match &evidence.operation {
            Some(operation) => (Grade::Note, format!("the operation {operation} runs")),
            None => (
                Grade::Problem,
                "wait for a minute, then look at the members that serve the older one".to_owned(),
            ),
        };
        add(
            grade,
            Check::Members,
            format!("members serve {} different certificates", served.len()),
            advice,
        );
    }
    if let Some(message) = &evidence.issuer_ca_changed {
        let advice = format!(
            "change over before the next renewal does, and give clients time to take the new CA: \
             kubectl sealwright tls rotate {} -n {} --restart auto",
            evidence.database, evidence.namespace
        );
        add(Grade::Note, Check::Chain, message.clone(), advice);
    }
    if evidence.wants_tls {
        let unread = match &evidence.secret {
            Seen::Present(_) => None,
            Seen::Absent => Some("it does not exist"),
            Seen::Unknown(why) => Some(why.as_str()),
        };
        if let Some(why) = unread {
            let message = format!(
                "what is served was not compared with the Secret {}: {why}",
                evidence.secret_name
            );
            let absent = matches!(evidence.secret, Seen::Absent);
            let grade = if absent { Grade::Problem } else { Grade::Note };
            let advice = if absent {
                "cert-manager makes it: look at the Certificate of the same name".to_owned()
            } else {
                "the other checks do not need it".to_owned()
            };
            add(grade, Check::Secret, message, advice);
        }
    }
    findings
}
