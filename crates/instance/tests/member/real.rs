//! Questions to a real PostgreSQL.

use std::{collections::BTreeSet, process::Command, time::Duration};

use instance::{
    Answer, ClientIdentity, Login, Password, Role, Session, SqlError, TlsMode, facts_of_pem, judge_server,
    probe_tcp,
};
use jiff::Timestamp;

use testkit::authority::{Authority, Issued};

use crate::postgres::{PASSWORD, Postgres};

const DEADLINE: Duration = Duration::from_secs(10);
const PASSWORD_OVER_TLS_ONLY: &str = "hostssl all all 127.0.0.1/32 scram-sha-256\n";
const BOTH: &str = "host all all 127.0.0.1/32 scram-sha-256\n";
const CERTIFICATE: &str = "hostssl all all 127.0.0.1/32 cert\n";

fn login(tls: TlsMode) -> Login {
    Login {
        user: "postgres".to_owned(),
        password: Some(Password::new(PASSWORD)),
        database: "postgres".to_owned(),
        application_name: "test".to_owned(),
        tls,
        identity: None,
        major: None,
    }
}

/// cert-manager's default is RSA; the test authority can sign for such a key but not make one.
fn rsa_key() -> Option<String> {
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
        .output();
    made.ok()
        .filter(|o| o.status.success())
        .and_then(|o| String::from_utf8(o.stdout).ok())
}

async fn open(postgres: &Postgres, login: &Login) -> Result<Session, SqlError> {
    Session::connect("127.0.0.1", postgres.port, login, DEADLINE).await
}

#[tokio::test]
async fn a_primary_answers_all_questions_over_tls() {
    let Some(postgres) = Postgres::prepare("questions") else {
        return;
    };
    let ca = Authority::new("demo-ca");
    let issued = match rsa_key() {
        Some(key) => ca.server_with_key(&["pg.shop.svc"], &key),
        None => ca.server(&["pg.shop.svc"]),
    };
    postgres.write("ca.crt", ca.pem_text());
    postgres.serve(&issued);
    postgres.start("ssl = on", PASSWORD_OVER_TLS_ONLY);

    let full = TlsMode::VerifyFull {
        ca: ca.pem().to_vec(),
        server_name: "pg.shop.svc".to_owned(),
    };
    let session = open(&postgres, &login(full)).await.unwrap();
    assert!(session.encrypted().await.unwrap());
    assert_eq!(session.role().await.unwrap(), Role::Primary);
    session.check_read().await.unwrap();
    session.check_write().await.unwrap();
    session.check_write().await.unwrap();
    assert_eq!(session.replicas().await.unwrap(), []);
    assert_eq!(session.wal_receiver().await.unwrap(), None);
    assert_eq!(session.lag().await.unwrap().unreplayed_bytes, 0);
    assert_eq!(session.show("ssl").await.unwrap(), "on");
    assert!(session.show("no_such_parameter").await.is_err());
    let hour = std::time::Duration::from_secs(3600);
    postgres.date("ca.crt", std::time::SystemTime::now() - hour);
    assert_eq!(
        session.loaded_authorities().await.unwrap().as_deref(),
        Some(ca.pem())
    );
    postgres.date("ca.crt", std::time::SystemTime::now() + hour);
    assert_eq!(session.loaded_authorities().await.unwrap(), None, "changed since");
    let other = open(&postgres, &login(TlsMode::AcceptAny)).await.unwrap();
    assert_eq!(
        session.ssl_sessions().await.unwrap().encrypted,
        1,
        "the other one"
    );
    drop(other);

    let plain = open(&postgres, &login(TlsMode::Disable)).await.unwrap_err();
    assert!(matches!(plain, SqlError::Login { .. }), "{plain:?}");
    let wrong = Login {
        password: Some(Password::new("wrong")),
        ..login(TlsMode::AcceptAny)
    };
    let wrong = open(&postgres, &wrong).await.unwrap_err();
    assert!(matches!(wrong, SqlError::Login { .. }), "{wrong:?}");
}

#[tokio::test]
async fn a_client_certificate_is_enough_where_pg_hba_says_so() {
    let Some(postgres) = Postgres::prepare("certificate") else {
        return;
    };
    let (ca, foreign) = (Authority::new("demo-ca"), Authority::new("foreign-ca"));
    postgres.write("ca.crt", ca.pem_text());
    postgres.serve(&ca.server(&["pg.shop.svc"]));
    postgres.start("ssl = on", CERTIFICATE);

    let presenting = |issued: &Issued| {
        let identity =
            ClientIdentity::from_pem(issued.certificate.as_bytes(), issued.key.as_bytes()).unwrap();
        Login {
            password: None,
            identity: Some(identity),
            ..login(TlsMode::VerifyCa {
                ca: ca.pem().to_vec(),
                known: BTreeSet::new(),
            })
        }
    };
    let session = open(&postgres, &presenting(&ca.client("postgres")))
        .await
        .unwrap();
    assert_eq!(session.role().await.unwrap(), Role::Primary);
    open(&postgres, &presenting(&ca.client("somebody")))
        .await
        .unwrap_err();
    open(&postgres, &presenting(&foreign.client("postgres")))
        .await
        .unwrap_err();
    // The probe needs no right to log in.
    let answer = probe_tcp("127.0.0.1", postgres.port, None, DEADLINE)
        .await
        .unwrap();
    let served = answer.served().expect("TLS");
    // It asks for certificates of the CA that it trusts.
    let subject = x509_parser::pem::parse_x509_pem(ca.pem()).unwrap().1;
    let subject = subject.parse_x509().unwrap().subject().as_raw().to_vec();
    assert_eq!(served.authorities, std::collections::BTreeSet::from([subject]));
}

/// Asks again until the server serves what is wanted: a reload takes effect after its answer.
async fn served_after_reload(postgres: &Postgres, wanted: impl Fn(&Answer) -> bool) -> Answer {
    let mut every = tokio::time::interval(Duration::from_millis(50));
    let asking = async {
        loop {
            every.tick().await;
            let answer = probe_tcp("127.0.0.1", postgres.port, None, DEADLINE)
                .await
                .unwrap();
            if wanted(&answer) {
                return answer;
            }
        }
    };
    tokio::time::timeout(DEADLINE, asking)
        .await
        .expect("the server serves it in time")
}

#[tokio::test]
async fn the_handshake_proves_what_a_reload_did() {
    let Some(postgres) = Postgres::prepare("reload") else {
        return;
    };
    let (old, new) = (Authority::new("demo-ca"), Authority::new("demo-ca"));
    postgres.write("ca.crt", old.pem_text());
    postgres.serve(&old.server(&["pg.shop.svc"]));
    postgres.start("ssl = on", BOTH);
    let session = open(&postgres, &login(TlsMode::Disable)).await.unwrap();

    let issued = new.server(&["pg.shop.svc"]);
    let wanted = facts_of_pem(issued.certificate.as_bytes()).unwrap();
    postgres.serve(&issued);
    session.reload().await.unwrap();
    let answer = served_after_reload(&postgres, |a| a.serves(&wanted)).await;
    let chain = &answer.served().unwrap().chain;
    assert_eq!(
        judge_server(chain, new.pem(), Some("pg.shop.svc"), Timestamp::now()).unwrap(),
        Ok(())
    );
    assert!(
        judge_server(chain, old.pem(), None, Timestamp::now())
            .unwrap()
            .is_err()
    );
}

/// Such lines would hide those of a fault.
#[tokio::test]
async fn a_handshake_leaves_no_line_in_the_log() {
    let Some(postgres) = Postgres::prepare("quiet") else {
        return;
    };
    let ca = Authority::new("demo-ca");
    postgres.write("ca.crt", ca.pem_text());
    postgres.serve(&ca.server(&["pg.shop.svc"]));
    postgres.start("ssl = on", BOTH);
    let log = || std::fs::read_to_string(postgres.path("log")).unwrap();
    let before = log();
    for _ in 0..20 {
        let answer = probe_tcp("127.0.0.1", postgres.port, None, DEADLINE).await;
        assert!(answer.unwrap().served().is_some());
    }
    // Lines of the log are in order: those of the handshakes come before this one's.
    let session = open(&postgres, &login(TlsMode::Disable)).await.unwrap();
    assert!(session.show("no_such_parameter").await.is_err());
    let after = log();
    let added = after.strip_prefix(before.as_str()).unwrap();
    assert!(!added.contains("could not receive data"), "{added}");
}

/// The server logs the statement of a function that fails as its context.
#[tokio::test]
async fn a_verifier_that_can_not_be_set_leaves_nothing_in_the_log() {
    let Some(postgres) = Postgres::prepare("verifier") else {
        return;
    };
    postgres.start("ssl = off\nlog_min_error_statement = panic", BOTH);
    let session = open(&postgres, &login(TlsMode::Disable)).await.unwrap();
    let verifier = session.verifier("postgres").await.unwrap().unwrap();
    session.set_verifier("nobody", &verifier).await.unwrap_err();
    let log = std::fs::read_to_string(postgres.path("log")).unwrap();
    assert!(log.contains("role \"nobody\" does not exist"), "{log}");
    assert!(!log.contains("SCRAM-SHA-256"), "{log}");
}
