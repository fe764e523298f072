//! Major versions of PostgreSQL: which are supported, and what one has that another lacks.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A major version of PostgreSQL. Its data files are of no use to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Major(u32);

impl Major {
    /// The oldest one that is supported.
    pub const OLDEST: Self = Self(14);
    /// The newest one that is supported.
    pub const NEWEST: Self = Self(18);

    /// The major version of this number, supported or not.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The major version of a full one such as `17.9`; none when it does not begin with a number.
    pub fn of(version: &str) -> Option<Self> {
        version.split(['.', '-']).next()?.parse().ok().map(Self)
    }

    /// Every one that is supported, the oldest first.
    pub fn supported() -> impl DoubleEndedIterator<Item = Self> {
        (Self::OLDEST.0..=Self::NEWEST.0).map(Self)
    }

    /// Whether it is supported.
    pub fn is_supported(self) -> bool {
        (Self::OLDEST..=Self::NEWEST).contains(&self)
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Whether clients log in by SCRAM when the spec sets no method (KubeDB's default; by `md5` before).
    pub const fn defaults_to_scram(self) -> bool {
        self.0 >= 18
    }

    /// Whether it has `reserved_connections`, and the predefined role for them (PostgreSQL 16, "Predefined Roles").
    pub const fn has_reserved_connections(self) -> bool {
        self.0 >= 16
    }

    /// Whether it has triggers that run at a login, and `event_triggers` to leave them out (release notes of 17).
    pub const fn has_login_triggers(self) -> bool {
        self.0 >= 17
    }

    /// Whether it has `transaction_timeout` (release notes of 17).
    pub const fn has_transaction_timeout(self) -> bool {
        self.0 >= 17
    }

    /// Whether the groups of the key exchange are a list, `ssl_groups`, instead of one curve (release notes of 18).
    pub const fn has_tls_groups(self) -> bool {
        self.0 >= 18
    }
}

impl fmt::Display for Major {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_version_begins_with_its_major_version() {
        for (version, expected) in [
            ("17.9", Some(17)),
            ("18", Some(18)),
            ("14.22-bookworm", Some(14)),
            ("17-alpine", Some(17)),
            ("latest", None),
            ("", None),
        ] {
            assert_eq!(Major::of(version), expected.map(Major::new), "{version:?}");
        }
    }

    #[test]
    fn fourteen_to_eighteen_are_supported() {
        let all: Vec<u32> = Major::supported().map(Major::number).collect();
        assert_eq!(all, [14, 15, 16, 17, 18]);
        for (number, expected) in [(13, false), (14, true), (18, true), (19, false)] {
            assert_eq!(Major::new(number).is_supported(), expected, "{number}");
        }
    }
}
