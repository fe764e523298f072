//! ECDSA signatures that OpenSSL verifies and ring does not: keys on P-521, and SHA-512 with keys on P-256 and P-384.
//! CAs of companies have such keys, and `default_md = sha512` is usual in their configuration.

use std::sync::OnceLock;

use ecdsa::signature::hazmat::PrehashVerifier;
use rustls::{
    SignatureScheme,
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms},
    pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id},
};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// Bytes of a field element of P-521, the longest.
const LONGEST_FIELD: usize = 66;

/// ring's provider, and these signatures besides.
pub(crate) fn provider() -> CryptoProvider {
    CryptoProvider {
        signature_verification_algorithms: *algorithms(),
        ..rustls::crypto::ring::default_provider()
    }
}

/// ring's algorithms, and these besides.
pub(crate) fn algorithms() -> &'static WebPkiSupportedAlgorithms {
    static ALL: OnceLock<WebPkiSupportedAlgorithms> = OnceLock::new();
    ALL.get_or_init(|| {
        let ring = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        WebPkiSupportedAlgorithms {
            all: leak([ring.all, MORE].concat()),
            mapping: leak([ring.mapping, HANDSHAKES].concat()),
        }
    })
}

/// Once in a process: rustls takes only what lives as long as the process.
fn leak<T>(list: Vec<T>) -> &'static [T] {
    Vec::leak(list)
}

const MORE: &[&dyn SignatureVerificationAlgorithm] = &[
    &P521_SHA512,
    &P521_SHA384,
    &P521_SHA256,
    &P384_SHA512,
    &P256_SHA512,
];

/// In TLS 1.2 the scheme does not fix the curve.
const HANDSHAKES: &[(SignatureScheme, &[&dyn SignatureVerificationAlgorithm])] = &[(
    SignatureScheme::ECDSA_NISTP521_SHA512,
    &[&P521_SHA512, &P384_SHA512, &P256_SHA512],
)];

const P521_SHA512: Ecdsa = Ecdsa::new(Curve::P521, Hash::Sha512);
const P521_SHA384: Ecdsa = Ecdsa::new(Curve::P521, Hash::Sha384);
const P521_SHA256: Ecdsa = Ecdsa::new(Curve::P521, Hash::Sha256);
const P384_SHA512: Ecdsa = Ecdsa::new(Curve::P384, Hash::Sha512);
const P256_SHA512: Ecdsa = Ecdsa::new(Curve::P256, Hash::Sha512);

#[derive(Clone, Copy, Debug)]
enum Curve {
    P256,
    P384,
    P521,
}

#[derive(Clone, Copy, Debug)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

#[derive(Clone, Copy, Debug)]
struct Ecdsa {
    curve: Curve,
    hash: Hash,
}

impl Ecdsa {
    const fn new(curve: Curve, hash: Hash) -> Self {
        Self { curve, hash }
    }
}

impl SignatureVerificationAlgorithm for Ecdsa {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let digest = self.hash.digest(message);
        let is_good = match self.curve {
            Curve::P256 => verify_p256(public_key, &digest, signature),
            Curve::P384 => verify_p384(public_key, &digest, signature),
            Curve::P521 => verify_p521(public_key, &digest, signature),
        };
        is_good.map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        match self.curve {
            Curve::P256 => alg_id::ECDSA_P256,
            Curve::P384 => alg_id::ECDSA_P384,
            Curve::P521 => alg_id::ECDSA_P521,
        }
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        match self.hash {
            Hash::Sha256 => alg_id::ECDSA_SHA256,
            Hash::Sha384 => alg_id::ECDSA_SHA384,
            Hash::Sha512 => alg_id::ECDSA_SHA512,
        }
    }
}

impl Hash {
    fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha384 => Sha384::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
        }
    }
}

fn verify_p256(key: &[u8], digest: &[u8], signature: &[u8]) -> Result<(), ecdsa::Error> {
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key)?;
    key.verify_prehash(digest, &p256::ecdsa::Signature::from_der(signature)?)
}

fn verify_p384(key: &[u8], digest: &[u8], signature: &[u8]) -> Result<(), ecdsa::Error> {
    let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(key)?;
    key.verify_prehash(digest, &p384::ecdsa::Signature::from_der(signature)?)
}

fn verify_p521(key: &[u8], digest: &[u8], signature: &[u8]) -> Result<(), ecdsa::Error> {
    let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(key)?;
    // The crate takes no digest shorter than half a field element; zeros in front do not change the number.
    let mut padded = vec![0; LONGEST_FIELD.saturating_sub(digest.len())];
    padded.extend_from_slice(digest);
    key.verify_prehash(&padded, &p521::ecdsa::Signature::from_der(signature)?)
}
