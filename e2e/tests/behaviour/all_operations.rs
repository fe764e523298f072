//! Every operation, from YAML to Successful, on real databases, with an application writing meanwhile.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::tls::{ClientAuthMode, SslMode};
use e2e::checks::{self, Tls};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::progress::Narrator;
use e2e::story::{self, Performed, Stage};
use e2e::writer::{Choice, Writer};
use e2e::{manifests, members, report, requests, wait};

const PROVISIONING_TIMEOUT: Duration = Duration::from_secs(180);
/// A switchover, while other tests share the machine's two cores.
const LONGEST_GAP: Duration = Duration::from_secs(15);

const ADD: &[&str] = &[
    "ReconfigureTLS",
    "CertificateSynced",
    "UpdatePetSets",
    "RestartNodes",
    "Successful",
];
const ROTATE: &[&str] = &[
    "ReconfigureTLS",
    "IssueCertificatesSucceeded",
    "CertificateSynced",
    "RestartNodes",
    "Successful",
];
const CHANGE: &[&str] = &[
    "ReconfigureTLS",
    "CertificateSynced",
    "RestartNodes",
    "Successful",
];
const REMOVE: &[&str] = &["ReconfigureTLS", "RestartNodes", "Successful"];
const BY_RELOAD: &[&str] = &["ReconfigureTLS", "ReloadTLS", "ReloadPods", "Successful"];
const RESTART: &[&str] = &["Restart", "RestartNodes", "Successful"];

const USER_NAMES: &[&str] = &[
    "db.example.com",
    "192.0.2.10",
    "spiffe://example.com/postgres",
    "dba@example.com",
];

fn tls(mode: ClientAuthMode, issuer: &'static [&'static str]) -> Tls {
    Tls {
        ssl_mode: SslMode::VerifyFull,
        client_auth_mode: mode,
        issuer,
        extra_names: &[],
    }
}

/// Data that must survive everything.
async fn seed(namespace: &TestNamespace, database: &str) -> Result<()> {
    let statement = "create table kept as select generate_series(1, 1000) as n";
    members::sql_on_primary(namespace, database, statement)
        .await
        .map(|_| ())
}

async fn data_is_intact(namespace: &TestNamespace, database: &str) -> Result<()> {
    let sum = members::sql_on_primary(namespace, database, "select count(*), sum(n) from kept").await?;
    ensure!(sum == "1000|500500", "the table has {sum}");
    Ok(())
}

/// Performs an operation and checks what is true after each of them.
async fn perform(
    stage: &Stage<'_>,
    title: &str,
    name: &str,
    yaml: &str,
    steps: &[&str],
) -> Result<Performed> {
    let performed = story::perform(stage, title, yaml, name).await?;
    checks::restarted_once(stage.namespace, &performed, steps)
        .await
        .context(title.to_owned())?;
    if let Some(stretch) = &performed.stretch {
        checks::writer_served(stretch, LONGEST_GAP).context(title.to_owned())?;
    }
    data_is_intact(stage.namespace, stage.database).await?;
    Ok(performed)
}

/// After an operation each member serves what is wanted, with a certificate that is new or the one from before.
async fn serves_after(stage: &Stage<'_>, performed: &Performed, issued: bool, wanted: &Tls) -> Result<()> {
    let context = || format!("after {}", performed.title);
    checks::serials_changed(performed, issued).with_context(context)?;
    checks::serves_tls(stage.namespace, stage.database, wanted)
        .await
        .with_context(context)
}

async fn ready(namespace: &TestNamespace, database: &str) -> Result<()> {
    requests::issuers(namespace).await?;
    wait::database_ready(&namespace.api(), database, PROVISIONING_TIMEOUT).await?;
    seed(namespace, database).await
}

fn tell(what: &str, performed: &[Performed]) {
    println!(
        "\n{what}\n{}\n{}",
        report::operations(performed),
        report::errors(performed)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn three_members_get_and_lose_tls_with_client_certificates() -> Result<()> {
    in_namespace("ops-cert", |namespace| async move {
        with_client_certificates(&namespace).await
    })
    .await
}

async fn with_client_certificates(namespace: &TestNamespace) -> Result<()> {
    let database = "ha-postgres";
    manifests::apply(namespace, manifests::HA_POSTGRES).await?;
    ready(namespace, database).await?;
    checks::serves_plaintext(namespace, database).await?;
    let writer = Writer::start(namespace, database, Choice::TESTING).await?;
    let narrator = Narrator::silent();
    let stage = Stage {
        namespace,
        database,
        narrator: &narrator,
        writer: Some(&writer),
    };

    let add = perform(&stage, "add TLS", "add-tls", manifests::ADD_TLS, ADD).await?;
    let mut wanted = tls(ClientAuthMode::Cert, &["CN=ca", "O=kubedb"]);
    serves_after(&stage, &add, true, &wanted).await?;

    let rotate = perform(&stage, "rotate", "rotate-tls", manifests::ROTATE_TLS, ROTATE).await?;
    serves_after(&stage, &rotate, true, &wanted).await?;

    let change = perform(
        &stage,
        "change issuer",
        "change-issuer",
        manifests::CHANGE_ISSUER,
        CHANGE,
    )
    .await?;
    wanted.issuer = &["CN=ca-updated", "O=kubedb-updated"];
    serves_after(&stage, &change, true, &wanted).await?;

    let yaml = manifests::UPDATE_CERTIFICATES;
    let update = perform(&stage, "change certificates", "update-certificates", yaml, CHANGE).await?;
    wanted.extra_names = USER_NAMES;
    serves_after(&stage, &update, true, &wanted).await?;

    let restart = perform(&stage, "restart", "restart", manifests::RESTART, RESTART).await?;
    serves_after(&stage, &restart, false, &wanted).await?;

    let remove = perform(&stage, "remove TLS", "remove-tls", manifests::REMOVE_TLS, REMOVE).await?;
    checks::serves_plaintext(namespace, database)
        .await
        .context("after remove")?;

    let rows = writer.finish().await?;
    tell(
        "three members, client certificates",
        &[add, rotate, change, update, restart, remove],
    );
    println!("{rows} acknowledged rows, none lost");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_members_born_with_tls_change_how_clients_prove_themselves() -> Result<()> {
    in_namespace(
        "ops-born",
        |namespace| async move { born_with_tls(&namespace).await },
    )
    .await
}

/// Only `sslMode` and `clientAuthMode` are given: passwords give way to client certificates.
const CHANGE_MODE: &str = "
apiVersion: ops.kubedb.com/v1alpha1
kind: PostgresOpsRequest
metadata: {name: change-mode}
spec:
  type: ReconfigureTLS
  databaseRef: {name: ha-postgres}
  tls: {sslMode: verify-full, clientAuthMode: cert}
";

async fn born_with_tls(namespace: &TestNamespace) -> Result<()> {
    let database = "ha-postgres";
    manifests::create_postgres(namespace, manifests::HA_POSTGRES, |postgres| {
        postgres.spec.tls = Some(manifests::plain_tls());
        postgres.spec.client_auth_mode = Some(ClientAuthMode::Scram);
        postgres.spec.ssl_mode = Some(SslMode::VerifyFull);
    })
    .await?;
    ready(namespace, database).await?;
    let mut wanted = tls(ClientAuthMode::Scram, &["CN=ca", "O=kubedb"]);
    checks::serves_tls(namespace, database, &wanted)
        .await
        .context("at birth")?;
    let writer = Writer::start(namespace, database, Choice::TESTING).await?;
    let narrator = Narrator::silent();
    let stage = Stage {
        namespace,
        database,
        narrator: &narrator,
        writer: Some(&writer),
    };

    let change = perform(&stage, "change modes", "change-mode", CHANGE_MODE, REMOVE).await?;
    wanted.client_auth_mode = ClientAuthMode::Cert;
    serves_after(&stage, &change, false, &wanted).await?;

    let rows = writer.finish().await?;
    tell("three members, born with TLS", &[change]);
    println!("{rows} acknowledged rows, none lost");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_members_change_tls_without_a_restart() -> Result<()> {
    in_namespace("ops-auto", |namespace| async move {
        without_a_restart(&namespace).await
    })
    .await
}

/// Nobody has to reconnect to another member, so writes stand still for a reload at most. How long that is, `make bench`
/// tells; this is for a machine that does much else.
const RELOAD_GAP: Duration = Duration::from_secs(5);

async fn without_a_restart(namespace: &TestNamespace) -> Result<()> {
    let database = "ha-postgres";
    manifests::apply(namespace, manifests::HA_POSTGRES).await?;
    ready(namespace, database).await?;
    let writer = Writer::start(namespace, database, Choice::TESTING).await?;
    let narrator = Narrator::silent();
    let stage = Stage {
        namespace,
        database,
        narrator: &narrator,
        writer: Some(&writer),
    };
    let mut wanted = tls(ClientAuthMode::Cert, &["CN=ca", "O=kubedb"]);
    let story = [
        ("add TLS", "add-tls", manifests::ADD_TLS, "auto"),
        ("rotate", "rotate-tls", manifests::ROTATE_TLS, "auto"),
        (
            "change issuer",
            "change-issuer",
            manifests::CHANGE_ISSUER,
            "false",
        ),
        (
            "change certificates",
            "update-certificates",
            manifests::UPDATE_CERTIFICATES,
            "auto",
        ),
        ("remove TLS", "remove-tls", manifests::REMOVE_TLS, "false"),
    ];
    let mut all = Vec::new();
    for (title, name, yaml, restart) in story {
        let yaml = manifests::with_restart(yaml, restart);
        let performed = story::perform(&stage, title, &yaml, name).await?;
        performed.history.check_untouched().context(title)?;
        checks::told(namespace, &performed, BY_RELOAD)
            .await
            .context(title)?;
        match name {
            "change-issuer" => wanted.issuer = &["CN=ca-updated", "O=kubedb-updated"],
            "update-certificates" => wanted.extra_names = USER_NAMES,
            _ => {}
        }
        if name == "remove-tls" {
            checks::serves_plaintext(namespace, database)
                .await
                .context(title)?;
        } else {
            checks::serves_tls(namespace, database, &wanted)
                .await
                .context(title)?;
            checks::proven(&performed)?;
        }
        let stretch = performed.stretch.as_ref().context("a writer")?;
        checks::writer_served(stretch, RELOAD_GAP).context(title)?;
        ensure!(
            stretch.error_count() == 0,
            "{title}: a client was refused: {:?}",
            stretch.errors
        );
        data_is_intact(namespace, database).await?;
        all.push(performed);
    }
    let rows = writer.finish().await?;
    tell("three members, no restart", &all);
    println!("{rows} acknowledged rows, none lost");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_member_gets_and_loses_tls_with_passwords() -> Result<()> {
    in_namespace("ops-alone", |namespace| async move { alone(&namespace).await }).await
}

async fn alone(namespace: &TestNamespace) -> Result<()> {
    let database = "standalone";
    manifests::apply(namespace, manifests::CLUSTER_ISSUER).await?;
    manifests::apply(namespace, manifests::STANDALONE).await?;
    ready(namespace, database).await?;
    let narrator = Narrator::silent();
    let stage = Stage {
        namespace,
        database,
        narrator: &narrator,
        writer: None,
    };

    let add = perform(&stage, "add TLS", "add-tls", manifests::ADD_TLS_MD5, ADD).await?;
    let mut wanted = tls(ClientAuthMode::Md5, &["CN=ca", "O=kubedb"]);
    wanted.ssl_mode = SslMode::VerifyCa;
    serves_after(&stage, &add, true, &wanted).await?;

    let rotate = perform(&stage, "rotate", "rotate-tls", manifests::ROTATE_TLS, ROTATE).await?;
    serves_after(&stage, &rotate, true, &wanted).await?;

    let yaml = manifests::CHANGE_TO_CLUSTER_ISSUER;
    let change = perform(&stage, "change to a ClusterIssuer", "change-issuer", yaml, CHANGE).await?;
    wanted.issuer = &["CN=cluster-ca"];
    serves_after(&stage, &change, true, &wanted).await?;

    let restart = perform(&stage, "restart", "restart", manifests::RESTART, RESTART).await?;
    serves_after(&stage, &restart, false, &wanted).await?;

    let remove = perform(&stage, "remove TLS", "remove-tls", manifests::REMOVE_TLS, REMOVE).await?;
    checks::serves_plaintext(namespace, database)
        .await
        .context("after remove")?;
    tell("one member, passwords", &[add, rotate, change, restart, remove]);
    Ok(())
}
