//! The first process of a member's container.

use std::process::ExitCode;

use clap::Parser;

// One thread: it waits nearly all of the time, beside a database that needs the processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    entrypoint::run(entrypoint::Args::parse()).await
}
