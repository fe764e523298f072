//! The only reader: one observation of a database and all that belongs to it.
//!
//! Reads run side by side. A read that fails is an error; only "not found" is absence. Secrets are read one by one, by
//! name: this process may neither list nor watch them.

mod children;
mod names;
mod secrets;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use api_types::names as object_names;
use api_types::{Postgres, PostgresVersion, vocabulary as words};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, PodTemplateSpec};
use kube::api::ListParams;
use kube::{Api, Client, Resource, ResourceExt};
use runtime::{ApplyError, ObjectId};
use serde::de::DeserializeOwned;

use crate::child::Child;
use crate::controller::Context;
use crate::decide::{data, outdated};
use crate::error::Error;
use crate::world::{Leftovers, Version, World};

/// Observes the database.
///
/// # Errors
/// When something could not be read.
pub async fn observe(context: &Context, postgres: Arc<Postgres>) -> Result<World, Error> {
    let reader = Reader::new(&context.client, &postgres);
    let (version, (secrets, config, name_holders, mut live), pods, (patroni, patroni_state), claims) = tokio::try_join!(
        version(&reader),
        async {
            let live = children::read(&reader).await?;
            let ((secrets, config), holders) =
                tokio::try_join!(secrets::read(&reader, &live), names::read(&reader, &live))?;
            Ok((secrets, config, holders, live))
        },
        pods(&reader),
        patroni(&reader),
        claims(&reader),
    )?;
    let (maps, former_templates) = tokio::try_join!(
        removable_maps(&reader, &pods),
        former_templates(&reader, &live, &pods)
    )?;
    live.extend(config.map(Child::Secret));
    let health = context
        .watchers
        .latest(postgres.metadata.uid.as_deref().unwrap_or_default());
    Ok(World {
        now: Timestamp::now(),
        version,
        secrets,
        live,
        pods,
        patroni,
        patroni_state,
        name_holders,
        leftovers: Leftovers {
            claims,
            patroni: maps,
        },
        former_templates,
        health,
        postgres,
    })
}

/// Reads objects of one database's namespace.
struct Reader<'a> {
    client: &'a Client,
    postgres: &'a Postgres,
    namespace: String,
    name: String,
}

impl<'a> Reader<'a> {
    fn new(client: &'a Client, postgres: &'a Postgres) -> Self {
        Self {
            client,
            namespace: postgres.namespace().unwrap_or_default(),
            name: postgres.name_any(),
            postgres,
        }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The object of this name; `None` when there is none.
    async fn get<K>(&self, name: &str) -> Result<Option<K>, ApplyError>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        self.api::<K>()
            .get_opt(name)
            .await
            .map_err(|source| self.unreadable::<K>(name, source))
    }

    /// The objects that carry the database's labels.
    async fn list<K>(&self, labels: &str) -> Result<Vec<K>, ApplyError>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let found = self.api::<K>().list(&ListParams::default().labels(labels)).await;
        Ok(found
            .map_err(|source| self.unreadable::<K>(labels, source))?
            .items)
    }

    fn unreadable<K: Resource<DynamicType = ()>>(&self, name: &str, source: kube::Error) -> ApplyError {
        let object = ObjectId {
            kind: K::kind(&()).into_owned(),
            namespace: self.namespace.clone(),
            name: name.to_owned(),
        };
        ApplyError::new("read", object, source)
    }

    /// Selects what belongs to the database, by KubeDB's labels.
    fn selector(&self) -> String {
        format!(
            "{}={},{}={}",
            words::NAME_LABEL,
            words::NAME_VALUE,
            words::INSTANCE_LABEL,
            self.name
        )
    }

    fn is_deleting(&self) -> bool {
        self.postgres.metadata.deletion_timestamp.is_some()
    }
}

async fn version(reader: &Reader<'_>) -> Result<Version, Error> {
    let api: Api<PostgresVersion> = Api::all(reader.client.clone());
    let name = &reader.postgres.spec.version;
    let unreadable = |source| {
        let object = ObjectId {
            kind: "PostgresVersion".into(),
            namespace: String::new(),
            name: name.clone(),
        };
        ApplyError::new("read", object, source)
    };
    // An empty name would be a list, not an object.
    if !name.is_empty()
        && let Some(version) = api.get_opt(name).await.map_err(unreadable)?
    {
        return Ok(Version::Found(Box::new(version)));
    }
    let catalog = api
        .list_metadata(&ListParams::default())
        .await
        .map_err(unreadable)?;
    Ok(Version::Unknown {
        known: catalog.iter().map(ResourceExt::name_any).collect(),
    })
}

async fn pods(reader: &Reader<'_>) -> Result<Vec<Pod>, Error> {
    let mut pods: Vec<Pod> = reader.list(&reader.selector()).await?;
    pods.retain(|pod| ordinal(&pod.name_any(), &reader.name).is_some());
    pods.sort_by_key(|pod| ordinal(&pod.name_any(), &reader.name));
    Ok(pods)
}

/// The number in `<db>-<number>`.
fn ordinal(name: &str, db: &str) -> Option<i32> {
    name.strip_prefix(db)?.strip_prefix('-')?.parse().ok()
}

/// Where Patroni keeps what all members share, and its other ConfigMaps. Nothing owns them. Of a database that is being deleted
/// they are among the [`leftovers`].
async fn patroni(reader: &Reader<'_>) -> Result<(Option<ConfigMap>, Vec<ConfigMap>), Error> {
    if reader.is_deleting() {
        return Ok((None, Vec::new()));
    }
    let mut maps = patroni_maps(reader).await?;
    let config = object_names::patroni_map(&reader.name, "config");
    let at = maps.iter().position(|map| map.name_any() == config);
    Ok((at.map(|at| maps.swap_remove(at)), maps))
}

/// Patroni's ConfigMaps: by their labels, since another object of such a name is none of ours.
async fn patroni_maps(reader: &Reader<'_>) -> Result<Vec<ConfigMap>, Error> {
    let names = object_names::PATRONI_MAPS.map(|suffix| object_names::patroni_map(&reader.name, suffix));
    let mut maps: Vec<ConfigMap> = reader.list(&reader.selector()).await?;
    maps.retain(|map| names.contains(&map.name_any()));
    Ok(maps)
}

async fn claims(reader: &Reader<'_>) -> Result<Vec<PersistentVolumeClaim>, Error> {
    let prefix = format!("{}-{}", words::DATA_VOLUME, reader.name);
    let selector = reader.selector();
    let mut claims: Vec<PersistentVolumeClaim> = reader.list(&selector).await?;
    claims.retain(|claim| ordinal(&claim.name_any(), &prefix).is_some());
    claims.sort_by_key(|claim| ordinal(&claim.name_any(), &prefix));
    Ok(claims)
}

/// Patroni's objects, where they may have to go.
async fn removable_maps(reader: &Reader<'_>, pods: &[Pod]) -> Result<Vec<ConfigMap>, Error> {
    if reader.is_deleting() || data::are_empty(pods) {
        return patroni_maps(reader).await;
    }
    Ok(Vec::new())
}

/// The templates of Pods that are not of the PetSet's revision, as far as their revisions are still there.
async fn former_templates(
    reader: &Reader<'_>,
    live: &[Child],
    pods: &[Pod],
) -> Result<BTreeMap<String, PodTemplateSpec>, Error> {
    let pet_set = live.iter().find_map(|child| match child {
        Child::PetSet(pet_set) => Some(pet_set.as_ref()),
        _ => None,
    });
    let mut found = BTreeMap::new();
    for name in outdated::former_revisions(pet_set, pods) {
        let revision = reader.get::<ControllerRevision>(&name).await?;
        let data = revision.and_then(|revision| revision.data);
        let template = data.and_then(|data| data.0.pointer("/spec/template").cloned());
        if let Some(template) = template.and_then(|template| serde_json::from_value(template).ok()) {
            found.insert(name, template);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::ordinal;

    #[test]
    fn only_members_of_this_database_have_an_ordinal() {
        assert_eq!(ordinal("pg-2", "pg"), Some(2));
        assert_eq!(ordinal("pg-standby-2", "pg"), None);
        assert_eq!(ordinal("pg2-0", "pg"), None);
        assert_eq!(ordinal("data-pg-1", "data-pg"), Some(1));
    }
}
