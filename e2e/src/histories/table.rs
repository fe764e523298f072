//! The table of `docs/reliability.md`.

use super::{Mode, Outcome};

const HEAD: &str = "| Mode | Members | Runs | Seeds | Operations answered | Writes with unknown outcome | Faults | Wrong | Rows lost as told | Not decided |";

/// One line for each number of members.
pub fn table(outcomes: &[Outcome]) -> String {
    let rule = "|---".repeat(HEAD.matches(" |").count()) + "|";
    let lines = outcomes.iter().map(line);
    [HEAD.to_owned(), rule]
        .into_iter()
        .chain(lines)
        .collect::<Vec<_>>()
        .join("\n")
}

fn line(outcome: &Outcome) -> String {
    let faults = outcome
        .faults
        .iter()
        .map(|(word, count)| format!("{word} {count}"));
    let (mode, told) = match outcome.mode {
        Mode::Synchronous => ("synchronous", "-".to_owned()),
        Mode::Asynchronous => ("asynchronous", outcome.told.to_string()),
    };
    let cells = [
        mode.to_owned(),
        outcome.members.to_string(),
        outcome.seeds.len().to_string(),
        seeds(&outcome.seeds),
        outcome.answered.to_string(),
        outcome.unknown.to_string(),
        faults.collect::<Vec<_>>().join(", "),
        outcome.violations.len().to_string(),
        told,
        outcome.undecided.len().to_string(),
    ];
    format!("| {} |", cells.join(" | "))
}

/// Runs take seeds that follow one another.
fn seeds(all: &[u64]) -> String {
    match all {
        [] => "-".to_owned(),
        [one] => one.to_string(),
        [first, .., last] => format!("{first} to {last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_as_many_cells_as_the_head() {
        let outcome = Outcome {
            mode: Mode::Asynchronous,
            members: 3,
            seeds: vec![7, 8],
            answered: 100,
            unknown: 2,
            faults: [("Restart", 1), ("scale", 2)].into(),
            told: 5,
            violations: vec![],
            undecided: vec![],
        };
        let text = table(&[outcome]);
        let counts: Vec<usize> = text.lines().map(|line| line.matches('|').count()).collect();
        assert_eq!(counts, [11, 11, 11]);
        assert!(
            text.ends_with("| asynchronous | 3 | 2 | 7 to 8 | 100 | 2 | Restart 1, scale 2 | 0 | 5 | 0 |"),
            "{text}"
        );
    }
}
