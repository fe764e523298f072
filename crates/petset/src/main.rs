//! The PetSet controller's process.

use std::process::ExitCode;

use clap::Parser;

/// Makes and keeps the Pods and volumes of PetSets.
#[derive(Parser)]
#[command(name = "petset", version)]
struct Args {
    #[command(flatten)]
    common: runtime::CommonArgs,
    #[command(subcommand)]
    instead: Option<petset::probe::Instead>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { common, instead } = Args::parse();
    match instead {
        Some(instead) => instead.run().await,
        None => {
            runtime::run(
                "sealwright-petset",
                env!("CARGO_PKG_VERSION"),
                common,
                petset::controller::operate,
            )
            .await
        }
    }
}
