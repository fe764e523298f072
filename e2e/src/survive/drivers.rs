//! Clients by four drivers that are not ours, beside every TLS operation: no new connection fails, and a session that the new
//! settings admit stays open.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use api_types::tls::ClientAuthMode;
use api_types::vocabulary::POSTGRES_PORT;
use futures::FutureExt;
use k8s_openapi::api::core::v1::{Node, Service};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use tokio::process::Command;
use tokio::time::Instant;

use super::row::{End, Row};
use super::scene::{Operation, Scene, Shape};
use super::{Fault, Stage};
use crate::cluster::TestNamespace;
use crate::drivers::{Client, Clients, Endpoint};
use crate::{manifests, pki, provider, requests, wait};

/// This family.
pub const FAULTS: &[Fault] = &[Fault {
    name: "drivers",
    alone: true,
    run: |stage| drivers(stage).boxed_local(),
}];

const FAULT: &str = "none";
/// Exit code of the script when a program is missing.
const CANNOT: i32 = 3;
const END_TIMEOUT: Duration = Duration::from_secs(120);

async fn drivers(stage: Stage) -> Result<Vec<Row>> {
    let programs = match programs().await? {
        Ok(programs) => programs,
        Err(missing) => return Ok(not_run(missing)),
    };
    let namespace = &stage.namespace;
    let Some(node) = node(namespace).await? else {
        return Ok(not_run(
            "this cluster's provider can't run clients beside a node".to_owned(),
        ));
    };
    let database = Scene::database_as(namespace, Shape::Three, false, |postgres| {
        postgres.spec.client_auth_mode = Some(ClientAuthMode::Scram);
    })
    .await?;
    let (user, password) = pki::password(namespace, database).await?;
    let endpoint = Endpoint {
        host: format!("{database}.{}.svc", namespace.name),
        address: address(namespace, database).await?,
        port: POSTGRES_PORT as u16,
        node,
        user,
        password,
    };
    let clients = Clients::start(namespace, database, &programs, &endpoint).await?;
    let mut rows = Vec::new();
    for operation in Operation::ALL {
        rows.extend(one(namespace, database, &clients, operation).await?);
    }
    clients.finish().await?;
    Ok(rows)
}

fn not_run(why: String) -> Vec<Row> {
    vec![Row::bare(
        FAULT,
        "all five, by four drivers",
        &End::NotRun(why).to_string(),
    )]
}

/// The folder with the programs, or what is missing to make them.
async fn programs() -> Result<Result<PathBuf, String>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../hack/drivers.sh");
    let output = Command::new(script)
        .kill_on_drop(true)
        .output()
        .await
        .context(script)?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match output.status.code() {
        Some(0) => Ok(Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))),
        Some(CANNOT) => Ok(Err(said)),
        _ => bail!("{script}: {said}"),
    }
}

/// Where the primary's Service is reached from the cluster's nodes.
async fn address(namespace: &TestNamespace, database: &str) -> Result<String> {
    let service: Service = namespace.api().get(database).await?;
    service
        .spec
        .and_then(|spec| spec.cluster_ip)
        .context("the Service has no address")
}

/// A node beside which clients can be run; `None` when this provider can't.
async fn node(namespace: &TestNamespace) -> Result<Option<String>> {
    let nodes: Api<Node> = Api::all(namespace.client.clone());
    let all = nodes.list(&ListParams::default()).await?;
    let node = all.iter().next().map(ResourceExt::name_any).context("no node")?;
    let can = provider::run("node.sh", &["run", &node, "true"]).await?;
    Ok(can.then_some(node))
}

async fn one(
    namespace: &TestNamespace,
    database: &str,
    clients: &Clients,
    operation: Operation,
) -> Result<Vec<Row>> {
    // Password logins go on: that the four have a client certificate is another matter.
    let manifest = match operation {
        Operation::Add => manifests::ADD_TLS_MD5.replace("md5", "scram"),
        other => other.manifest().to_owned(),
    };
    let begin = Instant::now();
    let marks = clients.marks();
    let manifest = manifests::with_restart(&manifest, "auto");
    let name = format!("driver-{}", operation.title().replace(' ', "-").to_lowercase());
    requests::create(namespace, &manifest, &name, database).await?;
    let request = wait::request_ended(&namespace.api(), &name, END_TIMEOUT).await?;
    let ended = End::of(&request);
    wait::database_ready(&namespace.api(), database, END_TIMEOUT).await?;
    clients.go_on().await?;
    ensure!(marks.len() == clients.all.len(), "a client is gone");
    let rows = clients.all.iter().zip(marks).map(|(client, mark)| {
        let mut row = judge(client, mark, operation);
        row.duration = begin.elapsed();
        row.ended = format!("{ended}{}", row.ended);
        if ended != End::Successful {
            row.trouble.push(wait::last_words(&request));
        }
        row
    });
    Ok(rows.collect())
}

/// A session without TLS does not outlive that TLS is added, nor one with TLS that it is removed.
fn is_admitted_afterwards(operation: Operation) -> bool {
    !matches!(operation, Operation::Add | Operation::Remove)
}

fn judge(client: &Client, mark: usize, operation: Operation) -> Row {
    let seen = client.since(mark);
    let mut row = Row::bare(
        &format!("{FAULT}; a client by {}", client.driver),
        operation.title(),
        "",
    );
    if seen.new.made == 0 || seen.kept.made == 0 {
        row.trouble.push("the client did nothing".to_owned());
    }
    for (message, count) in &seen.new.errors {
        row.trouble
            .push(format!("{count} new connections failed: {message}"));
    }
    if is_admitted_afterwards(operation) {
        for (message, count) in &seen.kept.errors {
            row.trouble
                .push(format!("the kept session ended {count} times: {message}"));
        }
        if seen.kept.failed() == 0 {
            row.ended = ", the kept session too".to_owned();
        }
    }
    row.probes = seen.new;
    row
}
