//! Members are killed, evicted, or can't start.

use std::time::Duration;

use anyhow::Result;
use api_types::PostgresOpsRequest;
use api_types::ops_request::{ApplyOption, TlsRestart};
use api_types::vocabulary::POSTGRES_CONTAINER;
use futures::FutureExt;
use kube::api::{DeleteParams, EvictParams};

use super::row::{End, Row};
use super::scene::{Asked, Operation, Scene, Shape};
use super::{Fault, Stage};
use crate::members::{self, Member};
use crate::poll::{self, Look};
use crate::{failover, shell, wait};

/// This family.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "primary-killed",
        alone: false,
        run: |stage| primary_killed(stage).boxed_local(),
    },
    Fault {
        name: "standby-evicted",
        alone: false,
        run: |stage| standby_evicted(stage).boxed_local(),
    },
    Fault {
        name: "primary-evicted",
        alone: false,
        run: |stage| primary_evicted(stage).boxed_local(),
    },
    Fault {
        name: "standby-cannot-start",
        alone: false,
        run: |stage| cannot_start(stage).boxed_local(),
    },
    Fault {
        name: "standby-never-starts",
        alone: false,
        run: |stage| never_starts(stage).boxed_local(),
    },
];

/// How long a standby stays away that comes back.
const AWAY: Duration = Duration::from_secs(15);
/// A request with a timeout of seconds has ended by then.
const FAILURE_TIMEOUT: Duration = Duration::from_secs(120);

/// The phases of a rotation without a restart.
const PHASES: [&str; 5] = [
    "DatabasePauseSucceeded",
    "IssueCertificatesSucceeded",
    "CertificateSynced",
    "ReloadTLS",
    "UpdatePetSets",
];

async fn primary_killed(stage: Stage) -> Result<Vec<Row>> {
    let scene = Scene::new(&stage.namespace, Shape::Synchronous, true).await?;
    let mut rows = Vec::new();
    for phase in PHASES {
        let old = members::primary(&stage.namespace, scene.database).await?;
        failover::synchronous_again(&stage.namespace, scene.database, &old).await?;
        let trial = scene.ask(Operation::Rotate, "3m").await?;
        trial.reached(phase).await?;
        let at_once = DeleteParams {
            grace_period_seconds: Some(0),
            ..DeleteParams::default()
        };
        stage.namespace.pods().delete(&old.name, &at_once).await?;
        let fault = format!("primary killed after {phase}");
        rows.push(trial.end(&fault, &[End::Successful]).await?);
    }
    Ok(rows)
}

async fn standby_evicted(stage: Stage) -> Result<Vec<Row>> {
    let scene = Scene::new(&stage.namespace, Shape::Three, false).await?;
    let trial = scene.ask(Operation::Add, "3m").await?;
    trial.reached("CertificateSynced").await?;
    let standby = a_standby(&scene).await?;
    stage
        .namespace
        .pods()
        .evict(&standby.name, &EvictParams::default())
        .await?;
    Ok(vec![trial.end("standby evicted", &[End::Successful]).await?])
}

async fn primary_evicted(stage: Stage) -> Result<Vec<Row>> {
    let scene = Scene::new(&stage.namespace, Shape::Synchronous, true).await?;
    let old = members::primary(&stage.namespace, scene.database).await?;
    failover::synchronous_again(&stage.namespace, scene.database, &old).await?;
    let trial = scene.ask(Operation::ChangeCertificates, "3m").await?;
    trial.reached("CertificateSynced").await?;
    stage
        .namespace
        .pods()
        .evict(&old.name, &EvictParams::default())
        .await?;
    Ok(vec![trial.end("primary evicted", &[End::Successful]).await?])
}

/// PostgreSQL on a standby can't read its WAL folder: Patroni tries again and again, and succeeds when it can.
async fn cannot_start(stage: Stage) -> Result<Vec<Row>> {
    let scene = Scene::new(&stage.namespace, Shape::Three, false).await?;
    let broken = Broken::standby(&scene).await?;
    let trial = scene.ask_as(Operation::Add, &ALWAYS).await?;
    let row = async {
        trial.reached("CertificateSynced").await?;
        waits_for(&scene, &trial.name, &broken.pod).await?;
        trial.stays_open(AWAY).await
    }
    .await;
    broken.heal(&scene).await?;
    row?;
    let fault = format!("standby can't start, for {} s", AWAY.as_secs());
    Ok(vec![trial.end(&fault, &[End::Successful]).await?])
}

/// As before, but longer than the request waits. Members that answer are brought back; the other one can't be.
async fn never_starts(stage: Stage) -> Result<Vec<Row>> {
    let scene = Scene::new(&stage.namespace, Shape::Three, true).await?;
    let broken = Broken::standby(&scene).await?;
    let asked = Asked {
        timeout: "15s",
        ..ALWAYS
    };
    let trial = scene.ask_as(Operation::Rotate, &asked).await?;
    let ended = wait::request_ended(&stage.namespace.api(), &trial.name, FAILURE_TIMEOUT).await;
    broken.heal(&scene).await?;
    ended?;
    let ends = [End::RolledBack, End::NotRestored];
    Ok(vec![trial.end("standby can't start, for good", &ends).await?])
}

/// The request begins although the database is not Ready.
const ALWAYS: Asked<'_> = Asked {
    timeout: "3m",
    restart: TlsRestart::Auto,
    apply: ApplyOption::Always,
};

/// A standby whose PostgreSQL can't start.
struct Broken {
    pod: String,
    data: String,
}

impl Broken {
    async fn standby(scene: &Scene) -> Result<Self> {
        let pod = a_standby(scene).await?.name;
        let data = members::sql(&scene.namespace, &pod, "show data_directory").await?;
        let breaking = format!("chmod 000 {data}/pg_wal; kill -9 $(head -1 {data}/postmaster.pid)");
        let command = ["sh", "-c", &breaking];
        shell::output_of(&scene.namespace.pods(), &pod, POSTGRES_CONTAINER, &command).await?;
        let broken = Self { pod, data };
        poll::until(
            "the standby is down",
            AWAY,
            Duration::from_millis(300),
            || async {
                let all = members::list(&scene.namespace, scene.database).await?;
                let is_down = all
                    .iter()
                    .any(|member| member.name == broken.pod && !member.ready);
                Ok(if is_down {
                    Look::Found(())
                } else {
                    Look::NotYet(format!("{all:?}"))
                })
            },
        )
        .await?;
        Ok(broken)
    }

    async fn heal(&self, scene: &Scene) -> Result<()> {
        let healing = format!("chmod 700 {}/pg_wal", self.data);
        let command = ["sh", "-c", &healing];
        shell::output_of(&scene.namespace.pods(), &self.pod, POSTGRES_CONTAINER, &command)
            .await
            .map(|_| ())
    }
}

/// The request says that it waits for this Pod.
async fn waits_for(scene: &Scene, request: &str, pod: &str) -> Result<()> {
    let waits = |request: &PostgresOpsRequest| {
        let conditions = request.status.iter().flat_map(|status| &status.conditions);
        let mut open = conditions.into_iter().filter(|c| !c.is_true());
        open.any(|c| c.message.as_deref().is_some_and(|message| message.contains(pod)))
    };
    wait::until(
        &scene.namespace.api(),
        request,
        &format!("waits for {pod}"),
        FAILURE_TIMEOUT,
        waits,
    )
    .await
    .map(|_| ())
}

/// The first member that is not primary.
pub async fn a_standby(scene: &Scene) -> Result<Member> {
    let all = members::list(&scene.namespace, scene.database).await?;
    let mut standbys = all.into_iter().filter(|member| !member.is_primary());
    standbys
        .next()
        .ok_or_else(|| anyhow::anyhow!("{} has no standby", scene.database))
}
