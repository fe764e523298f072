//! Whether a chain is trusted through a CA bundle. No input or output here.

use std::time::Duration;

use jiff::Timestamp;
use rustls::{
    client::verify_server_name,
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use webpki::{EndEntityCert, Error as Violation, KeyUsage};

use crate::{
    certificate::{self, CertificateError},
    ecdsa,
    openssl::{self, Certificate},
};

/// Why a chain is not trusted. Each is a sentence about a certificate, whose subject is "it".
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
    /// The bundle ends below the root.
    #[error(
        "its CA {subject} was issued by {issuer}, whose certificate is not in the bundle: libpq and PostgreSQL trust only a \
         bundle that goes up to a root, which signed itself (\"unable to get issuer certificate\")"
    )]
    NoRoot {
        /// The last CA of the bundle.
        subject: String,
        /// The missing issuer.
        issuer: String,
    },
    /// Several CAs of the bundle may have signed it, and one that did not is among them.
    #[error(
        "the bundle has several CAs named {0}, and no key identifier says which of them signed it: libpq and PostgreSQL take \
         any of them"
    )]
    Ambiguous(String),
    /// A CA on the way to the root is over, or has not begun.
    #[error("its CA {subject} is valid from {from} to {to} only")]
    CaNotValid {
        /// The CA.
        subject: String,
        /// First moment.
        from: Timestamp,
        /// Last moment.
        to: Timestamp,
    },
    /// A certificate on the way to the root may not issue any.
    #[error(
        "{0}, which issued it, may not issue certificates (a CA has basic constraints CA: true and key usage cert sign)"
    )]
    NotAuthority(String),
    /// A CA on the way to the root may not issue for this use.
    #[error("the extended key usage of its CA {0} does not allow this use")]
    CaPurpose(String),
    /// A CA on the way to the root is too weak.
    #[error("its CA {subject} is too weak for OpenSSL: {why}")]
    WeakCa {
        /// The CA.
        subject: String,
        /// What is weak.
        why: String,
    },
    /// A certificate has a critical extension that clients do not know, or one twice.
    #[error("{subject} has the critical extension {id}, which clients do not know, or has it twice")]
    Extension {
        /// The certificate.
        subject: String,
        /// The extension's identifier.
        id: String,
    },
    /// Too many intermediate CAs below this one.
    #[error("its CA {0} allows fewer intermediate CAs below it (path length)")]
    PathLength(String),
    /// More certificates than are followed.
    #[error("its chain has more than {0} certificates")]
    TooLong(usize),
    /// A CA on the way to the root may not issue for these names.
    #[error("a CA of its chain may not issue for these names (name constraints)")]
    NameConstraint,
    /// A signature on the way to the root that the operators can't verify.
    #[error("its chain has a key or a signature of a kind that the operators can't verify")]
    UnknownAlgorithm,
    /// It is for other names.
    #[error("it is not for {wanted}, but for {presented:?}")]
    WrongName {
        /// The wanted name.
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

impl Distrust {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NoRoot { .. } => {
                "have the issuer publish its whole chain up to the root (an issuer of kind CA: append the root to tls.crt of its \
                 Secret, or write it to ca.crt there), then have the certificate issued again"
            }
            Self::Ambiguous(_) => {
                "give the new CA another name (subject), or have its certificates issued with key identifiers"
            }
            Self::CaNotValid { .. } => "renew the CA of the issuer first",
            Self::NotAuthority(_) => "give the issuer a CA certificate (isCA: true, cert sign)",
            Self::CaPurpose(_) => {
                "use a CA without extended key usage, or one that has server auth and client auth"
            }
            Self::WeakCa { .. } => {
                "use an issuer whose CAs have ECDSA or RSA (2048 bits or more) keys and are signed with SHA-256 or better"
            }
            Self::Extension { .. } => "use an issuer whose certificates have no such extension",
            Self::PathLength(_) | Self::TooLong(_) => "use an issuer that is nearer to the root",
            Self::NameConstraint => "use an issuer whose CAs may issue for the names of this database",
            Self::UnknownAlgorithm => {
                "use an issuer whose CAs have ECDSA (P-256, P-384, P-521) or RSA keys and sign with SHA-256, SHA-384 or SHA-512 \
                 (RSA-PSS only with a salt as long as the hash)"
            }
            Self::NotYetValid(_) => "compare the clocks of the nodes, then have it issued again",
            Self::Expired(_)
            | Self::UnknownIssuer(_)
            | Self::WrongName { .. }
            | Self::WrongPurpose
            | Self::Bad(_) => "have it issued again",
        }
    }
}

/// What a chain is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Usage {
    Server,
    Client,
}

/// The certificates of a CA bundle.
#[derive(Clone, Debug)]
pub(crate) struct Bundle(Vec<CertificateDer<'static>>);

impl Bundle {
    /// # Errors
    /// When it is not PEM, has no certificate, or one that is not X.509.
    pub(crate) fn of_pem(pem: &[u8]) -> Result<Self, CertificateError> {
        let ders = certificate::read_certificates(pem, "CA bundle")?;
        for der in &ders {
            certificate::facts_of_der(der)?;
        }
        Ok(Self(ders))
    }

    /// Whether a chain (leaf first) is trusted as OpenSSL trusts: by libpq, by PostgreSQL and by the operators.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        usage: Usage,
        now: Timestamp,
    ) -> Result<(), Distrust> {
        let served: Vec<Certificate<'_>> = chain.iter().filter_map(|der| Certificate::read(der)).collect();
        if served.len() < chain.len() {
            return Err(Distrust::Bad(
                "a certificate of its chain is not X.509".to_owned(),
            ));
        }
        let bundle: Vec<Certificate<'_>> = self.0.iter().filter_map(|der| Certificate::read(der)).collect();
        let paths = openssl::paths(&served, &bundle, now)?;
        let is_ambiguous = paths.len() > 1;
        for path in &paths {
            openssl::check(path, usage, now)?;
            let ders: Vec<CertificateDer<'_>> = path.iter().map(|c| CertificateDer::from(c.der)).collect();
            let (first, last) = (&ders[..ders.len().max(2) - 1], &ders[ders.len() - 1..]);
            match along(first, last, usage, now) {
                Err(Distrust::UnknownIssuer(name)) if is_ambiguous => return Err(Distrust::Ambiguous(name)),
                verified => verified?,
            }
        }
        Ok(())
    }

    /// Whether any path leads to any certificate of the bundle, also to one that is no root: for the operators' own way
    /// into a member, which must outlast what locks clients out.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn verify_any_path(
        &self,
        chain: &[CertificateDer<'_>],
        usage: Usage,
        now: Timestamp,
    ) -> Result<(), Distrust> {
        along(chain, &self.0, usage, now)
    }
}

/// Signatures, name constraints and the rest, between a chain and some anchors.
fn along(
    chain: &[CertificateDer<'_>],
    anchors: &[CertificateDer<'_>],
    usage: Usage,
    now: Timestamp,
) -> Result<(), Distrust> {
    let Some((leaf, intermediates)) = chain.split_first() else {
        return Err(Distrust::Bad("no certificate is served".to_owned()));
    };
    let explain = |violation| distrust(violation, leaf);
    let anchors: Result<Vec<_>, _> = anchors.iter().map(webpki::anchor_from_trusted_cert).collect();
    let anchors = anchors
        .map_err(|violation| Distrust::Bad(format!("a CA of the bundle can't be used: {violation}")))?;
    let end_entity = EndEntityCert::try_from(leaf).map_err(explain)?;
    let usage = match usage {
        Usage::Server => KeyUsage::server_auth(),
        Usage::Client => KeyUsage::client_auth(),
    };
    let algorithms = ecdsa::algorithms().all;
    end_entity
        .verify_for_usage(algorithms, &anchors, intermediates, unix(now), usage, None, None)
        .map(drop)
        .map_err(explain)
}

/// Whether a certificate is for a name.
///
/// # Errors
/// Why not.
pub(crate) fn verify_name(leaf: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Distrust> {
    let parsed = ParsedCertificate::try_from(leaf).map_err(|error| Distrust::Bad(error.to_string()))?;
    verify_server_name(&parsed, name).map_err(|error| match error {
        rustls::Error::InvalidCertificate(rustls::CertificateError::NotValidForNameContext {
            expected,
            presented,
        }) => Distrust::WrongName {
            wanted: expected.to_str().into_owned(),
            presented,
        },
        other => Distrust::Bad(other.to_string()),
    })
}

/// Whether a server's chain (DER, leaf first) is trusted through a CA bundle at `now`, and for `name` if one is given, by
/// the rules of OpenSSL: as libpq verifies it.
///
/// # Errors
/// The outer error when the input can't be read, the inner one when the certificate is not trusted.
pub fn judge_server(
    chain: &[Vec<u8>],
    ca_bundle_pem: &[u8],
    name: Option<&str>,
    now: Timestamp,
) -> Result<Result<(), Distrust>, CertificateError> {
    let (bundle, chain) = (Bundle::of_pem(ca_bundle_pem)?, read_chain(chain)?);
    let Some(name) = name else {
        return Ok(bundle.verify(&chain, Usage::Server, now));
    };
    let Ok(server) = ServerName::try_from(name) else {
        let why = format!("{name:?} is neither a DNS name nor an IP address");
        return Ok(Err(Distrust::Bad(why)));
    };
    // First the chain, then the name: so a wrong name is only reported of a chain that is trusted otherwise.
    Ok(bundle
        .verify(&chain, Usage::Server, now)
        .and_then(|()| verify_name(&chain[0], &server)))
}

/// Whether a client's chain (DER, leaf first) is trusted through a CA bundle at `now`, by the rules of OpenSSL: as
/// PostgreSQL verifies it.
///
/// # Errors
/// The outer error when the input can't be read, the inner one when the certificate is not trusted.
pub fn judge_client(
    chain: &[Vec<u8>],
    ca_bundle_pem: &[u8],
    now: Timestamp,
) -> Result<Result<(), Distrust>, CertificateError> {
    let (bundle, chain) = (Bundle::of_pem(ca_bundle_pem)?, read_chain(chain)?);
    Ok(bundle.verify(&chain, Usage::Client, now))
}

/// Whether OpenSSL finds the issuers of a chain (DER, leaf first) in a bundle (PEM) by their fields: where two CAs of the bundle
/// have the same name, and nothing distinguishes them, it may take the wrong one. The result is not valid for a chain that is
/// not trusted.
///
/// # Errors
/// [`Distrust::Ambiguous`].
pub fn unambiguous(chain: &[Vec<u8>], ca_bundle_pem: &[u8], now: Timestamp) -> Result<(), Distrust> {
    let Ok(bundle) = Bundle::of_pem(ca_bundle_pem) else {
        return Ok(());
    };
    let served: Vec<Certificate<'_>> = chain.iter().filter_map(|der| Certificate::read(der)).collect();
    let bundle: Vec<Certificate<'_>> = bundle.0.iter().filter_map(|der| Certificate::read(der)).collect();
    let paths = openssl::paths(&served, &bundle, now).unwrap_or_default();
    let key = |certificate: &&Certificate<'_>| certificate.x509.public_key().raw.to_vec();
    let differs = |depth: usize| {
        let mut keys = paths.iter().filter_map(|path| path.get(depth)).map(key);
        let first = keys.next();
        keys.any(|other| Some(&other) != first.as_ref())
    };
    let longest = paths.iter().map(Vec::len).max().unwrap_or_default();
    let found = (1..longest).find(|depth| differs(*depth));
    let name = found.and_then(|depth| paths.iter().find_map(|path| Some(path.get(depth)?.subject())));
    name.map_or(Ok(()), |name| Err(Distrust::Ambiguous(name)))
}

fn read_chain(chain: &[Vec<u8>]) -> Result<Vec<CertificateDer<'_>>, CertificateError> {
    if chain.is_empty() {
        return Err(CertificateError::Empty { what: "the chain" });
    }
    Ok(chain
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect())
}

fn distrust(violation: Violation, leaf: &[u8]) -> Distrust {
    let Ok(facts) = certificate::facts_of_der(leaf) else {
        return Distrust::Bad(violation.to_string());
    };
    match violation {
        Violation::CertExpired { .. } => Distrust::Expired(facts.not_after),
        Violation::CertNotValidYet { .. } => Distrust::NotYetValid(facts.not_before),
        // A signature that does not verify is that of another CA with the same name: its key was changed.
        Violation::UnknownIssuer | Violation::InvalidSignatureForPublicKey => {
            Distrust::UnknownIssuer(facts.issuer)
        }
        Violation::RequiredEkuNotFoundContext(_) | Violation::EmptyEkuExtension => Distrust::WrongPurpose,
        Violation::NameConstraintViolation => Distrust::NameConstraint,
        Violation::UnsupportedSignatureAlgorithmContext(_)
        | Violation::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => Distrust::UnknownAlgorithm,
        Violation::CaUsedAsEndEntity => {
            Distrust::Bad("it is the certificate of a CA where a leaf belongs".to_owned())
        }
        other => Distrust::Bad(format!("its chain can't be verified: {other}")),
    }
}

fn unix(now: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.as_second()).unwrap_or(0)))
}
