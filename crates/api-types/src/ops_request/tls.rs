//! What `ReconfigureTLS` takes.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules;
use crate::tls::{CertificateSpec, ClientAuthMode, IssuerRef, SslMode};

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
    /// Certificates to change, by alias; others do not change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new(rules::ALIAS_ONCE).message(rules::ALIAS_ONCE_MESSAGE))]
    pub certificates: Vec<CertificateSpec>,
    /// Reissue every certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate_certificates: Option<bool>,
    /// Reissue the certificates of KubeDB's coordinator; this database has none.
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
    /// How sessions of applications end that the new settings would not admit, when TLS is added or removed without a
    /// restart. An extension of Sealwright.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Drain>,
    /// How long applications have at least to take the bundle with the old and the new CA, before a member presents a
    /// certificate of the new one. Default `2m`: a Pod that mounts the Secret has the bundle by then. `0s` is as long as the
    /// members need to trust both. An extension of Sealwright.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub ca_overlap: Option<String>,
}

/// How sessions end that the new settings would not admit.
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

/// Whether a TLS change restarts Pods; the values of KubeDB's `spec.configuration.restart`.
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
