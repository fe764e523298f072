//! Reads the API server. Nothing comes from a cache: the response contains everything that this controller wrote
//! before.

use std::collections::BTreeMap;

use api_types::{PetSet, PlacementPolicy};
use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim, Pod};
use kube::api::ListParams;
use kube::{Api, Client, Resource, ResourceExt};
use runtime::{ApplyError, ObjectId};
use serde::de::DeserializeOwned;

use crate::claims::claim_names;
use crate::resolve::Desired;
use crate::trouble;
use crate::world::{Placement, PlatformEvent, World};

/// The current PetSet; `None` when it is gone.
///
/// # Errors
/// [`ApplyError`], when it can't be read.
pub async fn pet_set(client: &Client, namespace: &str, name: &str) -> Result<Option<PetSet>, ApplyError> {
    get(client, namespace, name).await
}

/// Everything that a decision about the PetSet needs.
///
/// # Errors
/// [`ApplyError`], when something can't be read: then nothing is decided, for unknown is not absent.
pub async fn world(client: &Client, pet_set: &PetSet, desired: &Desired) -> Result<World, ApplyError> {
    let (pods, claims, revisions, placement) = tokio::try_join!(
        pods(client, desired),
        claims(client, desired),
        list(client, desired),
        placement(client, desired),
    )?;
    let status = pet_set.status.clone().unwrap_or_default();
    let claims: BTreeMap<String, PersistentVolumeClaim> = claims
        .into_iter()
        .map(|claim| (claim.name_any(), claim))
        .collect();
    let late = trouble::asks_events_of(desired, &pods, &claims, Timestamp::now());
    let events = events(client, &desired.namespace, late).await?;
    Ok(World {
        events,
        status,
        pods,
        claims,
        revisions,
        placement,
    })
}

/// Selected Pods, and Pods that have an ordinal's name without being selected.
async fn pods(client: &Client, desired: &Desired) -> Result<Vec<Pod>, ApplyError> {
    let selected: Vec<Pod> = list(client, desired).await?;
    let names = desired.ordinals().map(|ordinal| desired.pod_name(ordinal));
    with_named(client, desired, selected, names).await
}

/// Selected claims, and claims that have an ordinal's name without being selected: a volume that was brought in.
async fn claims(client: &Client, desired: &Desired) -> Result<Vec<PersistentVolumeClaim>, ApplyError> {
    if desired.claim_templates.is_empty() {
        return Ok(vec![]);
    }
    let selected: Vec<PersistentVolumeClaim> = list(client, desired).await?;
    let names = desired
        .ordinals()
        .flat_map(|ordinal| claim_names(desired, ordinal));
    with_named(client, desired, selected, names).await
}

/// What was reported about each of these objects. Events are indexed by the object's UID for this.
async fn events(
    client: &Client,
    namespace: &str,
    uids: Vec<String>,
) -> Result<BTreeMap<String, Vec<PlatformEvent>>, ApplyError> {
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    let read = uids.into_iter().map(|uid| {
        let api = api.clone();
        async move {
            let about = ListParams::default().fields(&format!("involvedObject.uid={uid}"));
            let listed = api.list(&about).await;
            let listed =
                listed.map_err(|source| ApplyError::new("list", id::<Event>(namespace, "*"), source))?;
            Ok((uid, listed.items.into_iter().map(platform_event).collect()))
        }
    });
    let found: Vec<_> = futures::future::try_join_all(read).await?;
    Ok(found.into_iter().collect())
}

fn platform_event(event: Event) -> PlatformEvent {
    let repeated = event
        .series
        .and_then(|series| series.last_observed_time.map(|time| time.0));
    let last = event.last_timestamp.map(|time| time.0);
    let first = event.event_time.map(|time| time.0);
    let made = event.metadata.creation_timestamp.map(|time| time.0);
    PlatformEvent {
        reason: event.reason.unwrap_or_default(),
        message: event.message.unwrap_or_default(),
        is_warning: event.type_.is_some_and(|type_| type_ == "Warning"),
        at: [repeated, last, first, made]
            .into_iter()
            .flatten()
            .max()
            .unwrap_or_default(),
    }
}

async fn with_named<K>(
    client: &Client,
    desired: &Desired,
    mut found: Vec<K>,
    names: impl Iterator<Item = String>,
) -> Result<Vec<K>, ApplyError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    let missing: Vec<String> = names
        .filter(|name| found.iter().all(|k| k.name_any() != *name))
        .collect();
    let named = missing
        .iter()
        .map(|name| get::<K>(client, &desired.namespace, name));
    found.extend(futures::future::try_join_all(named).await?.into_iter().flatten());
    Ok(found)
}

async fn placement(client: &Client, desired: &Desired) -> Result<Placement, ApplyError> {
    let Some(name) = &desired.placement_policy else {
        return Ok(Placement::None);
    };
    let api: Api<PlacementPolicy> = Api::all(client.clone());
    match api.get_opt(name).await {
        Ok(Some(policy)) => Ok(Placement::Policy(Box::new(policy.spec))),
        Ok(None) => Ok(Placement::Missing(name.clone())),
        Err(source) => Err(ApplyError::new("read", id::<PlacementPolicy>("", name), source)),
    }
}

async fn list<K>(client: &Client, desired: &Desired) -> Result<Vec<K>, ApplyError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), &desired.namespace);
    let params = ListParams::default().labels_from(&desired.selector);
    let listed = api.list(&params).await;
    Ok(listed
        .map_err(|source| ApplyError::new("list", id::<K>(&desired.namespace, "*"), source))?
        .items)
}

async fn get<K>(client: &Client, namespace: &str, name: &str) -> Result<Option<K>, ApplyError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    api.get_opt(name)
        .await
        .map_err(|source| ApplyError::new("read", id::<K>(namespace, name), source))
}

fn id<K: Resource<DynamicType = ()>>(namespace: &str, name: &str) -> ObjectId {
    ObjectId {
        kind: K::kind(&()).into_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}
