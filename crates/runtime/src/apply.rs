//! Writing objects: server-side apply, locked merge patch, delete by UID, eviction.

use std::fmt::Debug;

use api_types::vocabulary::BLUEPRINT_HASH;
use k8s_openapi::{
    NamespaceResourceScope, api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, EvictParams, Patch, PatchParams, Preconditions},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::apply_error::{ApplyError, ObjectId};

/// Server-side apply with force: the object's fields become exactly those given, whatever manager owned them before;
/// fields that `manager` applied earlier and left out now are removed. `object` must not carry status or managed
/// fields.
///
/// # Errors
/// [`ApplyError`], naming the object.
pub async fn apply<K>(client: &Client, object: &K, manager: &str) -> Result<K, ApplyError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned,
{
    let (api, name) = api_of(client, object, "apply")?;
    let params = PatchParams::apply(manager).force();
    api.patch(&name, &params, &Patch::Apply(object))
        .await
        .map_err(|source| ApplyError::new("apply", ObjectId::of(object), source))
}

/// [`apply`], unless [`needs_apply`] finds that the live object matches; then `None`.
///
/// # Errors
/// [`ApplyError`], naming the object.
pub async fn apply_changed<K>(
    client: &Client,
    live: Option<&ObjectMeta>,
    object: &K,
    manager: &str,
) -> Result<Option<K>, ApplyError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned,
{
    if !needs_apply(live, object.meta()) {
        return Ok(None);
    }
    apply(client, object, manager).await.map(Some)
}

/// Whether an object has to be applied: it is absent, its blueprint hash differs or is missing, or labels, annotations
/// or owners that we want are not there.
pub fn needs_apply(live: Option<&ObjectMeta>, wanted: &ObjectMeta) -> bool {
    let Some(live) = live else { return true };
    let hash = |meta: &ObjectMeta| {
        meta.annotations
            .as_ref()
            .and_then(|a| a.get(BLUEPRINT_HASH).cloned())
    };
    let Some(wanted_hash) = hash(wanted) else {
        return true;
    };
    let entries_missing = |wanted: &Option<std::collections::BTreeMap<_, _>>, live: &Option<_>| {
        wanted.iter().flatten().any(|(key, value): (&String, &String)| {
            live.as_ref()
                .and_then(|l: &std::collections::BTreeMap<String, String>| l.get(key))
                != Some(value)
        })
    };
    let owner_missing = wanted.owner_references.iter().flatten().any(|owner| {
        !live
            .owner_references
            .iter()
            .flatten()
            .any(|l| l.uid == owner.uid && l.controller == owner.controller)
    });
    hash(live) != Some(wanted_hash)
        || entries_missing(&wanted.labels, &live.labels)
        || entries_missing(&wanted.annotations, &live.annotations)
        || owner_missing
}

/// Merge patch that only succeeds if the object is still as `observed`: it carries its resource version and UID.
///
/// # Errors
/// [`ApplyError::Conflict`] when another client wrote first, and the other [`ApplyError`]s.
pub async fn merge_patch<K>(
    client: &Client,
    observed: &K,
    patch: Value,
    manager: &str,
) -> Result<K, ApplyError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let action = "patch";
    let (api, name) = api_of(client, observed, action)?;
    let patch = locked(patch, observed.meta()).ok_or_else(|| ApplyError::Incomplete {
        action,
        object: ObjectId::of(observed),
        missing: "metadata.resourceVersion",
    })?;
    let params = PatchParams {
        field_manager: Some(manager.to_owned()),
        ..PatchParams::default()
    };
    api.patch(&name, &params, &Patch::Merge(&patch))
        .await
        .map_err(|source| ApplyError::new(action, ObjectId::of(observed), source))
}

/// The patch with the preconditions of `observed`; `None` when it was never read from a server.
fn locked(mut patch: Value, observed: &ObjectMeta) -> Option<Value> {
    let version = observed.resource_version.as_ref()?;
    if !patch.get("metadata").is_some_and(Value::is_object) {
        patch["metadata"] = json!({});
    }
    patch["metadata"]["resourceVersion"] = json!(version);
    if let Some(uid) = &observed.uid {
        patch["metadata"]["uid"] = json!(uid);
    }
    Some(patch)
}

/// The result of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The API server accepted it; the object may stay until its finalizers and grace period are over.
    Accepted,
    /// That object is gone already, or another one has its name now.
    Gone,
}

/// Deletes exactly the object that was observed: another one of the same name is left alone. Dependents are collected
/// in the background.
///
/// # Errors
/// [`ApplyError`]; an object that is gone is no error.
pub async fn delete<K>(client: &Client, observed: &K) -> Result<Deletion, ApplyError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let action = "delete";
    let (api, name) = api_of(client, observed, action)?;
    let params = this_very_object(observed.meta(), action, || ObjectId::of(observed))?;
    match api.delete(&name, &params).await {
        Ok(_) => Ok(Deletion::Accepted),
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(Deletion::Gone),
        Err(source) => Err(ApplyError::new(action, ObjectId::of(observed), source)),
    }
}

/// The result of an eviction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// The Pod is going.
    Accepted,
    /// That Pod is gone already, or another one has its name now.
    Gone,
    /// A PodDisruptionBudget does not allow it now; the API server's words.
    Blocked(String),
}

/// Evicts exactly the Pod that was observed. `client` should be [`crate::Process::client`]: its retries of 429 end soon.
///
/// # Errors
/// [`ApplyError`]; a disruption budget that refuses is no error.
pub async fn evict(client: &Client, observed: &Pod) -> Result<Eviction, ApplyError> {
    let action = "evict";
    let (api, name) = api_of(client, observed, action)?;
    let delete_options = this_very_object(&observed.metadata, action, || ObjectId::of(observed))?;
    let params = EvictParams {
        delete_options: Some(delete_options),
        ..EvictParams::default()
    };
    match api.evict(&name, &params).await {
        Ok(_) => Ok(Eviction::Accepted),
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(Eviction::Gone),
        Err(kube::Error::Api(status)) if status.code == 429 => Ok(Eviction::Blocked(status.message.clone())),
        Err(source) => Err(ApplyError::new(action, ObjectId::of(observed), source)),
    }
}

fn this_very_object(
    observed: &ObjectMeta,
    action: &'static str,
    object: impl FnOnce() -> ObjectId,
) -> Result<DeleteParams, ApplyError> {
    let Some(uid) = observed.uid.clone() else {
        return Err(ApplyError::Incomplete {
            action,
            object: object(),
            missing: "metadata.uid",
        });
    };
    Ok(DeleteParams::background().preconditions(Preconditions {
        uid: Some(uid),
        resource_version: None,
    }))
}

fn api_of<K>(client: &Client, object: &K, action: &'static str) -> Result<(Api<K>, String), ApplyError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    let lacking = |missing| ApplyError::Incomplete {
        action,
        object: ObjectId::of(object),
        missing,
    };
    let namespace = object
        .meta()
        .namespace
        .as_deref()
        .ok_or_else(|| lacking("metadata.namespace"))?;
    let name = object
        .meta()
        .name
        .clone()
        .ok_or_else(|| lacking("metadata.name"))?;
    Ok((Api::namespaced(client.clone(), namespace), name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

    use super::*;

    fn meta(hash: &str) -> ObjectMeta {
        ObjectMeta {
            annotations: Some(BTreeMap::from([(BLUEPRINT_HASH.to_owned(), hash.to_owned())])),
            labels: Some(BTreeMap::from([("app".to_owned(), "pg".to_owned())])),
            owner_references: Some(vec![OwnerReference {
                uid: "u1".to_owned(),
                ..OwnerReference::default()
            }]),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn an_absent_or_different_object_needs_apply() {
        assert!(needs_apply(None, &meta("a")));
        assert!(needs_apply(Some(&meta("b")), &meta("a")));
        assert!(needs_apply(Some(&ObjectMeta::default()), &meta("a")));
    }

    #[test]
    fn an_equal_object_is_left_alone_whatever_others_added() {
        let mut live = meta("a");
        live.labels
            .as_mut()
            .unwrap()
            .insert("team".to_owned(), "x".to_owned());
        live.annotations
            .as_mut()
            .unwrap()
            .insert("note".to_owned(), "y".to_owned());
        assert!(!needs_apply(Some(&live), &meta("a")));
    }

    #[test]
    fn labels_and_owners_that_somebody_took_away_come_back() {
        let mut live = meta("a");
        live.labels = None;
        assert!(needs_apply(Some(&live), &meta("a")));
        let mut live = meta("a");
        live.owner_references = None;
        assert!(needs_apply(Some(&live), &meta("a")));
    }

    #[test]
    fn an_object_without_hash_is_always_applied() {
        assert!(needs_apply(Some(&ObjectMeta::default()), &ObjectMeta::default()));
    }

    #[test]
    fn a_locked_patch_names_what_was_observed() {
        let observed = ObjectMeta {
            resource_version: Some("7".to_owned()),
            uid: Some("u".to_owned()),
            ..ObjectMeta::default()
        };
        let patch = locked(json!({"metadata": {"annotations": {"a": null}}}), &observed).unwrap();
        assert_eq!(
            patch,
            json!({"metadata": {"annotations": {"a": null}, "resourceVersion": "7", "uid": "u"}})
        );
        assert_eq!(locked(json!({}), &ObjectMeta::default()), None);
    }
}
