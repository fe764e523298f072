//! The shape of an operator's `main`: everything around its controllers.
//!
//! ```no_run
//! # use clap::Parser;
//! #[derive(clap::Parser)]
//! struct Args {
//!     #[command(flatten)]
//!     common: runtime::CommonArgs,
//! }
//!
//! #[tokio::main]
//! async fn main() -> std::process::ExitCode {
//!     let args = Args::parse();
//!     runtime::run("sealwright-petset", env!("CARGO_PKG_VERSION"), args.common, async |process| {
//!         // run_controller(&process, "petset", …).await;
//!         Ok::<(), std::io::Error>(())
//!     })
//!     .await
//! }
//! ```

use std::{error::Error, fmt::Debug, process::ExitCode, time::Duration};

use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Client, Config, Resource};
use tokio::task::JoinHandle;

use crate::{
    CommonArgs, LeaderError, Metrics, Readiness, Recorder, Shutdown,
    leader::{self, Election, Leadership},
    server::{self, ServerError},
    telemetry,
};

/// How long controllers may take to finish what they are at; kubelet kills after 30 s by default.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// What the code of one operator process shares. Cheap to clone.
#[derive(Clone)]
pub struct Process {
    /// The operator's name, for example `sealwright-petset`.
    pub name: &'static str,
    /// Client of the API server. It does not retry by itself: reconciling does, and an eviction must see a 429.
    pub client: Client,
    /// Metrics of the process.
    pub metrics: Metrics,
    /// Gates of /readyz.
    pub readiness: Readiness,
    /// Publishes Events.
    pub recorder: Recorder,
    /// The signal to stop.
    pub shutdown: Shutdown,
    /// The only namespace to watch; all when `None`.
    pub namespace: Option<String>,
    /// Namespace in which this process runs.
    pub pod_namespace: String,
    /// How many objects one controller reconciles at once.
    pub concurrency: u16,
}

impl Process {
    /// The objects of a kind that this process manages: in its one namespace, or in all.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }
}

/// The process could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The log filter is wrong.
    #[error("cannot read the log filter; correct --log-level")]
    Logs(#[source] tracing_subscriber::filter::ParseError),
    /// Signals can't be caught.
    #[error("cannot catch signals")]
    Signals(#[source] std::io::Error),
    /// A metric's definition is wrong.
    #[error("cannot define the metrics")]
    Metrics(#[source] prometheus::Error),
    /// Neither a Pod's service account nor a kubeconfig contains the address of the API server.
    #[error("cannot find the API server; run in a Pod with a service account, or set KUBECONFIG")]
    Config(#[source] Box<dyn Error + Send + Sync>),
    /// The client can't be made.
    #[error("cannot make a client of the API server")]
    Client(#[source] Box<kube::Error>),
    /// The probes' server failed.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// Leadership could not be had or was lost.
    #[error(transparent)]
    Leader(#[from] LeaderError),
    /// The operator itself failed.
    #[error("the operator stopped")]
    Operator(#[source] Box<dyn Error + Send + Sync>),
    /// Controllers did not finish in time after the signal to stop.
    #[error("controllers did not finish within {0:?} after the wish to stop")]
    Drain(Duration),
}

/// Runs an operator: TLS provider, logs, client, probes and metrics, leader election, then `operate`, which should return
/// when [`Process::shutdown`] fires. A failure is printed with all its causes.
pub async fn run<E>(
    name: &'static str,
    version: &'static str,
    args: CommonArgs,
    operate: impl AsyncFnOnce(Process) -> Result<(), E>,
) -> ExitCode
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    match try_run(name, version, args, operate).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(operator = name, error = api_types::error_chain(&error), "ended");
            if matches!(error, RunError::Logs(_)) {
                eprintln!("{name}: {}", api_types::error_chain(&error));
            }
            ExitCode::FAILURE
        }
    }
}

async fn try_run<E>(
    name: &'static str,
    version: &'static str,
    args: CommonArgs,
    operate: impl AsyncFnOnce(Process) -> Result<(), E>,
) -> Result<(), RunError>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    // Fails only when a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    telemetry::init(args.log_format, &args.log_level).map_err(RunError::Logs)?;
    tracing::info!(operator = name, version, "starting");
    let shutdown = Shutdown::on_signals().map_err(RunError::Signals)?;
    let metrics = Metrics::new(name, version).map_err(RunError::Metrics)?;
    let readiness = Readiness::default();
    let mut admin = serve_admin(&args, &readiness, &metrics).await?;
    let identity = args
        .pod_name
        .clone()
        .unwrap_or_else(|| format!("{name}-{}", std::process::id()));
    let config = client_config().await?;
    let pod_namespace = args
        .pod_namespace
        .clone()
        .unwrap_or_else(|| config.default_namespace.clone());
    let client = Client::try_from(config).map_err(|e| RunError::Client(Box::new(e)))?;
    let process = Process {
        name,
        recorder: Recorder::new(client.clone(), name, &identity),
        client,
        metrics,
        readiness,
        shutdown,
        namespace: args.namespace,
        pod_namespace: pod_namespace.clone(),
        concurrency: args.concurrency,
    };
    let election = args.leader_elect.then(|| Election {
        namespace: pod_namespace,
        lease: args.lease_name.unwrap_or_else(|| name.to_owned()),
        identity,
    });
    let recorder = process.recorder.clone();
    let outcome = tokio::select! {
        outcome = lead(process, election, operate) => outcome,
        ended = &mut admin => Err(admin_ended(ended)),
    };
    recorder.flush().await;
    outcome
}

async fn serve_admin(
    args: &CommonArgs,
    readiness: &Readiness,
    metrics: &Metrics,
) -> Result<JoinHandle<Result<(), ServerError>>, RunError> {
    let listener = server::listen(args.listen).await?;
    let routes = server::router(readiness.clone(), metrics.clone());
    // It responds until the process ends, also while controllers finish: the signal to stop is not for it.
    let until_the_end = async move {
        let (_never, end) = Shutdown::new();
        server::serve(listener, routes, end).await
    };
    Ok(tokio::spawn(until_the_end))
}

fn admin_ended(ended: Result<Result<(), ServerError>, tokio::task::JoinError>) -> RunError {
    match ended {
        Ok(Err(error)) => error.into(),
        Ok(Ok(())) => ServerError::Serve(std::io::Error::other("it ended by itself")).into(),
        Err(error) => ServerError::Serve(std::io::Error::other(error)).into(),
    }
}

async fn client_config() -> Result<Config, RunError> {
    let mut config = Config::infer().await.map_err(|e| RunError::Config(Box::new(e)))?;
    config.default_retry = false;
    // Longer than the 290 s after which the API server ends a watch; so a dead connection is noticed.
    config.read_timeout = Some(Duration::from_secs(295));
    config.reset_reader_on_write = true;
    Ok(config)
}

/// Runs `operate` while this process leads, or at once when there is no election.
async fn lead<E>(
    process: Process,
    election: Option<Election>,
    operate: impl AsyncFnOnce(Process) -> Result<(), E>,
) -> Result<(), RunError>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let mut leadership: Option<Leadership> = None;
    if let Some(election) = election {
        leadership = leader::acquire(process.client.clone(), election, process.shutdown.clone()).await?;
        if leadership.is_none() {
            return Ok(());
        }
    }
    process.metrics.set_leader(true);
    let shutdown = process.shutdown.clone();
    let lost = async {
        match &mut leadership {
            Some(leadership) => leadership.lost().await,
            None => std::future::pending().await,
        }
    };
    let outcome = tokio::select! {
        outcome = operate(process) => outcome.map_err(|e| RunError::Operator(e.into())),
        error = lost => return Err(error.into()),
        () = drained(shutdown) => Err(RunError::Drain(DRAIN_TIMEOUT)),
    };
    // Only what has stopped may let another begin; after a failed drain the Lease runs out by itself.
    if let (Some(leadership), false) = (leadership, matches!(outcome, Err(RunError::Drain(_)))) {
        leadership.release().await;
    }
    outcome
}

/// Returns when the signal to stop is older than [`DRAIN_TIMEOUT`].
async fn drained(shutdown: Shutdown) {
    shutdown.wait().await;
    // The deadline itself, not a pause: `operate` ending first cancels it.
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, std::future::pending::<()>()).await;
}

impl Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.name)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}
