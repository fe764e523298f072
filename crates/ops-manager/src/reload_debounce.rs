//! Members whose Patroni just got a request to reload its configuration. A reload takes some tenths of a second, and a
//! second request meanwhile makes Patroni start over.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time that Patroni has before it gets the same request again.
const RELOAD_DEBOUNCE: Duration = Duration::from_secs(1);

/// The last request to each member, by namespace and Pod.
#[derive(Debug, Default)]
pub struct ReloadDebounce(Mutex<HashMap<(String, String), (String, Instant)>>);

impl ReloadDebounce {
    /// Whether this member just got a request to read the configuration of this hash.
    pub fn lately(&self, namespace: &str, pod: &str, hash: &str, now: Instant) -> bool {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, (_, then)| now.duration_since(*then) < RELOAD_DEBOUNCE);
        let key = (namespace.to_owned(), pod.to_owned());
        asked.get(&key).is_some_and(|(what, _)| what == hash)
    }

    /// Records a request as sent now.
    pub fn note(&self, namespace: &str, pod: &str, hash: &str, now: Instant) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (namespace.to_owned(), pod.to_owned());
        asked.insert(key, (hash.to_owned(), now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_has_a_second_to_do_what_it_was_asked_and_does_other_things_at_once() {
        let (asked, begin) = (ReloadDebounce::default(), Instant::now());
        let after = |milliseconds| begin + Duration::from_millis(milliseconds);
        assert!(!asked.lately("shop", "pg-0", "a", begin));
        asked.note("shop", "pg-0", "a", begin);
        assert!(asked.lately("shop", "pg-0", "a", after(900)));
        assert!(!asked.lately("shop", "pg-0", "b", after(900)), "other content");
        assert!(!asked.lately("shop", "pg-1", "a", after(900)), "another member");
        assert!(
            !asked.lately("shop", "pg-0", "a", after(1000)),
            "it did not do it"
        );
    }
}
