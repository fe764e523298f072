//! Why effects did not succeed the last time, for the conditions of their requests. It is no part of a decision, so it is kept in
//! memory: after a crash the next try tells it again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Longest reason in a condition, in characters: the API server may answer with every field of an object.
const LONGEST: usize = 500;

/// What was tried, and why it did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastFailure {
    /// The effects, in the words of conditions.
    pub effects: String,
    /// Why not all of them succeeded.
    pub why: String,
}

/// The last failure of each running request, by its UID.
#[derive(Debug, Default)]
pub struct LastFailures(Mutex<HashMap<String, LastFailure>>);

impl LastFailures {
    /// That of this request, unless its last effects succeeded.
    pub fn of(&self, request: &str) -> Option<LastFailure> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(request).cloned()
    }

    /// These effects were tried; with why some did not succeed.
    pub fn note(&self, request: &str, effects: String, reasons: &[String]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if reasons.is_empty() {
            all.remove(request);
            return;
        }
        let why = reasons.join("; ").chars().take(LONGEST).collect();
        all.insert(request.to_owned(), LastFailure { effects, why });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_kept_until_the_request_does_something_that_succeeds() {
        let failures = LastFailures::default();
        assert_eq!(failures.of("a"), None);
        failures.note("a", "resize pg-1".into(), &["no".into(), "x".repeat(LONGEST)]);
        let kept = failures.of("a").expect("kept");
        assert_eq!((kept.effects.as_str(), kept.why.len()), ("resize pg-1", LONGEST));
        assert_eq!(failures.of("b"), None);
        failures.note("a", String::new(), &[]);
        assert_eq!(failures.of("a"), None);
    }
}
