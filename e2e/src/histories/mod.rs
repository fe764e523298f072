//! `make histories`: clients write and read registers while faults happen, and a checker that knows nothing of this product
//! decides whether what they saw is linearizable (Porcupine, <https://github.com/anishathalye/porcupine>).
//!
//! In asynchronous mode, where a failover may lose acknowledged rows, every row that is missing must lie where the database's
//! status says that rows are lost.

mod clients;
mod faults;
mod lost;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use api_types::Postgres;
use k8s_openapi::api::core::v1::VolumeResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::{Instant, sleep_until};

use crate::cluster::{Cluster, TestNamespace};
use crate::survive::disks::Disks;
use crate::{failover, manifests, members, survive, wait};
use clients::{Clients, History, Work};
use faults::{Clocks, Fault, Ground, settle, two_issuers};
pub use table::table;

const DATABASE: &str = "ha-postgres";
const PROVISIONING_TIMEOUT: Duration = Duration::from_secs(180);
/// Until the database serves and all members are back after the last fault.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(300);

/// Whether commits wait for a standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// They do.
    Synchronous,
    /// They do not.
    Asynchronous,
}

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Whether commits wait for a standby.
    pub mode: Mode,
    /// Members of the database.
    pub members: i32,
    /// How often.
    pub runs: u32,
    /// Time in which faults happen, in each run.
    pub long: Duration,
    /// For everything that is chosen at random.
    pub seed: u64,
}

/// What came of all runs with this number of members.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Whether commits waited for a standby.
    pub mode: Mode,
    /// Members of the database.
    pub members: i32,
    /// The seed of each run.
    pub seeds: Vec<u64>,
    /// Operations with an answer.
    pub answered: usize,
    /// Writes without one.
    pub unknown: usize,
    /// Faults that were made, and how often.
    pub faults: BTreeMap<&'static str, usize>,
    /// Acknowledged rows that are missing where the database's status says that rows are lost.
    pub told: usize,
    /// Runs whose history is not linearizable, or in which rows are missing without a word, by their seeds.
    pub violations: Vec<u64>,
    /// Runs that the checker could not decide in time, by their seeds.
    pub undecided: Vec<u64>,
}

impl Outcome {
    fn new(plan: &Plan) -> Self {
        Self {
            mode: plan.mode,
            members: plan.members,
            seeds: Vec::new(),
            answered: 0,
            unknown: 0,
            faults: BTreeMap::new(),
            told: 0,
            violations: Vec::new(),
            undecided: Vec::new(),
        }
    }
}

/// Runs clients and faults against one database, in a namespace of its own.
///
/// # Errors
/// When a run itself fails: the database does not come back, or the checker can't be run.
pub async fn run(cluster: &Cluster, plan: &Plan, checker: &Path) -> Result<Outcome> {
    let mode = format!("{:?}", plan.mode).to_lowercase();
    let name = format!("histories-{mode}-{}-{:x}", plan.members, plan.seed);
    let namespace = cluster.namespace(&name).await?;
    let each = usize::try_from(plan.members / 2 + 1)?;
    let disks = Disks::make(&namespace, each).await?;
    let outcome = on_disks(&namespace, plan, checker, disks.as_ref()).await;
    let restored = survive::restore(cluster).await;
    let removed = namespace.remove().await;
    // The disks can only go when nobody uses them any more.
    if let (Ok(()), Some(disks)) = (&removed, disks) {
        disks.remove().await?;
    }
    restored?;
    removed?;
    outcome
}

async fn on_disks(
    namespace: &TestNamespace,
    plan: &Plan,
    checker: &Path,
    disks: Option<&Disks>,
) -> Result<Outcome> {
    let clocks = Clocks::prepare(namespace).await?;
    two_issuers(namespace).await?;
    let mut written: Postgres = manifests::parse(manifests::HA_POSTGRES)?;
    if let Some(clocks) = &clocks {
        clocks.add_to(&mut written)?;
    }
    manifests::create_postgres(namespace, manifests::HA_POSTGRES, |postgres| {
        postgres.spec.pod_template = written.spec.pod_template;
        postgres.spec.replicas = Some(plan.members);
        if let (Some(disks), Some(storage)) = (disks, &mut postgres.spec.storage) {
            storage.storage_class_name = Some(disks.class().to_owned());
            storage.resources = small();
        }
        if plan.mode == Mode::Synchronous {
            failover::synchronous(postgres);
        }
    })
    .await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
    let ground = Ground {
        namespace,
        database: DATABASE,
        members: plan.members,
        has_small_disks: disks.is_some(),
        has_clocks: clocks.is_some(),
    };
    runs(&ground, plan, checker).await
}

/// WAL is kept as fits a disk of [`crate::survive::disks`].
fn small() -> Option<VolumeResourceRequirements> {
    let requests = [("storage".to_owned(), Quantity("256Mi".to_owned()))];
    Some(VolumeResourceRequirements {
        requests: Some(requests.into()),
        ..VolumeResourceRequirements::default()
    })
}

async fn runs(ground: &Ground<'_>, plan: &Plan, checker: &Path) -> Result<Outcome> {
    let mut outcome = Outcome::new(plan);
    for number in 0..plan.runs {
        let seed = plan.seed.wrapping_add(u64::from(number));
        let said = one(ground, plan, checker, seed, &mut outcome)
            .await
            .with_context(|| format!("seed {seed}"))?;
        println!("{:?}, {} members, seed {seed}: {said}", plan.mode, plan.members);
    }
    Ok(outcome)
}

async fn one(
    ground: &Ground<'_>,
    plan: &Plan,
    checker: &Path,
    seed: u64,
    outcome: &mut Outcome,
) -> Result<String> {
    let work = match plan.mode {
        Mode::Synchronous => Work::Registers,
        Mode::Asynchronous => Work::Appending,
    };
    let before = lost::told(ground.namespace, DATABASE).await?;
    let clients = Clients::start(ground.namespace, DATABASE, work, seed).await?;
    disturb(ground, plan.long, seed, &mut outcome.faults).await?;
    clients.serve_again(RECOVERY_TIMEOUT).await?;
    settle(ground, RECOVERY_TIMEOUT).await?;
    wait::database_ready(&ground.namespace.api::<Postgres>(), DATABASE, RECOVERY_TIMEOUT).await?;
    clients.serve_again(RECOVERY_TIMEOUT).await?;
    let history = clients.finish().await?;
    outcome.seeds.push(seed);
    outcome.answered += history.answered;
    outcome.unknown += history.unknown;
    let said = match plan.mode {
        Mode::Synchronous => registers(checker, seed, &history, outcome).await?,
        Mode::Asynchronous => rows(ground.namespace, seed, &history, &before, outcome).await?,
    };
    Ok(format!(
        "{} operations, {} unknown: {said}",
        history.answered, history.unknown
    ))
}

async fn disturb(
    ground: &Ground<'_>,
    long: Duration,
    seed: u64,
    made: &mut BTreeMap<&'static str, usize>,
) -> Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    let end = Instant::now() + long;
    while Instant::now() < end {
        let fault = Fault::any(&mut random);
        let done = fault
            .make(ground, &mut random)
            .await
            .with_context(|| fault.word())?;
        println!(
            "seed {seed}: {}{}",
            fault.word(),
            if done { "" } else { ": nothing to break" }
        );
        if done {
            *made.entry(fault.word()).or_default() += 1;
        }
        sleep_until(Instant::now() + Duration::from_millis(random.random_range(500..6_000))).await;
    }
    Ok(())
}

async fn registers(checker: &Path, seed: u64, history: &History, outcome: &mut Outcome) -> Result<String> {
    let verdict = check(checker, history).await?;
    match verdict {
        Verdict::Linearizable => return Ok("linearizable".to_owned()),
        Verdict::Undecided => outcome.undecided.push(seed),
        Verdict::Violated => outcome.violations.push(seed),
    }
    let path = keep(seed, history)?;
    Ok(format!("{verdict:?}, its history is in {}", path.display()))
}

async fn rows(
    namespace: &TestNamespace,
    seed: u64,
    history: &History,
    before: &[lost::Range],
    outcome: &mut Outcome,
) -> Result<String> {
    let present = members::sql_on_primary(namespace, DATABASE, "select id from appended").await?;
    let present = present.lines().map(str::to_owned).collect();
    let lines = history.lines.lines().map(serde_json::from_str);
    let rows: Vec<lost::Appended> = lines.collect::<Result<_, _>>()?;
    let told = lost::told(namespace, DATABASE).await?;
    let missing = lost::missing(&rows, &present, &lost::since(before, &told))?;
    outcome.told += missing.told + missing.behind;
    if missing.untold.is_empty() {
        return Ok(format!(
            "{} rows missing where the status says so, {} behind its least end",
            missing.told, missing.behind
        ));
    }
    outcome.violations.push(seed);
    let path = keep(seed, history)?;
    Ok(format!(
        "{} rows missing without a word, such as {}; the status says {told:?}; their history is in {}",
        missing.untold.len(),
        missing.untold[0],
        path.display()
    ))
}

/// What the checker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Linearizable,
    Violated,
    Undecided,
}

async fn check(checker: &Path, history: &History) -> Result<Verdict> {
    let mut child = Command::new(checker)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| checker.display().to_string())?;
    let mut stdin = child.stdin.take().context("standard input")?;
    stdin.write_all(history.lines.as_bytes()).await?;
    drop(stdin);
    match child.wait().await?.code() {
        Some(0) => Ok(Verdict::Linearizable),
        Some(1) => Ok(Verdict::Violated),
        Some(2) => Ok(Verdict::Undecided),
        other => bail!("the checker ended with {other:?}"),
    }
}

fn keep(seed: u64, history: &History) -> Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("history-{seed}.jsonl"));
    std::fs::write(&path, &history.lines)?;
    Ok(path)
}
