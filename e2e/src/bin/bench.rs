//! `make bench`: figures from many runs on the real cluster, as tables.

use anyhow::Result;
use clap::Parser;
use e2e::bench::{self, Runs};
use e2e::cluster::Cluster;
use e2e::install;

/// Measure operations, renewals and the loss of a primary.
#[derive(Parser)]
struct Arguments {
    /// Rounds over the five operations without a restart.
    #[arg(long, default_value_t = 20, env = "SEALWRIGHT_BENCH_ROUNDS")]
    rounds: usize,
    /// Rounds over the five operations and Restart with a rolling restart.
    #[arg(long, default_value_t = 4, env = "SEALWRIGHT_BENCH_RESTARTING")]
    restarting: usize,
    /// Renewals that nobody asked for.
    #[arg(long, default_value_t = 20, env = "SEALWRIGHT_BENCH_RENEWALS")]
    renewals: usize,
    /// New verify-full connections, at least, during rotations and during changes of issuer.
    #[arg(long, default_value_t = 5000, env = "SEALWRIGHT_BENCH_CONNECTIONS")]
    connections: usize,
    /// Rounds over changes of parameters, resources, members, version, volumes and password, and the return of a standby.
    #[arg(long, default_value_t = 10, env = "SEALWRIGHT_BENCH_CHANGES")]
    changes: usize,
    /// Losses of the primary's Pod.
    #[arg(long, default_value_t = 20, env = "SEALWRIGHT_BENCH_FAILOVERS")]
    failovers: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let cluster = Cluster::connect().await?;
    install::everything(&cluster).await?;
    let runs = Runs {
        rounds: arguments.rounds,
        restarting: arguments.restarting,
        renewals: arguments.renewals,
        connections: arguments.connections,
        changes: arguments.changes,
        failovers: arguments.failovers,
    };
    println!("{}", bench::run(&cluster, runs).await?);
    Ok(())
}
