//! `PostgresOpsRequest.status`: phase, conditions, and what an operation has fixed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::tls::{ClientAuthMode, SslMode, TlsConfig};

/// How far an operation has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostgresOpsRequestStatus {
    /// Summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<OpsRequestPhase>,
    /// `metadata.generation` that the operator has acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Steps that are done, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Backups paused for the operation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paused_backups: Vec<PausedBackup>,
    /// Choices that are fixed before they are acted on (ours; not in KubeDB's API).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<OperationPlan>,
}

/// Choices of an operation that must not be made twice. Not part of KubeDB's API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationPlan {
    /// UID of the Postgres when the operation began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_uid: Option<String>,
    /// Revision of each Certificate before the operation, by alias; rotation is done when it is greater.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub certificate_revisions: BTreeMap<String, i64>,
    /// UIDs of the Pods that are to be made anew, by Pod name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pods: BTreeMap<String, String>,
    /// The primary when the operation began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_primary: Option<String>,
    /// The standby that is to be promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<String>,
    /// SHA-256 fingerprint of the leaf that every member must serve in the end, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_fingerprint: Option<String>,
    /// For `ReconfigureTLS`: what is changed into what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsPlan>,
}

/// What a `ReconfigureTLS` changes, fixed when it begins. Not part of KubeDB's API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsPlan {
    /// The database's settings when the operation began.
    #[serde(default)]
    pub before: TlsSettings,
    /// The settings that it is to have.
    #[serde(default)]
    pub after: TlsSettings,
    /// Whether every certificate is issued anew even if nothing in it changes.
    #[serde(default)]
    pub rotate: bool,
}

/// The fields of `Postgres.spec` that a `ReconfigureTLS` may change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsSettings {
    /// `spec.tls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
    /// `spec.sslMode`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssl_mode: Option<SslMode>,
    /// `spec.clientAuthMode`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_auth_mode: Option<ClientAuthMode>,
}

/// Reference to a paused backup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PausedBackup {
    /// API group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_group: Option<String>,
    /// Kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name.
    pub name: String,
    /// Namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// Summary of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OpsRequestPhase {
    /// Waits for its turn or for the database.
    Pending,
    /// Being done.
    Progressing,
    /// Done.
    Successful,
    /// Waits for a human.
    WaitingForApproval,
    /// Ended without success; the message tells why.
    Failed,
    /// A human has agreed.
    Approved,
    /// A human has refused.
    Denied,
    /// A newer request does the same.
    Skipped,
}

impl OpsRequestPhase {
    /// Whether nothing will change any more.
    pub fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Successful | Self::Failed | Self::Denied | Self::Skipped
        )
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Progressing => "Progressing",
            Self::Successful => "Successful",
            Self::WaitingForApproval => "WaitingForApproval",
            Self::Failed => "Failed",
            Self::Approved => "Approved",
            Self::Denied => "Denied",
            Self::Skipped => "Skipped",
        }
    }
}
