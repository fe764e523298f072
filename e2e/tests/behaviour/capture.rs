//! What is on the network between members, operators and clients: no password, and no HTTP basic authentication.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::provider::Capture;
use e2e::{client, failover, manifests, members, pki, requests, wait};
use kube::api::DeleteParams;

use crate::PROVISIONING_TIMEOUT;

const DATABASE: &str = "ha-postgres";

/// Longest time of one operation.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(240);
/// Part of the header by which HTTP basic authentication sends a password.
const BASIC: &[u8] = b"Authorization: Basic";

#[tokio::test(flavor = "multi_thread")]
async fn no_password_is_on_the_network() -> Result<()> {
    in_namespace("capture", |namespace| async move { story(&namespace).await }).await
}

async fn story(namespace: &TestNamespace) -> Result<()> {
    let folder = std::env::temp_dir().join(&namespace.name);
    let Some(capture) = Capture::begin(&folder).await? else {
        println!("skipped: this cluster's provider can't capture");
        return Ok(());
    };
    // A name that libpq sends in the clear without TLS: what is on the network is found.
    let canary = format!("canary-{}", namespace.name);
    operations(namespace, &canary).await?;
    let (_, password) = pki::password(namespace, DATABASE).await?;
    let counts = capture
        .end(&[canary.as_bytes(), password.as_bytes(), BASIC])
        .await?;
    let &[canaries, passwords, basic] = counts.as_slice() else {
        anyhow::bail!("three counts: {counts:?}");
    };
    println!(
        "on the network: the canary {canaries} times, the password {passwords}, basic authentication {basic}"
    );
    ensure!(canaries > 0, "the capture does not see what clients send");
    ensure!(passwords == 0, "the superuser's password was sent in the clear");
    ensure!(basic == 0, "HTTP basic authentication was used");
    Ok(())
}

async fn operations(namespace: &TestNamespace, canary: &str) -> Result<()> {
    requests::issuers(namespace).await?;
    manifests::create_postgres(namespace, manifests::HA_POSTGRES, |_| {}).await?;
    let api = namespace.api();
    wait::database_ready(&api, DATABASE, PROVISIONING_TIMEOUT).await?;
    let options = format!("sslmode=disable application_name={canary}");
    let attempt = client::connect_once(namespace, DATABASE, &options, "select 1").await?;
    attempt.connected()?;

    let primary = members::primary(namespace, DATABASE).await?;
    let at_once = DeleteParams::default().grace_period(0);
    namespace.pods().delete(&primary.name, &at_once).await?;
    failover::all_stream(namespace, DATABASE, failover::REJOIN_TIMEOUT).await?;
    wait::database_ready(&api, DATABASE, PROVISIONING_TIMEOUT).await?;

    for (name, yaml, restart) in [
        ("add", manifests::ADD_TLS_MD5, "auto"),
        ("rotate", manifests::ROTATE_TLS, "auto"),
        ("change", manifests::CHANGE_ISSUER, "auto"),
        ("update", manifests::UPDATE_CERTIFICATES, "auto"),
        ("remove", manifests::REMOVE_TLS, "auto"),
    ] {
        let yaml = manifests::with_restart(yaml, restart);
        requests::run(namespace, &yaml, name, DATABASE, OPERATION_TIMEOUT)
            .await
            .context(name)?;
        wait::database_ready(&api, DATABASE, PROVISIONING_TIMEOUT).await?;
    }
    // With a switchover.
    requests::run(
        namespace,
        manifests::RESTART,
        "restart",
        DATABASE,
        OPERATION_TIMEOUT,
    )
    .await?;
    wait::database_ready(&api, DATABASE, PROVISIONING_TIMEOUT)
        .await
        .map(drop)
}
