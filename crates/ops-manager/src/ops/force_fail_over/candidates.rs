//! The members that may be promoted, in which order, and what each lacks. Pure.

use std::cmp::Reverse;

use api_types::ops_failover::{FailoverCandidate, FailoverPlan};
use api_types::rows::LastPrimary;
use instance::{Lsn, lsn_of_text, lsn_text};

use crate::operation::Operation;
use crate::world::{Member, PatroniState, World};

/// The candidates of a request: those that it names, in its order; else every member but the last primary, the one with
/// the most WAL first.
pub fn plan(op: &Operation, world: &World) -> FailoverPlan {
    let last = last_primary(world);
    let end = last.and_then(|last| lsn_of_text(last.position.as_deref()?));
    let named = named(op);
    let mut candidates: Vec<FailoverCandidate> = if named.is_empty() {
        let others = world.members().keys();
        others
            .filter(|pod| last.is_none_or(|last| last.pod != **pod))
            .map(|pod| candidate(world, pod, last, end))
            .collect()
    } else {
        let named = named.iter();
        named.map(|pod| candidate(world, pod, last, end)).collect()
    };
    if named.is_empty() {
        candidates.sort_by_key(|it| {
            let has = Reverse((it.timeline, place(world, &it.pod)));
            (it.unfit.is_some(), has, it.pod.clone())
        });
    }
    FailoverPlan {
        former_primary: last.map(|last| last.pod.clone()),
        timeline: last.map(|last| last.timeline),
        position: end.map(lsn_text),
        candidates,
    }
}

/// The Pods that the request names.
pub fn named(op: &Operation) -> &[String] {
    let section = op.spec.force_fail_over.as_ref();
    section.map_or(&[], |section| section.candidates.as_slice())
}

fn last_primary(world: &World) -> Option<&LastPrimary> {
    world.postgres.present()?.status.as_ref()?.last_primary.as_ref()
}

/// Places in the WAL of two timelines can't be compared: what a member on another one lacks is not known.
fn candidate(world: &World, pod: &str, last: Option<&LastPrimary>, end: Option<Lsn>) -> FailoverCandidate {
    let member = world.members().get(pod);
    let state = member.and_then(|member| member.patroni.present());
    let lsn = |of: fn(&PatroniState) -> Option<Lsn>| state.and_then(of).map(lsn_text);
    let timeline = state.and_then(|state| state.timeline);
    let lost = end
        .filter(|_| timeline.is_some() && timeline == last.map(|last| last.timeline))
        .zip(place(world, pod))
        .map(|(end, has)| end.saturating_sub(has));
    FailoverCandidate {
        pod: pod.to_owned(),
        timeline,
        received: lsn(|state| state.received),
        replayed: lsn(|state| state.replayed),
        last_commit: state.and_then(|state| state.replayed_at.clone()),
        lost_bytes: lost.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        unfit: unfit(member),
    }
}

/// Where the WAL ends that a member has on its volume.
fn place(world: &World, pod: &str) -> Option<Lsn> {
    let state = world.members().get(pod)?.patroni.present()?;
    state.received.max(state.replayed)
}

/// Why a member can't be promoted, if it can't. It need not stream: there is no leader.
pub fn unfit(member: Option<&Member>) -> Option<String> {
    let Some(member) = member else {
        return Some("there is no such Pod".into());
    };
    match member.unhealthy_reason(true) {
        None => None,
        // A standby that lags is not Ready; it can be promoted all the same.
        Some(_) if member.patroni.present().is_some_and(|state| state.running) && !member.terminating => None,
        Some(why) => Some(why),
    }
}

/// How much a candidate lacks.
pub fn bytes_in_words(candidate: &FailoverCandidate) -> String {
    let bytes = candidate.lost_bytes.map(|bytes| format!("{bytes} bytes"));
    bytes.unwrap_or_else(|| "an unknown amount".to_owned())
}

/// What a candidate lacks, in words.
pub fn loss_in_words(candidate: &FailoverCandidate, plan: &FailoverPlan) -> String {
    let of = plan.former_primary.as_deref().unwrap_or("the last primary");
    let until = plan.position.as_deref().unwrap_or("an unknown place");
    let has = candidate.received.as_deref().or(candidate.replayed.as_deref());
    match candidate.lost_bytes {
        Some(0) => format!(
            "{} has all WAL that is known of {of} (up to {until})",
            candidate.pod
        ),
        Some(bytes) => format!(
            "{} lacks {bytes} bytes of WAL of {of} at least: {} to {until}; rows that were committed there are lost",
            candidate.pod,
            has.unwrap_or("an unknown place"),
        ),
        None => format!(
            "it is not known how much WAL of {of} {} lacks: it has WAL up to {}",
            candidate.pod,
            has.unwrap_or("an unknown place"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use api_types::{Postgres, PostgresOpsRequest};

    use super::*;
    use crate::operation;
    use crate::world::{Members, Observed};

    fn standby(timeline: Option<u32>, received: Lsn) -> Member {
        let state = PatroniState {
            running: true,
            timeline,
            received: Some(received),
            ..PatroniState::default()
        };
        Member {
            ready: true,
            patroni: Observed::Present(state),
            ..Member::default()
        }
    }

    /// A former primary that could not be rewound has a longer WAL, and none of the rows of the timeline after it.
    #[test]
    fn more_wal_of_an_older_timeline_is_not_more_rows() {
        let postgres: Postgres = serde_yaml::from_str(
            "{apiVersion: kubedb.com/v1, kind: Postgres, metadata: {name: pg}, spec: {version: '17', replicas: 4}, \
             status: {lastPrimary: {pod: pg-0, timeline: 2, position: 0/3E8}}}",
        )
        .expect("a Postgres");
        let members = [
            ("pg-1", standby(Some(1), 2000)),
            ("pg-2", standby(Some(2), 900)),
            ("pg-3", standby(None, 3000)),
        ];
        let world = World {
            postgres: Observed::Present(postgres),
            members: Some(Members {
                by_pod: members.map(|(pod, it)| (pod.to_owned(), it)).into(),
                ..Members::default()
            }),
            ..World::default()
        };
        let request: PostgresOpsRequest = serde_yaml::from_str(
            "{apiVersion: ops.kubedb.com/v1alpha1, kind: PostgresOpsRequest, metadata: {name: r}, \
             spec: {type: ForceFailOver, databaseRef: {name: pg}}}",
        )
        .expect("a request");
        let op = operation::parse(&request).expect("a good request");
        let plan = plan(&op, &world);
        let found: Vec<_> = plan
            .candidates
            .iter()
            .map(|it| (it.pod.as_str(), it.lost_bytes))
            .collect();
        assert_eq!(found, [("pg-2", Some(100)), ("pg-1", None), ("pg-3", None)]);
    }
}
