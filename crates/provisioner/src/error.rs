//! Why a pass failed. Waiting is never an error.

use runtime::{ApplyError, ReconcileError, Retry};

use crate::members_tls::IssueError;

/// A pass over a database failed and will be tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused a read or a write.
    #[error(transparent)]
    Api(#[from] ApplyError),
    /// The internal CA could not sign.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The spec has TLS and there is no issuer of certificates.
    #[error(
        "{postgres} has spec.tls, but the cluster has no cert-manager.io/v1 Certificates; install cert-manager"
    )]
    NoCertManager {
        /// `<namespace>/<name>`.
        postgres: String,
    },
}

impl ReconcileError for Error {
    fn category(&self) -> &'static str {
        match self {
            Self::Api(error) => error.category(),
            Self::Issue(_) => "members_tls",
            Self::NoCertManager { .. } => "no_cert_manager",
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Api(_) | Self::Issue(_) => Retry::Backoff,
            Self::NoCertManager { .. } => Retry::After(std::time::Duration::from_secs(30)),
        }
    }
}

impl Error {
    /// Whether the API server refuses what we want, so that the user needs a report.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Api(error) => error.is_refusal(),
            Self::Issue(_) | Self::NoCertManager { .. } => true,
        }
    }
}
