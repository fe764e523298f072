//! Parameters that PostgreSQL would refuse, and what keeps WAL.

use anyhow::{Result, ensure};
use api_types::ops_request::{OpsRequestType, PostgresOpsRequestSpec, ReconnectStandbyRequest};
use api_types::{PetSet, Postgres, PostgresOpsRequest, condition};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::{manifests, members, requests, wait};
use serde_json::json;

use crate::{PROVISIONING_TIMEOUT, edit, reported};

const DATABASE: &str = "standalone";
const POD: &str = "standalone-0";

fn with_conf(postgres: &mut Postgres, lines: &str) {
    let configuration = json!({"inline": {"user.conf": lines}});
    postgres.spec.configuration = serde_json::from_value(configuration).expect("a configuration");
}

fn conf(lines: &str) -> serde_json::Value {
    json!({"configuration": {"inline": {"user.conf": lines}}})
}

fn is_without(type_: &'static str) -> impl Fn(&Postgres) -> bool {
    move |postgres| {
        let conditions = postgres
            .status
            .as_ref()
            .map(|status| status.conditions.as_slice());
        condition::find(conditions.unwrap_or_default(), type_).is_none()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_refused_before_a_member_gets_them() -> Result<()> {
    in_namespace("parameters-bad", |namespace| async move { bad(&namespace).await }).await
}

async fn bad(namespace: &TestNamespace) -> Result<()> {
    let api = namespace.api::<Postgres>();
    let lines = "max_connection = 500\nwork_mem = 'lots'\nshared_buffers = '64 MG'\nwal_level = minimal\n\
                 io_method = worker\nssl_ciphers = 'ECDHE-RSA-AES256-GCM-SHA384'\nssl_max_protocol_version = 'TLSv1.2'";
    manifests::create_postgres(namespace, manifests::STANDALONE, |postgres| {
        with_conf(postgres, lines);
        postgres.spec.tls = Some(manifests::plain_tls());
    })
    .await?;
    let said = reported(namespace, DATABASE, "SpecApplied", "False", "InvalidSpec").await?;
    for part in [
        "max_connection:",
        "max_connections",
        "work_mem:",
        "shared_buffers:",
        "wal_level:",
        "io_method:",
        "ssl_ciphers:",
        "ECDSA",
    ] {
        ensure!(said.contains(part), "{part} is not in: {said}");
    }
    let pods = members::list(namespace, DATABASE).await?;
    ensure!(pods.is_empty(), "a member was made");

    let good = "max_connections = 150\nwork_mem = 8MB\nrecovery_min_apply_delay = 5min";
    edit(namespace, DATABASE, json!({"tls": null})).await?;
    edit(namespace, DATABASE, conf(good)).await?;
    wait::database_ready(&api, DATABASE, PROVISIONING_TIMEOUT).await?;
    let said = reported(namespace, DATABASE, "SpecApplied", "False", "ParametersNotUsed").await?;
    ensure!(said.contains("recovery_min_apply_delay"), "{said}");
    let delay = members::sql(namespace, POD, "SHOW recovery_min_apply_delay").await?;
    ensure!(delay == "0", "recovery_min_apply_delay is {delay}");

    edit(
        namespace,
        DATABASE,
        conf("max_connections = 150\nwork_mem = 16 MB"),
    )
    .await?;
    let said = reported(namespace, DATABASE, "SpecApplied", "False", "ParametersRefused").await?;
    ensure!(said.contains("line 2") && said.contains("go on"), "{said}");

    edit(
        namespace,
        DATABASE,
        conf("max_connections = 100\nwork_mem = 16MB"),
    )
    .await?;
    let said = reported(namespace, DATABASE, "SpecApplied", "False", "RestartNeeded").await?;
    for part in [
        "max_connections 150 → 100",
        POD,
        "Restart",
        "the primary takes the lower value first",
    ] {
        ensure!(said.contains(part), "{part} is not in: {said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn wal_fits_the_volume_and_who_fills_it_is_named() -> Result<()> {
    in_namespace("parameters-wal", |namespace| async move { wal(&namespace).await }).await
}

async fn wal(namespace: &TestNamespace) -> Result<()> {
    let api = namespace.api::<Postgres>();
    manifests::create_postgres(namespace, manifests::STANDALONE, |postgres| {
        let claim =
            json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "256Mi"}}});
        postgres.spec.storage = serde_json::from_value(claim).expect("a claim");
        with_conf(postgres, "max_slot_wal_keep_size = -1");
    })
    .await?;
    wait::database_ready(&api, DATABASE, PROVISIONING_TIMEOUT).await?;
    for (name, value) in [
        ("wal_keep_size", "32MB"),
        ("max_wal_size", "32MB"),
        ("max_slot_wal_keep_size", "-1"),
    ] {
        let found = members::sql(namespace, POD, &format!("SHOW {name}")).await?;
        ensure!(found == value, "{name} is {found}");
    }

    members::sql(
        namespace,
        POD,
        "SELECT pg_create_physical_replication_slot('forgotten', true)",
    )
    .await?;
    let write = "SELECT count(pg_logical_emit_message(false, 'test', repeat('x', 1000000))) FROM generate_series(1, 200)";
    members::sql(namespace, POD, write).await?;
    let said = reported(namespace, DATABASE, "StorageAtRisk", "True", "VolumeFillsUp").await?;
    for part in [POD, "forgotten", "has no reader", "pg_drop_replication_slot"] {
        ensure!(said.contains(part), "{part} is not in: {said}");
    }
    members::sql(namespace, POD, "SELECT pg_drop_replication_slot('forgotten')").await?;
    members::sql(namespace, POD, "CHECKPOINT").await?;
    wait::until(
        &api,
        DATABASE,
        "no risk",
        PROVISIONING_TIMEOUT,
        is_without("StorageAtRisk"),
    )
    .await?;

    let replication = json!({"replication": {"walLimitPolicy": "WALKeepSize", "walKeepSize": 1536}});
    edit(namespace, DATABASE, replication).await?;
    let said = reported(namespace, DATABASE, "StorageAtRisk", "True", "WALDoesNotFit").await?;
    ensure!(said.contains("walKeepSize"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_was_away_for_too_long_is_named_with_the_way_back() -> Result<()> {
    in_namespace("parameters-behind", |namespace| async move {
        behind(&namespace).await
    })
    .await
}

async fn behind(namespace: &TestNamespace) -> Result<()> {
    let (api, database) = (namespace.api::<Postgres>(), "ha-postgres");
    manifests::create_postgres(namespace, manifests::HA_POSTGRES, |postgres| {
        postgres.spec.replicas = Some(2);
        let replication = json!({"walLimitPolicy": "WALKeepSize", "walKeepSize": 16});
        postgres.spec.replication = serde_json::from_value(replication).expect("a policy");
    })
    .await?;
    wait::database_ready(&api, database, PROVISIONING_TIMEOUT).await?;
    edit(namespace, database, json!({"replicas": 1})).await?;
    let is_one = |set: &PetSet| set.spec.replicas == Some(1);
    wait::until(
        &namespace.api(),
        database,
        "one member",
        PROVISIONING_TIMEOUT,
        is_one,
    )
    .await?;
    wait::database_ready(&api, database, PROVISIONING_TIMEOUT).await?;
    let primary = members::primary(namespace, database).await?.name;
    let write = "SELECT count(pg_logical_emit_message(false, 'test', repeat('x', 1000000))) FROM generate_series(1, 350)";
    members::sql(namespace, &primary, write).await?;
    for _ in 0..2 {
        members::sql(namespace, &primary, "SELECT pg_switch_wal()").await?;
        members::sql(namespace, &primary, "CHECKPOINT").await?;
    }
    edit(namespace, database, json!({"replicas": 2})).await?;
    let is_behind = |postgres: &Postgres| behind_message(postgres).is_some();
    let postgres = wait::until(
        &api,
        database,
        "StandbyLeftBehind",
        PROVISIONING_TIMEOUT,
        is_behind,
    )
    .await?;
    let said = behind_message(&postgres).unwrap_or_default();
    ensure!(said.contains("wal_keep_size is 16 MB"), "{said}");

    ensure!(said.contains("ReconnectStandby"), "{said}");
    let request = PostgresOpsRequest::new(
        "reconnect",
        PostgresOpsRequestSpec {
            reconnect_standby: Some(ReconnectStandbyRequest {
                ready_time_out: Some("20s".to_owned()),
            }),
            ..PostgresOpsRequestSpec::of(database, OpsRequestType::ReconnectStandby)
        },
    );
    requests::create_as_is(namespace, &request).await?;
    wait::request_successful(&namespace.api(), "reconnect", PROVISIONING_TIMEOUT).await?;
    wait::database_ready(&api, database, PROVISIONING_TIMEOUT).await?;
    Ok(())
}

fn behind_message(postgres: &Postgres) -> Option<String> {
    let conditions = postgres.status.as_ref()?.conditions.as_slice();
    let ready = condition::find(conditions, "Ready")?;
    let is_behind = ready.reason.as_deref() == Some("StandbyLeftBehind");
    ready.message.clone().filter(|_| is_behind)
}
