//! What was issued vanishes or is spoiled before members have it, or is issued once more.

use anyhow::Result;
use api_types::names;
use api_types::tls::CertificateAlias;
use futures::FutureExt;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use super::row::{End, Row};
use super::scene::{Operation, Scene, Shape};
use super::{Fault, Stage};

/// This family.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "secret-deleted",
        alone: false,
        run: |stage| deleted(stage).boxed_local(),
    },
    Fault {
        name: "secret-corrupted",
        alone: false,
        run: |stage| corrupted(stage).boxed_local(),
    },
];

async fn deleted(stage: Stage) -> Result<Vec<Row>> {
    let scene = Scene::new(&stage.namespace, Shape::Three, true).await?;
    let trial = scene.ask(Operation::Rotate, "1m").await?;
    trial.reached("IssueCertificatesSucceeded").await?;
    let name = names::certificate(scene.database, CertificateAlias::Server);
    let secrets = stage.namespace.api::<Secret>();
    secrets.delete(&name, &DeleteParams::default()).await?;
    let ends = [End::Successful];
    Ok(vec![trial.end("server Secret deleted half-way", &ends).await?])
}

/// cert-manager looks at what it issued, and issues anew what is not good any more; until it has, nobody is given it.
async fn corrupted(stage: Stage) -> Result<Vec<Row>> {
    let scene = Scene::new(&stage.namespace, Shape::Three, true).await?;
    let trial = scene.ask(Operation::Rotate, "1m").await?;
    trial.reached("IssueCertificatesSucceeded").await?;
    let name = names::certificate(scene.database, CertificateAlias::Server);
    let spoiled = json!({ "stringData": { "tls.key": "not a key" } });
    let secrets = stage.namespace.api::<Secret>();
    secrets
        .patch(&name, &PatchParams::default(), &Patch::Merge(spoiled))
        .await?;
    let ends = [End::Successful, End::RolledBack];
    Ok(vec![trial.end("server Secret corrupted half-way", &ends).await?])
}
