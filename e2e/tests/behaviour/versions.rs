//! Every major version that is supported, at the minor version that KubeDB's catalog has: it becomes Ready with TLS, replicates, and
//! fails over.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use api_types::Postgres;
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::{failover, manifests, members, report, requests, wait};
use kube::api::DeleteParams;

use crate::PROVISIONING_TIMEOUT;

const VERSIONS: [&str; 5] = ["18.3", "17.9", "16.13", "15.17", "14.22"];
const DATABASE: &str = "ha-postgres";
const DELETION_TIMEOUT: Duration = Duration::from_secs(120);
const ROWS: &str = "select count(*) from written";

#[tokio::test(flavor = "multi_thread")]
async fn every_major_version_replicates_and_fails_over() -> Result<()> {
    in_namespace("versions", |namespace| async move {
        requests::issuers(&namespace).await?;
        for version in VERSIONS {
            of_version(&namespace, version).await?;
        }
        Ok(())
    })
    .await
}

async fn of_version(namespace: &TestNamespace, version: &str) -> Result<()> {
    let begin = Instant::now();
    let postgres = manifests::create_postgres(namespace, manifests::HA_POSTGRES, |postgres| {
        postgres.spec.version = version.to_owned();
        postgres.spec.tls = Some(manifests::plain_tls());
    })
    .await?;
    let api = namespace.api::<Postgres>();
    wait::database_ready(&api, DATABASE, PROVISIONING_TIMEOUT).await?;
    let ready = report::seconds(begin.elapsed());
    every_member_is(namespace, version).await?;
    failover::all_stream(namespace, DATABASE, failover::STREAMING_TIMEOUT).await?;
    let encrypted = "select bool_and(ssl) from pg_stat_ssl join pg_stat_replication using (pid)";
    let encrypted = members::sql_on_primary(namespace, DATABASE, encrypted).await?;
    ensure!(encrypted == "t", "{version}: standbys stream without TLS");
    let write = "create table written as select generate_series(1, 1000) as number";
    members::sql_on_primary(namespace, DATABASE, write).await?;

    let old = members::primary(namespace, DATABASE).await?;
    let begin = Instant::now();
    let at_once = DeleteParams::default().grace_period(0);
    namespace.pods().delete(&old.name, &at_once).await?;
    let new = failover::another_primary_than(namespace, DATABASE, &old).await?;
    let moved = report::seconds(begin.elapsed());
    failover::all_stream(namespace, DATABASE, failover::STREAMING_TIMEOUT).await?;
    for member in members::list(namespace, DATABASE).await? {
        let rows = members::sql(namespace, &member.name, ROWS).await?;
        ensure!(rows == "1000", "{version}: {} has {rows} rows", member.name);
    }
    wait::database_ready(&api, DATABASE, PROVISIONING_TIMEOUT).await?;
    println!(
        "{version}: Ready after {ready}, primary {} after {moved}",
        new.name
    );
    let uid = postgres.metadata.uid.unwrap_or_default();
    api.delete(DATABASE, &DeleteParams::default()).await?;
    wait::gone(&api, DATABASE, &uid, DELETION_TIMEOUT).await
}

async fn every_member_is(namespace: &TestNamespace, version: &str) -> Result<()> {
    for member in members::list(namespace, DATABASE).await? {
        let found = members::sql(namespace, &member.name, "show server_version").await?;
        ensure!(found == version, "{} runs {found}, not {version}", member.name);
    }
    Ok(())
}
