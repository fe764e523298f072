//! What is below: the API server, nodes and disks; and, in a simulated world, clocks and conflicts.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use tokio::process::Command;
use tokio::time::Instant;

use super::row::{End, Row};
use super::scene::{Operation, Scene, Shape};
use super::{Fault, Stage};
use crate::{failover, members, provider};

/// This family.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "api-server-restarted",
        alone: true,
        run: |stage| api_server_restarted(stage).boxed_local(),
    },
    Fault {
        name: "node-cut-off",
        alone: true,
        run: |stage| node_cut_off(stage).boxed_local(),
    },
    Fault {
        name: "clock",
        alone: true,
        run: |_| simulated("clock an hour ahead, an hour behind", "clock::").boxed_local(),
    },
    Fault {
        name: "conflicts",
        alone: true,
        run: |_| simulated("three of four writes end in 409", "conflicts::").boxed_local(),
    },
];

async fn api_server_restarted(stage: Stage) -> Result<Vec<Row>> {
    let scene = Scene::new(&stage.namespace, Shape::Three, true).await?;
    let mut rows = Vec::new();
    for (operation, step) in [
        (Operation::Rotate, "IssueCertificatesSucceeded"),
        (Operation::ChangeIssuer, "CertificateSynced"),
    ] {
        let trial = scene.ask(operation, "3m").await?;
        trial.reached(step).await?;
        let fault = format!("API server SIGKILLed after {step}, and started again");
        if !provider::restart_api_server().await? {
            let why = End::NotRun("this cluster's provider can't".to_owned());
            return Ok(vec![Row::bare(&fault, operation.title(), &why.to_string())]);
        }
        rows.push(trial.end(&fault, &[End::Successful]).await?);
    }
    Ok(rows)
}

/// The primary's node; the applications are on another one.
async fn node_cut_off(stage: Stage) -> Result<Vec<Row>> {
    let namespace = &stage.namespace;
    let database = Scene::database(namespace, Shape::Synchronous, true).await?;
    let old = members::primary(namespace, database).await?;
    failover::synchronous_again(namespace, database, &old).await?;
    let nodes: Api<Node> = Api::all(namespace.client.clone());
    let names = nodes.list(&ListParams::default()).await?.items;
    let other = names.iter().map(ResourceExt::name_any).find(|name| *name != old.node);
    let other = other.context("another node than the primary's")?;
    let scene = Scene::with_applications(namespace, database, Some(&other)).await?;
    let trial = scene.ask(Operation::Rotate, "4m").await?;
    trial.reached("IssueCertificatesSucceeded").await?;
    let fault = "primary's node cut off, and back";
    if !provider::node("cut", &old.node).await? {
        let why = End::NotRun("this cluster's provider can't".to_owned());
        return Ok(vec![Row::bare(fault, Operation::Rotate.title(), &why.to_string())]);
    }
    let moved = failover::another_primary_than(namespace, database, &old).await;
    ensure!(provider::node("heal", &old.node).await?, "the node can't be healed");
    moved?;
    Ok(vec![trial.end(fault, &[End::Successful]).await?])
}

/// Tests over the real engine in a simulated world, by the begin of their names: no cluster's clock can be set apart.
async fn simulated(fault: &str, tests: &str) -> Result<Vec<Row>> {
    let begin = Instant::now();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let arguments = ["test", "--locked", "--quiet", "--package", "ops-manager", "--test", "sim"];
    let run = Command::new("cargo")
        .args(arguments)
        .args(["--", "--include-ignored", tests])
        .current_dir(workspace)
        .kill_on_drop(true)
        .output()
        .await
        .context("cargo")?;
    let stdout = String::from_utf8_lossy(&run.stdout);
    let passed = passed(&stdout);
    let mut row = Row::bare(
        fault,
        "all five",
        &format!("as expected in {passed} simulated tests, `{tests}*`"),
    );
    if !run.status.success() || passed == 0 {
        row.trouble.push(format!("{stdout}{}", String::from_utf8_lossy(&run.stderr)));
    }
    row.duration = begin.elapsed().max(Duration::from_millis(1));
    Ok(vec![row])
}

/// How many tests passed, by the closing lines of the runner.
fn passed(output: &str) -> usize {
    let results = output.lines().filter_map(|line| line.strip_prefix("test result: ok. "));
    results
        .filter_map(|line| line.split_whitespace().next()?.parse::<usize>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_passed_are_counted() {
        let output = "running 2 tests\n..\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 20 filtered out\n";
        assert_eq!(passed(output), 2);
        assert_eq!(passed("test result: FAILED. 1 passed; 1 failed\n"), 0);
    }
}
