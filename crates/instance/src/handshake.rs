//! The only proof of what a member serves: PostgreSQL's SSLRequest and a TLS handshake. Any certificate is read, also an
//! expired or foreign one; judging it is for the caller. No credentials are sent.

use std::{collections::BTreeSet, future::Future, io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    certificate::{self, CertificateError, CertificateFacts},
    tls::{ClientIdentity, Connector, TlsMode},
};

/// `SSLRequest` (PostgreSQL manual, "Message Formats"): length 8, request code 80877103, both big-endian.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// How long a server may take to close a connection.
const HANG_UP_TIMEOUT: Duration = Duration::from_millis(500);

/// A member's response to the request for TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It serves TLS with this certificate.
    Tls(Box<Served>),
    /// It serves no TLS.
    Plaintext,
}

/// The certificate that a member serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The chain in DER form, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// The fields of the leaf.
    pub leaf: CertificateFacts,
    /// Protocol version, for example `TLSv1_3`.
    pub protocol: String,
    /// Subjects (DER) of the CAs that it accepts client certificates of; empty when it requests none, or the client
    /// showed one.
    pub authorities: BTreeSet<Vec<u8>>,
}

impl Answer {
    /// What is served, if it is TLS.
    pub fn served(&self) -> Option<&Served> {
        match self {
            Self::Tls(served) => Some(served),
            Self::Plaintext => None,
        }
    }

    /// Whether the member serves exactly this leaf.
    pub fn serves(&self, leaf: &CertificateFacts) -> bool {
        self.served()
            .is_some_and(|served| served.leaf.fingerprint == leaf.fingerprint)
    }
}

/// The member's response could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// No TCP connection.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where to.
        address: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No response in time.
    #[error("no TLS handshake with {address} within {after:?}")]
    Deadline {
        /// The server.
        address: String,
        /// The deadline.
        after: Duration,
    },
    /// The connection broke.
    #[error("the connection broke during the wish for TLS")]
    Broken(#[source] io::Error),
    /// PostgreSQL sent an error message instead of yes or no.
    #[error("the server refused the connection instead of answering the wish for TLS; look at its log")]
    Refused,
    /// That is not PostgreSQL.
    #[error("the server is not PostgreSQL: it answered the wish for TLS with byte {0}")]
    NotPostgres(u8),
    /// TLS itself failed.
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    /// Our certificate or the server's can't be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// Probes over `stream` what a member serves. `identity` is presented if the server requests a certificate. `address`
/// is for messages only.
///
/// # Errors
/// [`HandshakeError`]; an expired or foreign certificate is none.
pub async fn probe<S>(
    stream: S,
    address: &str,
    identity: Option<&ClientIdentity>,
    deadline: Duration,
) -> Result<Answer, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    within(deadline, address, ask(stream, identity)).await
}

/// [`probe`] over TCP; the deadline includes the connection.
///
/// # Errors
/// [`HandshakeError`].
pub async fn probe_tcp(
    host: &str,
    port: u16,
    identity: Option<&ClientIdentity>,
    deadline: Duration,
) -> Result<Answer, HandshakeError> {
    let address = format!("{host}:{port}");
    let look = async {
        let connected = TcpStream::connect((host, port)).await;
        let stream = connected.map_err(|source| HandshakeError::Connect {
            address: address.clone(),
            source,
        })?;
        ask(stream, identity).await
    };
    within(deadline, &address, look).await
}

async fn within<T>(
    deadline: Duration,
    address: &str,
    look: impl Future<Output = Result<T, HandshakeError>>,
) -> Result<T, HandshakeError> {
    time::timeout(deadline, look).await.unwrap_or_else(|_| {
        Err(HandshakeError::Deadline {
            address: address.to_owned(),
            after: deadline,
        })
    })
}

async fn ask<S>(mut stream: S, identity: Option<&ClientIdentity>) -> Result<Answer, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(connector) = Connector::new(&TlsMode::AcceptAny, identity)? else {
        return Ok(Answer::Plaintext);
    };
    if !wants_tls(&mut stream).await? {
        return Ok(Answer::Plaintext);
    }
    let mut tls = secure(stream, &connector).await.map_err(HandshakeError::Tls)?;
    let served = served(&tls, connector.asked.subjects())?;
    hang_up(&mut tls).await;
    Ok(Answer::Tls(Box::new(served)))
}

/// Ends the connection, and reads what the server still sends (TLS 1.3 session tickets) until it closes. A socket that is closed
/// with unread data resets the connection, and PostgreSQL logs every reset.
async fn hang_up<S>(tls: &mut TlsStream<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let rest = async {
        tls.shutdown().await?;
        tokio::io::copy(tls, &mut tokio::io::sink()).await
    };
    // What we came for is read: how the connection ends changes nothing.
    let _ = time::timeout(HANG_UP_TIMEOUT, rest).await;
}

/// Requests TLS; whether the server agrees.
pub(crate) async fn wants_tls<S>(stream: &mut S) -> Result<bool, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream
        .write_all(&SSL_REQUEST)
        .await
        .map_err(HandshakeError::Broken)?;
    stream.flush().await.map_err(HandshakeError::Broken)?;
    match stream.read_u8().await.map_err(HandshakeError::Broken)? {
        b'S' => Ok(true),
        b'N' => Ok(false),
        b'E' => Err(HandshakeError::Refused),
        other => Err(HandshakeError::NotPostgres(other)),
    }
}

/// The TLS handshake itself.
pub(crate) async fn secure<S>(stream: S, connector: &Connector) -> io::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    TlsConnector::from(connector.config.clone())
        .connect(connector.name.clone(), stream)
        .await
}

fn served<S>(tls: &TlsStream<S>, authorities: BTreeSet<Vec<u8>>) -> Result<Served, CertificateError> {
    let (_, connection) = tls.get_ref();
    let chain: Vec<Vec<u8>> = connection
        .peer_certificates()
        .into_iter()
        .flatten()
        .map(|c| c.to_vec())
        .collect();
    let leaf = chain.first().ok_or(CertificateError::Empty {
        what: "the served chain",
    })?;
    Ok(Served {
        leaf: certificate::facts_of_der(leaf)?,
        chain,
        authorities,
        protocol: connection
            .protocol_version()
            .map(|v| format!("{v:?}"))
            .unwrap_or_default(),
    })
}
