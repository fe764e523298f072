//! The hash that binds a login by SCRAM to the server's certificate: `tls-server-end-point` (RFC 5929, 4.1).
//!
//! libpq offers it whenever it can, and gives the login up when the certificate's signature has no hash: "could not find
//! digest for NID UNDEF" (`pgtls_get_peer_certificate_hash`). PostgreSQL does the same on its side.

use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_parser::{
    oid_registry as oid,
    prelude::{FromDer, X509Certificate},
    signature_algorithm::SignatureAlgorithm,
    x509::AlgorithmIdentifier,
};

/// How a certificate is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BindingHash {
    /// Also for MD5 and SHA-1, by the RFC.
    Sha256,
    Sha384,
    Sha512,
}

impl BindingHash {
    /// The hash of a certificate's signature; `None` where it has none (Ed25519, Ed448), or one that we do not know.
    pub(crate) fn of(signature: &AlgorithmIdentifier<'_>) -> Option<Self> {
        let algorithm = &signature.algorithm;
        if *algorithm == oid::OID_PKCS1_RSASSAPSS {
            return Self::of_pss(signature);
        }
        let known = [
            (oid::OID_PKCS1_SHA256WITHRSA, Self::Sha256),
            (oid::OID_PKCS1_SHA384WITHRSA, Self::Sha384),
            (oid::OID_PKCS1_SHA512WITHRSA, Self::Sha512),
            (oid::OID_SIG_ECDSA_WITH_SHA256, Self::Sha256),
            (oid::OID_SIG_ECDSA_WITH_SHA384, Self::Sha384),
            (oid::OID_SIG_ECDSA_WITH_SHA512, Self::Sha512),
            (oid::OID_PKCS1_SHA1WITHRSA, Self::Sha256),
            (oid::OID_PKCS1_MD5WITHRSAENC, Self::Sha256),
        ];
        known
            .into_iter()
            .find(|(id, _)| id == algorithm)
            .map(|(_, hash)| hash)
    }

    /// RSA-PSS names its hash in its parameters. libpq and PostgreSQL read them since February 2023 (15.2, 14.7,
    /// 13.10).
    fn of_pss(signature: &AlgorithmIdentifier<'_>) -> Option<Self> {
        let Ok(SignatureAlgorithm::RSASSA_PSS(parameters)) = SignatureAlgorithm::try_from(signature) else {
            return None;
        };
        let known = [
            (oid::OID_NIST_HASH_SHA256, Self::Sha256),
            (oid::OID_NIST_HASH_SHA384, Self::Sha384),
            (oid::OID_NIST_HASH_SHA512, Self::Sha512),
            (oid::OID_HASH_SHA1, Self::Sha256),
        ];
        let hash = parameters.hash_algorithm_oid();
        known.into_iter().find(|(id, _)| id == hash).map(|(_, hash)| hash)
    }

    fn digest(self, leaf: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(leaf).to_vec(),
            Self::Sha384 => Sha384::digest(leaf).to_vec(),
            Self::Sha512 => Sha512::digest(leaf).to_vec(),
        }
    }
}

/// The certificate (DER) hashed for channel binding; `None` where real clients can't do it either.
pub(crate) fn end_point(leaf: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
    let hash = BindingHash::of(&certificate.signature_algorithm)?;
    Some(hash.digest(leaf))
}
