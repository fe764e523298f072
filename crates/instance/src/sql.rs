//! The SQL queries to a member. Every name is written with its schema; the sessions' search path is `pg_catalog` only. What
//! predefined roles do not give, functions of the operators' schema do (`blueprint/src/pg/functions.sql`).

use std::collections::BTreeMap;

use tokio_postgres::{
    Row,
    types::{FromSql, ToSql},
};

use crate::session::{Session, SqlError};

/// What a member is, by its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It takes writes.
    Primary,
    /// It replays what another wrote (`pg_is_in_recovery()`).
    Standby,
}

/// A row of `pg_stat_replication`: a standby as its primary sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// The standby's name.
    pub application_name: String,
    /// `streaming`, `catchup`, `startup`, `backup`; empty for other senders.
    pub state: String,
    /// `async`, `potential`, `sync` or `quorum`.
    pub sync_state: String,
    /// WAL that the standby has not replayed yet, in bytes; `None` before it has reported.
    pub replay_lag_bytes: Option<i64>,
    /// Whether the replication connection is encrypted.
    pub ssl: bool,
}

/// How far a standby is behind what it has received.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lag {
    /// WAL received and not replayed, in bytes.
    pub unreplayed_bytes: i64,
    /// Age of the last replayed transaction, in seconds; `None` before the first. It grows on an idle primary too.
    pub replayed_seconds_ago: Option<f64>,
}

/// `pg_stat_wal_receiver`: how a standby gets its WAL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalReceiver {
    /// `streaming`, `waiting`, `restarting`, …
    pub status: String,
    /// Host of the member that it streams from.
    pub sender_host: String,
    /// Port of that member.
    pub sender_port: i32,
    /// Timeline that it receives.
    pub timeline: i32,
}

/// The configuration that a server has read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadedConfiguration {
    /// Lines of `pg_hba.conf` without comments.
    pub pg_hba: Vec<String>,
    /// Whether the server has read its configuration since `pg_hba.conf` was written.
    pub is_read: bool,
    /// `primary_conninfo`; empty when there is none. It has no password: Patroni writes a password file.
    pub primary_conninfo: String,
}

/// Parameters as a server has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadedParameters {
    /// Values of those that come of its configuration, as `SHOW` prints them; by name in lower case.
    pub values: BTreeMap<String, String>,
    /// Names of parameters whose value in the configuration waits for a restart (`pg_settings.pending_restart`).
    pub pending: Vec<String>,
    /// Names of parameters that `ALTER SYSTEM` has set, which wins over the configuration.
    pub altered: Vec<String>,
}

/// Prefix of the `application_name` of Sealwright's own sessions, which belong to no application.
pub const APPLICATION_NAME_PREFIX: &str = "sealwright-";

/// Sessions of clients and standbys that came over TCP, by protection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SslSessions {
    /// With TLS.
    pub encrypted: i64,
    /// Without TLS.
    pub plaintext: i64,
}

impl Session {
    /// Whether the member takes writes or replays.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn role(&self) -> Result<Role, SqlError> {
        let in_recovery: bool = self
            .value("the role", "SELECT pg_catalog.pg_is_in_recovery()")
            .await?;
        Ok(if in_recovery { Role::Standby } else { Role::Primary })
    }

    /// Reads something from a table, so from storage or its cache.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn check_read(&self) -> Result<(), SqlError> {
        let query = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_database";
        self.value::<i64>("the read check", query).await.map(drop)
    }

    /// Commits a transaction that writes, as a client's would: it takes a transaction number, reaches the WAL, and waits for
    /// synchronous standbys. It leaves nothing behind, and needs nothing that a user could take away: no schema, no table.
    /// Only on a primary.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn check_write(&self) -> Result<(), SqlError> {
        let doing = "the write check";
        self.ask(doing, self.client.batch_execute(WRITE_CHECK)).await
    }

    /// The standbys that stream from this member.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn replicas(&self) -> Result<Vec<Replica>, SqlError> {
        let doing = "the list of standbys";
        let rows = self.ask(doing, self.client.query(REPLICAS, &[])).await?;
        rows.iter()
            .map(|row| {
                Ok(Replica {
                    application_name: self.field(doing, row, 0)?,
                    state: self.field(doing, row, 1)?,
                    sync_state: self.field(doing, row, 2)?,
                    replay_lag_bytes: self.field(doing, row, 3)?,
                    ssl: self.field(doing, row, 4)?,
                })
            })
            .collect()
    }

    /// The version of the PostgreSQL that responds, by `SHOW server_version_num`.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn server_version(&self) -> Result<i32, SqlError> {
        let doing = "reading the version";
        let row = self
            .ask(doing, self.client.query_one(SERVER_VERSION, &[]))
            .await?;
        self.field(doing, &row, 0)
    }

    /// How far this standby is behind what it has received; zero on a primary.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn lag(&self) -> Result<Lag, SqlError> {
        let doing = "the lag";
        let row = self.ask(doing, self.client.query_one(LAG, &[])).await?;
        Ok(Lag {
            unreplayed_bytes: self.field(doing, &row, 0)?,
            replayed_seconds_ago: self.field(doing, &row, 1)?,
        })
    }

    /// How this standby gets its WAL; `None` when it gets none now.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn wal_receiver(&self) -> Result<Option<WalReceiver>, SqlError> {
        let doing = "the WAL receiver";
        let row = self.ask(doing, self.client.query_opt(WAL_RECEIVER, &[])).await?;
        row.map(|row| {
            Ok(WalReceiver {
                status: self.field(doing, &row, 0)?,
                sender_host: self.field(doing, &row, 1)?,
                sender_port: self.field(doing, &row, 2)?,
                timeline: self.field(doing, &row, 3)?,
            })
        })
        .transpose()
    }

    /// Sessions of applications that came over TCP, with and without TLS: no standbys, and none of [`APPLICATION_NAME_PREFIX`].
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn application_sessions(&self) -> Result<SslSessions, SqlError> {
        let doing = "the count of applications' sessions";
        let row = self
            .ask(
                doing,
                self.client
                    .query_one(APPLICATION_SESSIONS, &[&APPLICATION_NAME_PREFIX]),
            )
            .await?;
        Ok(SslSessions {
            encrypted: self.field(doing, &row, 0)?,
            plaintext: self.field(doing, &row, 1)?,
        })
    }

    /// Ends the sessions that [`Self::application_sessions`] counts as encrypted, or as plaintext; returns how many.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn end_application_sessions(&self, encrypted: bool) -> Result<i64, SqlError> {
        let doing = "ending applications' sessions";
        let row = self
            .ask(
                doing,
                self.client
                    .query_one(END_APPLICATION_SESSIONS, &[&APPLICATION_NAME_PREFIX, &encrypted]),
            )
            .await?;
        self.field(doing, &row, 0)
    }

    /// The configuration that the server has read.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn configuration(&self) -> Result<LoadedConfiguration, SqlError> {
        let doing = "reading the configuration";
        let row = self.ask(doing, self.client.query_one(CONFIGURATION, &[])).await?;
        let text: Option<String> = self.field(doing, &row, 0)?;
        let lines = text.iter().flat_map(|text| text.lines()).map(str::trim);
        Ok(LoadedConfiguration {
            pg_hba: lines
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .map(str::to_owned)
                .collect(),
            is_read: self.field::<Option<bool>>(doing, &row, 1)?.unwrap_or(false),
            primary_conninfo: self.field::<Option<String>>(doing, &row, 2)?.unwrap_or_default(),
        })
    }

    /// The contents of these files of a member; `None` for one that there is not, or that is not for the operators. Of
    /// `patroni.yml`, which has passwords in it, the SHA-256.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn files(&self, paths: &[&str]) -> Result<Vec<Option<Vec<u8>>>, SqlError> {
        let doing = "reading files";
        let rows = self.ask(doing, self.client.query(FILES, &[&paths])).await?;
        rows.iter().map(|row| self.field(doing, row, 0)).collect()
    }

    /// A digest of the roles of ours, which changes with each of them.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn roles(&self) -> Result<String, SqlError> {
        self.value("reading the operators' roles", "SELECT sealwright.roles()")
            .await
    }

    /// As what PostgreSQL keeps the password of a role of the user's; none when it has none, or there is no such role.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn verifier(&self, role: &str) -> Result<Option<String>, SqlError> {
        let doing = "reading a role's verifier";
        let query = "SELECT sealwright.verifier($1)";
        let row = self.ask(doing, self.client.query_one(query, &[&role])).await?;
        self.field(doing, &row, 0)
    }

    /// Gives a role of the user's another password, by its verifier. Sessions of the role go on. Only on a primary.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn set_verifier(&self, role: &str, verifier: &str) -> Result<(), SqlError> {
        let query = "SELECT sealwright.set_verifier($1, $2)::text";
        let values: [&(dyn ToSql + Sync); 2] = [&role, &verifier];
        let set = self.client.query_one(query, &values);
        self.ask("setting a role's verifier", set).await.map(drop)
    }

    /// The content of `ssl_ca_file`, if the server has read its configuration since that file changed
    /// (`pg_conf_load_time`, PostgreSQL manual, "System Information Functions"). PostgreSQL reports a file's time in
    /// whole seconds, so a configuration that was read in the very second of the change counts as read before it.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn loaded_authorities(&self) -> Result<Option<Vec<u8>>, SqlError> {
        let doing = "what client certificates are judged by";
        let row = self
            .ask(doing, self.client.query_one(LOADED_AUTHORITIES, &[]))
            .await?;
        self.field(doing, &row, 0)
    }

    /// Sessions that came over TCP, with and without TLS; this one is not counted.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn ssl_sessions(&self) -> Result<SslSessions, SqlError> {
        let doing = "the count of TLS sessions";
        let row = self.ask(doing, self.client.query_one(SSL_SESSIONS, &[])).await?;
        Ok(SslSessions {
            encrypted: self.field(doing, &row, 0)?,
            plaintext: self.field(doing, &row, 1)?,
        })
    }

    /// Whether this session itself is encrypted, by the server's words.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn encrypted(&self) -> Result<bool, SqlError> {
        let query = "SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()";
        self.value("the protection of this session", query).await
    }

    /// The value of a parameter, as `SHOW` prints it. Of `ssl` it proves nothing: see [`crate::probe`].
    ///
    /// # Errors
    /// [`SqlError`]; also when there is no such parameter.
    pub async fn show(&self, parameter: &str) -> Result<String, SqlError> {
        let doing = "reading a parameter";
        let query = "SELECT pg_catalog.current_setting($1)";
        let row = self
            .ask(doing, self.client.query_one(query, &[&parameter]))
            .await?;
        self.field(doing, &row, 0)
    }

    /// The value of a parameter; empty when there is none of this name.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn parameter(&self, name: &str) -> Result<String, SqlError> {
        let doing = "reading a parameter";
        let query = "SELECT coalesce(pg_catalog.current_setting($1, true), '')";
        let row = self.ask(doing, self.client.query_one(query, &[&name])).await?;
        self.field(doing, &row, 0)
    }

    /// The parameters that come of the configuration, with this one, and what waits for a restart.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn parameters(&self, mark: &str) -> Result<LoadedParameters, SqlError> {
        let doing = "reading parameters";
        let rows = self.ask(doing, self.client.query(PARAMETERS, &[&mark])).await?;
        let mut loaded = LoadedParameters::default();
        for row in &rows {
            let name: String = self.field(doing, row, 0)?;
            if self.field(doing, row, 2)? {
                loaded.pending.push(name.clone());
            }
            if self.field(doing, row, 3)? {
                loaded.altered.push(name.clone());
            }
            if let Some(value) = self.field(doing, row, 1)? {
                loaded.values.insert(name, value);
            }
        }
        Ok(loaded)
    }

    /// Makes the server read its configuration again, certificates and `pg_hba.conf` included. That happens soon after
    /// the response, not before.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn reload(&self) -> Result<(), SqlError> {
        let doing = "the reload";
        let signalled: bool = self.value(doing, "SELECT sealwright.reload()").await?;
        if signalled {
            Ok(())
        } else {
            Err(SqlError::Unexpected {
                doing,
                answer: "false".to_owned(),
            })
        }
    }

    pub(crate) async fn value<T>(&self, doing: &'static str, query: &str) -> Result<T, SqlError>
    where
        T: for<'a> FromSql<'a>,
    {
        let row = self.ask(doing, self.client.query_one(query, &[])).await?;
        self.field(doing, &row, 0)
    }

    #[allow(clippy::unused_self, reason = "reads like the other questions of a session")]
    pub(crate) fn field<T>(&self, doing: &'static str, row: &Row, column: usize) -> Result<T, SqlError>
    where
        T: for<'a> FromSql<'a>,
    {
        row.try_get(column)
            .map_err(|source| SqlError::Failed { doing, source })
    }
}

/// A message in the WAL without a reader: logical decoding passes it on only to readers that request messages of this
/// prefix.
const WRITE_CHECK: &str = "SELECT pg_catalog.pg_logical_emit_message(true, 'sealwright', 'write check')";

const SERVER_VERSION: &str = "SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4";
const REPLICAS: &str = "SELECT
        coalesce(r.application_name, ''), coalesce(r.state, ''), coalesce(r.sync_state, ''),
        pg_catalog.pg_wal_lsn_diff(
            CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_receive_lsn()
                 ELSE pg_catalog.pg_current_wal_lsn() END, r.replay_lsn)::pg_catalog.int8,
        coalesce(s.ssl, false)
    FROM pg_catalog.pg_stat_replication r LEFT JOIN pg_catalog.pg_stat_ssl s USING (pid)
    ORDER BY r.application_name";

const LAG: &str = "SELECT
        CASE WHEN pg_catalog.pg_is_in_recovery() THEN coalesce(pg_catalog.pg_wal_lsn_diff(
            pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn()), 0)::pg_catalog.int8
        ELSE 0::pg_catalog.int8 END,
        CASE WHEN pg_catalog.pg_is_in_recovery() THEN
            extract(epoch FROM pg_catalog.now() - pg_catalog.pg_last_xact_replay_timestamp())::pg_catalog.float8
        ELSE 0::pg_catalog.float8 END";

const WAL_RECEIVER: &str = "SELECT status, coalesce(sender_host, ''), coalesce(sender_port, 0), received_tli
    FROM pg_catalog.pg_stat_wal_receiver WHERE status IS NOT NULL";

const CONFIGURATION: &str = "SELECT c.pg_hba, c.is_read, pg_catalog.current_setting('primary_conninfo', true)
    FROM sealwright.configuration() AS c";

/// A setting of a session or of a role is not part of the configuration.
const PARAMETERS: &str =
    "SELECT pg_catalog.lower(s.name), pg_catalog.current_setting(s.name, true), s.pending_restart,
        coalesce(s.sourcefile LIKE '%/postgresql.auto.conf', false)
    FROM pg_catalog.pg_settings s
    WHERE s.pending_restart OR s.source IN ('configuration file', 'command line', 'override')
    UNION ALL SELECT $1::pg_catalog.text, pg_catalog.current_setting($1::pg_catalog.text, true), false, false";

const LOADED_AUTHORITIES: &str = "SELECT sealwright.loaded_authorities()";

const FILES: &str = "SELECT f FROM sealwright.files($1) AS f";

const APPLICATION_SESSIONS: &str = "SELECT
        count(*) FILTER (WHERE s.ssl), count(*) FILTER (WHERE NOT s.ssl)
    FROM pg_catalog.pg_stat_activity a JOIN pg_catalog.pg_stat_ssl s USING (pid)
    WHERE a.client_addr IS NOT NULL AND a.pid <> pg_catalog.pg_backend_pid()
        AND a.backend_type = 'client backend' AND NOT pg_catalog.starts_with(a.application_name, $1)";

const END_APPLICATION_SESSIONS: &str = "SELECT sealwright.end_application_sessions($1, $2)";

/// Local connections have no `client_addr`; background processes no row in `pg_stat_ssl`.
const SSL_SESSIONS: &str = "SELECT
        count(*) FILTER (WHERE s.ssl), count(*) FILTER (WHERE NOT s.ssl)
    FROM pg_catalog.pg_stat_activity a JOIN pg_catalog.pg_stat_ssl s USING (pid)
    WHERE a.client_addr IS NOT NULL AND a.pid <> pg_catalog.pg_backend_pid()";
