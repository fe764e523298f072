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
    is_old.then(|| MemberEffect::evict(pod, member).into())
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
    // It has the primary's data: a copy of that would not make its Pod Ready.
    if state.running && state.streaming {
        return Err(waits_for(pod, why).into());
    }
    let age = op
        .progress
        .rebuilt
        .get(pod)
        .map(|at| world.now.duration_since(at.0));
    let is_younger = |than| age.is_some_and(|age| age < than);
    let mut progress = op.progress.clone();
    progress.rebuilt.insert(pod.to_owned(), Time(world.now));
    // The time that it has to stream begins when the copy is complete, however long that takes.
    if state.cloning && !is_younger(ready_timeout(op) / 2) {
        return Ok(Progress::Choose(Box::new(progress)));
    }
    // An operator that was killed may have recorded a rebuild without asking for it.
    if state.cloning || is_younger(ready_timeout(op)) {
        return Err(waits_for(pod, format!("it is rebuilt from {leader}: {why}")).into());
    }
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

#[cfg(test)]
mod tests {
    use api_types::PostgresOpsRequest;
    use api_types::ops_request::OperationProgress;
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::operation;
    use crate::world::{Members, PatroniState};

    fn operation() -> Operation {
        let request: PostgresOpsRequest = serde_yaml::from_str(
            "{apiVersion: ops.kubedb.com/v1alpha1, kind: PostgresOpsRequest, metadata: {name: r}, \
             spec: {type: ReconnectStandby, databaseRef: {name: pg}}}",
        )
        .expect("a request");
        let mut op = operation::parse(&request).expect("a good request");
        op.progress.pods = [("pg-1".to_owned(), "old".to_owned())].into();
        op
    }

    /// A primary, and a standby in this state whose Pod is not Ready.
    fn world(now: Timestamp, standby: PatroniState) -> World {
        let member = |ready, patroni| Member {
            ready,
            patroni: Observed::Present(patroni),
            ..Member::default()
        };
        let primary = PatroniState {
            running: true,
            primary: true,
            ..PatroniState::default()
        };
        let members = [("pg-0", member(true, primary)), ("pg-1", member(false, standby))];
        World {
            now,
            members: Some(Members {
                by_pod: members.map(|(pod, it)| (pod.to_owned(), it)).into(),
                leader: Some("pg-0".into()),
                ..Members::default()
            }),
            ..World::default()
        }
    }

    /// One look: what is persisted, and whether the member is told to replace its data.
    fn look(op: &mut Operation, world: &World) -> bool {
        loop {
            let progress = rebuild(op, world).unwrap_or_else(|progress| progress);
            let chosen: OperationProgress = match progress {
                Progress::Choose(chosen) => *chosen,
                Progress::ActOnce(chosen, _) => {
                    op.progress = *chosen;
                    return true;
                }
                _ => return false,
            };
            assert_ne!(chosen, op.progress, "the same choice twice");
            op.progress = chosen;
        }
    }

    /// It replays a long backlog, or another container of its Pod is not ready.
    #[test]
    fn a_standby_that_streams_keeps_its_data() {
        let streaming = PatroniState {
            running: true,
            streaming: true,
            ..PatroniState::default()
        };
        assert!(!look(&mut operation(), &world(Timestamp::UNIX_EPOCH, streaming)));
    }

    #[test]
    fn a_copy_that_takes_longer_than_a_standby_has_to_stream_is_not_begun_again() {
        let (mut op, mut now) = (operation(), Timestamp::UNIX_EPOCH);
        assert!(look(&mut op, &world(now, PatroniState::default())));
        let cloning = PatroniState {
            cloning: true,
            ..PatroniState::default()
        };
        for _ in 0..60 {
            now += SignedDuration::from_secs(30);
            assert!(!look(&mut op, &world(now, cloning.clone())));
        }
        // It starts.
        now += SignedDuration::from_secs(1);
        assert!(!look(&mut op, &world(now, PatroniState::default())));
        // It has not come up in the time that it has.
        now += SignedDuration::from_mins(2);
        assert!(look(&mut op, &world(now, PatroniState::default())));
    }
}
