//! `make histories`: what clients saw while faults happened, judged by Porcupine, and one table.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use e2e::cluster::Cluster;
use e2e::histories::{self, Outcome, Plan};
use e2e::{install, survive};

/// Disturb a database in synchronous mode, and check what its clients saw.
#[derive(Parser)]
struct Arguments {
    /// The checker's program.
    #[arg(long, env = "CHECKER")]
    checker: PathBuf,
    /// Runs for each number of members.
    #[arg(long, env = "RUNS", default_value_t = 17)]
    runs: u32,
    /// Numbers of members.
    #[arg(long, env = "MEMBERS", value_delimiter = ',', default_value = "2,3,5")]
    members: Vec<i32>,
    /// Seconds in which faults happen, in each run.
    #[arg(long, env = "LENGTH", default_value_t = 30)]
    seconds: u64,
    /// For what is chosen at random; printed, to repeat a run.
    #[arg(long, env = "SEALWRIGHT_E2E_SEED")]
    seed: Option<u64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(outcomes) => {
            println!("\n{}", histories::table(&outcomes));
            let is_good = outcomes
                .iter()
                .all(|it| it.violations.is_empty() && it.undecided.is_empty());
            if is_good {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("the run itself failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<Vec<Outcome>> {
    let seed = arguments.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    println!("SEALWRIGHT_E2E_SEED={seed} repeats what this run chooses at random");
    let cluster = Cluster::connect().await?;
    install::once(&cluster).await?;
    let mut outcomes = Vec::new();
    for members in &arguments.members {
        let plan = Plan {
            members: *members,
            runs: arguments.runs,
            long: Duration::from_secs(arguments.seconds),
            seed,
        };
        let namespace = cluster
            .namespace(&format!("histories-{members}-{seed:x}"))
            .await?;
        let outcome = histories::run(&namespace, &plan, &arguments.checker).await;
        let restored = survive::restore(&cluster).await;
        let outcome = outcome?;
        restored?;
        namespace.remove().await?;
        outcomes.push(outcome);
    }
    Ok(outcomes)
}
