//! `status`: one database on one screen.

mod text;

pub use text::text;

use api_types::cert_manager::Certificate as CertManagerCertificate;
use api_types::condition::{self, Condition};
use api_types::ops_request::{MemberTlsStatus, OpsRequestPhase};
use api_types::postgres::DatabasePhase;
use api_types::reported;
use api_types::tls::CertificateAlias;
use api_types::{PauseHolder, Postgres, PostgresOpsRequest};
use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use super::Certificate;
use crate::cluster::Seen;
use crate::members::Member;

/// A member, and the certificate that it showed; none when it has no TLS, or why it could not be probed.
pub type Handshake = (String, Result<Option<Certificate>, String>);

/// What was read.
#[derive(Debug)]
pub struct Input {
    /// The database.
    pub postgres: Postgres,
    /// What its PostgresVersion runs; none when that could not be read.
    pub runs: Option<String>,
    /// Its members.
    pub members: Vec<Member>,
    /// Requests of the namespace.
    pub requests: Seen<Vec<PostgresOpsRequest>>,
    /// Its certificates.
    pub certificates: Vec<(CertificateAlias, Seen<CertManagerCertificate>)>,
    /// What handshakes showed, by member; absent when no member was probed.
    pub handshakes: Option<Vec<Handshake>>,
}

/// The report.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The PostgresVersion.
    pub version: String,
    /// The version of PostgreSQL that it runs: an entry of the catalog may run a newer minor one than its name.
    pub runs: Option<String>,
    /// Phase; `Unknown` before the first report.
    pub phase: String,
    /// Members wanted.
    pub replicas: i32,
    /// TLS in the spec; absent without TLS.
    pub tls: Option<Tls>,
    /// cert-manager's certificates.
    pub certificates: Vec<Issued>,
    /// The certificate that ends first.
    pub earliest_expiry: Option<Expiry>,
    /// The members.
    pub members: Vec<MemberStatus>,
    /// The running operation, or the one that waits.
    pub operation: Option<Operation>,
    /// The last one that ended.
    pub last_operation: Option<Operation>,
    /// The holder of the pause.
    pub pause: Option<Pause>,
    /// Conditions in a bad status.
    pub problems: Vec<Problem>,
    /// What could not be read, and why.
    pub unknown: Vec<String>,
}

/// TLS in the spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// `sslMode`.
    pub ssl_mode: String,
    /// `clientAuthMode`; absent when the spec leaves the default.
    pub client_auth_mode: Option<String>,
    /// `Issuer pg-issuer`.
    pub issuer: Option<String>,
}

/// One of cert-manager's certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Issued {
    /// `server`, `client`, `metrics-exporter`.
    pub alias: String,
    /// Last moment of validity.
    pub not_after: Option<Timestamp>,
    /// When cert-manager renews it.
    pub renewal_time: Option<Timestamp>,
    /// Whether it is issued and current.
    pub ready: bool,
    /// Why it is not.
    pub message: Option<String>,
}

/// The certificate that ends first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Expiry {
    /// Which: an alias, or `served by <member>`.
    pub certificate: String,
    /// When.
    pub not_after: Timestamp,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberStatus {
    /// The facts from its Pod.
    #[serde(flatten)]
    pub member: Member,
    /// What it serves.
    pub serves: Serves,
}

/// What a member was seen to serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Serves {
    /// `tls`, `plaintext`, or `unknown`.
    pub answer: &'static str,
    /// The certificate, with TLS.
    pub certificate: Option<Certificate>,
    /// When it was seen.
    pub seen_at: Option<Timestamp>,
    /// What saw it: `handshake`, or the request.
    pub seen_by: Option<String>,
    /// Whether the request found it to be the Secret's.
    pub matches_secret: Option<bool>,
    /// Why it is not known.
    pub message: Option<String>,
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// Name of the request.
    pub name: String,
    /// Type.
    #[serde(rename = "type")]
    pub type_: String,
    /// Phase.
    pub phase: String,
    /// Its step, or what it waits for.
    pub step: Option<String>,
    /// What the step does or waits for.
    pub message: Option<String>,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// The holder of the pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// `operation` or `person`.
    pub kind: &'static str,
    /// Name of the request or of the person.
    pub holder: String,
    /// Whether the provisioner keeps off.
    pub acknowledged: bool,
}

/// A condition in a bad status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Type of the condition.
    pub condition: String,
    /// Its message.
    pub message: String,
}

/// The report at `now`.
pub fn status(input: &Input, now: Timestamp) -> Status {
    let postgres = &input.postgres;
    let database = postgres.name_any();
    let mine: Vec<&PostgresOpsRequest> = input
        .requests
        .present()
        .into_iter()
        .flatten()
        .filter(|request| request.spec.database_ref.name == database)
        .collect();
    let certificates: Vec<Issued> = input
        .certificates
        .iter()
        .filter_map(|(alias, seen)| Some(issued(*alias, seen.present()?)))
        .collect();
    let members: Vec<MemberStatus> = input
        .members
        .iter()
        .map(|member| MemberStatus {
            serves: serves(member, input, &mine, now),
            member: member.clone(),
        })
        .collect();
    let report = postgres.status.as_ref();
    Status {
        namespace: postgres.namespace().unwrap_or_default(),
        name: database,
        version: postgres.spec.version.clone(),
        runs: input.runs.clone(),
        phase: report
            .and_then(|status| status.phase)
            .map_or("Unknown", DatabasePhase::as_str)
            .to_owned(),
        replicas: postgres.spec.replicas.unwrap_or(1),
        tls: tls(postgres),
        earliest_expiry: earliest(&certificates, &members),
        certificates,
        members,
        operation: under_way(&mine).map(operation),
        last_operation: last_ended(&mine).map(operation),
        pause: postgres.pause_holder().map(|holder| pause(postgres, &holder)),
        problems: problems(
            report
                .map(|status| status.conditions.as_slice())
                .unwrap_or_default(),
        ),
        unknown: unknown(input),
    }
}

/// The request that is carried out, or else the one that waits for longest.
fn under_way<'a>(requests: &[&'a PostgresOpsRequest]) -> Option<&'a PostgresOpsRequest> {
    let open = requests.iter().copied().filter(|request| !request.has_ended());
    open.min_by_key(|request| {
        let waits = request.phase() != Some(OpsRequestPhase::Progressing);
        (waits, age(request))
    })
}

/// The request that ended last.
fn last_ended<'a>(requests: &[&'a PostgresOpsRequest]) -> Option<&'a PostgresOpsRequest> {
    let ended = requests.iter().copied().filter(|request| request.has_ended());
    ended.max_by_key(|request| (ended_at(request), age(request)))
}

fn tls(postgres: &Postgres) -> Option<Tls> {
    let tls = postgres.spec.tls.as_ref()?;
    Some(Tls {
        ssl_mode: postgres
            .spec
            .ssl_mode
            .map_or("verify-full", |mode| mode.as_str())
            .to_owned(),
        client_auth_mode: postgres
            .spec
            .client_auth_mode
            .map(|mode| mode.as_str().to_owned()),
        issuer: tls
            .issuer_ref
            .as_ref()
            .map(|issuer| format!("{} {}", issuer.kind, issuer.name)),
    })
}

fn issued(alias: CertificateAlias, certificate: &CertManagerCertificate) -> Issued {
    let status = certificate.status.clone().unwrap_or_default();
    let ready = status.conditions.iter().find(|c| c.type_ == "Ready");
    let is_ready = ready.is_some_and(|c| c.status == "True");
    Issued {
        alias: alias.as_str().to_owned(),
        not_after: status.not_after.map(|time| time.0),
        renewal_time: status.renewal_time.map(|time| time.0),
        ready: is_ready,
        message: ready
            .filter(|_| !is_ready)
            .and_then(|condition| condition.message.clone()),
    }
}

/// A handshake, or else what the last request that observed this very Pod has seen.
fn serves(member: &Member, input: &Input, requests: &[&PostgresOpsRequest], now: Timestamp) -> Serves {
    if let Some(handshakes) = &input.handshakes {
        let answer = handshakes.iter().find(|(name, _)| *name == member.name);
        let nobody = Err("it was not asked".to_owned());
        return by_handshake(answer.map_or(&nobody, |(_, answer)| answer), now);
    }
    let proofs = requests.iter().flat_map(|request| {
        let members = request.status.as_ref().map(|s| s.members.as_slice());
        members
            .unwrap_or_default()
            .iter()
            .filter(|proof| proof.name == member.name)
            .map(move |proof| (*request, proof))
    });
    match proofs.max_by_key(|(_, proof)| proof.seen_at.0) {
        Some((request, proof)) => by_request(member, request, proof, server_certificate_ends(input)),
        None => Serves {
            answer: "unknown",
            certificate: None,
            seen_at: None,
            seen_by: None,
            matches_secret: None,
            message: Some("no operation has looked; use --verify".to_owned()),
        },
    }
}

/// Until when the server certificate is valid that cert-manager issued last.
fn server_certificate_ends(input: &Input) -> Option<Timestamp> {
    let mut certificates = input.certificates.iter();
    let (_, server) = certificates.find(|(alias, _)| *alias == CertificateAlias::Server)?;
    Some(server.present()?.status.as_ref()?.not_after.as_ref()?.0)
}

fn by_handshake(answer: &Result<Option<Certificate>, String>, now: Timestamp) -> Serves {
    Serves {
        answer: match answer {
            Ok(Some(_)) => "tls",
            Ok(None) => "plaintext",
            Err(_) => "unknown",
        },
        certificate: answer.clone().ok().flatten(),
        seen_at: Some(now),
        seen_by: Some("handshake".to_owned()),
        matches_secret: None,
        message: answer.clone().err(),
    }
}

fn by_request(
    member: &Member,
    request: &PostgresOpsRequest,
    proof: &MemberTlsStatus,
    issued_until: Option<Timestamp>,
) -> Serves {
    // A proof has the time when it was first seen so; a request that is Successful has seen all of it at its end.
    let end = ended_at(request).filter(|_| request.phase() == Some(OpsRequestPhase::Successful));
    let seen_at = end.unwrap_or(proof.seen_at.0).max(proof.seen_at.0);
    // A Pod keeps its name when it is recreated, and then serves what the config Secret holds by then.
    let made_since = member.created.is_some_and(|created| created > seen_at);
    let issued_since = proof
        .served
        .as_ref()
        .is_some_and(|served| issued_until.is_some_and(|until| until != served.not_after.0));
    Serves {
        answer: if proof.served.is_some() {
            "tls"
        } else {
            "plaintext"
        },
        certificate: proof.served.as_ref().map(|served| Certificate {
            fingerprint: served.fingerprint.clone(),
            serial: served.serial.clone(),
            issuer: served.issuer.clone(),
            not_after: served.not_after.0,
            names: Vec::new(),
            protocol: served.protocol.clone(),
        }),
        seen_at: Some(seen_at),
        seen_by: Some(request.name_any()),
        matches_secret: proof.matches_secret,
        message: if made_since {
            Some("the Pod was made anew since; use --verify".to_owned())
        } else {
            issued_since.then(|| "the server certificate was issued anew since; use --verify".to_owned())
        },
    }
}

fn earliest(certificates: &[Issued], members: &[MemberStatus]) -> Option<Expiry> {
    let issued = certificates.iter().filter_map(|issued| {
        Some(Expiry {
            certificate: issued.alias.clone(),
            not_after: issued.not_after?,
        })
    });
    let served = members
        .iter()
        .filter(|member| member.serves.message.is_none())
        .filter_map(|member| {
            Some(Expiry {
                certificate: format!("served by {}", member.member.name),
                not_after: member.serves.certificate.as_ref()?.not_after,
            })
        });
    issued.chain(served).min_by_key(|expiry| expiry.not_after)
}

fn age(request: &PostgresOpsRequest) -> Option<Timestamp> {
    request.metadata.creation_timestamp.as_ref().map(|time| time.0)
}

fn ended_at(request: &PostgresOpsRequest) -> Option<Timestamp> {
    let times = request.conditions().iter().map(|c| c.last_transition_time.0);
    times.max()
}

/// The most useful condition: why it failed, the step that is open, or the last one.
pub fn telling(request: &PostgresOpsRequest) -> Option<&Condition> {
    let conditions = request.conditions();
    let open = || {
        conditions
            .iter()
            .rev()
            .find(|c| c.is_false() && c.reason.is_some())
    };
    let failed = condition::find(conditions, "Failed").filter(|c| c.is_true());
    let running = !request.has_ended();
    failed
        .or_else(|| running.then(open).flatten())
        .or_else(|| conditions.iter().rev().find(|c| c.reason.is_some()))
}

fn operation(request: &PostgresOpsRequest) -> Operation {
    let telling = telling(request);
    Operation {
        name: request.name_any(),
        type_: request.spec.type_.as_str().to_owned(),
        phase: request
            .phase()
            .map_or("Pending", OpsRequestPhase::as_str)
            .to_owned(),
        step: telling.map(|condition| condition.type_.clone()),
        message: telling.and_then(|condition| condition.message.clone()),
        since: telling.map(|condition| condition.last_transition_time.0),
    }
}

fn pause(postgres: &Postgres, holder: &PauseHolder) -> Pause {
    Pause {
        kind: if holder.is_person() { "person" } else { "operation" },
        holder: holder.name().to_owned(),
        acknowledged: postgres.acknowledged_holder().as_ref() == Some(holder),
    }
}

/// Conditions in a status that means that something is wrong.
fn problems(list: &[Condition]) -> Vec<Problem> {
    list.iter()
        .filter(|c| reported::POSTGRES.is_bad(&c.type_, &c.status))
        .map(|c| Problem {
            condition: c.type_.clone(),
            message: c.message.clone().unwrap_or_default(),
        })
        .collect()
}

fn unknown(input: &Input) -> Vec<String> {
    let requests = input.requests.unknown().map(|why| format!("operations: {why}"));
    let certificates = input.certificates.iter().filter_map(|(alias, seen)| {
        let why = seen.unknown()?;
        Some(format!("Certificate {}: {why}", alias.as_str()))
    });
    requests.into_iter().chain(certificates).collect()
}
