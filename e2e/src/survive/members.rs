//! Members are killed, evicted, or can't start.

use anyhow::Result;
use futures::FutureExt;
use kube::api::{DeleteParams, EvictParams};

use super::row::{End, Row};
use super::scene::{Operation, Scene, Shape};
use super::{Fault, Stage};
use crate::failover;
use crate::members::{self, Member};

/// This family.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "primary-killed",
        alone: false,
        run: |stage| primary_killed(stage).boxed_local(),
    },
    Fault {
        name: "standby-evicted",
        alone: false,
        run: |stage| standby_evicted(stage).boxed_local(),
    },
];

/// The phases of a rotation without a restart.
const PHASES: [&str; 5] = [
    "DatabasePauseSucceeded",
    "IssueCertificatesSucceeded",
    "CertificateSynced",
    "ReloadTLS",
    "UpdatePetSets",
];

async fn primary_killed(stage: Stage) -> Result<Vec<Row>> {
    let scene = Scene::new(&stage.namespace, Shape::Synchronous, true).await?;
    let mut rows = Vec::new();
    for phase in PHASES {
        let old = members::primary(&stage.namespace, scene.database).await?;
        failover::synchronous_again(&stage.namespace, scene.database, &old).await?;
        let trial = scene.ask(Operation::Rotate, "3m").await?;
        trial.reached(phase).await?;
        let at_once = DeleteParams {
            grace_period_seconds: Some(0),
            ..DeleteParams::default()
        };
        stage.namespace.pods().delete(&old.name, &at_once).await?;
        let fault = format!("primary killed after {phase}");
        rows.push(trial.end(&fault, &[End::Successful]).await?);
    }
    Ok(rows)
}

async fn standby_evicted(stage: Stage) -> Result<Vec<Row>> {
    let scene = Scene::new(&stage.namespace, Shape::Three, false).await?;
    let trial = scene.ask(Operation::Add, "3m").await?;
    trial.reached("CertificateSynced").await?;
    let standby = a_standby(&scene).await?;
    stage
        .namespace
        .pods()
        .evict(&standby.name, &EvictParams::default())
        .await?;
    Ok(vec![trial.end("standby evicted", &[End::Successful]).await?])
}

/// The first member that is not primary.
pub async fn a_standby(scene: &Scene) -> Result<Member> {
    let all = members::list(&scene.namespace, scene.database).await?;
    let mut standbys = all.into_iter().filter(|member| !member.is_primary());
    standbys
        .next()
        .ok_or_else(|| anyhow::anyhow!("{} has no standby", scene.database))
}
