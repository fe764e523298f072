//! `rolling::replace`: which Pods of an old revision go now.

use petset::rolling::{Member, replace};

/// `o` is of an old revision, `n` of the new one; upper case is available, `'` behind it: ready and not available yet, a small
/// letter: not ready.
fn members(text: &str) -> Vec<Member> {
    let mut all: Vec<Member> = Vec::new();
    for letter in text.chars() {
        if letter == '\'' {
            all.last_mut().expect("a member").available = false;
            continue;
        }
        all.push(Member {
            ordinal: i32::try_from(all.len()).expect("few"),
            replaceable: letter.eq_ignore_ascii_case(&'o'),
            ready: letter.is_uppercase(),
            available: letter.is_uppercase(),
        });
    }
    all
}

#[test]
fn the_highest_first_and_never_more_than_may_be_missing() {
    let table: [(&str, usize, bool, &[i32]); 18] = [
        ("", 1, true, &[]),
        ("NNN", 1, true, &[]),
        ("OOO", 1, true, &[2]),
        ("OOO", 2, true, &[2, 1]),
        ("OOO", 9, true, &[2, 1, 0]),
        ("OON", 1, true, &[1]),
        // A new one that is not up yet takes the budget.
        ("OOn", 1, true, &[]),
        ("OON'", 1, true, &[]),
        ("OOn", 2, true, &[1]),
        // A broken one goes first, one at a time, whatever the budget.
        ("oOO", 1, true, &[0]),
        ("ooO", 1, true, &[1]),
        ("ooo", 3, true, &[2]),
        ("oON", 1, true, &[0]),
        // Ready and not yet available is not broken.
        ("O'OO", 1, true, &[]),
        ("O'OO", 2, true, &[2]),
        // While Pods are made or go, none is taken away.
        ("OOO", 1, false, &[]),
        ("oOO", 1, false, &[]),
        ("OOO", 0, true, &[]),
    ];
    for (text, max_unavailable, settled, expected) in table {
        assert_eq!(
            replace(&members(text), max_unavailable, settled),
            expected,
            "{text}, {max_unavailable} may be missing, settled: {settled}"
        );
    }
}

/// Whatever the state, a replacement never leaves fewer available than the budget allows, except for one that is broken.
#[test]
fn no_state_of_four_members_breaks_the_budget() {
    let letters = ["O", "O'", "o", "N", "N'", "n"];
    for state in 0..letters.len().pow(4) {
        let text: String = (0..4)
            .map(|at| letters[state / letters.len().pow(at) % letters.len()])
            .collect();
        let all = members(&text);
        for budget in 1..=4 {
            let gone = replace(&all, budget, true);
            let is_ready = |ordinal: &i32| all[usize::try_from(*ordinal).expect("positive")].ready;
            let missing = all.iter().filter(|member| !member.available).count();
            if gone.iter().any(is_ready) {
                assert!(missing + gone.len() <= budget, "{text} with {budget}: {gone:?}");
            } else {
                assert!(gone.len() <= 1, "{text} with {budget}: {gone:?}");
            }
        }
    }
}
