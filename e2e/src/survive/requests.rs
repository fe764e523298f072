//! What users do to requests, databases and namespaces while an operation runs.

use std::time::Duration;

use anyhow::Result;
use api_types::{Postgres, PostgresOpsRequest};
use futures::FutureExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio::time::Instant;

use super::row::{End, Row};
use super::scene::{Asked, Operation, Scene, Shape};
use super::{Fault, Stage};
use crate::wait;

/// This family.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "request-deleted",
        alone: false,
        run: |stage| request_deleted(stage).boxed_local(),
    },
    Fault {
        name: "two-requests",
        alone: false,
        run: |stage| two_at_once(stage).boxed_local(),
    },
    Fault {
        name: "spec-edited",
        alone: false,
        run: |stage| spec_edited(stage).boxed_local(),
    },
    Fault {
        name: "database-deleted",
        alone: false,
        run: |stage| database_deleted(stage).boxed_local(),
    },
    Fault {
        name: "namespace-deleted",
        alone: false,
        run: |stage| namespace_deleted(stage).boxed_local(),
    },
];

const DELETION_TIMEOUT: Duration = Duration::from_secs(180);

async fn request_deleted(stage: Stage) -> Result<Vec<Row>> {
    let scene = Scene::new(&stage.namespace, Shape::Three, true).await?;
    let mut rows = Vec::new();
    for (operation, step) in [
        (Operation::Rotate, "IssueCertificatesSucceeded"),
        (Operation::ChangeIssuer, "TrustCA"),
        (Operation::ChangeCertificates, "UpdatePetSets"),
        (Operation::Remove, "ReloadTLS"),
    ] {
        let trial = scene.ask(operation, "1m").await?;
        let request = trial.reached(step).await?;
        let api = stage.namespace.api::<PostgresOpsRequest>();
        api.delete(&trial.name, &DeleteParams::default()).await?;
        let gone = wait::gone(
            &api,
            &trial.name,
            &request.uid().unwrap_or_default(),
            DELETION_TIMEOUT,
        )
        .await;
        let (end, words) = match gone {
            Ok(()) => (End::Gone, String::new()),
            Err(error) => (End::Never, format!("{error:#}")),
        };
        let fault = format!("request deleted after {step}");
        rows.push(trial.judge(&fault, end, &[End::Gone], &words).await?);
    }
    Ok(rows)
}

async fn two_at_once(stage: Stage) -> Result<Vec<Row>> {
    let scene = Scene::new(&stage.namespace, Shape::Three, true).await?;
    let first = scene.ask(Operation::Rotate, "1m").await?;
    let second = scene.ask(Operation::ChangeIssuer, "1m").await?;
    let api = stage.namespace.api::<PostgresOpsRequest>();
    // What is judged is the world after both.
    wait::request_ended(&api, &second.name, DELETION_TIMEOUT).await?;
    Ok(vec![
        first
            .end(
                "two requests at once: the first",
                &[End::Successful, End::Skipped],
            )
            .await?,
        second
            .end("two requests at once: the second", &[End::Successful])
            .await?,
    ])
}

/// The request is given up; what the user wrote is in force then.
async fn spec_edited(stage: Stage) -> Result<Vec<Row>> {
    let scene = Scene::new(&stage.namespace, Shape::Three, true).await?;
    let mut trial = scene.ask(Operation::ChangeIssuer, "1m").await?;
    trial.reached("DatabasePauseSucceeded").await?;
    let edit = json!({ "spec": { "tls": { "certificates": [
        { "alias": "server", "dnsNames": ["edited.example.com"] },
    ]}}});
    stage
        .namespace
        .api::<Postgres>()
        .patch(scene.database, &PatchParams::default(), &Patch::Merge(edit))
        .await?;
    trial.expect_spec_as_it_is().await?;
    let row = trial.end("user edits spec.tls", &[End::RolledBack]).await?;
    Ok(vec![row])
}

async fn database_deleted(stage: Stage) -> Result<Vec<Row>> {
    let database = Scene::database(&stage.namespace, Shape::Three, false).await?;
    let scene = Scene::with_applications(&stage.namespace, database, None).await?;
    let begin = Instant::now();
    let name = scene.create(Operation::Add, &Asked::default()).await?;
    let trial = scene.watch(&name, Operation::Add.title()).await?;
    trial.reached("CertificateSynced").await?;
    let api = stage.namespace.api::<Postgres>();
    let uid = api.get(database).await?.uid().unwrap_or_default();
    api.delete(database, &DeleteParams::default()).await?;
    let ended = wait::request_ended(&stage.namespace.api(), &name, DELETION_TIMEOUT).await?;
    let end = End::of(&ended);
    wait::gone(&api, database, &uid, DELETION_TIMEOUT).await?;
    let mut row = Row::bare(
        "Postgres deleted",
        Operation::Add.title(),
        "Failed, database gone",
    );
    if !matches!(
        end,
        End::RolledBack | End::NotRestored | End::Refused | End::CarriedOn
    ) {
        row.trouble
            .push(format!("ended {end}: {}", wait::last_words(&ended)));
    }
    row.duration = begin.elapsed();
    Ok(vec![row])
}

async fn namespace_deleted(stage: Stage) -> Result<Vec<Row>> {
    let scene = Scene::new(&stage.namespace, Shape::Three, false).await?;
    let trial = scene.ask(Operation::Add, "3m").await?;
    trial.reached("CertificateSynced").await?;
    let begin = Instant::now();
    let api: Api<Namespace> = Api::all(stage.namespace.client.clone());
    let uid = api.get(&stage.namespace.name).await?.uid().unwrap_or_default();
    api.delete(&stage.namespace.name, &DeleteParams::default())
        .await?;
    let gone = wait::gone(&api, &stage.namespace.name, &uid, DELETION_TIMEOUT).await;
    let mut row = Row::bare(
        "namespace deleted",
        Operation::Add.title(),
        &End::Gone.to_string(),
    );
    if let Err(error) = gone {
        row.trouble.push(format!("{error:#}"));
    }
    row.duration = begin.elapsed();
    Ok(vec![row])
}
