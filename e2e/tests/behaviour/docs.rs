//! Every command that the documentation shows runs, in the order in which a newcomer meets it.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use e2e::cluster::Cluster;
use e2e::{install, plugin};

/// Pages in reading order; each may build on those before it.
const PAGES: [&str; 14] = [
    "docs/install.md",
    "docs/add-tls.md",
    "docs/rotate.md",
    "docs/tls.md",
    "docs/plan-and-approve.md",
    "docs/change-issuer.md",
    "docs/change-certificates.md",
    "docs/remove-tls.md",
    "docs/restart.md",
    "docs/kubectl-plugin.md",
    "docs/troubleshoot.md",
    "docs/metrics.md",
    "docs/coordination.md",
    "docs/clean-up.md",
];

/// The fenced blocks of a page that are marked `sh`. Other marks are output or not meant to be run.
fn commands(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in page.lines() {
        match (&mut open, line.trim_end()) {
            (None, "```sh") => open = Some(String::new()),
            (Some(block), "```") => {
                blocks.push(std::mem::take(block));
                open = None;
            }
            (Some(block), line) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

/// The namespace of the examples.
const NAMESPACE: &str = "demo";

#[tokio::test]
async fn every_command_shown_in_the_documentation_runs() -> Result<()> {
    // What the demo or an earlier run left would answer for what is done here; a namespace of somebody else's is refused.
    let cluster = Cluster::connect().await?;
    // The pages' own `helm upgrade` must not meet that of another test.
    install::once(&cluster).await?;
    cluster.remove_namespace(NAMESPACE).await?;
    cluster.namespace(NAMESPACE).await?;
    let path = path_with_plugin().await?;
    tokio::task::spawn_blocking(move || run_all_pages(&path)).await?;
    Ok(())
}

/// `PATH` with the kubectl plugin in it, as if it were installed.
async fn path_with_plugin() -> Result<OsString> {
    let folder = plugin::program().await?.parent().context("a folder")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [folder.to_owned()]
        .into_iter()
        .chain(std::env::split_paths(&path));
    Ok(std::env::join_paths(folders)?)
}

fn run_all_pages(path: &OsStr) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace");
    let mut ran = 0;
    for page in PAGES {
        let text = std::fs::read_to_string(root.join(page)).unwrap_or_else(|e| panic!("{page}: {e}"));
        for block in commands(&text) {
            println!("{page}:\n{block}");
            let status = Command::new("bash")
                .args(["-euo", "pipefail", "-c", &block])
                .current_dir(root)
                .env("PATH", path)
                .status()
                .expect("bash starts");
            assert!(
                status.success(),
                "a command of {page} failed ({status}):\n{block}"
            );
            ran += 1;
        }
    }
    assert!(
        ran > PAGES.len(),
        "only {ran} blocks were found: the marks must have changed"
    );
}
