//! How a database port answers: the certificate that it serves, the CAs that it asks client certificates of, and whether
//! it goes on in plaintext. No credentials are sent, and no connection slot is held beyond the question.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, ProtocolVersion, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::world::{ServedLeaf, Wire};

/// `SSLRequest` (PostgreSQL manual, "Message Formats"): length 8, request code 80877103.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
/// Protocol version 3.0 of the startup message.
const PROTOCOL: i32 = 196_608;
/// `invalid_authorization_specification`: no line of `pg_hba.conf` suits.
const REFUSED_BY_HBA: &[u8] = b"C28000";

/// Asks one member.
///
/// # Errors
/// In a few words, why nothing is known.
pub async fn look(host: &str, port: u16, user: &str, within: Duration) -> Result<Wire, String> {
    let both = async {
        let (tls, plaintext) = tokio::join!(ask_for_tls(host, port), ask_in_plaintext(host, port, user));
        let (served, trusted_subjects) = tls?;
        Ok(Wire {
            served,
            trusted_subjects,
            plaintext: plaintext.ok().flatten(),
        })
    };
    tokio::time::timeout(within, both)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {within:?}")))
}

async fn ask_for_tls(host: &str, port: u16) -> Result<(Option<ServedLeaf>, BTreeSet<Vec<u8>>), String> {
    let mut stream = TcpStream::connect((host, port))
        .await
        .map_err(|error| error.to_string())?;
    stream
        .write_all(&SSL_REQUEST)
        .await
        .map_err(|error| error.to_string())?;
    match stream.read_u8().await.map_err(|error| error.to_string())? {
        b'S' => {}
        b'N' => return Ok((None, BTreeSet::new())),
        other => return Err(format!("the wish for TLS was answered with byte {other}")),
    }
    let hints = Arc::new(Hints::default());
    let connector = TlsConnector::from(Arc::new(config(hints.clone())?));
    // An address is never sent as a server name; PostgreSQL looks at none.
    let name = ServerName::from(std::net::IpAddr::from(std::net::Ipv4Addr::UNSPECIFIED));
    let mut tls = connector
        .connect(name, stream)
        .await
        .map_err(|error| format!("the TLS handshake failed: {error}"))?;
    let leaf = tls
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|chain| chain.first());
    let leaf = leaf.ok_or("it serves no certificate")?;
    let facts = instance::facts_of_der(leaf).map_err(|error| error.to_string())?;
    let protocol = tls.get_ref().1.protocol_version();
    let served = ServedLeaf {
        fingerprint: facts.fingerprint,
        issuer: facts.issuer,
        serial: facts.serial,
        not_after: facts.not_after,
        protocol: protocol.map_or_else(String::new, words),
    };
    // Courtesy only: what we came for is read.
    let _ = tls.shutdown().await;
    Ok((Some(served), hints.take()))
}

/// As PostgreSQL writes it in `pg_stat_ssl`.
fn words(version: ProtocolVersion) -> String {
    match version {
        ProtocolVersion::TLSv1_2 => "TLSv1.2".to_owned(),
        ProtocolVersion::TLSv1_3 => "TLSv1.3".to_owned(),
        other => format!("{other:?}"),
    }
}

/// `Some(true)`: it asks for authentication or lets us in; `Some(false)`: no line of `pg_hba.conf` is for plaintext.
async fn ask_in_plaintext(host: &str, port: u16, user: &str) -> Result<Option<bool>, std::io::Error> {
    let mut stream = TcpStream::connect((host, port)).await?;
    stream.write_all(&startup_message(user)).await?;
    let kind = stream.read_u8().await?;
    let length = usize::try_from(stream.read_i32().await?.saturating_sub(4))
        .unwrap_or(0)
        .min(4096);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    // Terminate, so that the server does not log a broken connection.
    let _ = stream.write_all(&[b'X', 0, 0, 0, 4]).await;
    Ok(match kind {
        b'R' => Some(true),
        b'E' if body.split(|byte| *byte == 0).any(|field| field == REFUSED_BY_HBA) => Some(false),
        // Starting, shutting down, out of connections: it says nothing about plaintext.
        _ => None,
    })
}

fn startup_message(user: &str) -> Vec<u8> {
    let mut body = PROTOCOL.to_be_bytes().to_vec();
    for word in [
        "user",
        user,
        "database",
        "postgres",
        "application_name",
        "sealwright-ops-manager",
    ] {
        body.extend_from_slice(word.as_bytes());
        body.push(0);
    }
    body.push(0);
    let length = i32::try_from(body.len() + 4).unwrap_or(i32::MAX);
    [length.to_be_bytes().to_vec(), body].concat()
}

fn config(hints: Arc<Hints>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_client_cert_resolver(hints);
    // Each look must see what is served now, not what an earlier session agreed on.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// Notes the CAs that the server names in its request for a client certificate, and shows none.
#[derive(Debug, Default)]
struct Hints(Mutex<BTreeSet<Vec<u8>>>);

impl Hints {
    fn take(&self) -> BTreeSet<Vec<u8>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesClientCert for Hints {
    fn resolve(&self, subjects: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.extend(subjects.iter().map(|subject| subject.to_vec()));
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Takes any certificate: what is served is read here and judged elsewhere.
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
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
