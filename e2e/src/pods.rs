//! Pods of ours beside the database: PostgreSQL's client programs, as an application would run.

use std::time::Duration;

use anyhow::{Context, Result};
use api_types::Postgres;
use api_types::version::PostgresVersion;
use k8s_openapi::api::core::v1::{ConfigMap, EnvVar, Pod};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::cluster::{FIELD_MANAGER, TestNamespace};
use crate::wait;

/// Container of every Pod made here.
pub const CONTAINER: &str = "client";

/// What a client of a database needs of it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The database's image: it has `psql` and Python with a PostgreSQL driver.
    pub image: String,
    /// Name of the Secret with the superuser's name and password.
    pub auth_secret: String,
}

/// Reads it from the Postgres.
pub async fn target(namespace: &TestNamespace, database: &str) -> Result<Target> {
    let postgres: Postgres = namespace.api().get(database).await?;
    let versions: Api<PostgresVersion> = Api::all(namespace.client.clone());
    let version = versions
        .get(&postgres.spec.version)
        .await
        .context("the catalog has no such version")?;
    Ok(Target {
        image: version.spec.db.image,
        auth_secret: postgres.auth_secret_name(),
    })
}

/// Keeps these files in a ConfigMap; returns the volume `script` that has them.
pub async fn scripts(namespace: &TestNamespace, name: &str, files: Value) -> Result<Value> {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": files,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let maps = namespace.api::<ConfigMap>();
    maps.patch(name, &params, &Patch::Apply(map)).await?;
    Ok(json!({ "name": "script", "configMap": { "name": name } }))
}

/// Adds variables to the environment of a Pod made here.
pub fn with_environment(mut pod: Pod, variables: Value) -> Result<Pod> {
    let containers = pod.spec.iter_mut().flat_map(|spec| &mut spec.containers);
    let container = containers.into_iter().next().context("no container")?;
    let variables: Vec<EnvVar> = serde_json::from_value(variables)?;
    container.env.get_or_insert_default().extend(variables);
    Ok(pod)
}

/// Creates a Pod; returns when it runs.
pub async fn start(namespace: &TestNamespace, pod: &Pod, deadline: Duration) -> Result<()> {
    let api = namespace.pods();
    api.create(&PostParams::default(), pod).await?;
    let runs = |pod: &Pod| pod.status.as_ref().and_then(|it| it.phase.as_deref()) == Some("Running");
    wait::until(&api, &pod.name_any(), "phase Running", deadline, runs).await?;
    Ok(())
}

/// A Pod that Pod Security `restricted` admits, with the superuser's password in `PGPASSWORD`, an empty folder at
/// `/run/writer`, and the volumes given (each mounted at `/<name>`).
pub fn restricted(name: &str, target: &Target, command: &[&str], volumes: Vec<Value>) -> Result<Pod> {
    let mounts: Vec<Value> = volumes
        .iter()
        .map(|v| json!({ "name": v["name"], "mountPath": format!("/{}", v["name"].as_str().unwrap_or_default()) }))
        .chain([json!({ "name": "run", "mountPath": "/run/writer" })])
        .collect();
    let volumes: Vec<Value> = volumes
        .into_iter()
        .chain([json!({ "name": "run", "emptyDir": {} })])
        .collect();
    let secret = |key: &str| json!({ "secretKeyRef": { "name": target.auth_secret, "key": key } });
    let pod = json!({
        "metadata": { "name": name, "labels": { "app": name } },
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 999, "runAsGroup": 999, "fsGroup": 999,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "containers": [{
                "name": CONTAINER, "image": target.image, "imagePullPolicy": "IfNotPresent", "command": command,
                "securityContext": {
                    "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                    "capabilities": { "drop": ["ALL"] },
                },
                "resources": { "requests": { "cpu": "10m", "memory": "32Mi" } },
                "env": [
                    { "name": "PGUSER", "valueFrom": secret("username") },
                    { "name": "PGPASSWORD", "valueFrom": secret("password") },
                    { "name": "HOME", "value": "/run/writer" },
                ],
                "volumeMounts": mounts,
            }],
            "volumes": volumes,
        },
    });
    serde_json::from_value(pod).context("a Pod of ours")
}
