//! `Postgres`, `kubedb.com/v1`: a PostgreSQL database of one or more members.

use k8s_openapi::api::core::v1::{
    ObjectReference, PersistentVolumeClaimSpec, ResourceRequirements, Toleration,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::condition::Condition;
use crate::pod_template::{ObjectMetaTemplate, PlacementPolicyRef, PodTemplate};
use crate::tls::{ClientAuthMode, SslMode, TlsConfig};

/// Desired state of a PostgreSQL database.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "kubedb.com",
    version = "v1",
    kind = "Postgres",
    plural = "postgreses",
    singular = "postgres",
    shortname = "pg",
    category = "datastore",
    category = "kubedb",
    category = "appscode",
    category = "all",
    namespaced,
    status = "PostgresStatus",
    derive = "PartialEq",
    derive = "Default",
    printcolumn(name = "Version", type_ = "string", json_path = ".spec.version"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct PostgresSpec {
    /// Name of the PostgresVersion to run.
    pub version: String,
    /// Number of members, primary and standbys together; 1 is a standalone database. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Whether standbys serve reads (`Hot`) or refuse connections (`Warm`). Default `Hot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby_mode: Option<StandbyMode>,
    /// Whether a commit waits for standbys. Default `Asynchronous`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streaming_mode: Option<StreamingMode>,
    /// Which standbys a commit waits for; only with `streamingMode: Synchronous`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synchronous_replication_config: Option<SynchronousReplicationConfig>,
    /// Deployment mode: `Standalone`, `Cluster` or `RemoteReplica`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Follow a PostgreSQL elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_replica: Option<RemoteReplica>,
    /// Timers of the leader election.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader_election: Option<LeaderElection>,
    /// Secret with the superuser's `username` and `password`; `<db>-auth` is made when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_secret: Option<AuthSecret>,
    /// `Durable` (a volume per member) or `Ephemeral` (lost with the Pod). Default `Durable`. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_type: Option<StorageType>,
    /// Claim for each member's volume; required when durable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<PersistentVolumeClaimSpec>,
    /// How TCP clients prove who they are. Default `md5`, from PostgreSQL 18 on `scram`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_auth_mode: Option<ClientAuthMode>,
    /// TLS mode that this database's own clients use. Default `verify-full` with `tls`, else `disable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssl_mode: Option<SslMode>,
    /// Server TLS; its presence switches TLS on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
    /// Initial data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<Init>,
    /// Metrics exporter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitor: Option<Monitor>,
    /// Old spelling of `configuration.secretName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_secret: Option<LocalRef>,
    /// PostgreSQL parameters of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Configuration>,
    /// Template of the Pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
    /// Templates of the Services.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub service_templates: Vec<NamedServiceTemplate>,
    /// Take the database down and keep its volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halted: Option<bool>,
    /// What becomes of volumes and Secrets when this object is deleted. Default `Delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Let an init container change the owner of the data volume.
    #[serde(rename = "enforceFsGroup", default, skip_serializing_if = "Option::is_none")]
    pub enforce_fs_group: Option<bool>,
    /// Namespaces whose schema objects may use this database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_schemas: Option<AllowedConsumers>,
    /// How health is checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_checker: Option<HealthChecker>,
    /// Continuous archiving.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archiver: Option<Archiver>,
    /// The tie-breaker Pod of KubeDB's election for even numbers of members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arbiter: Option<Arbiter>,
    /// How much WAL is kept for standbys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication: Option<Replication>,
    /// Groups of read-only members outside of the quorum.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read_replicas: Vec<ReadReplica>,
    /// Operations that KubeDB would request by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_ops: Option<AutoOps>,
    /// Spread over several clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distributed: Option<bool>,
}

/// Whether standbys serve reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StandbyMode {
    /// Standbys serve reads.
    Hot,
    /// Standbys refuse connections.
    Warm,
}

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

/// Secret with the superuser's credentials.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthSecret {
    /// `Secret`.
    pub kind: String,
    /// Name of the Secret.
    pub name: String,
    /// API group of the kind; empty for core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_group: Option<String>,
    /// Store of a virtual Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_store_name: Option<String>,
    /// After how long a rotation is recommended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate_after: Option<String>,
    /// Since when the password is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_from: Option<Time>,
    /// The Secret is the user's: never made, changed or deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub externally_managed: Option<bool>,
}

/// Whether data outlives a Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StorageType {
    /// A PersistentVolumeClaim per member.
    Durable,
    /// An `emptyDir` per member.
    Ephemeral,
}

/// What is deleted together with a Postgres.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Pods and Services go; volumes and Secrets stay.
    Halt,
    /// Volumes go too; the auth Secret stays.
    Delete,
    /// Everything goes.
    WipeOut,
    /// Deletion is refused.
    DoNotTerminate,
}

/// Name of an object in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LocalRef {
    /// Name of the object.
    #[serde(default)]
    pub name: String,
}

/// PostgreSQL parameters of the user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    /// Secret with the key `user.conf`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// Parameters inline; the only key is `user.conf`. They win over the Secret's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inline: BTreeMap<String, String>,
    /// Parameters computed from the machine's size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Tuning>,
}

/// Input for computed parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tuning {
    /// `web`, `oltp`, `dw`, `mixed` or `desktop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// `max_connections` to compute for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<i32>,
    /// `ssd`, `hdd` or `san`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_type: Option<String>,
    /// Compute nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable_auto_tune: Option<bool>,
}

/// Initial data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Init {
    /// Set when the database was initialised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initialized: Option<bool>,
    /// Wait for a restore before the database is called ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_for_initial_restore: Option<bool>,
    /// Scripts that run once on the first primary: `scriptPath`, `git`, and any volume source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub script: Option<serde_json::Value>,
    /// Restore from an archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub archiver: Option<serde_json::Value>,
}

/// Metrics exporter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Monitor {
    /// `prometheus.io/operator`, `prometheus.io` or `prometheus.io/builtin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Settings for Prometheus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub prometheus: Option<serde_json::Value>,
}

/// Service of a database that a template changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServiceAlias {
    /// `<db>`.
    Primary,
    /// `<db>-standby`.
    Standby,
    /// `<db>-stats`.
    Stats,
}

/// Template of one of the Services.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NamedServiceTemplate {
    /// Which Service.
    pub alias: ServiceAlias,
    /// Labels and annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<ObjectMetaTemplate>,
    /// Fields of `core/v1 ServiceSpec`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub spec: Option<serde_json::Value>,
}

/// Namespaces that may use the database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AllowedConsumers {
    /// Which namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub namespaces: Option<serde_json::Value>,
    /// Which objects in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub selector: Option<serde_json::Value>,
}

/// How health is checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthChecker {
    /// Seconds between checks. Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_seconds: Option<i32>,
    /// Seconds that a check may take. Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<i32>,
    /// Failed checks in a row until the condition changes. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_threshold: Option<i32>,
    /// Don't write to the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable_write_check: Option<bool>,
}

/// Continuous archiving.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Archiver {
    /// Archiving is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<bool>,
    /// The archiver object.
    #[serde(rename = "ref")]
    pub reference: NamespacedRef,
}

/// Name of an object in some namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NamespacedRef {
    /// Name of the object.
    pub name: String,
    /// Namespace; the same when empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// Tie-breaker Pod of KubeDB's election.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Arbiter {
    /// Resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Node labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Tolerations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
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
    #[schemars(schema_with = "any_object")]
    pub service_template: Option<serde_json::Value>,
}

/// Operations that KubeDB would request by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AutoOps {
    /// Request none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
}

/// Observed state of a PostgreSQL database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostgresStatus {
    /// Summary of the conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<DatabasePhase>,
    /// `metadata.generation` that the operator has acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Observations, one per type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// State of the auth Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_secret: Option<AuthSecretStatus>,
}

/// State of the auth Secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthSecretStatus {
    /// When the password last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update_timestamp: Option<Time>,
}

/// Summary of a database's conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DatabasePhase {
    /// Being created.
    Provisioning,
    /// Being restored.
    DataRestoring,
    /// Every member serves.
    Ready,
    /// The primary serves, not every member does.
    Critical,
    /// No client can connect.
    NotReady,
    /// Taken down on request; data is kept.
    Halted,
    /// Health checks are paused.
    Unknown,
}

impl DatabasePhase {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "Provisioning",
            Self::DataRestoring => "DataRestoring",
            Self::Ready => "Ready",
            Self::Critical => "Critical",
            Self::NotReady => "NotReady",
            Self::Halted => "Halted",
            Self::Unknown => "Unknown",
        }
    }
}

/// Condition types of a Postgres.
pub mod conditions {
    /// The operator has begun to create the children.
    pub const PROVISIONING_STARTED: &str = "ProvisioningStarted";
    /// Every member is ready.
    pub const REPLICA_READY: &str = "ReplicaReady";
    /// The primary takes connections and writes.
    pub const ACCEPTING_CONNECTION: &str = "AcceptingConnection";
    /// A client can connect.
    pub const READY: &str = "Ready";
    /// The database was ready once.
    pub const PROVISIONED: &str = "Provisioned";
    /// The provisioner keeps off; the message names the holder of the pause.
    pub const PAUSED: &str = "Paused";
    /// Taken down on request.
    pub const HALTED: &str = "Halted";
    /// Health checks are paused.
    pub const HEALTH_CHECK_PAUSED: &str = "HealthCheckPaused";
    /// A restore has begun.
    pub const DATA_RESTORE_STARTED: &str = "DataRestoreStarted";
    /// A restore has ended.
    pub const DATA_RESTORED: &str = "DataRestored";
}

pub(crate) fn any_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}
