//! Why a request to the API server failed, in its own words.

use std::error::Error;
use std::fmt::{self, Display};

use kube::Resource;
use kube::core::Status;

/// Kind, namespace and name of an object, for errors and logs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectId {
    /// For example `Secret`.
    pub kind: String,
    /// Empty for objects of the whole cluster.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl ObjectId {
    /// The identity of a typed object.
    pub fn of<K: Resource<DynamicType = ()>>(object: &K) -> Self {
        Self {
            kind: K::kind(&()).into_owned(),
            namespace: object.meta().namespace.clone().unwrap_or_default(),
            name: object.meta().name.clone().unwrap_or_default(),
        }
    }
}

impl Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            return write!(f, "{} {}", self.kind, self.name);
        }
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// The response of the API server, or why there is none. Its text is the server's message and nothing else: `kube::Error`
/// adds the `Debug` form of the whole response.
#[derive(Debug)]
pub struct Answer(Box<kube::Error>);

impl Answer {
    /// The response of the API server; none when it could not be reached.
    pub fn status(&self) -> Option<&Status> {
        match self.0.as_ref() {
            kube::Error::Api(status) => Some(status),
            _ => None,
        }
    }
}

impl From<kube::Error> for Answer {
    fn from(error: kube::Error) -> Self {
        Self(Box::new(error))
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status() {
            Some(status) if !status.message.is_empty() => f.write_str(&status.message),
            Some(status) if !status.reason.is_empty() => write!(f, "{} ({})", status.reason, status.code),
            Some(status) => write!(f, "HTTP status {}", status.code),
            None => Display::fmt(&self.0, f),
        }
    }
}

impl Error for Answer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self.status() {
            Some(_) => None,
            None => self.0.source(),
        }
    }
}

/// A read or a write of the API server did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The object has changed since it was read.
    #[error("{action} {object}: it was changed meanwhile, will be tried again")]
    Conflict {
        /// What we were doing.
        action: &'static str,
        /// To which object.
        object: ObjectId,
        /// The API server's response.
        #[source]
        source: Answer,
    },
    /// The object is not there.
    #[error("{action} {object}: it does not exist")]
    Gone {
        /// What we were doing.
        action: &'static str,
        /// To which object.
        object: ObjectId,
        /// The API server's response.
        #[source]
        source: Answer,
    },
    /// This process lacks the right.
    #[error("{action} {object}: not allowed; check this operator's RBAC")]
    Forbidden {
        /// What we were doing.
        action: &'static str,
        /// To which object.
        object: ObjectId,
        /// The API server's response.
        #[source]
        source: Answer,
    },
    /// Admission refuses the object: a quota, a LimitRange, Pod Security, a policy, a webhook.
    #[error("{action} {object}: the API server refused it")]
    Refused {
        /// What we were doing.
        action: &'static str,
        /// To which object.
        object: ObjectId,
        /// The API server's response.
        #[source]
        source: Answer,
    },
    /// The API server finds the object wrong; retrying the same does not help.
    #[error("{action} {object}: the API server refused its content")]
    Invalid {
        /// What we were doing.
        action: &'static str,
        /// To which object.
        object: ObjectId,
        /// The API server's response.
        #[source]
        source: Answer,
    },
    /// Anything else: network, server error.
    #[error("{action} {object}: no success, will be tried again")]
    Api {
        /// What we were doing.
        action: &'static str,
        /// To which object.
        object: ObjectId,
        /// What went wrong.
        #[source]
        source: Answer,
    },
    /// The object as given can't be written.
    #[error("{action} {object}: it lacks {missing}")]
    Incomplete {
        /// What we were doing.
        action: &'static str,
        /// To which object.
        object: ObjectId,
        /// The field that is missing.
        missing: &'static str,
    },
}

/// The variants that have a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Conflict,
    Gone,
    Forbidden,
    Refused,
    Invalid,
    Other,
}

impl ApplyError {
    /// Sorts an error of the client by what the caller can do about it.
    pub fn new(action: &'static str, object: ObjectId, source: kube::Error) -> Self {
        let source = Answer::from(source);
        let sort = source
            .status()
            .map_or(Sort::Other, |status| sort(status, is_read(action)));
        match sort {
            Sort::Conflict => Self::Conflict {
                action,
                object,
                source,
            },
            Sort::Gone => Self::Gone {
                action,
                object,
                source,
            },
            Sort::Forbidden => Self::Forbidden {
                action,
                object,
                source,
            },
            Sort::Refused => Self::Refused {
                action,
                object,
                source,
            },
            Sort::Invalid => Self::Invalid {
                action,
                object,
                source,
            },
            Sort::Other => Self::Api {
                action,
                object,
                source,
            },
        }
    }

    /// Every value of [`Self::category`].
    pub const CATEGORIES: [&str; 7] = [
        "conflict",
        "gone",
        "forbidden",
        "refused",
        "invalid",
        "api",
        "incomplete",
    ];

    /// One word for metrics.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "conflict",
            Self::Gone { .. } => "gone",
            Self::Forbidden { .. } => "forbidden",
            Self::Refused { .. } => "refused",
            Self::Invalid { .. } => "invalid",
            Self::Api { .. } => "api",
            Self::Incomplete { .. } => "incomplete",
        }
    }

    /// Whether the object has changed meanwhile.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }

    /// Whether the API server refuses this, so that a person has to change something: the object, a quota or a policy, a
    /// right, a webhook that does not respond. What passes by itself is none.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Forbidden { .. } | Self::Refused { .. } | Self::Invalid { .. } => true,
            Self::Api { source, .. } => source.status().is_some_and(|status| !is_overload(status.code)),
            Self::Conflict { .. } | Self::Gone { .. } | Self::Incomplete { .. } => false,
        }
    }

    /// The API server's message, without what we were doing; for messages that contain that themselves.
    pub fn sentence(&self) -> String {
        let (before, source) = match self {
            Self::Conflict { source, .. }
            | Self::Gone { source, .. }
            | Self::Refused { source, .. }
            | Self::Invalid { source, .. } => ("", source),
            Self::Forbidden { source, .. } => ("check this operator's RBAC: ", source),
            Self::Api { source, .. } => ("no success, will be tried again: ", source),
            Self::Incomplete { .. } => return self.to_string(),
        };
        format!("{before}{}", api_types::error_chain(source))
    }
}

/// Admission does not apply to reads.
fn is_read(action: &str) -> bool {
    matches!(action, "read" | "list" | "get" | "watch")
}

fn sort(status: &Status, is_read: bool) -> Sort {
    // First: a webhook chooses the code of its denial.
    if is_denial(&status.message) {
        return Sort::Refused;
    }
    match status.code {
        409 => Sort::Conflict,
        _ if status.is_conflict() || status.is_already_exists() => Sort::Conflict,
        // The response for an unknown kind is a text, which `is_not_found` does not know.
        404 => Sort::Gone,
        _ if status.is_not_found() => Sort::Gone,
        _ if status.is_forbidden() || status.code == 403 => {
            if is_read || lacks_right(&status.message) {
                Sort::Forbidden
            } else {
                Sort::Refused
            }
        }
        400 | 422 => Sort::Invalid,
        _ if status.is_invalid() => Sort::Invalid,
        _ => Sort::Other,
    }
}

/// The forms of apiserver's `ToStatusErr` (webhooks) and of ValidatingAdmissionPolicy.
fn is_denial(message: &str) -> bool {
    message.contains(" denied the request") || message.contains(" denied request")
}

/// The forms of apiserver's `responsewriters.Forbidden` (the authorizer) and of RBAC's escalation check. Every other 403 is of
/// admission.
fn lacks_right(message: &str) -> bool {
    message.contains("User \"") && message.contains("\" cannot ")
        || message.contains("attempting to grant RBAC permissions")
}

/// Whether the API server is busy, starting or cut off from its store: over by itself.
fn is_overload(code: u16) -> bool {
    matches!(code, 408 | 429 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests;
