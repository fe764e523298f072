//! `PostgresVersion`, `catalog.kubedb.com/v1alpha1`: a PostgreSQL that can be run, by name.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Major;

/// Images and rules of one PostgreSQL version.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "catalog.kubedb.com",
    version = "v1alpha1",
    kind = "PostgresVersion",
    doc = "A PostgreSQL that can be run, by the name that a Postgres gives in spec.version.",
    plural = "postgresversions",
    singular = "postgresversion",
    shortname = "pgversion",
    category = "catalog",
    category = "kubedb",
    category = "appscode",
    derive = "PartialEq",
    derive = "Default",
    printcolumn(name = "Version", type_ = "string", json_path = ".spec.version"),
    printcolumn(name = "Distribution", type_ = "string", json_path = ".spec.distribution"),
    printcolumn(name = "DB_IMAGE", type_ = "string", json_path = ".spec.db.image"),
    printcolumn(name = "Deprecated", type_ = "boolean", json_path = ".spec.deprecated"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct PostgresVersionSpec {
    /// The real PostgreSQL version, for example `17.9`; the part before the first dot is the major version.
    pub version: String,
    /// No longer supported by its makers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_of_life: Option<bool>,
    /// Not to be used for new databases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<bool>,
    /// `Official`, `TimescaleDB`, `PostGIS`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<String>,
    /// The database's image.
    pub db: DbImage,
    /// KubeDB's init container; not used here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_container: Option<ImageRef>,
    /// The container beside every member that brings its files: Sealwright's `config-agent`. KubeDB's coordinator, which
    /// has this field there, has no task here; its image can't be used.
    pub coordinator: ImageRef,
    /// The metrics exporter.
    pub exporter: ImageRef,
    /// KubeDB's pod security policies; not used here.
    pub pod_security_policies: PodSecurityPolicies,
    /// Backup tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stash: Option<StashAddons>,
    /// User that PostgreSQL runs as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_context: Option<VersionSecurityContext>,
    /// TLS facts of the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<VersionTls>,
    /// Versions that this one may be updated to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_constraints: Option<UpdateConstraints>,
    /// Archiver images and tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archiver: Option<ArchiverImages>,
    /// Git synchronisation image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_syncer: Option<ImageRef>,
    /// User interfaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ui: Vec<UiRef>,
    /// KubeDB's courier images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub courier: Option<CourierImages>,
    /// Whether the image needs a license; kept, and not used by Sealwright's images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<VersionLicense>,
}

/// Whether the image needs a license.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VersionLicense {
    /// A Postgres of this version must give `spec.license`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
}

/// The database's image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DbImage {
    /// Image reference.
    pub image: String,
    /// `alpine`, `bookworm`, `trixie`, …
    #[serde(rename = "baseOS", default, skip_serializing_if = "Option::is_none")]
    pub base_os: Option<String>,
}

/// An image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ImageRef {
    /// Image reference.
    pub image: String,
}

/// KubeDB's pod security policies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodSecurityPolicies {
    /// Of the database's Pods.
    pub database_policy_name: String,
}

/// User that PostgreSQL runs as.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionSecurityContext {
    /// Numeric user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_user: Option<i64>,
    /// Whether another user than that works too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_any_non_root: Option<bool>,
}

/// TLS facts of a version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionTls {
    /// Clients must not resume TLS sessions.
    #[serde(
        rename = "disableSSLSessionResumption",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub disable_ssl_session_resumption: Option<bool>,
}

/// Versions that a version may be updated to; ranges of semantic versions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UpdateConstraints {
    /// Allowed; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowlist: Vec<String>,
    /// Denied; wins over allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denylist: Vec<String>,
}

/// A user interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UiRef {
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Backup tasks of Stash, copied into the AppBinding's parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StashAddons {
    /// The tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addon: Option<StashAddon>,
}

/// How Stash backs a database up and restores it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StashAddon {
    /// The task that backs up.
    pub backup_task: StashTask,
    /// The task that restores.
    pub restore_task: StashTask,
}

/// A task of Stash.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StashTask {
    /// Name of the task.
    pub name: String,
    /// Parameters of the task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<StashParameter>,
}

/// A parameter of a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StashParameter {
    /// Name of the parameter.
    pub name: String,
    /// Value of the parameter.
    pub value: String,
}

/// What continuous archiving runs; not used here yet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ArchiverImages {
    /// KubeStash's addon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addon: Option<ArchiverAddon>,
    /// The image with WAL-G.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub walg: Option<ImageRef>,
}

/// KubeStash's addon.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ArchiverAddon {
    /// Name of the addon, `postgres-addon`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Tasks of the addon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<ArchiverTasks>,
}

/// Names of an archiver's tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArchiverTasks {
    /// Full backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_backup: Option<ArchiverTask>,
    /// Restore of a full backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_backup_restore: Option<ArchiverTask>,
    /// Restore of an incremental backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inc_backup_restore: Option<ArchiverTask>,
    /// Backup of the manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_backup: Option<ArchiverTask>,
    /// Restore of the manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_restore: Option<ArchiverTask>,
    /// Snapshot of the volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_snapshot: Option<ArchiverTask>,
}

/// An archiver's task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ArchiverTask {
    /// Name of the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Images of KubeDB's courier; not used here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CourierImages {
    /// The command line tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cli: Option<ImageRef>,
    /// The reporter of the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reporter: Option<ImageRef>,
}

impl PostgresVersionSpec {
    /// Major version, for example 17.
    pub fn major(&self) -> Option<Major> {
        Major::of(&self.version)
    }

    /// The result of `SHOW server_version_num` on a server of this version; none when the minor version is missing.
    pub fn server_version_num(&self) -> Option<i32> {
        server_version_num(&self.version)
    }
}

/// The result of `SHOW server_version_num` on a server of this version (`170009` for `17.9`); none when the minor version
/// is missing. PostgreSQL counts so from version 10 on (manual, "Preset Options").
pub fn server_version_num(version: &str) -> Option<i32> {
    let mut numbers = version.split(['.', '-']);
    let major: i32 = numbers.next()?.parse().ok()?;
    let minor: i32 = numbers.next()?.parse().ok()?;
    Some(major * 10_000 + minor)
}

/// A number of `SHOW server_version_num` as a version is written: `17.9` for `170009`.
pub fn written_version(server_version_num: i32) -> String {
    format!("{}.{}", server_version_num / 10_000, server_version_num % 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_what_its_server_answers() {
        for (version, number) in [
            ("17.9", Some(170_009)),
            ("14.22-bookworm", Some(140_022)),
            ("17", None),
            ("x", None),
        ] {
            assert_eq!(server_version_num(version), number, "{version}");
        }
        assert_eq!(written_version(180_003), "18.3");
    }
}
