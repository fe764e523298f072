//! The certificates and keys that members are given: copies of what cert-manager issued, in the config Secret.
//!
//! Members do not mount cert-manager's Secrets: those change the moment something is issued, before any validation, and
//! their CA and leaf change at once. The config Secret's content was validated first, changes together with the
//! configuration that needs it, and can be put back.

use std::collections::BTreeMap;
use std::fmt;

use api_types::tls::CertificateAlias;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use sha2::{Digest, Sha256};

use crate::ca_bundle::CaBundle;
use crate::client_ca::issued_ca;

/// Key of the CA in a certificate's Secret, as cert-manager writes it.
pub const CA: &str = "ca.crt";
/// Key of the leaf and its intermediates in a certificate's Secret.
pub const LEAF: &str = "tls.crt";
/// Key of the private key in a certificate's Secret.
pub const KEY: &str = "tls.key";

/// A certificate, its private key and the CA that issued it, all in PEM. `Debug` shows no key.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// The CA.
    pub ca: String,
    /// The leaf and its intermediates.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

impl KeyPair {
    /// What a certificate's Secret holds; `None` when a part is missing or is no text.
    pub fn of_issued(secret: &Secret) -> Option<Self> {
        let issued = issued_ca(secret).filter(|ca| !ca.is_empty())?;
        Some(Self {
            ca: issued.to_owned(),
            ..Self::read(secret, [CA, LEAF, KEY])?
        })
    }

    /// SHA-256 of the leaf in DER, hexadecimal; `None` when it is no PEM.
    pub fn fingerprint(&self) -> Option<String> {
        leaf_fingerprint(&self.certificate)
    }

    fn read(secret: &Secret, keys: [&str; 3]) -> Option<Self> {
        let text = |key: &str| {
            let text = secret_text(secret, key).filter(|text| !text.is_empty());
            text.map(str::to_owned)
        };
        let [ca, certificate, key] = keys.map(text);
        Some(Self {
            ca: ca?,
            certificate: certificate?,
            key: key?,
        })
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({})", self.fingerprint().unwrap_or_default())
    }
}

/// SHA-256 of the first certificate (PEM) in DER, hexadecimal; `None` when there is none.
pub fn leaf_fingerprint(pem: &str) -> Option<String> {
    let bundle = CaBundle::from_pem(pem).ok()?;
    bundle.ders().first().map(|der| hex::encode(Sha256::digest(der)))
}

/// Text of a Secret's key; `None` when the key is absent or is no UTF-8.
pub fn secret_text<'a>(secret: &'a Secret, key: &str) -> Option<&'a str> {
    std::str::from_utf8(&secret.data.as_ref()?.get(key)?.0).ok()
}

/// The key pairs of a database, by alias.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsMaterial(BTreeMap<CertificateAlias, KeyPair>);

impl TlsMaterial {
    /// What the members of a live config Secret are given.
    pub fn of_config(secret: &Secret) -> Self {
        let pair = |alias: CertificateAlias| Some((alias, KeyPair::read(secret, keys(alias))?));
        Self(CertificateAlias::ALL.into_iter().filter_map(pair).collect())
    }

    /// The pair of an alias.
    pub fn get(&self, alias: CertificateAlias) -> Option<&KeyPair> {
        self.0.get(&alias)
    }

    /// With this pair for this alias.
    pub fn with(mut self, alias: CertificateAlias, pair: KeyPair) -> Self {
        self.0.insert(alias, pair);
        self
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pairs with their aliases.
    pub fn iter(&self) -> impl Iterator<Item = (CertificateAlias, &KeyPair)> {
        self.0.iter().map(|(alias, pair)| (*alias, pair))
    }

    /// The CAs of all pairs, in the order of the aliases.
    pub fn authorities(&self) -> CaBundle {
        let each = self
            .0
            .values()
            .filter_map(|pair| CaBundle::from_pem(&pair.ca).ok());
        each.fold(CaBundle::default(), |all, ca| all.union(&ca))
    }

    /// Entries of the config Secret.
    pub fn entries(&self) -> impl Iterator<Item = (String, ByteString)> {
        self.0.iter().flat_map(|(alias, pair)| {
            let texts = [&pair.ca, &pair.certificate, &pair.key];
            let entry =
                |(key, text): (&str, &String)| (key.to_owned(), ByteString(text.clone().into_bytes()));
            keys(*alias).into_iter().zip(texts).map(entry).collect::<Vec<_>>()
        })
    }
}

/// Keys of the config Secret: CA, certificate, private key.
pub(crate) fn keys(alias: CertificateAlias) -> [&'static str; 3] {
    match alias {
        CertificateAlias::Server => ["server-ca.crt", "server.crt", "server.key"],
        CertificateAlias::Client => ["client-ca.crt", "client.crt", "client.key"],
        CertificateAlias::MetricsExporter => ["exporter-ca.crt", "exporter.crt", "exporter.key"],
    }
}

/// KubeDB's file names in the folder of a certificate: CA, certificate, private key.
pub(crate) fn files(alias: CertificateAlias) -> [&'static str; 3] {
    match alias {
        CertificateAlias::Server => ["ca.crt", "server.crt", "server.key"],
        CertificateAlias::Client => ["ca.crt", "client.crt", "client.key"],
        CertificateAlias::MetricsExporter => ["ca.crt", "tls.crt", "tls.key"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(entries: &[(&str, &str)]) -> Secret {
        let data = entries
            .iter()
            .map(|(key, text)| ((*key).to_owned(), ByteString(text.as_bytes().to_vec())));
        Secret {
            data: Some(data.collect()),
            ..Secret::default()
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let issued = secret(&[("ca.crt", "CA"), ("tls.crt", "leaf"), ("tls.key", "key")]);
        let pair = KeyPair::of_issued(&issued).unwrap();
        let material = TlsMaterial::default().with(CertificateAlias::Server, pair);
        let config = Secret {
            data: Some(material.entries().collect()),
            ..Secret::default()
        };
        assert_eq!(TlsMaterial::of_config(&config), material);
    }

    #[test]
    fn a_pair_without_a_part_is_none() {
        for missing in ["ca.crt", "tls.crt", "tls.key"] {
            let mut issued = secret(&[("ca.crt", "CA"), ("tls.crt", "leaf"), ("tls.key", "key")]);
            issued.data.as_mut().unwrap().remove(missing);
            assert_eq!(KeyPair::of_issued(&issued), None, "{missing}");
        }
    }

    #[test]
    fn nobody_sees_a_key() {
        let pair = KeyPair {
            ca: "CA".into(),
            certificate: "leaf".into(),
            key: "very secret".into(),
        };
        assert!(!format!("{pair:?}").contains("secret"));
    }
}
