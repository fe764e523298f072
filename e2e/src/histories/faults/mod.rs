//! Faults that a run makes, one after the other.

mod clock;
mod members;
mod requests;

use std::time::Duration;

use anyhow::{Context, Result};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use tokio::time::{Instant, sleep_until};

use crate::cluster::TestNamespace;
use crate::members::Member;
use crate::provider;

pub use clock::Clocks;
pub use requests::{settle, two_issuers};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The primary's Pod is deleted without grace.
    KillPrimary,
    /// A standby's Pod is deleted without grace.
    KillStandby,
    /// Every process of PostgreSQL in the primary stands still for a while; Patroni goes on.
    FreezePrimary,
    /// The same in a standby.
    FreezeStandby,
    /// Everything in the primary's container stands still, Patroni too: when it wakes up, another member may lead.
    StopPrimary,
    /// The primary's node is cut off the network for a while.
    CutPrimary,
    /// Nothing reaches the primary's node, but what it sends is received.
    CutToPrimary,
    /// What the primary's node sends is lost, but it receives.
    CutFromPrimary,
    /// Nothing reaches a standby's node, but what it sends is received.
    CutToStandby,
    /// The disk of the primary is full for a while.
    FillPrimary,
    /// The disk of a standby is full for a while.
    FillStandby,
    /// The clock of the primary is up to an hour off for a while.
    ShiftPrimarysClock,
    /// The clock of a standby is.
    ShiftStandbysClock,
    /// A `Restart` of all members begins.
    Restart,
    /// A member joins, or one leaves.
    Scale,
    /// TLS is added, rotated, moved to another issuer, or removed.
    ReconfigureTls,
    /// Patroni is asked for another primary.
    Switchover,
    /// The Pods of ops-manager and provisioner are deleted without grace.
    KillOperators,
}

impl Fault {
    const ALL: [Self; 18] = [
        Self::KillPrimary,
        Self::KillStandby,
        Self::FreezePrimary,
        Self::FreezeStandby,
        Self::StopPrimary,
        Self::CutPrimary,
        Self::CutToPrimary,
        Self::CutFromPrimary,
        Self::CutToStandby,
        Self::FillPrimary,
        Self::FillStandby,
        Self::ShiftPrimarysClock,
        Self::ShiftStandbysClock,
        Self::Restart,
        Self::Scale,
        Self::ReconfigureTls,
        Self::Switchover,
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
            Self::FreezePrimary => "primary's PostgreSQL frozen",
            Self::FreezeStandby => "standby's PostgreSQL frozen",
            Self::StopPrimary => "primary frozen",
            Self::CutPrimary => "primary's node cut off",
            Self::CutToPrimary => "primary's node receives nothing",
            Self::CutFromPrimary => "primary's node sends nothing",
            Self::CutToStandby => "standby's node receives nothing",
            Self::FillPrimary => "primary's disk full",
            Self::FillStandby => "standby's disk full",
            Self::ShiftPrimarysClock => "primary's clock off",
            Self::ShiftStandbysClock => "standby's clock off",
            Self::Restart => "Restart",
            Self::Scale => "scale",
            Self::ReconfigureTls => "ReconfigureTLS",
            Self::Switchover => "switchover",
            Self::KillOperators => "operators killed",
        }
    }

    /// Makes it, and heals it after a while where it does not heal by itself. A fault that finds nothing to break, because an
    /// earlier one did, is none.
    ///
    /// # Errors
    /// What could not be healed.
    pub async fn make(self, ground: &Ground<'_>, random: &mut StdRng) -> Result<bool> {
        // Drawn by every fault alike, so that a seed means the same whatever the faults find.
        let long = Duration::from_millis(random.random_range(3_000..25_000));
        let number = random.random_range(0..u32::MAX);
        let all = crate::members::list(ground.namespace, ground.database).await?;
        let primary = all.iter().find(|member| member.is_primary());
        let standby = all.iter().find(|member| !member.is_primary());
        let target = if self.is_of_a_standby() { standby } else { primary };
        match (self, target) {
            (Self::KillOperators, _) => kill_operators(ground.namespace).await,
            (Self::Restart, _) => requests::restart(ground, number).await,
            (Self::Scale, _) => requests::scale(ground).await,
            (Self::ReconfigureTls, _) => requests::reconfigure_tls(ground, number).await,
            (Self::Switchover, Some(member)) => members::switchover(ground, member).await,
            (_, Some(member)) => self.break_member(ground, member, long, number).await,
            (_, None) => Ok(false),
        }
    }

    fn is_of_a_standby(self) -> bool {
        matches!(
            self,
            Self::KillStandby
                | Self::FreezeStandby
                | Self::CutToStandby
                | Self::FillStandby
                | Self::ShiftStandbysClock
        )
    }

    async fn break_member(
        self,
        ground: &Ground<'_>,
        member: &Member,
        long: Duration,
        number: u32,
    ) -> Result<bool> {
        match self {
            Self::KillPrimary | Self::KillStandby => members::kill(ground, member).await,
            Self::FreezePrimary | Self::FreezeStandby => members::freeze(ground, member, long).await,
            // Longer than Patroni's time to live, or nothing happens.
            Self::StopPrimary => members::stop(ground, member, long * 2).await,
            Self::CutPrimary => cut("cut", &member.node, long).await,
            Self::CutToPrimary | Self::CutToStandby => cut("cut-in", &member.node, long).await,
            Self::CutFromPrimary => cut("cut-out", &member.node, long).await,
            Self::FillPrimary | Self::FillStandby => members::fill(ground, member, long).await,
            Self::ShiftPrimarysClock | Self::ShiftStandbysClock => {
                clock::shift(ground, member, long, number).await
            }
            _ => Ok(false),
        }
    }
}

/// What faults are made on.
pub struct Ground<'a> {
    /// Where.
    pub namespace: &'a TestNamespace,
    /// The database.
    pub database: &'a str,
    /// Its members when nothing is scaled.
    pub members: i32,
    /// Whether the members' disks are small and their own.
    pub has_small_disks: bool,
    /// Whether the members' clocks can be shifted.
    pub has_clocks: bool,
}

async fn cut(how: &str, node: &str, long: Duration) -> Result<bool> {
    let end = Instant::now() + long;
    if !provider::node(how, node).await? {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn every_fault_has_a_word_of_its_own_and_occurs() {
        let words: BTreeSet<&str> = Fault::ALL.iter().map(|fault| fault.word()).collect();
        assert_eq!(words.len(), Fault::ALL.len());
        let mut random = StdRng::seed_from_u64(1);
        let drawn: BTreeSet<&str> = (0..500).map(|_| Fault::any(&mut random).word()).collect();
        assert_eq!(drawn, words);
    }
}
