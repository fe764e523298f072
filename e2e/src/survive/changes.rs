//! Faults while parameters, resources, the number of members, the version, the volumes or the password change, and while a standby is
//! brought back.

use std::time::Duration;

use anyhow::Result;
use api_types::PostgresOpsRequest;
use futures::FutureExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::members::a_standby;
use super::row::{End, Row};
use super::scene::{Scene, Shape, Trial};
use super::{Fault, Stage};
use crate::bench::changes::spoil;
use crate::{failover, install, members, requests, volumes, wait};

/// This family.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "change-operator-killed",
        alone: true,
        run: |stage| operator_killed(stage).boxed_local(),
    },
    Fault {
        name: "change-primary-killed",
        alone: false,
        run: |stage| primary_killed(stage).boxed_local(),
    },
    Fault {
        name: "expansion-disturbed",
        alone: true,
        run: |stage| expansion_disturbed(stage).boxed_local(),
    },
    Fault {
        name: "change-not-possible",
        alone: false,
        run: |stage| not_possible(stage).boxed_local(),
    },
];

const OPERATOR: &str = "ops-manager";
/// A standby that a restart does not help is rebuilt within this time.
const REBUILD_TIMEOUT: Duration = Duration::from_secs(240);

/// A request: its title, type and section, and the step after which something happens.
struct Change {
    title: &'static str,
    type_: &'static str,
    section: Value,
    step: &'static str,
}

impl Change {
    fn reconfigure(step: &'static str, connections: u32) -> Self {
        let conf = format!("max_connections = {connections}");
        Self {
            title: "reconfigure, PostgreSQL restarts",
            type_: "Reconfigure",
            section: json!({"configuration": {"applyConfig": {"user.conf": conf}}}),
            step,
        }
    }

    fn resize(step: &'static str, memory: &str) -> Self {
        let resources = json!({"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": memory}});
        Self {
            title: "resize in place",
            type_: "VerticalScaling",
            section: json!({"verticalScaling": {"mode": "InPlace", "postgres": {"resources": resources}}}),
            step,
        }
    }

    fn scale(step: &'static str, count: i32) -> Self {
        Self {
            title: if count > 3 { "scale 3 to 5" } else { "scale 5 to 3" },
            type_: "HorizontalScaling",
            section: json!({"horizontalScaling": {"replicas": count}}),
            step,
        }
    }

    fn update(step: &'static str, version: &str) -> Self {
        Self {
            title: "update to another minor version",
            type_: "UpdateVersion",
            section: json!({"updateVersion": {"targetVersion": version}}),
            step,
        }
    }

    fn expand(step: &'static str, size: &str) -> Self {
        Self {
            title: "expand volumes, online",
            type_: "VolumeExpansion",
            section: json!({"volumeExpansion": {"mode": "Online", "postgres": size}}),
            step,
        }
    }

    fn rotate_auth(step: &'static str) -> Self {
        Self {
            title: "rotate the superuser's password",
            type_: "RotateAuth",
            section: json!({}),
            step,
        }
    }

    fn reconnect(step: &'static str) -> Self {
        Self {
            title: "reconnect a standby",
            type_: "ReconnectStandby",
            section: json!({"reconnectStandby": {"readyTimeOut": "5s"}}),
            step,
        }
    }

    async fn ask<'a>(&self, scene: &'a Scene, timeout: &str) -> Result<Trial<'a>> {
        let name = format!("{}-{:04x}", self.type_.to_lowercase(), rand::random::<u16>());
        let mut fields = self.section.clone();
        fields["timeout"] = json!(timeout);
        fields["apply"] = json!("Always");
        let request = requests::of(&name, scene.database, self.type_, &fields)?;
        let trial = scene.watch(&name, self.title).await?;
        requests::create_as_is(&scene.namespace, &request).await?;
        Ok(trial)
    }
}

/// Every Pod of the operator is deleted at once, without grace.
async fn operator_killed(stage: Stage) -> Result<Vec<Row>> {
    let scene = Scene::new(&stage.namespace, Shape::Three, false).await?;
    let mut rows = Vec::new();
    for change in [
        Change::reconfigure("UpdateConfiguration", 120),
        Change::reconfigure("ReloadPods", 90),
        Change::resize("UpdatePetSetResources", "512Mi"),
        Change::resize("DatabasePauseSucceeded", "448Mi"),
        Change::scale("DatabasePauseSucceeded", 5),
        Change::scale("DatabasePauseSucceeded", 3),
        Change::update("UpdatePetSetImage", "17.11"),
        Change::update("DatabasePauseSucceeded", "17.9"),
        Change::rotate_auth("DatabasePauseSucceeded"),
        Change::rotate_auth("UpdateCredential"),
    ] {
        rows.push(operator_killed_during(&stage, &scene, &change).await?);
    }
    for step in ["DatabasePauseSucceeded", "NotReadyReplicas"] {
        let standby = a_standby(&scene).await?;
        spoil(&stage.namespace, &standby.name).await?;
        let trial = Change::reconnect(step).ask(&scene, "4m").await?;
        trial.reached(step).await?;
        kill_operator(&stage).await?;
        wait::request_ended(
            &stage.namespace.api::<PostgresOpsRequest>(),
            &trial.name,
            REBUILD_TIMEOUT,
        )
        .await?;
        let fault = format!("ops-manager killed after {step}");
        rows.push(trial.end(&fault, &[End::Successful]).await?);
    }
    Ok(rows)
}

async fn operator_killed_during(stage: &Stage, scene: &Scene, change: &Change) -> Result<Row> {
    let trial = change.ask(scene, "3m").await?;
    trial.reached(change.step).await?;
    kill_operator(stage).await?;
    let fault = format!("ops-manager killed after {}", change.step);
    trial.end(&fault, &[End::Successful]).await
}

async fn kill_operator(stage: &Stage) -> Result<()> {
    let cluster = stage.cluster();
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), install::SYSTEM_NAMESPACE);
    let selector = ListParams::default().labels(&format!("app.kubernetes.io/name={OPERATOR}"));
    let at_once = DeleteParams {
        grace_period_seconds: Some(0),
        ..DeleteParams::default()
    };
    for pod in pods.list(&selector).await? {
        pods.delete(&pod.name_any(), &at_once).await?;
    }
    Ok(())
}

/// Commits wait for a standby, so that no acknowledged row goes with the primary.
async fn primary_killed(stage: Stage) -> Result<Vec<Row>> {
    let scene = Scene::new(&stage.namespace, Shape::Synchronous, false).await?;
    let mut rows = Vec::new();
    for change in [
        Change::reconfigure("UpdateConfiguration", 120),
        Change::resize("UpdatePetSetResources", "512Mi"),
        Change::scale("DatabasePauseSucceeded", 5),
        Change::scale("DatabasePauseSucceeded", 3),
        Change::update("UpdatePetSetImage", "17.11"),
        Change::rotate_auth("UpdateCredential"),
    ] {
        rows.push(primary_killed_during(&scene, &change).await?);
    }
    Ok(rows)
}

async fn primary_killed_during(scene: &Scene, change: &Change) -> Result<Row> {
    let old = members::primary(&scene.namespace, scene.database).await?;
    failover::synchronous_again(&scene.namespace, scene.database, &old).await?;
    let trial = change.ask(scene, "4m").await?;
    trial.reached(change.step).await?;
    let at_once = DeleteParams::default().grace_period(0);
    scene.namespace.pods().delete(&old.name, &at_once).await?;
    let fault = format!("primary killed after {}", change.step);
    trial.end(&fault, &[End::Successful]).await
}

/// The operator that requests larger volumes is lost, then the primary.
async fn expansion_disturbed(stage: Stage) -> Result<Vec<Row>> {
    if !volumes::are_expandable(&stage.namespace.client).await? {
        let no_class = format!(
            "not tried: the cluster has no StorageClass {}",
            volumes::EXPANDABLE
        );
        return Ok(vec![Row::bare("volumes are expanded", &no_class, "-")]);
    }
    let database = Scene::database_as(&stage.namespace, Shape::Synchronous, false, |postgres| {
        volumes::of_class(postgres, volumes::EXPANDABLE);
    })
    .await?;
    let scene = Scene::with_applications(&stage.namespace, database, None).await?;
    let (first, second) = (
        Change::expand("DatabasePauseSucceeded", "1152Mi"),
        Change::expand("DatabasePauseSucceeded", "1280Mi"),
    );
    Ok(vec![
        operator_killed_during(&stage, &scene, &first).await?,
        primary_killed_during(&scene, &second).await?,
    ])
}

/// What can't be done is taken back, and the members are as they were.
async fn not_possible(stage: Stage) -> Result<Vec<Row>> {
    let scene = Scene::new(&stage.namespace, Shape::Three, false).await?;
    let mut rows = Vec::new();
    // With a limit, which a Pod that runs would not lose again.
    let limited = Change::resize("", "448Mi").ask(&scene, "2m").await?;
    rows.push(limited.end("nothing, to begin with", &[End::Successful]).await?);
    let no_room = Change {
        section: json!({"verticalScaling": {"mode": "InPlace", "postgres": {"resources":
            {"requests": {"memory": "2000Gi"}, "limits": {"memory": "2000Gi"}}}}}),
        ..Change::resize("", "")
    };
    let trial = no_room.ask(&scene, "30s").await?;
    rows.push(trial.end("no node has the memory", &[End::RolledBack]).await?);
    let not_loadable = Change {
        section: json!({"configuration": {"applyConfig": {"user.conf": "shared_preload_libraries = 'not_there'"}}}),
        ..Change::reconfigure("", 0)
    };
    let trial = not_loadable.ask(&scene, "30s").await?;
    rows.push(
        trial
            .end("PostgreSQL does not start with a parameter", &[End::RolledBack])
            .await?,
    );
    Ok(rows)
}
