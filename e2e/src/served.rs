//! The judge of TLS: what a server really presents on the wire. `SHOW ssl` proves nothing.
//!
//! The handshake is PostgreSQL's: eight bytes that ask for TLS, one byte of answer, then TLS (manual, 54.2.10).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The request code of an SSLRequest message, after its length.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);

/// A certificate as a server presented it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Distinguished name of the issuer.
    pub issuer: String,
    /// Distinguished name of the subject.
    pub subject: String,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// Subject alternative names, sorted: DNS names, IP addresses, URIs, e-mail addresses.
    pub names: Vec<String>,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint: String,
    /// End of validity, seconds since 1970.
    pub not_after: i64,
}

impl Served {
    /// Reads a DER certificate.
    pub fn parse(der: &[u8]) -> Result<Self> {
        let (_, certificate) = X509Certificate::from_der(der).context("not an X.509 certificate")?;
        let names = certificate
            .subject_alternative_name()
            .context("two SAN extensions")?;
        let mut names: Vec<String> = names
            .map(|n| n.value.general_names.iter().map(name).collect())
            .unwrap_or_default();
        names.sort();
        Ok(Self {
            issuer: certificate.issuer().to_string(),
            subject: certificate.subject().to_string(),
            serial: hex::encode(certificate.tbs_certificate.raw_serial()),
            names,
            fingerprint: hex::encode(Sha256::digest(der)),
            not_after: certificate.validity().not_after.timestamp(),
        })
    }

    /// Reads the first certificate of a PEM text, such as `tls.crt` of a Secret.
    pub fn parse_pem(pem: &[u8]) -> Result<Self> {
        let der = certificates(pem)?
            .into_iter()
            .next()
            .context("no certificate in the PEM text")?;
        Self::parse(&der)
    }
}

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let serial = self.serial.get(..12).unwrap_or(&self.serial);
        write!(
            f,
            "serial {serial}… by {} for {}",
            self.issuer,
            self.names.join(" ")
        )
    }
}

fn name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(dns) => (*dns).to_owned(),
        GeneralName::RFC822Name(mail) => (*mail).to_owned(),
        GeneralName::URI(uri) => (*uri).to_owned(),
        GeneralName::IPAddress(bytes) => match **bytes {
            [a, b, c, d] => std::net::Ipv4Addr::new(a, b, c, d).to_string(),
            _ => <[u8; 16]>::try_from(*bytes).map_or_else(
                |_| hex::encode(bytes),
                |b| std::net::Ipv6Addr::from(b).to_string(),
            ),
        },
        other => other.to_string(),
    }
}

/// The certificates of a PEM text.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    rustls_pemfile::certs(&mut &*pem)
        .collect::<Result<_, _>>()
        .context("not PEM")
}

/// What the server at the other end presents, unchecked; `None` when it answers that it speaks no TLS.
pub async fn look<S>(stream: S) -> Result<Option<Served>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = client_config(Arc::new(AnyCertificate(Arc::new(ring::default_provider()))))?;
    handshake(stream, config, "unchecked.invalid").await
}

/// As a client with `sslmode=verify-full` does: the chain must end in `ca` (PEM) and the certificate must be for
/// `host`. Errors when the server speaks no TLS.
pub async fn verify_full<S>(stream: S, ca: &[u8], host: &str) -> Result<Served>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate)?;
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
    let served = handshake(stream, client_config(verifier)?, host).await?;
    served.context("the server speaks no TLS")
}

fn client_config(verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

async fn handshake<S>(stream: S, config: ClientConfig, host: &str) -> Result<Option<Served>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    tokio::time::timeout(HANDSHAKE_DEADLINE, handshake_unbounded(stream, config, host))
        .await
        .context("no answer to the handshake")?
}

async fn handshake_unbounded<S>(mut stream: S, config: ClientConfig, host: &str) -> Result<Option<Served>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(&SSL_REQUEST).await?;
    match stream.read_u8().await.context("closed before it answered")? {
        b'S' => {}
        b'N' => return Ok(None),
        other => bail!("answered {other:#x} to an SSLRequest"),
    }
    let host = ServerName::try_from(host.to_owned()).context("not a host name")?;
    let tls = TlsConnector::from(Arc::new(config)).connect(host, stream).await?;
    let (_, session) = tls.get_ref();
    let leaf = session
        .peer_certificates()
        .and_then(<[_]>::first)
        .context("no certificate was served")?;
    Served::parse(leaf).map(Some)
}

/// Accepts every certificate, but checks that the server has its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
