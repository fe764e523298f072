//! Members that come and go: which stay, whether they are healthy, who serves reads, and what a member leaves behind.

use std::ops::Range;

use api_types::names;
use api_types::ops_request::{MemberCount, PlannedMember, PlannedRestart};
use api_types::reported::ops_request::conditions;
use blueprint::TlsInputs;
use jiff::SignedDuration;

use crate::effect::{Effect, MemberEffect};
use crate::moves::{children, failover};
use crate::operation::Operation;
use crate::step::{Progress, StepResult, SubCondition};
use crate::waiting::WaitingOn;
use crate::world::{Member, Observed, World};

/// How long nodes may take to stop sending new sessions to a Pod that left a Service: it can't be observed from outside of
/// them. kube-proxy collects changes for a second by default (`iptables.minSyncPeriod`).
const ENDPOINTS_GRACE: SignedDuration = SignedDuration::from_secs(3);

/// The first members of a database, by their ordinals: those that stay.
#[derive(Clone, Copy, Debug)]
pub struct Staying<'a> {
    op: &'a Operation,
    count: i32,
}

impl<'a> Staying<'a> {
    /// This number of members stays.
    pub fn first(op: &'a Operation, count: i32) -> Self {
        Self { op, count }
    }

    /// Their Pods.
    pub fn pods(self) -> impl Iterator<Item = String> + 'a {
        (0..self.count).map(move |ordinal| names::pod(&self.op.database, ordinal))
    }

    /// Whether this Pod is one of them.
    pub fn has(self, pod: &str) -> bool {
        self.pods().any(|it| it == pod)
    }

    /// Members that were seen and do not stay.
    pub fn leaving(self, world: &World) -> impl Iterator<Item = (&String, &Member)> {
        world.members().iter().filter(move |(pod, _)| !self.has(pod))
    }

    /// The PetSet has this number of members, and the petset operator has observed it.
    ///
    /// # Errors
    /// What is next.
    pub fn are_wanted(self, world: &World) -> StepResult<()> {
        let count = MemberCount {
            replicas: Some(self.count),
        };
        let edit = children::followed_with(world, &count)?;
        let state = children::render(world, &edit, TlsInputs::default(), None)?;
        Progress::of(children::pet_set_effects(world, &state)?).require_done()?;
        Ok(children::template_is_observed(world)?)
    }

    /// Each of them exists, and is the primary or streams from it.
    ///
    /// # Errors
    /// What is waited for.
    pub fn are_healthy(self, world: &World) -> Result<(), WaitingOn> {
        let leader = world.leader().ok_or(WaitingOn::Primary)?;
        for pod in self.pods() {
            let Some(member) = world.members().get(&pod) else {
                let (wanted, seen) = (usize::try_from(self.count).unwrap_or(0), world.members().len());
                return Err(WaitingOn::Pods { wanted, seen });
            };
            if let Some(why) = member.unhealthy_reason(leader == pod) {
                return Err(WaitingOn::Member { pod, why });
            }
        }
        Ok(())
    }

    /// The primary is one of them, so every acknowledged row stays, and the others can take over from it.
    ///
    /// # Errors
    /// What is next.
    pub fn have_every_row(self, world: &World) -> StepResult<()> {
        failover::to_one_of(self.op, world, |pod| self.has(pod)).require_done()?;
        Ok(self.are_healthy(world)?)
    }

    /// The Service for reads has them, and none of the others.
    ///
    /// # Errors
    /// What is next.
    pub fn serve_reads(self, world: &World) -> StepResult<()> {
        let members = world.members().iter().filter(|(_, member)| !member.terminating);
        let wrong = members.filter(|(pod, member)| member.serves_reads != self.has(pod));
        let effects = wrong.map(|(pod, member)| serve_reads(pod, member, !member.serves_reads));
        Progress::of(effects.collect()).require_done()
    }

    /// No client has a session on the others, or has had this long to end it; and no new one is sent to them.
    ///
    /// # Errors
    /// What is waited for.
    pub fn others_are_idle(self, world: &World, timeout: SignedDuration) -> Result<(), WaitingOn> {
        if self.op.step_age(world.now) < ENDPOINTS_GRACE {
            return Err(WaitingOn::Endpoints);
        }
        let sessions = |(_, member): (&String, &Member)| Some(member.server.present()?.sessions);
        let sessions = self.leaving(world).filter_map(sessions);
        let left: i64 = sessions.map(|it| it.encrypted + it.plaintext).sum();
        if left > 0 && self.op.step_age(world.now) < timeout {
            return Err(WaitingOn::SessionsOfLeaving { left, timeout });
        }
        Ok(())
    }

    /// The Pods of the others are gone.
    ///
    /// # Errors
    /// What is waited for.
    pub fn others_have_ended(self, world: &World) -> Result<(), WaitingOn> {
        let left: Vec<String> = self.leaving(world).map(|(pod, _)| pod.clone()).collect();
        if left.is_empty() {
            return Ok(());
        }
        Err(WaitingOn::PodsToEnd(left))
    }

    /// No member has a replication slot of a member beyond the current number and below `before`, the former number of
    /// members. By default Patroni keeps such a slot for half an hour, with the WAL that it holds.
    ///
    /// # Errors
    /// What is next.
    pub fn have_no_other_slots(self, world: &World, before: i32) -> StepResult<()> {
        let gone: Vec<String> = (self.count..before)
            .map(|ordinal| names::replication_slot(&names::pod(&self.op.database, ordinal)))
            .collect();
        if let Some(pod) = world.leader()
            && let Observed::Unknown(why) = &world.members()[pod].server
        {
            let (pod, why) = (
                pod.to_owned(),
                format!("its replication slots are not known: {why}"),
            );
            return Err(WaitingOn::Member { pod, why }.into());
        }
        let servers = world
            .members()
            .values()
            .filter_map(|member| member.server.present());
        let mut left: Vec<String> = servers
            .flat_map(|server| server.slots.keys().filter(|slot| gone.contains(slot)).cloned())
            .collect();
        left.sort();
        left.dedup();
        match (left.is_empty(), forgets_slots(world)) {
            (true, _) => Ok(()),
            (false, Some(false)) => Err(forget_slots(world, true)?),
            (false, _) => Err(WaitingOn::Slots(left).into()),
        }
    }
}

/// What happens to each member when their number changes.
pub fn planned(database: &str, before: i32, after: i32) -> Vec<PlannedMember> {
    let member = |ordinal: i32| {
        let (restart, reason) = if ordinal >= after {
            (
                PlannedRestart::Leaves,
                "it leaves, as the members with the highest ordinals do",
            )
        } else if ordinal >= before {
            (PlannedRestart::Joins, "it is new")
        } else {
            (PlannedRestart::Never, "it goes on")
        };
        PlannedMember {
            name: names::pod(database, ordinal),
            role: None,
            restart,
            reason: reason.into(),
        }
    };
    (0..before.max(after)).map(member).collect()
}

/// What is reported of members with these ordinals that are new (KubeDB's sub-conditions).
pub fn joined(op: &Operation, world: &World, ordinals: Range<i32>) -> Vec<SubCondition> {
    let mut parts = Vec::new();
    for pod in ordinals.map(|ordinal| names::pod(&op.database, ordinal)) {
        if let Some(member) = world.members().get(&pod) {
            let is_leader = world.leader() == Some(pod.as_str());
            let streams = member.unhealthy_reason(is_leader).is_none();
            let part = SubCondition::of_pod;
            parts.push(part(
                conditions::CHECK_POD_READY,
                "check pod ready",
                &pod,
                member.ready,
            ));
            parts.push(part(
                conditions::CHECK_REPLICA_FUNC,
                "check replica func",
                &pod,
                streams,
            ));
        }
    }
    parts
}

/// Patroni keeps the replication slots of absent members, as it does while no member leaves.
///
/// # Errors
/// What is next.
pub fn slots_are_kept(world: &World) -> StepResult<()> {
    match forgets_slots(world) {
        Some(true) => Err(forget_slots(world, false)?),
        Some(false) => Ok(()),
        None => Err(WaitingOn::Primary.into()),
    }
}

fn forgets_slots(world: &World) -> Option<bool> {
    world.members.as_ref()?.forgets_slots
}

fn forget_slots(world: &World, forget: bool) -> StepResult {
    let leader = world.leader().ok_or(WaitingOn::Primary)?.to_owned();
    Ok(Progress::Act(vec![
        MemberEffect::ForgetSlots { leader, forget }.into(),
    ]))
}

fn serve_reads(pod: &str, member: &Member, serve: bool) -> Effect {
    let (pod, uid) = (pod.to_owned(), member.uid.clone());
    MemberEffect::ServeReads { pod, uid, serve }.into()
}
