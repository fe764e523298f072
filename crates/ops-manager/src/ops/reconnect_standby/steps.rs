//! The steps of reconnecting standbys.

use std::collections::BTreeMap;

use api_types::reported::ops_request::conditions;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::ready_timeout;
use crate::effect::{Effect, MemberEffect};
use crate::operation::Operation;
use crate::step::{EndsPods, Progress, Step, StepResult, SubCondition};
use crate::waiting::WaitingOn;
use crate::world::{Member, Observed, World};

/// The standbys that do not stream are written down.
pub const FIND: Step = Step::new(
    conditions::NOT_READY_REPLICAS,
    "Successfully found the standbys that do not stream",
    |_, _| {
        "the primary is seen to be healthy; the standbys that do not stream from it are written down".into()
    },
    find,
);
/// They are restarted.
pub const RESTART: Step = Step::new(
    conditions::RECONNECT_STANDBY_WITH_RESTART,
    "Successfully restarted the standbys that did not stream",
    |op, _| {
        format!(
            "their Pods are restarted; each has {:#} to stream from the primary",
            ready_timeout(op)
        )
    },
    restart,
)
.granting(ready_timeout)
.ending_pods(|_| EndsPods::IfNeeded)
.with_sub_conditions(restarted);
/// Those that still do not stream are rebuilt.
pub const REBUILD: Step = Step::new(
    conditions::RECONNECT_STANDBY_WITH_BASE_BACKUP,
    "Successfully reconnected standbys: every standby was seen to stream from the primary",
    |_, _| {
        "the data of a standby that still does not stream is replaced by a copy of the primary's, one standby at a time"
            .into()
    },
    rebuild,
)
.granting(ready_timeout);

/// The standbys that are known not to stream, each with what it lacks. The state of a standby that could not be probed
/// is not known.
pub fn broken(world: &World) -> StepResult<BTreeMap<String, String>> {
    let leader = healthy_primary(world)?;
    let standbys = world.members().iter().filter(|(pod, _)| *pod != leader);
    Ok(standbys
        .filter(|(_, member)| !member.ready || member.patroni.present().is_some())
        .filter_map(|(pod, member)| Some((pod.clone(), member.unhealthy_reason(false)?)))
        .collect())
}

/// The primary, which has every acknowledged row.
fn healthy_primary(world: &World) -> Result<&str, WaitingOn> {
    let leader = world.leader().ok_or(WaitingOn::Primary)?;
    match world.members()[leader].unhealthy_reason(true) {
        None => Ok(leader),
        Some(why) => Err(waits_for(leader, why)),
    }
}

fn waits_for(pod: &str, why: String) -> WaitingOn {
    WaitingOn::Member {
        pod: pod.to_owned(),
        why,
    }
}

/// Pods that are written down, and their UIDs then.
fn named(op: &Operation) -> impl Iterator<Item = (&str, &String)> {
    op.progress.pods.iter().map(|(pod, uid)| (pod.as_str(), uid))
}

fn find(op: &Operation, world: &World) -> StepResult {
    let leader = healthy_primary(world)?;
    world.all_seen()?;
    if !op.progress.pods.is_empty() {
        return Ok(Progress::Done);
    }
    let broken = broken(world)?;
    if broken.is_empty() {
        return unhealthy(world, leader, |_| true).map_or(Ok(Progress::Done), |on| Err(on.into()));
    }
    let mut progress = op.progress.clone();
    progress.pods = broken
        .into_keys()
        .map(|pod| {
            let uid = world.members()[&pod].uid.clone();
            (pod, uid)
        })
        .collect();
    Ok(Progress::Choose(Box::new(progress)))
}

fn restart(op: &Operation, world: &World) -> StepResult {
    let leader = healthy_primary(world)?;
    let evictions = named(op).filter(|(pod, _)| *pod != leader);
    let evictions = evictions.filter_map(|(pod, uid)| evict(pod, uid, world.members().get(pod)?));
    Progress::of(evictions.collect()).require_done()?;
    if op.step_age(world.now) >= ready_timeout(op) {
        return Ok(Progress::Done);
    }
    world.all_seen()?;
    unhealthy(world, leader, |pod| op.progress.pods.contains_key(pod))
        .map_or(Ok(Progress::Done), |on| Err(on.into()))
}

/// Unless the Pod was restarted, or the standby streams by now.
fn evict(pod: &str, uid: &String, member: &Member) -> Option<Effect> {
    let is_old = member.uid == *uid && !member.terminating && member.unhealthy_reason(false).is_some();
    is_old.then(|| {
        MemberEffect::Evict {
            pod: pod.to_owned(),
            uid: uid.clone(),
        }
        .into()
    })
}

/// The first of these standbys that is not known to stream.
fn unhealthy(world: &World, leader: &str, these: impl Fn(&str) -> bool) -> Option<WaitingOn> {
    let standbys = world
        .members()
        .iter()
        .filter(|(pod, _)| *pod != leader && these(pod));
    standbys
        .filter_map(|(pod, member)| Some(waits_for(pod, member.unhealthy_reason(false)?)))
        .next()
}

fn rebuild(op: &Operation, world: &World) -> StepResult {
    let leader = healthy_primary(world)?;
    world.all_seen()?;
    let mut left = named(op).filter(|(pod, _)| *pod != leader);
    let left = left.find_map(|(pod, _)| {
        let member = world.members().get(pod)?;
        Some((pod, member, member.unhealthy_reason(false)?))
    });
    let Some((pod, member, why)) = left else {
        return unhealthy(world, leader, |_| true).map_or(Ok(Progress::Done), |on| Err(on.into()));
    };
    let Observed::Present(state) = &member.patroni else {
        return Err(waits_for(pod, why).into());
    };
    let asked = op.progress.rebuilt.get(pod);
    // An operator that was killed may have recorded a rebuild without requesting it.
    let is_recent = asked.is_some_and(|at| world.now.duration_since(at.0) < ready_timeout(op));
    if state.cloning || is_recent {
        return Err(waits_for(pod, format!("it is rebuilt from {leader}: {why}")).into());
    }
    let mut progress = op.progress.clone();
    progress.rebuilt.insert(pod.to_owned(), Time(world.now));
    let pod = pod.to_owned();
    Ok(Progress::ActOnce(
        Box::new(progress),
        vec![MemberEffect::Rebuild { pod }.into()],
    ))
}

/// KubeDB's sub-conditions of each standby.
fn restarted(op: &Operation, world: &World) -> Vec<SubCondition> {
    let pods = named(op).filter_map(|(pod, uid)| {
        let member = world.members().get(pod).filter(|member| member.uid != *uid)?;
        let streams = member.unhealthy_reason(false).is_none();
        Some([
            SubCondition::of_pod(
                conditions::RESTART_NOT_READY_STANDBY,
                "restart not ready standby",
                pod,
                true,
            ),
            SubCondition::of_pod(
                conditions::STANDBY_READY_CHECK,
                "standby ready check",
                pod,
                streams,
            ),
        ])
    });
    pods.flatten().collect()
}
