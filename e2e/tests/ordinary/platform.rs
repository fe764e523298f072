//! The platform refuses: quota, storage, admission, nodes. The Postgres repeats the platform's own sentence, and the database
//! comes up by itself when the cause is gone.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use api_types::{Postgres, condition};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::manifests::laid_over;
use e2e::{manifests, members, requests, wait};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{LimitRange, PersistentVolumeClaim, Pod, ResourceQuota};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{PROVISIONING_TIMEOUT, REPORT_TIMEOUT, edit, healed, reported, table};

const DATABASE: &str = "standalone";

/// Creates a database of one member with this laid over its spec.
async fn create(namespace: &TestNamespace, name: &str, more: &Value) -> Result<()> {
    let mut postgres = serde_json::to_value(manifests::parse::<Postgres>(manifests::STANDALONE)?)?;
    postgres["metadata"]["name"] = json!(name);
    laid_over(&mut postgres["spec"], more);
    let postgres: Postgres = serde_json::from_value(postgres)?;
    namespace.api().create(&PostParams::default(), &postgres).await?;
    Ok(())
}

async fn make<K>(namespace: &TestNamespace, object: Value) -> Result<K>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    let object: K = serde_json::from_value(object)?;
    Ok(namespace.api().create(&PostParams::default(), &object).await?)
}

/// Waits until `Ready` is `False` with this sentence; returns the whole message.
async fn says(namespace: &TestNamespace, database: &str, sentence: &str) -> Result<String> {
    let message = |postgres: &Postgres| {
        let conditions = postgres
            .status
            .as_ref()
            .map(|status| status.conditions.as_slice());
        let ready = condition::find(conditions.unwrap_or_default(), "Ready");
        ready
            .filter(|it| it.is_false())
            .and_then(|it| it.message.clone())
            .unwrap_or_default()
    };
    let holds = |postgres: &Postgres| message(postgres).contains(sentence);
    let began = Instant::now();
    let what = format!("Ready=False with {sentence:?}");
    let postgres = wait::until(&namespace.api(), database, &what, REPORT_TIMEOUT, holds).await?;
    let text = serde_json::to_string(&postgres.status)?;
    for wrong in ["Status {", "ApiError", "RBAC", "Some("] {
        ensure!(!text.contains(wrong), "{database}: {wrong} in {text}");
    }
    table::said("Ready=False", &message(&postgres), began.elapsed())?;
    Ok(message(&postgres))
}

fn postgres_resources(memory: &str) -> Value {
    let all = json!({"cpu": "500m", "memory": memory});
    json!({"podTemplate": {"spec": {"containers": [
        {"name": "postgres", "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": all}}]}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_platform_refuses_is_said_in_its_own_words() -> Result<()> {
    in_namespace("refused", |namespace| async move {
        let pod = |field: &str, value: Value| json!({"podTemplate": {"spec": {field: value}}});
        let privileged = json!([{"name": "side", "image": "side", "securityContext": {"privileged": true}}]);
        let table = [
            (
                "node",
                pod("nodeSelector", json!({"disk": "none"})),
                "nodes are available",
            ),
            (
                "priority",
                pod("priorityClassName", json!("none")),
                "no PriorityClass with name none was found",
            ),
            ("security", pod("containers", privileged), "violates PodSecurity"),
            (
                "class",
                json!({"storage": {"storageClassName": "none"}}),
                "\"none\" not found",
            ),
            (
                "runtime",
                pod("runtimeClassName", json!("none")),
                "RuntimeClass \"none\" not found",
            ),
            (
                "image",
                pod(
                    "initContainers",
                    json!([{"name": "setup", "image": "none.invalid/none:1",
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}]),
                ),
                "none.invalid/none:1",
            ),
        ];
        try_join_all(table.into_iter().map(|(name, spec, sentence)| {
            let namespace = &namespace;
            async move {
                create(namespace, name, &spec).await?;
                says(namespace, name, sentence).await
            }
        }))
        .await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_is_said_and_more_room_heals() -> Result<()> {
    in_namespace("quota", |namespace| async move {
        let hard = |memory: &str| json!({"hard": {"limits.memory": memory, "limits.cpu": "4", "requests.memory": "8Gi"}});
        let quota = json!({"metadata": {"name": "small"}, "spec": hard("256Mi")});
        make::<ResourceQuota>(&namespace, quota).await?;
        let monitored = json!({"monitor": {"agent": "prometheus.io/builtin"}});
        let mut spec = postgres_resources("512Mi");
        laid_over(&mut spec, &monitored);
        create(&namespace, DATABASE, &spec).await?;
        let message = says(&namespace, DATABASE, "exceeded quota: small").await?;
        ensure!(message.contains("limits.memory=256Mi"), "the whole sentence: {message}");

        let patch = Patch::Merge(json!({"spec": hard("4Gi")}));
        namespace.api::<ResourceQuota>().patch("small", &PatchParams::default(), &patch).await?;
        healed(&namespace, DATABASE).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_range_is_said_and_a_corrected_spec_heals() -> Result<()> {
    in_namespace("limit-range", |namespace| async move {
        let range = json!({"metadata": {"name": "small"}, "spec": {"limits": [{"type": "Container", "max": {"memory": "512Mi"}}]}});
        make::<LimitRange>(&namespace, range).await?;
        create(&namespace, DATABASE, &postgres_resources("2Gi")).await?;
        says(&namespace, DATABASE, "maximum memory usage per Container is 512Mi, but limit is 2Gi").await?;
        edit(&namespace, DATABASE, postgres_resources("512Mi")).await?;
        healed(&namespace, DATABASE).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_was_never_bound_is_made_again_from_the_corrected_spec() -> Result<()> {
    in_namespace("class", |namespace| async move {
        create(
            &namespace,
            DATABASE,
            &json!({"storage": {"storageClassName": "none"}}),
        )
        .await?;
        says(&namespace, DATABASE, "\"none\" not found").await?;
        edit(
            &namespace,
            DATABASE,
            json!({"storage": {"storageClassName": "standard"}}),
        )
        .await?;
        healed(&namespace, DATABASE).await?;
        let claim: PersistentVolumeClaim = namespace.api().get("data-standalone-0").await?;
        let class = claim.spec.and_then(|spec| spec.storage_class_name);
        ensure!(class.as_deref() == Some("standard"), "{class:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_was_never_started_is_made_again_from_a_corrected_template() -> Result<()> {
    in_namespace("node", |namespace| async move {
        create(
            &namespace,
            DATABASE,
            &json!({"podTemplate": {"spec": {"nodeSelector": {"disk": "none"}}}}),
        )
        .await?;
        says(&namespace, DATABASE, "nodes are available").await?;
        edit(
            &namespace,
            DATABASE,
            json!({"podTemplate": {"spec": {"nodeSelector": null}}}),
        )
        .await?;
        healed(&namespace, DATABASE).await?;
        Ok(())
    })
    .await
}

/// A class whose volumes do not grow: an edit of the size stays held there.
async fn fixed_class(namespace: &TestNamespace) -> Result<String> {
    let all = Api::<StorageClass>::all(namespace.client.clone())
        .list(&ListParams::default())
        .await?;
    let fixed = all
        .items
        .into_iter()
        .find(|class| class.allow_volume_expansion != Some(true));
    fixed
        .map(|class| class.name_any())
        .context("every StorageClass lets its volumes grow")
}

/// Resources and storage of a running database: said at once, and a member that is added is like the others.
#[tokio::test(flavor = "multi_thread")]
async fn edits_that_members_can_not_follow_say_what_carries_them_out() -> Result<()> {
    in_namespace("held", |namespace| async move {
        let mut born = postgres_resources("512Mi");
        born["storage"] = json!({"storageClassName": fixed_class(&namespace).await?});
        create(&namespace, DATABASE, &born).await?;
        wait::database_ready(&namespace.api(), DATABASE, PROVISIONING_TIMEOUT).await?;
        let size = |size: &str| json!({"storage": {"resources": {"requests": {"storage": size}}}});
        edit(&namespace, DATABASE, size("2Gi")).await?;
        let held = |reason: &'static str| reported(&namespace, DATABASE, "SpecApplied", "False", reason);
        ensure!(held("VolumeExpansionNeeded").await?.contains("VolumeExpansion"));
        edit(&namespace, DATABASE, json!({"replicas": 2})).await?;
        wait::database_ready(&namespace.api(), DATABASE, PROVISIONING_TIMEOUT).await?;
        let added: PersistentVolumeClaim = namespace.api().get("data-standalone-1").await?;
        let requested = added
            .spec
            .and_then(|spec| spec.resources?.requests?.get("storage").cloned());
        ensure!(
            requested.is_some_and(|size| size.0 == "1Gi"),
            "it differs from the others"
        );
        edit(&namespace, DATABASE, size("512Mi")).await?;
        held("StorageFixed").await?;
        edit(&namespace, DATABASE, size("1Gi")).await?;

        let mut more = postgres_resources("768Mi");
        more["podTemplate"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!("110m");
        edit(&namespace, DATABASE, more).await?;
        let message = held("RestartNeeded").await?;
        ensure!(message.contains("containers[postgres].resources"), "{message}");
        requests::run(
            &namespace,
            manifests::RESTART,
            "restart",
            DATABASE,
            PROVISIONING_TIMEOUT,
        )
        .await?;
        let is_applied = |postgres: &Postgres| {
            let conditions = postgres
                .status
                .as_ref()
                .map(|status| status.conditions.as_slice());
            condition::find(conditions.unwrap_or_default(), "SpecApplied").is_none()
        };
        wait::until(
            &namespace.api(),
            DATABASE,
            "nothing is held",
            REPORT_TIMEOUT,
            is_applied,
        )
        .await?;
        for member in members::list(&namespace, DATABASE).await? {
            let pod: Pod = namespace.pods().get(&member.name).await?;
            let containers = pod.spec.clone().unwrap_or_default().containers;
            let postgres = containers
                .into_iter()
                .find(|container| container.name == "postgres");
            let memory = postgres.and_then(|it| it.resources?.limits?.get("memory").cloned());
            ensure!(
                memory.is_some_and(|memory| memory.0 == "768Mi"),
                "{}",
                pod.name_any()
            );
        }
        Ok(())
    })
    .await
}
