//! No edit or request loses acknowledged rows.

use anyhow::{Context, Result, ensure};
use api_types::ops_plan::PlannedDataLoss;
use api_types::ops_request::OpsRequestPhase;
use api_types::postgres::StorageType;
use api_types::vocabulary::{APPROVAL, APPROVED_PLAN};
use api_types::{Postgres, PostgresOpsRequest, condition};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::{manifests, members, requests, wait};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::{PROVISIONING_TIMEOUT, REPORT_TIMEOUT, edit, reported};

const DATABASE: &str = "standalone";
const POD: &str = "standalone-0";
const CLAIM: &str = "data-standalone-0";

/// A database of one member, with a table of a thousand rows.
async fn with_rows(namespace: &TestNamespace, storage: StorageType) -> Result<()> {
    manifests::create_postgres(namespace, manifests::STANDALONE, |postgres| {
        postgres.spec.storage_type = Some(storage);
    })
    .await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
    let write = "create table kept as select generate_series(1, 1000)";
    members::sql(namespace, POD, write).await?;
    Ok(())
}

/// The Pod is the former one, nobody ends it, and every row is there.
async fn goes_on_with_its_rows(namespace: &TestNamespace, former: Option<&str>) -> Result<()> {
    let pod = namespace.pods().get(POD).await?;
    ensure!(
        pod.metadata.uid.as_deref() == former && pod.metadata.deletion_timestamp.is_none(),
        "the Pod was ended"
    );
    let rows = members::sql(namespace, POD, "select count(*) from kept").await?;
    ensure!(rows == "1000", "{rows} rows of 1000");
    Ok(())
}

/// What a GitOps prune does.
async fn prune_claim(namespace: &TestNamespace) -> Result<()> {
    let claims = namespace.api::<PersistentVolumeClaim>();
    claims.delete(CLAIM, &DeleteParams::background()).await?;
    Ok(())
}

/// A claim that is deleted is said at once, and no edit of the spec ends the Pod that still holds the data.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_claim_is_said_and_a_halt_waits() -> Result<()> {
    in_namespace("pruned", |namespace| async move {
        with_rows(&namespace, StorageType::Durable).await?;
        let former = namespace.pods().get(POD).await?.uid();
        prune_claim(&namespace).await?;
        let message = reported(
            &namespace,
            DATABASE,
            "ClaimTerminating",
            "True",
            "ClaimTerminating",
        )
        .await?;
        for part in [CLAIM, POD, "all data of the database is lost"] {
            ensure!(message.contains(part), "{message}");
        }
        edit(&namespace, DATABASE, json!({"halted": true})).await?;
        reported(&namespace, DATABASE, "SpecApplied", "False", "ClaimTerminating").await?;
        goes_on_with_its_rows(&namespace, former.as_deref()).await
    })
    .await
}

/// Nothing is made in the place of data that may come back.
#[tokio::test(flavor = "multi_thread")]
async fn a_durable_database_without_its_data_says_so_and_begins_nothing() -> Result<()> {
    in_namespace("missing", |namespace| async move {
        with_rows(&namespace, StorageType::Durable).await?;
        prune_claim(&namespace).await?;
        namespace.pods().delete(POD, &DeleteParams::default()).await?;
        let is_lost = |postgres: &Postgres| {
            let conditions = postgres
                .status
                .as_ref()
                .map(|status| status.conditions.as_slice());
            condition::find(conditions.unwrap_or_default(), "DataLost")
                .is_some_and(|it| it.reason.as_deref() == Some("NoMemberHasData"))
        };
        // The Pod has to end, and another one to start, before there is anything to see.
        let postgres = wait::until(
            &namespace.api(),
            DATABASE,
            "NoMemberHasData",
            PROVISIONING_TIMEOUT,
            is_lost,
        )
        .await?;
        let ready = postgres
            .status
            .as_ref()
            .map(|status| status.conditions.as_slice());
        let ready = condition::find(ready.unwrap_or_default(), "Ready").context("Ready")?;
        ensure!(ready.is_false(), "it begins again: {ready:?}");
        Ok(())
    })
    .await
}

/// What was in the Pods is gone with them, which is said, and the database is of use again.
#[tokio::test(flavor = "multi_thread")]
async fn an_ephemeral_database_whose_members_are_all_new_begins_again_and_says_so() -> Result<()> {
    in_namespace("afresh", |namespace| async move {
        with_rows(&namespace, StorageType::Ephemeral).await?;
        namespace.pods().delete(POD, &DeleteParams::default()).await?;
        let has_begun = |postgres: &Postgres| {
            let conditions = postgres
                .status
                .as_ref()
                .map(|status| status.conditions.as_slice());
            condition::find(conditions.unwrap_or_default(), "DataLost")
                .is_some_and(|it| it.reason.as_deref() == Some("StartedAfresh"))
        };
        wait::until(
            &namespace.api(),
            DATABASE,
            "StartedAfresh",
            PROVISIONING_TIMEOUT,
            has_begun,
        )
        .await?;
        wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
        let tables = members::sql(
            &namespace,
            POD,
            "select count(*) from pg_tables where tablename = 'kept'",
        )
        .await?;
        ensure!(tables == "0", "the data is there: {tables}");
        Ok(())
    })
    .await
}

/// No request ends the Pod with which the volume goes.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_refused_while_a_claim_is_being_deleted() -> Result<()> {
    in_namespace("pruned-restart", |namespace| async move {
        with_rows(&namespace, StorageType::Durable).await?;
        let former = namespace.pods().get(POD).await?.uid();
        prune_claim(&namespace).await?;
        refused(&namespace, CLAIM).await?;
        goes_on_with_its_rows(&namespace, former.as_deref()).await
    })
    .await
}

/// The only member of an ephemeral database is restarted by a request whose plan was approved, and by no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_that_loses_all_data_needs_an_explicit_yes() -> Result<()> {
    in_namespace("ephemeral-restart", |namespace| async move {
        with_rows(&namespace, StorageType::Ephemeral).await?;
        let former = namespace.pods().get(POD).await?.uid();
        refused(&namespace, "all data of the database would be lost").await?;
        goes_on_with_its_rows(&namespace, former.as_deref()).await?;

        let mut request: PostgresOpsRequest = manifests::parse(manifests::RESTART)?;
        request.metadata.name = Some("approved".to_owned());
        request.spec.database_ref.name = DATABASE.to_owned();
        request
            .annotations_mut()
            .insert(APPROVAL.to_owned(), "required".to_owned());
        requests::create_as_is(&namespace, &request).await?;
        let api = namespace.api::<PostgresOpsRequest>();
        let plan = |request: &PostgresOpsRequest| request.status.as_ref()?.plan.clone();
        let is_asked = |request: &PostgresOpsRequest| {
            request.phase() == Some(OpsRequestPhase::WaitingForApproval) && plan(request).is_some()
        };
        let asked = wait::until(&api, "approved", "WaitingForApproval", REPORT_TIMEOUT, is_asked).await?;
        let plan = plan(&asked).context("a plan")?;
        ensure!(plan.data_loss == Some(PlannedDataLoss::All), "{plan:?}");
        let approve = json!({"metadata": {"annotations": {APPROVED_PLAN: plan.hash}}});
        api.patch("approved", &PatchParams::default(), &Patch::Merge(approve))
            .await?;
        wait::request_successful(&api, "approved", PROVISIONING_TIMEOUT).await?;
        ensure!(
            namespace.pods().get(POD).await?.uid() != former,
            "the Pod was not restarted"
        );
        Ok(())
    })
    .await
}

/// A `Restart` is refused, and says this.
async fn refused(namespace: &TestNamespace, words: &str) -> Result<()> {
    requests::create(namespace, manifests::RESTART, "refused", DATABASE).await?;
    let ended = wait::request_ended(&namespace.api(), "refused", REPORT_TIMEOUT).await?;
    ensure!(ended.phase() == Some(OpsRequestPhase::Failed), "{ended:?}");
    let why = wait::last_words(&ended);
    ensure!(why.contains(words), "{why}");
    Ok(())
}
