//! A member's disk is full. The members' volumes are small file systems, made for it on the nodes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::vocabulary::POSTGRES_CONTAINER;
use futures::FutureExt;
use k8s_openapi::api::core::v1::{Node, PersistentVolume};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::members::a_standby;
use super::row::{End, Row};
use super::scene::{Operation, Scene, Shape};
use super::{Fault, Stage};
use crate::cluster::FIELD_MANAGER;
use crate::{members, provider, shell, wait};

/// This family.
pub const FAULTS: &[Fault] = &[Fault {
    name: "disk-full",
    alone: true,
    run: |stage| disk_full(stage).boxed_local(),
}];

/// Enough for an empty database and its WAL for a minute.
const MEBIBYTES: &str = "256";
const FULL_FOR: Duration = Duration::from_secs(15);
/// A request with a timeout of seconds has ended by then.
const GIVEN_UP: Duration = Duration::from_secs(120);

async fn disk_full(stage: Stage) -> Result<Vec<Row>> {
    let disks = Disks {
        client: stage.namespace.client.clone(),
        name: stage.namespace.name.clone(),
    };
    if !provider::run("disk.sh", &["make", &disks.name, MEBIBYTES]).await? {
        let why = End::NotRun("this cluster's provider can't make small disks".to_owned());
        return Ok(vec![Row::bare(
            "disk full",
            Operation::Add.title(),
            &why.to_string(),
        )]);
    }
    let rows = async {
        disks.offer().await?;
        filled(&stage, &disks.name).await
    }
    .await;
    // The disks can only go when nobody uses them any more.
    let removed = stage.namespace.remove().await;
    disks.remove().await?;
    removed?;
    rows
}

async fn filled(stage: &Stage, storage_class: &str) -> Result<Vec<Row>> {
    let database = Scene::database_as(&stage.namespace, Shape::Three, false, |postgres| {
        if let Some(storage) = &mut postgres.spec.storage {
            storage.storage_class_name = Some(storage_class.to_owned());
        }
    })
    .await?;
    let scene = Scene::with_applications(&stage.namespace, database, None).await?;
    let full = Full::standby(&scene).await?;
    let trial = scene.ask(Operation::Add, "3m").await?;
    let held = async {
        trial.reached("CertificateSynced").await?;
        trial.stays_open(FULL_FOR).await
    }
    .await;
    full.free(&scene).await?;
    held?;
    let fault = format!("disk of a standby full, for {} s", FULL_FOR.as_secs());
    let mut rows = vec![trial.end(&fault, &[End::Successful]).await?];

    let full = Full::standby(&scene).await?;
    let trial = scene.ask(Operation::Remove, "15s").await?;
    let ended = wait::request_ended(&stage.namespace.api(), &trial.name, GIVEN_UP).await;
    full.free(&scene).await?;
    ended?;
    // Files that are written again in place need no room, so it may be done all the same, and proven.
    let ends = [End::Successful, End::RolledBack, End::NotRestored];
    rows.push(trial.end("disk of a standby full, for good", &ends).await?);
    Ok(rows)
}

/// A standby without a byte left on its disk.
struct Full {
    pod: String,
    data: String,
}

impl Full {
    async fn standby(scene: &Scene) -> Result<Self> {
        let pod = a_standby(scene).await?.name;
        // Otherwise the standby may remove WAL, and have room again, when the disk is full.
        let primary = members::primary(&scene.namespace, scene.database).await?.name;
        for member in [&primary, &pod] {
            members::sql(&scene.namespace, member, "checkpoint").await?;
        }
        let data = members::sql(&scene.namespace, &pod, "show data_directory").await?;
        let full = Self { pod, data };
        let fill = format!(
            "cat /dev/zero > {0}/filled; df --output=avail {0} | tail -1",
            full.data
        );
        let left = full.run(scene, &fill).await?;
        ensure!(left.trim() == "0", "{} still has {left} KiB left", full.pod);
        Ok(full)
    }

    async fn free(&self, scene: &Scene) -> Result<()> {
        self.run(scene, &format!("rm {}/filled", self.data))
            .await
            .map(|_| ())
    }

    async fn run(&self, scene: &Scene, command: &str) -> Result<String> {
        let command = ["sh", "-c", command];
        shell::output_of(&scene.namespace.pods(), &self.pod, POSTGRES_CONTAINER, &command).await
    }
}

/// The small disks of one namespace as volumes that can be claimed.
struct Disks {
    client: Client,
    name: String,
}

impl Disks {
    async fn offer(&self) -> Result<()> {
        let class = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": self.name },
            "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer",
        });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let classes: Api<StorageClass> = Api::all(self.client.clone());
        classes.patch(&self.name, &params, &Patch::Apply(class)).await?;
        for node in self.nodes().await? {
            let name = self.volume(&node);
            let is_node = json!({ "key": "kubernetes.io/hostname", "operator": "In", "values": [node] });
            let volume = json!({
                "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": name },
                "spec": {
                    "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"],
                    "persistentVolumeReclaimPolicy": "Retain", "storageClassName": self.name,
                    "local": { "path": format!("/var/lib/small-disks/{}", self.name) },
                    "nodeAffinity": { "required": { "nodeSelectorTerms": [{ "matchExpressions": [is_node] }] } },
                },
            });
            self.volumes()
                .patch(&name, &params, &Patch::Apply(volume))
                .await?;
        }
        Ok(())
    }

    async fn remove(&self) -> Result<()> {
        for node in self.nodes().await? {
            let name = self.volume(&node);
            if self.volumes().get_opt(&name).await?.is_some() {
                self.volumes().delete(&name, &DeleteParams::default()).await?;
            }
        }
        let classes: Api<StorageClass> = Api::all(self.client.clone());
        if classes.get_opt(&self.name).await?.is_some() {
            classes.delete(&self.name, &DeleteParams::default()).await?;
        }
        provider::run("disk.sh", &["remove", &self.name])
            .await
            .map(|_| ())
            .context("small disks")
    }

    async fn nodes(&self) -> Result<Vec<String>> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let all = nodes.list(&ListParams::default()).await?;
        Ok(all.items.iter().map(ResourceExt::name_any).collect())
    }

    fn volume(&self, node: &str) -> String {
        format!("{}-{node}", self.name)
    }

    fn volumes(&self) -> Api<PersistentVolume> {
        Api::all(self.client.clone())
    }
}
