//! The Secret `<db>-auth-rotation`: the credentials between which an operation changes, until it ends. It is written before the
//! database is touched, so that an operator that is killed at any moment goes on with the same password, and can go back.

use std::collections::BTreeMap;
use std::fmt;

use api_types::{Postgres, names};
use blueprint::secret_text;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;

use crate::auth::world::Which;

/// Annotation: UID of the request that wrote it.
const OF_REQUEST: &str = "ops.sealwright.dev/auth-rotation-of";
const KEYS: [&str; 5] = [
    "username",
    "password",
    "verifier",
    "former-password",
    "former-verifier",
];

/// A password, and as what PostgreSQL keeps it. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptPassword {
    /// The password.
    pub password: String,
    /// The verifier.
    pub verifier: String,
}

/// What is kept. `Debug` shows no password.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptAuth {
    /// UID of the request.
    pub request: String,
    /// The superuser.
    pub username: String,
    /// The one that is to open the database.
    pub new: KeptPassword,
    /// The one that opened it when the operation began.
    pub former: KeptPassword,
}

impl KeptAuth {
    /// What the Secret has, if this request wrote it. What another one left is as good as absent.
    pub fn of_secret(secret: &Secret, request: &str) -> Option<Self> {
        let by = secret.metadata.annotations.as_ref()?.get(OF_REQUEST)?;
        let [username, password, verifier, former, former_verifier] =
            KEYS.map(|key| secret_text(secret, key).map(str::to_owned));
        let kept = Self {
            request: by.clone(),
            username: username?,
            new: KeptPassword {
                password: password?,
                verifier: verifier?,
            },
            former: KeptPassword {
                password: former?,
                verifier: former_verifier?,
            },
        };
        (kept.request == request).then_some(kept)
    }

    /// One of the two.
    pub fn get(&self, which: Which) -> &KeptPassword {
        match which {
            Which::New => &self.new,
            Which::Former => &self.former,
        }
    }

    /// Which of the two a password is.
    pub fn which(&self, password: &str) -> Option<Which> {
        [Which::New, Which::Former]
            .into_iter()
            .find(|which| self.get(*which).password == password)
    }

    /// Which of the two a verifier is of.
    pub fn which_verifier(&self, verifier: &str) -> Option<Which> {
        [Which::New, Which::Former]
            .into_iter()
            .find(|which| self.get(*which).verifier == verifier)
    }

    /// The Secret, owned by the Postgres.
    pub fn secret(&self, postgres: &Postgres) -> Secret {
        let db = postgres.metadata.name.clone().unwrap_or_default();
        let texts = [
            &self.username,
            &self.new.password,
            &self.new.verifier,
            &self.former.password,
            &self.former.verifier,
        ];
        let entry = |(key, text): (&&str, &String)| ((*key).to_owned(), ByteString(text.as_bytes().to_vec()));
        Secret {
            metadata: ObjectMeta {
                name: Some(names::auth_rotation(&db)),
                namespace: postgres.metadata.namespace.clone(),
                labels: Some(blueprint::labels::selector(&db)),
                annotations: Some(BTreeMap::from([(OF_REQUEST.to_owned(), self.request.clone())])),
                owner_references: postgres.controller_owner_ref(&()).map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            type_: Some("Opaque".to_owned()),
            data: Some(KEYS.iter().zip(texts).map(entry).collect()),
            ..Secret::default()
        }
    }
}

impl fmt::Debug for KeptAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeptAuth({} of {})", self.username, self.request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_back_by_its_own_request_only_and_shows_no_password() {
        let password = |text: &str| KeptPassword {
            password: format!("secret {text}"),
            verifier: format!("verifier {text}"),
        };
        let kept = KeptAuth {
            request: "u-1".into(),
            username: "postgres".into(),
            new: password("new"),
            former: password("former"),
        };
        let secret = kept.secret(&Postgres::new("pg", api_types::postgres::PostgresSpec::default()));
        assert_eq!(KeptAuth::of_secret(&secret, "u-1"), Some(kept.clone()));
        assert_eq!(KeptAuth::of_secret(&secret, "u-2"), None);
        assert_eq!(kept.which("secret new"), Some(Which::New));
        assert_eq!(kept.which_verifier("verifier former"), Some(Which::Former));
        assert_eq!(kept.which("another"), None);
        assert!(!format!("{kept:?}").contains("secret"));
    }
}
