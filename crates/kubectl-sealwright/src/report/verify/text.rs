//! The text of `verify`.

use jiff::Timestamp;

use super::{Finding, Grade, Verdict};
use crate::style::{self, Paint};

/// The text of a verdict.
pub fn text(verdict: &Verdict, now: Timestamp, paint: Paint) -> String {
    let heading = ["MEMBER", "VERDICT", "SERVES", "UNTIL", "ISSUER", "SECRET"];
    let mut rows = vec![paint.heading(heading)];
    for member in &verdict.members {
        let certificate = member.certificate.as_ref();
        let dash = || "-".to_owned();
        rows.push(vec![
            member.name.clone(),
            word(member.verdict, paint),
            certificate.map_or_else(
                || member.answer.to_owned(),
                |c| format!("{} {}", c.protocol, c.short_serial()),
            ),
            certificate.map_or_else(dash, |c| style::relative(c.not_after, now)),
            certificate.map_or_else(dash, |c| c.issuer.clone()),
            match member.matches_secret {
                Some(true) => "same".to_owned(),
                Some(false) => paint.bad("another"),
                None => dash(),
            },
        ]);
    }
    let mut text = style::table(&rows);
    for (finding, members) in alike(&verdict.findings) {
        let whose = if members.is_empty() {
            verdict.name.clone()
        } else {
            members.join(", ")
        };
        text.push_str(&format!(
            "\n{} {whose}: {}\n  → {}\n",
            word(finding.grade, paint),
            finding.message,
            finding.advice
        ));
    }
    if verdict.findings.is_empty() {
        text.push_str(&format!("\n{}\n", paint.good(&good(verdict))));
    }
    text
}

/// Findings that differ in the member only, once.
fn alike(findings: &[Finding]) -> Vec<(&Finding, Vec<&str>)> {
    let mut groups: Vec<(&Finding, Vec<&str>)> = Vec::new();
    for finding in findings {
        let same = |(other, _): &&mut (&Finding, Vec<&str>)| {
            (other.grade, other.check) == (finding.grade, finding.check)
                && (&other.message, &other.advice) == (&finding.message, &finding.advice)
        };
        let member = finding.member.as_deref();
        match groups.iter_mut().find(same) {
            Some((_, members)) => members.extend(member),
            None => groups.push((finding, member.into_iter().collect())),
        }
    }
    groups
}

fn good(verdict: &Verdict) -> String {
    let count = verdict.members.len();
    if verdict.members.iter().any(|member| member.certificate.is_some()) {
        format!("all {count} members serve what clients with sslmode=verify-full accept")
    } else {
        format!("all {count} members serve plain text, as the spec says")
    }
}

fn word(grade: Grade, paint: Paint) -> String {
    match grade {
        Grade::Ok => paint.good("ok"),
        Grade::Note => paint.warn("note"),
        Grade::Unknown => paint.warn("unknown"),
        Grade::Problem => paint.bad("problem"),
    }
}
