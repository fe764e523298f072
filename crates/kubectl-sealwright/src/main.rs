//! The kubectl plugin: `kubectl sealwright …`. Parses, runs, and ends with a documented exit code.

use std::process::ExitCode;

use clap::Parser;
use kubectl_sealwright::cli::Cli;
use kubectl_sealwright::{commands, complete, exit};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let ended = match complete::asked(std::env::args_os()) {
        Some(words) => complete::run(&words).await,
        None => commands::run(Cli::parse()).await,
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("error: {}", exit::with_causes(&error));
            error.exit().into()
        }
    }
}
