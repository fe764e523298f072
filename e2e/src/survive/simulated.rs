//! What no cluster can be given: a clock of its own for one operator, and conflicts on most writes.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::FutureExt;
use tokio::process::Command;
use tokio::time::Instant;

use super::Fault;
use super::row::Row;

/// This family.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "clock",
        alone: true,
        run: |_| simulated("clock an hour ahead, an hour behind", "clock::").boxed_local(),
    },
    Fault {
        name: "conflicts",
        alone: true,
        run: |_| simulated("three of four writes end in 409", "conflicts::").boxed_local(),
    },
];

/// Tests over the real engine in a simulated world, by the begin of their names: no cluster's clock can be set apart.
async fn simulated(fault: &str, tests: &str) -> Result<Vec<Row>> {
    let begin = Instant::now();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let arguments = ["test", "--locked", "--quiet", "--workspace", "--test", "sim"];
    let run = Command::new("cargo")
        .args(arguments)
        .args(["--", "--include-ignored", tests])
        .current_dir(workspace)
        .kill_on_drop(true)
        .output()
        .await
        .context("cargo")?;
    let stdout = String::from_utf8_lossy(&run.stdout);
    let passed = passed(&stdout);
    let mut row = Row::bare(
        fault,
        "all five",
        &format!("as expected in {passed} simulated tests, `{tests}*`"),
    );
    if !run.status.success() || passed == 0 {
        row.trouble
            .push(format!("{stdout}{}", String::from_utf8_lossy(&run.stderr)));
    }
    row.duration = begin.elapsed().max(Duration::from_millis(1));
    Ok(vec![row])
}

/// How many tests passed, by the closing lines of the runner.
fn passed(output: &str) -> usize {
    let results = output
        .lines()
        .filter_map(|line| line.strip_prefix("test result: ok. "));
    results
        .filter_map(|line| line.split_whitespace().next()?.parse::<usize>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_passed_are_counted() {
        let output = "running 2 tests\n..\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 20 filtered out\n";
        assert_eq!(passed(output), 2);
        assert_eq!(passed("test result: FAILED. 1 passed; 1 failed\n"), 0);
    }
}
