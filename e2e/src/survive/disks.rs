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
use crate::cluster::{FIELD_MANAGER, TestNamespace};
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
const FAILURE_TIMEOUT: Duration = Duration::from_secs(120);

async fn disk_full(stage: Stage) -> Result<Vec<Row>> {
    let Some(disks) = Disks::make(&stage.namespace, 1).await? else {
        let why = End::NotRun("this cluster's provider can't make small disks".to_owned());
        return Ok(vec![Row::bare(
            "disk full",
            Operation::Add.title(),
            &why.to_string(),
        )]);
    };
    let rows = filled(&stage, disks.class()).await;
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
    let ended = wait::request_ended(&stage.namespace.api(), &trial.name, FAILURE_TIMEOUT).await;
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
pub struct Disks {
    client: Client,
    name: String,
    each: usize,
}

impl Disks {
    /// Makes so many disks on each node, and the class that claims name; `None` when this provider can't. A claim of any size up
    /// to 1Gi gets one.
    ///
    /// # Errors
    /// A disk or a volume can't be made.
    pub async fn make(namespace: &TestNamespace, each: usize) -> Result<Option<Self>> {
        let disks = Self {
            client: namespace.client.clone(),
            name: namespace.name.clone(),
            each,
        };
        for number in 0..each {
            if !provider::run("disk.sh", &["make", &disks.disk(number), MEBIBYTES]).await? {
                return Ok(None);
            }
        }
        disks.offer().await?;
        Ok(Some(disks))
    }

    /// Name of the StorageClass.
    pub fn class(&self) -> &str {
        &self.name
    }

    async fn offer(&self) -> Result<()> {
        let class = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": self.name },
            "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer",
        });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let classes: Api<StorageClass> = Api::all(self.client.clone());
        classes.patch(&self.name, &params, &Patch::Apply(class)).await?;
        for (node, number) in self.places().await? {
            let name = self.volume(&node, number);
            let is_node = json!({ "key": "kubernetes.io/hostname", "operator": "In", "values": [node] });
            let volume = json!({
                "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": name },
                "spec": {
                    "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"],
                    "persistentVolumeReclaimPolicy": "Retain", "storageClassName": self.name,
                    "local": { "path": format!("/var/lib/small-disks/{}", self.disk(number)) },
                    "nodeAffinity": { "required": { "nodeSelectorTerms": [{ "matchExpressions": [is_node] }] } },
                },
            });
            self.volumes()
                .patch(&name, &params, &Patch::Apply(volume))
                .await?;
        }
        Ok(())
    }

    /// Removes the disks, when no Pod uses them any more.
    ///
    /// # Errors
    /// One is in use.
    pub async fn remove(&self) -> Result<()> {
        for (node, number) in self.places().await? {
            let name = self.volume(&node, number);
            if self.volumes().get_opt(&name).await?.is_some() {
                self.volumes().delete(&name, &DeleteParams::default()).await?;
            }
        }
        let classes: Api<StorageClass> = Api::all(self.client.clone());
        if classes.get_opt(&self.name).await?.is_some() {
            classes.delete(&self.name, &DeleteParams::default()).await?;
        }
        for number in 0..self.each {
            provider::run("disk.sh", &["remove", &self.disk(number)])
                .await
                .context("small disks")?;
        }
        Ok(())
    }

    /// Every node, with the number of each of its disks.
    async fn places(&self) -> Result<Vec<(String, usize)>> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let all = nodes.list(&ListParams::default()).await?;
        let names = all.items.iter().map(ResourceExt::name_any);
        let places = names.flat_map(|node| (0..self.each).map(move |number| (node.clone(), number)));
        Ok(places.collect())
    }

    fn disk(&self, number: usize) -> String {
        format!("{}-{number}", self.name)
    }

    fn volume(&self, node: &str, number: usize) -> String {
        format!("{}-{node}-{number}", self.name)
    }

    fn volumes(&self) -> Api<PersistentVolume> {
        Api::all(self.client.clone())
    }
}
