//! What is kept of a member from one check to the next.

use std::time::{Duration, Instant};

use instance::Lsn;

use crate::health::Served;

/// Shortest time between two measurements of the size of a member's data.
const MIN_SIZE_INTERVAL: Duration = Duration::from_secs(20);
/// How long a standby that runs may take to stream again, for example after a restart.
const STALE_AFTER: Duration = Duration::from_secs(30);
/// Measuring the size takes one part in this many of the time at most: it walks through all files.
const SIZE_TIME_SHARE: u32 = 50;

/// What was seen of a member before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Bytes of its data if they could be counted, and when and for how long that was tried.
    size: Option<(Option<u64>, Instant, Duration)>,
    /// Where its WAL ended at the latest check.
    position: Option<Lsn>,
    /// Since when it was seen not to stream from the primary.
    silent_since: Option<Instant>,
    /// The certificate that its Patroni served, by the SHA-256 of its DER.
    served: Option<String>,
    /// The certificate that its PostgreSQL showed in the latest handshake.
    handshake: Option<Served>,
    /// The hash of the parameters that its Patroni was made to read while PostgreSQL could not be probed.
    asked_for: Option<String>,
}

impl Seen {
    /// Takes down whether the member streams from the primary; what is not known changes nothing. Returns whether it has not
    /// streamed for so long that it is not promoted.
    pub fn is_stale(&mut self, streams: Option<bool>, now: Instant) -> bool {
        match streams {
            Some(true) => self.silent_since = None,
            Some(false) => _ = self.silent_since.get_or_insert(now),
            None => {}
        }
        self.silent_since
            .is_some_and(|since| now.saturating_duration_since(since) >= STALE_AFTER)
    }

    /// Whether the size of the data is to be measured again.
    pub fn is_size_due(&self, now: Instant) -> bool {
        self.size.is_none_or(|(_, since, took)| {
            now.saturating_duration_since(since) >= MIN_SIZE_INTERVAL.max(took * SIZE_TIME_SHARE)
        })
    }

    /// The size of the data, when it is known.
    pub fn size(&self) -> Option<u64> {
        self.size.and_then(|(bytes, ..)| bytes)
    }

    /// Takes down a size that was counted from `since` on; none when that failed.
    pub fn counted(&mut self, bytes: Option<u64>, since: Instant, took: Duration) {
        self.size = Some((bytes, since, took));
    }

    /// Whether to make the member's Patroni read its file. A PostgreSQL that responds shows what it has read. One that does not
    /// may have failed over the very parameters that were corrected since: then once for each content of the file.
    pub fn is_to_read(&mut self, has: Option<&str>, wanted: Option<&str>) -> bool {
        let Some(wanted) = wanted else { return false };
        match has {
            Some(has) => has != wanted,
            None => self.asked_for.replace(wanted.to_owned()).as_deref() != Some(wanted),
        }
    }

    /// The certificate that its PostgreSQL showed in the latest handshake.
    pub fn handshake(&self) -> Option<Served> {
        self.handshake.clone()
    }

    /// Takes down what its PostgreSQL showed.
    pub fn showed(&mut self, served: Option<Served>) {
        self.handshake = served;
    }

    /// Whether its Patroni was seen to serve the certificate of this fingerprint.
    pub fn serves(&self, fingerprint: &str) -> bool {
        self.served.as_deref() == Some(fingerprint)
    }

    /// Takes down the certificate that its Patroni serves.
    pub fn served(&mut self, fingerprint: String) {
        self.served = Some(fingerprint);
    }

    /// Takes down where the member's WAL ends; returns whether that is where it ended before.
    pub fn stands_still(&mut self, position: Option<Lsn>) -> bool {
        let same = position.is_some() && self.position == position;
        self.position = position;
        same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_counted_seldom_and_large_ones_more_seldom() {
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let mut seen = Seen::default();
        assert!(seen.is_size_due(begin));
        seen.counted(Some(1), begin, Duration::from_millis(10));
        assert!(!seen.is_size_due(after(19)));
        assert!(seen.is_size_due(after(20)));
        seen.counted(Some(2), begin, Duration::from_secs(2));
        assert!(!seen.is_size_due(after(99)));
        assert!(seen.is_size_due(after(100)));
        assert_eq!(seen.size(), Some(2));
    }

    #[test]
    fn a_file_is_read_until_it_was_read_and_once_by_a_member_that_does_not_answer() {
        let mut seen = Seen::default();
        assert!(!seen.is_to_read(Some("a"), None), "somebody else cares");
        assert!(!seen.is_to_read(Some("a"), Some("a")));
        assert!(seen.is_to_read(Some(""), Some("a")));
        assert!(seen.is_to_read(Some("b"), Some("a")), "again and again");
        assert!(seen.is_to_read(None, Some("a")));
        assert!(!seen.is_to_read(None, Some("a")), "once");
        assert!(seen.is_to_read(None, Some("c")), "once for each");
    }

    #[test]
    fn a_member_is_stale_when_it_was_long_seen_not_to_stream() {
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let mut seen = Seen::default();
        assert!(!seen.is_stale(None, begin), "not known");
        assert!(!seen.is_stale(Some(false), begin));
        assert!(!seen.is_stale(Some(false), after(29)));
        assert!(seen.is_stale(None, after(30)), "not known is not streaming");
        assert!(!seen.is_stale(Some(true), after(31)));
        assert!(!seen.is_stale(Some(false), after(40)));
    }

    #[test]
    fn a_member_stands_still_when_two_checks_see_the_same_place() {
        let mut seen = Seen::default();
        assert!(!seen.stands_still(Some(5)));
        assert!(seen.stands_still(Some(5)));
        assert!(!seen.stands_still(Some(6)));
        assert!(!seen.stands_still(None));
        assert!(!seen.stands_still(None), "not known is not still");
    }
}
