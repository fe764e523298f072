//! `make survive`: faults during TLS operations on the real cluster, and one table of what they cost.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use e2e::cluster::Cluster;
use e2e::install;
use e2e::survive::{self, row};

/// Disturb operations, and see what becomes of them.
#[derive(Parser)]
struct Arguments {
    /// Only the fault of this name.
    #[arg(long, env = "ONLY")]
    only: Option<String>,
    /// For what is chosen at random; printed, to repeat a run.
    #[arg(long, env = "SEALWRIGHT_E2E_SEED")]
    seed: Option<u64>,
    /// Print the names of the faults, and end.
    #[arg(long)]
    list: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        for fault in survive::faults() {
            println!("{}", fault.name);
        }
        return ExitCode::SUCCESS;
    }
    match survive_everything(&arguments).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the run itself failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn survive_everything(arguments: &Arguments) -> Result<bool> {
    let seed = arguments.seed.unwrap_or_else(rand::random::<u64>);
    println!("SEALWRIGHT_E2E_SEED={seed} repeats what this run chooses at random");
    let cluster = Cluster::connect().await?;
    install::once(&cluster).await?;
    let only = arguments.only.as_deref().filter(|only| !only.is_empty());
    let outcome = tokio::select! {
        outcome = survive::run(only, seed, row::Row::tell) => outcome,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("stopped; what was disturbed is put back")),
    };
    let restored = survive::restore(&cluster).await;
    let rows = outcome?;
    println!("\n{}", row::table(&rows));
    restored?;
    Ok(rows.iter().all(row::Row::is_good))
}
