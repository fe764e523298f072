//! The condition types and reasons in conditions and Events, each with its meaning.
//!
//! Operators take the words from here, and `docs/reference/conditions.md` is made of the same lists. A test fails when an
//! operator's source has such a word of its own, when no operator uses a word, and when one that means trouble has no entry
//! in `docs/troubleshoot.md`.

#[macro_use]
mod macros;
pub mod ops_request;
pub mod pet_set;
pub mod postgres;

/// A word of a condition or of an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusReason {
    /// Its text on the wire.
    pub text: &'static str,
    /// What it means: sentences in Markdown, with the blanks of a comment around them.
    pub meaning: &'static str,
    /// Where it is seen: of a reason the conditions, of an Event its type; empty for a condition's type.
    pub seen: &'static str,
    /// Whether something is wrong, or waits for a person.
    pub is_trouble: bool,
    /// Of a condition's type: in which status something is wrong.
    pub bad: Bad,
    /// Name of the constant.
    pub constant: &'static str,
}

/// In which status of a condition something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// In none.
    Never,
    /// In `True`.
    WhenTrue,
    /// In `False` and `Unknown`.
    UnlessTrue,
}

impl Bad {
    /// The status that the marks of a word name.
    const fn of_marks(marks: &[&str]) -> Self {
        if has_mark(marks, "bad_when_true") {
            Self::WhenTrue
        } else if has_mark(marks, "bad_unless_true") {
            Self::UnlessTrue
        } else {
            Self::Never
        }
    }

    /// Whether this status (`True`, `False` or `Unknown`) means that something is wrong.
    pub fn is(self, status: &str) -> bool {
        match self {
            Self::Never => false,
            Self::WhenTrue => status == "True",
            Self::UnlessTrue => status != "True",
        }
    }
}

/// Whether a mark is in a list.
const fn has_mark(marks: &[&str], wanted: &str) -> bool {
    let mut at = 0;
    while at < marks.len() {
        if is_same(marks[at].as_bytes(), wanted.as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

/// Strings can't be compared in a constant.
const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// The words of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary {
    /// The kind.
    pub kind: &'static str,
    /// Types of its conditions.
    pub conditions: &'static [StatusReason],
    /// Reasons of its conditions, as far as they are not the condition's type.
    pub reasons: &'static [StatusReason],
    /// Reasons of Events about it, as far as they are no reason or type of a condition.
    pub events: &'static [StatusReason],
}

impl Vocabulary {
    /// Whether a condition of this type and status means that something is wrong. A type that is not ours means nothing.
    pub fn is_bad(&self, type_: &str, status: &str) -> bool {
        let word = self.conditions.iter().find(|word| word.text == type_);
        word.is_some_and(|word| word.bad.is(status))
    }

    /// Every word.
    pub fn words(&self) -> impl Iterator<Item = &'static StatusReason> {
        self.conditions.iter().chain(self.reasons).chain(self.events)
    }
}

/// Of a Postgres.
pub const POSTGRES: Vocabulary = Vocabulary {
    kind: "Postgres",
    conditions: postgres::conditions::ALL,
    reasons: postgres::reasons::ALL,
    events: postgres::events::ALL,
};

/// Of every kind whose status an operator writes.
pub const ALL: [Vocabulary; 3] = [
    POSTGRES,
    Vocabulary {
        kind: "PostgresOpsRequest",
        conditions: ops_request::conditions::ALL,
        reasons: ops_request::reasons::ALL,
        events: ops_request::events::ALL,
    },
    Vocabulary {
        kind: "PetSet",
        conditions: pet_set::conditions::ALL,
        reasons: pet_set::reasons::ALL,
        events: pet_set::events::ALL,
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_status_of_a_condition_tells_whether_something_is_wrong() {
        let table = [
            ("Ready", "True", false),
            ("Ready", "Unknown", true),
            ("SpecApplied", "False", true),
            ("StorageAtRisk", "True", true),
            ("StorageAtRisk", "False", false),
            ("Halted", "True", false),
            ("Paused", "False", false),
            ("SomebodyElses", "False", false),
        ];
        for (type_, status, is_bad) in table {
            assert_eq!(POSTGRES.is_bad(type_, status), is_bad, "{type_} {status}");
        }
    }

    /// A condition that is bad when it is present means trouble, or its reasons do: then there is an entry for it.
    #[test]
    fn what_is_bad_can_be_looked_up() {
        for vocabulary in ALL {
            for word in vocabulary
                .conditions
                .iter()
                .filter(|word| word.bad == Bad::WhenTrue)
            {
                let named = format!("`{}`", word.text);
                let of_it = vocabulary.reasons.iter().filter(|it| it.seen.contains(&named));
                let is_found = word.is_trouble || of_it.clone().any(|it| it.is_trouble);
                assert!(is_found, "{} {}", vocabulary.kind, word.text);
            }
        }
    }

    #[test]
    fn a_list_says_every_word_once_and_what_it_means() {
        for vocabulary in ALL {
            for list in [vocabulary.conditions, vocabulary.reasons, vocabulary.events] {
                let texts: BTreeSet<_> = list.iter().map(|word| word.text).collect();
                assert_eq!(texts.len(), list.len(), "{}", vocabulary.kind);
            }
            for word in vocabulary.words() {
                assert!(word.meaning.trim().ends_with('.'), "{}", word.text);
            }
        }
    }
}
