//! `PostgresOpsRequest`, `ops.kubedb.com/v1alpha1`: one operation on a running database.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::postgres::{LocalRef, ReadReplica, StandbyMode, StreamingMode, Tuning};
use crate::rules;
use crate::tls::{CertificateSpec, ClientAuthMode, IssuerRef, SslMode};

pub use crate::ops_configuration::*;
pub use crate::ops_plan::*;
pub use crate::ops_resources::*;
pub use crate::ops_status::*;

/// What is to be done to which database.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "ops.kubedb.com",
    version = "v1alpha1",
    kind = "PostgresOpsRequest",
    doc = "One operation on a running Postgres.",
    plural = "postgresopsrequests",
    singular = "postgresopsrequest",
    shortname = "pgops",
    category = "ops",
    category = "kubedb",
    category = "appscode",
    namespaced,
    status = "PostgresOpsRequestStatus",
    derive = "PartialEq",
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.phase"),
    printcolumn(
        name = "Database",
        type_ = "string",
        json_path = ".spec.databaseRef.name",
        description = "The Postgres that is operated on."
    ),
    printcolumn(
        name = "Step",
        type_ = "string",
        json_path = r#".status.conditions[?(@.status=="False")].type"#,
        description = "The step that is not done, or what the request waits for."
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.status=="False")].message"#,
        description = "What that step is doing or waits for.",
        priority = 1
    ),
    printcolumn(
        name = "Failure",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Failed")].message"#,
        description = "Why the request failed.",
        priority = 1
    )
)]
#[x_kube(
    validation = Rule::new(rules::REQUEST_FIXED).message(rules::REQUEST_FIXED_MESSAGE),
    validation = Rule::new(rules::REQUEST_DATABASE).message(rules::REQUEST_DATABASE_MESSAGE),
    validation = Rule::new(rules::REQUEST_TLS).message(rules::REQUEST_TLS_MESSAGE),
    validation = Rule::new(rules::REQUEST_VERSION).message(rules::REQUEST_VERSION_MESSAGE),
    validation = Rule::new(rules::REQUEST_SCALING).message(rules::REQUEST_SCALING_MESSAGE),
    validation = Rule::new(rules::REQUEST_RESOURCES).message(rules::REQUEST_RESOURCES_MESSAGE),
    validation = Rule::new(rules::REQUEST_VOLUME).message(rules::REQUEST_VOLUME_MESSAGE),
    validation = Rule::new(rules::REQUEST_CONFIGURATION).message(rules::REQUEST_CONFIGURATION_MESSAGE),
    validation = Rule::new(rules::REQUEST_MIGRATION).message(rules::REQUEST_MIGRATION_MESSAGE)
)]
#[serde(rename_all = "camelCase")]
pub struct PostgresOpsRequestSpec {
    /// The Postgres in the same namespace.
    pub database_ref: LocalRef,
    /// The kind of operation.
    #[serde(rename = "type")]
    pub type_: OpsRequestType,
    /// Whether to wait until the database is Ready. Default `IfReady`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "IfReady"))]
    pub apply: Option<ApplyOption>,
    /// Longest time of a step, for example `5m`. Default: 5 minutes for each member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::duration())]
    pub timeout: Option<String>,
    /// `InPlace` or `Restart`: KubeDB's newer spelling of `verticalScaling.mode`; carried out as that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// How memory is resized in place; kept, and not acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_policy: Option<String>,
    /// How often a failed operation is tried again; kept, and not acted on (`spec.timeout` is the time for trying). Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = 1))]
    pub max_retries: Option<i32>,
    /// Only say in `status.plan` what would be done, and end `Successful` without doing any of it. Default `false`. An
    /// extension of Sealwright.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// For `ReconfigureTLS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsRequest>,
    /// For `Restart`; an empty object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartRequest>,
    /// For `UpdateVersion`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_version: Option<UpdateVersionRequest>,
    /// For `HorizontalScaling`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub horizontal_scaling: Option<HorizontalScalingRequest>,
    /// For `VerticalScaling`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vertical_scaling: Option<VerticalScalingRequest>,
    /// For `VolumeExpansion`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_expansion: Option<VolumeExpansionRequest>,
    /// For `Reconfigure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<ReconfigureRequest>,
    /// For `RotateAuth`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<RotateAuthRequest>,
    /// For `ReconnectStandby`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconnect_standby: Option<ReconnectStandbyRequest>,
    /// For `ForceFailOver`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_fail_over: Option<ForceFailOverRequest>,
    /// For `SetRaftKeyPair`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_raft_key_pair: Option<SetRaftKeyPairRequest>,
    /// For `StorageMigration`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<StorageMigrationRequest>,
}

impl PostgresOpsRequestSpec {
    /// A request of this type for this database, without its section.
    pub fn of(database: &str, type_: OpsRequestType) -> Self {
        Self {
            database_ref: LocalRef {
                name: database.to_owned(),
            },
            type_,
            apply: None,
            timeout: None,
            mode: None,
            memory_policy: None,
            max_retries: None,
            dry_run: None,
            tls: None,
            restart: None,
            update_version: None,
            horizontal_scaling: None,
            vertical_scaling: None,
            volume_expansion: None,
            configuration: None,
            authentication: None,
            reconnect_standby: None,
            force_fail_over: None,
            set_raft_key_pair: None,
            migration: None,
        }
    }
}

/// The kinds of operation that KubeDB's API names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum OpsRequestType {
    UpdateVersion,
    HorizontalScaling,
    VerticalScaling,
    VolumeExpansion,
    Restart,
    Reconfigure,
    ReconfigureTLS,
    RotateAuth,
    ReconnectStandby,
    ForceFailOver,
    SetRaftKeyPair,
    StorageMigration,
}

impl OpsRequestType {
    /// The word on the wire; also the type and reason of the first condition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UpdateVersion => "UpdateVersion",
            Self::HorizontalScaling => crate::reported::ops_request::conditions::HORIZONTAL_SCALING,
            Self::VerticalScaling => crate::reported::ops_request::conditions::VERTICAL_SCALING,
            Self::VolumeExpansion => "VolumeExpansion",
            Self::Restart => crate::reported::ops_request::conditions::RESTART,
            Self::Reconfigure => crate::reported::ops_request::conditions::RECONFIGURE,
            Self::ReconfigureTLS => crate::reported::ops_request::conditions::RECONFIGURE_TLS,
            Self::RotateAuth => "RotateAuth",
            Self::ReconnectStandby => "ReconnectStandby",
            Self::ForceFailOver => "ForceFailOver",
            Self::SetRaftKeyPair => "SetRaftKeyPair",
            Self::StorageMigration => "StorageMigration",
        }
    }
}

/// Whether an operation waits for a healthy database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApplyOption {
    /// Wait until the database's phase is Ready.
    #[default]
    IfReady,
    /// Begin whatever the phase is.
    Always,
}

/// What `ReconfigureTLS` changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new(rules::TLS_SOMETHING).message(rules::TLS_SOMETHING_MESSAGE),
    validation = Rule::new(rules::TLS_REMOVE_ONLY).message(rules::TLS_REMOVE_ONLY_MESSAGE),
    validation = Rule::new(rules::TLS_REMOVE_AUTH).message(rules::TLS_REMOVE_AUTH_MESSAGE),
    validation = Rule::new(rules::TLS_REMOVE_MODE).message(rules::TLS_REMOVE_MODE_MESSAGE),
    validation = Rule::new(rules::TLS_DISABLE).message(rules::TLS_DISABLE_MESSAGE)
)]
#[serde(rename_all = "camelCase")]
pub struct TlsRequest {
    /// The issuer to use from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_ref: Option<IssuerRef>,
    /// Certificates to change, by alias; others stay as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new(rules::ALIAS_ONCE).message(rules::ALIAS_ONCE_MESSAGE))]
    pub certificates: Vec<CertificateSpec>,
    /// Issue every certificate anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate_certificates: Option<bool>,
    /// Issue KubeDB's coordinator certificates anew; this database has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate_grpc_certificates: Option<bool>,
    /// Take TLS away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove: Option<bool>,
    /// New `Postgres.spec.sslMode`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssl_mode: Option<SslMode>,
    /// New `Postgres.spec.clientAuthMode`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_auth_mode: Option<ClientAuthMode>,
    /// Whether Pods are restarted: `"true"` (all of them, as KubeDB does), `auto` (reload, and only a member whose TLS
    /// handshake proves that it must) or `"false"` (never). Default `"true"`. An extension of Sealwright.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<TlsRestart>,
    /// What becomes of applications' sessions that the new settings would not admit, when TLS is added or removed without
    /// a restart. An extension of Sealwright.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Drain>,
    /// How long applications have at least to take the bundle with the old and the new CA, before a member presents a
    /// certificate of the new one; for example `2m`. Default `0s`: as long as the members need to trust both. An extension
    /// of Sealwright.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub ca_overlap: Option<String>,
}

/// What becomes of sessions that the new settings would not admit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drain {
    /// `Force` ends them after the timeout, `Wait` fails the request then. Default `Force`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<DrainPolicy>,
    /// How long to wait until they have ended by themselves. Default `1m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub timeout: Option<String>,
}

/// What happens to sessions that have not ended by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DrainPolicy {
    /// They are ended.
    #[default]
    Force,
    /// They go on, and the request fails.
    Wait,
}

/// Whether a TLS change restarts Pods; the words of KubeDB's `spec.configuration.restart`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsRestart {
    /// All of them, one by one.
    #[default]
    #[serde(rename = "true")]
    Always,
    /// Only one that does not take the change up by a reload.
    #[serde(rename = "auto")]
    Auto,
    /// None; a member that does not take the change up by a reload fails the request.
    #[serde(rename = "false")]
    Never,
}

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
    /// `Restart` or `InPlace`. Default `Restart`. `InPlace` is carried out by restarts too: the request's plan and its condition
    /// `NotActedOn` say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Restart", "InPlace"], "default" = "Restart"))]
    pub mode: Option<String>,
    /// Of the container `postgres` of every member. What is not named stays as it is.
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
    /// New size of the arbiter's volume.
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
    /// Computed parameters; nothing acts on it.
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
    /// How long to wait for a standby.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::duration())]
    pub ready_time_out: Option<String>,
}

/// Promote a standby without asking the primary.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ForceFailOverRequest {
    /// Pods that may be promoted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
}

/// Keys of KubeDB's Raft store.
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
    /// What becomes of the old volumes.
    #[serde(
        rename = "oldPVReclaimPolicy",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub old_pv_reclaim_policy: Option<String>,
}
