//! Rows that a change of the primary would lose, or has lost.
//!
//! Patroni promotes no member whose WAL ends more than `maximum_lag_on_failover` before the place that the leader has last
//! published (Patroni 4.1, `Ha.is_lagging`), however long it has not streamed. So while a standby is known not to stream,
//! that limit is nothing. In synchronous mode Patroni promotes only those that had every commit.

use std::time::Duration;

use api_types::postgres::conditions as types;
use api_types::reported::postgres::{events, reasons};
use api_types::rows::{LastPrimary, LostWal, StaleStandby};
use blueprint::Resolved;
use blueprint::resolved::Streaming;
use instance::{Lsn, lsn_of_text, lsn_text};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;

use crate::health::{Report, Verdict};
use crate::plan::Plan;
use crate::world::World;

/// The ConfigMap annotation in which Patroni keeps where each timeline ended.
const HISTORY: &str = "history";
/// Those of the leader's ConfigMap: who leads, and where its WAL ended at its last turn.
const LEADER: &str = "leader";
const OPTIME: &str = "optime";
/// How long lost WAL is a condition; the status keeps it.
const LOST_WAL_CONDITION_LIFETIME: SignedDuration = SignedDuration::from_hours(24);
/// Losses that the status keeps.
const MAX_LOSSES_IN_STATUS: usize = 5;
/// Patroni writes the end of a timeline a turn or two after the promotion.
const HISTORY_POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Standbys that are known not to stream. One that was found stays so until it is seen to stream.
pub fn stale(world: &World) -> Vec<StaleStandby> {
    let known = |pod: &str| {
        let status = world.postgres.status.as_ref()?;
        status.stale_standbys.iter().find(|it| it.pod == pod).cloned()
    };
    let Some(members) = members(world) else {
        let status = world.postgres.status.as_ref();
        return status
            .map(|status| status.stale_standbys.clone())
            .unwrap_or_default();
    };
    let report = world.health.as_deref();
    let of = |pod: String| {
        let member = report.and_then(|report| report.members.get(&pod));
        let leads = report.is_some_and(|report| report.primary.as_ref() == Some(&pod));
        match member {
            _ if leads => None,
            Some(member) if member.streams == Some(true) => None,
            Some(member) if member.is_stale => known(&pod).or(Some(StaleStandby {
                pod,
                since: Time(world.now),
            })),
            _ => known(&pod),
        }
    };
    (0..members)
        .map(|ordinal| api_types::names::pod(world.name(), ordinal))
        .filter_map(of)
        .collect()
}

/// Members that run, or would if the database were up; none when only the object was read.
fn members(world: &World) -> Option<i32> {
    if world.is_object_alone() {
        return None;
    }
    let running = world.pet_set().and_then(|pet_set| pet_set.spec.replicas);
    Some(running.unwrap_or(world.replicas()))
}

/// Lets no member be promoted that lacks what the leader has published, while one is known not to stream.
pub fn limit(world: &World, resolved: &mut Resolved) {
    let is_async = matches!(resolved.streaming, Streaming::Asynchronous);
    if is_async && !stale(world).is_empty() {
        resolved.maximum_lag = 0;
    }
}

/// The last primary. What it wrote last is only written down when it is not seen any more: it changes all the time.
pub fn last_primary(world: &World) -> Option<LastPrimary> {
    let known = known_primary(world);
    let report = world.health.as_deref()?;
    let Some(pod) = report.primary.as_deref() else {
        let known = known?;
        let end = known_end(world, report, known);
        return Some(LastPrimary {
            position: end.map(lsn_text),
            ..known.clone()
        });
    };
    let timeline = timeline_of(report, pod).filter(|timeline| *timeline > 0);
    let Some(timeline) = timeline.filter(|_| !waits_for_history(world, report)) else {
        return known.cloned();
    };
    Some(LastPrimary {
        pod: pod.to_owned(),
        timeline,
        position: None,
    })
}

fn known_primary(world: &World) -> Option<&LastPrimary> {
    world.postgres.status.as_ref()?.last_primary.as_ref()
}

fn timeline_of(report: &Report, pod: &str) -> Option<u32> {
    Some(report.members.get(pod)?.wal.as_ref()?.timeline)
}

/// Where its WAL ended at least: as it was recorded, as the health check has seen it, as it has published it itself.
fn known_end(world: &World, report: &Report, known: &LastPrimary) -> Option<Lsn> {
    let recorded = known.position.as_deref().and_then(lsn_of_text);
    let seen = [&report.position, &report.former_position].into_iter().flatten();
    let seen = seen
        .filter(|it| it.timeline == known.timeline)
        .map(|it| it.end)
        .max();
    let published = published(world, &known.pod).filter(|_| report.primary.is_none());
    [recorded, seen, published].into_iter().flatten().max()
}

/// What the leader has published of its WAL, if no other member has become the leader.
fn published(world: &World, pod: &str) -> Option<Lsn> {
    let name = api_types::names::patroni_map(world.name(), LEADER);
    let mut maps = world.patroni_state.iter();
    let map = maps.find(|map| map.metadata.name.as_deref() == Some(name.as_str()))?;
    let annotations = map.metadata.annotations.as_ref()?;
    let leader = annotations.get(LEADER).map(String::as_str);
    if leader.is_some_and(|leader| !leader.is_empty() && leader != pod) {
        return None;
    }
    annotations.get(OPTIME)?.parse().ok()
}

/// Where a timeline ended, as Patroni has recorded it.
fn end_of_timeline(world: &World, timeline: u32) -> Option<Lsn> {
    let annotations = world.patroni.as_ref()?.metadata.annotations.as_ref()?;
    let history: Vec<Vec<Value>> = serde_json::from_str(annotations.get(HISTORY)?).ok()?;
    let line = history
        .iter()
        .find(|line| line.first().and_then(Value::as_u64) == Some(timeline.into()))?;
    line.get(1)?.as_u64()
}

/// Whether another timeline is written, and it is not recorded yet where the former one ended.
fn waits_for_history(world: &World, report: &Report) -> bool {
    let Some(known) = known_primary(world) else {
        return false;
    };
    let now = report.primary.as_deref().and_then(|pod| timeline_of(report, pod));
    now.is_some_and(|now| now > known.timeline) && end_of_timeline(world, known.timeline).is_none()
}

/// WAL that was lost, the latest last: what the status has, and what is found in this pass.
pub fn lost(world: &World) -> Vec<LostWal> {
    let status = world.postgres.status.as_ref();
    let mut all = status.map(|status| status.lost_wal.clone()).unwrap_or_default();
    all.extend(newly_lost(world));
    let surplus = all.len().saturating_sub(MAX_LOSSES_IN_STATUS);
    all.split_off(surplus)
}

fn newly_lost(world: &World) -> Option<LostWal> {
    let (known, report) = (known_primary(world)?, world.health.as_deref()?);
    let primary = report.primary.as_deref()?;
    if timeline_of(report, primary)? <= known.timeline {
        return None;
    }
    let from = end_of_timeline(world, known.timeline)?;
    let to = known_end(world, report, known).filter(|to| *to > from)?;
    Some(LostWal {
        timeline: known.timeline,
        from: lsn_text(from),
        to: lsn_text(to),
        bytes: i64::try_from(to - from).unwrap_or(i64::MAX),
        former_primary: known.pod.clone(),
        primary: primary.to_owned(),
        at: Time(world.now),
    })
}

/// Reports what was lost, which members lack rows, and that one which does is not promoted.
pub fn observed(world: &World, plan: &mut Plan) {
    if world.is_object_alone() {
        return;
    }
    tell_loss(world, plan);
    let known = world
        .postgres
        .status
        .as_ref()
        .map(|status| &status.stale_standbys);
    let stale = stale(world);
    let is_new = |it: &&StaleStandby| known.is_none_or(|known| known.iter().all(|old| old.pod != it.pod));
    for standby in stale.iter().filter(is_new) {
        plan.tell(true, events::STANDBY_STALE, not_streaming(world, standby));
    }
    match held(world, &stale) {
        Some(message) => {
            plan.set(
                types::FAILOVER_HELD,
                true,
                reasons::STALE_STANDBY_NOT_PROMOTED,
                message.clone(),
            );
            plan.tell(true, reasons::STALE_STANDBY_NOT_PROMOTED, message);
        }
        None => plan.remove(types::FAILOVER_HELD),
    }
    let waits = world
        .health
        .as_deref()
        .is_some_and(|report| waits_for_history(world, report));
    if waits {
        plan.soon(HISTORY_POLL_INTERVAL);
    }
}

fn tell_loss(world: &World, plan: &mut Plan) {
    if let Some(lost) = newly_lost(world) {
        let message = lost_in_words(&lost);
        plan.set(types::DATA_LOST, true, reasons::WAL_LOST, message.clone());
        plan.tell(true, reasons::WAL_LOST, message);
        return;
    }
    let told = api_types::condition::find(world.conditions(), types::DATA_LOST);
    let is_told = told.is_some_and(|it| it.reason.as_deref() == Some(reasons::WAL_LOST));
    let is_recent = |lost: &LostWal| world.now.duration_since(lost.at.0) < LOST_WAL_CONDITION_LIFETIME;
    if is_told && !lost(world).iter().any(is_recent) {
        plan.remove(types::DATA_LOST);
    }
}

fn lost_in_words(lost: &LostWal) -> String {
    format!(
        "{} became the primary without the last {} bytes of WAL of {} at least: {} to {} on timeline {}. Rows that were committed there are \
         lost, unless {} still has them: its volume keeps them until Patroni rewinds or rebuilds it",
        lost.primary, lost.bytes, lost.former_primary, lost.from, lost.to, lost.timeline, lost.former_primary
    )
}

fn not_streaming(world: &World, standby: &StaleStandby) -> String {
    let problem = world.checked_members().find(|(pod, _)| *pod == standby.pod);
    let problem = problem.and_then(|(_, member)| member.problem.as_deref());
    let problem = problem.map(|why| format!(" ({why})")).unwrap_or_default();
    format!(
        "{} does not stream from the primary{problem}. It is not promoted while it does not: it lacks rows. When it does not come back by \
         itself: kubectl sealwright reconnect {} -n {}",
        standby.pod,
        world.name(),
        world.namespace()
    )
}

/// Why no member is promoted; `None` while there is a leader, and where nothing is held.
fn held(world: &World, stale: &[StaleStandby]) -> Option<String> {
    let report = world.health.as_deref()?;
    let is_down = matches!(report.accepting, Verdict::No(_)) && report.primary.is_none();
    let last = known_primary(world)?;
    let waiting: Vec<&StaleStandby> = stale.iter().filter(|it| it.pod != last.pod).collect();
    if !is_down || waiting.is_empty() || is_synchronous(world) {
        return None;
    }
    let end = known_end(world, report, last);
    let named: Vec<String> = waiting.iter().map(|it| lacking(report, it, end)).collect();
    Some(format!(
        "No member is the primary. {} would lose rows if it were promoted, so members that may have every row are waited for: {} above \
         all, whose WAL ended at {} on timeline {}. Bring its Pod or its volume back",
        named.join(", "),
        last.pod,
        end.map_or("an unknown place".to_owned(), lsn_text),
        last.timeline,
    ))
}

fn is_synchronous(world: &World) -> bool {
    use api_types::postgres::StreamingMode;
    world.postgres.spec.streaming_mode == Some(StreamingMode::Synchronous)
}

/// A member, since when it has not streamed, and what it lacks.
fn lacking(report: &Report, standby: &StaleStandby, end: Option<Lsn>) -> String {
    let wal = report
        .members
        .get(&standby.pod)
        .and_then(|member| member.wal.as_ref());
    let bytes = end.zip(wal).map(|(end, wal)| end.saturating_sub(wal.position));
    let lacks = bytes.map_or("an unknown amount".to_owned(), |bytes| format!("{bytes} bytes"));
    format!(
        "{}, which has not streamed since {} and lacks {lacks} of WAL,",
        standby.pod, standby.since.0
    )
}
