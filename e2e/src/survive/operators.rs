//! Operators are killed, stalled, or upgraded while they work.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::PostgresOpsRequest;
use api_types::ops_request::TlsRestart;
use futures::{FutureExt, StreamExt, TryStreamExt};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;
use kube::{Api, ResourceExt};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

use super::row::{End, Row};
use super::scene::{Asked, Operation, Scene, Shape, has};
use super::{Fault, Stage};
use crate::cluster::Cluster;
use crate::install::{self, SYSTEM_NAMESPACE};
use crate::{provider, wait};

/// This family.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "ops-manager-killed",
        alone: true,
        run: |stage| killed_at_every_step(stage, OPS_MANAGER).boxed_local(),
    },
    Fault {
        name: "provisioner-killed",
        alone: true,
        run: |stage| killed_at_every_step(stage, PROVISIONER).boxed_local(),
    },
    Fault {
        name: "killed-while-restarting",
        alone: true,
        run: |stage| sample_with_restart(stage).boxed_local(),
    },
    Fault {
        name: "ops-manager-stalled",
        alone: true,
        run: |stage| stalled(stage).boxed_local(),
    },
    Fault {
        name: "operators-upgraded",
        alone: true,
        run: |stage| upgraded(stage).boxed_local(),
    },
];

const OPS_MANAGER: &str = "ops-manager";
const PROVISIONER: &str = "provisioner";
/// Until another replica leads.
const TAKEN_OVER: Duration = Duration::from_secs(60);
/// Longer than an unchanged Lease keeps others away.
const STALL: Duration = Duration::from_secs(20);
/// Operations of the sample with a restart.
const SAMPLE: usize = 2;

/// The process of an operator that holds the Lease.
struct Leader {
    pod: String,
    node: String,
    container: String,
}

/// Within each operation, SIGKILL after every step that is persisted; rows tell how often that was.
async fn killed_at_every_step(stage: Stage, operator: &'static str) -> Result<Vec<Row>> {
    let cluster = stage.cluster();
    let scene = Scene::new(&stage.namespace, Shape::Three, false).await?;
    let mut rows = Vec::new();
    for operation in Operation::ALL {
        let trial = scene.ask(operation, "3m").await?;
        let kills = match kill_after_every_step(&cluster, &scene, &trial.name, operator).await? {
            Some(kills) => kills,
            None => return Ok(vec![cannot(&format!("{operator} killed"), operation.title())]),
        };
        let fault = format!("{operator} SIGKILLed after each step, {} times", kills.len());
        eprintln!("{}: killed after {kills:?}", stage.namespace.name);
        let mut row = trial.end(&fault, &[End::Successful]).await?;
        if kills.len() < 4 {
            row.trouble.push(format!("killed only after {kills:?}"));
        }
        rows.push(row);
    }
    Ok(rows)
}

fn cannot(fault: &str, operation: &str) -> Row {
    let why = End::NotRun("this cluster's provider can't".to_owned());
    Row::bare(fault, operation, &why.to_string())
}

/// The steps after which the operator was killed; none where processes can't be killed.
async fn kill_after_every_step(
    cluster: &Cluster,
    scene: &Scene,
    request: &str,
    operator: &str,
) -> Result<Option<Vec<String>>> {
    let mut kills: Vec<String> = Vec::new();
    let api = scene.namespace.api::<PostgresOpsRequest>();
    let mut stream = watch_object(api, request).default_backoff().boxed();
    while let Some(object) = stream.try_next().await.unwrap_or(Some(None)) {
        let Some(request) = object else { continue };
        if wait::phase(&request).is_some_and(wait::is_end) {
            break;
        }
        let Some(step) = newest_step(&request).filter(|step| kills.last() != Some(step)) else {
            continue;
        };
        if !kill_leader(cluster, operator).await? {
            return Ok(None);
        }
        kills.push(step);
    }
    Ok(Some(kills))
}

/// The step that was persisted last; the parts of a step that concern one Pod are none.
fn newest_step(request: &PostgresOpsRequest) -> Option<String> {
    let conditions = request.status.iter().flat_map(|status| &status.conditions);
    let done = conditions.filter(|c| c.is_true() && c.reason.is_some());
    done.last().map(|condition| condition.type_.clone())
}

/// SIGKILL to the process that leads, and the other replica takes over. The Lease is taken from the dead, so that a run does
/// not spend 15 s on each of its kills; that it expires by itself is seen in `ops-manager-stalled`.
async fn kill_leader(cluster: &Cluster, operator: &str) -> Result<bool> {
    let leader = leader(cluster, operator).await?;
    if !provider::kill(&leader.node, &leader.container).await? {
        return Ok(false);
    }
    let at_once = DeleteParams {
        grace_period_seconds: Some(0),
        ..DeleteParams::default()
    };
    // Otherwise kubelet waits longer and longer before it starts the container again.
    pods(cluster).delete(&leader.pod, &at_once).await?;
    let nobody = json!({ "spec": { "holderIdentity": "" } });
    leases(cluster)
        .patch(
            &lease_name(cluster, operator).await?,
            &PatchParams::default(),
            &Patch::Merge(nobody),
        )
        .await?;
    led_by_another(cluster, operator, &leader.pod).await?;
    Ok(true)
}

async fn leader(cluster: &Cluster, operator: &str) -> Result<Leader> {
    let lease = lease_name(cluster, operator).await?;
    let held = wait::until(&leases(cluster), &lease, "held", TAKEN_OVER, |l| holder(l).is_some()).await?;
    let name = holder(&held).context("a holder")?;
    // A process leads before kubelet has told of its container.
    let told = |pod: &Pod| container(pod).is_some();
    let pod = wait::until(&pods(cluster), &name, "its container is known", TAKEN_OVER, told).await?;
    let id = container(&pod).context("a container")?;
    let node = pod.spec.and_then(|spec| spec.node_name).context("a node")?;
    let (_, container) = id.split_once("://").context("the id of a container")?;
    Ok(Leader {
        pod: name,
        node,
        container: container.to_owned(),
    })
}

fn container(pod: &Pod) -> Option<String> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find(|status| status.started == Some(true))?.container_id.clone()
}

async fn led_by_another(cluster: &Cluster, operator: &str, old: &str) -> Result<()> {
    let lease = lease_name(cluster, operator).await?;
    let taken = |l: &Lease| holder(l).is_some_and(|holder| holder != old);
    wait::until(&leases(cluster), &lease, "held by another replica", TAKEN_OVER, taken)
        .await
        .map(|_| ())
}

fn holder(lease: &Lease) -> Option<String> {
    let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone());
    holder.filter(|holder| !holder.is_empty())
}

async fn lease_name(cluster: &Cluster, operator: &str) -> Result<String> {
    Ok(install::deployment(cluster, operator).await?.name_any())
}

fn leases(cluster: &Cluster) -> Api<Lease> {
    Api::namespaced(cluster.client.clone(), SYSTEM_NAMESPACE)
}

fn pods(cluster: &Cluster) -> Api<Pod> {
    Api::namespaced(cluster.client.clone(), SYSTEM_NAMESPACE)
}

/// Operations with a rolling restart take half a minute, so only some: which, and killed when, is chosen by the seed.
async fn sample_with_restart(stage: Stage) -> Result<Vec<Row>> {
    let cluster = stage.cluster();
    let mut random = StdRng::seed_from_u64(stage.seed);
    let scene = Scene::new(&stage.namespace, Shape::Synchronous, true).await?;
    let candidates = [
        Operation::Rotate,
        Operation::ChangeIssuer,
        Operation::ChangeCertificates,
    ];
    let steps = ["DatabasePauseSucceeded", "CertificateSynced", "ReloadTLS", "UpdatePetSets"];
    let first = random.random_range(0..candidates.len());
    let mut rows = Vec::new();
    for number in 0..SAMPLE {
        let operation = candidates[(first + number) % candidates.len()];
        let step = steps[random.random_range(0..steps.len())];
        let operator = [OPS_MANAGER, PROVISIONER][random.random_range(0..2)];
        let fault = format!("{operator} SIGKILLed after {step}");
        let restart = Asked {
            restart: TlsRestart::Always,
            ..Asked::default()
        };
        let trial = scene.ask_as(operation, &restart).await?;
        trial.reached(step).await?;
        if !kill_leader(&cluster, operator).await? {
            return Ok(vec![cannot(&fault, operation.title())]);
        }
        rows.push(trial.end(&fault, &[End::Successful]).await?);
    }
    install::rolled_out(&cluster, OPS_MANAGER).await?;
    install::rolled_out(&cluster, PROVISIONER).await?;
    Ok(rows)
}

/// The leader is frozen until another replica leads, and wakes when that one has done the work.
async fn stalled(stage: Stage) -> Result<Vec<Row>> {
    let cluster = stage.cluster();
    let scene = Scene::new(&stage.namespace, Shape::Three, true).await?;
    let trial = scene.ask(Operation::Rotate, "3m").await?;
    trial.reached("IssueCertificatesSucceeded").await?;
    let old = leader(&cluster, OPS_MANAGER).await?;
    if !provider::run("node.sh", &["pause", &old.node, &old.container]).await? {
        return Ok(vec![cannot("ops-manager stalled", Operation::Rotate.title())]);
    }
    let taken_over = led_by_another(&cluster, OPS_MANAGER, &old.pod).await;
    provider::run("node.sh", &["resume", &old.node, &old.container]).await?;
    taken_over?;
    let fault = format!("ops-manager frozen until another leads, then woken ({} s)", STALL.as_secs());
    Ok(vec![trial.end(&fault, &[End::Successful]).await?])
}

/// `helm upgrade` with another value: every replica is made anew.
async fn upgraded(stage: Stage) -> Result<Vec<Row>> {
    let cluster = stage.cluster();
    let scene = Scene::new(&stage.namespace, Shape::Synchronous, true).await?;
    let mut rows = Vec::new();
    for operator in [OPS_MANAGER, PROVISIONER] {
        let restart = Asked {
            restart: TlsRestart::Always,
            ..Asked::default()
        };
        let trial = scene.ask_as(Operation::Rotate, &restart).await?;
        let request = trial.reached("DatabasePauseSucceeded").await?;
        ensure!(!has(&request, "DatabaseResumeSucceeded"), "it was over before the upgrade");
        let upgrade = install::upgrade_with(operator, "log.level=debug").await;
        let row = trial.end(&format!("{operator} upgraded by Helm"), &[End::Successful]).await;
        // Back to the values of the charts.
        install::operator_release(&cluster, operator).await?;
        upgrade?;
        rows.push(row?);
    }
    Ok(rows)
}
