//! What only the provider of the cluster can do: cut a node off, kill a process, restart the API server.

use std::path::Path;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

/// Exit code of the provider's scripts where it can't do what is asked.
const CANNOT: i32 = 3;

/// Runs `hack/cluster/<script>`; `false` when this provider can't do it.
pub async fn run(script: &str, arguments: &[&str]) -> Result<bool> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../hack/cluster")
        .join(script);
    let output = Command::new(&path)
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("{}", path.display()))?;
    match output.status.code() {
        Some(0) => Ok(true),
        Some(CANNOT) => Ok(false),
        _ => bail!(
            "{} {arguments:?}: {}",
            path.display(),
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

/// Cuts a node off the network (`cut`), or puts it back (`heal`).
pub async fn node(action: &str, node: &str) -> Result<bool> {
    run("node.sh", &[action, node]).await
}

/// SIGKILL to the process of a container, by its id at the node's runtime.
pub async fn kill(node: &str, container: &str) -> Result<bool> {
    run("node.sh", &["kill", node, container]).await
}

/// SIGKILL to the API server, which is started again and waited for.
pub async fn restart_api_server() -> Result<bool> {
    run("apiserver.sh", &["restart"]).await
}
