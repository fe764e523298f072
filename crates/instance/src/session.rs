//! A SQL session with one member.

use std::{
    future::{Future, Ready, ready},
    io,
    pin::Pin,
    task,
    time::Duration,
};

use api_types::{Major, roles};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    task::JoinHandle,
    time,
};
use tokio_postgres::{
    Client, NoTls,
    config::{SslMode, SslNegotiation},
    error::SqlState,
    tls::{ChannelBinding, TlsConnect},
};
use tokio_rustls::client::TlsStream;

use crate::{
    attempt::{Attempt, MAINTENANCE, TEMPLATE},
    binding,
    certificate::CertificateError,
    handshake::{self, HandshakeError},
    secrecy::Password,
    tls::{ClientIdentity, Connector, TlsMode},
    trust::Distrust,
};

/// The role to log in as, and how the connection is protected.
#[derive(Clone, Debug)]
pub struct Login {
    /// Role.
    pub user: String,
    /// Its password; not needed where a client certificate is enough.
    pub password: Option<Password>,
    /// Database, for example `postgres`.
    pub database: String,
    /// `application_name`, which shows in `pg_stat_activity`.
    pub application_name: String,
    /// TLS.
    pub tls: TlsMode,
    /// Client certificate.
    pub identity: Option<ClientIdentity>,
    /// PostgreSQL's major version, where it is known: newer ones have more settings that could end a session of ours.
    pub major: Option<Major>,
}

/// A session, or a query in it, failed.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// No TCP connection.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where to.
        address: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Nothing in time.
    #[error("{doing} took longer than {after:?}")]
    Deadline {
        /// What we were doing.
        doing: &'static str,
        /// The deadline.
        after: Duration,
    },
    /// The way we would log in can't be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The request for TLS failed.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The server has no TLS, and the client requires it.
    #[error("the server offers no TLS")]
    NoTls,
    /// The server's certificate does not pass.
    #[error("the server's certificate is not trusted: {0}")]
    Untrusted(Distrust),
    /// A login by SCRAM can't be bound to the server's certificate.
    #[error(
        "the server refused the login of {user}: its certificate is signed with an algorithm for which SCRAM has no channel \
         binding, so no client that uses libpq can log in; have it issued by a CA with an ECDSA or an RSA key ({message})"
    )]
    NoChannelBinding {
        /// The role.
        user: String,
        /// PostgreSQL's words.
        message: String,
    },
    /// The role's name or password is wrong.
    #[error("the server refused the login of {user}: {message}; {}", advice(user))]
    Login {
        /// The role.
        user: String,
        /// PostgreSQL's words.
        message: String,
    },
    /// The server starts, stops or recovers.
    #[error("the server takes no connections now: {0}")]
    NotNow(String),
    /// All connections are in use.
    #[error("the server has no connection left: {0}")]
    TooMany(String),
    /// No database takes sessions of ours.
    #[error(
        "no database admits the operators: {0}; allow connections to the database {MAINTENANCE} or {TEMPLATE}"
    )]
    NoDatabase(String),
    /// The server's response is not what we know.
    #[error("{doing}: unexpected answer {answer:?}")]
    Unexpected {
        /// What we were doing.
        doing: &'static str,
        /// The server's message.
        answer: String,
    },
    /// Any other error of PostgreSQL or of the connection.
    #[error("{doing} failed")]
    Failed {
        /// What we were doing.
        doing: &'static str,
        /// What went wrong.
        #[source]
        source: tokio_postgres::Error,
    },
}

impl SqlError {
    /// Whether the server responds and refuses this session for reasons of its own. Other clients may still get in.
    pub fn is_about_access(&self) -> bool {
        match self {
            Self::Login { .. } | Self::TooMany(_) | Self::NoDatabase(_) => true,
            Self::Failed { doing, source } => {
                let code = source.code().map(SqlState::code).unwrap_or_default();
                let refused = *doing == LOGIN && REFUSALS.iter().any(|class| code.starts_with(class));
                refused || code == SqlState::INSUFFICIENT_PRIVILEGE.code()
            }
            _ => false,
        }
    }

    /// Whether the server refused the password, or did not report another cause.
    pub fn is_wrong_password(&self) -> bool {
        matches!(self, Self::Login { message, .. } if message.contains("password authentication failed"))
    }

    /// Whether a role of ours, or a function of its schema, is missing or was changed.
    pub fn is_about_our_roles(&self) -> bool {
        match self {
            Self::Login { user, .. } => roles::is_reserved(user),
            Self::TooMany(_) => self.is_limit_of(roles::OPERATOR),
            Self::Failed { source, .. } => source.code().is_some_and(|code| OURS_MISSING.contains(code)),
            _ => false,
        }
    }

    /// Whether the connection limit of this role or database refused the session. The message names it, in every language
    /// (`too many connections for database "postgres"`, utils/init/miscinit.c and postinit.c).
    pub fn is_limit_of(&self, name: &str) -> bool {
        matches!(self, Self::TooMany(message) if message.contains(&format!("\"{name}\"")))
    }

    /// PostgreSQL's code, where it is not sorted yet.
    pub(crate) fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Failed { source, .. } => source.code(),
            _ => None,
        }
    }
}

/// What a login is called in errors.
pub(crate) const LOGIN: &str = "the login";

/// Classes of SQLSTATE with which a running server refuses one login and not every other: the role, the database, a setting
/// of them, a library that they load, or a trigger (PostgreSQL manual, Appendix A).
const REFUSALS: [&str; 7] = ["28", "3D", "42", "55", "58", "22", "P0"];

/// PostgreSQL's errors when a function of ours, its schema or a right to it is missing.
const OURS_MISSING: [SqlState; 3] = [
    SqlState::UNDEFINED_FUNCTION,
    SqlState::INVALID_SCHEMA_NAME,
    SqlState::INSUFFICIENT_PRIVILEGE,
];

fn advice(user: &str) -> &'static str {
    if roles::is_reserved(user) {
        "the provisioner has the members make their own roles again"
    } else {
        "look at the auth Secret and at pg_hba.conf"
    }
}

/// An open session; each query has the deadline given at the beginning. Dropping the session ends it.
#[derive(Debug)]
pub struct Session {
    pub(crate) client: Client,
    driver: JoinHandle<()>,
    deadline: Duration,
}

impl Session {
    /// Logs in over a stream that is connected to the server.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn open<S>(stream: S, login: &Login, deadline: Duration) -> Result<Self, SqlError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let attempt = Attempt::first(login);
        within(deadline, LOGIN, log_in(stream, login, &attempt, deadline)).await
    }

    /// Logs in over TCP; the deadline includes the connection. A user may close the database `postgres`, which nothing here
    /// needs: then it is `template1`.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn connect(host: &str, port: u16, login: &Login, deadline: Duration) -> Result<Self, SqlError> {
        let connect_and_log_in = async {
            let mut attempt = Attempt::first(login);
            loop {
                let stream = tcp(host, port).await?;
                match log_in(stream, login, &attempt, deadline).await {
                    Ok(session) => return Ok(session),
                    Err(error) => attempt = attempt.after(error)?,
                }
            }
        };
        within(deadline, LOGIN, connect_and_log_in).await
    }

    /// Runs one query within the session's deadline.
    pub(crate) async fn ask<T>(
        &self,
        doing: &'static str,
        question: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, SqlError> {
        let answered = async {
            question
                .await
                .map_err(|source| SqlError::Failed { doing, source })
        };
        within(self.deadline, doing, answered).await
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn within<T>(
    deadline: Duration,
    doing: &'static str,
    work: impl Future<Output = Result<T, SqlError>>,
) -> Result<T, SqlError> {
    time::timeout(deadline, work)
        .await
        .unwrap_or(Err(SqlError::Deadline {
            doing,
            after: deadline,
        }))
}

async fn tcp(host: &str, port: u16) -> Result<TcpStream, SqlError> {
    let failed = |source| SqlError::Connect {
        address: format!("{host}:{port}"),
        source,
    };
    let stream = TcpStream::connect((host, port)).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    Ok(stream)
}

async fn log_in<S>(
    mut stream: S,
    login: &Login,
    attempt: &Attempt,
    deadline: Duration,
) -> Result<Session, SqlError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut config = attempt.startup(login, deadline);
    let refused = |source| refused(&login.user, source);
    let (client, driver) = match Connector::new(&login.tls, login.identity.as_ref())? {
        None => {
            config.ssl_mode(SslMode::Disable);
            let (client, connection) = config.connect_raw(stream, NoTls).await.map_err(refused)?;
            (client, tokio::spawn(async move { drop(connection.await) }))
        }
        Some(connector) => {
            if !handshake::wants_tls(&mut stream).await? {
                return Err(SqlError::NoTls);
            }
            let tls = handshake::secure(stream, &connector).await.map_err(|error| {
                match connector.distrust.get().cloned() {
                    Some(distrust) => SqlError::Untrusted(distrust),
                    None => HandshakeError::Tls(error).into(),
                }
            })?;
            // The handshake is done: `Direct` makes the client use the stream directly, without requesting TLS again.
            config
                .ssl_mode(SslMode::Require)
                .ssl_negotiation(SslNegotiation::Direct);
            let stream = Secured {
                tls,
                as_libpq: matches!(login.tls, TlsMode::VerifyFull { .. }),
            };
            let is_unbound = stream.as_libpq && stream.end_point().is_none();
            let connected = config.connect_raw(stream, Established).await;
            let (client, connection) = connected.map_err(|source| {
                if is_unbound {
                    unbound(&login.user, source)
                } else {
                    refused(source)
                }
            })?;
            (client, tokio::spawn(async move { drop(connection.await) }))
        }
    };
    Ok(Session {
        client,
        driver,
        deadline,
    })
}

/// Sorts a failed login by what can be done about it.
fn refused(user: &str, source: tokio_postgres::Error) -> SqlError {
    let message = source
        .as_db_error()
        .map(|e| e.message().to_owned())
        .unwrap_or_default();
    match source.code() {
        Some(&SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
            SqlError::Login {
                user: user.to_owned(),
                message,
            }
        }
        Some(&SqlState::CANNOT_CONNECT_NOW | &SqlState::ADMIN_SHUTDOWN | &SqlState::CRASH_SHUTDOWN) => {
            SqlError::NotNow(message)
        }
        Some(&SqlState::TOO_MANY_CONNECTIONS) => SqlError::TooMany(message),
        _ => SqlError::Failed { doing: LOGIN, source },
    }
}

/// A failed login to a server whose certificate has no hash for channel binding.
fn unbound(user: &str, source: tokio_postgres::Error) -> SqlError {
    match refused(user, source) {
        // Only PostgreSQL's message shows that this is the cause.
        SqlError::Failed { source, .. } => SqlError::NoChannelBinding {
            user: user.to_owned(),
            message: source.to_string(),
        },
        other => other,
    }
}

/// A stream on which the TLS handshake is done.
struct Secured<S> {
    tls: TlsStream<S>,
    /// libpq binds every login by SCRAM, and gives up where the certificate has no hash for it.
    as_libpq: bool,
}

impl<S> Secured<S> {
    fn end_point(&self) -> Option<Vec<u8>> {
        let (_, connection) = self.tls.get_ref();
        let leaf = connection.peer_certificates().and_then(|chain| chain.first())?;
        binding::end_point(leaf)
    }
}

/// Gives tokio-postgres the stream unchanged.
struct Established;

impl<S: AsyncRead + AsyncWrite + Unpin> TlsConnect<Secured<S>> for Established {
    type Stream = Secured<S>;
    type Error = io::Error;
    type Future = Ready<io::Result<Secured<S>>>;

    fn connect(self, stream: Secured<S>) -> Self::Future {
        ready(Ok(stream))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> tokio_postgres::tls::TlsStream for Secured<S> {
    fn channel_binding(&self) -> ChannelBinding {
        match self.end_point() {
            Some(hash) => ChannelBinding::tls_server_end_point(hash),
            // The server can't compute it either, so the login fails as libpq's does.
            None if self.as_libpq => ChannelBinding::tls_server_end_point(Vec::new()),
            None => ChannelBinding::none(),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Secured<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> task::Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Secured<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        buf: &[u8],
    ) -> task::Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> task::Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> task::Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_does_not_show_its_password() {
        let login = Login {
            user: "postgres".to_owned(),
            password: Some(Password::new("hunter2")),
            database: "postgres".to_owned(),
            application_name: "sealwright".to_owned(),
            tls: TlsMode::Disable,
            identity: None,
            major: None,
        };
        assert!(!format!("{login:?}").contains("hunter2"));
    }
}
