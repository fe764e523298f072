//! The wish for TLS, against a server of our own on loopback.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use instance::{Answer, Distrust, HandshakeError, Login, Password, Session, SqlError, TlsMode};
use instance::{facts_of_pem, judge_server, probe, probe_tcp};
use jiff::Timestamp;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use testkit::authority::{Authority, Issued};

const DEADLINE: Duration = Duration::from_secs(5);

/// The server's half of the wish for TLS: reads the request, answers with `answer`.
async fn greeted(stream: &mut DuplexStream, answer: u8) {
    let mut request = [0; 8];
    stream.read_exact(&mut request).await.unwrap();
    assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47]);
    stream.write_all(&[answer]).await.unwrap();
}

/// A stream to a server that has this certificate.
fn serving(issued: &Issued) -> DuplexStream {
    let chain = CertificateDer::pem_slice_iter(issued.certificate.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let (ours, mut theirs) = duplex(16 * 1024);
    tokio::spawn(async move {
        greeted(&mut theirs, b'S').await;
        if let Ok(mut tls) = TlsAcceptor::from(Arc::new(config)).accept(theirs).await {
            let _ = tls.read_u8().await;
        }
    });
    ours
}

/// A stream to a server that gives this one byte as its answer.
fn answering(answer: u8) -> DuplexStream {
    let (ours, mut theirs) = duplex(1024);
    tokio::spawn(async move { greeted(&mut theirs, answer).await });
    ours
}

#[tokio::test]
async fn the_served_leaf_is_the_secrets() {
    let ca = Authority::new("demo-ca");
    let (served, other) = (ca.server(&["pg.shop.svc"]), ca.server(&["pg.shop.svc"]));
    let answer = probe(serving(&served), "pg-0", None, DEADLINE).await.unwrap();
    assert!(answer.serves(&facts_of_pem(served.certificate.as_bytes()).unwrap()));
    assert!(!answer.serves(&facts_of_pem(other.certificate.as_bytes()).unwrap()));
    assert_eq!(answer.served().unwrap().protocol, "TLSv1_3");
}

#[tokio::test]
async fn an_expired_leaf_is_read_and_judged_afterwards() {
    let ca = Authority::new("demo-ca");
    let answer = probe(
        serving(&ca.expired_server(&["pg.shop.svc"])),
        "pg-0",
        None,
        DEADLINE,
    )
    .await
    .unwrap();
    let served = answer.served().unwrap();
    let judged = judge_server(&served.chain, ca.pem(), Some("pg.shop.svc"), Timestamp::now()).unwrap();
    assert!(matches!(judged, Err(Distrust::Expired(_))), "{judged:?}");
}

#[tokio::test]
async fn a_leaf_for_another_host_is_read_and_judged_afterwards() {
    let ca = Authority::new("demo-ca");
    let answer = probe(serving(&ca.server(&["elsewhere"])), "pg-0", None, DEADLINE)
        .await
        .unwrap();
    let chain = &answer.served().unwrap().chain;
    assert_eq!(
        judge_server(chain, ca.pem(), None, Timestamp::now()).unwrap(),
        Ok(())
    );
    let judged = judge_server(chain, ca.pem(), Some("pg.shop.svc"), Timestamp::now()).unwrap();
    assert!(matches!(judged, Err(Distrust::WrongName { .. })), "{judged:?}");
}

#[tokio::test]
async fn a_server_without_tls_says_so() {
    assert_eq!(
        probe(answering(b'N'), "pg-0", None, DEADLINE).await.unwrap(),
        Answer::Plaintext
    );
}

#[tokio::test]
async fn other_answers_are_errors_not_plaintext() {
    let refused = probe(answering(b'E'), "pg-0", None, DEADLINE).await.unwrap_err();
    assert!(matches!(refused, HandshakeError::Refused), "{refused}");
    let http = probe(answering(b'H'), "pg-0", None, DEADLINE).await.unwrap_err();
    assert!(matches!(http, HandshakeError::NotPostgres(b'H')), "{http}");
}

#[tokio::test]
async fn a_silent_server_meets_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let error = probe_tcp("127.0.0.1", port, None, Duration::from_millis(50))
        .await
        .unwrap_err();
    assert!(matches!(error, HandshakeError::Deadline { .. }), "{error}");
}

#[tokio::test]
async fn nobody_there_is_an_error_with_the_address() {
    let port = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let error = probe_tcp("127.0.0.1", port, None, DEADLINE).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot connect to 127.0.0.1:{port}"));
}

fn login(tls: TlsMode) -> Login {
    Login {
        user: "postgres".to_owned(),
        password: Some(Password::new("hunter2")),
        database: "postgres".to_owned(),
        application_name: "test".to_owned(),
        tls,
        identity: None,
        major: None,
    }
}

#[tokio::test]
async fn no_password_goes_to_a_server_that_is_not_trusted() {
    let (ours, foreign) = (Authority::new("ours"), Authority::new("foreign"));
    let verify = login(TlsMode::VerifyCa {
        ca: ours.pem().to_vec(),
        known: BTreeSet::new(),
    });
    let error = Session::open(serving(&foreign.server(&["pg"])), &verify, DEADLINE)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, SqlError::Untrusted(Distrust::UnknownIssuer(i)) if i.contains("foreign")),
        "{error}"
    );

    let full = login(TlsMode::VerifyFull {
        ca: ours.pem().to_vec(),
        server_name: "pg".to_owned(),
    });
    let error = Session::open(serving(&ours.server(&["elsewhere"])), &full, DEADLINE)
        .await
        .unwrap_err();
    assert!(
        matches!(error, SqlError::Untrusted(Distrust::WrongName { .. })),
        "{error}"
    );

    let error = Session::open(answering(b'N'), &verify, DEADLINE)
        .await
        .unwrap_err();
    assert!(matches!(error, SqlError::NoTls), "{error}");
}

#[tokio::test]
async fn a_known_certificate_is_good_enough_after_its_time() {
    let ours = Authority::new("ours");
    let expired = ours.expired_server(&["pg"]);
    let outcome = async |known: &[&Issued]| {
        let facts = known
            .iter()
            .map(|issued| facts_of_pem(issued.certificate.as_bytes()).unwrap());
        let login = login(TlsMode::VerifyCa {
            ca: ours.pem().to_vec(),
            known: facts.map(|facts| facts.fingerprint).collect(),
        });
        Session::open(serving(&expired), &login, DEADLINE)
            .await
            .unwrap_err()
    };
    let unknown = outcome(&[&ours.server(&["pg"])]).await;
    assert!(
        matches!(unknown, SqlError::Untrusted(Distrust::Expired(_))),
        "{unknown}"
    );
    let known = outcome(&[&expired]).await;
    assert!(
        !matches!(known, SqlError::Untrusted(_)),
        "past the handshake: {known}"
    );
}
