//! The objects that have the names that are about to be used: metadata only, of objects that are not among the
//! children.

use std::ops::Range;

use api_types::names;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod};
use k8s_openapi::api::rbac::v1::RoleBinding;

use super::Reader;
use crate::child::Child;
use crate::error::Error;
use crate::world::NameHolder;

/// Operators that bind themselves to the Secrets of a database's namespace.
const OPERATORS: [&str; 2] = ["provisioner", "ops-manager"];

/// Most members whose names are checked in one pass.
const MOST_MEMBERS: i32 = 64;

/// Objects under the names of members that are still to be made, and before the first members of Patroni's ConfigMaps and of our
/// RoleBindings. A database whose members are there needs none of these requests.
pub async fn read(reader: &Reader<'_>, live: &[Child]) -> Result<Vec<NameHolder>, Error> {
    if reader.is_deleting() {
        return Ok(Vec::new());
    }
    let uid = reader.postgres.metadata.uid.as_deref().unwrap_or_default();
    let made = live.iter().find_map(|child| match child {
        Child::PetSet(pet_set) if child.is_owned_by(uid) => Some(pet_set.spec.replicas.unwrap_or(1)),
        _ => None,
    });
    let wanted = reader.postgres.spec.replicas.unwrap_or(1);
    let ordinals = made.unwrap_or(0)..wanted.min(MOST_MEMBERS);
    let (members, once) = tokio::try_join!(members(reader, ordinals), async {
        match made {
            Some(_) => Ok(Vec::new()),
            None => once(reader).await,
        }
    })?;
    Ok(members.into_iter().chain(once).collect())
}

async fn members(reader: &Reader<'_>, ordinals: Range<i32>) -> Result<Vec<NameHolder>, Error> {
    let db = reader.name.as_str();
    let pods = ordinals.clone().map(|ordinal| names::pod(db, ordinal));
    let pods = futures::future::try_join_all(pods.map(|name| holder::<Pod>(reader, name)));
    let claims = ordinals.map(|ordinal| names::data_claim(db, ordinal));
    let claims = claims.map(|name| holder::<PersistentVolumeClaim>(reader, name));
    let (pods, claims) = tokio::try_join!(pods, futures::future::try_join_all(claims))?;
    Ok(pods.into_iter().chain(claims).flatten().collect())
}

async fn once(reader: &Reader<'_>) -> Result<Vec<NameHolder>, Error> {
    let db = reader.name.as_str();
    let maps = names::PATRONI_MAPS.map(|suffix| holder::<ConfigMap>(reader, names::patroni_map(db, suffix)));
    let bindings =
        OPERATORS.map(|operator| holder::<RoleBinding>(reader, names::operator_role_binding(db, operator)));
    let (maps, bindings) = tokio::try_join!(
        futures::future::try_join_all(maps),
        futures::future::try_join_all(bindings),
    )?;
    Ok(maps.into_iter().chain(bindings).flatten().collect())
}

async fn holder<K>(reader: &Reader<'_>, name: String) -> Result<Option<NameHolder>, Error>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + k8s_openapi::Resource
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let found = reader.api::<K>().get_metadata_opt(&name).await;
    let found = found.map_err(|source| reader.unreadable::<K>(&name, source))?;
    Ok(found.map(|object| NameHolder {
        kind: K::KIND,
        meta: object.metadata,
    }))
}
