//! `PostgresOpsRequest.status`: phase, conditions, and what an operation has fixed.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::PostgresOpsRequest;
use crate::condition::Condition;
use crate::ops_auth::AuthPlan;
use crate::ops_configuration::ConfigurationPlan;
use crate::ops_failover::FailoverPlan;
use crate::ops_plan::OperationPlan;
use crate::ops_resources::ResourcesPlan;
use crate::ops_version::VersionPlan;
use crate::ops_volumes::VolumePlan;
use crate::postgres::PostgresSpec;
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
    pub progress: Option<OperationProgress>,
    /// What the operation will do, reported before it does anything (ours; not in KubeDB's API).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<OperationPlan>,
    /// What each member was seen to serve in a TLS handshake (ours; not in KubeDB's API).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub members: Vec<MemberTlsStatus>,
}

/// What one member was seen to serve. Not part of KubeDB's API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberTlsStatus {
    /// The Pod.
    pub name: String,
    /// `primary` or `standby`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What its database port served; absent when it reported that it has no TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<ServedCertificate>,
    /// Whether that is the certificate of the database's Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches_secret: Option<bool>,
    /// Whether it goes on with a client that uses plaintext.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plaintext: Option<bool>,
    /// Why the Pod was restarted, or has to be, although the request did not require it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_reason: Option<String>,
    /// When it was first seen so.
    pub seen_at: Time,
}

/// A certificate as a TLS handshake shows it. Not part of KubeDB's API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServedCertificate {
    /// SHA-256 of the leaf in DER, hexadecimal.
    pub fingerprint: String,
    /// Distinguished name of the issuer.
    pub issuer: String,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// Last moment of validity.
    pub not_after: Time,
    /// Version of the protocol, for example `TLSv1.3`.
    pub protocol: String,
}

/// Choices of an operation that must not be made twice. Not part of KubeDB's API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationProgress {
    /// UID of the Postgres when the operation began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_uid: Option<String>,
    /// Attempts that failed and were undone. Default 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed_attempts: i32,
    /// A step of this attempt was not done in time, which may be otherwise the next time. Default `false`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub timed_out: bool,
    /// Revision of each Certificate before the operation, by alias; rotation is done when it is greater.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub certificate_revisions: BTreeMap<String, i64>,
    /// UIDs of the Pods that are to be recreated, by Pod name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pods: BTreeMap<String, String>,
    /// How often containers of each Pod had been restarted when the operation began with it, by Pod name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub restarts: BTreeMap<String, i32>,
    /// Sessions of applications that were ended because the new settings do not admit them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions_ended: Option<i64>,
    /// Why a Pod is recreated although the request did not require it, by Pod name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub restart_reasons: BTreeMap<String, String>,
    /// When each standby last got the request to replace its data by a copy of the primary's, by Pod name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rebuilt: BTreeMap<String, Time>,
    /// The primary when the operation began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_primary: Option<String>,
    /// The standby that is to be promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<String>,
    /// What is changed into what.
    #[serde(flatten)]
    pub change: PlannedChange,
}

fn is_zero(number: &i32) -> bool {
    *number == 0
}

pub(crate) fn is_false(flag: &bool) -> bool {
    !flag
}

/// What an operation changes into what, in the field of its type. Not part of KubeDB's API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedChange {
    /// For `ReconfigureTLS`: what is changed into what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsPlan>,
    /// For `HorizontalScaling`: how many members there were and are to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub horizontal_scaling: Option<ScalingPlan>,
    /// For `VerticalScaling`: the resources of the members' containers, before and after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vertical_scaling: Option<ResourcesPlan>,
    /// For `VolumeExpansion`: the size of the members' volumes, before and after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_expansion: Option<VolumePlan>,
    /// For `Reconfigure`: the user's parameters, before and after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<ConfigurationPlan>,
    /// For `ForceFailOver`: who may be promoted, and what each lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover: Option<FailoverPlan>,
    /// For `UpdateVersion`: the PostgreSQL that members run, before and after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_version: Option<VersionPlan>,
    /// For `RotateAuth`: where the superuser's credentials are named, before and after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate_auth: Option<AuthPlan>,
}

/// What a `HorizontalScaling` changes, fixed when it begins. Not part of KubeDB's API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPlan {
    /// The members that ran when the operation began. Default 0.
    #[serde(default)]
    pub before: i32,
    /// `spec.replicas` when the operation began.
    #[serde(default)]
    pub found: MemberCount,
    /// The members that it is to have.
    #[serde(default)]
    pub after: MemberCount,
}

/// The fields of `Postgres.spec` that a `HorizontalScaling` may change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberCount {
    /// `spec.replicas`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
}

impl MemberCount {
    /// The number in a spec.
    pub fn of(spec: &PostgresSpec) -> Self {
        Self {
            replicas: spec.replicas,
        }
    }

    /// Writes it into a spec.
    pub fn write(&self, spec: &mut PostgresSpec) {
        spec.replicas = self.replicas;
    }
}

/// What a `ReconfigureTLS` changes, fixed when it begins. Not part of KubeDB's API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsPlan {
    /// The settings that the members followed when the operation began.
    #[serde(default)]
    pub before: TlsSettings,
    /// The settings in the spec when the operation began, where they were edited before and the members did not follow;
    /// else they were those of `before`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<TlsSettings>,
    /// The settings that it is to have.
    #[serde(default)]
    pub after: TlsSettings,
    /// Whether every certificate is reissued even if nothing in it changes. Default `false`.
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

impl TlsSettings {
    /// The settings of a spec.
    pub fn of(spec: &PostgresSpec) -> Self {
        Self {
            tls: spec.tls.clone(),
            ssl_mode: spec.ssl_mode,
            client_auth_mode: spec.client_auth_mode,
        }
    }

    /// Writes them into a spec.
    pub fn write(&self, spec: &mut PostgresSpec) {
        spec.tls.clone_from(&self.tls);
        spec.ssl_mode = self.ssl_mode;
        spec.client_auth_mode = self.client_auth_mode;
    }
}

impl TlsPlan {
    /// The settings that the spec had when the operation began.
    pub fn current_settings(&self) -> &TlsSettings {
        self.edited.as_ref().unwrap_or(&self.before)
    }
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
    /// Ended without success; the message states the reason.
    Failed,
    /// A human has agreed.
    Approved,
    /// A human has refused.
    Denied,
    /// A newer request does the same.
    Skipped,
}

impl PostgresOpsRequest {
    /// How far it has come; none until an operator has seen it.
    pub fn phase(&self) -> Option<OpsRequestPhase> {
        self.status.as_ref()?.phase
    }

    /// The operator's conditions, in the order in which they came.
    pub fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    }

    /// Whether it is never acted on again.
    pub fn has_ended(&self) -> bool {
        self.phase().is_some_and(OpsRequestPhase::is_terminal)
    }
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
