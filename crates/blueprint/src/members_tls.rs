//! What members and operators show each other: certificates of an internal CA for each database, on Patroni's REST API, and
//! passwords of roles of ours, on the database port. It has nothing to do with `spec.tls` and `spec.authSecret`, which are the user's.
//!
//! The keys of the CA and of the operators are in a Secret that no Pod mounts. What members need is copied into the config Secret,
//! and reaches them as their other files do.

use std::collections::BTreeMap;
use std::fmt;

use api_types::{Postgres, names};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::material::{leaf_fingerprint, secret_text};
use crate::roles::{MemberRoles, Roles};
use crate::{hash, labels};

/// Keys of the Secret: the CAs that are trusted, the one that signs first; its private key; the members' identity; the
/// operators' identity; the roles' passwords, JSON.
const KEYS: [&str; 5] = ["ca.crt", "ca.key", "member.pem", "operator.pem", "roles.json"];

/// Key of the config Secret: the roles' passwords that members have, JSON. No file of a member.
const MEMBER_ROLES: &str = "member-roles.json";

/// Keys of the config Secret: the CAs that are trusted, and the members' identity.
pub(crate) const MEMBER_KEYS: [&str; 2] = ["members-ca.crt", "member.pem"];

/// Names of the files in a member's folder, in the order of [`MEMBER_KEYS`].
pub(crate) const MEMBER_FILES: [&str; 2] = ["ca.crt", "member.pem"];

/// What members have. `Debug` shows no key.
#[derive(Clone, PartialEq, Eq)]
pub struct MemberTls {
    /// The CAs that they trust, PEM.
    pub ca: String,
    /// A certificate and its private key in one PEM text: Patroni reads both from one file, so a renewal never shows it a
    /// certificate with the key of another one. It is for servers and for clients, since members call each other.
    pub identity: String,
    /// What they know of the roles of ours.
    pub roles: MemberRoles,
}

impl MemberTls {
    /// What a live config Secret has; `None` when a part is missing.
    pub fn of_config(secret: &Secret) -> Option<Self> {
        let [ca, identity] = MEMBER_KEYS.map(|key| text(secret, key));
        Some(Self {
            ca: ca?,
            identity: identity?,
            roles: MemberRoles::from_text(&text(secret, MEMBER_ROLES)?)?,
        })
    }

    /// SHA-256 of the certificate in DER, hexadecimal; `None` when it is no PEM.
    pub fn fingerprint(&self) -> Option<String> {
        leaf_fingerprint(&self.identity)
    }

    /// Entries of the config Secret.
    pub(crate) fn entries(&self) -> [(String, ByteString); 3] {
        let [ca, identity] = MEMBER_KEYS;
        [
            entry(ca, &self.ca),
            entry(identity, &self.identity),
            entry(MEMBER_ROLES, &self.roles.to_text()),
        ]
    }
}

impl fmt::Debug for MemberTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemberTls({})", self.fingerprint().unwrap_or_default())
    }
}

/// The internal CA of a database and what it issued, each as PEM. `Debug` shows no key.
#[derive(Clone, PartialEq, Eq)]
pub struct MembersTls {
    /// The CAs that members and operators trust; the first one signs.
    pub ca: String,
    /// The private key of the first of them.
    pub ca_key: String,
    /// Certificate and private key of the members.
    pub member: String,
    /// Certificate and private key of the operators.
    pub operator: String,
    /// The passwords of the roles of ours.
    pub roles: Roles,
}

impl MembersTls {
    /// What the Secret holds; `None` when a part is missing or is no text.
    pub fn of_secret(secret: &Secret) -> Option<Self> {
        let [ca, ca_key, member, operator, roles] = KEYS.map(|key| text(secret, key));
        Some(Self {
            ca: ca?,
            ca_key: ca_key?,
            member: member?,
            operator: operator?,
            roles: serde_json::from_str(&roles?).ok()?,
        })
    }

    /// The part that members get.
    pub fn of_member(&self) -> MemberTls {
        MemberTls {
            ca: self.ca.clone(),
            identity: self.member.clone(),
            roles: self.roles.of_member(),
        }
    }

    /// The Secret, owned by the Postgres: a database that is made again gets another CA.
    pub fn secret(&self, postgres: &Postgres) -> Secret {
        let meta = &postgres.metadata;
        let db = meta.name.clone().unwrap_or_default();
        let uid = meta.uid.clone().unwrap_or_default();
        let user_labels = meta.labels.clone().unwrap_or_default();
        let roles = serde_json::to_string(&self.roles).unwrap_or_default();
        let texts = [&self.ca, &self.ca_key, &self.member, &self.operator, &roles];
        let data: BTreeMap<_, _> = KEYS
            .iter()
            .zip(texts)
            .map(|(key, text)| entry(key, text))
            .collect();
        hash::seal(Secret {
            metadata: ObjectMeta {
                name: Some(names::members_tls_secret(&db)),
                namespace: meta.namespace.clone(),
                labels: Some(labels::offshoot(&db, &user_labels)),
                owner_references: Some(vec![labels::owner_reference(&db, &uid)]),
                ..ObjectMeta::default()
            },
            type_: Some("Opaque".to_owned()),
            data: Some(data),
            ..Secret::default()
        })
    }
}

impl fmt::Debug for MembersTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "MembersTls({})",
            leaf_fingerprint(&self.member).unwrap_or_default()
        )
    }
}

fn text(secret: &Secret, key: &str) -> Option<String> {
    let text = secret_text(secret, key).filter(|text| !text.is_empty());
    text.map(str::to_owned)
}

fn entry(key: &str, text: &str) -> (String, ByteString) {
    (key.to_owned(), ByteString(text.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> MembersTls {
        MembersTls {
            ca: "the CA".into(),
            ca_key: "very secret".into(),
            member: "secret too".into(),
            operator: "no less secret".into(),
            roles: Roles::sample(),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let secret = all().secret(&Postgres::new("pg", api_types::postgres::PostgresSpec::default()));
        assert_eq!(secret.metadata.name.as_deref(), Some("pg-members-tls"));
        assert_eq!(MembersTls::of_secret(&secret), Some(all()));
        let config = Secret {
            data: Some(all().of_member().entries().into()),
            ..Secret::default()
        };
        assert_eq!(MemberTls::of_config(&config), Some(all().of_member()));
    }

    #[test]
    fn members_get_neither_the_key_of_the_ca_nor_that_of_the_operators() {
        let entries = all().of_member().entries();
        let texts = entries.map(|(_, text)| String::from_utf8(text.0).expect("text"));
        assert_eq!(texts[..2], ["the CA", "secret too"]);
        assert!(!texts[2].contains("operators secret"), "{}", texts[2]);
    }

    #[test]
    fn without_a_part_there_is_nothing() {
        for key in KEYS {
            let mut secret = all().secret(&Postgres::new("pg", api_types::postgres::PostgresSpec::default()));
            secret.data.as_mut().expect("data").remove(key);
            assert_eq!(MembersTls::of_secret(&secret), None, "{key}");
        }
    }

    #[test]
    fn nobody_sees_a_key() {
        assert!(!format!("{:?} {:?}", all(), all().of_member()).contains("secret"));
    }
}
