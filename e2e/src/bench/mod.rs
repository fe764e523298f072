//! `make bench`: how long things take and what they cost the applications, over many runs on the real cluster.

pub mod changes;
pub mod credentials;
pub mod failover;
pub mod operations;
pub mod renewal;
pub mod samples;
pub mod volumes;

use std::time::Duration;

use anyhow::Result;
use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::cluster::{Cluster, TestNamespace};
use samples::Samples;

const PROVISIONING_TIMEOUT: Duration = Duration::from_secs(180);

/// Measures one thing in a namespace of its own, and returns how many rows were acknowledged.
type Part = for<'a> fn(&'a TestNamespace, Runs, &'a mut Samples) -> LocalBoxFuture<'a, Result<usize>>;

const PARTS: [(&str, Part); 5] = [
    ("sealwright-bench", |namespace, runs, samples| {
        operations::measure(namespace, runs, samples).boxed_local()
    }),
    ("sealwright-bench-changes", |namespace, runs, samples| {
        changes::measure(namespace, runs.changes, samples).boxed_local()
    }),
    ("sealwright-bench-volumes", |namespace, runs, samples| {
        volumes::measure(namespace, runs.changes, samples).boxed_local()
    }),
    ("sealwright-bench-credentials", |namespace, runs, samples| {
        credentials::measure(namespace, runs.changes, samples).boxed_local()
    }),
    ("sealwright-bench-failover", |namespace, runs, samples| {
        failover::measure(namespace, runs.failovers, samples).boxed_local()
    }),
];

/// How often each thing is measured.
#[derive(Clone, Copy, Debug)]
pub struct Runs {
    /// Rounds over the five operations without a restart.
    pub rounds: usize,
    /// Rounds over the five operations and `Restart` with a rolling restart.
    pub restarting: usize,
    /// Renewals that nobody asked for.
    pub renewals: usize,
    /// New `verify-full` connections, at least, while certificates are rotated and issuers changed.
    pub connections: usize,
    /// Rounds over changes of parameters, resources, members, version, volumes and password, and the return of a standby.
    pub changes: usize,
    /// Losses of the primary's Pod.
    pub failovers: usize,
}

/// Measures, and returns the tables.
///
/// # Errors
/// When an operation does not end well, or an acknowledged row is lost.
pub async fn run(cluster: &Cluster, runs: Runs) -> Result<String> {
    let mut samples = Samples::default();
    let mut rows = 0;
    for (namespace, measure) in PARTS {
        cluster.remove_namespace(namespace).await?;
        let namespace = cluster.namespace(namespace).await?;
        let outcome = measure(&namespace, runs, &mut samples).await;
        namespace.remove().await?;
        rows += outcome?;
    }
    Ok(format!(
        "{}\nWhere the time goes (median):\n\n{}\n{rows} rows were acknowledged to the applications, none is lost.",
        samples.table(),
        samples.breakdown(),
    ))
}
