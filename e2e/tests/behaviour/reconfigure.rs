//! `Reconfigure` on the real cluster, with an application that writes.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use api_types::ops_request::OpsRequestPhase;
use api_types::{Postgres, PostgresOpsRequest};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::writer::{Choice, Writer};
use e2e::{checks, manifests, members, report, requests, wait};
use serde_json::{Value, json};

use crate::PROVISIONING_TIMEOUT;

const DATABASE: &str = "ha-postgres";
const RECONFIGURE_TIMEOUT: Duration = Duration::from_secs(120);
/// A restart of the primary's PostgreSQL; tests run side by side.
const LONGEST_GAP: Duration = Duration::from_secs(10);

fn request(name: &str, configuration: &Value) -> Result<PostgresOpsRequest> {
    let fields = json!({"configuration": configuration});
    requests::of(name, DATABASE, "Reconfigure", &fields)
}

async fn succeed(namespace: &TestNamespace, name: &str, configuration: &Value) -> Result<PostgresOpsRequest> {
    let begin = Instant::now();
    requests::create_as_is(namespace, &request(name, configuration)?).await?;
    let ended = wait::request_successful(&namespace.api(), name, RECONFIGURE_TIMEOUT).await?;
    println!("{name}: {}", report::seconds(begin.elapsed()));
    checks::at_peace(namespace, DATABASE).await?;
    Ok(ended)
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_change_without_a_new_pod_and_no_row_is_lost() -> Result<()> {
    in_namespace(
        "reconfigure",
        |namespace| async move { reconfigure(&namespace).await },
    )
    .await
}

async fn reconfigure(namespace: &TestNamespace) -> Result<()> {
    manifests::create_postgres(namespace, manifests::HA_POSTGRES, |_| {}).await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
    let before = members::list(namespace, DATABASE).await?;
    let writer = Writer::start(namespace, DATABASE, Choice::TESTING).await?;
    let mark = writer.mark().await?;
    succeed(
        namespace,
        "reload",
        &json!({"applyConfig": {"user.conf": "work_mem = 8MB"}}),
    )
    .await?;
    everywhere(namespace, "work_mem", "8MB").await?;
    let none = writer.since(mark).await?;
    ensure!(none.error_count() == 0, "a reload: {:?}", none.errors);
    // Up, then down: another member restarts first.
    for (name, value) in [("raise", "150"), ("lower", "60")] {
        let mark = writer.mark().await?;
        let conf = format!("max_connections = {value}");
        succeed(namespace, name, &json!({"applyConfig": {"user.conf": conf}})).await?;
        everywhere(namespace, "max_connections", value).await?;
        nothing_waits(namespace).await?;
        let stretch = writer.since(mark).await?;
        checks::writer_served(&stretch, LONGEST_GAP)?;
        println!("{name}: writes stood still for {:?}", stretch.longest_gap);
    }
    refused(namespace).await?;
    succeed(namespace, "remove", &json!({"removeCustomConfig": true})).await?;
    everywhere(namespace, "max_connections", "100").await?;
    everywhere(namespace, "work_mem", "4MB").await?;
    let postgres = checks::at_peace(namespace, DATABASE).await?;
    ensure!(
        postgres.spec.configuration.is_none(),
        "{:?}",
        postgres.spec.configuration
    );
    let after = members::list(namespace, DATABASE).await?;
    ensure!(
        before == after,
        "a Pod was touched, or the primary moved: {before:?} {after:?}"
    );
    println!("{} acknowledged rows, none lost", writer.finish().await?);
    restart_takes_a_lower_value(namespace).await
}

async fn everywhere(namespace: &TestNamespace, parameter: &str, value: &str) -> Result<()> {
    for member in members::list(namespace, DATABASE).await? {
        let found = members::sql(namespace, &member.name, &format!("show {parameter}")).await?;
        ensure!(found.trim() == value, "{parameter} of {} is {found}", member.name);
    }
    Ok(())
}

async fn nothing_waits(namespace: &TestNamespace) -> Result<()> {
    for member in members::list(namespace, DATABASE).await? {
        let query = "select count(*) from pg_settings where pending_restart";
        let waiting = members::sql(namespace, &member.name, query).await?;
        ensure!(waiting.trim() == "0", "{waiting} on {}", member.name);
    }
    Ok(())
}

/// Bad input changes nothing, and every offender is named.
async fn refused(namespace: &TestNamespace) -> Result<()> {
    let before = checks::at_peace(namespace, DATABASE).await?.spec;
    let bad = json!({"applyConfig": {"user.conf": "max_conections = 5\njit = maybe\nport = 1"}});
    requests::create_as_is(namespace, &request("bad", &bad)?).await?;
    let ended = wait::request_ended(&namespace.api(), "bad", RECONFIGURE_TIMEOUT).await?;
    let words = wait::last_words(&ended);
    ensure!(ended.phase() == Some(OpsRequestPhase::Failed), "{words}");
    for name in ["max_conections", "jit"] {
        ensure!(words.contains(name), "{name} is not named: {words}");
    }
    ensure!(
        checks::at_peace(namespace, DATABASE).await?.spec == before,
        "the spec was written"
    );
    everywhere(namespace, "max_connections", "60").await
}

/// A lower value waits, and a restart of all Pods leaves nothing waiting.
async fn restart_takes_a_lower_value(namespace: &TestNamespace) -> Result<()> {
    let wait_for_it = json!({"applyConfig": {"user.conf": "max_connections = 50"}, "restart": "false"});
    let ended = succeed(namespace, "wait", &wait_for_it).await?;
    ensure!(
        requests::conditions(&ended).contains(&"PendingRestart"),
        "{:?}",
        ended.status
    );
    everywhere(namespace, "max_connections", "100").await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
    requests::run(
        namespace,
        manifests::RESTART,
        "restart",
        DATABASE,
        PROVISIONING_TIMEOUT,
    )
    .await?;
    everywhere(namespace, "max_connections", "50").await?;
    nothing_waits(namespace).await
}
