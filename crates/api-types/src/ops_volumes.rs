//! What a `VolumeExpansion` changes into what.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::postgres::PostgresSpec;

/// The word of `volumeExpansion.mode` for volumes that grow while they are in use.
pub const MODE_ONLINE: &str = "Online";
/// The word of `volumeExpansion.mode` for volumes that grow while no Pod uses them.
pub const MODE_OFFLINE: &str = "Offline";
/// Key of the size in a claim's requests and capacity.
pub const STORAGE: &str = "storage";

/// What a `VolumeExpansion` changes, fixed when it begins. Not part of KubeDB's API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolumePlan {
    /// The size that new members got when the operation began.
    #[serde(default)]
    pub before: VolumeSize,
    /// The size in the spec when the operation began.
    #[serde(default)]
    pub found: VolumeSize,
    /// The size that it is to have.
    #[serde(default)]
    pub after: VolumeSize,
    /// Bytes of each member's file system before its claim was changed, by Pod name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub file_systems: BTreeMap<String, i64>,
    /// Why the storage driver does not enlarge a member's volume, by Pod name; with `mode` `Offline` only.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, String>,
}

/// The field of `Postgres.spec` that a `VolumeExpansion` may change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolumeSize {
    /// `spec.storage.resources.requests.storage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Quantity>,
}

impl VolumeSize {
    /// This size.
    pub fn new(size: Quantity) -> Self {
        Self { storage: Some(size) }
    }

    /// The size in a spec.
    pub fn of(spec: &PostgresSpec) -> Self {
        let requests = spec
            .storage
            .as_ref()
            .and_then(|claim| claim.resources.as_ref()?.requests.as_ref());
        Self {
            storage: requests.and_then(|requests| requests.get(STORAGE)).cloned(),
        }
    }

    /// Writes it into a spec that has storage.
    pub fn write(&self, spec: &mut PostgresSpec) {
        let (Some(claim), Some(size)) = (&mut spec.storage, &self.storage) else {
            return;
        };
        let resources = claim.resources.get_or_insert_default();
        let requests = resources.requests.get_or_insert_default();
        requests.insert(STORAGE.to_owned(), size.clone());
    }
}
