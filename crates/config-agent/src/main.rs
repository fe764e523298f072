//! The agent's process.

use std::process::ExitCode;

use clap::Parser;

// One thread: the agent waits nearly all of the time, beside a database that needs the processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    config_agent::run(config_agent::Args::parse()).await
}
