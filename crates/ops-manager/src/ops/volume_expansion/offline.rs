//! `mode: Offline`: a member's Pod is away while its volume grows, one member at a time: the standbys, then, after a switchover, the
//! former primary.
//!
//! A note on the claim keeps petset from making the Pod. It ends by itself soon after the step's own deadline, so that no member
//! stays without a Pod when this operator is gone.

use std::cmp::Reverse;

use api_types::no_pod::NoPod;
use api_types::ops_request::VolumePlan;
use api_types::reported::ops_request::conditions;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::preflight;
use super::steps::{self, Driver, MemberVolumes, Next};
use crate::effect::{Effect, MemberEffect};
use crate::moves::{failover, rolling};
use crate::operation::Operation;
use crate::step::{EndsPods, Progress, Step, StepResult, SubCondition};
use crate::volumes::effect::VolumeEffect;
use crate::volumes::world;
use crate::waiting::WaitingOn;
use crate::world::{Member, World};

/// For how long after the step's deadline a Pod stays away when this operator does not let it back.
const GRACE: SignedDuration = SignedDuration::from_mins(1);

/// Claims ask for the size while no Pod uses them, and every member is back and seen to have it.
pub const EXPAND: Step = Step::new(
    conditions::VOLUME_EXPANSION_SUCCEEDED,
    "Offline Volume Expansion performed successfully in Postgres pods",
    describe,
    expand,
)
.saying(|op| {
    format!(
        "Offline Volume Expansion performed successfully in Postgres pods for PostgresDBOpsRequest: {}/{}",
        op.namespace, op.name
    )
})
.ending_pods(|_| EndsPods::Always)
.with_sub_conditions(parts);

fn describe(_: &Operation, world: &World) -> String {
    let how = "the Pod ends, the claim asks for the new size, the storage driver enlarges the volume while no Pod uses it, and the \
               Pod comes back";
    let then = "seen to have the room";
    if world.replicas() <= 1 {
        format!("{how}, which is {then}; the database is down until then")
    } else {
        format!(
            "one member at a time, the standbys, then, after a switchover, the old primary: {how}; each member streams again and is \
             {then} before the next one's turn"
        )
    }
}

fn expand(op: &Operation, world: &World) -> StepResult {
    let plan = steps::plan(op)?;
    world::of(world)?.members.require("the members' Pods")?;
    let all = steps::volumes(op, world)?;
    let turn = Turn { op, world, plan };
    turn.note(&all)?;
    if let Some(away) = all.iter().find(|it| it.claim.is_withheld(world.now)) {
        return turn.go_on_with(away);
    }
    let (left, back): (Vec<&MemberVolumes<'_>>, Vec<_>) = all.iter().partition(|it| turn.is_left(it));
    turn.are_back(&back)?;
    turn.none_is_refused(&left)?;
    if left.is_empty() {
        return turn.end(&all);
    }
    turn.next(left)
}

/// Lets every Pod back that is away.
///
/// # Errors
/// What is waited for.
pub fn let_pods_back(world: &World) -> StepResult<Vec<Effect>> {
    let claims = world.claims.require("the members' volume claims")?;
    let noted = claims.iter().filter(|claim| claim.no_pod_until.is_some());
    Ok(noted.map(|claim| let_back(&claim.name)).collect())
}

fn let_back(claim: &str) -> Effect {
    let claim = claim.to_owned();
    VolumeEffect::LetPodBack { claim }.into()
}

/// Whether the member's PostgreSQL does not run, so that nobody misses its Pod. One that only this operator can't reach may run.
fn is_out_of_service(member: &Member) -> bool {
    let runs = member.patroni.present().is_some_and(|state| state.running);
    !member.ready && !runs
}

fn parts(op: &Operation, world: &World) -> Vec<SubCondition> {
    let mut parts = rolling::sub_conditions(op, world);
    parts.extend(steps::proven(op, world));
    parts
}

/// One look at all members, for whose turn it is.
struct Turn<'a> {
    op: &'a Operation,
    world: &'a World,
    plan: &'a VolumePlan,
}

impl Turn<'_> {
    /// What there was is written down before the first Pod ends.
    fn note(&self, all: &[MemberVolumes<'_>]) -> StepResult<()> {
        let Some(mut progress) = steps::noted(self.op, self.plan, all) else {
            return Ok(());
        };
        let uid = |it: &MemberVolumes<'_>| it.seen.map(|seen| seen.uid.clone()).unwrap_or_default();
        let left = all.iter().filter(|it| self.is_left(it));
        progress.pods = left.map(|it| (it.pod.clone(), uid(it))).collect();
        progress.old_primary = self.world.leader().map(str::to_owned);
        Err(Progress::Choose(Box::new(progress)))
    }

    /// Whether the member's Pod still has to go, or is away.
    fn is_left(&self, volume: &MemberVolumes<'_>) -> bool {
        if self.plan.refused.contains_key(&volume.pod) {
            return false;
        }
        match steps::driver(volume.claim, self.plan) {
            Driver::HasSize => false,
            Driver::NodeIsNext => !(self.is_enlarged(volume) && self.has_ended(volume)),
            Driver::NotAsked | Driver::AtIt | Driver::Refuses(_) => true,
        }
    }

    /// Of the size that is wanted, and not of one that was asked for before.
    fn is_enlarged(&self, volume: &MemberVolumes<'_>) -> bool {
        let attempted = volume.claim.resize.attempted;
        attempted.is_none_or(|bytes| preflight::is_enough(bytes, self.plan))
    }

    /// Whether the Pod that there was before is gone: the file system grows when another one mounts it.
    fn has_ended(&self, volume: &MemberVolumes<'_>) -> bool {
        let before = self.op.progress.pods.get(&volume.pod);
        before.is_some_and(|before| volume.seen.is_none_or(|seen| seen.uid != *before))
    }

    /// The member whose Pod is away, or about to end.
    fn go_on_with(&self, volume: &MemberVolumes<'_>) -> StepResult {
        let claim = volume.claim;
        if !self.is_left(volume) {
            return Ok(Progress::Act(vec![let_back(&claim.name)]));
        }
        if volume.seen.is_some() {
            return self.end_pod(volume);
        }
        match steps::driver(claim, self.plan) {
            Driver::NotAsked => Ok(Progress::Act(vec![steps::ask(claim, self.plan).into()])),
            Driver::Refuses(why) => Err(self.refused(&volume.pod, why)),
            // Of a size that was asked for before: external-resizer goes on only when kubelet has done its part of that.
            Driver::NodeIsNext => Ok(Progress::Act(vec![let_back(&claim.name)])),
            Driver::AtIt | Driver::HasSize => {
                let why = format!("its Pod is away; {}", steps::driver_is_at_it(claim));
                Err(WaitingOn::Outdated(vec![(volume.pod.clone(), why)]).into())
            }
        }
    }

    /// The claim is noted, and the Pod is there: the operator was killed in between. Much may have changed since.
    fn end_pod(&self, volume: &MemberVolumes<'_>) -> StepResult {
        let pod = volume.pod.as_str();
        let leads = self.world.leader() == Some(pod) && self.world.replicas() > 1;
        match self.may_end(pod) {
            Err(WaitingOn::PodEnd(pod)) => Err(WaitingOn::PodEnd(pod).into()),
            Ok(member) if !leads => Ok(Progress::Act(vec![MemberEffect::evict(pod, member).into()])),
            _ => Ok(Progress::Act(vec![let_back(&volume.claim.name)])),
        }
    }

    /// Members whose turn is over are seen to have the room.
    fn are_back(&self, back: &[&MemberVolumes<'_>]) -> StepResult<()> {
        let mut waits = Vec::new();
        for volume in back {
            let pod = volume.pod.clone();
            if self.plan.refused.contains_key(&pod) {
                if volume.seen.is_none() {
                    waits.push((pod, "its Pod has to come back".to_owned()));
                }
                continue;
            }
            match steps::next(volume, self.plan) {
                Next::Done => {}
                Next::Wait(why) => waits.push((pod, why)),
                Next::Refused(why) => return Err(self.refused(&pod, why)),
                Next::Do(effect) => return Err(Progress::Act(vec![effect.into()])),
            }
        }
        if waits.is_empty() {
            return Ok(());
        }
        Err(WaitingOn::Outdated(waits).into())
    }

    /// What the driver refuses already costs no restart.
    fn none_is_refused(&self, left: &[&MemberVolumes<'_>]) -> StepResult<()> {
        for volume in left {
            if let Driver::Refuses(why) = steps::driver(volume.claim, self.plan) {
                return Err(self.refused(&volume.pod, why));
            }
        }
        Ok(())
    }

    /// Written down, because the driver tries again now and then, and reports no refusal meanwhile.
    fn refused(&self, pod: &str, why: String) -> Progress {
        let mut plan = self.plan.clone();
        plan.refused.insert(pod.to_owned(), why);
        let mut progress = self.op.progress.clone();
        progress.change.volume_expansion = Some(plan);
        Progress::Choose(Box::new(progress))
    }

    /// Standbys first, of these the ones that do not run, then the ones that lag most; the primary after a switchover.
    fn next(&self, mut left: Vec<&MemberVolumes<'_>>) -> StepResult {
        let leader = self.world.leader().filter(|_| self.world.replicas() > 1);
        left.retain(|it| leader != Some(it.pod.as_str()));
        left.sort_by_key(|it| self.order(&it.pod));
        let Some(volume) = left.first() else {
            failover::to_one_of(self.op, self.world, |pod| leader != Some(pod)).require_done()?;
            return Err(WaitingOn::Primary.into());
        };
        if matches!(steps::driver(volume.claim, self.plan), Driver::NodeIsNext) && self.has_ended(volume) {
            let why = "kubelet has to enlarge its file system to a size that was asked for before".to_owned();
            return Err(WaitingOn::Outdated(vec![(volume.pod.clone(), why)]).into());
        }
        let member = self.may_end(&volume.pod)?;
        let keep_away = VolumeEffect::KeepPodAway {
            claim: volume.claim.name.clone(),
            note: self.note_on_claim(),
        };
        Ok(Progress::Act(vec![
            keep_away.into(),
            MemberEffect::evict(&volume.pod, member).into(),
        ]))
    }

    /// Without a primary, the last one comes first: it has every row.
    fn order<'b>(&self, pod: &'b str) -> (bool, bool, Reverse<i64>, &'b str) {
        let member = self.world.members().get(pod);
        let status = self.world.postgres.present().and_then(|it| it.status.as_ref());
        let last = status.and_then(|status| status.last_primary.as_ref());
        let was_primary = last.is_some_and(|last| last.pod == pod);
        (
            !member.is_some_and(is_out_of_service),
            !was_primary,
            Reverse(member.map_or(i64::MAX, Member::lag)),
            pod,
        )
    }

    fn note_on_claim(&self) -> NoPod {
        let began: Timestamp = self.op.step_began.unwrap_or(self.world.now);
        let longest = self.op.timeout_of_steps(self.world.replicas());
        let until = began.saturating_add(longest.saturating_add(GRACE));
        NoPod {
            by: format!("{}/{}", self.op.name, self.op.uid),
            until: Time(until.unwrap_or(began)),
        }
    }

    /// Whether the Pod may end: all others serve, or this one does not.
    fn may_end(&self, pod: &str) -> Result<&Member, WaitingOn> {
        let world = self.world;
        let member = world.members().get(pod).ok_or_else(|| WaitingOn::Missing {
            what: format!("Pod {pod}"),
        })?;
        if member.terminating {
            return Err(WaitingOn::PodEnd(pod.to_owned()));
        }
        if world.replicas() <= 1 || is_out_of_service(member) {
            return Ok(member);
        }
        world.all_seen()?;
        world.leader().ok_or(WaitingOn::Primary)?;
        let all = world.members().iter().map(|(pod, member)| (pod.as_str(), member));
        rolling::others_serve(world, pod, all)?;
        Ok(member)
    }

    /// No member is left. A database that had a primary has one again, and every standby streams.
    fn end(&self, all: &[MemberVolumes<'_>]) -> StepResult {
        Progress::of(let_pods_back(self.world)?).require_done()?;
        if self.op.progress.old_primary.is_some() {
            self.world.all_pass(|_, _| Ok(()))?;
        } else {
            self.world.all_seen()?;
        }
        if self.plan.refused.is_empty() {
            return Ok(Progress::Done);
        }
        let refused: Vec<(String, String)> = self.plan.refused.clone().into_iter().collect();
        let grown = all.iter().filter(|it| !preflight::grows(it.claim, self.plan));
        let grown: Vec<String> = grown.map(|it| it.pod.clone()).collect();
        Err(steps::refusal(self.plan, &refused, &grown))
    }
}
