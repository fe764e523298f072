//! The provisioner's process.

use clap::Parser;
use provisioner::args::Args;
use provisioner::controller::operate;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let Args { common, access } = Args::parse();
    runtime::run(
        "sealwright-provisioner",
        env!("CARGO_PKG_VERSION"),
        common,
        async |process| operate(process, access).await,
    )
    .await
}
