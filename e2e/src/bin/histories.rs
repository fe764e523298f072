//! `make histories`: what clients saw while faults happened, judged by Porcupine, and one table.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use e2e::cluster::Cluster;
use e2e::histories::{self, Mode, Outcome, Plan};
use e2e::install;

/// Disturb a database, and check what its clients saw.
#[derive(Parser)]
struct Arguments {
    /// The checker's program.
    #[arg(long, env = "CHECKER")]
    checker: PathBuf,
    /// Whether commits wait for a standby.
    #[arg(long, env = "MODE", value_delimiter = ',', default_value = "synchronous")]
    mode: Vec<Mode>,
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

fn modes_and_members(arguments: &Arguments) -> impl Iterator<Item = (Mode, i32)> {
    let of_mode = |mode: &Mode| {
        arguments
            .members
            .iter()
            .map(|members| (*mode, *members))
            .collect::<Vec<_>>()
    };
    arguments.mode.iter().flat_map(of_mode)
}

async fn run(arguments: &Arguments) -> Result<Vec<Outcome>> {
    let seed = arguments.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    println!("SEALWRIGHT_E2E_SEED={seed} repeats what this run chooses at random");
    let cluster = Cluster::connect().await?;
    install::once(&cluster).await?;
    let mut outcomes = Vec::new();
    for (mode, members) in modes_and_members(arguments) {
        let plan = Plan {
            mode,
            members,
            runs: arguments.runs,
            long: Duration::from_secs(arguments.seconds),
            seed,
        };
        outcomes.push(histories::run(&cluster, &plan, &arguments.checker).await?);
    }
    Ok(outcomes)
}
