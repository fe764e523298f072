//! A member or a node is lost: another member takes over, nothing acknowledged is lost, and what comes back joins in.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::Postgres;
use api_types::vocabulary::POSTGRES_CONTAINER;
use e2e::cluster::TestNamespace;
use e2e::failover::{self, REJOIN_TIMEOUT, STREAMING_TIMEOUT};
use e2e::poll::{self, Look};
use e2e::writer::{Choice, Mark, Writer};
use e2e::{manifests, members, provider, report, shell, wait};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::{PROVISIONING_TIMEOUT, alone};

const DATABASE: &str = "ha-postgres";

async fn synchronous(namespace: TestNamespace) -> Result<()> {
    manifests::create_postgres(&namespace, manifests::HA_POSTGRES, failover::synchronous).await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
    Ok(())
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
    alone("failures", synchronous, |namespace| async move {
        let writer = Writer::start(&namespace, DATABASE, Choice::MEASURING).await?;
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
    failover::another_primary_than(namespace, DATABASE, &old).await?;
    failover::all_stream(namespace, DATABASE, STREAMING_TIMEOUT).await?;
    standbys_notice_silence(namespace).await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, REJOIN_TIMEOUT).await?;
    writer.wait_for_rows(writer.mark().await?).await?;
    tell(writer, "primary killed", mark).await?;
    writer.check_nothing_lost().await.map(|_| ())
}

/// Standbys ask their connection whether the primary is there when it is silent for five seconds, and would not wait for an address
/// that is gone for as long as TCP does by itself, two hours. The kernel says so: `pg_stat_wal_receiver` shows what a WAL receiver was
/// told last instead of what its connection has.
async fn standbys_notice_silence(namespace: &TestNamespace) -> Result<()> {
    const READ: [&str; 3] = ["sh", "-c", "cat /proc/net/tcp /proc/net/tcp6"];
    for standby in members::list(namespace, DATABASE).await? {
        if standby.is_primary() {
            continue;
        }
        let connections =
            shell::output_of(&namespace.pods(), &standby.name, POSTGRES_CONTAINER, &READ).await?;
        ensure!(
            connections.lines().any(is_watched),
            "{}: {connections}",
            standby.name
        );
    }
    Ok(())
}

/// Whether this is an established connection to PostgreSQL with a timer that ends within five seconds (proc_net_tcp(5): hundredths of
/// a second, in hexadecimal).
fn is_watched(line: &str) -> bool {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, _, peer, "01", _, timer, ..] = fields.as_slice() else {
        return false;
    };
    let Some(("01" | "02", left)) = timer.split_once(':') else {
        return false;
    };
    peer.ends_with(":1538") && u64::from_str_radix(left, 16).is_ok_and(|left| left <= 500)
}

async fn node_cut_off(namespace: &TestNamespace, writer: &Writer) -> Result<()> {
    let old = members::primary(namespace, DATABASE).await?;
    failover::synchronous_again(namespace, DATABASE, &old).await?;
    if writer.node().await? == old.node {
        // The writer would be cut off with the primary; the switch of the primary is what is tested.
        println!("the writer is on the primary's node; its gap below includes its own absence");
    }
    let mark = writer.mark().await?;
    if !provider::node("cut", &old.node).await? {
        println!("skipped: this cluster's provider can't cut a node off (hack/cluster/node.sh says so)");
        return Ok(());
    }
    let outcome = failover::another_primary_than(namespace, DATABASE, &old).await;
    ensure!(
        provider::node("heal", &old.node).await?,
        "the node can't be healed"
    );
    let new = outcome?;
    ensure!(new.name != old.name, "the cut-off Pod itself is primary again");
    failover::all_stream(namespace, DATABASE, REJOIN_TIMEOUT)
        .await
        .context("after the node is back")?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, REJOIN_TIMEOUT).await?;
    writer.wait_for_rows(writer.mark().await?).await?;
    tell(writer, "primary's node cut off", mark).await?;
    writer.check_nothing_lost().await.map(|_| ())
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
            PROVISIONING_TIMEOUT,
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
        wait::database_ready(&api, DATABASE, PROVISIONING_TIMEOUT).await?;
        members::primary(namespace, DATABASE).await?;
    }
    Ok(())
}
