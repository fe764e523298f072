//! The checks of issued certificates before a member sees them. PostgreSQL accepts many of these faults silently, and
//! then clients can't connect, or the next start fails.

use std::net::IpAddr;

use api_types::cert_manager::CertificateSpec;
use api_types::tls::CertificateAlias;
use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, ServerName};
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION, Oid,
};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::binding::BindingHash;
use crate::certificate::{self, CertificateError, CertificateFacts};
use crate::openssl;
use crate::trust::{self, Distrust, judge_client, judge_server};

/// Fewest bits of an RSA key that OpenSSL takes at its default security level (2 on Debian).
const LEAST_RSA_BITS: usize = 2048;
/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// PostgreSQL serves it; clients reach it by these DNS names (wildcards are compared literally) and IP addresses.
    Server {
        /// Names and addresses.
        names: &'a [String],
    },
    /// A client shows it; its common name is the role.
    Client {
        /// The role.
        role: &'a str,
    },
    /// Any TLS server or client, such as the exporter.
    Any,
}

/// Why a certificate must not reach a member, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It, its key or its CA can't be read.
    #[error("{0}")]
    Unreadable(String),
    /// There is no CA.
    #[error("it has no ca.crt; use an issuer that publishes its CA")]
    NoCa,
    /// The key belongs to another certificate.
    #[error("its private key does not belong to its certificate; have it issued again")]
    KeyMismatch,
    /// PostgreSQL or its clients can't use such a key.
    #[error(
        "its key is {0}; write privateKey with algorithm ECDSA (size 256 or 384) or RSA (size 2048 or more) in the Certificate or its issuer"
    )]
    KeyAlgorithm(String),
    /// The signature is broken.
    #[error("it is signed with {0}, which clients no longer take; have the issuer sign with SHA-256")]
    BrokenSignature(String),
    /// The signature has no hash that a login by SCRAM can be bound to.
    #[error(
        "it is signed with {0}, for which SCRAM has no channel binding (RFC 5929): no client that uses libpq could log in \
         (\"could not find digest for NID UNDEF\"); use an issuer whose CA has an ECDSA or an RSA key"
    )]
    NoChannelBinding(String),
    /// A CA where a leaf belongs.
    #[error("its first certificate is one of a CA; have a leaf issued (isCA: false), leaf first in tls.crt")]
    CaAsLeaf,
    /// The chain is not trusted.
    #[error("{0}; {remedy}", remedy = .0.remedy())]
    Distrusted(Distrust),
    /// Names that clients use and that it is not for.
    #[error("it is not for {}; add them to the certificate's dnsNames or ipAddresses, or allow them in the issuer", .0.join(", "))]
    MissingNames(Vec<String>),
    /// Its key usage lacks digital signatures.
    #[error("its key usage lacks digital signature, which TLS needs; add it to the issuer's template")]
    KeyUsage,
    /// The common name is not the role.
    #[error(
        "its common name is {found:?}, not the role {role:?} that it is to log in as; remove what overrides commonName"
    )]
    WrongRole {
        /// The actual value.
        found: String,
        /// The required value.
        role: String,
    },
}

/// Examines a certificate (PEM, leaf first), its key and its CA (PEM) in the form that the issuer wrote.
///
/// # Errors
/// Every fault found; the first is the gravest.
pub fn examine(
    certificate: &str,
    key: &str,
    ca: &str,
    purpose: Purpose<'_>,
    now: Timestamp,
) -> Result<CertificateFacts, Vec<Fault>> {
    let chain =
        certificate::chain_of_pem(certificate.as_bytes()).map_err(|error| unreadable("tls.crt", &error))?;
    let facts = certificate::facts_of_der(&chain[0]).map_err(|error| unreadable("tls.crt", &error))?;
    let mut faults = Vec::new();
    faults.extend(fault_of_key(certificate, key));
    faults.extend(faults_of_leaf(&chain[0]));
    faults.extend(faults_of_purpose(&chain[0], &facts, purpose));
    if ca.trim().is_empty() {
        faults.push(Fault::NoCa);
    } else {
        faults.extend(fault_of_chain(&chain, ca, purpose, now));
    }
    if faults.is_empty() { Ok(facts) } else { Err(faults) }
}

/// What can be known of an issuer by any certificate that it issued (PEM, leaf first) and its CA (PEM), before it issues those
/// of a database.
///
/// # Errors
/// Every fault found, in a sentence.
pub fn examine_issuer(certificate: &str, ca: &str, now: Timestamp) -> Result<(), String> {
    let chain = certificate::chain_of_pem(certificate.as_bytes());
    let faults = match chain {
        Err(error) => unreadable("tls.crt", &error),
        Ok(_) if ca.trim().is_empty() => vec![Fault::NoCa],
        Ok(chain) => fault_of_binding(&chain[0])
            .into_iter()
            .chain(fault_of_chain(&chain, ca, Purpose::Client { role: "" }, now))
            .collect(),
    };
    if faults.is_empty() {
        Ok(())
    } else {
        Err(sentence(&faults))
    }
}

fn sentence(faults: &[Fault]) -> String {
    let all: Vec<String> = faults.iter().map(ToString::to_string).collect();
    all.join("; ")
}

/// [`examine`] by the fields of a Certificate: the names of a server, or the role that a client's common name is.
///
/// # Errors
/// Every fault found, in a sentence.
pub fn examine_issued(
    alias: CertificateAlias,
    wanted: &CertificateSpec,
    certificate: &str,
    key: &str,
    ca: &str,
    now: Timestamp,
) -> Result<(), String> {
    let names = wanted.names();
    let purpose = match alias {
        CertificateAlias::Server => Purpose::Server { names: &names },
        CertificateAlias::Client => Purpose::Client {
            role: wanted.common_name.as_deref().unwrap_or_default(),
        },
        CertificateAlias::MetricsExporter => Purpose::Any,
    };
    examine(certificate, key, ca, purpose, now)
        .map(drop)
        .map_err(|faults| sentence(&faults))
}

fn unreadable(what: &str, error: &CertificateError) -> Vec<Fault> {
    vec![Fault::Unreadable(format!("its {what}: {error}"))]
}

fn fault_of_key(certificate: &str, key: &str) -> Option<Fault> {
    match certificate::key_matches(certificate.as_bytes(), key.as_bytes()) {
        Ok(()) => None,
        Err(CertificateError::KeyMismatch) => Some(Fault::KeyMismatch),
        // The leaf shows the kind of the key better.
        Err(CertificateError::Key(_)) if leaf_key_is_unknown(certificate) => None,
        Err(error) => Some(Fault::Unreadable(format!("its tls.key: {error}"))),
    }
}

fn leaf_key_is_unknown(certificate: &str) -> bool {
    let chain = certificate::chain_of_pem(certificate.as_bytes()).unwrap_or_default();
    let first = chain.first().and_then(|der| X509Certificate::from_der(der).ok());
    first.is_some_and(|(_, leaf)| key_problem(&leaf).is_some())
}

fn faults_of_leaf(der: &[u8]) -> Vec<Fault> {
    let Ok((_, leaf)) = X509Certificate::from_der(der) else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    faults.extend(key_problem(&leaf).map(Fault::KeyAlgorithm));
    if let Some(hash) = openssl::broken_signature(&leaf) {
        faults.push(Fault::BrokenSignature(hash.to_owned()));
    }
    if leaf.is_ca() {
        faults.push(Fault::CaAsLeaf);
    }
    if let Ok(Some(usage)) = leaf.key_usage()
        && !usage.value.digital_signature()
    {
        faults.push(Fault::KeyUsage);
    }
    faults
}

/// What is wrong with the kind of key.
fn key_problem(leaf: &X509Certificate<'_>) -> Option<String> {
    let key = leaf.public_key();
    let algorithm = &key.algorithm.algorithm;
    if *algorithm == OID_PKCS1_RSAENCRYPTION {
        return match key.parsed() {
            Ok(PublicKey::RSA(rsa)) if rsa.key_size() < LEAST_RSA_BITS => {
                Some(format!("RSA of {} bits", rsa.key_size()))
            }
            Ok(PublicKey::RSA(_)) => None,
            _ => Some("damaged RSA".to_owned()),
        };
    }
    if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve: Option<Oid<'_>> = key.algorithm.parameters.as_ref().and_then(|p| p.as_oid().ok());
        let usable = curve
            .as_ref()
            .is_some_and(|curve| [OID_EC_P256, OID_NIST_EC_P384].contains(curve));
        return (!usable).then(|| {
            let name = curve.map_or_else(|| "unknown".to_owned(), |curve| curve.to_id_string());
            format!("ECDSA on the curve {name}")
        });
    }
    Some(name_of(algorithm))
}

/// Name of a kind of key or signature.
fn name_of(algorithm: &Oid<'_>) -> String {
    let id = algorithm.to_id_string();
    match id.as_str() {
        "1.3.101.112" => "Ed25519".to_owned(),
        "1.3.101.113" => "Ed448".to_owned(),
        "1.2.840.113549.1.1.10" => "RSA-PSS".to_owned(),
        _ => format!("the algorithm {id}"),
    }
}

/// What no login by SCRAM can be bound to.
fn fault_of_binding(der: &[u8]) -> Option<Fault> {
    let (_, leaf) = X509Certificate::from_der(der).ok()?;
    let signature = &leaf.signature_algorithm;
    let has_hash = BindingHash::of(signature).is_some();
    (!has_hash).then(|| Fault::NoChannelBinding(name_of(&signature.algorithm)))
}

fn faults_of_purpose(der: &[u8], facts: &CertificateFacts, purpose: Purpose<'_>) -> Vec<Fault> {
    match purpose {
        Purpose::Server { names } => fault_of_binding(der)
            .into_iter()
            .chain(missing_names(der, facts, names).map(Fault::MissingNames))
            .collect(),
        Purpose::Client { role } => {
            let found = facts.common_name.clone().unwrap_or_default();
            let role = role.to_owned();
            (found != role)
                .then_some(Fault::WrongRole { found, role })
                .into_iter()
                .collect()
        }
        Purpose::Any => Vec::new(),
    }
}

fn missing_names(der: &[u8], facts: &CertificateFacts, names: &[String]) -> Option<Vec<String>> {
    let leaf = CertificateDer::from(der);
    let covers = |name: &String| {
        if let Ok(address) = name.parse::<IpAddr>() {
            return facts.ip_addresses.contains(&address);
        }
        facts.dns_names.contains(name)
            || ServerName::try_from(name.as_str()).is_ok_and(|name| trust::verify_name(&leaf, &name).is_ok())
    };
    let missing: Vec<String> = names.iter().filter(|name| !covers(name)).cloned().collect();
    (!missing.is_empty()).then_some(missing)
}

fn fault_of_chain(chain: &[Vec<u8>], ca: &str, purpose: Purpose<'_>, now: Timestamp) -> Option<Fault> {
    let judged = match purpose {
        Purpose::Client { .. } => judge_client(chain, ca.as_bytes(), now),
        Purpose::Server { .. } | Purpose::Any => judge_server(chain, ca.as_bytes(), None, now),
    };
    match judged {
        Ok(Ok(())) => None,
        // `faults_of_leaf` reports these better.
        Ok(Err(Distrust::Bad(_))) if !faults_of_leaf(&chain[0]).is_empty() => None,
        Ok(Err(distrust)) => Some(Fault::Distrusted(distrust)),
        Err(error) => Some(Fault::Unreadable(format!("its ca.crt: {error}"))),
    }
}
