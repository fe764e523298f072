//! How often a paused database is observed. Nothing is changed then, only its health is reported. The holder of the pause
//! changes so much that an observation after every change would use up the holder's share of the API server.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shortest time between two observations of a paused database.
const PAUSED_INTERVAL: Duration = Duration::from_secs(1);

/// When each paused database was observed last, by UID.
#[derive(Debug, Default)]
pub struct PauseThrottle(Mutex<HashMap<String, Instant>>);

impl PauseThrottle {
    /// How long to wait before the next observation; `None`: it is due, and counts from now.
    pub fn wait(&self, uid: &str, now: Instant) -> Option<Duration> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = last.get(uid).map_or(Duration::ZERO, |then| {
            (*then + PAUSED_INTERVAL).duration_since(now)
        });
        if left.is_zero() {
            last.insert(uid.to_owned(), now);
            return None;
        }
        Some(left)
    }

    /// Counts as an observation: the pause was acknowledged, which happens when it is new.
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
        let (looks, begin) = (PauseThrottle::default(), Instant::now());
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
