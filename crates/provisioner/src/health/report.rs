//! What a health check found.

use std::collections::BTreeMap;

use blueprint::CaBundle;
use instance::SslSessions;
use jiff::Timestamp;

/// Result of the latest check of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether the primary takes connections and writes.
    pub accepting: Verdict,
    /// Whether a client can connect and every member does its part.
    pub ready: Verdict,
    /// What each member that was asked said, by Pod name.
    pub members: BTreeMap<String, Member>,
}

/// An answer that has held for as many checks in a row as the failure threshold asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Not decided yet; the condition stays as it is.
    #[default]
    Open,
    /// Yes.
    Yes,
    /// No, and why.
    No(String),
}

/// One member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// The certificate that its TLS handshake served; none when it was not asked or speaks plaintext.
    pub served: Option<Served>,
    /// The CAs that it has loaded to judge client certificates by; none when that is not known or it speaks plaintext.
    pub trusted: Option<CaBundle>,
    /// What is wrong with it.
    pub problem: Option<String>,
    /// Sessions of applications that came over TCP; none when they are not known.
    pub sessions: Option<SslSessions>,
}

impl Report {
    /// Whether a decision may come out differently. The number of sessions changes all the time and decides nothing.
    pub fn is_news(&self, before: &Self) -> bool {
        let without_sessions = |report: &Self| {
            let mut report = report.clone();
            for member in report.members.values_mut() {
                member.sessions = None;
            }
            report
        };
        without_sessions(self) != without_sessions(before)
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

/// Consecutive failures of one question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streak(u32);

impl Streak {
    /// Counts one more answer. A good one decides at once; a bad one when it is the `threshold`th in a row.
    pub fn judge(&mut self, answer: Result<(), String>, threshold: u32, before: &Verdict) -> Verdict {
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
        let bad = || Err("refused".to_owned());
        let first = streak.judge(bad(), 2, &Verdict::Yes);
        assert_eq!(first, Verdict::Yes);
        let second = streak.judge(bad(), 2, &first);
        assert_eq!(second, Verdict::No("refused".into()));
        assert_eq!(streak.judge(Ok(()), 2, &second), Verdict::Yes);
        assert_eq!(streak.judge(bad(), 2, &Verdict::Yes), Verdict::Yes);
    }

    #[test]
    fn before_the_threshold_nothing_is_known() {
        assert_eq!(
            Streak::default().judge(Err("x".into()), 3, &Verdict::Open),
            Verdict::Open
        );
    }
}
