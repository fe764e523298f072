//! Patroni's REST API, against a server of our own on loopback that answers as Patroni 4.1 does with `verify_client: optional`.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{ConnectInfo, connect_info::Connected},
    http::StatusCode,
    routing::{get, patch, post},
    serve::{IncomingStream, Listener},
};
use instance::{Patroni, PatroniError, PatroniTls, Switchover, facts_of_pem};
use rcgen::ExtendedKeyUsagePurpose as Usage;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use testkit::authority::{Authority, Issued};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

const HOST: &str = "pg-1.pg-pods.shop.svc";
const DEADLINE: Duration = Duration::from_secs(5);

/// A listener that speaks TLS; a handshake that fails is the client's to report.
struct Tls {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, peer) = self.tcp.accept().await.unwrap();
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// Whether the client has shown a certificate.
#[derive(Clone, Copy)]
struct HasCertificate(bool);

impl Connected<IncomingStream<'_, Tls>> for HasCertificate {
    fn connect_info(stream: IncomingStream<'_, Tls>) -> Self {
        Self(stream.io().get_ref().1.peer_certificates().is_some())
    }
}

type Caller = ConnectInfo<HasCertificate>;

const FORBIDDEN: (StatusCode, &str) = (StatusCode::FORBIDDEN, "client certificate required");

async fn switchover(caller: Caller, Json(request): Json<Value>) -> (StatusCode, &'static str) {
    match request["candidate"].as_str() {
        _ if !caller.0.0 => FORBIDDEN,
        Some("pg-1") => (StatusCode::OK, r#"Successfully switched over to "pg-1""#),
        Some("pg-2") => (StatusCode::SERVICE_UNAVAILABLE, "Switchover failed"),
        _ => (StatusCode::PRECONDITION_FAILED, "candidate does not exists"),
    }
}

async fn status() -> Json<Value> {
    Json(json!({
        "state": "running", "postmaster_start_time": "2026-11-24 04:00:00.000000+00:00", "role": "replica",
        "server_version": 170002, "timeline": 3, "replication_state": "streaming", "pending_restart": true,
        "xlog": {"received_location": 67109200, "replayed_location": 67109100, "replayed_timestamp": null, "paused": false},
        "dcs_last_seen": 1764000000, "database_system_identifier": "7",
        "patroni": {"version": "4.1.0", "scope": "pg", "name": "pg-1"}}))
}

async fn cluster() -> Json<Value> {
    Json(json!({"scope": "pg", "members": [
        {"name": "pg-0", "role": "leader", "state": "running", "api_url": "https://x:8008/patroni", "timeline": 3},
        {"name": "pg-1", "role": "replica", "state": "streaming", "timeline": 3, "lag": 16, "lsn": "0/4"},
        {"name": "pg-2", "role": "replica", "state": "starting", "lag": "unknown", "pending_restart": true}]}))
}

async fn reload(caller: Caller) -> (StatusCode, &'static str) {
    if caller.0.0 {
        (StatusCode::ACCEPTED, "reload scheduled")
    } else {
        FORBIDDEN
    }
}

/// A member's certificate: for servers and clients, as members call each other.
fn member(ca: &Authority) -> Issued {
    let names = ["*.pg-pods.shop.svc", "localhost"];
    ca.issue("member", &names, Usage::ServerAuth, |params| {
        params.extended_key_usages.push(Usage::ClientAuth);
    })
}

/// Certificate and key in one text, as Secrets have them.
fn identity(issued: &Issued) -> String {
    format!("{}{}", issued.certificate, issued.key)
}

/// What an operator has of this CA.
fn operator(ca: &Authority) -> PatroniTls {
    let issued = ca.client("sealwright-operator");
    PatroniTls::from_pem(ca.pem(), identity(&issued).as_bytes()).unwrap()
}

/// How the server is configured; it asks for certificates of this CA, if of any.
fn served(issued: &Issued, clients: Option<&Authority>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(issued.certificate.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(ca.pem()).unwrap())
                .unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
        }
    };
    TlsAcceptor::from(Arc::new(builder.with_single_cert(chain.unwrap(), key).unwrap()))
}

/// Starts a server; its port.
async fn serve(acceptor: TlsAcceptor) -> u16 {
    let routes = Router::new()
        .route("/patroni", get(status))
        .route("/liveness", get(async || ""))
        .route("/cluster", get(cluster))
        .route("/reload", post(reload))
        .route("/switchover", post(switchover))
        .route(
            "/config",
            patch(async |Json(body): Json<Value>| Json(json!({"ttl": 30, "merged": body}))),
        );
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = tcp.local_addr().unwrap().port();
    let service = routes.into_make_service_with_connect_info::<HasCertificate>();
    tokio::spawn(async move { axum::serve(Tls { tcp, acceptor }, service).await });
    port
}

fn at(port: u16, tls: &PatroniTls) -> Patroni {
    Patroni::new("127.0.0.1", port, HOST, tls, DEADLINE).unwrap()
}

/// A member of one CA and an operator of the same.
async fn patroni() -> Patroni {
    let ca = Authority::new("members");
    at(serve(served(&member(&ca), Some(&ca))).await, &operator(&ca))
}

fn to(candidate: &str) -> Switchover {
    Switchover {
        leader: "pg-0".to_owned(),
        candidate: candidate.to_owned(),
    }
}

#[tokio::test]
async fn a_member_says_what_it_is() {
    let status = patroni().await.status().await.unwrap();
    assert_eq!(
        (status.state.as_str(), status.role.as_str(), status.timeline),
        ("running", "replica", Some(3))
    );
    assert!(status.pending_restart);
    assert_eq!(status.xlog.replayed_location, Some(67_109_100));
    assert_eq!(status.patroni.version, "4.1.0");
}

#[tokio::test]
async fn an_unknown_lag_is_not_zero() {
    let cluster = patroni().await.cluster().await.unwrap();
    assert_eq!(cluster.leader().unwrap().name, "pg-0");
    assert_eq!(cluster.member("pg-1").unwrap().lag, Some(16));
    assert_eq!(cluster.member("pg-2").unwrap().lag, None);
    assert!(cluster.member("pg-2").unwrap().pending_restart);
}

#[tokio::test]
async fn what_changes_something_shows_the_client_certificate() {
    let patroni = patroni().await;
    patroni.reload().await.unwrap();
    let config = patroni.patch_config(&json!({"loop_wait": 5})).await.unwrap();
    assert_eq!(config, json!({"ttl": 30, "merged": {"loop_wait": 5}}));
}

#[tokio::test]
async fn the_served_certificate_is_known_by_its_fingerprint() {
    let ca = Authority::new("members");
    let issued = member(&ca);
    let patroni = at(serve(served(&issued, Some(&ca))).await, &operator(&ca));
    let facts = facts_of_pem(issued.certificate.as_bytes()).unwrap();
    assert_eq!(patroni.served_leaf().await.unwrap(), facts.fingerprint);
}

#[tokio::test]
async fn a_server_of_another_ca_is_told_nothing() {
    let (ca, other) = (Authority::new("members"), Authority::new("members"));
    let patroni = at(serve(served(&member(&other), None)).await, &operator(&ca));
    for error in [
        patroni.reload().await.unwrap_err(),
        patroni.status().await.unwrap_err(),
    ] {
        assert!(matches!(error, PatroniError::Untrusted { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn another_server_of_the_same_ca_is_told_nothing() {
    let ca = Authority::new("members");
    let other = ca.server(&["pg-1.other-pods.shop.svc"]);
    let patroni = at(serve(served(&other, None)).await, &operator(&ca));
    let error = patroni.reload().await.unwrap_err();
    assert!(matches!(error, PatroniError::Untrusted { .. }), "{error:?}");
}

#[tokio::test]
async fn a_client_certificate_of_another_ca_is_refused() {
    let (ca, other) = (Authority::new("members"), Authority::new("members"));
    let issued = other.client("sealwright-operator");
    let stranger = PatroniTls::from_pem(ca.pem(), identity(&issued).as_bytes()).unwrap();
    let patroni = at(serve(served(&member(&ca), Some(&ca))).await, &stranger);
    let error = patroni.reload().await.unwrap_err();
    assert!(matches!(error, PatroniError::Unauthorized { .. }), "{error:?}");
}

#[tokio::test]
async fn a_client_without_a_certificate_may_read_only() {
    let ca = Authority::new("members");
    // It asks for none, so none is shown.
    let patroni = at(serve(served(&member(&ca), None)).await, &operator(&ca));
    patroni.status().await.unwrap();
    for error in [
        patroni.reload().await.unwrap_err(),
        patroni.switchover(&to("pg-1")).await.unwrap_err(),
    ] {
        assert!(matches!(error, PatroniError::Unauthorized { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_without_tls_gets_no_request_in_the_clear() {
    let ca = Authority::new("members");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let first = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap()
    });
    let error = at(port, &operator(&ca)).reload().await.unwrap_err();
    assert!(matches!(error, PatroniError::Unreachable { .. }), "{error:?}");
    assert_eq!(first.await.unwrap(), 22, "a TLS record of a handshake");
}

#[tokio::test]
async fn a_switchover_answers_in_the_words_of_patroni() {
    let patroni = patroni().await;
    assert_eq!(
        patroni.switchover(&to("pg-1")).await.unwrap(),
        r#"Successfully switched over to "pg-1""#
    );
    let failed = patroni.switchover(&to("pg-2")).await.unwrap_err();
    assert!(
        matches!(&failed, PatroniError::Failed { why, .. } if why == "Switchover failed"),
        "{failed}"
    );
    let impossible = patroni.switchover(&to("pg-9")).await.unwrap_err();
    assert!(
        matches!(impossible, PatroniError::NotPossible { .. }),
        "{impossible}"
    );
}

#[tokio::test]
async fn a_silent_patroni_meets_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let issued = Authority::new("members").client("sealwright-operator");
    let tls = PatroniTls::from_pem(issued.certificate.as_bytes(), identity(&issued).as_bytes()).unwrap();
    let patroni = Patroni::new("127.0.0.1", port, HOST, &tls, Duration::from_millis(50)).unwrap();
    let error = patroni.status().await.unwrap_err();
    assert!(matches!(error, PatroniError::Deadline { .. }), "{error}");
    assert!(!format!("{tls:?} {patroni:?} {error:?}").contains("PRIVATE KEY"));
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = at(port, &operator(&Authority::new("members")))
        .status()
        .await
        .unwrap_err();
    assert!(matches!(error, PatroniError::Unreachable { .. }), "{error}");
}
