//! Whoever issues certificates is not ready, goes away, or is down.

use std::time::Duration;

use anyhow::{Result, ensure};
use api_types::PostgresOpsRequest;
use api_types::cert_manager::Issuer;
use futures::FutureExt;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use super::row::{End, Row};
use super::scene::{Operation, Scene, Shape};
use super::{Fault, Stage};
use crate::cluster::{Cluster, TestNamespace};
use crate::wait;

/// This family.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "issuer-never-ready",
        alone: false,
        run: |stage| never_ready(stage).boxed_local(),
    },
    Fault {
        name: "issuer-deleted",
        alone: false,
        run: |stage| deleted(stage).boxed_local(),
    },
    Fault {
        name: "cert-manager-down",
        alone: true,
        run: |stage| down(stage).boxed_local(),
    },
    Fault {
        name: "cert-manager-stays-down",
        alone: true,
        run: |stage| stays_down(stage).boxed_local(),
    },
];

const CERT_MANAGER: &str = "cert-manager";
const SCALE_TIMEOUT: Duration = Duration::from_secs(120);

async fn never_ready(stage: Stage) -> Result<Vec<Row>> {
    let scene = Scene::new(&stage.namespace, Shape::Three, true).await?;
    let without_secret = json!({ "spec": { "ca": { "secretName": "not-there" } } });
    stage
        .namespace
        .api::<Issuer>()
        .patch(
            "pg-new-issuer",
            &PatchParams::default(),
            &Patch::Merge(without_secret),
        )
        .await?;
    not_ready(&stage.namespace).await?;
    let trial = scene.ask(Operation::ChangeIssuer, "30s").await?;
    Ok(vec![trial.end("issuer never Ready", &[End::Refused]).await?])
}

async fn not_ready(namespace: &TestNamespace) -> Result<()> {
    let unready = |issuer: &Issuer| {
        let conditions = issuer.status.iter().flat_map(|status| &status.conditions);
        conditions
            .into_iter()
            .any(|c| c.type_ == "Ready" && c.status == "False")
    };
    wait::until(
        &namespace.api(),
        "pg-new-issuer",
        "not Ready",
        SCALE_TIMEOUT,
        unready,
    )
    .await
    .map(|_| ())
}

async fn deleted(stage: Stage) -> Result<Vec<Row>> {
    let scene = Scene::new(&stage.namespace, Shape::Three, true).await?;
    let trial = scene.ask(Operation::ChangeIssuer, "20s").await?;
    trial.reached("DatabasePauseSucceeded").await?;
    stage
        .namespace
        .api::<Issuer>()
        .delete("pg-new-issuer", &DeleteParams::default())
        .await?;
    // The CA may have been asked for already: then what is issued is issued, and the operation goes on.
    let ends = [End::RolledBack, End::Successful];
    Ok(vec![trial.end("issuer deleted after the pause", &ends).await?])
}

async fn down(stage: Stage) -> Result<Vec<Row>> {
    let scene = Scene::new(&stage.namespace, Shape::Three, true).await?;
    let cluster = stage.cluster();
    scale(&cluster, 0).await?;
    let asked = async {
        let trial = scene.ask(Operation::Rotate, "3m").await?;
        trial.reached("IssueCertificatesSucceeded").await?;
        waits_for_cert_manager(&stage.namespace, &trial.name).await?;
        Ok::<_, anyhow::Error>(trial)
    }
    .await;
    scale(&cluster, 1).await?;
    let row = asked?
        .end("cert-manager down, and back", &[End::Successful])
        .await?;
    Ok(vec![row])
}

/// The request says that it waits, and for whom.
async fn waits_for_cert_manager(namespace: &TestNamespace, name: &str) -> Result<()> {
    let waits = |request: &PostgresOpsRequest| {
        let conditions = request.status.iter().flat_map(|status| &status.conditions);
        let mut messages = conditions.into_iter().filter_map(|c| c.message.as_deref());
        messages.any(|message| message.contains("waits for cert-manager"))
    };
    wait::until(
        &namespace.api(),
        name,
        "says that it waits for cert-manager",
        SCALE_TIMEOUT,
        waits,
    )
    .await
    .map(|_| ())
}

async fn stays_down(stage: Stage) -> Result<Vec<Row>> {
    let scene = Scene::new(&stage.namespace, Shape::Three, true).await?;
    let cluster = stage.cluster();
    scale(&cluster, 0).await?;
    let row = async {
        let trial = scene.ask(Operation::Rotate, "10s").await?;
        trial.end("cert-manager down for good", &[End::RolledBack]).await
    }
    .await;
    scale(&cluster, 1).await?;
    Ok(vec![row?])
}

/// Scales cert-manager, and waits until that many work.
pub async fn scale(cluster: &Cluster, replicas: i32) -> Result<()> {
    let api: Api<Deployment> = Api::namespaced(cluster.client.clone(), CERT_MANAGER);
    let patch = json!({ "spec": { "replicas": replicas } });
    let patched = api
        .patch(CERT_MANAGER, &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    ensure!(
        patched.spec.and_then(|s| s.replicas) == Some(replicas),
        "cert-manager was not scaled"
    );
    wait::until(&api, CERT_MANAGER, "scaled", SCALE_TIMEOUT, |d: &Deployment| {
        let status = d.status.clone().unwrap_or_default();
        status.observed_generation >= d.metadata.generation
            && status.replicas.unwrap_or(0) == replicas
            && status.available_replicas.unwrap_or(0) == replicas
    })
    .await
    .map(|_| ())
}
