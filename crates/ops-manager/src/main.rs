//! The ops-manager's process.

use clap::Parser;
use ops_manager::args::Args;
use ops_manager::controller;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let args = Args::parse();
    runtime::run(
        "sealwright-ops-manager",
        env!("CARGO_PKG_VERSION"),
        args.common,
        async |process| controller::operate(process, args.access).await,
    )
    .await
}
