//! `make histories`: clients write and read registers while faults happen, and a checker that knows nothing of this product
//! decides whether what they saw is linearizable (Porcupine, <https://github.com/anishathalye/porcupine>).

mod clients;
mod faults;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use api_types::Postgres;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::{Instant, sleep_until};

use crate::cluster::TestNamespace;
use crate::{failover, manifests, wait};
use clients::{Clients, History};
use faults::Fault;

const DATABASE: &str = "ha-postgres";
const PROVISIONING: Duration = Duration::from_secs(180);
/// Until the database serves and all members are back after the last fault.
const HEALED: Duration = Duration::from_secs(300);

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Members of the database.
    pub members: i32,
    /// How often.
    pub runs: u32,
    /// Time in which faults happen, in each run.
    pub long: Duration,
    /// For everything that is chosen at random.
    pub seed: u64,
}

/// What came of all runs with this number of members.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Members of the database.
    pub members: i32,
    /// Runs.
    pub runs: u32,
    /// Operations with an answer.
    pub answered: usize,
    /// Writes without one.
    pub unknown: usize,
    /// Faults that were made, and how often.
    pub faults: BTreeMap<&'static str, usize>,
    /// Runs whose history is not linearizable, by their seeds.
    pub violations: Vec<u64>,
    /// Runs that the checker could not decide in time, by their seeds.
    pub undecided: Vec<u64>,
}

/// Runs clients and faults against one database.
///
/// # Errors
/// When a run itself fails: the database does not come back, or the checker can't be run.
pub async fn run(namespace: &TestNamespace, plan: &Plan, checker: &Path) -> Result<Outcome> {
    manifests::create_postgres(namespace, manifests::HA_POSTGRES, |postgres| {
        postgres.spec.replicas = Some(plan.members);
        failover::synchronous(postgres);
    })
    .await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING).await?;
    let mut outcome = Outcome {
        members: plan.members,
        ..Outcome::default()
    };
    for number in 0..plan.runs {
        let seed = plan.seed.wrapping_add(u64::from(number));
        let history = one(namespace, plan.long, seed, &mut outcome.faults)
            .await
            .with_context(|| format!("seed {seed}"))?;
        outcome.runs += 1;
        outcome.answered += history.answered;
        outcome.unknown += history.unknown;
        let verdict = check(checker, &history).await?;
        println!(
            "{} members, seed {seed}: {} operations, {} unknown: {verdict:?}",
            plan.members, history.answered, history.unknown
        );
        match verdict {
            Verdict::Linearizable => {}
            Verdict::Undecided => outcome.undecided.push(seed),
            Verdict::Violated => {
                outcome.violations.push(seed);
                println!("its history is in {}", keep(seed, &history)?.display());
            }
        }
    }
    Ok(outcome)
}

async fn one(
    namespace: &TestNamespace,
    long: Duration,
    seed: u64,
    made: &mut BTreeMap<&'static str, usize>,
) -> Result<History> {
    let mut random = StdRng::seed_from_u64(seed);
    let clients = Clients::start(namespace, DATABASE, seed).await?;
    let end = Instant::now() + long;
    while Instant::now() < end {
        let fault = Fault::any(&mut random);
        if fault.make(namespace, DATABASE, &mut random).await? {
            *made.entry(fault.word()).or_default() += 1;
        }
        sleep_until(Instant::now() + Duration::from_millis(random.random_range(500..6_000))).await;
    }
    clients.serve_again(HEALED).await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, HEALED).await?;
    clients.serve_again(HEALED).await?;
    clients.finish().await
}

/// What the checker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Linearizable,
    Violated,
    Undecided,
}

async fn check(checker: &Path, history: &History) -> Result<Verdict> {
    let mut child = Command::new(checker)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| checker.display().to_string())?;
    let mut stdin = child.stdin.take().context("standard input")?;
    stdin.write_all(history.lines.as_bytes()).await?;
    drop(stdin);
    match child.wait().await?.code() {
        Some(0) => Ok(Verdict::Linearizable),
        Some(1) => Ok(Verdict::Violated),
        Some(2) => Ok(Verdict::Undecided),
        other => bail!("the checker ended with {other:?}"),
    }
}

fn keep(seed: u64, history: &History) -> Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("history-{seed}.jsonl"));
    std::fs::write(&path, &history.lines)?;
    Ok(path)
}

/// The table of `docs/reliability.md`.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut lines = vec![
        "| Members | Runs | Operations answered | Writes with unknown outcome | Faults | Not linearizable | Not decided |".to_owned(),
        "|---|---|---|---|---|---|---|".to_owned(),
    ];
    for it in outcomes {
        let faults: Vec<String> = it
            .faults
            .iter()
            .map(|(word, count)| format!("{word} {count}"))
            .collect();
        lines.push(format!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            it.members,
            it.runs,
            it.answered,
            it.unknown,
            faults.join(", "),
            it.violations.len(),
            it.undecided.len()
        ));
    }
    lines.join("\n")
}
