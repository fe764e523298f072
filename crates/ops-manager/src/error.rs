//! What can go wrong while a request is carried out. Waiting is no error.

use runtime::{ApplyError, ReconcileError, Retry};

/// An observation or a write failed; it is retried.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or failed a request.
    #[error(transparent)]
    Api(#[from] ApplyError),
    /// A member refused or failed a request.
    #[error("{action} on member {pod}")]
    Member {
        /// What we were doing.
        action: &'static str,
        /// Name of the Pod.
        pod: String,
        /// The member's response.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It can't be done in this moment, which is no error: the next look decides.
    #[error("{0}")]
    NotNow(String),
    /// Something that was seen a moment ago is not there.
    #[error("{0} is not there any more; looks again")]
    Vanished(String),
}

impl ReconcileError for Error {
    fn category(&self) -> &'static str {
        match self {
            Self::Api(error) => error.category(),
            Self::Member { .. } | Self::NotNow(_) => "member",
            Self::Vanished(_) => "vanished",
        }
    }

    fn retry(&self) -> Retry {
        Retry::Backoff
    }
}
