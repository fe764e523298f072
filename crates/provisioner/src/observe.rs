//! The only reader: one look at a database and all that belongs to it.
//!
//! Reads run side by side. A read that fails is an error; only "not found" is absence. Secrets are read one by one, by
//! name: this process may neither list nor watch them.

mod children;
mod secrets;

use std::fmt::Debug;
use std::sync::Arc;

use api_types::{Postgres, PostgresVersion, names, vocabulary as words};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod};
use kube::api::ListParams;
use kube::{Api, Client, Resource, ResourceExt};
use runtime::{ApplyError, ObjectId};
use serde::de::DeserializeOwned;

use crate::controller::Context;
use crate::error::Error;
use crate::world::{Leftovers, Version, World};

/// Looks at the database.
///
/// # Errors
/// When something could not be read.
pub async fn observe(context: &Context, postgres: Arc<Postgres>) -> Result<World, Error> {
    let reader = Reader::new(&context.client, &postgres);
    let (version, (secrets, config, mut live), pods, patroni, leftovers) = tokio::try_join!(
        version(&reader),
        async {
            let live = children::read(&reader).await?;
            let (secrets, config) = secrets::read(&reader, &live).await?;
            Ok((secrets, config, live))
        },
        pods(&reader),
        patroni(&reader),
        leftovers(&reader),
    )?;
    live.extend(config.map(crate::child::Child::Secret));
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
        leftovers,
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

/// Where Patroni keeps what all members share. Of a database that is being deleted it is one of the [`leftovers`].
async fn patroni(reader: &Reader<'_>) -> Result<Option<ConfigMap>, Error> {
    if reader.is_deleting() {
        return Ok(None);
    }
    patroni_map(reader, "config").await
}

/// One of the ConfigMaps that Patroni makes for a database; nothing owns them.
async fn patroni_map(reader: &Reader<'_>, suffix: &str) -> Result<Option<ConfigMap>, Error> {
    Ok(reader.get(&names::with_suffix(&reader.name, suffix)).await?)
}

async fn leftovers(reader: &Reader<'_>) -> Result<Leftovers, Error> {
    if !reader.is_deleting() {
        return Ok(Leftovers::default());
    }
    let prefix = format!("{}-{}", words::DATA_VOLUME, reader.name);
    let selector = reader.selector();
    let mut claims: Vec<PersistentVolumeClaim> = reader.list(&selector).await?;
    claims.retain(|claim| ordinal(&claim.name_any(), &prefix).is_some());
    let mut patroni = Vec::new();
    for suffix in ["leader", "config", "failover", "sync"] {
        patroni.extend(patroni_map(reader, suffix).await?);
    }
    Ok(Leftovers { claims, patroni })
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
