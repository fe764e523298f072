//! The health check checks the database, not the user's choices.

use anyhow::{Result, ensure};
use api_types::postgres::DatabasePhase;
use api_types::{AppBinding, Postgres};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::{manifests, members, wait};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::json;

use crate::{PROVISIONING_TIMEOUT, REPORT_TIMEOUT, reported};

const DATABASE: &str = "standalone";
const POD: &str = "standalone-0";

/// What users do to a database of theirs, and what an application that owns everything may do.
const CHOICES: [&str; 10] = [
    "DROP SCHEMA public CASCADE",
    "ALTER SYSTEM SET default_transaction_read_only = on",
    "ALTER SYSTEM SET statement_timeout = 1",
    "ALTER SYSTEM SET lock_timeout = 1",
    "ALTER SYSTEM SET idle_in_transaction_session_timeout = 1",
    "ALTER ROLE postgres SET default_transaction_read_only = on",
    "ALTER ROLE postgres SET search_path = 'nowhere'",
    "ALTER ROLE postgres SET client_encoding = 'SQL_ASCII'",
    "ALTER DATABASE template1 SET default_transaction_isolation = 'serializable'",
    "ALTER DATABASE postgres WITH CONNECTION LIMIT 0",
];

/// One statement at a time, in a session that the choices before do not reach.
async fn as_user(namespace: &TestNamespace, database: &str, statement: &str) -> Result<String> {
    let command = format!(
        "PGOPTIONS='-c default_transaction_read_only=off -c statement_timeout=0 -c lock_timeout=0' \
         psql -XAtq -v ON_ERROR_STOP=1 -h /var/run/postgresql -U postgres -d {database} -c \"{statement}\""
    );
    let command = ["sh", "-c", &command];
    e2e::shell::output_of(&namespace.pods(), POD, "postgres", &command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_ready_whatever_its_users_choose() -> Result<()> {
    in_namespace(
        "checks-choices",
        |namespace| async move { choices(&namespace).await },
    )
    .await
}

async fn choices(namespace: &TestNamespace) -> Result<()> {
    let api = namespace.api::<Postgres>();
    manifests::create_postgres(namespace, manifests::STANDALONE, |postgres| {
        let template = json!([{"alias": "primary", "spec": {"ports": [{"name": "primary", "port": 5433}]}}]);
        postgres.spec.service_templates = serde_json::from_value(template).expect("a template");
    })
    .await?;
    wait::database_ready(&api, DATABASE, PROVISIONING_TIMEOUT).await?;
    let binding = namespace.api::<AppBinding>().get(DATABASE).await?;
    let port = binding.spec.client_config.service.map(|service| service.port);
    ensure!(port == Some(5433), "the AppBinding says {port:?}");

    for choice in CHOICES {
        as_user(namespace, "postgres", choice).await?;
    }
    // A member that starts with all this is checked from the beginning.
    let old = namespace.pods().get(POD).await?;
    namespace.pods().delete(POD, &DeleteParams::default()).await?;
    wait::gone::<Pod>(
        &namespace.pods(),
        POD,
        &old.uid().unwrap_or_default(),
        PROVISIONING_TIMEOUT,
    )
    .await?;
    wait::database_ready(&api, DATABASE, PROVISIONING_TIMEOUT).await?;
    let tables = "SELECT count(*) FROM pg_class WHERE relname = 'kubedb_write_check'";
    let found = as_user(namespace, "template1", tables).await?;
    ensure!(found.trim() == "0", "the check left {found} tables");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_checked_is_not_called_broken() -> Result<()> {
    in_namespace(
        "checks-unknown",
        |namespace| async move { unknown(&namespace).await },
    )
    .await
}

async fn unknown(namespace: &TestNamespace) -> Result<()> {
    let api = namespace.api::<Postgres>();
    manifests::create_postgres(namespace, manifests::STANDALONE, |_| {}).await?;
    wait::database_ready(&api, DATABASE, PROVISIONING_TIMEOUT).await?;
    members::sql(namespace, POD, "CREATE DATABASE shop").await?;
    let admits = |allowed: bool| {
        format!("UPDATE pg_database SET datallowconn = {allowed} WHERE datname IN ('postgres', 'template1')")
    };
    as_user(namespace, "shop", &admits(false)).await?;
    let message = reported(namespace, DATABASE, "Ready", "Unknown", "HealthCheckNotPossible").await?;
    ensure!(message.contains("template1"), "the cause is not named: {message}");
    let is_unknown = |postgres: &Postgres| {
        let status = postgres.status.as_ref();
        status.and_then(|status| status.phase) == Some(DatabasePhase::Unknown)
    };
    wait::until(&api, DATABASE, "phase Unknown", REPORT_TIMEOUT, is_unknown).await?;
    as_user(namespace, "shop", &admits(true)).await?;
    wait::database_ready(&api, DATABASE, REPORT_TIMEOUT).await?;
    Ok(())
}
