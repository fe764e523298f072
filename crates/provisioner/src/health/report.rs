//! What a health check found.

use std::collections::BTreeMap;

use blueprint::CaBundle;
use instance::{Lsn, SslSessions, Wal};
use jiff::Timestamp;

use crate::health::{Failure, Tried, UserSlot};

/// Result of the latest check of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether the primary takes connections and writes.
    pub accepting: Verdict,
    /// Whether a client can connect and every member does its part.
    pub ready: Verdict,
    /// The member that is the primary, if one is known to be.
    pub primary: Option<String>,
    /// Where the last known primary's WAL ended when it was seen last.
    pub position: Option<Position>,
    /// Where that of the primary before it ended, on the timeline before.
    pub former_position: Option<Position>,
    /// The report of each probed member, by Pod name.
    pub members: BTreeMap<String, Member>,
    /// The credentials of [`crate::health::Targets::candidate`], when a login with them has succeeded.
    pub opened_by: Option<Tried>,
}

/// A result that has held for as many checks in a row as the failure threshold requires.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Not decided yet; the condition does not change.
    #[default]
    Open,
    /// Yes.
    Yes,
    /// No, or not known; and why.
    No(Failure),
}

/// One member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// The certificate that its TLS handshake served; none when it was not probed or speaks plaintext.
    pub served: Option<Served>,
    /// The CAs that it has loaded to verify client certificates; none when that is not known or it speaks plaintext.
    pub trusted: Option<CaBundle>,
    /// Whether it streams from the primary; none when that is not known, and for the primary.
    pub streams: Option<bool>,
    /// Whether it was seen not to stream for so long that it is not promoted.
    pub is_stale: bool,
    /// What is wrong with it.
    pub problem: Option<String>,
    /// Sessions of applications that came over TCP; none when they are not known.
    pub sessions: Option<SslSessions>,
    /// The mark of the parameters that it has read; none when that is not known, empty when they have none.
    pub configuration: Option<String>,
    /// Replication slots that users made; none when they are not known.
    pub slots: Option<Vec<UserSlot>>,
    /// Its WAL; none when that is not known.
    pub wal: Option<Wal>,
    /// Bytes of its data; none when they are not known.
    pub data_bytes: Option<u64>,
    /// Bytes of its volume; none for one that is gone with its Pod.
    pub volume_bytes: Option<u64>,
}

impl Member {
    /// Bytes of its volume that are known to be used.
    pub fn used_bytes(&self) -> Option<u64> {
        Some(self.data_bytes? + self.wal.as_ref()?.bytes)
    }

    /// How full the volume is, in steps that are worth a pass.
    fn fullness(&self) -> Option<u64> {
        let volume = self.volume_bytes.filter(|bytes| *bytes > 0)?;
        Some(self.used_bytes()? * STEPS / volume)
    }
}

/// A place in the WAL that a member wrote as the primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The member.
    pub pod: String,
    /// The timeline.
    pub timeline: u32,
    /// Where it ended.
    pub end: Lsn,
}

/// Steps from an empty volume to a full one.
const STEPS: u64 = 50;

impl Report {
    /// Whether a decision may come out differently. The number of sessions and the place in the WAL change all the time and
    /// decide nothing.
    pub fn is_news(&self, before: &Self) -> bool {
        self.what_decides() != before.what_decides()
    }

    fn what_decides(&self) -> (Self, Vec<Option<u64>>) {
        let fullness = self.members.values().map(Member::fullness).collect();
        let mut report = Self {
            position: None,
            ..self.clone()
        };
        for member in report.members.values_mut() {
            member.sessions = None;
            member.wal = None;
            member.data_bytes = None;
        }
        (report, fullness)
    }
}

/// A certificate as served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// SHA-256 of the leaf's DER, hexadecimal.
    pub fingerprint: String,
    /// End of validity.
    pub not_after: Timestamp,
}

/// Consecutive failures of one check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streak(u32);

impl Streak {
    /// Counts one more result. A good one decides at once; a bad one when it is the `threshold`th in a row.
    pub fn judge(&mut self, answer: Result<(), Failure>, threshold: u32, before: &Verdict) -> Verdict {
        match answer {
            Ok(()) => {
                self.0 = 0;
                Verdict::Yes
            }
            Err(why) => {
                self.0 = self.0.saturating_add(1);
                if self.0 >= threshold {
                    Verdict::No(why)
                } else {
                    before.clone()
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_turns_bad_at_the_threshold_and_good_at_once() {
        let mut streak = Streak::default();
        let bad = || Err(Failure::broken("refused"));
        let first = streak.judge(bad(), 2, &Verdict::Yes);
        assert_eq!(first, Verdict::Yes);
        let second = streak.judge(bad(), 2, &first);
        assert_eq!(second, Verdict::No(Failure::broken("refused")));
        assert_eq!(streak.judge(Ok(()), 2, &second), Verdict::Yes);
        assert_eq!(streak.judge(bad(), 2, &Verdict::Yes), Verdict::Yes);
    }

    #[test]
    fn before_the_threshold_nothing_is_known() {
        assert_eq!(
            Streak::default().judge(Err(Failure::broken("x")), 3, &Verdict::Open),
            Verdict::Open
        );
    }

    #[test]
    fn what_moves_all_the_time_is_no_news_and_a_volume_that_fills_up_is() {
        let report = |data_bytes, position| Report {
            members: BTreeMap::from([(
                "pg-0".to_owned(),
                Member {
                    wal: Some(Wal {
                        position,
                        ..Wal::default()
                    }),
                    data_bytes: Some(data_bytes),
                    volume_bytes: Some(1000),
                    ..Member::default()
                },
            )]),
            ..Report::default()
        };
        assert!(!report(101, 1).is_news(&report(100, 2)));
        assert!(report(150, 1).is_news(&report(100, 1)));
        assert!(report(100, 1).is_news(&Report::default()));
    }
}
