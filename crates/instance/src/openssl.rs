//! The path from a certificate to its root that OpenSSL takes, and what it demands on the way: libpq and PostgreSQL trust
//! nothing else. X509_verify_cert(3) and openssl-verification-options(1) describe the rules.
//!
//! Other libraries (webpki, Go) try every path to every certificate of the bundle. OpenSSL builds one path, searches the
//! bundle before the certificates that the server sent, trusts only a root that signed itself, and tries no other path
//! when a signature turns out to be wrong.

use jiff::Timestamp;
use x509_parser::{
    oid_registry as oid,
    prelude::{FromDer, ParsedExtension, X509Certificate, X509Version},
    public_key::PublicKey,
};

use crate::trust::{Distrust, Usage};

/// Longest path that we follow. OpenSSL follows 100 certificates, webpki 8.
const LONGEST_PATH: usize = 8;
/// Fewest bits of a CA's RSA key at OpenSSL's security level 2, the default of Debian and of OpenSSL since 3.2.
const LEAST_RSA_BITS: usize = 2048;
/// MD5 and SHA-1, with RSA and ECDSA: too weak at security level 2.
const BROKEN_SIGNATURES: [(&str, &str); 3] = [
    ("1.2.840.113549.1.1.4", "MD5"),
    ("1.2.840.113549.1.1.5", "SHA-1"),
    ("1.2.840.10045.4.1", "SHA-1"),
];

/// Critical extensions that OpenSSL knows of a certificate (X509_supported_extension(3)).
const KNOWN_EXTENSIONS: [&str; 15] = [
    "2.16.840.1.113730.1.1",
    "2.5.29.15",
    "2.5.29.17",
    "2.5.29.19",
    "2.5.29.30",
    "2.5.29.31",
    "2.5.29.32",
    "2.5.29.33",
    "2.5.29.36",
    "2.5.29.37",
    "2.5.29.54",
    "1.3.6.1.5.5.7.1.7",
    "1.3.6.1.5.5.7.1.8",
    "1.3.6.1.5.5.7.1.14",
    "1.3.6.1.5.5.7.48.1.5",
];

/// A certificate as OpenSSL reads it.
#[derive(Debug)]
pub(crate) struct Certificate<'a> {
    pub(crate) der: &'a [u8],
    pub(crate) x509: X509Certificate<'a>,
}

/// Leaf first, root last.
pub(crate) type Path<'p, 'a> = Vec<&'p Certificate<'a>>;

impl<'a> Certificate<'a> {
    /// `None` when it is not X.509.
    pub(crate) fn read(der: &'a [u8]) -> Option<Self> {
        let (_, x509) = X509Certificate::from_der(der).ok()?;
        Some(Self { der, x509 })
    }

    pub(crate) fn subject(&self) -> String {
        self.x509.subject().to_string()
    }

    fn issuer(&self) -> String {
        self.x509.issuer().to_string()
    }

    fn is_self_issued(&self) -> bool {
        self.x509.subject().as_raw() == self.x509.issuer().as_raw()
    }

    /// By its fields only: OpenSSL does not verify the signature of a root by itself.
    fn is_self_signed(&self) -> bool {
        self.may_have_signed(self)
    }

    /// Whether the fields allow it: names, key identifiers, the kind of key. No signature is verified.
    fn may_have_signed(&self, subject: &Certificate<'_>) -> bool {
        self.x509.subject().as_raw() == subject.x509.issuer().as_raw()
            && self.has_the_key_named_by(subject)
            && self.key_kind() == subject.signature_kind()
    }

    fn has_the_key_named_by(&self, subject: &Certificate<'_>) -> bool {
        let Some(ParsedExtension::AuthorityKeyIdentifier(wanted)) =
            extension(&subject.x509, &oid::OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER)
        else {
            return true;
        };
        let own = match extension(&self.x509, &oid::OID_X509_EXT_SUBJECT_KEY_IDENTIFIER) {
            Some(ParsedExtension::SubjectKeyIdentifier(own)) => Some(own),
            _ => None,
        };
        let same_key = match (&wanted.key_identifier, own) {
            (Some(wanted), Some(own)) => wanted == own,
            _ => true,
        };
        let same_serial = wanted
            .authority_cert_serial
            .is_none_or(|serial| serial == self.x509.raw_serial());
        same_key && same_serial
    }

    fn key_kind(&self) -> Option<KeyKind> {
        let algorithm = &self.x509.public_key().algorithm.algorithm;
        KeyKind::of_key(&algorithm.to_id_string())
    }

    fn signature_kind(&self) -> Option<KeyKind> {
        KeyKind::of_signature(&self.x509.signature_algorithm.algorithm.to_id_string())
    }

    fn is_valid_at(&self, now: Timestamp) -> bool {
        let validity = self.x509.validity();
        let now = now.as_second();
        validity.not_before.timestamp() <= now && now <= validity.not_after.timestamp()
    }

    fn not_after(&self) -> i64 {
        self.x509.validity().not_after.timestamp()
    }

    /// Whether it may issue certificates. A root of the first version, or without basic constraints but with the key usage
    /// for it, may; an intermediate may not.
    fn is_authority(&self, is_root: bool) -> bool {
        let Ok(usage) = self.x509.key_usage() else {
            return false;
        };
        if usage.as_ref().is_some_and(|usage| !usage.value.key_cert_sign()) {
            return false;
        }
        match self.x509.basic_constraints() {
            Ok(Some(constraints)) => constraints.value.ca,
            Ok(None) if is_root => usage.is_some() || self.x509.version() == X509Version::V1,
            _ => false,
        }
    }

    fn allows(&self, usage: Usage) -> bool {
        match self.x509.extended_key_usage() {
            Ok(Some(uses)) => match usage {
                Usage::Server => uses.value.server_auth,
                Usage::Client => uses.value.client_auth,
            },
            Ok(None) => true,
            Err(_) => false,
        }
    }

    /// Most intermediate CAs that may follow; any number when none.
    fn path_length(&self) -> Option<u32> {
        let constraints = self.x509.basic_constraints().ok().flatten()?;
        constraints.value.path_len_constraint
    }

    /// A critical extension that OpenSSL does not know, or any that is there twice.
    fn unknown_extension(&self) -> Option<String> {
        let mut seen = Vec::new();
        self.x509.extensions().iter().find_map(|extension| {
            let id = extension.oid.to_id_string();
            let is_unknown = extension.critical && !KNOWN_EXTENSIONS.contains(&id.as_str());
            let is_twice = seen.contains(&id);
            seen.push(id.clone());
            (is_unknown || is_twice).then_some(id)
        })
    }

    fn weak_key(&self) -> Option<String> {
        match self.x509.public_key().parsed() {
            Ok(PublicKey::RSA(rsa)) if rsa.key_size() < LEAST_RSA_BITS => {
                Some(format!("its key is RSA of {} bits", rsa.key_size()))
            }
            _ => None,
        }
    }
}

/// Name of the hash when a signature is too weak.
pub(crate) fn broken_signature(certificate: &X509Certificate<'_>) -> Option<&'static str> {
    let algorithm = certificate.signature_algorithm.algorithm.to_id_string();
    let known = BROKEN_SIGNATURES.iter().find(|(id, _)| *id == algorithm)?;
    Some(known.1)
}

fn extension<'c>(certificate: &'c X509Certificate<'_>, id: &oid::Oid<'_>) -> Option<&'c ParsedExtension<'c>> {
    let found = certificate.get_extension_unique(id).ok().flatten()?;
    Some(found.parsed_extension())
}

/// Kinds of keys that OpenSSL distinguishes when it searches an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum KeyKind {
    Rsa,
    Ecdsa,
    /// Ed25519, Ed448, …: the key and its signature have one identifier.
    Other(String),
}

impl KeyKind {
    fn of_key(id: &str) -> Option<Self> {
        Some(match id {
            "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => Self::Rsa,
            "1.2.840.10045.2.1" => Self::Ecdsa,
            other => Self::Other(other.to_owned()),
        })
    }

    fn of_signature(id: &str) -> Option<Self> {
        Some(if id.starts_with("1.2.840.113549.1.1.") {
            Self::Rsa
        } else if id.starts_with("1.2.840.10045.4.") {
            Self::Ecdsa
        } else {
            Self::Other(id.to_owned())
        })
    }
}

/// The paths that OpenSSL may take from the leaf of `served`. There are several only where the bundle has several CAs that
/// its rules can't distinguish: then it takes any of them, so all must be good.
///
/// # Errors
/// Why it finds no root.
pub(crate) fn paths<'p, 'a>(
    served: &'p [Certificate<'a>],
    bundle: &'p [Certificate<'a>],
    now: Timestamp,
) -> Result<Vec<Path<'p, 'a>>, Distrust> {
    let search = Search { served, bundle, now };
    let Some(leaf) = served.first() else {
        return Err(Distrust::Bad("no certificate is served".to_owned()));
    };
    let mut found = Vec::new();
    search.extend(vec![leaf], true, &mut found)?;
    Ok(found)
}

struct Search<'p, 'a> {
    served: &'p [Certificate<'a>],
    bundle: &'p [Certificate<'a>],
    now: Timestamp,
}

impl<'p, 'a> Search<'p, 'a> {
    /// `on_wire`: no certificate of the bundle is in the path yet. Afterwards OpenSSL searches only the bundle.
    fn extend(
        &self,
        path: Path<'p, 'a>,
        on_wire: bool,
        found: &mut Vec<Path<'p, 'a>>,
    ) -> Result<(), Distrust> {
        let Some(last) = path.last().copied() else {
            return Ok(());
        };
        if last.is_self_signed() {
            if !self.bundle.iter().any(|anchor| anchor.der == last.der) {
                return Err(Distrust::UnknownIssuer(last.issuer()));
            }
            found.push(path);
            return Ok(());
        }
        if path.len() >= LONGEST_PATH {
            return Err(Distrust::TooLong(LONGEST_PATH));
        }
        let anchors = self.issuers_in_bundle(last);
        if !anchors.is_empty() {
            return anchors.into_iter().try_for_each(|anchor| {
                let longer = [path.as_slice(), &[anchor]].concat();
                self.extend(longer, false, found)
            });
        }
        match self.issuer_on_wire(&path).filter(|_| on_wire) {
            Some(next) => self.extend([path.as_slice(), &[next]].concat(), true, found),
            None if on_wire => Err(Distrust::UnknownIssuer(last.issuer())),
            None => Err(Distrust::NoRoot {
                subject: last.subject(),
                issuer: last.issuer(),
            }),
        }
    }

    /// Those in force, or else the one that ends last.
    fn issuers_in_bundle(&self, subject: &Certificate<'_>) -> Vec<&'p Certificate<'a>> {
        let mut issuers: Vec<&Certificate<'_>> = Vec::new();
        for candidate in self.bundle.iter().filter(|c| c.may_have_signed(subject)) {
            if issuers.iter().all(|known| known.der != candidate.der) {
                issuers.push(candidate);
            }
        }
        let (in_force, others): (Vec<_>, Vec<_>) = issuers.into_iter().partition(|c| c.is_valid_at(self.now));
        if in_force.is_empty() {
            others
                .into_iter()
                .max_by_key(|c| c.not_after())
                .into_iter()
                .collect()
        } else {
            in_force
        }
    }

    /// The first one in force, or else the one that ends last.
    fn issuer_on_wire(&self, path: &Path<'p, 'a>) -> Option<&'p Certificate<'a>> {
        let last = path.last()?;
        let candidates = || {
            let new = |c: &&Certificate<'_>| path.iter().all(|used| used.der != c.der);
            self.served.iter().filter(new).filter(|c| c.may_have_signed(last))
        };
        candidates()
            .find(|c| c.is_valid_at(self.now))
            .or_else(|| candidates().max_by_key(|c| c.not_after()))
    }
}

/// What OpenSSL demands along a path, but for signatures, names and name constraints.
///
/// # Errors
/// The first rule that is broken.
pub(crate) fn check(path: &Path<'_, '_>, usage: Usage, now: Timestamp) -> Result<(), Distrust> {
    let Some((leaf, authorities)) = path.split_first() else {
        return Ok(());
    };
    check_leaf(leaf, usage, now)?;
    let mut intermediates = 0;
    for (depth, authority) in authorities.iter().enumerate() {
        let is_root = depth + 1 == authorities.len();
        check_authority(authority, is_root, usage, now)?;
        let allowed = authority.path_length();
        if allowed.is_some_and(|most| intermediates > most) {
            return Err(Distrust::PathLength(authority.subject()));
        }
        if !authority.is_self_issued() {
            intermediates += 1;
        }
    }
    Ok(())
}

fn check_leaf(leaf: &Certificate<'_>, usage: Usage, now: Timestamp) -> Result<(), Distrust> {
    let validity = leaf.x509.validity();
    if now.as_second() > validity.not_after.timestamp() {
        return Err(Distrust::Expired(moment(validity.not_after.timestamp())));
    }
    if now.as_second() < validity.not_before.timestamp() {
        return Err(Distrust::NotYetValid(moment(validity.not_before.timestamp())));
    }
    if leaf.allows(usage) {
        Ok(())
    } else {
        Err(Distrust::WrongPurpose)
    }
}

fn check_authority(
    authority: &Certificate<'_>,
    is_root: bool,
    usage: Usage,
    now: Timestamp,
) -> Result<(), Distrust> {
    let subject = authority.subject();
    if !authority.is_valid_at(now) {
        let validity = authority.x509.validity();
        return Err(Distrust::CaNotValid {
            subject,
            from: moment(validity.not_before.timestamp()),
            to: moment(validity.not_after.timestamp()),
        });
    }
    if !authority.is_authority(is_root) {
        return Err(Distrust::NotAuthority(subject));
    }
    if !authority.allows(usage) {
        return Err(Distrust::CaPurpose(subject));
    }
    if let Some(id) = authority.unknown_extension() {
        return Err(Distrust::Extension { subject, id });
    }
    let signature = || broken_signature(&authority.x509).map(|hash| format!("it is signed with {hash}"));
    let weakness = authority
        .weak_key()
        .or_else(|| if is_root { None } else { signature() });
    weakness.map_or(Ok(()), |why| Err(Distrust::WeakCa { subject, why }))
}

fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}
