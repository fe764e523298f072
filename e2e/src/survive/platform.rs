//! What is below: the API server and nodes.

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::row::{End, Row};
use super::scene::{Operation, Scene, Shape};
use super::{Fault, Stage};
use crate::cluster::Cluster;
use crate::{failover, members, provider};

/// This family.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "api-server-restarted",
        alone: true,
        run: |stage| api_server_restarted(stage).boxed_local(),
    },
    Fault {
        name: "node-cut-off",
        alone: true,
        run: |stage| node_cut_off(stage).boxed_local(),
    },
];

async fn api_server_restarted(stage: Stage) -> Result<Vec<Row>> {
    let scene = Scene::new(&stage.namespace, Shape::Three, true).await?;
    let mut rows = Vec::new();
    for (operation, step) in [
        (Operation::Rotate, "IssueCertificatesSucceeded"),
        (Operation::ChangeIssuer, "CertificateSynced"),
    ] {
        let trial = scene.ask(operation, "3m").await?;
        trial.reached(step).await?;
        let fault = format!("API server SIGKILLed after {step}, and started again");
        if !provider::restart_api_server().await? {
            let why = End::NotRun("this cluster's provider can't".to_owned());
            return Ok(vec![Row::bare(&fault, operation.title(), &why.to_string())]);
        }
        rows.push(trial.end(&fault, &[End::Successful]).await?);
    }
    Ok(rows)
}

/// The primary's node; the applications are on another one.
async fn node_cut_off(stage: Stage) -> Result<Vec<Row>> {
    let namespace = &stage.namespace;
    let database = Scene::database(namespace, Shape::Synchronous, true).await?;
    let old = members::primary(namespace, database).await?;
    failover::synchronous_again(namespace, database, &old).await?;
    let nodes: Api<Node> = Api::all(namespace.client.clone());
    let names = nodes.list(&ListParams::default()).await?.items;
    let other = names
        .iter()
        .map(ResourceExt::name_any)
        .find(|name| *name != old.node);
    let other = other.context("another node than the primary's")?;
    let scene = Scene::with_applications(namespace, database, Some(&other)).await?;
    let trial = scene.ask(Operation::Rotate, "4m").await?;
    trial.reached("IssueCertificatesSucceeded").await?;
    let fault = "primary's node cut off, and back";
    if !provider::node("cut", &old.node).await? {
        let why = End::NotRun("this cluster's provider can't".to_owned());
        return Ok(vec![Row::bare(
            fault,
            Operation::Rotate.title(),
            &why.to_string(),
        )]);
    }
    let moved = failover::another_primary_than(namespace, database, &old).await;
    ensure!(
        provider::node("heal", &old.node).await?,
        "the node can't be healed"
    );
    moved?;
    Ok(vec![trial.end(fault, &[End::Successful]).await?])
}

/// Puts every node back that a run left cut off.
pub async fn heal_nodes(cluster: &Cluster) -> Result<()> {
    let nodes: Api<Node> = Api::all(cluster.client.clone());
    for node in nodes.list(&ListParams::default()).await?.items {
        provider::node("heal", &node.name_any()).await?;
    }
    Ok(())
}
