//! `Postgres.status`: phase and conditions.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Postgres;
use crate::condition::Condition;
use crate::deployed::Deployed;
use crate::pause::PausedBy;
use crate::rows::{LastPrimary, LostWal, StaleStandby};
use crate::slots::ReplicationSlot;

pub use crate::reported::postgres::conditions;

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
    /// How members serve TLS. Not part of KubeDB's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsStatus>,
    /// The CA with which the issuer signs by now, while it is another one than that of the server certificate; absent otherwise, and
    /// while it can't be known. Not part of KubeDB's API.
    #[serde(rename = "issuerCA", default, skip_serializing_if = "Option::is_none")]
    pub issuer_ca: Option<IssuerCa>,
    /// Whose pause the provisioner keeps: its acknowledgement. Absent while it works. Not part of KubeDB's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_by: Option<PausedBy>,
    /// What the members were born with and follow now, whatever the spec has by now; absent while there is no data. Not part of
    /// KubeDB's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployed: Option<Deployed>,
    /// Replication slots that Sealwright did not make, and whether each is there after a change of the primary. Not part of KubeDB's
    /// API.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replication_slots: Vec<ReplicationSlot>,
    /// Standbys that are known not to stream from the primary. Not part of KubeDB's API.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stale_standbys: Vec<StaleStandby>,
    /// The last primary that was known. Not part of KubeDB's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_primary: Option<LastPrimary>,
    /// WAL that changes of the primary have lost, the latest last. Not part of KubeDB's API.
    #[serde(rename = "lostWAL", default, skip_serializing_if = "Vec::is_empty")]
    pub lost_wal: Vec<LostWal>,
}

/// How the members of a database serve TLS. Not part of KubeDB's API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsStatus {
    /// Whether clients that connect over TCP can, or must, use TLS.
    pub mode: TlsMode,
    /// Earliest end of validity of all certificates that members were given or serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest_expiry: Option<Time>,
}

/// A CA with which an issuer signs. Not part of KubeDB's API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuerCa {
    /// Its subject, as text.
    pub subject: String,
    /// SHA-256 of the DER, hexadecimal.
    pub fingerprint: String,
    /// When the provisioner found it first.
    pub since: Time,
}

impl IssuerCa {
    /// That the issuer of this name signs with this CA: a sentence without its end.
    pub fn sentence(&self, issuer: &str) -> String {
        format!(
            "Issuer {issuer} signs with another CA now: {} (SHA-256 {})",
            self.subject, self.fingerprint
        )
    }
}

impl Postgres {
    /// The CA that has replaced that of the server certificate under the name of the issuer, from the status.
    pub fn replaced_ca(&self) -> Option<&IssuerCa> {
        self.status.as_ref()?.issuer_ca.as_ref()
    }

    /// [`Self::replaced_ca`] as a sentence without its end.
    pub fn replaced_ca_sentence(&self) -> Option<String> {
        let issuer = self.spec.tls.as_ref()?.issuer_ref.as_ref()?;
        Some(self.replaced_ca()?.sentence(&issuer.name))
    }
}

/// Whether clients that connect over TCP can, or must, use TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsMode {
    /// They can't.
    Disabled,
    /// They can; plain text is admitted, too.
    Allowed,
    /// They must.
    Required,
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
    /// Health checks are paused, or can't be made.
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
