//! What the members of a database were born with and follow now (`Postgres.status.deployed`), whatever the spec has by now. Not
//! part of KubeDB's API.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::vocabulary::DEPLOYED_VERSION;
use crate::{Major, Postgres};

/// What the members were born with and follow now. The provisioner writes it; both operators read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deployed {
    /// The PostgreSQL whose data there is.
    pub version: DeployedVersion,
    /// The superuser's credentials that open the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<DeployedAuth>,
    /// The members' volumes; absent when the data is in the Pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<DeployedStorage>,
    /// How many members have the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Numeric user that PostgreSQL runs as, the owner of the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_user: Option<i64>,
    /// Its numeric group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_group: Option<i64>,
}

/// A PostgreSQL whose data there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeployedVersion {
    /// Name of its PostgresVersion.
    pub name: String,
    /// Its major version: another one can't read the files.
    #[schemars(with = "u32")]
    pub major: Major,
    /// Image of the members.
    pub image: String,
}

impl DeployedVersion {
    /// As the annotation [`DEPLOYED_VERSION`] of a volume claim has it.
    pub fn to_annotation(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From the annotations of a volume claim; none when they do not have it.
    pub fn of_annotations(annotations: Option<&BTreeMap<String, String>>) -> Option<Self> {
        serde_json::from_str(annotations?.get(DEPLOYED_VERSION)?).ok()
    }
}

/// The superuser's credentials that open the database; the password is in Secrets only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeployedAuth {
    /// Name of the auth Secret that they came from.
    pub secret_name: String,
    /// Name of the superuser.
    pub username: String,
    /// Counts the credentials that have opened the database, from 1: a number that differs means another password.
    pub revision: i64,
}

/// The members' volumes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeployedStorage {
    /// Their StorageClass; absent while the volumes are not bound and the spec names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class_name: Option<String>,
    /// Size of the smallest of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Quantity>,
}

impl Postgres {
    /// What the members were born with and follow now, as the status has it.
    pub fn deployed(&self) -> Option<&Deployed> {
        self.status.as_ref()?.deployed.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_back_from_the_annotation_of_a_claim() {
        let version = DeployedVersion {
            name: "15.5".into(),
            major: Major::new(15),
            image: "postgres:15.5".into(),
        };
        let of = |text: &str| {
            let annotations = BTreeMap::from([(DEPLOYED_VERSION.to_owned(), text.to_owned())]);
            DeployedVersion::of_annotations(Some(&annotations))
        };
        assert_eq!(of(&version.to_annotation()), Some(version));
        assert_eq!(of("15.5"), None);
        assert_eq!(DeployedVersion::of_annotations(None), None);
    }
}
