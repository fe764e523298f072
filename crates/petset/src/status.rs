//! `PetSet.status` from what was observed, never from what was intended.

use api_types::petset::PetSetStatus;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSetCondition;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::moves::Problem;
use crate::resolve::Desired;
use crate::revision::Chosen;
use crate::world::{World, is_controlled_by, is_terminating, ready_since, revision_of, seconds_to_available};

/// Condition that is `True` while Pods can't be made; it is absent otherwise (ReplicaSet's name for the same).
pub use api_types::reported::pet_set::conditions::REPLICA_FAILURE;

/// The status of a PetSet that can be acted on.
pub fn status(
    desired: &Desired,
    world: &World,
    chosen: &Chosen,
    problems: &[Problem],
    now: Timestamp,
) -> PetSetStatus {
    let ours: Vec<&Pod> = world
        .pods
        .iter()
        .filter(|pod| is_controlled_by(&pod.metadata, &desired.uid))
        .collect();
    let count = |of: &dyn Fn(&Pod) -> bool| ours.iter().filter(|pod| of(pod)).count() as i32;
    let lives_at = |pod: &Pod, revision: &str| !is_terminating(&pod.metadata) && revision_of(pod) == revision;
    let updated = count(&|pod| lives_at(pod, &chosen.update.name));
    let ready = count(&|pod| ready_since(pod).is_some());
    let all = ours.len() as i32;
    // The update is complete when every wanted Pod is of the new revision and ready, and no other is left.
    let complete = updated == desired.replicas && ready == desired.replicas && all == desired.replicas;
    let current = if complete {
        &chosen.update.name
    } else {
        &chosen.current.name
    };
    PetSetStatus {
        observed_generation: desired.generation,
        replicas: all,
        ready_replicas: Some(ready),
        available_replicas: Some(count(&|pod| {
            seconds_to_available(pod, desired.min_ready_seconds, now) == Some(0)
        })),
        current_replicas: Some(count(&|pod| lives_at(pod, current))),
        updated_replicas: Some(updated),
        current_revision: Some(current.clone()),
        update_revision: Some(chosen.update.name.clone()),
        collision_count: chosen.collision_count,
        conditions: conditions(world.status.conditions.as_deref(), problems.first(), now),
    }
}

/// The status of a PetSet whose spec can't be acted on: as it was, with the reason.
pub fn invalid(
    old: &PetSetStatus,
    generation: Option<i64>,
    problem: &Problem,
    now: Timestamp,
) -> PetSetStatus {
    PetSetStatus {
        observed_generation: generation,
        conditions: conditions(old.conditions.as_deref(), Some(problem), now),
        ..old.clone()
    }
}

fn conditions(
    old: Option<&[StatefulSetCondition]>,
    problem: Option<&Problem>,
    now: Timestamp,
) -> Option<Vec<StatefulSetCondition>> {
    let is_failure = |c: &&StatefulSetCondition| c.type_ == REPLICA_FAILURE;
    let mut all: Vec<_> = old
        .into_iter()
        .flatten()
        .filter(|c| !is_failure(c))
        .cloned()
        .collect();
    if let Some(problem) = problem {
        let before = old
            .into_iter()
            .flatten()
            .find(is_failure)
            .and_then(|c| c.last_transition_time.clone());
        let second = Timestamp::from_second(now.as_second()).unwrap_or(now);
        all.push(StatefulSetCondition {
            type_: REPLICA_FAILURE.to_owned(),
            status: "True".to_owned(),
            last_transition_time: Some(before.unwrap_or(Time(second))),
            reason: Some(problem.reason.to_owned()),
            message: Some(problem.message.clone()),
        });
    }
    (!all.is_empty()).then_some(all)
}
