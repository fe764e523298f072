//! What is known about something that has to be observed: unknown is not no.

use std::{error::Error, fmt::Display};

/// A fact, or why it could not be observed. Code that acts must not treat `Unknown` as a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed<T> {
    /// The observation succeeded, and this is the result.
    Known(T),
    /// The observation failed; the reason, for people.
    Unknown(String),
}

impl<T> Observed<T> {
    /// Unknown, with the reason.
    pub fn unknown(why: impl Display) -> Self {
        Self::Unknown(why.to_string())
    }

    /// The fact, if it is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(fact) => Some(fact),
            Self::Unknown(_) => None,
        }
    }

    /// The reason, if it is unknown.
    pub fn why_unknown(&self) -> Option<&str> {
        match self {
            Self::Known(_) => None,
            Self::Unknown(why) => Some(why),
        }
    }

    /// Another fact that follows from this one.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Observed<U> {
        match self {
            Self::Known(fact) => Observed::Known(f(fact)),
            Self::Unknown(why) => Observed::Unknown(why),
        }
    }

    /// The same with the fact borrowed.
    pub fn as_ref(&self) -> Observed<&T> {
        match self {
            Self::Known(fact) => Observed::Known(fact),
            Self::Unknown(why) => Observed::Unknown(why.clone()),
        }
    }
}

impl<T, E: Error> From<Result<T, E>> for Observed<T> {
    /// A failed observation is unknown; the reason is the error with all its causes.
    fn from(looked: Result<T, E>) -> Self {
        match looked {
            Ok(fact) => Self::Known(fact),
            Err(error) => {
                let mut why = error.to_string();
                let mut next = error.source();
                while let Some(cause) = next {
                    why = format!("{why}: {cause}");
                    next = cause.source();
                }
                Self::Unknown(why)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_look_is_unknown_and_says_why() {
        let looked: Result<bool, _> = Err(std::io::Error::other("connection refused"));
        let seen = Observed::from(looked);
        assert_eq!(seen.known(), None);
        assert_eq!(seen.why_unknown(), Some("connection refused"));
        assert_eq!(seen.map(|b| !b), Observed::unknown("connection refused"));
    }
}
