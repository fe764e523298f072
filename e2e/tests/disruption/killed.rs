//! An operator is killed at a step chosen at random, with SIGKILL and both replicas at once; every operation still
//! ends Successful, each Pod replaced once.

use std::time::Duration;

use anyhow::{Context, Result};
use api_types::tls::{ClientAuthMode, SslMode};
use api_types::{Postgres, PostgresOpsRequest};
use e2e::checks::{self, Tls};
use e2e::cluster::{Cluster, TestNamespace};
use e2e::install::{self, OPERATORS, SYSTEM_NAMESPACE};
use e2e::progress::Narrator;
use e2e::story::{self, Stage};
use e2e::writer::{Choice, Writer};
use e2e::{manifests, requests, wait};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::{PROVISIONING_TIMEOUT, alone};

const DATABASE: &str = "ha-postgres";
/// Set to repeat a run.
const SEED: &str = "SEALWRIGHT_E2E_SEED";
/// Conditions of an operation, about: a kill comes after one of them.
const STEPS: std::ops::Range<usize> = 0..9;

#[tokio::test(flavor = "multi_thread")]
async fn operations_survive_the_death_of_operators() -> Result<()> {
    alone(
        "killed",
        prepare,
        |namespace| async move { killed(&namespace).await },
    )
    .await
}

async fn prepare(namespace: TestNamespace) -> Result<()> {
    manifests::apply(&namespace, manifests::HA_POSTGRES).await?;
    requests::issuers(&namespace).await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
    Ok(())
}

async fn killed(namespace: &TestNamespace) -> Result<()> {
    let seed = std::env::var(SEED)
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or_else(rand::random::<u64>);
    println!("killing operators: {SEED}={seed} repeats this run");
    let mut random = StdRng::seed_from_u64(seed);
    let writer = Writer::start(namespace, DATABASE, Choice::MEASURING).await?;
    let narrator = Narrator::silent();
    let stage = Stage {
        namespace,
        database: DATABASE,
        narrator: &narrator,
        writer: Some(&writer),
    };

    let story = [
        ("add-tls", manifests::ADD_TLS),
        ("rotate-tls", manifests::ROTATE_TLS),
        ("remove-tls", manifests::REMOVE_TLS),
    ];
    for (name, yaml) in story {
        let step = random.random_range(STEPS);
        let operator = OPERATORS[random.random_range(0..OPERATORS.len())];
        let what = format!("{name}, {operator} killed after {step} conditions");
        let kill = kill_after(namespace, name, operator, step);
        let (performed, killed) = tokio::join!(story::perform(&stage, name, yaml, name), kill);
        println!("{what}: {}", killed.context(what.clone())?);
        let performed = performed.context(what.clone())?;
        performed.history.check_rolling_restart().context(what)?;
        let tls = Tls {
            ssl_mode: SslMode::VerifyFull,
            client_auth_mode: ClientAuthMode::Cert,
            issuer: &["CN=ca"],
            extra_names: &[],
        };
        match name {
            "remove-tls" => checks::serves_plaintext(namespace, DATABASE).await?,
            _ => checks::serves_tls(namespace, DATABASE, &tls).await?,
        }
    }
    println!("{} acknowledged rows, none lost", writer.finish().await?);
    Ok(())
}

/// Waits until the request has that many conditions (or has ended), then kills all Pods of the operator.
async fn kill_after(namespace: &TestNamespace, request: &str, operator: &str, step: usize) -> Result<String> {
    let api = namespace.api::<PostgresOpsRequest>();
    let reached = |r: &PostgresOpsRequest| r.has_ended() || requests::conditions(r).len() >= step;
    let at = wait::until(
        &api,
        request,
        "far enough to be killed",
        story::OPERATION_TIMEOUT,
        reached,
    )
    .await?;
    let pods: Api<Pod> = Api::namespaced(namespace.client.clone(), SYSTEM_NAMESPACE);
    let list = pods
        .list(&ListParams::default().labels(&install::selector(operator)))
        .await?;
    let now = DeleteParams {
        grace_period_seconds: Some(0),
        ..DeleteParams::default()
    };
    let names: Vec<String> = list.items.iter().map(ResourceExt::name_any).collect();
    try_join_all(names.iter().map(|name| pods.delete(name, &now))).await?;
    let last = requests::conditions(&at)
        .last()
        .copied()
        .unwrap_or("nothing")
        .to_owned();
    let cluster = Cluster {
        client: namespace.client.clone(),
    };
    tokio::time::timeout(Duration::from_secs(120), install::rolled_out(&cluster, operator)).await??;
    Ok(format!("killed after {last}"))
}
