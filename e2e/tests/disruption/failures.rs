//! A member or a node is lost: another member takes over, nothing acknowledged is lost, and what comes back joins in.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use api_types::Postgres;
use api_types::postgres::{StreamingMode, SynchronousReplicationConfig};
use e2e::cluster::TestNamespace;
use e2e::members::{self, Member};
use e2e::poll::{self, Look};
use e2e::writer::{Mark, Writer};
use e2e::{manifests, report, wait};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use tokio::process::Command;

use crate::{PROVISIONING, alone};

const DATABASE: &str = "ha-postgres";
/// Patroni's time to live is 20 to 30 s; then the election.
const FAILOVER: Duration = Duration::from_secs(90);
const BACK: Duration = Duration::from_secs(120);
/// Exit code of the cluster's node script where a provider can't cut a node off.
const CANNOT: i32 = 3;

/// Commits wait for a standby, so that no acknowledged row may be lost, however a member goes.
async fn synchronous(namespace: &TestNamespace) -> Result<()> {
    manifests::create_postgres(namespace, manifests::HA_POSTGRES, |postgres| {
        postgres.spec.streaming_mode = Some(StreamingMode::Synchronous);
        postgres.spec.synchronous_replication_config = None::<SynchronousReplicationConfig>;
    })
    .await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING).await?;
    Ok(())
}

async fn another_primary_than(namespace: &TestNamespace, old: &Member) -> Result<Member> {
    poll::until("another primary", FAILOVER, Duration::from_secs(1), || async {
        let members = members::list(namespace, DATABASE).await?;
        let found = members
            .iter()
            .find(|m| m.is_primary() && m.uid != old.uid && m.ready);
        Ok(found
            .cloned()
            .map_or_else(|| Look::NotYet(format!("{members:?}")), Look::Found))
    })
    .await
}

async fn all_stream(namespace: &TestNamespace) -> Result<()> {
    let query = "select count(*) from pg_stat_replication where state = 'streaming'";
    poll::until("two streaming standbys", BACK, Duration::from_secs(1), || async {
        let streaming = members::sql_on_primary(namespace, DATABASE, query).await?;
        Ok(if streaming == "2" {
            Look::Found(())
        } else {
            Look::NotYet(format!("{streaming} stream"))
        })
    })
    .await
}

async fn tell(writer: &Writer, what: &str, mark: Mark) -> Result<()> {
    let stretch = writer.since(mark).await?;
    let gap = report::seconds(stretch.longest_gap);
    println!(
        "{what}: write gap {gap}, {} errors {:?}",
        stretch.error_count(),
        stretch.errors
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_primary_or_node_costs_no_acknowledged_row() -> Result<()> {
    alone("failures", |namespace| async move {
        synchronous(&namespace).await?;
        let writer = Writer::start(&namespace, DATABASE).await?;
        primary_deleted(&namespace, &writer)
            .await
            .context("primary deleted")?;
        node_cut_off(&namespace, &writer).await.context("node cut off")?;
        println!("{} acknowledged rows, none lost", writer.finish().await?);
        scaled_by_spec(&namespace).await.context("spec.replicas edited")
    })
    .await
}

async fn primary_deleted(namespace: &TestNamespace, writer: &Writer) -> Result<()> {
    let old = members::primary(namespace, DATABASE).await?;
    let mark = writer.mark().await?;
    let at_once = DeleteParams {
        grace_period_seconds: Some(0),
        ..DeleteParams::default()
    };
    namespace.pods().delete(&old.name, &at_once).await?;
    another_primary_than(namespace, &old).await?;
    all_stream(namespace).await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, BACK).await?;
    writer.wait_for_rows(writer.mark().await?).await?;
    tell(writer, "primary killed", mark).await?;
    writer.check_nothing_lost().await.map(|_| ())
}

/// Until Patroni has noted who has every commit, it lets nobody take over: no row may be lost.
async fn synchronous_again(namespace: &TestNamespace, primary: &Member) -> Result<()> {
    let api = namespace.api::<ConfigMap>();
    let name = format!("{DATABASE}-sync");
    let noted = |map: &ConfigMap| {
        let note = |key: &str| map.annotations().get(key).map(String::as_str);
        note("leader") == Some(primary.name.as_str()) && note("sync_standby").is_some_and(|s| !s.is_empty())
    };
    wait::until(&api, &name, "notes synchronous standbys", BACK, noted)
        .await
        .map(|_| ())
}

async fn node_cut_off(namespace: &TestNamespace, writer: &Writer) -> Result<()> {
    let old = members::primary(namespace, DATABASE).await?;
    synchronous_again(namespace, &old).await?;
    if writer.node().await? == old.node {
        // The writer would be cut off with the primary; the switch of the primary is what is tested.
        println!("the writer is on the primary's node; its gap below includes its own absence");
    }
    let mark = writer.mark().await?;
    if !node("cut", &old.node).await? {
        println!("skipped: this cluster's provider can't cut a node off (hack/cluster/node.sh says so)");
        return Ok(());
    }
    let outcome = another_primary_than(namespace, &old).await;
    ensure!(node("heal", &old.node).await?, "the node can't be healed");
    let new = outcome?;
    ensure!(new.name != old.name, "the cut-off Pod itself is primary again");
    all_stream(namespace).await.context("after the node is back")?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, BACK).await?;
    writer.wait_for_rows(writer.mark().await?).await?;
    tell(writer, "primary's node cut off", mark).await?;
    writer.check_nothing_lost().await.map(|_| ())
}

/// Runs the cluster provider's script; `false` when the provider can't do it.
async fn node(action: &str, node: &str) -> Result<bool> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hack/cluster/node.sh");
    let output = Command::new(&script).args([action, node]).output().await?;
    match output.status.code() {
        Some(0) => Ok(true),
        Some(CANNOT) => Ok(false),
        _ => bail!(
            "{} {action} {node}: {}",
            script.display(),
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

/// KubeDB lets users edit `spec.replicas`: members are added, and taken away from the highest ordinal down.
async fn scaled_by_spec(namespace: &TestNamespace) -> Result<()> {
    for replicas in [4, 2] {
        let patch = json!({ "spec": { "replicas": replicas } });
        let api = namespace.api::<Postgres>();
        api.patch(DATABASE, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        poll::until(
            &format!("{replicas} members"),
            PROVISIONING,
            Duration::from_secs(1),
            || async {
                let members = members::list(namespace, DATABASE).await?;
                let ready = members.iter().filter(|m| m.ready).count();
                let there = members.len() == replicas && ready == replicas;
                Ok(if there {
                    Look::Found(())
                } else {
                    Look::NotYet(format!("{members:?}"))
                })
            },
        )
        .await?;
        wait::database_ready(&api, DATABASE, PROVISIONING).await?;
        members::primary(namespace, DATABASE).await?;
    }
    Ok(())
}
