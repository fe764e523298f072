//! What a request would do, from the plan of its dry run (`status.plan`).

use api_types::ops_plan::{
    CertificateAction, OperationPlan, PlannedCertificate, PlannedMember, PlannedRestart, PlannedSessions,
};
use api_types::tls::IssuerRef;

use crate::style::{self, Paint};

/// The text of a plan.
pub fn text(plan: &OperationPlan, paint: Paint) -> String {
    let mut phases = vec![paint.heading(["PHASE", "DOES"])];
    phases.extend(
        plan.phases
            .iter()
            .map(|it| vec![it.name.clone(), it.does.clone()]),
    );
    let mut members = vec![paint.heading(["MEMBER", "ROLE", "RESTART", "WHY"])];
    members.extend(plan.members.iter().map(|it| member(it, paint)));
    let mut parts = vec![
        format!("{}\n", plan.summary),
        style::table(&phases),
        style::table(&members),
    ];
    if !plan.certificates.is_empty() {
        let mut certificates = vec![paint.heading(["CERTIFICATE", "ACTION", "ISSUER", "NAMES"])];
        certificates.extend(plan.certificates.iter().map(certificate));
        parts.push(style::table(&certificates));
    }
    parts.push(sessions(&plan.sessions));
    parts.push(format!("hash of the plan: {}\n", plan.hash));
    parts.join("\n")
}

fn member(member: &PlannedMember, paint: Paint) -> Vec<String> {
    let restart = match member.restart {
        PlannedRestart::Always => paint.warn("yes"),
        PlannedRestart::IfNeeded => "if needed".to_owned(),
        PlannedRestart::InPlace => paint.warn("in its Pod"),
        PlannedRestart::Never => "no".to_owned(),
        PlannedRestart::Joins => paint.warn("joins"),
        PlannedRestart::Leaves => paint.warn("leaves"),
    };
    let role = member.role.clone().unwrap_or_else(|| "unknown".to_owned());
    vec![member.name.clone(), role, restart, member.reason.clone()]
}

fn certificate(certificate: &PlannedCertificate) -> Vec<String> {
    let action = match certificate.action {
        CertificateAction::Issue => "issue",
        CertificateAction::IssueAnew => "issue anew",
        CertificateAction::Keep => "keep",
        CertificateAction::Delete => "delete",
    };
    let added = certificate.names_added.iter().map(|name| format!("+{name}"));
    let dropped = certificate.names_dropped.iter().map(|name| format!("-{name}"));
    let mut names: Vec<String> = added.chain(dropped).collect();
    if names.is_empty()
        && matches!(
            certificate.action,
            CertificateAction::IssueAnew | CertificateAction::Keep
        )
    {
        names.push("as before".to_owned());
    }
    vec![
        certificate.alias.clone(),
        action.to_owned(),
        issuer(certificate),
        names.join(" "),
    ]
}

fn issuer(certificate: &PlannedCertificate) -> String {
    let name = |issuer: &IssuerRef| format!("{} {}", issuer.kind, issuer.name);
    match (&certificate.old_issuer, &certificate.new_issuer) {
        (Some(old), Some(new)) if old != new => format!("{} → {}", name(old), name(new)),
        (_, Some(one)) | (Some(one), None) => name(one),
        (None, None) => String::new(),
    }
}

fn sessions(sessions: &PlannedSessions) -> String {
    let mut text = format!(
        "sessions that would not go on: {} with TLS, {} without\n",
        sessions.with_tls, sessions.without_tls
    );
    if !sessions.not_counted.is_empty() {
        text.push_str(&format!("not counted: {}\n", sessions.not_counted.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_tells_who_is_restarted_what_is_issued_and_who_is_cut() {
        let plan = serde_yaml::from_str(
            "
hash: 0f3a
summary: Changes the issuer without a restart
phases: [{name: TrustCA, does: trust both}, {name: ReloadTLS, does: serve the new one}]
members:
- {name: pg-1, role: standby, restart: IfNeeded, reason: it reloads}
- {name: pg-0, restart: Always, reason: the request says so}
sessions: {withTls: 2, withoutTls: 1, notCounted: [pg-2]}
certificates:
- alias: server
  name: pg-server-cert
  action: IssueAnew
  namesAdded: [db.example.com]
  namesDropped: [pg.example.com]
  oldIssuer: {name: old, kind: Issuer}
  newIssuer: {name: new, kind: ClusterIssuer}
- {alias: client, name: pg-client-cert, oldIssuer: {name: old, kind: Issuer}, newIssuer: {name: old, kind: Issuer}}
",
        )
        .expect("a plan");
        expectorate::assert_contents(
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/plan.txt"),
            &text(&plan, Paint::plain()),
        );
    }
}
