//! When a PostgreSQL hangs that has not ended: a plain decision.
//!
//! Patroni queries its PostgreSQL by sessions that are open already, and those go on while no new client gets in.

use std::time::Duration;

use api_types::hang::{Action, Cause};

use crate::login::Answer;

/// Unanswered logins in a row, at least. Each takes [`LOGIN_TIMEOUT`].
const MIN_UNANSWERED_LOGINS: u32 = 3;
/// Since the first of them, at least.
const MIN_UNANSWERED_TIME: Duration = Duration::from_secs(12);
/// How long the server may take to respond to a login.
pub const LOGIN_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a write may take to reach the disk. A busy disk takes seconds.
const WRITE_TIMEOUT: Duration = Duration::from_secs(18);
/// When a check comes so much later than it was due, this process did not get the processor either: it proves nothing.
const MAX_CHECK_DELAY: Duration = Duration::from_millis(500);
/// A restart that did not help for so long is not tried again.
const RESTART_COOLDOWN: Duration = Duration::from_secs(300);

/// What one check sees.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// What the login came to.
    pub login: Answer,
    /// How long a write to the volume has been under way; zero when none is.
    pub write: Duration,
    /// How much later the check came than it was due.
    pub late: Duration,
    /// Time since the start of this process.
    pub now: Duration,
}

/// What is known of the database when PostgreSQL hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// Whether Patroni is in maintenance mode; `None` when that is not known.
    pub is_paused: Option<bool>,
    /// Whether there are other members, one of which may take over.
    pub has_peers: bool,
}

/// The result of a series of checks.
#[derive(Debug, Default)]
pub struct Course {
    silent: u32,
    silent_since: Option<Duration>,
    restarted: Option<Duration>,
}

impl Course {
    /// Records a check; returns why PostgreSQL hangs, if it does.
    pub fn hangs(&mut self, sight: Sight) -> Option<Cause> {
        if sight.late > MAX_CHECK_DELAY {
            return None;
        }
        if sight.write >= WRITE_TIMEOUT {
            return Some(Cause::DiskBlocked);
        }
        if sight.login != Answer::Silent {
            self.silent = 0;
            self.silent_since = None;
            return None;
        }
        self.silent += 1;
        let since = *self
            .silent_since
            .get_or_insert(sight.now.saturating_sub(LOGIN_TIMEOUT));
        let long = sight.now.saturating_sub(since) >= MIN_UNANSWERED_TIME;
        (self.silent >= MIN_UNANSWERED_LOGINS && long).then_some(Cause::LoginsUnanswered)
    }

    /// What is done about it. Checks begin again after it.
    pub fn act(&mut self, cause: Cause, situation: Situation, now: Duration) -> Action {
        let action = action(
            cause,
            situation,
            self.restarted
                .is_some_and(|at| now.saturating_sub(at) < RESTART_COOLDOWN),
        );
        if action != Action::None {
            self.silent = 0;
            self.silent_since = None;
            self.restarted = Some(now);
        }
        action
    }
}

/// In maintenance mode nothing would start PostgreSQL again. A restart keeps every acknowledged row, also where commits wait for no
/// standby; it is of no use on a disk that blocks, nor where it was just tried.
fn action(cause: Cause, situation: Situation, was_restarted: bool) -> Action {
    match (situation.is_paused, cause) {
        (Some(true) | None, _) => Action::None,
        (Some(false), Cause::DiskBlocked) if !situation.has_peers => Action::None,
        (Some(false), Cause::LoginsUnanswered) if !was_restarted || !situation.has_peers => Action::Restart,
        (Some(false), _) => Action::HandOver,
    }
}

#[cfg(test)]
mod tests;
