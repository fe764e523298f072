//! The Secret with the credentials that open the database. Members start with them and operators log in with them, so that an
//! edit of the auth Secret locks no client out before it is carried out.

use std::collections::BTreeMap;
use std::fmt;

use api_types::deployed::DeployedAuth;
use api_types::names;
use api_types::vocabulary::{AUTH_FROM, AUTH_REVISION};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::credentials::{Credentials, PASSWORD, USERNAME, credentials};
use crate::deployment_tools::prune_guards;
use crate::labels;

/// What is in the Secret. `Debug` leaves the passwords out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AuthInForce<'a> {
    /// Name of the auth Secret that the credentials came from.
    pub from: &'a str,
    /// The superuser's.
    pub superuser: Credentials<'a>,
    /// Counts the superuser's credentials, from 1.
    pub revision: i64,
}

impl fmt::Debug for AuthInForce<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthInForce")
            .field("from", &self.from)
            .field("username", &self.superuser.username)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

impl<'a> AuthInForce<'a> {
    /// The first credentials of a database, from this auth Secret.
    pub fn first(from: &'a str, credentials: Credentials<'a>) -> Self {
        Self {
            from,
            superuser: credentials,
            revision: 1,
        }
    }

    /// From the live Secret; none when it lacks a part.
    pub fn of_secret(secret: &'a Secret) -> Option<Self> {
        let annotations = secret.metadata.annotations.as_ref()?;
        Some(Self {
            from: annotations.get(AUTH_FROM)?,
            superuser: credentials(secret)?,
            revision: annotations.get(AUTH_REVISION)?.parse().ok()?,
        })
    }

    /// The same with other credentials of the superuser, which open the database by now, from this auth Secret.
    pub fn followed_by(self, from: &'a str, superuser: Credentials<'a>) -> Self {
        let is_same = self.superuser == superuser;
        Self {
            from,
            superuser,
            revision: if is_same { self.revision } else { self.revision + 1 },
        }
    }

    /// The part of it that the status shows.
    pub fn deployed(self) -> DeployedAuth {
        DeployedAuth {
            secret_name: self.from.to_owned(),
            username: self.superuser.username.to_owned(),
            revision: self.revision,
        }
    }

    /// The Secret. Nothing owns it: it stays with the data.
    pub fn secret(self, namespace: &str, database: &str) -> Secret {
        let mut annotations = prune_guards();
        annotations.insert(AUTH_FROM.to_owned(), self.from.to_owned());
        annotations.insert(AUTH_REVISION.to_owned(), self.revision.to_string());
        let data = [
            (USERNAME, self.superuser.username),
            (PASSWORD, self.superuser.password),
        ];
        let entry = |(key, value): (&str, &str)| (key.to_owned(), ByteString(value.as_bytes().to_vec()));
        Secret {
            metadata: ObjectMeta {
                name: Some(names::auth_in_force(database)),
                namespace: Some(namespace.to_owned()),
                labels: Some(labels::selector(database)),
                annotations: Some(annotations),
                ..ObjectMeta::default()
            },
            type_: Some("Opaque".to_owned()),
            data: Some(data.map(entry).into_iter().collect::<BTreeMap<_, _>>()),
            ..Secret::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(username: &'a str, password: &'a str) -> Credentials<'a> {
        Credentials { username, password }
    }

    #[test]
    fn it_is_read_back_and_tells_no_password() {
        let first = AuthInForce::first("pg-auth", of("postgres", "s3cret"));
        let secret = first.secret("shop", "pg");
        assert_eq!(AuthInForce::of_secret(&secret), Some(first));
        assert_eq!(secret.metadata.name.as_deref(), Some("pg-auth-in-force"));
        assert_eq!(secret.metadata.owner_references, None, "it stays with the data");
        assert!(!format!("{first:?}").contains("s3cret"));
    }

    #[test]
    fn another_password_counts() {
        let first = AuthInForce::first("pg-auth", of("postgres", "one"));
        let renamed = first.followed_by("mine", of("postgres", "one"));
        assert_eq!((renamed.revision, renamed.from), (1, "mine"));
        let second = renamed.followed_by("mine", of("postgres", "two"));
        assert_eq!((second.revision, second.superuser.password), (2, "two"));
    }

    #[test]
    fn a_damaged_secret_is_none() {
        let mut secret = AuthInForce::first("pg-auth", of("postgres", "one")).secret("shop", "pg");
        secret.data.get_or_insert_default().remove(PASSWORD);
        assert_eq!(AuthInForce::of_secret(&secret), None);
    }
}
