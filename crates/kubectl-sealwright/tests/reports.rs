//! What `status` and `verify` tell, as text and JSON: golden files made from objects as the API server gives them.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use api_types::cert_manager::Certificate as CertManagerCertificate;
use api_types::tls::CertificateAlias;
use api_types::{Postgres, PostgresOpsRequest};
use instance::Answer;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kubectl_sealwright::cluster::Seen;
use kubectl_sealwright::follow::{Ending, Story, under_way};
use kubectl_sealwright::members;
use kubectl_sealwright::report::{self, status, verify};
use kubectl_sealwright::style::Paint;
use serde::de::DeserializeOwned;
use testkit::authority::Authority;
use testkit::manifests::documents;

/// When all of this is looked at.
fn now() -> Timestamp {
    "2026-11-25T08:00:00Z".parse().expect("a time")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn golden(name: &str, text: &str) {
    expectorate::assert_contents(folder().join("golden").join(name), text);
}

/// Objects of one kind of a world.
fn of_kind<K: DeserializeOwned + Debug>(world: &str, kind: &str) -> Vec<K> {
    let path = folder().join(format!("worlds/{world}.yaml"));
    let yaml = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    documents(&yaml)
        .into_iter()
        .filter(|object| object["kind"] == kind)
        .map(|object| {
            serde_json::from_value(object).unwrap_or_else(|error| panic!("{world}: {kind}: {error}"))
        })
        .collect()
}

fn world(name: &str) -> status::Input {
    let certificates = of_kind::<CertManagerCertificate>(name, "Certificate");
    status::Input {
        postgres: of_kind::<Postgres>(name, "Postgres").remove(0),
        members: members::members(&of_kind::<Pod>(name, "Pod")),
        requests: Seen::Present(of_kind::<PostgresOpsRequest>(name, "PostgresOpsRequest")),
        certificates: [CertificateAlias::Server]
            .into_iter()
            .zip(certificates.into_iter().map(Seen::Present))
            .collect(),
        handshakes: None,
        runs: Some("17.12".to_owned()),
    }
}

fn tell(name: &str, input: &status::Input) {
    let status = status::status(input, now());
    golden(
        &format!("status/{name}.txt"),
        &status::text(&status, now(), Paint::plain()),
    );
    golden(
        &format!("status/{name}.json"),
        &report::json(&status).expect("JSON"),
    );
}

#[test]
fn a_healthy_database_with_tls() {
    tell("healthy", &world("healthy"));
}

#[test]
fn a_running_operation_and_a_member_that_was_made_anew() {
    tell("rotating", &world("rotating"));
}

#[test]
fn trouble_and_what_could_not_be_read() {
    let mut input = world("trouble");
    input.requests = Seen::Unknown("postgresopsrequests is forbidden".to_owned());
    input.certificates.push((
        CertificateAlias::Client,
        Seen::Unknown("certificates is forbidden".to_owned()),
    ));
    input.handshakes = Some(vec![
        ("ha-postgres-0".to_owned(), Ok(None)),
        ("ha-postgres-1".to_owned(), Err("no answer within 10s".to_owned())),
    ]);
    tell("trouble", &input);
}

#[test]
fn an_operation_is_told_step_by_step() {
    let mut told = String::new();
    for open_steps in [true, false] {
        let mut story = Story::default();
        told.push_str(if open_steps { "lines\n" } else { "terminal\n" });
        for request in of_kind::<PostgresOpsRequest>("progress", "PostgresOpsRequest") {
            for line in story.news(&request, open_steps, Paint::plain()) {
                told.push_str(&format!("| {line}\n"));
            }
            match Ending::of(&request) {
                Some(ending) => told.push_str(&format!("= {}: {}\n", ending.phase.as_str(), ending.message)),
                None => told.push_str(&format!("> {}\n", under_way(&request))),
            }
        }
    }
    golden("progress.txt", &told);
}

/// What a member with this certificate answers, without a wire in between.
fn serves(authority: &Authority, names: &[&str]) -> Answer {
    answer(&authority.server(names).certificate)
}

fn answer(pem: &str) -> Answer {
    let chain = instance::chain_of_pem(pem.as_bytes()).expect("PEM");
    Answer::Tls(Box::new(instance::Served {
        leaf: instance::facts_of_der(&chain[0]).expect("X.509"),
        chain,
        protocol: "TLSv1_3".to_owned(),
        authorities: Default::default(),
    }))
}

const NAMES: [&str; 2] = ["ha-postgres.demo.svc", "*.ha-postgres-pods.demo.svc"];

fn evidence(authority: &Authority, answers: Vec<Result<Answer, String>>) -> verify::Evidence {
    let first = answers.iter().flatten().find_map(Answer::served);
    let secret = first.map_or(Seen::Absent, |served| Seen::Present(served.leaf.clone()));
    let members = answers.into_iter().enumerate().map(|(ordinal, answer)| {
        let name = format!("ha-postgres-{ordinal}");
        let host = format!("{name}.ha-postgres-pods.demo.svc");
        (name, vec![host], answer)
    });
    let members: Vec<_> = members.collect();
    verify::Evidence {
        namespace: "demo".to_owned(),
        database: "ha-postgres".to_owned(),
        wants_tls: true,
        replicas: members.len(),
        operation: None,
        members,
        authorities: Seen::Present(verify::Authorities {
            pem: authority.pem().to_vec(),
            from: "the AppBinding ha-postgres".to_owned(),
        }),
        hosts: vec!["ha-postgres.demo.svc".to_owned()],
        asked_names: Seen::Present(NAMES.map(str::to_owned).to_vec()),
        secret,
        secret_name: "ha-postgres-server-cert".to_owned(),
        issuer_ca_changed: None,
    }
}

/// Grade, check, member, and a word of message and advice.
type Found<'a> = (verify::Grade, verify::Check, Option<&'a str>, &'a str, &'a str);

fn finds(evidence: &verify::Evidence, grade: verify::Grade, wanted: &[Found<'_>]) {
    let verdict = verify::judge(evidence, Timestamp::now());
    let text = verify::text(&verdict, Timestamp::now(), Paint::plain());
    assert_eq!(verdict.verdict, grade, "{text}");
    assert_eq!(verdict.findings.len(), wanted.len(), "{text}");
    for (finding, (grade, check, member, message, advice)) in verdict.findings.iter().zip(wanted) {
        assert_eq!(
            (finding.grade, finding.check, finding.member.as_deref()),
            (*grade, *check, *member),
            "{text}"
        );
        assert!(finding.message.contains(message), "{message}: {text}");
        assert!(finding.advice.contains(advice), "{advice}: {text}");
        assert!(text.contains(&finding.message), "{text}");
    }
}

use verify::Check as C;
use verify::Grade as G;

const FIRST: Option<&str> = Some("ha-postgres-0");
const SECOND: Option<&str> = Some("ha-postgres-1");

#[test]
fn members_that_serve_what_clients_accept() {
    let ca = Authority::new("ca");
    let one = serves(&ca, &NAMES);
    finds(&evidence(&ca, vec![Ok(one.clone()), Ok(one)]), G::Ok, &[]);
}

#[test]
fn a_wrong_name_is_found_and_how_to_add_it() {
    let ca = Authority::new("ca");
    let mut with_host = evidence(&ca, vec![Ok(serves(&ca, &NAMES))]);
    with_host.hosts.push("db.example.com".to_owned());
    with_host.hosts.push("192.0.2.7".to_owned());
    let wanted = [
        (
            G::Problem,
            C::Name,
            FIRST,
            "not for 192.0.2.7",
            "--ip-address 192.0.2.7",
        ),
        (
            G::Problem,
            C::Name,
            FIRST,
            "not for db.example.com",
            "--dns-name db.example.com",
        ),
    ];
    finds(&with_host, G::Problem, &wanted);
}

#[test]
fn names_that_are_asked_for_and_not_served_are_found() {
    let ca = Authority::new("ca");
    let mut more = evidence(&ca, vec![Ok(serves(&ca, &NAMES))]);
    more.asked_names = Seen::Present(vec!["pg.example.com".to_owned()]);
    let wanted = [(
        G::Problem,
        C::Name,
        FIRST,
        "pg.example.com",
        "tls rotate ha-postgres -n demo",
    )];
    finds(&more, G::Problem, &wanted);
}

#[test]
fn a_foreign_chain_is_found() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let foreign = evidence(&ours, vec![Ok(serves(&theirs, &NAMES))]);
    finds(
        &foreign,
        G::Problem,
        &[(G::Problem, C::Chain, FIRST, "theirs", "rotate")],
    );
}

#[test]
fn an_issuer_that_signs_with_another_ca_is_a_note_while_clients_still_trust_what_is_served() {
    let ca = Authority::new("ca");
    let mut changed = evidence(&ca, vec![Ok(serves(&ca, &NAMES))]);
    changed.issuer_ca_changed = Some("Issuer pg-issuer signs with the CA CN=other".to_owned());
    let wanted = [(
        G::Note,
        C::Chain,
        None,
        "CN=other",
        "tls rotate ha-postgres -n demo",
    )];
    finds(&changed, G::Ok, &wanted);
}

#[test]
fn an_expired_certificate_is_told_once() {
    let ca = Authority::new("ca");
    let expired = answer(&ca.expired_server(&NAMES).certificate);
    let wanted = [(G::Problem, C::Date, FIRST, "expired at 2021-01-01", "rotate")];
    finds(&evidence(&ca, vec![Ok(expired)]), G::Problem, &wanted);
}

#[test]
fn an_expired_ca_is_not_taken_for_an_expired_leaf() {
    let ca = Authority::with("old", |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let wanted = [(
        G::Problem,
        C::Chain,
        FIRST,
        "valid from 2020-01-01",
        "renew the CA",
    )];
    finds(&evidence(&ca, vec![Ok(serves(&ca, &NAMES))]), G::Problem, &wanted);
}

#[test]
fn another_certificate_than_the_secrets_is_found_on_the_member_that_serves_it() {
    let ca = Authority::new("ca");
    let two = evidence(&ca, vec![Ok(serves(&ca, &NAMES)), Ok(serves(&ca, &NAMES))]);
    let wanted = [
        (
            G::Problem,
            C::Secret,
            SECOND,
            "the Secret ha-postgres-server-cert holds",
            "describe postgres",
        ),
        (G::Problem, C::Members, None, "2 different certificates", "wait"),
    ];
    finds(&two, G::Problem, &wanted);
}

#[test]
fn plaintext_where_tls_is_wanted_and_the_other_way_round() {
    let ca = Authority::new("ca");
    let mut plain = evidence(&ca, vec![Ok(Answer::Plaintext)]);
    let wanted = [
        (G::Problem, C::Tls, FIRST, "serves no TLS", "status"),
        (G::Problem, C::Secret, None, "does not exist", "Certificate"),
    ];
    finds(&plain, G::Problem, &wanted);
    plain.wants_tls = false;
    finds(&plain, G::Ok, &[]);
    let mut unwanted = evidence(&ca, vec![Ok(serves(&ca, &NAMES))]);
    unwanted.wants_tls = false;
    unwanted.operation = Some("remove-tls".to_owned());
    let wanted = [(G::Problem, C::Tls, FIRST, "asks for none", "remove-tls runs")];
    finds(&unwanted, G::Problem, &wanted);
}

#[test]
fn what_could_not_be_looked_at_is_not_ok() {
    let ca = Authority::new("ca");
    let mut silent = evidence(
        &ca,
        vec![Ok(serves(&ca, &NAMES)), Err("no answer within 10s".to_owned())],
    );
    silent.replicas = 3;
    let wanted = [
        (
            G::Unknown,
            C::Reachable,
            SECOND,
            "no answer within 10s",
            "describe pod ha-postgres-1",
        ),
        (G::Unknown, C::Members, None, "2 of 3 members", "status"),
    ];
    finds(&silent, G::Unknown, &wanted);
    let mut blind = evidence(&ca, vec![Ok(serves(&ca, &NAMES))]);
    blind.authorities = Seen::Unknown("appbindings is forbidden".to_owned());
    blind.secret = Seen::Unknown("secrets is forbidden".to_owned());
    let wanted = [
        (
            G::Unknown,
            C::Chain,
            FIRST,
            "appbindings is forbidden",
            "--ca-file",
        ),
        (G::Note, C::Secret, None, "secrets is forbidden", "do not need it"),
    ];
    finds(&blind, G::Unknown, &wanted);
}
