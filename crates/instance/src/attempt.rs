//! How a session begins: in which database, and with which settings of its own.

use std::time::Duration;

use api_types::{Major, roles};
use tokio_postgres::{Config, error::SqlState};

use crate::session::{Login, SqlError};

/// The databases that every cluster is made with and that take sessions, the one that is meant for it first.
pub(crate) const MAINTENANCE: &str = "postgres";
pub(crate) const TEMPLATE: &str = "template1";

/// One way to log in.
pub(crate) struct Attempt {
    database: String,
    /// Whether the settings include some that only a superuser may change.
    as_superuser: bool,
    /// Why the database that was wanted can't be used.
    refused: Option<SqlError>,
}

impl Attempt {
    /// The way that is tried first.
    pub fn first(login: &Login) -> Self {
        Self {
            database: login.database.clone(),
            as_superuser: !roles::is_reserved(&login.user),
            refused: None,
        }
    }

    /// The way to try after this error.
    ///
    /// # Errors
    /// There is none.
    pub fn after(self, error: SqlError) -> Result<Self, SqlError> {
        let code = error.code();
        let is_closed = code == Some(&SqlState::INVALID_CATALOG_NAME)
            || code == Some(&SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE)
            // Only superusers get past the limit of a database.
            || error.is_limit_of(&self.database);
        if is_closed && self.database == MAINTENANCE {
            return Ok(Self {
                database: TEMPLATE.to_owned(),
                refused: Some(error),
                ..self
            });
        }
        if code == Some(&SqlState::INSUFFICIENT_PRIVILEGE) && self.as_superuser {
            return Ok(Self {
                as_superuser: false,
                ..self
            });
        }
        match self.refused {
            Some(first) if is_closed => Err(SqlError::NoDatabase(format!(
                "{}; {}",
                in_postgres_words(&first),
                in_postgres_words(&error)
            ))),
            _ => Err(error),
        }
    }

    /// What is sent to the server at the beginning of the session.
    pub fn startup(&self, login: &Login, deadline: Duration) -> Config {
        let mut config = Config::new();
        config
            .user(&login.user)
            .dbname(&self.database)
            .application_name(&login.application_name)
            .options(settings(login.major, self.as_superuser, deadline));
        if let Some(password) = &login.password {
            config.password(password.reveal());
        }
        config
    }
}

/// PostgreSQL's own message, where there is one.
fn in_postgres_words(error: &SqlError) -> String {
    match error {
        SqlError::Failed { source, .. } => source
            .as_db_error()
            .map_or_else(|| source.to_string(), |said| said.message().to_owned()),
        other => other.to_string(),
    }
}

/// How much longer than the client the server waits for a query, so that always the client reports the timeout.
const SERVER_TIMEOUT_MARGIN: Duration = Duration::from_secs(1);

/// Settings of a session, which override what users have set for all, for a role or for a database. A session of ours
/// must not run what a user puts into a schema, and no query may run longer than we wait for its result.
fn settings(major: Option<Major>, as_superuser: bool, deadline: Duration) -> String {
    let mut settings = vec![
        "search_path=pg_catalog".to_owned(),
        format!(
            "statement_timeout={}",
            (deadline + SERVER_TIMEOUT_MARGIN).as_millis()
        ),
        "lock_timeout=0".to_owned(),
        "idle_in_transaction_session_timeout=0".to_owned(),
        "default_transaction_read_only=off".to_owned(),
        // A backslash keeps the space.
        r"default_transaction_isolation=read\ committed".to_owned(),
        "default_transaction_deferrable=off".to_owned(),
        "role=none".to_owned(),
    ];
    if major.is_some() {
        settings.push("idle_session_timeout=0".to_owned());
    }
    if major.is_some_and(Major::has_transaction_timeout) {
        settings.push("transaction_timeout=0".to_owned());
    }
    if as_superuser && major.is_some_and(Major::has_login_triggers) {
        settings.push("event_triggers=off".to_owned());
    }
    let options = settings.iter().map(|setting| format!("-c {setting}"));
    options.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        Login {
            user: roles::OPERATOR.to_owned(),
            password: None,
            database: MAINTENANCE.to_owned(),
            application_name: "sealwright".to_owned(),
            tls: crate::tls::TlsMode::Disable,
            identity: None,
            major: None,
        }
    }

    #[test]
    fn a_database_whose_limit_is_reached_is_left_for_the_other_one() {
        let full =
            |database: &str| SqlError::TooMany(format!("too many connections for database \"{database}\""));
        let second = Attempt::first(&login()).after(full(MAINTENANCE)).unwrap();
        assert_eq!(second.database, TEMPLATE);
        let end = second.after(full(TEMPLATE)).err().unwrap();
        assert!(matches!(end, SqlError::NoDatabase(_)), "{end}");
        // Of all connections, or of a role, another database has no more.
        for message in [
            "sorry, too many clients already",
            "too many connections for role \"sealwright_operator\"",
        ] {
            let error = SqlError::TooMany(message.to_owned());
            assert!(Attempt::first(&login()).after(error).is_err(), "{message}");
        }
    }

    #[test]
    fn settings_that_a_version_does_not_know_are_not_asked_for() {
        let of = |major, as_superuser| settings(major, as_superuser, Duration::from_secs(10));
        let has = |major, setting: &str| of(major, true).contains(setting);
        let [sixteen, seventeen] = [16, 17].map(Major::new);
        for setting in ["transaction_timeout=0", "event_triggers=off"] {
            assert!(has(Some(seventeen), setting) && !has(Some(sixteen), setting) && !has(None, setting));
        }
        assert!(has(Some(Major::OLDEST), "idle_session_timeout=0") && !has(None, "idle_session_timeout=0"));
        assert!(!of(Some(seventeen), false).contains("event_triggers"));
        assert!(has(None, "-c statement_timeout=11000 "));
    }
}
