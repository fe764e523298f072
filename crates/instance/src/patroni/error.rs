//! Why a request to Patroni failed.

use std::{io, time::Duration};

use crate::certificate::CertificateError;

/// Patroni did not do it.
#[derive(Debug, thiserror::Error)]
pub enum PatroniError {
    /// The HTTP client can't be made.
    #[error("cannot make an HTTP client")]
    Client(#[source] reqwest::Error),
    /// The CAs that we are to trust can't be read.
    #[error("cannot verify members")]
    Trust(#[source] CertificateError),
    /// No response.
    #[error("{doing} at {address}: Patroni cannot be reached; look at the Pod")]
    Unreachable {
        /// What we were doing.
        doing: &'static str,
        /// Where.
        address: String,
        /// Why not.
        #[source]
        source: reqwest::Error,
    },
    /// No response in time: the requested change may have happened or may still happen.
    #[error("{doing} at {address}: no answer within {after:?}; look at the members before asking again")]
    Deadline {
        /// What we were doing.
        doing: &'static str,
        /// Where.
        address: String,
        /// The deadline.
        after: Duration,
    },
    /// Patroni does not accept our client certificate.
    #[error(
        "{doing} at {address}: Patroni refused our client certificate; its Pod may not have read the database's present CA yet"
    )]
    Unauthorized {
        /// What we were doing.
        doing: &'static str,
        /// Where.
        address: String,
    },
    /// The server certificate is not for this member, or not from the database's internal CA.
    #[error(
        "{doing} at {address}: the certificate that is served there is not this member's; its Pod may not have read the present one yet"
    )]
    Untrusted {
        /// What we were doing.
        doing: &'static str,
        /// Where.
        address: String,
        /// What is wrong with the certificate.
        #[source]
        source: rustls::Error,
    },
    /// It can't be done in the present state (412): wrong leader, no good candidate.
    #[error("{doing} at {address}: not possible now: {why}; look at the cluster again")]
    NotPossible {
        /// What we were doing.
        doing: &'static str,
        /// Where.
        address: String,
        /// Patroni's words.
        why: String,
    },
    /// Another client changed it at the same time (409).
    #[error("{doing} at {address}: changed by somebody else at the same time; try again")]
    Conflict {
        /// What we were doing.
        doing: &'static str,
        /// Where.
        address: String,
    },
    /// Patroni tried and did not succeed, or does not know (503).
    #[error("{doing} at {address}: Patroni had no success: {why}; look at the cluster again")]
    Failed {
        /// What we were doing.
        doing: &'static str,
        /// Where.
        address: String,
        /// Patroni's words.
        why: String,
    },
    /// A response that we do not know.
    #[error("{doing} at {address}: unexpected answer {status}: {body}")]
    Unexpected {
        /// What we were doing.
        doing: &'static str,
        /// Where.
        address: String,
        /// HTTP status.
        status: u16,
        /// The beginning of the body, or why it can't be read.
        body: String,
    },
}

impl PatroniError {
    /// Why there was no response, as far as TLS shows.
    pub(super) fn of_connection(doing: &'static str, address: String, source: reqwest::Error) -> Self {
        match tls_error(&source).cloned() {
            Some(rustls::Error::AlertReceived(alert)) if refuses_client(alert) => {
                Self::Unauthorized { doing, address }
            }
            Some(source @ rustls::Error::InvalidCertificate(_)) => Self::Untrusted {
                doing,
                address,
                source,
            },
            _ => Self::Unreachable {
                doing,
                address,
                source,
            },
        }
    }
}

/// The TLS error among the causes of an error. An I/O error does not name the error that it wraps among its causes.
fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref::<rustls::Error>() {
        return Some(found);
    }
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match wrapped {
        Some(wrapped) => tls_error(wrapped),
        None => error.source().and_then(tls_error),
    }
}

/// Whether a server means by this alert that it does not accept the client's certificate.
fn refuses_client(alert: rustls::AlertDescription) -> bool {
    use rustls::AlertDescription as Alert;
    matches!(
        alert,
        Alert::UnknownCA
            | Alert::BadCertificate
            | Alert::CertificateUnknown
            | Alert::CertificateExpired
            | Alert::CertificateRequired
            | Alert::UnsupportedCertificate
            | Alert::DecryptError
    )
}
