//! Per-object exponential delay: kube's error policy knows no attempt count, so it is kept here.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// First delay after a failure.
pub const MIN_RETRY_DELAY: Duration = Duration::from_millis(5);
/// Longest delay between two attempts.
pub const MAX_RETRY_DELAY: Duration = Duration::from_secs(30);

/// Counts consecutive failures per object, and gives the delay before the next attempt.
#[derive(Debug)]
pub struct Backoff<K> {
    failures: Mutex<HashMap<K, u32>>,
}

impl<K> Default for Backoff<K> {
    fn default() -> Self {
        Self {
            failures: Mutex::default(),
        }
    }
}

impl<K: Eq + Hash> Backoff<K> {
    /// Records a failure; the delay before the next attempt: 5 ms, 10 ms, 20 ms … at most 30 s.
    pub fn failed(&self, key: K) -> Duration {
        let mut failures = self.lock();
        let count = failures.entry(key).or_insert(0);
        *count = count.saturating_add(1);
        delay(*count)
    }

    /// Forgets an object's failures: it succeeded or is gone.
    pub fn reset(&self, key: &K) {
        self.lock().remove(key);
    }

    /// How many objects have failed and not succeeded since.
    pub fn failing(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, u32>> {
        // Counters stay valid whatever a panicking holder did.
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn delay(consecutive_failures: u32) -> Duration {
    let doublings = consecutive_failures.saturating_sub(1).min(20);
    MIN_RETRY_DELAY
        .saturating_mul(1 << doublings)
        .min(MAX_RETRY_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delay_doubles_up_to_its_limit() {
        assert_eq!(delay(1), Duration::from_millis(5));
        assert_eq!(delay(2), Duration::from_millis(10));
        assert_eq!(delay(12), Duration::from_millis(10_240));
        assert_eq!(delay(14), MAX_RETRY_DELAY);
        assert_eq!(delay(u32::MAX), MAX_RETRY_DELAY);
    }

    #[test]
    fn success_resets_only_its_own_object() {
        let backoff = Backoff::default();
        backoff.failed("a");
        backoff.failed("a");
        backoff.failed("b");
        backoff.reset(&"a");
        assert_eq!(backoff.failed("a"), MIN_RETRY_DELAY);
        assert_eq!(backoff.failed("b"), MIN_RETRY_DELAY * 2);
        assert_eq!(backoff.failing(), 2);
    }
}
