//! Restarting every Pod: standbys first, then the primary role moves, the old primary last.

use std::collections::BTreeMap;

use api_types::PetSet;
use api_types::reported::ops_request::conditions;

use crate::effect::MemberEffect;
use crate::moves::{children, failover};
use crate::operation::Operation;
use crate::step::{Progress, StepResult, SubCondition};
use crate::waiting::WaitingOn;
use crate::world::{Member, World};

/// What is done, for a plan.
pub fn describe(_: &Operation, world: &World) -> String {
    if world.replicas() <= 1 {
        "the Pod is restarted".into()
    } else {
        "the Pods are restarted one by one: the standbys, then a switchover, then the old primary".into()
    }
}

/// Recreates every Pod of an old revision, one at a time. Done when all Pods have the PetSet's revision and are
/// healthy, and each recreated one passes `proof`.
pub fn restart(
    op: &Operation,
    world: &World,
    proof: &dyn Fn(&str, &Member) -> Result<(), String>,
) -> StepResult {
    Rollout::planned(op, world)?.go_on(op, proof)
}

/// [`restart`] of the standbys. Done when none but the primary is left, the first before the others are touched.
pub fn restart_standbys(
    op: &Operation,
    world: &World,
    proof: &dyn Fn(&str, &Member) -> Result<(), String>,
) -> StepResult {
    let rollout = Rollout::planned(op, world)?;
    rollout.new_pass(proof)?;
    Ok(rollout.next_standby().unwrap_or(Progress::Done))
}

/// Recreates the Pods that the plan names, one at a time. Done under the same conditions as [`restart`].
pub fn restart_planned(
    op: &Operation,
    world: &World,
    proof: &dyn Fn(&str, &Member) -> Result<(), String>,
) -> StepResult {
    let is_old = |pod: &str, member: &Member| op.progress.pods.get(pod) == Some(&member.uid);
    Rollout::new(world, is_old).go_on(op, proof)
}

/// Takes back what [`restart`] did: of the Pods that it made, those that are not of the PetSet's revision any more are made
/// again, one at a time. Done as [`restart`] is; at once when it made none.
pub fn take_back(
    op: &Operation,
    world: &World,
    proof: &dyn Fn(&str, &Member) -> Result<(), String>,
) -> StepResult {
    if op.progress.pods.is_empty() {
        return Ok(Progress::Done);
    }
    let revision = revision(world)?;
    let was_made = |pod: &str, member: &Member| {
        let before = op.progress.pods.get(pod);
        before.is_none_or(|before| *before != member.uid)
    };
    let is_old = |pod: &str, member: &Member| was_made(pod, member) && member.revision != revision;
    Rollout::new(world, is_old).go_on(op, &|pod, member| {
        if was_made(pod, member) {
            proof(pod, member)
        } else {
            Ok(())
        }
    })
}

/// Recreates the Pods that are like this, one at a time. Done as [`restart`] is.
pub fn restart_where(
    op: &Operation,
    world: &World,
    is_old: impl Fn(&str, &Member) -> bool,
    proof: &dyn Fn(&str, &Member) -> Result<(), String>,
) -> StepResult {
    Rollout::new(world, is_old).go_on(op, proof)
}

/// Whether the petset operator reports that every Pod was made from the template.
pub fn is_rolled_out(pet_set: &PetSet) -> bool {
    let status = pet_set.status.as_ref();
    let updated = status
        .filter(|status| status.observed_generation == pet_set.metadata.generation)
        .and_then(|status| status.updated_replicas);
    updated.is_some() && updated == pet_set.spec.replicas
}

/// The revision of the PetSet's template.
///
/// # Errors
/// Why it is not known.
pub fn revision(world: &World) -> StepResult<&str> {
    let status = world.pet_set.require("the PetSet")?.status.as_ref();
    Ok(status
        .and_then(|status| status.update_revision.as_deref())
        .unwrap_or_default())
}

/// The members, sorted by what is left to do.
struct Rollout<'a> {
    world: &'a World,
    /// Of an old revision.
    old: Vec<(&'a str, &'a Member)>,
    /// Of the PetSet's revision.
    new: Vec<(&'a str, &'a Member)>,
}

impl<'a> Rollout<'a> {
    /// To the revision of the PetSet's template, once which Pods are replaced is written down.
    fn planned(op: &Operation, world: &'a World) -> StepResult<Self> {
        children::template_is_observed(world)?;
        let revision = revision(world)?;
        let rollout = Self::new(world, |_, member| member.revision != revision);
        rollout.plan(op).map_or(Ok(rollout), Err)
    }

    fn new(world: &'a World, is_old: impl Fn(&str, &Member) -> bool) -> Self {
        let members = world.members().iter().map(|(pod, member)| (pod.as_str(), member));
        let (old, new) = members.partition(|(pod, member)| is_old(pod, member));
        Self { world, old, new }
    }

    fn go_on(&self, op: &Operation, proof: &dyn Fn(&str, &Member) -> Result<(), String>) -> StepResult {
        self.new_pass(proof)?;
        Ok(self.next(op))
    }

    fn new_pass(&self, proof: &dyn Fn(&str, &Member) -> Result<(), String>) -> StepResult<()> {
        self.world.all_seen()?;
        Ok(self.world.these_pass(self.new.iter().copied(), proof)?)
    }

    fn is_leader(&self, pod: &str) -> bool {
        self.world.leader() == Some(pod)
    }

    /// Which Pods are replaced is written down before the first one is.
    fn plan(&self, op: &Operation) -> Option<Progress> {
        if self.old.is_empty() || !op.progress.pods.is_empty() {
            return None;
        }
        let mut progress = op.progress.clone();
        progress.pods = self
            .old
            .iter()
            .map(|(pod, member)| ((*pod).to_owned(), member.uid.clone()))
            .collect();
        progress.old_primary = self.world.leader().map(str::to_owned);
        Some(Progress::Choose(Box::new(progress)))
    }

    /// The next Pod, when all new ones are finished.
    fn next(&self, op: &Operation) -> Progress {
        if let Some(standby) = self.next_standby() {
            return standby;
        }
        match self.old.first() {
            Some((leader, member)) if self.world.replicas() <= 1 => evict(leader, member),
            Some(_) => failover::to_one_of(op, self.world, |pod| self.is_restarted(pod)),
            None if self.world.leader().is_none() => WaitingOn::Primary.into(),
            None => Progress::Done,
        }
    }

    /// The next standby, if one is left.
    fn next_standby(&self) -> Option<Progress> {
        if let Some((pod, _)) = self.old.iter().find(|(_, member)| member.terminating) {
            return Some(WaitingOn::PodEnd((*pod).to_owned()).into());
        }
        let mut standbys: Vec<_> = self.old.iter().filter(|(pod, _)| !self.is_leader(pod)).collect();
        // A restart may cure an unhealthy member, and helps most the one that lags most.
        standbys.sort_by_key(|(pod, member)| {
            (
                std::cmp::Reverse(member.unhealthy_reason(false).is_some()),
                std::cmp::Reverse(member.lag()),
                *pod,
            )
        });
        let (pod, member) = standbys.first()?;
        Some(self.evict_if_others_serve(pod, member))
    }

    fn is_restarted(&self, pod: &str) -> bool {
        self.new.iter().any(|(restarted, _)| *restarted == pod)
    }

    fn evict_if_others_serve(&self, pod: &str, member: &Member) -> Progress {
        if self.world.leader().is_none() && self.world.replicas() > 1 {
            return WaitingOn::Primary.into();
        }
        match others_serve(self.world, pod, self.old.iter().copied()) {
            Ok(()) => evict(pod, member),
            Err(on) => on.into(),
        }
    }
}

/// Whether each of these members but this one is healthy.
///
/// # Errors
/// The first one that is not.
pub fn others_serve<'a>(
    world: &World,
    pod: &str,
    these: impl IntoIterator<Item = (&'a str, &'a Member)>,
) -> Result<(), WaitingOn> {
    let mut others = these.into_iter().filter(|(other, _)| *other != pod);
    let unhealthy = others.find_map(|(other, member)| {
        let why = member.unhealthy_reason(world.leader() == Some(other))?;
        let (next, other) = (pod.to_owned(), other.to_owned());
        Some(WaitingOn::OtherMember { next, other, why })
    });
    unhealthy.map_or(Ok(()), Err)
}

fn evict(pod: &str, member: &Member) -> Progress {
    Progress::Act(vec![MemberEffect::evict(pod, member).into()])
}

/// What is reported of each Pod and of the change of primary (KubeDB's sub-conditions).
pub fn sub_conditions(op: &Operation, world: &World) -> Vec<SubCondition> {
    let mut parts = Vec::new();
    let old_primary = op.progress.old_primary.as_deref();
    for (pod, old_uid) in in_order(&op.progress.pods, old_primary) {
        let member = world.members().get(pod);
        if member.is_some_and(|member| member.uid == *old_uid && !member.terminating) {
            continue;
        }
        parts.push(SubCondition::of_pod(
            conditions::EVICT_POD,
            "evict pod",
            pod,
            true,
        ));
        let restarted = member.filter(|member| member.uid != *old_uid);
        parts.push(SubCondition::of_pod(
            conditions::CHECK_POD_READY,
            "check pod ready",
            pod,
            restarted.is_some_and(|m| m.ready),
        ));
        if restarted.is_some_and(|member| member.ready) && op.progress.pods.len() > 1 {
            let streams = restarted
                .is_some_and(|member| member.unhealthy_reason(world.leader() == Some(pod)).is_none());
            parts.push(SubCondition::of_pod(
                conditions::CHECK_REPLICA_FUNC,
                "check replica func",
                pod,
                streams,
            ));
        }
    }
    parts.extend(parts_of_switchover(op, world));
    parts
}

fn parts_of_switchover(op: &Operation, world: &World) -> Vec<SubCondition> {
    let (Some(candidate), Some(_)) = (&op.progress.candidate, &op.progress.old_primary) else {
        return Vec::new();
    };
    let moved = world.leader() == Some(candidate.as_str());
    let mut parts = vec![SubCondition::of_database(
        conditions::GET_PRIMARY,
        "get primary",
        true,
    )];
    parts.push(SubCondition::of_database(
        conditions::TRANSFER_LEADER,
        "transfer leader",
        moved,
    ));
    if moved {
        parts.push(SubCondition::of_database(
            conditions::CHECK_IS_MASTER,
            "check is master",
            true,
        ));
        parts.push(SubCondition::of_database(
            conditions::FAILOVER_DONE,
            "failover is done successfully",
            true,
        ));
    }
    parts
}

/// Pods in the order of their names, the old primary last.
fn in_order<'a>(pods: &'a BTreeMap<String, String>, last: Option<&str>) -> Vec<(&'a str, &'a String)> {
    let mut all: Vec<_> = pods.iter().map(|(pod, uid)| (pod.as_str(), uid)).collect();
    all.sort_by_key(|(pod, _)| Some(*pod) == last);
    all
}
