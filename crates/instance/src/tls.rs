//! How a TLS connection to a member is made: which CAs the client trusts, and its identity.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, OnceLock},
};

use jiff::Timestamp;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::{
        ResolvesClientCert,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    sign::CertifiedKey,
};

use crate::{
    certificate::{self, CertificateError},
    trust::{self, Bundle, Distrust, Usage},
};

/// Whether a session uses TLS, and what it demands of the server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// No TLS.
    Disable,
    /// TLS with whatever the server serves; for health checks, which validate the certificate separately.
    AcceptAny,
    /// TLS, and any path leads from the leaf to one of these CAs, be it a root or not, or the leaf is known: an operator
    /// that gave it to the server reaches the server also when it has expired, or locks clients out.
    VerifyCa {
        /// CA bundle, PEM.
        ca: Vec<u8>,
        /// Leaves by the SHA-256 of their DER, lower-case hex.
        known: BTreeSet<String>,
    },
    /// TLS, the chain leads to one of these CAs as OpenSSL verifies it, and the certificate is for this name: what libpq does
    /// with `sslmode=verify-full`. A login by SCRAM is bound to the certificate, or fails, as libpq's does.
    VerifyFull {
        /// CA bundle, PEM.
        ca: Vec<u8>,
        /// DNS name or IP address that the certificate must be for.
        server_name: String,
    },
}

/// A client certificate with its key; `Debug` shows no key.
pub struct ClientIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl ClientIdentity {
    /// A client certificate (PEM, leaf first) and its private key (PEM).
    ///
    /// # Errors
    /// When one can't be read or they do not belong together.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let identity = Self {
            chain: certificate::read_certificates(certificate, "client certificate")?,
            key: certificate::read_key(key)?,
        };
        certificate::pair(identity.chain.clone(), identity.key.clone_key())?;
        Ok(identity)
    }
}

impl Clone for ClientIdentity {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientIdentity(…)")
    }
}

/// What a connection needs: rustls' configuration and the name to give it.
pub(crate) struct Connector {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) name: ServerName<'static>,
    /// Why the server is not trusted, if that is why the handshake failed.
    pub(crate) distrust: Arc<OnceLock<Distrust>>,
    /// The CAs that the server accepts client certificates of; recorded only when there is none to show.
    pub(crate) asked: Arc<Asked>,
}

impl Connector {
    /// `None` when the mode is [`TlsMode::Disable`].
    pub(crate) fn new(
        mode: &TlsMode,
        identity: Option<&ClientIdentity>,
    ) -> Result<Option<Self>, CertificateError> {
        let judge = match mode {
            TlsMode::Disable => return Ok(None),
            TlsMode::AcceptAny => Judge::new(Trust::Any),
            TlsMode::VerifyCa { ca, known } => Judge::new(Trust::AnyPath {
                bundle: Bundle::of_pem(ca)?,
                known: known.clone(),
            }),
            TlsMode::VerifyFull { ca, server_name } => Judge::new(Trust::full(ca, server_name)?),
        };
        // No name goes over the wire (PostgreSQL does not use it): an address is never sent as SNI.
        let name = ServerName::from(std::net::IpAddr::from(std::net::Ipv4Addr::UNSPECIFIED));
        let distrust = judge.distrust.clone();
        let asked = Arc::<Asked>::default();
        let builder = ClientConfig::builder_with_provider(judge.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(CertificateError::Key)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(judge));
        let mut config = match identity {
            Some(identity) => builder
                .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
                .map_err(CertificateError::Key)?,
            None => builder.with_client_cert_resolver(asked.clone()),
        };
        // Each probe must see what is served now, not what an earlier session agreed on.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Some(Self {
            config: Arc::new(config),
            name,
            distrust,
            asked,
        }))
    }
}

/// Subjects (DER) of the CAs that a server names when it requests a client certificate; none is shown.
#[derive(Debug, Default)]
pub(crate) struct Asked(OnceLock<BTreeSet<Vec<u8>>>);

impl Asked {
    /// Empty when the server requested none.
    pub(crate) fn subjects(&self) -> BTreeSet<Vec<u8>> {
        self.0.get().cloned().unwrap_or_default()
    }
}

impl ResolvesClientCert for Asked {
    fn resolve(&self, subjects: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        // A server requests a certificate once in a handshake.
        let _ = self
            .0
            .set(subjects.iter().map(|subject| subject.to_vec()).collect());
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// What a server's certificate must pass.
#[derive(Debug)]
enum Trust {
    Any,
    AnyPath {
        bundle: Bundle,
        known: BTreeSet<String>,
    },
    Full {
        bundle: Bundle,
        name: ServerName<'static>,
    },
}

impl Trust {
    fn full(ca: &[u8], name: &str) -> Result<Self, CertificateError> {
        let name = ServerName::try_from(name.to_owned());
        Ok(Self::Full {
            bundle: Bundle::of_pem(ca)?,
            name: name.map_err(|e| CertificateError::X509(format!("the server's name: {e}")))?,
        })
    }

    fn verify(&self, chain: &[CertificateDer<'_>], now: Timestamp) -> Result<(), Distrust> {
        match self {
            Self::Any => Ok(()),
            Self::AnyPath { known, .. } if known.contains(&certificate::fingerprint(&chain[0])) => Ok(()),
            Self::AnyPath { bundle, .. } => bundle.verify_any_path(chain, Usage::Server, now),
            Self::Full { bundle, name } => bundle
                .verify(chain, Usage::Server, now)
                .and_then(|()| trust::verify_name(&chain[0], name)),
        }
    }
}

/// Validates a server's certificate; in every mode the server must prove that it has the key.
#[derive(Debug)]
struct Judge {
    trust: Trust,
    provider: Arc<CryptoProvider>,
    distrust: Arc<OnceLock<Distrust>>,
}

impl Judge {
    fn new(trust: Trust) -> Self {
        Self {
            trust,
            provider: certificate::provider(),
            distrust: Arc::default(),
        }
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _address: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain: Vec<CertificateDer<'_>> = std::iter::once(leaf).chain(intermediates).cloned().collect();
        let now = i64::try_from(now.as_secs()).ok().map(Timestamp::from_second);
        let now = now.and_then(Result::ok).unwrap_or(Timestamp::MAX);
        self.trust.verify(&chain, now).map_err(|distrust| {
            let alert = alert(&distrust);
            // A connection has one handshake, so there is no earlier reason.
            let _ = self.distrust.set(distrust);
            rustls::Error::InvalidCertificate(alert)
        })?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// The alert to the server, which PostgreSQL logs.
fn alert(distrust: &Distrust) -> rustls::CertificateError {
    match distrust {
        Distrust::Expired(_) => rustls::CertificateError::Expired,
        Distrust::NotYetValid(_) => rustls::CertificateError::NotValidYet,
        Distrust::WrongName { .. } => rustls::CertificateError::NotValidForName,
        Distrust::WrongPurpose => rustls::CertificateError::InvalidPurpose,
        _ => rustls::CertificateError::UnknownIssuer,
    }
}
