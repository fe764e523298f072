//! X.509: the fields of a certificate, and whether a key belongs to it. No input or output here.

use std::{net::IpAddr, sync::Arc};

use jiff::Timestamp;
use rustls::{
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::ecdsa;

/// The fields of a certificate.
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
    /// A boundary of PEM that OpenSSL does not read.
    #[error(
        "{what} has a line that OpenSSL does not read as a boundary of PEM: {line:?}; write every BEGIN and END on a line of \
         its own, and end lines with a line feed"
    )]
    Boundary {
        /// What was read.
        what: &'static str,
        /// The line, cut short.
        line: String,
    },
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
    check_boundaries(pem, what)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = read.map_err(|source| CertificateError::Pem { what, source })?;
    if chain.is_empty() {
        Err(CertificateError::Empty { what })
    } else {
        Ok(chain)
    }
}

/// Two files put together where the first lacks its last line feed: OpenSSL refuses the whole file, our reader would drop
/// what follows without a word. The same for lines that end in a carriage return only.
fn check_boundaries(pem: &[u8], what: &'static str) -> Result<(), CertificateError> {
    let refuse = |line: &[u8]| CertificateError::Boundary {
        what,
        line: String::from_utf8_lossy(&line[..line.len().min(70)]).into_owned(),
    };
    for line in pem.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end) {
        if line.contains(&b'\r') {
            return Err(refuse(line));
        }
        if line.starts_with(b"-----END ") && dashes(&line[b"-----END ".len()..]) != 5 {
            return Err(refuse(line));
        }
    }
    Ok(())
}

fn dashes(line: &[u8]) -> usize {
    line.iter().filter(|byte| **byte == b'-').count()
}

pub(crate) fn read_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, CertificateError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|source| CertificateError::Pem {
        what: "private key",
        source,
    })
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ecdsa::provider())
}
