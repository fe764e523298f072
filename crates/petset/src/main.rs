//! The PetSet controller's process.

use std::process::ExitCode;

use clap::Parser;

/// Makes and keeps the Pods and volumes of PetSets.
#[derive(Parser)]
#[command(name = "petset", version)]
struct Args {
    #[command(flatten)]
    common: runtime::CommonArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    runtime::run(
        "sealwright-petset",
        env!("CARGO_PKG_VERSION"),
        args.common,
        petset::controller::operate,
    )
    .await
}
