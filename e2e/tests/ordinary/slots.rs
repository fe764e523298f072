//! Replication slots that users make outlive what operators and the platform do, or are named before they are lost.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::ops_request::OpsRequestPhase;
use api_types::slots::SlotFailover;
use api_types::{Postgres, PostgresOpsRequest};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::poll::{self, Look};
use e2e::{failover, manifests, members, requests, wait};
use k8s_openapi::api::core::v1::Event;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

use crate::{PROVISIONING_TIMEOUT, REPORT_TIMEOUT};

const DATABASE: &str = "ha-postgres";
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// What a reader of the slot does.
const READ_ON: &str =
    "select pg_replication_slot_advance(slot_name, pg_current_wal_lsn()) from pg_replication_slots
    where slot_name = 'cdc' and not active";

/// Until a standby has a copy of a slot: two checks of a healthy database, and a turn of PostgreSQL's slot synchronisation.
const SLOT_COPY_TIMEOUT: Duration = Duration::from_secs(90);

/// Three members, and slots as users make them: a physical one, a logical one that standbys synchronise, and one that they
/// can't.
async fn with_slots(namespace: &TestNamespace) -> Result<()> {
    manifests::create_postgres(namespace, manifests::HA_POSTGRES, |postgres| {
        let spec = json!({"inline": {"user.conf": "wal_level = logical\n"}});
        postgres.spec.configuration = serde_json::from_value(spec).ok();
    })
    .await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
    failover::all_stream(namespace, DATABASE, SLOT_COPY_TIMEOUT).await?;
    for slot in [
        "pg_create_physical_replication_slot('archiver', true)",
        "pg_create_logical_replication_slot('cdc', 'pgoutput', failover => true)",
        "pg_create_logical_replication_slot('fixed', 'pgoutput')",
    ] {
        members::sql_on_primary(namespace, DATABASE, &format!("select {slot}")).await?;
    }
    Ok(())
}

async fn slots_of_users(namespace: &TestNamespace, pod: &str) -> Result<String> {
    let query = "select coalesce(string_agg(slot_name, ',' order by slot_name), '') from pg_replication_slots
        where slot_name not like 'ha\\_postgres\\_%' and not temporary";
    members::sql(namespace, pod, query).await
}

/// Waits until the status says this of the slots, by name.
/// Waits until the status has these slots, while the reader of `cdc` goes on: PostgreSQL keeps a copy only when its slot has
/// moved past what the standby still has (manual, "Replication Slot Synchronization").
async fn recorded(namespace: &TestNamespace, wanted: &[(&str, SlotFailover)]) -> Result<()> {
    poll::until(
        &format!("replicationSlots {wanted:?}"),
        SLOT_COPY_TIMEOUT,
        POLL_INTERVAL,
        || async {
            members::sql_on_primary(namespace, DATABASE, READ_ON).await?;
            let postgres = namespace.api::<Postgres>().get(DATABASE).await?;
            let slots = postgres.status.map(|status| status.replication_slots);
            let slots = slots.unwrap_or_default();
            let mut found: Vec<_> = slots
                .iter()
                .map(|slot| (slot.name.as_str(), slot.failover))
                .collect();
            found.sort_by_key(|(name, _)| *name);
            Ok(if found == wanted {
                Look::Found(())
            } else {
                Look::NotYet(format!("{found:?}"))
            })
        },
    )
    .await
}

async fn until_slots_are(namespace: &TestNamespace, pod: &str, wanted: &str) -> Result<()> {
    poll::until(
        &format!("slots {wanted} on {pod}"),
        SLOT_COPY_TIMEOUT,
        POLL_INTERVAL,
        || async {
            let slots = slots_of_users(namespace, pod).await?;
            Ok(if slots == wanted {
                Look::Found(())
            } else {
                Look::NotYet(slots)
            })
        },
    )
    .await
}

/// Waits for an Event of the Postgres.
async fn event(namespace: &TestNamespace, reason: &str, words: &str) -> Result<()> {
    let params = ListParams::default().fields(&format!("involvedObject.kind=Postgres,reason={reason}"));
    poll::until(reason, REPORT_TIMEOUT, POLL_INTERVAL, || async {
        let events = namespace.api::<Event>().list(&params).await?.items;
        let mut notes = events.iter().filter_map(|event| event.message.as_deref());
        Ok(match notes.find(|note| note.contains(words)) {
            Some(_) => Look::Found(()),
            None => Look::NotYet(format!("{} such Events", events.len())),
        })
    })
    .await
}

const MADE: [(&str, SlotFailover); 3] = [
    ("archiver", SlotFailover::Kept),
    ("cdc", SlotFailover::Kept),
    ("fixed", SlotFailover::NotKept),
];

/// What a plan names is lost, and nothing else; and a former primary keeps nothing that holds WAL for ever.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "not seen to pass on a cluster yet; run it with --ignored"]
async fn slots_outlive_a_restart_but_for_those_that_its_plan_names() -> Result<()> {
    in_namespace("slots", |namespace| async move {
        with_slots(&namespace).await?;
        recorded(&namespace, &MADE).await?;
        let former = members::primary(&namespace, DATABASE).await?;

        let mut asked: PostgresOpsRequest = manifests::parse(manifests::RESTART)?;
        asked.metadata.name = Some("asked".to_owned());
        asked.spec.database_ref.name = DATABASE.to_owned();
        asked.spec.dry_run = Some(true);
        requests::create_as_is(&namespace, &asked).await?;
        let told = wait::request_ended(&namespace.api(), "asked", REPORT_TIMEOUT).await?;
        ensure!(told.phase() == Some(OpsRequestPhase::Successful), "{told:?}");
        let plan = told.status.and_then(|status| status.plan).context("a plan")?;
        let lost: Vec<&str> = plan.lost_slots.iter().map(|slot| slot.name.as_str()).collect();
        ensure!(lost == ["fixed"], "{plan:?}");

        requests::create(&namespace, manifests::RESTART, "restart", DATABASE).await?;
        wait::request_successful(&namespace.api(), "restart", PROVISIONING_TIMEOUT).await?;
        let primary = members::primary(&namespace, DATABASE).await?;
        ensure!(primary.name != former.name, "the primary role has not moved");
        let left = slots_of_users(&namespace, &primary.name).await?;
        ensure!(left == "archiver,cdc", "{left}");
        recorded(&namespace, &MADE[..2]).await?;
        until_slots_are(&namespace, &former.name, "archiver,cdc").await?;
        let stale = "select count(*) from pg_replication_slots where failover and not synced";
        let stale = members::sql(&namespace, &former.name, stale).await?;
        ensure!(stale == "0", "the former primary holds WAL for a slot of its own");
        event(&namespace, "ReplicationSlotLost", "fixed").await
    })
    .await
}

/// The primary's Pod is lost without a word, and a user drops a slot afterwards: it stays dropped.
#[tokio::test(flavor = "multi_thread")]
async fn slots_outlive_the_loss_of_the_primary_and_go_when_they_are_dropped() -> Result<()> {
    in_namespace("slots-lost", |namespace| async move {
        with_slots(&namespace).await?;
        recorded(&namespace, &MADE).await?;
        let former = members::primary(&namespace, DATABASE).await?;
        let at_once = DeleteParams::default().grace_period(0);
        namespace.pods().delete(&former.name, &at_once).await?;
        let primary = failover::another_primary_than(&namespace, DATABASE, &former).await?;
        // The Pod that was lost may be back before another member has taken over; then it has all that it had.
        if primary.name != former.name {
            let left = slots_of_users(&namespace, &primary.name).await?;
            ensure!(left == "archiver,cdc", "{left}");
        }
        wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
        let drop = "select pg_drop_replication_slot(slot_name) from pg_replication_slots
            where slot_name not like 'ha\\_postgres\\_%'";
        members::sql_on_primary(&namespace, DATABASE, drop).await?;
        recorded(&namespace, &[]).await?;
        for member in members::list(&namespace, DATABASE).await? {
            until_slots_are(&namespace, &member.name, "").await?;
        }
        Ok(())
    })
    .await
}
