//! What an operation can do to the superuser's credentials. No effect has a password in it: they are in the Secret that
//! [`AuthEffect::Keep`] writes.

use std::fmt;

use crate::auth::world::Which;

/// One write. Doing it twice is as good as doing it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthEffect {
    /// Write the credentials down, those that open the database and those that are to, unless this request has done so.
    Keep {
        /// The primary, which knows the verifier.
        leader: String,
        /// The Secret with the new password; it is made when none.
        secret: Option<String>,
    },
    /// Set this verifier on the role, then publish the password in the auth Secret.
    Set {
        /// The primary.
        leader: String,
        /// Which.
        which: Which,
        /// The Secret whose password is ours to write.
        secret: Option<String>,
    },
    /// Publish this password in the auth Secret.
    Publish {
        /// Which.
        which: Which,
        /// The Secret.
        secret: String,
    },
    /// Note the credentials as those that open the database.
    Record {
        /// Which.
        which: Which,
        /// The auth Secret that has them.
        secret: String,
    },
    /// Delete what was written down.
    Forget,
}

impl fmt::Display for AuthEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep { .. } => f.write_str("write the former and the new credentials down"),
            Self::Set { which, .. } => write!(f, "give the superuser the {which} password"),
            Self::Publish { which, secret } => write!(f, "write the {which} password into Secret {secret}"),
            Self::Record { which, .. } => write!(f, "note that the {which} password opens the database"),
            Self::Forget => f.write_str("delete the credentials that were written down"),
        }
    }
}
