//! `verify`: what every member serves, validated as by a client with `sslmode=verify-full`.

mod database;
mod member;
mod text;

pub use text::text;

use instance::{Answer, CertificateFacts};
use jiff::Timestamp;
use serde::Serialize;

use super::Certificate;
use crate::cluster::Seen;

/// What was seen.
#[derive(Debug)]
pub struct Evidence {
    /// Namespace.
    pub namespace: String,
    /// The database.
    pub database: String,
    /// Whether the spec has TLS.
    pub wants_tls: bool,
    /// Members that should be there.
    pub replicas: usize,
    /// The operation that runs: meanwhile members may differ.
    pub operation: Option<String>,
    /// The handshake with each member, and further names by which clients reach it.
    pub members: Vec<(String, Vec<String>, Result<Answer, String>)>,
    /// CAs (PEM) that clients are configured to trust, and where they were read.
    pub authorities: Seen<Authorities>,
    /// Names that clients use for every member.
    pub hosts: Vec<String>,
    /// Names and addresses in the Certificate's spec.
    pub asked_names: Seen<Vec<String>>,
    /// The certificate in the Secret.
    pub secret: Seen<CertificateFacts>,
    /// Name of that Secret.
    pub secret_name: String,
    /// That the issuer signs with another CA (`status.issuerCA`): a sentence without its end.
    pub issuer_ca_changed: Option<String>,
}

/// CAs that clients trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorities {
    /// PEM.
    pub pem: Vec<u8>,
    /// For people: `the AppBinding ha-postgres`.
    pub from: String,
}

/// The report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Namespace.
    pub namespace: String,
    /// Name of the database.
    pub name: String,
    /// `ok`, `problem`, or `unknown` when something could not be observed.
    pub verdict: Grade,
    /// What each member serves.
    pub members: Vec<MemberVerdict>,
    /// What was found, the gravest first.
    pub findings: Vec<Finding>,
}

/// What a member serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberVerdict {
    /// Name of the Pod.
    pub name: String,
    /// The gravest of its findings.
    pub verdict: Grade,
    /// `tls`, `plaintext`, or `unknown`.
    pub answer: &'static str,
    /// The certificate, with TLS.
    pub certificate: Option<Certificate>,
    /// Whether it is the Secret's; absent when that could not be read.
    pub matches_secret: Option<bool>,
}

/// How grave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Grade {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing is wrong.
    Note,
    /// It could not be observed.
    Unknown,
    /// Wrong.
    Problem,
}

/// The checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Check {
    /// Whether the member responds.
    Reachable,
    /// Whether it serves TLS.
    Tls,
    /// Whether clients' CAs signed it.
    Chain,
    /// Whether it is valid now.
    Date,
    /// Whether it is for the names that clients use.
    Name,
    /// Whether it is the one in the Secret.
    Secret,
    /// Whether all members are there and serve the same.
    Members,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How grave.
    pub grade: Grade,
    /// The check.
    pub check: Check,
    /// The member; absent when it concerns all.
    pub member: Option<String>,
    /// What is so.
    pub message: String,
    /// What to do.
    pub advice: String,
}

/// The verdict at `now`.
pub fn judge(evidence: &Evidence, now: Timestamp) -> Verdict {
    let mut findings = Vec::new();
    let mut members = Vec::new();
    for (name, hosts, answer) in &evidence.members {
        let found = member::findings(evidence, name, hosts, answer, now);
        members.push(MemberVerdict {
            name: name.clone(),
            verdict: found.iter().map(|f| f.grade).max().unwrap_or(Grade::Ok),
            answer: match answer {
                Ok(Answer::Tls(_)) => "tls",
                Ok(Answer::Plaintext) => "plaintext",
                Err(_) => "unknown",
            },
            certificate: answer.as_ref().ok().and_then(Certificate::of),
            matches_secret: matches_secret(evidence, answer),
        });
        findings.extend(found);
    }
    findings.extend(database::findings(evidence, &members));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.grade));
    Verdict {
        namespace: evidence.namespace.clone(),
        name: evidence.database.clone(),
        verdict: match findings.first().map(|finding| finding.grade) {
            None | Some(Grade::Ok | Grade::Note) => Grade::Ok,
            Some(grade) => grade,
        },
        members,
        findings,
    }
}

fn matches_secret(evidence: &Evidence, answer: &Result<Answer, String>) -> Option<bool> {
    let served = answer.as_ref().ok()?.served()?;
    let secret = evidence.secret.present()?;
    Some(served.leaf.fingerprint == secret.fingerprint)
}
