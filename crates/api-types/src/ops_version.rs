//! What an `UpdateVersion` changes into what.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::postgres::PostgresSpec;

/// What an `UpdateVersion` changes, fixed when it begins. Not part of KubeDB's API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionPlan {
    /// `spec.version` when the operation began.
    pub found: VersionName,
    /// What the members ran then.
    pub before: PinnedVersion,
    /// What they are to run.
    pub after: PinnedVersion,
}

/// A PostgresVersion as it was when the operation began. Not part of KubeDB's API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PinnedVersion {
    /// Its name.
    pub name: String,
    /// The PostgreSQL in its image, for example `17.9`; absent where the catalog has another image under the name by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its image.
    pub image: String,
}

/// The field of `Postgres.spec` that an `UpdateVersion` changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionName {
    /// `spec.version`.
    pub version: String,
}

impl VersionName {
    /// The name in a spec.
    pub fn of(spec: &PostgresSpec) -> Self {
        Self {
            version: spec.version.clone(),
        }
    }

    /// Writes it into a spec.
    pub fn write(&self, spec: &mut PostgresSpec) {
        spec.version.clone_from(&self.version);
    }
}

impl PinnedVersion {
    /// The name as a spec has it.
    pub fn to_name(&self) -> VersionName {
        VersionName {
            version: self.name.clone(),
        }
    }
}
