//! Every command that the documentation shows runs, in the order in which a newcomer meets it.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use e2e::cluster::Cluster;
use e2e::reference::root;
use e2e::{install, markdown, plugin};

/// Pages in reading order; each may build on those before it.
const PAGES: [&str; 21] = [
    "docs/install.md",
    "docs/add-tls.md",
    "docs/rotate.md",
    "docs/renewals.md",
    "docs/tls.md",
    "docs/plan-and-approve.md",
    "docs/change-issuer.md",
    "docs/change-certificates.md",
    "docs/remove-tls.md",
    "docs/restart.md",
    "docs/scale.md",
    "docs/rotate-auth.md",
    "docs/reconnect.md",
    "docs/resize.md",
    "docs/update-version.md",
    "docs/reconfigure.md",
    "docs/pause.md",
    "docs/troubleshoot.md",
    "docs/metrics.md",
    "docs/coordination.md",
    "docs/clean-up.md",
];

/// The page that stands for itself, and what it says that the other pages made.
const PLUGIN_PAGE: &str = "docs/kubectl-plugin.md";
const MADE_BEFORE: &str = "
kubectl apply -f docs/examples/namespace.yaml
kubectl apply -f docs/examples/ha-postgres.yaml -f docs/examples/issuer.yaml -f docs/examples/new-issuer.yaml
kubectl wait postgres/ha-postgres --namespace demo --for=condition=Ready --timeout=180s
";

/// The namespace of the examples.
const NAMESPACE: &str = "demo";
/// The namespace in which the plugin's page runs, beside the others.
const PLUGIN_NAMESPACE: &str = "plugin-page";

#[tokio::test]
async fn every_command_shown_in_the_documentation_runs() -> Result<()> {
    let cluster = in_new_namespace(NAMESPACE).await?;
    let path = path_with_plugin().await?;
    let blocks = PAGES.iter().flat_map(|page| blocks_of(page)).collect();
    tokio::task::spawn_blocking(move || run(&root(), &path, blocks)).await?;
    cluster.remove_namespace(NAMESPACE).await
}

#[tokio::test]
async fn every_command_of_the_kubectl_plugin_runs() -> Result<()> {
    let cluster = in_new_namespace(PLUGIN_NAMESPACE).await?;
    let path = path_with_plugin().await?;
    let folder = examples_in(PLUGIN_NAMESPACE)?;
    let mut blocks = vec![(PLUGIN_PAGE, MADE_BEFORE.to_owned())];
    blocks.extend(blocks_of(PLUGIN_PAGE));
    for (_, block) in &mut blocks {
        *block = block.replace(NAMESPACE, PLUGIN_NAMESPACE);
    }
    let place = folder.clone();
    tokio::task::spawn_blocking(move || run(&place, &path, blocks)).await?;
    std::fs::remove_dir_all(&folder)?;
    cluster.remove_namespace(PLUGIN_NAMESPACE).await
}

/// What the demo or an earlier run left would answer for what is done here; a namespace of somebody else's is refused.
async fn in_new_namespace(name: &str) -> Result<Cluster> {
    let cluster = Cluster::connect().await?;
    // The pages' own `helm upgrade` must not meet that of another test.
    install::once(&cluster).await?;
    cluster.remove_namespace(name).await?;
    cluster.namespace(name).await?;
    Ok(cluster)
}

/// A folder with the examples as a reader has them whose namespace is called so.
fn examples_in(namespace: &str) -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("sealwright-{namespace}-{}", std::process::id()));
    let examples = folder.join("docs/examples");
    std::fs::create_dir_all(&examples)?;
    for file in std::fs::read_dir(root().join("docs/examples"))? {
        let file = file?;
        let text = std::fs::read_to_string(file.path())?.replace(NAMESPACE, namespace);
        std::fs::write(examples.join(file.file_name()), text)?;
    }
    Ok(folder)
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

fn blocks_of(page: &'static str) -> Vec<(&'static str, String)> {
    let text = std::fs::read_to_string(root().join(page)).unwrap_or_else(|e| panic!("{page}: {e}"));
    // Other marks are output, or not meant to be run.
    let blocks = markdown::blocks(&text, "sh");
    blocks.into_iter().map(|block| (page, block)).collect()
}

fn run(root: &Path, path: &OsStr, blocks: Vec<(&str, String)>) {
    let pages: BTreeSet<&str> = blocks.iter().map(|(page, _)| *page).collect();
    assert!(
        blocks.len() > pages.len(),
        "only {} blocks were found: the marks must have changed",
        blocks.len()
    );
    for (page, block) in blocks {
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
    }
}
