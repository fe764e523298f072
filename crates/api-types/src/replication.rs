//! How members follow the primary: streaming, leader election, retention of WAL, groups of read-only members.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ObjectReference, PersistentVolumeClaimSpec, ResourceRequirements, Toleration,
};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pod_template::PlacementPolicyRef;
use crate::postgres::StorageType;
use crate::rules;
use crate::service_template::ServiceTemplate;

/// Whether a commit waits for standbys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StreamingMode {
    /// A commit waits for standbys.
    Synchronous,
    /// A commit does not wait.
    Asynchronous,
}

/// Which standbys a commit waits for (`synchronous_standby_names`, `synchronous_commit`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new(rules::SYNC_NAMES).message(rules::SYNC_NAMES_MESSAGE),
    validation = Rule::new(rules::SYNC_NUMBER_OF_NAMES).message(rules::SYNC_NUMBER_OF_NAMES_MESSAGE))]
#[serde(rename_all = "camelCase")]
pub struct SynchronousReplicationConfig {
    /// `Any` number of the standbys or the `First` ones of the list. Default `Any`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<SyncMode>,
    /// How many standbys confirm a commit. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(rules::POSITIVE).message(rules::POSITIVE_MESSAGE))]
    pub num_sync_replicas: Option<i32>,
    /// What a standby has done when it confirms. Default `RemoteWrite`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_level: Option<CommitLevel>,
    /// Names of the standbys; excludes `useWildcard`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 253)))]
    #[x_kube(validation = Rule::new(rules::STANDBY_NAMES).message(rules::STANDBY_NAMES_MESSAGE))]
    pub standby_names: Vec<String>,
    /// Any standby counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_wildcard: Option<bool>,
}

/// Method of `synchronous_standby_names`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SyncMode {
    /// `ANY n (…)`.
    Any,
    /// `FIRST n (…)`.
    First,
}

/// `synchronous_commit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CommitLevel {
    /// `on`.
    On,
    /// `remote_apply`.
    RemoteApply,
    /// `remote_write`.
    RemoteWrite,
    /// `local`.
    Local,
    /// `off`.
    Off,
}

/// A PostgreSQL elsewhere to follow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemoteReplica {
    /// The AppBinding that describes it.
    pub source_ref: ObjectReference,
}

/// Timers of the leader election (KubeDB's Raft words).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new(rules::ELECTION_TICKS).message(rules::ELECTION_TICKS_MESSAGE))]
#[serde(rename_all = "camelCase")]
pub struct LeaderElection {
    /// Deprecated by KubeDB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_duration_seconds: Option<i32>,
    /// Deprecated by KubeDB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_deadline_seconds: Option<i32>,
    /// Deprecated by KubeDB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_period_seconds: Option<i32>,
    /// Bytes of WAL that a standby may be behind and still be promoted. Default 33554432 (32 MiB).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = 33554432))]
    pub maximum_lag_before_failover: Option<i64>,
    /// Length of a tick. Default `100ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("default" = "100ms"))]
    #[x_kube(validation = rules::duration())]
    pub period: Option<String>,
    /// Ticks without a heartbeat until an election. Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = 10))]
    pub election_tick: Option<i32>,
    /// Ticks between heartbeats. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = 1))]
    pub heartbeat_tick: Option<i32>,
    /// Pause between tries of a leadership transfer. Default `1s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("default" = "1s"))]
    #[x_kube(validation = rules::duration())]
    pub transfer_leadership_interval: Option<String>,
    /// Longest leadership transfer. Default `60s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("default" = "60s"))]
    #[x_kube(validation = rules::duration())]
    pub transfer_leadership_timeout: Option<String>,
}

/// How much WAL is kept for standbys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replication {
    /// By what WAL is kept.
    pub wal_limit_policy: WalLimitPolicy,
    /// Megabytes of `wal_keep_size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(rules::NOT_NEGATIVE).message(rules::NOT_NEGATIVE_MESSAGE))]
    pub wal_keep_size: Option<i32>,
    /// Segments of `wal_keep_segments`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(rules::NOT_NEGATIVE).message(rules::NOT_NEGATIVE_MESSAGE))]
    pub wal_keep_segment: Option<i32>,
    /// Megabytes of `max_slot_wal_keep_size`; -1 is no limit.
    #[serde(
        rename = "maxSlotWALKeepSize",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    #[x_kube(validation = Rule::new(rules::SLOT_LIMIT).message(rules::SLOT_LIMIT_MESSAGE))]
    pub max_slot_wal_keep_size: Option<i32>,
    /// After how long a failover may lose data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::duration())]
    pub force_failover_accepting_data_loss_after: Option<String>,
}

/// By what WAL is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WalLimitPolicy {
    /// `wal_keep_size`, from PostgreSQL 13 on.
    WALKeepSize,
    /// Replication slots, from PostgreSQL 13 on.
    ReplicationSlot,
    /// `wal_keep_segments`, up to PostgreSQL 12.
    WALKeepSegment,
}

/// A group of read-only members.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadReplica {
    /// Name of the group; `arbiter` is taken.
    #[schemars(length(max = 63))]
    #[x_kube(validation = Rule::new(rules::GROUP_NAME).message(rules::GROUP_NAME_MESSAGE))]
    pub name: String,
    /// Members of the group. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(rules::POSITIVE).message(rules::POSITIVE_MESSAGE))]
    pub replicas: Option<i32>,
    /// Resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Node labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Tolerations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// `Durable` or `Ephemeral`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_type: Option<StorageType>,
    /// Claim for each member's volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<PersistentVolumeClaimSpec>,
    /// PlacementPolicy of the group. Default: the one named `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = {"name": "default"}))]
    pub pod_placement_policy: Option<PlacementPolicyRef>,
    /// Template of the group's Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_template: Option<ServiceTemplate>,
}
