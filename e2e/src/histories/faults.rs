//! Faults that a run makes, one after the other.

use std::time::Duration;

use anyhow::{Context, Result};
use api_types::vocabulary::POSTGRES_CONTAINER;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use tokio::time::{Instant, sleep_until};

use crate::cluster::TestNamespace;
use crate::members::{self, Member};
use crate::{manifests, provider, requests, shell};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The primary's Pod is deleted without grace.
    KillPrimary,
    /// A standby's Pod is deleted without grace.
    KillStandby,
    /// Every process of PostgreSQL in the primary stands still for a while.
    FreezePrimary,
    /// The same in a standby.
    FreezeStandby,
    /// The primary's node is cut off the network for a while.
    CutPrimary,
    /// A `Restart` of all members begins.
    Restart,
    /// The Pods of ops-manager and provisioner are deleted without grace.
    KillOperators,
}

impl Fault {
    const ALL: [Self; 7] = [
        Self::KillPrimary,
        Self::KillStandby,
        Self::FreezePrimary,
        Self::FreezeStandby,
        Self::CutPrimary,
        Self::Restart,
        Self::KillOperators,
    ];

    /// Any of them.
    pub fn any(random: &mut StdRng) -> Self {
        *Self::ALL.choose(random).unwrap_or(&Self::KillPrimary)
    }

    /// As in the table.
    pub fn word(self) -> &'static str {
        match self {
            Self::KillPrimary => "primary killed",
            Self::KillStandby => "standby killed",
            Self::FreezePrimary => "primary frozen",
            Self::FreezeStandby => "standby frozen",
            Self::CutPrimary => "primary's node cut off",
            Self::Restart => "Restart",
            Self::KillOperators => "operators killed",
        }
    }

    /// Makes it, and heals it after a while where it does not heal by itself. A fault that finds nothing to break, because an
    /// earlier one did, is none.
    ///
    /// # Errors
    /// What could not be healed.
    pub async fn make(self, namespace: &TestNamespace, database: &str, random: &mut StdRng) -> Result<bool> {
        let long = Duration::from_millis(random.random_range(3_000..25_000));
        let number = random.random_range(0..u32::MAX);
        let all = members::list(namespace, database).await?;
        let primary = all.iter().find(|member| member.is_primary());
        let standby = all.iter().find(|member| !member.is_primary());
        match (self, primary, standby) {
            (Self::KillPrimary, Some(member), _) | (Self::KillStandby, _, Some(member)) => {
                kill(namespace, &member.name).await
            }
            (Self::FreezePrimary, Some(member), _) | (Self::FreezeStandby, _, Some(member)) => {
                freeze(namespace, member, long).await
            }
            (Self::CutPrimary, Some(member), _) => cut(&member.node, long).await,
            (Self::Restart, _, _) => {
                let name = format!("restart-{number:08x}");
                requests::create(namespace, manifests::RESTART, &name, database).await?;
                Ok(true)
            }
            (Self::KillOperators, _, _) => kill_operators(namespace).await,
            _ => Ok(false),
        }
    }
}

async fn kill(namespace: &TestNamespace, pod: &str) -> Result<bool> {
    let at_once = DeleteParams::default().grace_period(0);
    Ok(namespace.pods().delete(pod, &at_once).await.is_ok())
}

/// A signal to every process of PostgreSQL; Patroni and the shell go on.
fn signal(signal: &str) -> String {
    format!(
        "for p in /proc/[0-9]*; do [ \"$(cat $p/comm 2>/dev/null)\" = postgres ] && kill -{signal} ${{p#/proc/}}; done; true"
    )
}

async fn freeze(namespace: &TestNamespace, member: &Member, long: Duration) -> Result<bool> {
    let end = Instant::now() + long;
    let pods = namespace.pods();
    let run = async |script: &str| {
        let command = ["sh", "-c", script];
        shell::output_of(&pods, &member.name, POSTGRES_CONTAINER, &command).await
    };
    if run(&signal("STOP")).await.is_err() {
        return Ok(false);
    }
    sleep_until(end).await;
    // A Pod that was replaced meanwhile has no process that stands still.
    let _ = run(&signal("CONT")).await;
    Ok(true)
}

async fn cut(node: &str, long: Duration) -> Result<bool> {
    let end = Instant::now() + long;
    if !provider::node("cut", node).await? {
        return Ok(false);
    }
    sleep_until(end).await;
    provider::node("heal", node).await.context("a node stays cut off")
}

async fn kill_operators(namespace: &TestNamespace) -> Result<bool> {
    let all: kube::Api<k8s_openapi::api::core::v1::Pod> = kube::Api::all(namespace.client.clone());
    let ours = ListParams::default().labels("app.kubernetes.io/name in (ops-manager,provisioner)");
    let at_once = DeleteParams::default().grace_period(0);
    for pod in all.list(&ours).await? {
        let place = pod.namespace().unwrap_or_default();
        let pods: kube::Api<k8s_openapi::api::core::v1::Pod> =
            kube::Api::namespaced(namespace.client.clone(), &place);
        let _ = pods.delete(&pod.name_any(), &at_once).await;
    }
    Ok(true)
}
