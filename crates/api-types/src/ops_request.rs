//! `PostgresOpsRequest`, `ops.kubedb.com/v1alpha1`: one operation on a running database.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::postgres::LocalRef;
use crate::rules;

pub use crate::ops_auth::*;
pub use crate::ops_configuration::*;
pub use crate::ops_plan::*;
pub use crate::ops_resources::*;
pub use crate::ops_status::*;
pub use crate::ops_version::*;
pub use crate::ops_volumes::*;
pub use sections::*;
pub use tls::*;

mod sections;
mod tls;

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
    /// How many times the operation is tried: one that a step was too late in is undone, and begun again while this number
    /// allows it. Default 1: once, so that what is not done within `spec.timeout` fails (as KubeDB documents `timeout`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = 1))]
    pub max_retries: Option<i32>,
    /// The requests that this one replaces; written by the operator that merges them. An extension of Sealwright.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub merged_from: Vec<MergedRequest>,
    /// Only publish the plan in `status.plan`, and end `Successful` without doing any of it. Default `false`. An
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
            merged_from: Vec::new(),
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

/// A request that was merged into another one. Not part of KubeDB's API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MergedRequest {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
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
            Self::UpdateVersion => crate::reported::ops_request::conditions::UPDATE_VERSION,
            Self::HorizontalScaling => crate::reported::ops_request::conditions::HORIZONTAL_SCALING,
            Self::VerticalScaling => crate::reported::ops_request::conditions::VERTICAL_SCALING,
            Self::VolumeExpansion => crate::reported::ops_request::conditions::VOLUME_EXPANSION,
            Self::Restart => crate::reported::ops_request::conditions::RESTART,
            Self::Reconfigure => crate::reported::ops_request::conditions::RECONFIGURE,
            Self::ReconfigureTLS => crate::reported::ops_request::conditions::RECONFIGURE_TLS,
            Self::RotateAuth => crate::reported::ops_request::conditions::ROTATE_AUTH,
            Self::ReconnectStandby => crate::reported::ops_request::conditions::RECONNECT_STANDBY,
            Self::ForceFailOver => crate::reported::ops_request::conditions::FORCE_FAIL_OVER,
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
