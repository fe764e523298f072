//! The objects that an operator made for a database, and when each was last written.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::ListParams;
use kube::core::NamespaceResourceScope;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cluster::TestNamespace;
use crate::poll::{self, Look};

/// Children by `<kind>/<name>`, each without what others than its owner write (status, resourceVersion, …).
pub type Children = BTreeMap<String, Value>;

/// All children of the object with this UID.
pub async fn of(namespace: &TestNamespace, owner: &str) -> Result<Children> {
    let mut children = Children::new();
    collect::<api_types::PetSet>(namespace, owner, &mut children).await?;
    collect::<api_types::AppBinding>(namespace, owner, &mut children).await?;
    collect::<api_types::cert_manager::Certificate>(namespace, owner, &mut children).await?;
    collect::<Service>(namespace, owner, &mut children).await?;
    collect::<Secret>(namespace, owner, &mut children).await?;
    collect::<ConfigMap>(namespace, owner, &mut children).await?;
    collect::<ServiceAccount>(namespace, owner, &mut children).await?;
    collect::<Role>(namespace, owner, &mut children).await?;
    collect::<RoleBinding>(namespace, owner, &mut children).await?;
    collect::<PodDisruptionBudget>(namespace, owner, &mut children).await?;
    Ok(children)
}

async fn collect<K>(namespace: &TestNamespace, owner: &str, children: &mut Children) -> Result<()>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    for object in namespace.api::<K>().list(&ListParams::default()).await? {
        let owned = object.owner_references().iter().any(|o| o.uid == owner);
        if owned {
            let key = format!("{}/{}", K::kind(&()), object.name_any());
            children.insert(key, as_its_owner_wrote_it(&object)?);
        }
    }
    Ok(())
}

/// Kinds whose status others write keep only what moves when the rest does; the others keep their resourceVersion.
fn as_its_owner_wrote_it<K: Serialize>(object: &K) -> Result<Value> {
    let mut value = serde_json::to_value(object)?;
    let has_status = value
        .get("status")
        .is_some_and(|s| !s.is_null() && s != &serde_json::json!({}));
    if let Some(object) = value.as_object_mut() {
        object.remove("status");
        // Secrets must not end up in a test's output.
        object.remove("data");
    }
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if has_status {
            metadata.remove("resourceVersion");
        }
    }
    Ok(value)
}

/// What differs between two looks.
pub fn differences(before: &Children, after: &Children) -> Vec<String> {
    let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    keys.into_iter()
        .filter(|key| before.get(*key) != after.get(*key))
        .map(|key| match (before.get(key), after.get(key)) {
            (Some(_), Some(_)) => format!("{key} was written"),
            (Some(_), None) => format!("{key} is gone"),
            _ => format!("{key} is new"),
        })
        .collect()
}

/// Watches for a while that nothing is written; errors with what was.
pub async fn stay(namespace: &TestNamespace, owner: &str, before: &Children, long: Duration) -> Result<()> {
    let every = Duration::from_millis(700);
    let changed = poll::until("a write", long, every, || async {
        let differences = differences(before, &of(namespace, owner).await?);
        Ok(if differences.is_empty() {
            Look::NotYet("none".to_owned())
        } else {
            Look::Found(differences)
        })
    })
    .await;
    match changed {
        Ok(differences) => anyhow::bail!("children were written: {differences:?}"),
        Err(_) => Ok(()),
    }
}
