//! TLS as written in `Postgres.spec.tls` and `PostgresOpsRequest.spec.tls`.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules;
use crate::vocabulary::CERT_MANAGER_GROUP;

/// The TLS mode of libpq clients (PostgreSQL manual, 32.19.3 "Protection Provided in Different Modes").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SslMode {
    /// No TLS.
    #[serde(rename = "disable")]
    Disable,
    /// TLS only if the server insists.
    #[serde(rename = "allow")]
    Allow,
    /// TLS if the server offers it.
    #[serde(rename = "prefer")]
    Prefer,
    /// TLS, no check of the certificate.
    #[serde(rename = "require")]
    Require,
    /// TLS, the chain is checked.
    #[serde(rename = "verify-ca")]
    VerifyCa,
    /// TLS, the chain and the host name are checked.
    #[serde(rename = "verify-full")]
    VerifyFull,
}

impl SslMode {
    /// The word that libpq knows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// How clients that come over TCP prove who they are (`pg_hba.conf` method).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuthMode {
    /// `md5`: password; SCRAM where the stored verifier is SCRAM.
    Md5,
    /// `scram-sha-256`.
    Scram,
    /// Client certificate whose common name is the role.
    Cert,
}

impl ClientAuthMode {
    /// The word of the spec.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Scram => "scram",
            Self::Cert => "cert",
        }
    }
}

/// The certificates of a database that Sealwright makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CertificateAlias {
    /// Served by every member.
    Server,
    /// Used by standbys, operators and applications; its common name is the superuser.
    Client,
    /// Used by the metrics exporter.
    MetricsExporter,
}

impl CertificateAlias {
    /// All of them, in the order in which they are made.
    pub const ALL: [Self; 3] = [Self::Server, Self::Client, Self::MetricsExporter];

    /// The word in `certificates[].alias` and in object names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::MetricsExporter => "metrics-exporter",
        }
    }

    /// The alias of this word, if it is one that Sealwright makes.
    pub fn parse(alias: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.as_str() == alias)
    }
}

/// `spec.tls` of a Postgres: its presence switches server TLS on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsConfig {
    /// The Issuer or ClusterIssuer that signs the certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_ref: Option<IssuerRef>,
    /// What differs from the defaults, per certificate alias.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new(rules::ALIAS_ONCE).message(rules::ALIAS_ONCE_MESSAGE))]
    pub certificates: Vec<CertificateSpec>,
}

/// Reference to a cert-manager issuer (`core/v1 TypedLocalObjectReference`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuerRef {
    /// API group; `cert-manager.io` when empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_group: Option<String>,
    /// `Issuer` or `ClusterIssuer`.
    pub kind: String,
    /// Name of the issuer.
    pub name: String,
}

impl IssuerRef {
    /// Whether both mean the same issuer, however the API group is written.
    pub fn is_same_as(&self, other: &Self) -> bool {
        (self.group(), &self.kind, &self.name) == (other.group(), &other.kind, &other.name)
    }

    /// Its API group; cert-manager's when it is not written.
    pub fn group(&self) -> &str {
        let given = self.api_group.as_deref().filter(|group| !group.is_empty());
        given.unwrap_or(CERT_MANAGER_GROUP)
    }
}

/// One certificate's deviations from the defaults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new(rules::RENEWAL).message(rules::RENEWAL_MESSAGE))]
#[serde(rename_all = "camelCase")]
pub struct CertificateSpec {
    /// `server`, `client` or `metrics-exporter`.
    #[schemars(length(min = 1, max = 64))]
    pub alias: String,
    /// Another issuer for this certificate only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_ref: Option<IssuerRef>,
    /// Secret that holds it; `<db>-<alias>-cert` when empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// X.509 subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<X509Subject>,
    /// Lifetime, for example `2160h`; cert-manager's default is 90 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::duration())]
    pub duration: Option<String>,
    /// How long before its end the certificate is renewed, for example `360h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::duration())]
    pub renew_before: Option<String>,
    /// DNS names besides those that Sealwright adds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_names: Vec<String>,
    /// IP addresses besides those that Sealwright adds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), inner(length(max = 64)))]
    #[x_kube(validation = Rule::new(rules::IP_ADDRESSES).message(rules::IP_ADDRESSES_MESSAGE))]
    pub ip_addresses: Vec<String>,
    /// URI subject alternative names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uris: Vec<String>,
    /// E-mail subject alternative names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub email_addresses: Vec<String>,
    /// How the key is encoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key: Option<CertificatePrivateKey>,
}

/// X.509 subject fields (cert-manager's names).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct X509Subject {
    /// `O`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub organizations: Vec<String>,
    /// `C`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub countries: Vec<String>,
    /// `OU`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub organizational_units: Vec<String>,
    /// `L`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub localities: Vec<String>,
    /// `ST`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provinces: Vec<String>,
    /// Street addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub street_addresses: Vec<String>,
    /// Postal codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub postal_codes: Vec<String>,
    /// Serial number of the subject (not of the certificate).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial_number: Option<String>,
}

/// Encoding of a certificate's private key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CertificatePrivateKey {
    /// `PKCS1` or `PKCS8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<KeyEncoding>,
}

/// Encoding of a private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum KeyEncoding {
    /// PKCS #1.
    #[serde(rename = "PKCS1")]
    Pkcs1,
    /// PKCS #8.
    #[serde(rename = "PKCS8")]
    Pkcs8,
}
