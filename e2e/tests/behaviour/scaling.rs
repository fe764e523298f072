//! `HorizontalScaling` on the real cluster, with an application that writes and one that reads through the standby Service.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use api_types::ops_request::{ApplyOption, OpsRequestPhase};
use api_types::{Postgres, PostgresOpsRequest};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::poll::{self, Look};
use e2e::writer::{Choice, Writer};
use e2e::{checks, failover, manifests, members, report, requests, shell, wait};
use serde_json::json;

use crate::PROVISIONING_TIMEOUT;

const DATABASE: &str = "ha-postgres";
const SCALE_TIMEOUT: Duration = Duration::from_secs(180);

fn request(name: &str, replicas: i32) -> Result<PostgresOpsRequest> {
    let fields = json!({"horizontalScaling": {"replicas": replicas}});
    requests::of(name, DATABASE, "HorizontalScaling", &fields)
}

async fn scaled(namespace: &TestNamespace, name: &str, replicas: i32) -> Result<()> {
    let begin = Instant::now();
    requests::create_as_is(namespace, &request(name, replicas)?).await?;
    wait::request_successful(&namespace.api(), name, SCALE_TIMEOUT).await?;
    println!("{name}: {}", report::seconds(begin.elapsed()));
    let postgres = checks::at_peace(namespace, DATABASE).await?;
    ensure!(
        postgres.spec.replicas == Some(replicas),
        "{name}: {:?}",
        postgres.spec.replicas
    );
    no_slot_is_left(namespace, replicas)
        .await
        .context(name.to_owned())
}

/// Every member that there is to be, streaming, and no slot of another one on any of them.
async fn no_slot_is_left(namespace: &TestNamespace, replicas: i32) -> Result<()> {
    let all = members::list(namespace, DATABASE).await?;
    ensure!(i32::try_from(all.len()) == Ok(replicas), "{all:?}");
    for member in &all {
        let slots = members::sql(
            namespace,
            &member.name,
            "select slot_name from pg_replication_slots",
        )
        .await?;
        for slot in slots.split_whitespace() {
            let pod = slot.replace('_', "-");
            ensure!(all.iter().any(|it| it.name == pod), "{slot} on {}", member.name);
        }
    }
    Ok(())
}

/// Slots are kept for members, so that one that is left over would be seen; commits wait for a standby.
fn with_slots_and_synchronous(postgres: &mut Postgres) {
    failover::synchronous(postgres);
    let replication = json!({"walLimitPolicy": "ReplicationSlot", "maxSlotWALKeepSize": 512});
    postgres.spec.replication = serde_json::from_value(replication).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn members_come_and_go_and_no_row_and_no_read_is_lost() -> Result<()> {
    in_namespace(
        "scaling",
        |namespace| async move { come_and_go(&namespace).await },
    )
    .await
}

async fn come_and_go(namespace: &TestNamespace) -> Result<()> {
    manifests::create_postgres(namespace, manifests::HA_POSTGRES, with_slots_and_synchronous).await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
    let choice = Choice {
        companions: true,
        ..Choice::TESTING
    };
    let writer = Writer::start(namespace, DATABASE, choice).await?;
    let mark = writer.mark().await?;
    scaled(namespace, "up-to-5", 5).await?;
    let mut reads = writer.reads_since(mark).await?;
    // This switchover is none of an operation's.
    led_by_the_last(namespace, 5).await?;
    let mark = writer.mark().await?;
    scaled(namespace, "down-to-3", 3).await?;
    reads.add(&writer.reads_since(mark).await?);
    ensure!(
        reads.made > 100 && reads.failed() == 0,
        "reads through the standby Service: {reads:?}"
    );
    println!("{} reads through the standby Service, none failed", reads.made);
    led_by_the_last(namespace, 3).await?;
    scaled(namespace, "down-to-1", 1).await?;
    writer.wait_for_rows(writer.mark().await?).await?;
    scaled(namespace, "up-to-3", 3).await?;
    println!("{} acknowledged rows, none lost", writer.finish().await?);
    Ok(())
}

async fn in_container(namespace: &TestNamespace, pod: &str, command: &[&str]) -> Result<()> {
    shell::output_of(&namespace.pods(), pod, "postgres", command).await?;
    Ok(())
}

/// The primary is the member that leaves first.
async fn led_by_the_last(namespace: &TestNamespace, replicas: i32) -> Result<()> {
    let last = format!("{DATABASE}-{}", replicas - 1);
    let switchover = [
        "patronictl",
        "-c",
        "/etc/config/patroni.yml",
        "switchover",
        "--force",
        "--candidate",
        &last,
    ];
    // Patroni refuses a candidate that is not synchronous yet.
    poll::until(
        "the last member leads",
        SCALE_TIMEOUT,
        Duration::from_secs(3),
        || async {
            let leader = members::primary(namespace, DATABASE).await?;
            if leader.name == last {
                return Ok(Look::Found(()));
            }
            let said = shell::output_of(&namespace.pods(), &leader.name, "postgres", &switchover).await;
            Ok(Look::NotYet(format!("{said:?}")))
        },
    )
    .await?;
    all_stream(namespace, replicas).await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, SCALE_TIMEOUT).await?;
    Ok(())
}

async fn all_stream(namespace: &TestNamespace, replicas: i32) -> Result<()> {
    let query = "select count(*) from pg_stat_replication where state = 'streaming'";
    let wanted = (replicas - 1).to_string();
    poll::until(
        "all standbys stream",
        SCALE_TIMEOUT,
        Duration::from_millis(500),
        || async {
            let streaming = members::sql_on_primary(namespace, DATABASE, query).await?;
            Ok(if streaming.trim() == wanted {
                Look::Found(())
            } else {
                Look::NotYet(format!("{streaming} of {wanted} stream"))
            })
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_member_leaves_while_one_that_stays_is_broken() -> Result<()> {
    in_namespace(
        "scaling-broken",
        |namespace| async move { broken(&namespace).await },
    )
    .await
}

async fn broken(namespace: &TestNamespace) -> Result<()> {
    manifests::create_postgres(namespace, manifests::HA_POSTGRES, |_| {}).await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
    led_by_the_last(namespace, 3).await?;
    let break_it = "chmod 000 $PGDATA/pg_wal && kill -9 $(head -1 $PGDATA/postmaster.pid)";
    in_container(namespace, &format!("{DATABASE}-0"), &["bash", "-c", break_it]).await?;
    members::sql_on_primary(
        namespace,
        DATABASE,
        "create table kept as select generate_series(1, 255) as id",
    )
    .await?;
    let mut request = request("down-to-1", 1)?;
    request.spec.apply = Some(ApplyOption::Always);
    // A member that is broken is not ready after the time of a failover.
    request.spec.timeout = Some("45s".into());
    requests::create_as_is(namespace, &request).await?;
    let ended = wait::request_ended(&namespace.api(), "down-to-1", SCALE_TIMEOUT).await?;
    ensure!(
        ended.phase() == Some(OpsRequestPhase::Failed),
        "{:?}",
        ended.status
    );
    let words = format!("{:?}", ended.conditions());
    ensure!(
        words.contains(&format!("{DATABASE}-0: its Pod is not Ready")),
        "{words}"
    );
    let all = members::list(namespace, DATABASE).await?;
    ensure!(all.len() == 3, "{all:?}");
    let rows = members::sql_on_primary(namespace, DATABASE, "select count(*) from kept").await?;
    ensure!(rows.trim() == "255", "{rows}");
    let mend = "chmod 700 $PGDATA/pg_wal";
    in_container(namespace, &format!("{DATABASE}-0"), &["bash", "-c", mend]).await?;
    failover::all_stream(namespace, DATABASE, SCALE_TIMEOUT).await
}
