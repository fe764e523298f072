//! What follows when Patroni has ended: a plain decision.

use std::time::Duration;

/// How often Patroni is started again within [`RESTART_WINDOW`]. More often, something is wrong that another start does
/// not repair.
const MAX_RESTARTS: usize = 3;
/// The window of [`MAX_RESTARTS`].
const RESTART_WINDOW: Duration = Duration::from_secs(60);

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this code.
    Code(u8),
    /// By this signal.
    Signal(u8),
}

impl Ended {
    /// The code with which a shell would report it: 128 and the signal's number for a signal.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(number) => 128_u8.saturating_add(number),
        }
    }
}

/// What was seen when Patroni ended.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// How it ended.
    pub ended: Ended,
    /// Whether this process ended it.
    pub was_told: bool,
    /// Whether its PostgreSQL still runs.
    pub postgres_runs: bool,
    /// When it was started again before, since the start of this process.
    pub restarts: &'a [Duration],
    /// Time since the start of this process.
    pub now: Duration,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Start Patroni again: it takes over the PostgreSQL that runs, and keeps the leader's key if it held it.
    Restart,
    /// End with this code; the kernel ends whatever still runs.
    End(u8),
}

/// A Patroni that crashes must not take a healthy PostgreSQL with it. Where PostgreSQL does not run, kubelet starts the
/// container again, with its own delays.
pub fn next(sight: Sight<'_>) -> Next {
    let recent = sight
        .restarts
        .iter()
        .filter(|at| sight.now.saturating_sub(**at) < RESTART_WINDOW);
    if sight.was_told || !sight.postgres_runs || recent.count() >= MAX_RESTARTS {
        Next::End(sight.ended.exit_code())
    } else {
        Next::Restart
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRASH: Sight<'_> = Sight {
        ended: Ended::Signal(11),
        was_told: false,
        postgres_runs: true,
        restarts: &[],
        now: Duration::from_secs(1000),
    };

    #[test]
    fn a_crashed_patroni_is_started_again_beside_its_postgresql() {
        assert_eq!(next(CRASH), Next::Restart);
        let ended = Ended::Code(1);
        assert_eq!(next(Sight { ended, ..CRASH }), Next::Restart);
    }

    #[test]
    fn who_was_told_to_end_ends_with_its_code() {
        for (ended, code) in [(Ended::Code(0), 0), (Ended::Code(3), 3), (Ended::Signal(15), 143)] {
            let was_told = true;
            assert_eq!(
                next(Sight {
                    ended,
                    was_told,
                    ..CRASH
                }),
                Next::End(code)
            );
        }
    }

    #[test]
    fn without_postgresql_kubelet_starts_the_container_again() {
        let postgres_runs = false;
        assert_eq!(
            next(Sight {
                postgres_runs,
                ..CRASH
            }),
            Next::End(139)
        );
    }

    #[test]
    fn three_restarts_a_minute_are_enough() {
        let at = |seconds: &[u64]| {
            seconds
                .iter()
                .copied()
                .map(Duration::from_secs)
                .collect::<Vec<_>>()
        };
        for (restarts, expected) in [
            (at(&[990, 995]), Next::Restart),
            (at(&[985, 990, 995]), Next::End(139)),
            (at(&[940, 990, 995]), Next::Restart),
        ] {
            let sight = Sight {
                restarts: &restarts,
                ..CRASH
            };
            assert_eq!(next(sight), expected, "{restarts:?}");
        }
    }
}
