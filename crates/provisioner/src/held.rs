//! How often a database is looked at while somebody holds its pause. Nothing is changed then, only its health is told; and
//! whoever holds it changes so much that looks at every change would take the API server away from him.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shortest time between two looks at a database that is held.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// When each database that is held was looked at last, by UID.
#[derive(Debug, Default)]
pub struct LastLooks(Mutex<HashMap<String, Instant>>);

impl LastLooks {
    /// How long to wait before the next look; `None`: it is time, and counts from now.
    pub fn wait(&self, uid: &str, now: Instant) -> Option<Duration> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = last
            .get(uid)
            .map_or(Duration::ZERO, |then| (*then + BETWEEN_LOOKS).duration_since(now));
        if left.is_zero() {
            last.insert(uid.to_owned(), now);
            return None;
        }
        Some(left)
    }

    /// Counts as a look: the pause was acknowledged, which happens when it is news.
    pub fn begin(&self, uid: &str, now: Instant) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.insert(uid.to_owned(), now);
    }

    /// Forgets a database that is not held any more.
    pub fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_held_is_looked_at_once_a_second() {
        let (looks, begin) = (LastLooks::default(), Instant::now());
        let after = |milliseconds| begin + Duration::from_millis(milliseconds);
        looks.begin("a", begin);
        assert_eq!(looks.wait("a", after(400)), Some(Duration::from_millis(600)));
        assert_eq!(looks.wait("b", after(400)), None, "another one");
        assert_eq!(looks.wait("a", after(1000)), None);
        assert_eq!(looks.wait("a", after(1001)), Some(Duration::from_millis(999)));
        looks.forget("a");
        assert_eq!(looks.wait("a", after(1002)), None);
    }
}
