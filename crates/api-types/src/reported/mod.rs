//! The words that operators say in conditions and Events, each with what it means.
//!
//! Operators take the words from here, and `docs/reference/conditions.md` is made of the same lists. A test fails when an
//! operator's source has such a word of its own, when a word is not said by anybody, and when one that means trouble has no
//! entry in `docs/troubleshoot.md`.

#[macro_use]
mod macros;
pub mod ops_request;
pub mod pet_set;
pub mod postgres;

/// A word of a condition or of an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// As it is on the wire.
    pub text: &'static str,
    /// What it means: sentences in Markdown, with the blanks of a comment around them.
    pub meaning: &'static str,
    /// Where it is seen: of a reason the conditions, of an Event its type; empty for a condition's type.
    pub seen: &'static str,
    /// Whether something is wrong, or waits for a person.
    pub is_trouble: bool,
    /// Name of the constant.
    pub constant: &'static str,
}

/// What one kind can say.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary {
    /// The kind.
    pub kind: &'static str,
    /// Types of its conditions.
    pub conditions: &'static [Word],
    /// Reasons of its conditions, as far as they are not the condition's type.
    pub reasons: &'static [Word],
    /// Reasons of Events about it, as far as they are no reason or type of a condition.
    pub events: &'static [Word],
}

impl Vocabulary {
    /// Every word.
    pub fn words(&self) -> impl Iterator<Item = &'static Word> {
        self.conditions.iter().chain(self.reasons).chain(self.events)
    }
}

/// Of every kind whose status an operator writes.
pub const ALL: [Vocabulary; 3] = [
    Vocabulary {
        kind: "Postgres",
        conditions: postgres::conditions::ALL,
        reasons: postgres::reasons::ALL,
        events: postgres::events::ALL,
    },
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
