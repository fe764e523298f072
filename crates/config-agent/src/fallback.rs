//! What to do about the projected folder: a pure decision.
//!
//! kubelet may be later than our own watch, so what it brought is older than what was written, or it may be quicker
//! than a watch whose connection died silently. While the watch works, the agent requests the Secret from the API
//! server again; only when the API server can't be reached, kubelet's files are taken.

/// What one check sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// The API server accepted the watch, and it has not failed since.
    pub is_watching: bool,
    /// kubelet brought something since the last response of the API server (or since the agent's start).
    pub is_new: bool,
    /// Whether the API server was already read again because of just this.
    pub was_asked: bool,
    /// It is not what was written.
    pub differs: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Ignore,
    /// Restart the watch: its first event is the truth.
    AskAgain,
    /// Write what kubelet brought.
    Take,
}

/// Decides on one check of the projected folder.
pub fn judge(sight: Sight) -> Verdict {
    match sight {
        Sight { is_new: false, .. } | Sight { differs: false, .. } => Verdict::Ignore,
        Sight {
            is_watching: false, ..
        } => Verdict::Take,
        Sight { was_asked: true, .. } => Verdict::Ignore,
        Sight { was_asked: false, .. } => Verdict::AskAgain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(is_watching: bool, is_new: bool, was_asked: bool, differs: bool) -> Verdict {
        judge(Sight {
            is_watching,
            is_new,
            was_asked,
            differs,
        })
    }

    #[test]
    fn what_kubelet_brought_before_or_what_is_written_already_is_ignored() {
        for is_watching in [false, true] {
            for was_asked in [false, true] {
                assert_eq!(judged(is_watching, false, was_asked, true), Verdict::Ignore);
                assert_eq!(judged(is_watching, true, was_asked, false), Verdict::Ignore);
            }
        }
    }

    #[test]
    fn kubelets_news_are_taken_only_while_the_watch_fails() {
        assert_eq!(judged(false, true, false, true), Verdict::Take);
        assert_eq!(judged(false, true, true, true), Verdict::Take);
    }

    #[test]
    fn a_watch_that_missed_what_kubelet_brought_is_begun_anew_once() {
        assert_eq!(judged(true, true, false, true), Verdict::AskAgain);
        assert_eq!(judged(true, true, true, true), Verdict::Ignore);
    }
}
