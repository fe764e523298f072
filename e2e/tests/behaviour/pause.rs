//! Who holds the pause may touch the children, nobody else; and the handover back leaves no trace.

use std::time::Duration;

use anyhow::{Result, ensure};
use api_types::ops_request::OpsRequestPhase;
use api_types::{AppBinding, Postgres, PostgresOpsRequest, condition, names};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::{children, hold, manifests, requests, story, wait};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::{DATABASE, NOTHING_HAPPENS, standalone};

const SETTLE_TIMEOUT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_by_a_human_stops_both_operators_until_it_is_removed() -> Result<()> {
    in_namespace(
        "pause-human",
        |namespace| async move { by_a_human(&namespace).await },
    )
    .await
}

async fn by_a_human(namespace: &TestNamespace) -> Result<()> {
    standalone(namespace).await?;
    let postgres = hold::take(namespace, DATABASE, "jane").await?;

    // Both kinds of drift: a changed child and a missing one.
    let services = namespace.api::<Service>();
    let governing = names::governing_service(DATABASE);
    let hides = json!({ "spec": { "publishNotReadyAddresses": false } });
    services
        .patch(&governing, &PatchParams::default(), &Patch::Merge(hides))
        .await?;
    namespace
        .api::<AppBinding>()
        .delete(DATABASE, &DeleteParams::default())
        .await?;
    requests::create(namespace, manifests::RESTART, "restart", DATABASE).await?;
    let api = namespace.api::<PostgresOpsRequest>();
    let waits = |r: &PostgresOpsRequest| {
        let conditions = r
            .status
            .as_ref()
            .map(|s| s.conditions.as_slice())
            .unwrap_or_default();
        conditions
            .iter()
            .any(|c| c.message.as_deref().is_some_and(|m| m.contains("jane")))
    };
    let waiting = wait::until(
        &api,
        "restart",
        "says that jane holds the pause",
        SETTLE_TIMEOUT,
        waits,
    )
    .await?;
    ensure!(
        waiting.phase() == Some(OpsRequestPhase::Pending),
        "{:?}",
        waiting.phase()
    );
    let paused = children::of(namespace, &postgres.uid().unwrap_or_default()).await?;
    children::stay(
        namespace,
        &postgres.uid().unwrap_or_default(),
        &paused,
        NOTHING_HAPPENS,
    )
    .await?;
    ensure!(
        api.get("restart").await?.phase() == Some(OpsRequestPhase::Pending),
        "it began"
    );

    let patch = json!({ "metadata": { "annotations": { api_types::vocabulary::PAUSED_BY: null } } });
    namespace
        .api::<Postgres>()
        .patch(DATABASE, &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    wait::request_successful(&api, "restart", story::OPERATION_TIMEOUT).await?;
    hold::released(namespace, DATABASE, SETTLE_TIMEOUT).await?;
    let repaired = |s: &Service| s.spec.as_ref().and_then(|s| s.publish_not_ready_addresses) == Some(true);
    wait::until(
        &services,
        &governing,
        "publishNotReadyAddresses again",
        SETTLE_TIMEOUT,
        repaired,
    )
    .await?;
    wait::until(
        &namespace.api::<AppBinding>(),
        DATABASE,
        "made again",
        SETTLE_TIMEOUT,
        |_| true,
    )
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_operation_the_provisioner_writes_no_child() -> Result<()> {
    in_namespace("pause-handover", |namespace| async move {
        clean_handover(&namespace).await
    })
    .await
}

async fn clean_handover(namespace: &TestNamespace) -> Result<()> {
    let postgres = standalone(namespace).await?;
    let owner = postgres.uid().unwrap_or_default();
    for (name, yaml) in [
        ("add-tls", manifests::ADD_TLS),
        ("remove-tls", manifests::REMOVE_TLS),
    ] {
        requests::create(namespace, yaml, name, DATABASE).await?;
        let api = namespace.api::<Postgres>();
        let pauses = |p: &Postgres| {
            let conditions = p
                .status
                .as_ref()
                .map(|s| s.conditions.as_slice())
                .unwrap_or_default();
            condition::is_true(conditions, "Paused")
        };
        wait::until(&api, DATABASE, "Paused by the operation", SETTLE_TIMEOUT, pauses).await?;
        let released = |p: &Postgres| !p.annotations().contains_key(api_types::vocabulary::PAUSED_BY);
        let postgres = wait::until(&api, DATABASE, "released", story::OPERATION_TIMEOUT, released).await?;
        let handed_over = children::of(namespace, &owner).await?;
        written_before(&handed_over, &postgres)?;
        wait::request_successful(&namespace.api(), name, SETTLE_TIMEOUT).await?;
        hold::released(namespace, DATABASE, SETTLE_TIMEOUT).await?;
        wait::database_ready(&api, DATABASE, SETTLE_TIMEOUT).await?;
        children::stay(namespace, &owner, &handed_over, NOTHING_HAPPENS).await?;
    }
    Ok(())
}

/// Between the release and our look nothing was written: resourceVersions of one etcd only grow.
fn written_before(children: &children::Children, postgres: &Postgres) -> Result<()> {
    let number = |v: Option<&str>| v.and_then(|v| v.parse::<u64>().ok());
    let released = number(postgres.metadata.resource_version.as_deref());
    for (key, child) in children {
        let version = child["metadata"].get("resourceVersion").and_then(|v| v.as_str());
        if let (Some(version), Some(released)) = (number(version), released) {
            ensure!(
                version <= released,
                "{key} was written after the pause was released"
            );
        }
    }
    Ok(())
}
