//! `make survive`: named faults during TLS operations on the real cluster, and one table of what they cost.
//!
//! Every fault has a namespace and a database of its own. What it disturbs outside of them it restores, whatever happens.

pub mod certificates;
pub mod changes;
pub mod disks;
pub mod drivers;
pub mod hangs;
pub mod issuers;
pub mod members;
pub mod operators;
pub mod platform;
pub mod requests;
pub mod row;
pub mod scene;
pub mod simulated;

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, anyhow, ensure};
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use futures::stream;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use crate::cluster::{Cluster, KEEP, MADE_HERE, TestNamespace, in_namespace};
use crate::{install, provider};
use row::Row;

/// Faults that leave everybody else alone run side by side, so many at once.
const SIDE_BY_SIDE: usize = 3;

/// What a fault gets.
#[derive(Clone)]
pub struct Stage {
    /// Its namespace.
    pub namespace: TestNamespace,
    /// For choices that differ from run to run.
    pub seed: u64,
}

impl Stage {
    /// The cluster.
    pub fn cluster(&self) -> Cluster {
        Cluster {
            client: self.namespace.client.clone(),
        }
    }
}

/// A named fault.
#[derive(Clone, Copy)]
pub struct Fault {
    /// Name, for `ONLY=`, and of its namespace.
    pub name: &'static str,
    /// Whether others would notice it: it then runs alone.
    pub alone: bool,
    /// Prepares, disturbs, restores, and says what was seen.
    pub run: fn(Stage) -> LocalBoxFuture<'static, Result<Vec<Row>>>,
}

/// All faults, in the order of the table.
pub fn faults() -> Vec<Fault> {
    [
        issuers::FAULTS,
        certificates::FAULTS,
        members::FAULTS,
        changes::FAULTS,
        hangs::FAULTS,
        requests::FAULTS,
        operators::FAULTS,
        platform::FAULTS,
        disks::FAULTS,
        drivers::FAULTS,
        simulated::FAULTS,
    ]
    .concat()
}

/// Runs them, those that may side by side first; rows in the order of the faults. `tell` gets each row when it is there.
///
/// # Errors
/// No fault has the name `only`.
pub async fn run(only: Option<&str>, seed: u64, tell: impl Fn(&Row)) -> Result<Vec<Row>> {
    let chosen: Vec<(usize, Fault)> = faults()
        .into_iter()
        .filter(|fault| only.is_none_or(|only| only == fault.name))
        .enumerate()
        .collect();
    let names: Vec<&str> = faults().iter().map(|fault| fault.name).collect();
    ensure!(!chosen.is_empty(), "no fault {only:?}; there are {names:?}");
    let (alone, quiet): (Vec<_>, Vec<_>) = chosen.into_iter().partition(|(_, fault)| fault.alone);
    let mut all: Vec<(usize, Row)> = Vec::new();
    for (faults, at_once) in [(quiet, SIDE_BY_SIDE), (alone, 1)] {
        let runs = faults
            .into_iter()
            .map(|(number, fault)| async move { (number, one(fault, seed).await) });
        let mut runs = stream::iter(runs).buffer_unordered(at_once);
        while let Some((number, rows)) = runs.next().await {
            rows.iter().for_each(&tell);
            all.extend(rows.into_iter().map(|row| (number, row)));
        }
    }
    all.sort_by_key(|(number, _)| *number);
    Ok(all.into_iter().map(|(_, row)| row).collect())
}

/// Puts back what faults disturb outside of their namespaces, whether a run was ended half-way or not.
pub async fn restore(cluster: &Cluster) -> Result<()> {
    provider::run("apiserver.sh", &["start"]).await?;
    issuers::scale(cluster, 1).await?;
    platform::heal_nodes(cluster).await?;
    provider::run("disk.sh", &["remove"]).await?;
    install::everything(cluster).await?;
    sweep(cluster).await
}

/// Removes the namespaces of faults that were stopped half-way.
async fn sweep(cluster: &Cluster) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    let made_here = ListParams::default().labels(MADE_HERE);
    if std::env::var_os(KEEP).is_some() {
        return Ok(());
    }
    for namespace in namespaces.list(&made_here).await? {
        let name = namespace.name_any();
        let of = |fault: &Fault| name.starts_with(&format!("{}-", fault.name));
        if faults().iter().any(of) {
            cluster.remove_namespace(&name).await?;
        }
    }
    Ok(())
}

/// Runs one; a fault that could not be performed or judged is a row with trouble.
async fn one(fault: Fault, seed: u64) -> Vec<Row> {
    let kept: Arc<Mutex<Vec<Row>>> = Arc::default();
    let keep = kept.clone();
    let outcome = in_namespace(fault.name, |namespace| async move {
        let rows = (fault.run)(Stage { namespace, seed }).await?;
        let trouble: Vec<String> = rows.iter().flat_map(|row| row.trouble.clone()).collect();
        *keep.lock().unwrap_or_else(PoisonError::into_inner) = rows;
        // Tells in_namespace to keep what explains it.
        if trouble.is_empty() {
            Ok(())
        } else {
            Err(anyhow!("{}", trouble.join("; ")))
        }
    })
    .await;
    let mut rows = std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner));
    if let Err(error) = outcome
        && rows.iter().all(Row::is_good)
    {
        rows.push(Row::broken(fault.name, &error));
    }
    rows
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_can_be_names_of_namespaces() {
        let names: BTreeSet<&str> = faults().iter().map(|fault| fault.name).collect();
        assert_eq!(names.len(), faults().len());
        let fits = |name: &&str| name.len() < 50 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        assert!(names.iter().all(fits), "{names:?}");
    }
}
