//! A member whose PostgreSQL hangs instead of ending, as its first process notes it on its Pod. Not part of KubeDB's API.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::vocabulary::HANG;

/// What is noted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hang {
    /// Why it is known to hang.
    pub cause: Cause,
    /// When that was seen, RFC 3339.
    pub since: String,
    /// What was done about it.
    pub action: Action,
    /// Whether the member was the primary.
    pub was_primary: bool,
}

/// Why a PostgreSQL is known to hang.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// New sessions get no response, while those that are open go on.
    LoginsUnanswered,
    /// A write to the volume does not end.
    DiskBlocked,
}

/// What was done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Nothing: in maintenance mode, or where no member could take over.
    None,
    /// PostgreSQL was ended, and is started again.
    Restart,
    /// PostgreSQL was ended, and another member takes over.
    HandOver,
}

impl Hang {
    /// As the annotation [`HANG`] of a Pod has it.
    pub fn to_annotation(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From the annotations of a Pod; none when they do not have it.
    pub fn of_annotations(annotations: Option<&BTreeMap<String, String>>) -> Option<Self> {
        serde_json::from_str(annotations?.get(HANG)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let hang = Hang {
            cause: Cause::DiskBlocked,
            since: "2026-01-01T00:00:00Z".to_owned(),
            action: Action::HandOver,
            was_primary: true,
        };
        let annotations = BTreeMap::from([(HANG.to_owned(), hang.to_annotation())]);
        assert_eq!(Hang::of_annotations(Some(&annotations)), Some(hang));
    }

    #[test]
    fn what_is_no_note_tells_nothing() {
        let annotations = BTreeMap::from([(HANG.to_owned(), "{}".to_owned())]);
        assert_eq!(Hang::of_annotations(Some(&annotations)), None);
        assert_eq!(Hang::of_annotations(None), None);
    }
}
