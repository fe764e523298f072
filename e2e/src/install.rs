//! Sealwright installed as users install it: one Helm release per chart.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use crate::cluster::{Cluster, ENFORCE, FIELD_MANAGER, RESTRICTED};
use crate::{shell, wait};

/// Namespace of the releases.
pub const SYSTEM_NAMESPACE: &str = "sealwright-system";
/// The operators, by the name of their chart and release.
pub const OPERATORS: [&str; 3] = ["petset", "provisioner", "ops-manager"];
/// What operators need to be there first.
pub const FOUNDATIONS: [&str; 2] = ["crds", "catalog"];

const HELM_TIMEOUT: &str = "180s";
const ROLLOUT_TIMEOUT: Duration = Duration::from_secs(180);
/// Annotation of the operators' Pod templates: hash of the binary, so that a rebuilt image under the same tag is run.
const BUILT: &str = "sealwright.dev/e2e-binary";

/// Installs or upgrades all releases and waits until every operator is rolled out as it was built.
pub async fn everything(cluster: &Cluster) -> Result<()> {
    ensure_cert_manager(cluster).await?;
    restricted(cluster).await?;
    for chart in FOUNDATIONS {
        release(chart).await?;
    }
    let operators = OPERATORS.map(|operator| operator_release(cluster, operator));
    futures::future::try_join_all(operators).await?;
    Ok(())
}

/// The releases' namespace, where the API server refuses Pods that do not fit the Pod Security Standard "restricted".
async fn restricted(cluster: &Cluster) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    let body = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": SYSTEM_NAMESPACE, "labels": { ENFORCE: RESTRICTED } },
    });
    let manager = PatchParams::apply(FIELD_MANAGER).force();
    namespaces
        .patch(SYSTEM_NAMESPACE, &manager, &Patch::Apply(body))
        .await
        .with_context(|| format!("namespace {SYSTEM_NAMESPACE} can't be made"))?;
    Ok(())
}

/// As [`everything`], but only once in this process.
pub async fn once(cluster: &Cluster) -> Result<()> {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    INSTALLED
        .get_or_try_init(|| everything(cluster))
        .await
        .map(|_| ())
}

/// Installs or upgrades one operator and waits for its rollout.
pub async fn operator_release(cluster: &Cluster, operator: &str) -> Result<()> {
    release(operator).await?;
    run_as_built(cluster, operator).await?;
    rolled_out(cluster, operator).await
}

/// `helm upgrade --install` of one chart under its own name, with the chart's values whatever was set before.
pub async fn release(chart: &str) -> Result<()> {
    release_with(chart, &[]).await
}

/// As [`release`], with values of its own: `--set` and the like.
pub async fn release_with(chart: &str, values: &[&str]) -> Result<()> {
    let folder = charts().join(chart);
    let folder = folder.to_str().context("the path of the charts is not UTF-8")?;
    let arguments = [
        "upgrade",
        "--install",
        chart,
        folder,
        "--namespace",
        SYSTEM_NAMESPACE,
    ];
    let options = [
        "--create-namespace",
        "--reset-values",
        "--wait",
        "--timeout",
        HELM_TIMEOUT,
    ];
    shell::host("helm", &[arguments.as_slice(), &options, values].concat())
        .await
        .map(|_| ())
}

/// `helm upgrade` of one release with a changed value (`key=value`); waits for the rollout.
pub async fn upgrade_with(release: &str, value: &str) -> Result<()> {
    let folder = charts().join(release);
    let folder = folder.to_str().context("the path of the charts is not UTF-8")?;
    let arguments = [
        "upgrade",
        release,
        folder,
        "--namespace",
        SYSTEM_NAMESPACE,
        "--set",
        value,
    ];
    let options = ["--wait", "--timeout", HELM_TIMEOUT];
    shell::host("helm", &[arguments.as_slice(), &options].concat())
        .await
        .map(|_| ())
}

/// `helm uninstall` of one release.
pub async fn uninstall(release: &str) -> Result<()> {
    let arguments = ["uninstall", release, "--namespace", SYSTEM_NAMESPACE, "--wait"];
    shell::host("helm", &arguments).await.map(|_| ())
}

/// The Deployment of an operator.
pub async fn deployment(cluster: &Cluster, operator: &str) -> Result<Deployment> {
    let api: Api<Deployment> = Api::namespaced(cluster.client.clone(), SYSTEM_NAMESPACE);
    let list = api
        .list(&ListParams::default().labels(&selector(operator)))
        .await?;
    let mut found = list.items.into_iter();
    let deployment = found
        .next()
        .with_context(|| format!("no Deployment of {operator}: is it installed?"))?;
    ensure!(found.next().is_none(), "more than one Deployment of {operator}");
    Ok(deployment)
}

/// Selects the objects of an operator's release.
pub fn selector(operator: &str) -> String {
    format!("app.kubernetes.io/instance={operator}")
}

/// Waits until the Deployment's Pods are all of its present template, and ready.
pub async fn rolled_out(cluster: &Cluster, operator: &str) -> Result<()> {
    let api: Api<Deployment> = Api::namespaced(cluster.client.clone(), SYSTEM_NAMESPACE);
    let name = deployment(cluster, operator).await?.name_any();
    wait::until(&api, &name, "rolled out", ROLLOUT_TIMEOUT, |d: &Deployment| {
        let wanted = d.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1);
        let Some(status) = &d.status else { return false };
        status.observed_generation >= d.metadata.generation
            && status.replicas == Some(wanted)
            && status.updated_replicas == Some(wanted)
            && status.available_replicas == Some(wanted)
    })
    .await
    .map(|_| ())
}

async fn run_as_built(cluster: &Cluster, operator: &str) -> Result<()> {
    let Ok(binary) = tokio::fs::read(target().join("image").join(operator)).await else {
        return Ok(());
    };
    let hash = hex::encode(Sha256::digest(binary));
    let api: Api<Deployment> = Api::namespaced(cluster.client.clone(), SYSTEM_NAMESPACE);
    let name = deployment(cluster, operator).await?.name_any();
    let patch = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "spec": { "template": { "metadata": { "annotations": { BUILT: hash } } } },
    });
    api.patch(
        &name,
        &PatchParams::apply(FIELD_MANAGER).force(),
        &Patch::Apply(patch),
    )
    .await?;
    Ok(())
}

async fn ensure_cert_manager(cluster: &Cluster) -> Result<()> {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
    let crds: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let found = crds.get_opt("certificates.cert-manager.io").await?;
    ensure!(
        found.is_some(),
        "the cluster has no cert-manager; install it first (https://cert-manager.io/docs)"
    );
    Ok(())
}

/// The workspace's folder of charts.
pub fn charts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts")
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    )
}
