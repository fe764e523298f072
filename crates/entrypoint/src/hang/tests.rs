use super::*;

const SERVED: Situation = Situation {
    is_paused: Some(false),
    has_peers: true,
};

fn sight(second: u64, login: Answer) -> Sight {
    Sight {
        login,
        write: Duration::ZERO,
        late: Duration::ZERO,
        now: Duration::from_secs(second),
    }
}

/// The second at which it is seen to hang, with a check every four seconds.
fn seen(logins: &[Answer]) -> Option<u64> {
    let mut course = Course::default();
    let seconds = (0..).step_by(4).zip(logins);
    let mut hangs =
        seconds.filter_map(|(second, login)| course.hangs(sight(second + 3, *login)).map(|_| second + 3));
    hangs.next()
}

use Answer::{Absent, Answered, Silent};

#[test]
fn silent_logins_over_twelve_seconds_are_a_hang() {
    assert_eq!(seen(&[Silent; 3]), None);
    assert_eq!(seen(&[Silent; 4]), Some(15));
}

#[test]
fn any_answer_and_any_end_of_the_server_begin_the_count_again() {
    for answer in [Answered, Absent] {
        assert_eq!(
            seen(&[Silent, Silent, Silent, answer, Silent, Silent, Silent]),
            None
        );
        assert_eq!(seen(&[answer; 100]), None);
    }
}

#[test]
fn quick_silence_is_not_enough() {
    // The queue of connections is full, so logins fail at once.
    let mut course = Course::default();
    for second in 0..10 {
        assert_eq!(course.hangs(sight(second, Silent)), None, "{second}");
    }
}

#[test]
fn a_process_that_got_no_processor_itself_proves_nothing() {
    let mut course = Course::default();
    for second in (3..100).step_by(4) {
        let late = Duration::from_secs(1);
        assert_eq!(
            course.hangs(Sight {
                late,
                ..sight(second, Silent)
            }),
            None
        );
    }
}

#[test]
fn a_write_that_does_not_end_is_a_hang_whatever_logins_say() {
    let mut course = Course::default();
    for (write, expected) in [(0, None), (17, None), (18, Some(Cause::DiskBlocked))] {
        let write = Duration::from_secs(write);
        assert_eq!(
            course.hangs(Sight {
                write,
                ..sight(1, Answered)
            }),
            expected
        );
    }
}

#[test]
fn unanswered_logins_restart_postgresql_and_hand_over_when_that_did_not_help() {
    let mut course = Course::default();
    let at = |second| Duration::from_secs(second);
    assert_eq!(
        course.act(Cause::LoginsUnanswered, SERVED, at(0)),
        Action::Restart
    );
    assert_eq!(
        course.act(Cause::LoginsUnanswered, SERVED, at(60)),
        Action::HandOver
    );
    assert_eq!(
        course.act(Cause::LoginsUnanswered, SERVED, at(1000)),
        Action::Restart
    );
}

#[test]
fn what_is_done_depends_on_the_cause_and_on_who_could_take_over() {
    let alone = Situation {
        has_peers: false,
        ..SERVED
    };
    for (cause, situation, was_restarted, expected) in [
        (Cause::DiskBlocked, SERVED, false, Action::HandOver),
        (Cause::DiskBlocked, alone, false, Action::None),
        (Cause::LoginsUnanswered, alone, false, Action::Restart),
        (Cause::LoginsUnanswered, alone, true, Action::Restart),
    ] {
        assert_eq!(
            action(cause, situation, was_restarted),
            expected,
            "{cause:?} {situation:?}"
        );
    }
}

#[test]
fn in_maintenance_mode_or_where_that_is_not_known_nothing_is_killed() {
    for is_paused in [Some(true), None] {
        for cause in [Cause::LoginsUnanswered, Cause::DiskBlocked] {
            assert_eq!(
                action(cause, Situation { is_paused, ..SERVED }, false),
                Action::None
            );
        }
    }
}

#[test]
fn where_nothing_is_done_the_hang_goes_on_to_be_seen() {
    let mut course = Course::default();
    for second in [3, 7, 11, 15] {
        course.hangs(sight(second, Silent));
    }
    let paused = Situation {
        is_paused: Some(true),
        ..SERVED
    };
    assert_eq!(
        course.act(Cause::LoginsUnanswered, paused, Duration::from_secs(15)),
        Action::None
    );
    assert_eq!(course.hangs(sight(19, Silent)), Some(Cause::LoginsUnanswered));
}
