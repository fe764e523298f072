//! How members follow the primary: streaming, leader election, retention of WAL, groups of read-only members.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ObjectReference, PersistentVolumeClaimSpec, ResourceRequirements, Toleration,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pod_template::PlacementPolicyRef;
use crate::postgres::StorageType;
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SynchronousReplicationConfig {
    /// `Any` number of the standbys or the `First` ones of the list. Default `Any`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<SyncMode>,
    /// How many standbys confirm a commit. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_sync_replicas: Option<i32>,
    /// What a standby has done when it confirms. Default `RemoteWrite`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_level: Option<CommitLevel>,
    /// Names of the standbys; excludes `useWildcard`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// Bytes of WAL that a standby may be behind and still be promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_lag_before_failover: Option<i64>,
    /// Length of a tick.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
    /// Ticks without a heartbeat until an election.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub election_tick: Option<i32>,
    /// Ticks between heartbeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_tick: Option<i32>,
    /// Pause between tries of a leadership transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer_leadership_interval: Option<String>,
    /// Longest leadership transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer_leadership_timeout: Option<String>,
}

/// How much WAL is kept for standbys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replication {
    /// By what WAL is kept.
    pub wal_limit_policy: WalLimitPolicy,
    /// Megabytes of `wal_keep_size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wal_keep_size: Option<i32>,
    /// Segments of `wal_keep_segments`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wal_keep_segment: Option<i32>,
    /// Megabytes of `max_slot_wal_keep_size`; -1 is no limit.
    #[serde(
        rename = "maxSlotWALKeepSize",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub max_slot_wal_keep_size: Option<i32>,
    /// After how long a failover may lose data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadReplica {
    /// Name of the group.
    pub name: String,
    /// Members of the group. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
    /// PlacementPolicy of the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_placement_policy: Option<PlacementPolicyRef>,
    /// Template of the group's Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_template: Option<ServiceTemplate>,
}
