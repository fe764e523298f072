//! What is left of a database when it goes, by its deletion policy; and that it can come back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::postgres::{DatabasePhase, DeletionPolicy};
use api_types::{Postgres, names};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::{manifests, members, wait};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret, Service};
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::PROVISIONING_TIMEOUT;

const DELETION_TIMEOUT: Duration = Duration::from_secs(90);

async fn create(namespace: &TestNamespace, name: &str, policy: DeletionPolicy) -> Result<()> {
    manifests::create_postgres(namespace, manifests::STANDALONE, |postgres| {
        postgres.metadata.name = Some(name.to_owned());
        postgres.spec.deletion_policy = Some(policy);
    })
    .await?;
    wait::database_ready(&namespace.api(), name, PROVISIONING_TIMEOUT).await?;
    Ok(())
}

async fn delete(namespace: &TestNamespace, name: &str) -> Result<()> {
    let api = namespace.api::<Postgres>();
    let uid = api.get(name).await?.uid().unwrap_or_default();
    api.delete(name, &DeleteParams::default()).await?;
    wait::gone(&api, name, &uid, DELETION_TIMEOUT).await
}

async fn keep_a_row(namespace: &TestNamespace, name: &str) -> Result<()> {
    let statement = "create table kept as select 42 as answer";
    members::sql_on_primary(namespace, name, statement)
        .await
        .map(|_| ())
}

async fn the_row_is_there(namespace: &TestNamespace, name: &str) -> Result<()> {
    let answer = members::sql_on_primary(namespace, name, "select answer from kept").await?;
    ensure!(answer == "42", "the row is {answer:?}");
    Ok(())
}

/// Whether the database's volume claim and its auth Secret are there.
async fn left(namespace: &TestNamespace, name: &str) -> Result<(bool, bool)> {
    let claim = namespace
        .api::<PersistentVolumeClaim>()
        .get_opt(&names::data_claim(name, 0))
        .await?;
    let secret = namespace
        .api::<Secret>()
        .get_opt(&names::auth_secret(name))
        .await?;
    Ok((claim.is_some(), secret.is_some()))
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_takes_the_volumes_and_wipe_out_the_password_too() -> Result<()> {
    in_namespace("deletion", |namespace| async move {
        let (delete_only, wipe_out) = ("goes", "wiped");
        tokio::try_join!(
            create(&namespace, delete_only, DeletionPolicy::Delete),
            create(&namespace, wipe_out, DeletionPolicy::WipeOut),
        )?;
        let services = namespace.api::<Service>();
        let service = services.get(delete_only).await?.uid().unwrap_or_default();
        tokio::try_join!(delete(&namespace, delete_only), delete(&namespace, wipe_out))?;
        ensure!(
            left(&namespace, delete_only).await? == (false, true),
            "after Delete"
        );
        ensure!(
            left(&namespace, wipe_out).await? == (false, false),
            "after WipeOut"
        );
        // The garbage collector takes what the database owned, some time after it.
        wait::gone(&services, delete_only, &service, DELETION_TIMEOUT).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halted_database_comes_back_with_its_data() -> Result<()> {
    in_namespace("halt", |namespace| async move { halted(&namespace).await }).await
}

async fn halted(namespace: &TestNamespace) -> Result<()> {
    let name = "comes-back";
    create(namespace, name, DeletionPolicy::Halt).await?;
    keep_a_row(namespace, name).await?;

    halt(namespace, name, true).await?;
    let api = namespace.api::<Postgres>();
    let is_halted = |p: &Postgres| p.status.as_ref().and_then(|s| s.phase) == Some(DatabasePhase::Halted);
    wait::until(&api, name, "phase Halted", DELETION_TIMEOUT, is_halted).await?;
    let pods = namespace.api::<Pod>();
    if let Some(pod) = pods.get_opt(&names::pod(name, 0)).await? {
        wait::gone(
            &pods,
            &names::pod(name, 0),
            &pod.uid().unwrap_or_default(),
            DELETION_TIMEOUT,
        )
        .await?;
    }
    ensure!(
        left(namespace, name).await? == (true, true),
        "what is left of a halted database"
    );
    halt(namespace, name, false).await?;
    wait::database_ready(&api, name, PROVISIONING_TIMEOUT)
        .await
        .context("after halted: false")?;
    the_row_is_there(namespace, name).await?;

    delete(namespace, name).await?;
    ensure!(
        left(namespace, name).await? == (true, true),
        "after deletion with policy Halt"
    );
    create(namespace, name, DeletionPolicy::Halt)
        .await
        .context("created again")?;
    the_row_is_there(namespace, name).await
}

async fn halt(namespace: &TestNamespace, name: &str, halted: bool) -> Result<()> {
    let patch = json!({ "spec": { "halted": halted } });
    namespace
        .api::<Postgres>()
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_must_not_be_deleted_is_not() -> Result<()> {
    in_namespace("do-not", |namespace| async move {
        let name = "stays";
        create(&namespace, name, DeletionPolicy::DoNotTerminate).await?;
        let refusal = namespace
            .api::<Postgres>()
            .delete(name, &DeleteParams::default())
            .await;
        let words = refusal.err().map(|e| e.to_string()).unwrap_or_default();
        ensure!(
            words.contains("deletionPolicy"),
            "deletion was not refused: {words:?}"
        );
        wait::database_ready(&namespace.api(), name, PROVISIONING_TIMEOUT).await?;
        Ok(())
    })
    .await
}
