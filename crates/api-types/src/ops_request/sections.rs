//! What every other type of request takes.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::postgres::{LocalRef, ReadReplica, StandbyMode, StreamingMode, Tuning};
use crate::rules;

/// `Restart` takes no parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RestartRequest {}

/// Another PostgresVersion.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateVersionRequest {
    /// Name of the PostgresVersion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_version: Option<String>,
}

/// Another number of members.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new(rules::SCALING_ONE).message(rules::SCALING_ONE_MESSAGE))]
#[serde(rename_all = "camelCase")]
pub struct HorizontalScalingRequest {
    /// Members, primary and standbys together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(rules::POSITIVE).message(rules::POSITIVE_MESSAGE))]
    pub replicas: Option<i32>,
    /// `Hot` or `Warm`. Default `Hot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "Hot"))]
    pub standby_mode: Option<StandbyMode>,
    /// `Synchronous` or `Asynchronous`. Default `Asynchronous`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "Asynchronous"))]
    pub streaming_mode: Option<StreamingMode>,
    /// Groups of read-only members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub read_replicas: Vec<ReadReplicaScaling>,
    /// Members per data centre of a distributed database; kept, and not supported by Sealwright.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_centers: Vec<DataCenterScaling>,
}

/// Members of a data centre.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DataCenterScaling {
    /// Name of the data centre.
    pub name: String,
    /// Members in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
}

/// Another number of read-only members.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadReplicaScaling {
    /// The group.
    #[serde(flatten)]
    pub group: ReadReplica,
    /// Take the group away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove: Option<bool>,
}

/// Other resources.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new(rules::RESOURCES_OF).message(rules::RESOURCES_OF_MESSAGE))]
#[serde(rename_all = "camelCase")]
pub struct VerticalScalingRequest {
    /// `Restart` or `InPlace`: by a rolling restart, or while the containers run. Default `Restart`. A member whose node has no room
    /// is restarted also with `InPlace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Restart", "InPlace"], "default" = "Restart"))]
    pub mode: Option<String>,
    /// Of the container `postgres` of every member. What is not named does not change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<PodResources>,
    /// Of the arbiter; there is none, so nothing acts on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arbiter: Option<PodResources>,
    /// Of KubeDB's coordinator; there is none, so nothing acts on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coordinator: Option<ContainerResources>,
    /// Of the exporter of a database with `spec.monitor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exporter: Option<ContainerResources>,
    /// Of groups of read-only members; nothing acts on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read_replicas: Vec<ReadReplicaResources>,
}

/// Resources and placement of a member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodResources {
    /// How a node is chosen; nothing acts on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_selection_policy: Option<String>,
    /// Label of the node; nothing acts on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topology: Option<Topology>,
    /// Requests and limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
}

/// Label of a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Topology {
    /// Label key.
    pub key: String,
    /// Label value.
    pub value: String,
}

/// Resources of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContainerResources {
    /// Requests and limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
}

/// Resources of a group of read-only members.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReadReplicaResources {
    /// The group.
    #[serde(default)]
    pub name: String,
    /// Of its members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<PodResources>,
}

/// Larger volumes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new(rules::VOLUME_OF).message(rules::VOLUME_OF_MESSAGE))]
pub struct VolumeExpansionRequest {
    /// `Online` or `Offline`.
    #[schemars(extend("enum" = ["Online", "Offline"]))]
    pub mode: String,
    /// New size of each member's volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<Quantity>,
    /// New size of the arbiter's volume; there is none, so nothing acts on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arbiter: Option<Quantity>,
}

/// Other PostgreSQL parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new(rules::REMOVE_WITHOUT_RESTART).message(rules::REMOVE_WITHOUT_RESTART_MESSAGE))]
#[serde(rename_all = "camelCase")]
pub struct ReconfigureRequest {
    /// Secret with the key `user.conf`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_secret: Option<LocalRef>,
    /// The same in KubeDB's newer spelling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// Parameters that are written over those of `spec.configuration.inline`; the only key is `user.conf`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub apply_config: BTreeMap<String, String>,
    /// Drop the user's parameters, before those of this request are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove_custom_config: Option<bool>,
    /// `auto` (PostgreSQL restarts in its Pod where a parameter needs it), `true` (every Pod) or `false` (nothing: what waits
    /// for a restart goes on waiting). Default `auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["auto", "true", "false"], "default" = "auto"))]
    pub restart: Option<String>,
    /// Parameters that are computed from the members' memory, processors and volume; takes the place of
    /// `spec.configuration.tuning`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Tuning>,
}

/// Another password.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RotateAuthRequest {
    /// Secret with the new credentials; a password is made when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<CredentialsRef>,
}

/// Secret with credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsRef {
    /// API group of the kind; empty for core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = ""))]
    pub api_group: Option<String>,
    /// `Secret`, or the kind of a virtual Secret. Default `Secret`.
    #[serde(default = "crate::postgres::secret_kind")]
    pub kind: String,
    /// Name of the Secret.
    pub name: String,
}

/// Bring back standbys that do not stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReconnectStandbyRequest {
    /// How long a restarted standby may take to stream before its data is replaced by a copy of the primary's. Default `2m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::duration())]
    pub ready_time_out: Option<String>,
}

/// Promote a standby without the consent of the primary.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ForceFailOverRequest {
    /// Pods that may be promoted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
}

/// Keys of KubeDB's Raft store; this database has none, so the request ends `Skipped`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetRaftKeyPairRequest {
    /// Keys and values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub key_pair: BTreeMap<String, String>,
}

/// Another storage class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StorageMigrationRequest {
    /// The storage class to move to.
    pub storage_class_name: String,
    /// Whether the old volumes are kept.
    #[serde(
        rename = "oldPVReclaimPolicy",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub old_pv_reclaim_policy: Option<String>,
}
