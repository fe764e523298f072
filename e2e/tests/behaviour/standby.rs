//! A standby that stands still by PostgreSQL's own doing streams again without anybody's help.

use std::time::Duration;

use anyhow::{Context, Result};
use api_types::Postgres;
use api_types::vocabulary::POSTGRES_CONTAINER;
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::failover;
use e2e::poll::{self, Look};
use e2e::{manifests, members, shell, wait};

use crate::PROVISIONING_TIMEOUT;

const DATABASE: &str = "ha-postgres";
/// Until what the primary wrote has come, or its replay has stopped.
const REPLAY_TIMEOUT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// It is given some seconds to help itself while the primary goes on, then PostgreSQL starts anew.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(90);
const STARTED: &str = "select pg_postmaster_start_time()";

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_ends_its_wal_receiver_again_and_again_is_started_anew() -> Result<()> {
    in_namespace("standby", |namespace| async move { story(&namespace).await }).await
}

async fn story(namespace: &TestNamespace) -> Result<()> {
    manifests::create_postgres(namespace, manifests::HA_POSTGRES, |_| {}).await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
    failover::all_stream(namespace, DATABASE, REPLAY_TIMEOUT).await?;
    let primary = members::primary(namespace, DATABASE).await?.name;
    let all = members::list(namespace, DATABASE).await?;
    let standby = all.into_iter().find(|member| !member.is_primary());
    let standby = standby.context("a standby")?.name;
    let started = members::sql(namespace, &standby, STARTED).await?;

    damage(namespace, &primary, &standby).await?;
    poll::until(
        "it follows again",
        RECOVERY_TIMEOUT,
        Duration::from_secs(1),
        || async {
            let insert = "insert into written_meanwhile values (0); select pg_current_wal_flush_lsn()";
            let end = members::sql(namespace, &primary, insert).await?;
            let state = "select status from pg_stat_wal_receiver";
            let state = members::sql(namespace, &standby, state).await?;
            let replayed = members::sql(namespace, &standby, "select pg_last_wal_replay_lsn()").await?;
            let is_there = format!("select '{replayed}'::pg_lsn >= '{end}'");
            let follows = members::sql(namespace, &primary, &is_there).await? == "t";
            Ok(if follows && state == "streaming" {
                Look::Found(())
            } else {
                Look::NotYet(format!(
                    "it has replayed {replayed} of {end}, its WAL receiver is {state:?}"
                ))
            })
        },
    )
    .await?;
    let restarted = members::sql(namespace, &standby, STARTED).await? != started;
    // A WAL receiver that reconnects by chance begins at the segment's start, and so mends the damage itself.
    println!("PostgreSQL was restarted: {restarted}");
    failover::all_stream(namespace, DATABASE, REPLAY_TIMEOUT).await?;
    let rows = members::sql(namespace, &primary, "select count(*) from written_meanwhile").await?;
    let has_all = format!("select count(*) = {rows} from written_meanwhile");
    until_it_says(namespace, &standby, &has_all, "t").await
}

/// Takes WAL away from a standby that it has received, noted as received, and not yet read.
async fn damage(namespace: &TestNamespace, primary: &str, standby: &str) -> Result<()> {
    members::sql(namespace, standby, "select pg_wal_replay_pause()").await?;
    until_it_says(
        namespace,
        standby,
        "select pg_get_wal_replay_pause_state()",
        "paused",
    )
    .await?;
    let from = members::sql(namespace, standby, "select pg_last_wal_receive_lsn()").await?;
    let write = "create table written_meanwhile as select generate_series(1, 1000)";
    members::sql(namespace, primary, write).await?;
    let end = members::sql(namespace, primary, "select pg_current_wal_flush_lsn()").await?;
    let has_come = format!("select pg_last_wal_receive_lsn() >= '{end}'");
    until_it_says(namespace, standby, &has_come, "t").await?;
    let place = format!("select file_name || ' ' || file_offset from pg_walfile_name_offset('{from}')");
    let place = members::sql(namespace, primary, &place).await?;
    let (file, offset) = place.split_once(' ').context("a file and an offset")?;
    let data = members::sql(namespace, standby, "show data_directory").await?;
    let zero = format!(
        "dd if=/dev/zero of={data}/pg_wal/{file} bs=8192 count=4 seek={offset} oflag=seek_bytes conv=notrunc"
    );
    let command = ["sh", "-c", zero.as_str()];
    shell::output_of(&namespace.pods(), standby, POSTGRES_CONTAINER, &command).await?;
    members::sql(namespace, standby, "select pg_wal_replay_resume()")
        .await
        .map(|_| ())
}

async fn until_it_says(namespace: &TestNamespace, pod: &str, question: &str, wanted: &str) -> Result<()> {
    poll::until(question, REPLAY_TIMEOUT, POLL_INTERVAL, || async {
        let said = members::sql(namespace, pod, question).await?;
        Ok(if said == wanted {
            Look::Found(())
        } else {
            Look::NotYet(said)
        })
    })
    .await
}
