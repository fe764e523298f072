//! X.509: what a certificate says, whether it can be trusted, and whether a key belongs to it. No input or output here.

use std::{net::IpAddr, time::Duration};

use jiff::Timestamp;
use rustls::{
    CertificateError as Judged, RootCertStore,
    client::{verify_server_cert_signed_by_trust_anchor, verify_server_name},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::{ParsedCertificate, WebPkiClientVerifier},
};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// SHA-256 of the DER form in lower-case hex: the identity of a certificate.
    pub fingerprint: String,
    /// Subject as text, for example `CN=postgres, O=kubedb`.
    pub subject: String,
    /// Common name of the subject; the role in certificate authentication.
    pub common_name: Option<String>,
    /// Issuer as text.
    pub issuer: String,
    /// Serial number in lower-case hex.
    pub serial: String,
    /// First moment of validity.
    pub not_before: Timestamp,
    /// Last moment of validity.
    pub not_after: Timestamp,
    /// DNS names of the subject alternative names.
    pub dns_names: Vec<String>,
    /// IP addresses of the subject alternative names.
    pub ip_addresses: Vec<IpAddr>,
}

/// A certificate or key can't be read, or they do not belong together.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// Not PEM.
    #[error("{what} is not PEM; look at the Secret that holds it")]
    Pem {
        /// What was read.
        what: &'static str,
        /// What is wrong.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// PEM without a certificate in it.
    #[error("{what} holds no certificate; look at the Secret that holds it")]
    Empty {
        /// What was read.
        what: &'static str,
    },
    /// Not X.509.
    #[error("not an X.509 certificate: {0}")]
    X509(String),
    /// The key belongs to another certificate.
    #[error("the private key does not belong to the certificate; have the certificate issued anew")]
    KeyMismatch,
    /// The key is of a kind that TLS can't use here.
    #[error("the private key can't be used")]
    Key(#[source] rustls::Error),
    /// A CA that can't be a trust anchor.
    #[error("a certificate of the CA bundle can't be trusted")]
    Anchor(#[source] rustls::Error),
}

/// Why a chain is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// It is over.
    #[error("it expired at {0}")]
    Expired(Timestamp),
    /// It has not begun.
    #[error("it is not valid before {0}")]
    NotYetValid(Timestamp),
    /// No CA of the bundle signed it.
    #[error("it was not issued by a CA of the bundle (its issuer is {0})")]
    UnknownIssuer(String),
    /// It is for other names.
    #[error("it is not for {wanted}, but for {presented:?}")]
    WrongName {
        /// The name that was asked for.
        wanted: String,
        /// The names in the certificate.
        presented: Vec<String>,
    },
    /// Its extended key usage forbids this use.
    #[error("its key usage does not allow this use")]
    WrongPurpose,
    /// Anything else.
    #[error("{0}")]
    Bad(String),
}

/// The certificates of a PEM text in DER form, in their order: a leaf first, then its intermediates.
///
/// # Errors
/// When it is not PEM or has no certificate.
pub fn chain_of_pem(pem: &[u8]) -> Result<Vec<Vec<u8>>, CertificateError> {
    Ok(read_certificates(pem, "certificate")?
        .into_iter()
        .map(|der| der.to_vec())
        .collect())
}

/// Facts of the first certificate of a PEM text: the leaf of a `tls.crt`.
///
/// # Errors
/// When it is not PEM, has no certificate, or that is not X.509.
pub fn facts_of_pem(pem: &[u8]) -> Result<CertificateFacts, CertificateError> {
    let chain = read_certificates(pem, "certificate")?;
    facts_of_der(&chain[0])
}

/// Facts of a certificate in DER form.
///
/// # Errors
/// When it is not X.509.
pub fn facts_of_der(der: &[u8]) -> Result<CertificateFacts, CertificateError> {
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|e| CertificateError::X509(e.to_string()))?;
    let time = |seconds| Timestamp::from_second(seconds).map_err(|e| CertificateError::X509(e.to_string()));
    let (dns_names, ip_addresses) = alternative_names(&certificate);
    Ok(CertificateFacts {
        fingerprint: fingerprint(der),
        subject: certificate.subject().to_string(),
        common_name: certificate
            .subject()
            .iter_common_name()
            .find_map(|n| n.as_str().ok())
            .map(str::to_owned),
        issuer: certificate.issuer().to_string(),
        serial: hex::encode(certificate.tbs_certificate.serial.to_bytes_be()),
        not_before: time(certificate.validity().not_before.timestamp())?,
        not_after: time(certificate.validity().not_after.timestamp())?,
        dns_names,
        ip_addresses,
    })
}

/// SHA-256 of a certificate's DER, lower-case hex.
pub(crate) fn fingerprint(der: &[u8]) -> String {
    hex::encode(Sha256::digest(der))
}

fn alternative_names(certificate: &X509Certificate<'_>) -> (Vec<String>, Vec<IpAddr>) {
    let names = certificate.subject_alternative_name().ok().flatten();
    let (mut dns, mut ips) = (Vec::new(), Vec::new());
    for name in names.iter().flat_map(|n| &n.value.general_names) {
        match name {
            GeneralName::DNSName(name) => dns.push((*name).to_owned()),
            GeneralName::IPAddress(bytes) => ips.extend(ip_address(bytes)),
            _ => {}
        }
    }
    (dns, ips)
}

fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from).ok();
    v4.or_else(|| <[u8; 16]>::try_from(bytes).map(IpAddr::from).ok())
}

/// Whether a server's chain (DER, leaf first) is trusted through a CA bundle at `now`, and for `name` if one is given.
///
/// # Errors
/// The outer one when the input can't be read, the inner one says why it is not trusted.
pub fn judge_server(
    chain: &[Vec<u8>],
    ca_bundle_pem: &[u8],
    name: Option<&str>,
    now: Timestamp,
) -> Result<Result<(), Distrust>, CertificateError> {
    let roots = roots_of_pem(ca_bundle_pem)?;
    let Some((leaf, intermediates)) = split(chain) else {
        return Err(CertificateError::Empty {
            what: "the served chain",
        });
    };
    let name = match name
        .map(|n| ServerName::try_from(n.to_owned()).map_err(|_| n))
        .transpose()
    {
        Ok(name) => name,
        Err(name) => {
            return Ok(Err(Distrust::Bad(format!(
                "{name:?} is neither a DNS name nor an IP address"
            ))));
        }
    };
    let judged = judge(&leaf, &intermediates, &roots, name.as_ref(), unix(now));
    Ok(judged.map_err(|error| distrust(error, &leaf)))
}

/// Whether a client's chain (DER, leaf first) is trusted through a CA bundle at `now`.
///
/// # Errors
/// The outer one when the input can't be read, the inner one says why it is not trusted.
pub fn judge_client(
    chain: &[Vec<u8>],
    ca_bundle_pem: &[u8],
    now: Timestamp,
) -> Result<Result<(), Distrust>, CertificateError> {
    let roots = roots_of_pem(ca_bundle_pem)?;
    let Some((leaf, intermediates)) = split(chain) else {
        return Err(CertificateError::Empty {
            what: "the client's chain",
        });
    };
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider())
        .build()
        .map_err(|e| CertificateError::Anchor(rustls::Error::General(e.to_string())))?;
    let judged = verifier.verify_client_cert(&leaf, &intermediates, unix(now));
    Ok(judged.map(drop).map_err(|error| distrust(error, &leaf)))
}

/// Whether the key is that of the certificate's public key.
///
/// # Errors
/// [`CertificateError::KeyMismatch`], or why one of them can't be read.
pub fn key_matches(certificate_pem: &[u8], key_pem: &[u8]) -> Result<(), CertificateError> {
    let chain = read_certificates(certificate_pem, "certificate")?;
    let key = read_key(key_pem)?;
    pair(chain, key).map(drop)
}

/// A certificate with its key, ready to be presented.
pub(crate) fn pair(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<rustls::sign::CertifiedKey, CertificateError> {
    rustls::sign::CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch) => {
            CertificateError::KeyMismatch
        }
        other => CertificateError::Key(other),
    })
}

pub(crate) fn read_certificates(
    pem: &[u8],
    what: &'static str,
) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = read.map_err(|source| CertificateError::Pem { what, source })?;
    if chain.is_empty() {
        Err(CertificateError::Empty { what })
    } else {
        Ok(chain)
    }
}

pub(crate) fn read_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, CertificateError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|source| CertificateError::Pem {
        what: "private key",
        source,
    })
}

pub(crate) fn roots_of_pem(pem: &[u8]) -> Result<RootCertStore, CertificateError> {
    let mut roots = RootCertStore::empty();
    for anchor in read_certificates(pem, "CA bundle")? {
        roots.add(anchor).map_err(CertificateError::Anchor)?;
    }
    Ok(roots)
}

pub(crate) fn provider() -> std::sync::Arc<CryptoProvider> {
    std::sync::Arc::new(rustls::crypto::ring::default_provider())
}

/// First the chain, then the name: so a wrong name is only reported of a chain that is trusted otherwise.
pub(crate) fn judge(
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    roots: &RootCertStore,
    name: Option<&ServerName<'_>>,
    now: UnixTime,
) -> Result<(), rustls::Error> {
    let parsed = ParsedCertificate::try_from(leaf)?;
    let algorithms = provider().signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, algorithms)?;
    name.map_or(Ok(()), |name| verify_server_name(&parsed, name))
}

pub(crate) fn distrust(error: rustls::Error, leaf: &[u8]) -> Distrust {
    let facts = facts_of_der(leaf).ok();
    let issuer = || facts.as_ref().map(|f| f.issuer.clone()).unwrap_or_default();
    match (error, &facts) {
        (rustls::Error::InvalidCertificate(Judged::Expired | Judged::ExpiredContext { .. }), Some(f)) => {
            Distrust::Expired(f.not_after)
        }
        (
            rustls::Error::InvalidCertificate(Judged::NotValidYet | Judged::NotValidYetContext { .. }),
            Some(f),
        ) => Distrust::NotYetValid(f.not_before),
        // A signature that does not verify is that of another CA with the same name: its key was changed.
        (rustls::Error::InvalidCertificate(Judged::UnknownIssuer | Judged::BadSignature), _) => {
            Distrust::UnknownIssuer(issuer())
        }
        (rustls::Error::InvalidCertificate(Judged::NotValidForNameContext { expected, presented }), _) => {
            Distrust::WrongName {
                wanted: expected.to_str().into_owned(),
                presented,
            }
        }
        (
            rustls::Error::InvalidCertificate(Judged::InvalidPurpose | Judged::InvalidPurposeContext { .. }),
            _,
        ) => Distrust::WrongPurpose,
        (other, _) => Distrust::Bad(other.to_string()),
    }
}

fn split(chain: &[Vec<u8>]) -> Option<(CertificateDer<'_>, Vec<CertificateDer<'_>>)> {
    let (leaf, intermediates) = chain.split_first()?;
    let intermediates = intermediates
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    Some((CertificateDer::from(leaf.as_slice()), intermediates))
}

fn unix(now: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.as_second()).unwrap_or(0)))
}
