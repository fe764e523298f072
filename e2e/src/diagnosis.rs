//! What a person needs to understand a failed test, written to a folder before the namespace goes.

use std::fmt::Debug;
use std::path::Path;

use anyhow::{Context, Result};
use api_types::cert_manager::{Certificate, Issuer};
use api_types::{AppBinding, PetSet, Postgres, PostgresOpsRequest};
use k8s_openapi::api::core::v1::{ConfigMap, Event, PersistentVolumeClaim, Pod, Service};
use kube::api::{ListParams, LogParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cluster::TestNamespace;
use crate::install::SYSTEM_NAMESPACE;

/// Lines of each container's log.
const LOG_LINES: i64 = 400;

/// Writes objects (never Secrets), Events and logs of the namespace, and the operators' logs.
pub async fn collect(namespace: &TestNamespace, folder: &Path) -> Result<()> {
    tokio::fs::create_dir_all(folder)
        .await
        .with_context(|| format!("{}", folder.display()))?;
    dump::<Postgres>(namespace, folder).await?;
    dump::<PostgresOpsRequest>(namespace, folder).await?;
    dump::<PetSet>(namespace, folder).await?;
    dump::<AppBinding>(namespace, folder).await?;
    dump::<Certificate>(namespace, folder).await?;
    dump::<Issuer>(namespace, folder).await?;
    dump::<Pod>(namespace, folder).await?;
    dump::<Service>(namespace, folder).await?;
    dump::<ConfigMap>(namespace, folder).await?;
    dump::<PersistentVolumeClaim>(namespace, folder).await?;
    events(namespace, folder).await?;
    logs(&namespace.pods(), folder).await?;
    let operators: Api<Pod> = Api::namespaced(namespace.client.clone(), SYSTEM_NAMESPACE);
    logs(&operators, &folder.join("operators")).await
}

async fn dump<K>(namespace: &TestNamespace, folder: &Path) -> Result<()>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + Debug + Serialize + DeserializeOwned,
{
    let kind = K::kind(&());
    let text = match namespace.api::<K>().list(&ListParams::default()).await {
        Ok(list) => {
            let mut items = list.items;
            items
                .iter_mut()
                .for_each(|item| item.managed_fields_mut().clear());
            serde_yaml::to_string(&items)?
        }
        Err(error) => format!("# {error}\n"),
    };
    write(&folder.join(format!("{kind}.yaml")), &text).await
}

async fn events(namespace: &TestNamespace, folder: &Path) -> Result<()> {
    let mut events = namespace.api::<Event>().list(&ListParams::default()).await?.items;
    events.sort_by_key(|e| e.metadata.creation_timestamp.as_ref().map(|t| t.0));
    let lines: Vec<String> = events.iter().map(event_line).collect();
    write(&folder.join("events.txt"), &lines.concat()).await
}

fn event_line(event: &Event) -> String {
    let object = &event.involved_object;
    format!(
        "{} {:7} {}/{} {}: {}\n",
        event
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|t| t.0.to_string())
            .unwrap_or_default(),
        event.type_.as_deref().unwrap_or(""),
        object.kind.as_deref().unwrap_or(""),
        object.name.as_deref().unwrap_or(""),
        event.reason.as_deref().unwrap_or(""),
        event.message.as_deref().unwrap_or(""),
    )
}

async fn logs(pods: &Api<Pod>, folder: &Path) -> Result<()> {
    tokio::fs::create_dir_all(folder).await?;
    let Ok(list) = pods.list(&ListParams::default()).await else {
        return Ok(());
    };
    for pod in list.items {
        let containers = pod
            .spec
            .iter()
            .flat_map(|s| s.init_containers.iter().flatten().chain(&s.containers));
        for container in containers {
            for previous in [false, true] {
                let params = LogParams {
                    container: Some(container.name.clone()),
                    tail_lines: Some(LOG_LINES),
                    timestamps: true,
                    previous,
                    ..LogParams::default()
                };
                // No previous run, or not started yet: nothing to keep.
                let Ok(text) = pods.logs(&pod.name_any(), &params).await else {
                    continue;
                };
                let suffix = if previous { ".previous" } else { "" };
                let name = format!("{}.{}{suffix}.log", pod.name_any(), container.name);
                write(&folder.join(name), &text).await?;
            }
        }
    }
    Ok(())
}

async fn write(path: &Path, text: &str) -> Result<()> {
    tokio::fs::write(path, text)
        .await
        .with_context(|| format!("{}", path.display()))
}
