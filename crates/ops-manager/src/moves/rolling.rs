//! Making every Pod anew: standbys first, then the primary role moves, the old primary last.

use std::collections::BTreeMap;

use api_types::reported::ops_request::conditions;

use crate::effect::Effect;
use crate::moves::{config, failover};
use crate::operation::Operation;
use crate::step::{Mark, Needs, Progress};
use crate::world::{Member, World};

/// Makes every Pod of an old revision anew, one at a time. Done when all are of the PetSet's revision and healthy, and
/// each one that was made anew passes `proof`.
pub fn restart(
    op: &Operation,
    world: &World,
    proof: &dyn Fn(&str, &Member) -> Result<(), String>,
) -> Result<Progress, Progress> {
    if let Some(waiting) = config::revision_is_known(world)? {
        return Ok(Progress::Wait(waiting));
    }
    let rollout = Rollout::to_revision(world)?;
    if let Some(plan) = rollout.plan(op) {
        return Ok(plan);
    }
    rollout.go_on(op, proof)
}

/// Makes those Pods anew that the plan names, one at a time. Done as [`restart`] is.
pub fn restart_planned(
    op: &Operation,
    world: &World,
    proof: &dyn Fn(&str, &Member) -> Result<(), String>,
) -> Result<Progress, Progress> {
    let is_old = |pod: &str, member: &Member| op.plan.pods.get(pod) == Some(&member.uid);
    Rollout::new(world, is_old).go_on(op, proof)
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
    fn to_revision(world: &'a World) -> Needs<Self> {
        let status = world.pet_set.need("the PetSet")?.status.as_ref();
        let revision = status
            .and_then(|status| status.update_revision.as_deref())
            .unwrap_or_default();
        Ok(Self::new(world, |_, member| member.revision != revision))
    }

    fn new(world: &'a World, is_old: impl Fn(&str, &Member) -> bool) -> Self {
        let members = world.members.iter().map(|(pod, member)| (pod.as_str(), member));
        let (old, new) = members.partition(|(pod, member)| is_old(pod, member));
        Self { world, old, new }
    }

    fn go_on(
        &self,
        op: &Operation,
        proof: &dyn Fn(&str, &Member) -> Result<(), String>,
    ) -> Result<Progress, Progress> {
        if let Some(waiting) = self.missing().or_else(|| self.unfinished(proof)) {
            return Ok(Progress::Wait(waiting));
        }
        Ok(self.next(op))
    }

    fn is_leader(&self, pod: &str) -> bool {
        self.world.leader.as_deref() == Some(pod)
    }

    /// Which Pods are replaced is written down before the first one is.
    fn plan(&self, op: &Operation) -> Option<Progress> {
        if self.old.is_empty() || !op.plan.pods.is_empty() {
            return None;
        }
        let mut plan = op.plan.clone();
        plan.pods = self
            .old
            .iter()
            .map(|(pod, member)| ((*pod).to_owned(), member.uid.clone()))
            .collect();
        plan.old_primary.clone_from(&self.world.leader);
        Some(Progress::Choose(Box::new(plan)))
    }

    fn missing(&self) -> Option<String> {
        let wanted = usize::try_from(self.world.replicas()).unwrap_or(0);
        let seen = self.world.members.len();
        (seen < wanted).then(|| format!("waits for petset to make all {wanted} Pods; there are {seen}"))
    }

    /// What a Pod that was made anew still lacks.
    fn unfinished(&self, proof: &dyn Fn(&str, &Member) -> Result<(), String>) -> Option<String> {
        self.new.iter().find_map(|(pod, member)| {
            let trouble = member
                .trouble(self.is_leader(pod))
                .or_else(|| proof(pod, member).err());
            trouble.map(|trouble| format!("waits for {pod}: {trouble}"))
        })
    }

    /// The next Pod, when all new ones are finished.
    fn next(&self, op: &Operation) -> Progress {
        if let Some((pod, _)) = self.old.iter().find(|(_, member)| member.terminating) {
            return Progress::Wait(format!("waits for {pod} to end"));
        }
        let mut standbys: Vec<_> = self.old.iter().filter(|(pod, _)| !self.is_leader(pod)).collect();
        // Who is behind most has most to gain; a member in trouble may be cured by its restart.
        standbys.sort_by_key(|(pod, member)| {
            (
                std::cmp::Reverse(member.trouble(false).is_some()),
                std::cmp::Reverse(member.lag()),
                *pod,
            )
        });
        match (standbys.first(), self.old.first()) {
            (Some((pod, member)), _) => self.evict_if_others_serve(pod, member),
            (None, Some((leader, member))) if self.world.replicas() <= 1 => evict(leader, member),
            (None, Some((leader, _))) => failover::away_from(op, self.world, leader, &self.standbys()),
            (None, None) if self.world.leader.is_none() => Progress::Wait("waits for a primary".into()),
            (None, None) => Progress::Done,
        }
    }

    fn standbys(&self) -> Vec<&'a str> {
        self.new
            .iter()
            .map(|(pod, _)| *pod)
            .filter(|pod| !self.is_leader(pod))
            .collect()
    }

    fn evict_if_others_serve(&self, pod: &str, member: &Member) -> Progress {
        if self.world.leader.is_none() && self.world.replicas() > 1 {
            return Progress::Wait("waits for a primary".into());
        }
        let trouble = self
            .old
            .iter()
            .filter(|(other, _)| *other != pod)
            .find_map(|(other, member)| {
                let trouble = member.trouble(self.is_leader(other))?;
                Some(format!("{pod} is next; waits for {other}: {trouble}"))
            });
        trouble.map_or_else(|| evict(pod, member), Progress::Wait)
    }
}

fn evict(pod: &str, member: &Member) -> Progress {
    Progress::Act(vec![Effect::Evict {
        pod: pod.to_owned(),
        uid: member.uid.clone(),
    }])
}

/// What can be told about each Pod and about the change of primary (KubeDB's sub-conditions).
pub fn trail(op: &Operation, world: &World) -> Vec<Mark> {
    let mut marks = Vec::new();
    let old_primary = op.plan.old_primary.as_deref();
    for (pod, old_uid) in in_order(&op.plan.pods, old_primary) {
        let member = world.members.get(pod);
        if member.is_some_and(|member| member.uid == *old_uid && !member.terminating) {
            continue;
        }
        marks.push(Mark::of_pod(conditions::EVICT_POD, "evict pod", pod, true));
        let made_anew = member.filter(|member| member.uid != *old_uid);
        marks.push(Mark::of_pod(
            conditions::CHECK_POD_READY,
            "check pod ready",
            pod,
            made_anew.is_some_and(|m| m.ready),
        ));
        if made_anew.is_some_and(|member| member.ready) && op.plan.pods.len() > 1 {
            let streams = made_anew
                .is_some_and(|member| member.trouble(world.leader.as_deref() == Some(pod)).is_none());
            marks.push(Mark::of_pod(
                conditions::CHECK_REPLICA_FUNC,
                "check replica func",
                pod,
                streams,
            ));
        }
    }
    marks.extend(trail_of_switchover(op, world));
    marks
}

fn trail_of_switchover(op: &Operation, world: &World) -> Vec<Mark> {
    let (Some(candidate), Some(_)) = (&op.plan.candidate, &op.plan.old_primary) else {
        return Vec::new();
    };
    let moved = world.leader.as_ref() == Some(candidate);
    let mut marks = vec![Mark::of_database(conditions::GET_PRIMARY, "get primary", true)];
    marks.push(Mark::of_database(
        conditions::TRANSFER_LEADER,
        "transfer leader",
        moved,
    ));
    if moved {
        marks.push(Mark::of_database(
            conditions::CHECK_IS_MASTER,
            "check is master",
            true,
        ));
        marks.push(Mark::of_database(
            conditions::FAILOVER_DONE,
            "failover is done successfully",
            true,
        ));
    }
    marks
}

/// Pods in the order of their names, the old primary last.
fn in_order<'a>(pods: &'a BTreeMap<String, String>, last: Option<&str>) -> Vec<(&'a str, &'a String)> {
    let mut all: Vec<_> = pods.iter().map(|(pod, uid)| (pod.as_str(), uid)).collect();
    all.sort_by_key(|(pod, _)| Some(*pod) == last);
    all
}
