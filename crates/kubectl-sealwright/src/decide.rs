//! What may be written, decided by what is there. Pure.

use api_types::tls::ClientAuthMode;
use api_types::{PauseHolder, Postgres};
use kube::ResourceExt;

/// What a request changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds TLS.
    Add,
    /// Reissues certificates.
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
    /// Brings standbys back.
    Reconnect,
    /// Promotes a member that may lack rows.
    Failover,
    /// Makes or removes members.
    Scale,
    /// Gives their containers other resources.
    Resize,
    /// Gives them larger volumes.
    Expand,
    /// Lets them run another version.
    Upgrade,
    /// Changes parameters of PostgreSQL.
    Reconfigure,
    /// Gives the superuser another password.
    RotateAuth,
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
            Self::Reconnect => "reconnect",
            Self::Failover => "failover",
            Self::Scale => "scale",
            Self::Resize => "resize",
            Self::Expand => "expand",
            Self::Upgrade => "upgrade",
            Self::Reconfigure => "reconfigure",
            Self::RotateAuth => "rotate-auth",
        }
    }
}

/// Whether a change makes sense for the current database; what the API's own rules check is left to them.
///
/// # Errors
/// The message that names what to do instead.
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

/// Whether the provisioner has seen that the pause has ended.
pub fn resumed(postgres: &Postgres) -> bool {
    postgres.pause_holder().is_none() && postgres.acknowledged_holder().is_none()
}

/// What `pause` and `resume` do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// It is as wanted.
    Nothing,
    /// Take the pause for this holder.
    Take(PauseHolder),
    /// Take the annotation away.
    Release,
    /// Leave it; the message has the reason and what to do.
    Refuse(String),
}

/// The holder that a person names themselves.
///
/// # Errors
/// A name that is none, or that would be an operation's.
pub fn person(name: &str) -> Result<PauseHolder, String> {
    match PauseHolder::parse(name) {
        Some(person @ PauseHolder::Person { .. }) => Ok(person),
        Some(PauseHolder::Request { .. }) => Err(format!(
            "{name:?} can't hold a pause for a person: `<name>/<UID>` is how operations hold it; give --holder another name"
        )),
        None => Err("a pause needs a holder; give --holder a name".to_owned()),
    }
}

/// Whether `me` may take the pause.
pub fn pause(current: Option<PauseHolder>, me: &PauseHolder) -> Move {
    match current {
        None => Move::Take(me.clone()),
        Some(holder) if holder == *me => Move::Nothing,
        Some(PauseHolder::Request { name, .. }) => Move::Refuse(format!(
            "the operation {name} holds the pause; wait for its end: \
             kubectl wait pgops/{name} --for=condition=Successful"
        )),
        Some(PauseHolder::Person { name }) => {
            Move::Refuse(format!("{name} holds the pause already; agree with them"))
        }
    }
}

/// Whether `me` may take the pause away.
pub fn resume(current: Option<PauseHolder>, me: &PauseHolder) -> Move {
    match current {
        None => Move::Nothing,
        Some(PauseHolder::Request { name, .. }) => Move::Refuse(format!(
            "the operation {name} holds the pause and gives it back at its end; to end it, delete the request: \
             kubectl delete pgops/{name}"
        )),
        Some(holder) if holder == *me => Move::Release,
        Some(PauseHolder::Person { name }) => Move::Refuse(format!(
            "{name} holds the pause, not {me}; if that is meant, say --holder {name}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use api_types::pause::PausedBy;
    use api_types::postgres::PostgresSpec;
    use api_types::tls::TlsConfig;
    use api_types::vocabulary::PAUSED_BY;
    use jiff::Timestamp;

    use super::*;

    fn refused(change: Change, postgres: &Postgres) -> Option<String> {
        admissible(change, postgres).err()
    }

    const OPERATION: &str = "rotate/9f0c6f6e-4f9e-4d2b-8a55-0e6d5c1b2a3f";

    #[test]
    fn a_person_has_any_name_that_is_not_an_operations() {
        for name in ["jane", "team/ops", "https://tickets/4711", "Jane Doe"] {
            assert_eq!(person(name), Ok(PauseHolder::Person { name: name.into() }));
        }
        for (name, word) in [("", "--holder"), ("  ", "--holder"), (OPERATION, "operations")] {
            let refused = person(name).unwrap_err();
            assert!(refused.contains(word), "{name:?}: {refused}");
        }
    }

    #[test]
    fn pause_and_resume() {
        let refuses = |decision: Move, word: &str| match decision {
            Move::Refuse(text) => assert!(text.contains(word), "{text}"),
            other => panic!("{other:?} instead of a refusal with {word}"),
        };
        let [jane, bob, operation] = ["jane", "bob", OPERATION].map(PauseHolder::parse);
        let me = jane.clone().expect("a holder");
        assert_eq!(pause(None, &me), Move::Take(me.clone()));
        assert_eq!(pause(jane.clone(), &me), Move::Nothing);
        refuses(pause(bob.clone(), &me), "bob");
        refuses(pause(operation.clone(), &me), "pgops/rotate");

        assert_eq!(resume(None, &me), Move::Nothing);
        assert_eq!(resume(jane, &me), Move::Release);
        refuses(resume(bob, &me), "--holder bob");
        refuses(resume(operation, &me), "delete pgops/rotate");
    }

    #[test]
    fn a_database_is_resumed_when_the_provisioner_has_seen_the_end_of_the_pause() {
        let mut postgres = Postgres::default();
        assert!(resumed(&postgres));
        postgres.annotations_mut().insert(PAUSED_BY.into(), "jane".into());
        assert!(!resumed(&postgres));
        let jane = postgres.pause_holder().expect("a holder");
        postgres.status.get_or_insert_default().paused_by = Some(PausedBy::new(&jane, Timestamp::UNIX_EPOCH));
        postgres.annotations_mut().clear();
        assert!(!resumed(&postgres), "the provisioner has not seen it yet");
        postgres.status.get_or_insert_default().paused_by = None;
        assert!(resumed(&postgres));
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
