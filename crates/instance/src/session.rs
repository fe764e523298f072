//! A SQL session with one member.

use std::{
    future::{Future, Ready, ready},
    io,
    pin::Pin,
    task,
    time::Duration,
};

use sha2::{Digest, Sha256, Sha384, Sha512};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    task::JoinHandle,
    time,
};
use tokio_postgres::{
    Client, Config, NoTls,
    config::{SslMode, SslNegotiation},
    error::SqlState,
    tls::{ChannelBinding, TlsConnect},
};
use tokio_rustls::client::TlsStream;
use x509_parser::{
    oid_registry as oid,
    prelude::{FromDer, X509Certificate},
};

use crate::{
    certificate::{CertificateError, Distrust},
    handshake::{self, HandshakeError},
    secrecy::Password,
    tls::{ClientIdentity, Connector, TlsMode},
};

/// As whom to log in, and how the way there is protected.
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
}

/// A session, or a question in it, failed.
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
    /// The wish for TLS failed.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The server has no TLS, and we asked for it.
    #[error("the server offers no TLS")]
    NoTls,
    /// The server's certificate does not pass.
    #[error("the server's certificate is not trusted: {0}")]
    Untrusted(Distrust),
    /// The role's name or password is wrong.
    #[error("the server refused the login of {user}: {message}; look at the auth Secret and at pg_hba.conf")]
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
    /// The table of the write check belongs to somebody else, who could run code as us by it.
    #[error("table public.kubedb_write_check belongs to {owner}, not to us; drop it")]
    ForeignTable {
        /// Its owner.
        owner: String,
    },
    /// The server's answer is not what we know.
    #[error("{doing}: unexpected answer {answer:?}")]
    Unexpected {
        /// What we were doing.
        doing: &'static str,
        /// What the server said.
        answer: String,
    },
    /// Anything else that PostgreSQL or the connection says.
    #[error("{doing} failed")]
    Failed {
        /// What we were doing.
        doing: &'static str,
        /// What went wrong.
        #[source]
        source: tokio_postgres::Error,
    },
}

/// An open session; each question has the deadline given at the beginning. Dropping it ends it.
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
        within(deadline, "the login", log_in(stream, login, deadline)).await
    }

    /// Logs in over TCP; the deadline includes the connection.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn connect(host: &str, port: u16, login: &Login, deadline: Duration) -> Result<Self, SqlError> {
        let connect_and_log_in = async {
            let connected = TcpStream::connect((host, port)).await;
            let address = || format!("{host}:{port}");
            let stream = connected.map_err(|source| SqlError::Connect {
                address: address(),
                source,
            })?;
            stream.set_nodelay(true).map_err(|source| SqlError::Connect {
                address: address(),
                source,
            })?;
            log_in(stream, login, deadline).await
        };
        within(deadline, "the login", connect_and_log_in).await
    }

    /// Asks one question within the session's deadline.
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

async fn log_in<S>(mut stream: S, login: &Login, deadline: Duration) -> Result<Session, SqlError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut config = startup(login, deadline);
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
            let tls =
                handshake::secure(stream, &connector).await.map_err(|error| {
                    match handshake::distrusted(&error, &connector) {
                        Some(distrust) => SqlError::Untrusted(distrust),
                        None => HandshakeError::Tls(error).into(),
                    }
                })?;
            // The handshake is done: `Direct` makes the client use the stream as it is, without asking for TLS again.
            config
                .ssl_mode(SslMode::Require)
                .ssl_negotiation(SslNegotiation::Direct);
            let (client, connection) = config
                .connect_raw(Secured(tls), Established)
                .await
                .map_err(refused)?;
            (client, tokio::spawn(async move { drop(connection.await) }))
        }
    };
    Ok(Session {
        client,
        driver,
        deadline,
    })
}

fn startup(login: &Login, deadline: Duration) -> Config {
    let mut config = Config::new();
    config
        .user(&login.user)
        .dbname(&login.database)
        .application_name(&login.application_name);
    // Nothing that a user puts into a schema may be run by us, and no question outlives our interest in its answer.
    config.options(format!(
        "-c search_path=pg_catalog -c statement_timeout={}",
        deadline.as_millis()
    ));
    if let Some(password) = &login.password {
        config.password(password.reveal());
    }
    config
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
        _ => SqlError::Failed {
            doing: "the login",
            source,
        },
    }
}

/// A stream on which the TLS handshake is done.
struct Secured<S>(TlsStream<S>);

/// Gives tokio-postgres the stream as it is.
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
        let (_, connection) = self.0.get_ref();
        let leaf = connection.peer_certificates().and_then(|chain| chain.first());
        match leaf.and_then(|leaf| end_point_hash(leaf)) {
            Some(hash) => ChannelBinding::tls_server_end_point(hash),
            None => ChannelBinding::none(),
        }
    }
}

/// `tls-server-end-point` (RFC 5929): the certificate hashed with the hash of its signature; SHA-256 instead of MD5 and
/// SHA-1. `None` where PostgreSQL knows no hash either.
fn end_point_hash(leaf: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
    let signature = &certificate.signature_algorithm.algorithm;
    let any_of = |known: &[oid::Oid<'static>]| known.iter().any(|k| k == signature);
    if any_of(&[oid::OID_PKCS1_SHA512WITHRSA, oid::OID_SIG_ECDSA_WITH_SHA512]) {
        return Some(Sha512::digest(leaf).to_vec());
    }
    if any_of(&[oid::OID_PKCS1_SHA384WITHRSA, oid::OID_SIG_ECDSA_WITH_SHA384]) {
        return Some(Sha384::digest(leaf).to_vec());
    }
    let sha256 = [
        oid::OID_PKCS1_SHA256WITHRSA,
        oid::OID_SIG_ECDSA_WITH_SHA256,
        oid::OID_PKCS1_SHA1WITHRSA,
    ];
    any_of(&sha256).then(|| Sha256::digest(leaf).to_vec())
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Secured<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> task::Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Secured<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        buf: &[u8],
    ) -> task::Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> task::Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> task::Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
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
        };
        assert!(!format!("{login:?}").contains("hunter2"));
    }
}
