//! What the suite saw, a line for each report of an object: `make ordinary` prints the lines as one table.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

tokio::task_local! {
    /// The input that a test of several inputs is at.
    static INPUT: String;
}

const FILE: &str = "ordinary.tsv";

/// Notes what a condition said, and how long it took since the input.
pub fn said(condition: &str, message: &str, after: Duration) -> Result<()> {
    let message = message.replace(['\t', '\n', '|'], " ");
    note(&format!("{condition}: {message}"), after)
}

/// Notes that a database is Ready again, and how long it took since the input was mended.
pub fn healed(after: Duration) -> Result<()> {
    note("Ready", after)
}

/// What this notes is of an input with this name, and not of the test.
pub async fn of_input<F: Future>(name: String, noted: F) -> F::Output {
    INPUT.scope(name, noted).await
}

fn note(said: &str, after: Duration) -> Result<()> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(FILE);
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| path.display().to_string())?;
    // The test harness names each test's thread after the test.
    let test = || thread::current().name().unwrap_or("unknown").to_owned();
    let test = INPUT.try_with(String::clone).unwrap_or_else(|_| test());
    let line = format!("{test}\t{:.1}\t{said}\n", after.as_secs_f64());
    // One write, so that tests that run side by side do not mix their lines.
    Ok(file.write_all(line.as_bytes())?)
}
