//! What only the provider of the cluster can do: cut a node off, kill a process, restart the API server.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

/// Exit code of the provider's scripts where it can't do what is asked.
const CANNOT: i32 = 3;

/// Runs `hack/cluster/<name>`; `false` when this provider can't do it.
pub async fn run(name: &str, arguments: &[&str]) -> Result<bool> {
    let output = Command::new(script(name))
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| name.to_owned())?;
    judge(name, arguments, &output)
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../hack/cluster")
        .join(name)
}

fn judge(name: &str, arguments: &[&str], output: &Output) -> Result<bool> {
    match output.status.code() {
        Some(0) => Ok(true),
        Some(CANNOT) => Ok(false),
        _ => bail!(
            "{name} {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

/// Cuts a node off the network (`cut`), or puts it back (`heal`).
pub async fn node(action: &str, node: &str) -> Result<bool> {
    run("node.sh", &[action, node]).await
}

/// Runs a program of this machine in the network of a node; the program and its arguments follow.
pub fn beside(node: &str) -> Command {
    let mut command = Command::new(script("node.sh"));
    command.args(["run", node]);
    command
}

/// A SIGKILL that waits for its moment: finding the process takes longer than a step of an operation.
pub struct Aimed(Child);

/// Gets ready to kill the process of a container, by its id at the node's runtime.
pub async fn aim(node: &str, container: &str) -> Result<Aimed> {
    let child = Command::new(script("node.sh"))
        .args(["kill", node, container])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("node.sh kill")?;
    Ok(Aimed(child))
}

impl Aimed {
    /// Kills; `false` when this provider can't.
    pub async fn fire(mut self) -> Result<bool> {
        let mut stdin = self.0.stdin.take().context("standard input of node.sh")?;
        // A provider that can't has ended already; its exit code says so.
        let _ = stdin.write_all(b"now\n").await;
        drop(stdin);
        judge("node.sh", &["kill"], &self.0.wait_with_output().await?)
    }
}

/// SIGKILL to the API server, which is started again and waited for.
pub async fn restart_api_server() -> Result<bool> {
    run("apiserver.sh", &["restart"]).await
}

/// A capture of the Pods' traffic on every node, while it lives.
pub struct Capture {
    child: Child,
    folder: PathBuf,
}

impl Capture {
    /// Begins; returns when every node captures. `None` when this provider can't.
    pub async fn begin(folder: &Path) -> Result<Option<Self>> {
        std::fs::create_dir_all(folder)?;
        let mut child = Command::new(script("capture.sh"))
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("capture.sh")?;
        let mut said = String::new();
        let stdout = child.stdout.take().context("standard output of capture.sh")?;
        BufReader::new(stdout).read_line(&mut said).await?;
        if said.trim() == "capturing" {
            let folder = folder.to_owned();
            return Ok(Some(Self { child, folder }));
        }
        let can = judge("capture.sh", &[], &child.wait_with_output().await?)?;
        ensure!(!can, "capture.sh ended at once");
        Ok(None)
    }

    /// Ends it; how often each of these byte strings was on the network.
    pub async fn end(mut self, wanted: &[&[u8]]) -> Result<Vec<usize>> {
        drop(self.child.stdin.take());
        self.child.wait().await?;
        let mut counts = vec![0; wanted.len()];
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "pcap") {
                let bytes = std::fs::read(&path)?;
                ensure!(bytes.len() > 24, "{} has no packet", path.display());
                for (count, wanted) in counts.iter_mut().zip(wanted) {
                    *count += occurrences(&bytes, wanted);
                }
            }
        }
        std::fs::remove_dir_all(&self.folder)?;
        Ok(counts)
    }
}

fn occurrences(bytes: &[u8], wanted: &[u8]) -> usize {
    memchr::memmem::find_iter(bytes, wanted).count()
}
