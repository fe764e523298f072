//! Operators are killed, stalled, or upgraded while they work.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
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
use super::scene::{Asked, Operation, Scene, Shape};
use super::{Fault, Stage};
use crate::cluster::Cluster;
use crate::install::{self, SYSTEM_NAMESPACE};
use crate::poll::{self, Look};
use crate::provider::{self, Aimed};
use crate::wait;

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
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a leader and its Pod are looked at together, for which there is no watch.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How often all operations are gone through until every step was followed by a kill.
const ROUNDS: usize = 20;
/// Operations of the sample with a restart.
const SAMPLE: usize = 2;

/// The process of an operator that holds the Lease.
struct Leader {
    pod: String,
    node: String,
    container: String,
}

/// Within each operation, SIGKILL after every step that is persisted. An operator may be quicker than the kill; so all
/// operations are gone through again, until every step was the last thing that some process did.
async fn killed_at_every_step(stage: Stage, operator: &'static str) -> Result<Vec<Row>> {
    let cluster = stage.cluster();
    let scene = Scene::new(&stage.namespace, Shape::Three, false).await?;
    let mut records: Vec<Record> = Operation::ALL.map(Record::new).into();
    for round in 0..ROUNDS {
        // Each operation finds what the one before it left, so those before a missed step are performed, too.
        let worth = |record: &Record| round == 0 || !record.missed().is_empty();
        let enough = records.iter().rposition(worth).map_or(0, |last| last + 1);
        for record in &mut records[..enough] {
            let trial = scene.ask(record.operation, "3m").await?;
            if !record.disturb(&cluster, &scene, &trial.name, operator).await? {
                return Ok(vec![cannot(
                    &format!("{operator} killed"),
                    record.operation.title(),
                )]);
            }
            let row = trial.end(operator, &[End::Successful]).await?;
            record.row = Some(record.row.take().map_or(row.clone(), |before| before.and(row)));
        }
    }
    let rows = records.into_iter().filter_map(|record| record.finish(operator));
    install::rolled_out(&cluster, operator).await?;
    Ok(rows.collect())
}

fn cannot(fault: &str, operation: &str) -> Row {
    let why = End::NotRun("this cluster's provider can't".to_owned());
    Row::bare(fault, operation, &why.to_string())
}

/// The steps of one operation that were seen to be persisted, and those that were the last before a kill.
struct Record {
    operation: Operation,
    persisted: Vec<String>,
    killed_after: BTreeSet<String>,
    kills: usize,
    row: Option<Row>,
}

impl Record {
    fn new(operation: Operation) -> Self {
        Self {
            operation,
            persisted: Vec::new(),
            killed_after: BTreeSet::new(),
            kills: 0,
            row: None,
        }
    }

    fn missed(&self) -> Vec<&String> {
        let missed = self
            .persisted
            .iter()
            .filter(|step| !self.killed_after.contains(*step));
        missed.collect()
    }

    fn note(&mut self, request: &PostgresOpsRequest) -> usize {
        let done = steps_done(request);
        if let Some(step) = done.last().filter(|step| !self.persisted.contains(step)) {
            self.persisted.push(step.clone());
        }
        done.len()
    }

    /// Kills after every step that was not followed by a kill before, until the request ends; `false` where it can't be.
    async fn disturb(
        &mut self,
        cluster: &Cluster,
        scene: &Scene,
        name: &str,
        operator: &str,
    ) -> Result<bool> {
        let api = scene.namespace.api::<PostgresOpsRequest>();
        let mut stream = watch_object(api.clone(), name).default_backoff().boxed();
        let mut known = 0;
        let (mut target, mut aimed) = aim_at_leader(cluster, operator).await?;
        while let Some(object) = stream.try_next().await.unwrap_or(Some(None)) {
            let Some(request) = object else { continue };
            if request.has_ended() {
                break;
            }
            let done = self.note(&request);
            let step = steps_done(&request).pop().unwrap_or_default();
            if done <= known || self.killed_after.contains(&step) {
                continue;
            }
            if !aimed.fire().await? {
                return Ok(false);
            }
            // What was persisted last, while nobody goes on.
            let dead = api.get(name).await?;
            self.killed_after.extend(steps_done(&dead).pop());
            self.kills += 1;
            known = self.note(&dead);
            succeed(cluster, operator, &target).await?;
            (target, aimed) = aim_at_leader(cluster, operator).await?;
        }
        Ok(true)
    }

    fn finish(self, operator: &str) -> Option<Row> {
        eprintln!(
            "{operator} killed during {}: after {:?}, missed {:?}",
            self.operation.title(),
            self.killed_after,
            self.missed()
        );
        let missed: Vec<String> = self.missed().into_iter().cloned().collect();
        let (kills, all) = (self.kills, self.persisted.len());
        let mut row = self.row?;
        row.fault = format!(
            "{operator} SIGKILLed {kills} times, after {} of {all} steps",
            all - missed.len()
        );
        if !missed.is_empty() {
            row.trouble.push(format!("never killed after {missed:?}"));
        }
        Some(row)
    }
}

/// The steps that are persisted as done, in their order; parts of a step that concern one Pod are none.
fn steps_done(request: &PostgresOpsRequest) -> Vec<String> {
    let conditions = request.status.iter().flat_map(|status| &status.conditions);
    let done = conditions.filter(|c| c.is_true() && c.reason.is_some());
    done.map(|condition| condition.type_.clone()).collect()
}

async fn aim_at_leader(cluster: &Cluster, operator: &str) -> Result<(Leader, Aimed)> {
    let leader = leader(cluster, operator).await?;
    let aimed = provider::aim(&leader.node, &leader.container).await?;
    Ok((leader, aimed))
}

/// After a SIGKILL the other replica takes over. The Lease is taken from the dead, so that a run does not spend 15 s on each
/// of its kills; that it expires by itself is seen in `ops-manager-stalled`.
async fn succeed(cluster: &Cluster, operator: &str, dead: &Leader) -> Result<()> {
    let at_once = DeleteParams {
        grace_period_seconds: Some(0),
        ..DeleteParams::default()
    };
    // Otherwise kubelet waits longer and longer before it starts the container again.
    pods(cluster).delete(&dead.pod, &at_once).await?;
    let nobody = json!({ "spec": { "holderIdentity": "" } });
    let lease = lease_name(cluster, operator).await?;
    leases(cluster)
        .patch(&lease, &PatchParams::default(), &Patch::Merge(nobody))
        .await?;
    led_by_another(cluster, operator, &dead.pod).await
}

async fn kill_leader(cluster: &Cluster, operator: &str) -> Result<bool> {
    let (leader, aimed) = aim_at_leader(cluster, operator).await?;
    if !aimed.fire().await? {
        return Ok(false);
    }
    succeed(cluster, operator, &leader).await?;
    Ok(true)
}

async fn leader(cluster: &Cluster, operator: &str) -> Result<Leader> {
    let lease = lease_name(cluster, operator).await?;
    let (name, pod, id) = poll::until("a leader that runs", TAKEOVER_TIMEOUT, POLL_INTERVAL, || async {
        let Some(name) = holder(&leases(cluster).get(&lease).await?) else {
            return Ok(Look::NotYet("nobody leads".to_owned()));
        };
        // The process of a Pod that was deleted may still have taken the Lease; another replica has it when it expires.
        let Some(pod) = pods(cluster).get_opt(&name).await? else {
            return Ok(Look::NotYet(format!("{name} leads and is gone")));
        };
        // A process leads before kubelet has told of its container.
        Ok(match container(&pod) {
            Some(id) => Look::Found((name, pod, id)),
            None => Look::NotYet(format!("the container of {name} is not known")),
        })
    })
    .await?;
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
    statuses
        .iter()
        .find(|status| status.started == Some(true))?
        .container_id
        .clone()
}

async fn led_by_another(cluster: &Cluster, operator: &str, old: &str) -> Result<()> {
    let lease = lease_name(cluster, operator).await?;
    let taken = |l: &Lease| holder(l).is_some_and(|holder| holder != old);
    wait::until(
        &leases(cluster),
        &lease,
        "held by another replica",
        TAKEOVER_TIMEOUT,
        taken,
    )
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
    let steps = [
        "DatabasePauseSucceeded",
        "CertificateSynced",
        "ReloadTLS",
        "UpdatePetSets",
    ];
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
    let fault = "ops-manager frozen until another leads, then woken";
    Ok(vec![trial.end(fault, &[End::Successful]).await?])
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
        trial.reached("DatabasePauseSucceeded").await?;
        let upgrade = install::upgrade_with(operator, "concurrency=7").await;
        let row = trial
            .end(&format!("{operator} upgraded by Helm"), &[End::Successful])
            .await;
        // Back to the values of the charts.
        install::operator_release(&cluster, operator).await?;
        upgrade?;
        rows.push(row?);
    }
    Ok(rows)
}
