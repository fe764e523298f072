//! What an operation can do to certificates.

use std::fmt;

use api_types::tls::IssuerRef;
use blueprint::CaBundle;

/// One write. Doing it twice is as good as doing it once.
#[derive(Clone, PartialEq)]
pub enum TlsEffect {
    /// Let clients find these CAs in the Secret of the client certificate, beside the one that was issued with it.
    PublishCa {
        /// Name of the Secret.
        secret: String,
        /// The CAs.
        needed: CaBundle,
    },
    /// Delete the Certificate of this name, if it is the one observed.
    DeleteCertificate(String),
    /// Make cert-manager reissue the Certificate of this name.
    Issue(String),
    /// Request a certificate that nothing uses from an issuer, because the issuer publishes its CA with it.
    ProbeIssuerCa {
        /// Name of the CertificateRequest.
        name: String,
        /// The issuer.
        issuer: IssuerRef,
    },
}

impl TlsEffect {
    /// Whether it may be done at the same time as the next one.
    pub fn goes_beside(&self, next: &Self) -> bool {
        matches!(
            (self, next),
            (Self::Issue(_), Self::Issue(_)) | (Self::ProbeIssuerCa { .. }, Self::ProbeIssuerCa { .. })
        )
    }
}

impl fmt::Display for TlsEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PublishCa { secret, .. } => write!(f, "publish the CAs in Secret {secret}"),
            Self::DeleteCertificate(name) => write!(f, "delete Certificate {name}"),
            Self::Issue(name) => write!(f, "issue Certificate {name} anew"),
            Self::ProbeIssuerCa { issuer, .. } => write!(f, "ask {} {} for its CA", issuer.kind, issuer.name),
        }
    }
}
