//! What may be written, decided by what is there. Pure.

use api_types::tls::ClientAuthMode;
use api_types::vocabulary::PAUSED_BY;
use api_types::{Postgres, condition};
use kube::ResourceExt;

/// What a request changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds TLS.
    Add,
    /// Issues certificates anew.
    Rotate,
    /// Moves to another issuer.
    Issuer,
    /// Changes certificates or modes.
    Update,
    /// Takes TLS away.
    Remove {
        /// How clients prove who they are then.
        client_auth_mode: Option<ClientAuthMode>,
    },
    /// Restarts the members.
    Restart,
}

impl Change {
    /// The word in a request's name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Add => "add-tls",
            Self::Rotate => "rotate",
            Self::Issuer => "change-issuer",
            Self::Update => "update-tls",
            Self::Remove { .. } => "remove-tls",
            Self::Restart => "restart",
        }
    }
}

/// Whether a change makes sense for the database as it is; what the API's own rules see is left to them.
///
/// # Errors
/// The sentence that says what to do instead.
pub fn admissible(change: Change, postgres: &Postgres) -> Result<(), String> {
    let name = format!(
        "Postgres {}/{}",
        postgres.namespace().unwrap_or_default(),
        postgres.name_any()
    );
    if postgres.metadata.deletion_timestamp.is_some() {
        return Err(format!("{name} is being deleted"));
    }
    let tls = postgres.spec.tls.is_some();
    match change {
        Change::Add if tls => Err(format!(
            "{name} has TLS already; use `tls change-issuer`, `tls update` or `tls rotate`"
        )),
        Change::Rotate | Change::Issuer | Change::Update | Change::Remove { .. } if !tls => {
            Err(format!("{name} has no TLS; use `tls add` to add it"))
        }
        Change::Remove {
            client_auth_mode: None,
        } if postgres.spec.client_auth_mode == Some(ClientAuthMode::Cert) => Err(format!(
            "clients of {name} prove who they are by certificate, which needs TLS; add --client-auth-mode scram or md5"
        )),
        _ => Ok(()),
    }
}

/// Who holds the pause of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// An operation: `<request>/<uid>`.
    Operation {
        /// Name of the request.
        request: String,
        /// Its UID.
        uid: String,
    },
    /// A person, by the name that they wrote.
    Person(String),
}

impl Holder {
    /// Reads the annotation's value: with a slash it is an operation's (`docs/coordination.md`).
    pub fn of(value: &str) -> Self {
        match value.split_once('/') {
            Some((request, uid)) => Self::Operation {
                request: request.to_owned(),
                uid: uid.to_owned(),
            },
            None => Self::Person(value.to_owned()),
        }
    }
}

/// The annotation of a database.
pub fn held_by(postgres: &Postgres) -> Option<&str> {
    postgres.annotations().get(PAUSED_BY).map(String::as_str)
}

/// Whether the provisioner says that it keeps off for this holder.
pub fn acknowledged(postgres: &Postgres, holder: &str) -> bool {
    let conditions = postgres.status.as_ref().map(|s| s.conditions.as_slice());
    condition::find(
        conditions.unwrap_or_default(),
        api_types::postgres::conditions::PAUSED,
    )
    .is_some_and(|c| c.is_true() && c.message.as_deref().is_some_and(|m| m.contains(holder)))
}

/// Whether the provisioner works on the database.
pub fn resumed(postgres: &Postgres) -> bool {
    let conditions = postgres.status.as_ref().map(|s| s.conditions.as_slice());
    held_by(postgres).is_none()
        && !condition::is_true(
            conditions.unwrap_or_default(),
            api_types::postgres::conditions::PAUSED,
        )
}

/// What `pause` and `resume` do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// It is as wanted.
    Nothing,
    /// Set the annotation to this value.
    Take(String),
    /// Take the annotation away, which has this value.
    Release(String),
    /// Leave it; the sentence says why and what to do.
    Refuse(String),
}

/// Whether `me` may take the pause.
pub fn pause(current: Option<&str>, me: &str) -> Move {
    if me.is_empty() || me.contains('/') {
        return Move::Refuse(format!(
            "{me:?} can't hold a pause: names with a slash are those of operations; give --holder a name without one"
        ));
    }
    match current {
        None => Move::Take(me.to_owned()),
        Some(holder) if holder == me => Move::Nothing,
        Some(holder) => Move::Refuse(match Holder::of(holder) {
            Holder::Operation { request, .. } => format!(
                "the operation {request} holds the pause; wait for its end: \
                 kubectl wait pgops/{request} --for=condition=Successful"
            ),
            Holder::Person(name) => format!("{name} holds the pause already; agree with them"),
        }),
    }
}

/// Whether `me` may take the pause away.
pub fn resume(current: Option<&str>, me: &str) -> Move {
    match current.map(|holder| (holder, Holder::of(holder))) {
        None => Move::Nothing,
        Some((_, Holder::Operation { request, .. })) => Move::Refuse(format!(
            "the operation {request} holds the pause and gives it back at its end; to end it, delete the request: \
             kubectl delete pgops/{request}"
        )),
        Some((holder, Holder::Person(name))) if name == me => Move::Release(holder.to_owned()),
        Some((_, Holder::Person(name))) => Move::Refuse(format!(
            "{name} holds the pause, not {me}; if that is meant, say --holder {name}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use api_types::condition::Condition;
    use api_types::postgres::{PostgresSpec, PostgresStatus};
    use api_types::tls::TlsConfig;
    use jiff::Timestamp;

    use super::*;

    fn refused(change: Change, postgres: &Postgres) -> Option<String> {
        admissible(change, postgres).err()
    }

    #[test]
    fn pause_and_resume() {
        let refuses = |decision: Move, word: &str| match decision {
            Move::Refuse(text) => assert!(text.contains(word), "{text}"),
            other => panic!("{other:?} instead of a refusal with {word}"),
        };
        assert_eq!(pause(None, "jane"), Move::Take("jane".into()));
        assert_eq!(pause(Some("jane"), "jane"), Move::Nothing);
        refuses(pause(Some("bob"), "jane"), "bob");
        refuses(pause(Some("rotate/1-2"), "jane"), "pgops/rotate");
        refuses(pause(None, "rotate/1-2"), "slash");
        refuses(pause(None, ""), "--holder");

        assert_eq!(resume(None, "jane"), Move::Nothing);
        assert_eq!(resume(Some("jane"), "jane"), Move::Release("jane".into()));
        refuses(resume(Some("bob"), "jane"), "--holder bob");
        refuses(resume(Some("rotate/1-2"), "jane"), "delete pgops/rotate");
        // Not even who calls themselves as the operation does.
        refuses(resume(Some("rotate/1-2"), "rotate/1-2"), "delete pgops/rotate");
    }

    #[test]
    fn an_acknowledgement_names_the_holder() {
        let mut postgres = Postgres::default();
        assert!(!acknowledged(&postgres, "jane"));
        assert!(resumed(&postgres));
        postgres.annotations_mut().insert(PAUSED_BY.into(), "jane".into());
        assert!(!resumed(&postgres));
        let paused = Condition::new("Paused", true, "Paused", "paused by jane", Timestamp::UNIX_EPOCH);
        postgres.status = Some(PostgresStatus {
            conditions: vec![paused],
            ..PostgresStatus::default()
        });
        assert!(acknowledged(&postgres, "jane"));
        assert!(!acknowledged(&postgres, "bob"));
        postgres.annotations_mut().clear();
        assert!(!resumed(&postgres), "the provisioner has not seen it yet");
    }

    #[test]
    fn a_change_that_makes_no_sense_is_refused_before_it_is_written() {
        let plain = Postgres::new("db", PostgresSpec::default());
        let mut tls = plain.clone();
        tls.spec.tls = Some(TlsConfig::default());
        let mut by_certificate = tls.clone();
        by_certificate.spec.client_auth_mode = Some(ClientAuthMode::Cert);
        let bare = Change::Remove {
            client_auth_mode: None,
        };
        let with_mode = Change::Remove {
            client_auth_mode: Some(ClientAuthMode::Scram),
        };
        let table = [
            (Change::Add, &plain, None),
            (Change::Add, &tls, Some("change-issuer")),
            (Change::Rotate, &plain, Some("tls add")),
            (Change::Issuer, &plain, Some("tls add")),
            (Change::Update, &plain, Some("tls add")),
            (bare, &plain, Some("tls add")),
            (Change::Rotate, &tls, None),
            (bare, &tls, None),
            (bare, &by_certificate, Some("--client-auth-mode")),
            (with_mode, &by_certificate, None),
            (Change::Restart, &plain, None),
        ];
        for (change, postgres, word) in table {
            let text = refused(change, postgres);
            match word {
                None => assert_eq!(text, None, "{change:?}"),
                Some(word) => assert!(
                    text.as_deref().is_some_and(|t| t.contains(word)),
                    "{change:?}: {text:?}"
                ),
            }
        }
    }
}
