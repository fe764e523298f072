//! The CSI driver of the local cluster: volumes with a real size that grow, and that refuse to grow where their
//! StorageClass forbids it.
//!
//! `csi-driver controller` serves external-provisioner and external-resizer, once in the cluster; `csi-driver node` serves the
//! kubelet beside it, to which hack/tools/registrar registers it. All are processes of the machine, not Pods. Nothing of it is in
//! a release.

mod controller;
mod driver;
mod filesystem;
mod grpc;
mod node;
mod pool;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use driver::Driver;
use node::Node;
use pool::Pool;

/// Name of the driver, as StorageClasses write it.
pub const DRIVER: &str = "volumes.sealwright.dev";
/// Label of the node that a volume is on.
pub const NODE_KEY: &str = "volumes.sealwright.dev/node";

/// Volumes of the local cluster.
#[derive(Parser)]
struct Args {
    /// Folder of all volumes.
    #[arg(long)]
    pool: PathBuf,
    /// Socket to listen on.
    #[arg(long)]
    socket: PathBuf,
    #[command(subcommand)]
    role: Role,
}

/// Which part of the driver this process is.
#[derive(Subcommand)]
enum Role {
    /// Makes, removes and enlarges volumes.
    Controller,
    /// Mounts volumes on one node.
    Node {
        /// Name of the node.
        #[arg(long)]
        name: String,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_ansi(false).init();
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "ends");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> std::io::Result<()> {
    let pool = Pool::new(&args.pool);
    let listener = grpc::listen(&args.socket)?;
    let driver = match args.role {
        Role::Controller => Driver::Controller(pool),
        Role::Node { name } => Driver::Node(Node { name, pool }),
    };
    grpc::serve(listener, Arc::new(driver)).await
}
