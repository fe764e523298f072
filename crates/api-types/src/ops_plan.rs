//! `PostgresOpsRequest.status.plan`: what an operation will do, published before it does anything.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ops_status::PlannedChange;
use crate::slots::PlannedSlotLoss;
use crate::tls::IssuerRef;

/// What an operation will do: written for `spec.dryRun`, and for a request that waits for approval. Not part of KubeDB's
/// API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationPlan {
    /// First 16 hexadecimal digits of the SHA-256 of all below, but for what changes by itself: roles and sessions. Two
    /// requests that would do the same to the same database have the same.
    pub hash: String,
    /// All of it in one sentence.
    pub summary: String,
    /// UID of the Postgres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_uid: Option<String>,
    /// What happens, in this order; the names are those of the request's conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PlannedStep>,
    /// What happens to every member: the standbys, then the primary, as far as the leader is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<PlannedMember>,
    /// Sessions of applications that would not go on if it began now. Default: none.
    #[serde(default)]
    pub sessions: PlannedSessions,
    /// Which data goes with Pods that end; absent when it is on volumes, or no Pod ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_loss: Option<PlannedDataLoss>,
    /// Replication slots that users made and that are lost when the primary role moves, as it does in this operation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost_slots: Vec<PlannedSlotLoss>,
    /// Every parameter that changes, and how.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<PlannedParameter>,
    /// Every certificate, and what happens to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<PlannedCertificate>,
    /// What is changed into what.
    #[serde(flatten)]
    pub change: PlannedChange,
}

/// One phase of an operation. Not part of KubeDB's API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedStep {
    /// Type of the condition that is `True` when it is done, for example `ReloadTLS`.
    pub name: String,
    /// What is done in it.
    pub does: String,
}

/// What happens to one member. Not part of KubeDB's API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedMember {
    /// The Pod.
    pub name: String,
    /// `primary` or `standby`; absent while it is not known who leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Whether its Pod is restarted. Default `Never`.
    #[serde(default)]
    pub restart: PlannedRestart,
    /// Why it is, or why it is not.
    pub reason: String,
}

/// Whether a Pod is restarted. Not part of KubeDB's API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PlannedRestart {
    /// It is.
    Always,
    /// Only if what is done without a restart does not reach it.
    IfNeeded,
    /// It is not.
    #[default]
    Never,
    /// PostgreSQL is restarted, its Pod is not.
    InPlace,
    /// It starts: the member is new.
    Joins,
    /// It ends: the member leaves.
    Leaves,
}

/// Which data an operation loses. Not part of KubeDB's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PlannedDataLoss {
    /// That of members whose Pods end: it is copied again from the primary.
    OfEndedMembers,
    /// All of it.
    All,
}

/// Sessions of applications on all members, counted by `pg_stat_ssl`, that an operation ends, or that have to end by
/// themselves where `spec.tls.drain.policy` is `Wait`. Not part of KubeDB's API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedSessions {
    /// How many that came with TLS. Default 0.
    #[serde(default)]
    pub with_tls: i64,
    /// How many that came without. Default 0.
    #[serde(default)]
    pub without_tls: i64,
    /// Pods that did not report which sessions they have: theirs come on top.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_counted: Vec<String>,
    /// When they were counted; again every 30 seconds while the request waits for approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_at: Option<Time>,
}

/// How one parameter of PostgreSQL changes. Not part of KubeDB's API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedParameter {
    /// Its name.
    pub name: String,
    /// Its value now; absent where it is PostgreSQL's default, or a text, which may be a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// Its value afterwards; absent for the same reasons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// Who may set it and when, from `pg_settings.context`; absent for a parameter of an extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Whether a server takes it only when it starts. Default `false`.
    #[serde(default)]
    pub needs_restart: bool,
    /// Whether the primary restarts first, because a standby must not have less than it. Default `false`.
    #[serde(default)]
    pub primary_first: bool,
}

/// What happens to one certificate. Not part of KubeDB's API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedCertificate {
    /// `server`, `client` or `metrics-exporter`.
    pub alias: String,
    /// Name of the Certificate.
    pub name: String,
    /// What is done with it. Default `Keep`.
    #[serde(default)]
    pub action: CertificateAction,
    /// Subject alternative names (DNS names, IP addresses, URIs, e-mail addresses) that it gets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names_added: Vec<String>,
    /// Subject alternative names that it loses: a client that connects by one of them fails afterwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names_dropped: Vec<String>,
    /// Its issuer now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_issuer: Option<IssuerRef>,
    /// Its issuer afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_issuer: Option<IssuerRef>,
}

/// What is done with a certificate. Not part of KubeDB's API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CertificateAction {
    /// It is issued for the first time.
    Issue,
    /// It is reissued.
    IssueAnew,
    /// Nothing.
    #[default]
    Keep,
    /// The Certificate is deleted; its Secret stays.
    Delete,
}
