//! From observations to the report: values for `-o json`, and text of the same values. Pure.

pub mod plan;
pub mod status;
pub mod verify;

use instance::{Answer, CertificateFacts};
use jiff::Timestamp;
use serde::Serialize;

/// A certificate as a member serves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// SHA-256 of the leaf in DER, hexadecimal.
    pub fingerprint: String,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// Distinguished name of the issuer.
    pub issuer: String,
    /// Last moment of validity.
    pub not_after: Timestamp,
    /// DNS names and IP addresses that it is for; empty when only the last operation's report is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Version of the protocol, for example `TLSv1.3`.
    pub protocol: String,
}

impl Certificate {
    /// What a handshake showed.
    pub fn of(answer: &Answer) -> Option<Self> {
        answer.served().map(|served| Self {
            fingerprint: served.leaf.fingerprint.clone(),
            serial: served.leaf.serial.clone(),
            issuer: served.leaf.issuer.clone(),
            not_after: served.leaf.not_after,
            names: names(&served.leaf),
            protocol: served.protocol.replace('_', "."),
        })
    }

    /// Enough of the serial number to distinguish certificates.
    pub fn short_serial(&self) -> &str {
        self.serial.get(..8).unwrap_or(&self.serial)
    }
}

/// DNS names, then IP addresses.
pub fn names(leaf: &CertificateFacts) -> Vec<String> {
    let addresses = leaf.ip_addresses.iter().map(ToString::to_string);
    leaf.dns_names.iter().cloned().chain(addresses).collect()
}

/// JSON as `kubectl -o json` writes it.
///
/// # Errors
/// Never seen: every value here has a JSON form.
pub fn json<T: Serialize>(value: &T) -> Result<String, crate::exit::Error> {
    serde_json::to_string_pretty(value)
        .map(|text| text + "\n")
        .map_err(|error| crate::exit::Error::Encoding(error.to_string()))
}
