//! The superuser's credentials: ours to make, or the user's to bring.

use api_types::reported::postgres::reasons;
use api_types::vocabulary::{INSTANCE_LABEL, NAME_LABEL, NAME_VALUE};
use blueprint::secret_text;
use k8s_openapi::api::core::v1::Secret;

use crate::decide::Refusal;
use crate::world::{SecretFacts, World};

/// What there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth<'a> {
    /// None yet: make one.
    Missing,
    /// These.
    Usable(Credentials<'a>),
    /// The user has to look.
    Refused(Refusal),
}

/// A user name and its password. Not for logs: `Debug` leaves the password out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// Role name.
    pub username: &'a str,
    /// Its password.
    pub password: &'a str,
}

impl std::fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Judges the auth Secret.
pub fn judge<'a>(world: &World, secrets: &'a SecretFacts) -> Auth<'a> {
    let name = world.auth_secret_name();
    let external = world
        .postgres
        .spec
        .auth_secret
        .as_ref()
        .is_some_and(|secret| secret.externally_managed == Some(true));
    let refuse = |message: String| Auth::Refused(Refusal::new(reasons::INVALID_AUTH_SECRET, message));
    let Some(secret) = &secrets.auth else {
        if external {
            return refuse(format!(
                "spec.authSecret: Secret {name:?} is externally managed and does not exist; create it with keys username and password"
            ));
        }
        if world.is_provisioned() {
            // A new password would lock out members and applications that go on with the old one.
            return refuse(format!(
                "spec.authSecret: Secret {name:?} does not exist any more; create it again with keys username and password, as the members and applications use them"
            ));
        }
        return Auth::Missing;
    };
    if !external && let Some(other) = belongs_to(secret).filter(|other| *other != world.name()) {
        return refuse(format!(
            "spec.authSecret: Secret {name:?} belongs to database {other:?} by its labels; name another Secret, or set spec.authSecret.externallyManaged"
        ));
    }
    match credentials(secret) {
        Some(credentials) => Auth::Usable(credentials),
        None => refuse(format!(
            "spec.authSecret: Secret {name:?} needs non-empty keys username and password"
        )),
    }
}

/// The credentials in a Secret, if both are there.
pub fn credentials(secret: &Secret) -> Option<Credentials<'_>> {
    let key = |key| secret_text(secret, key).filter(|text| !text.is_empty());
    Some(Credentials {
        username: key("username")?,
        password: key("password")?,
    })
}

/// The database that a Secret's labels name.
fn belongs_to(secret: &Secret) -> Option<&str> {
    let labels = secret.metadata.labels.as_ref()?;
    let instance = labels.get(INSTANCE_LABEL)?;
    match labels.get(NAME_LABEL) {
        Some(kind) if kind != NAME_VALUE => Some(kind),
        _ => Some(instance),
    }
}
