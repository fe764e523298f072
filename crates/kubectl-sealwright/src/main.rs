//! The kubectl plugin: `kubectl sealwright …`. Parses, runs, and ends with a documented exit code.

use std::process::ExitCode;

use clap::Parser;
use kubectl_sealwright::cli::Cli;
use kubectl_sealwright::{commands, exit};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match commands::run(cli).await {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("error: {}", exit::with_causes(&error));
            error.exit().into()
        }
    }
}
