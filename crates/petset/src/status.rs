//! `PetSet.status` from what was observed, never from what was intended.

use api_types::petset::PetSetStatus;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSetCondition;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::claims;
use crate::moves::Problem;
use crate::resolve::Desired;
use crate::revision::Chosen;
use crate::world::{World, is_controlled_by, is_terminating, ready_since, revision_of, seconds_to_available};

/// Condition that is `True` while Pods can't be made or do not come up; it is absent otherwise (ReplicaSet's name for the same).
pub use api_types::reported::pet_set::conditions::REPLICA_FAILURE;

/// Condition that is `True` while a volume goes when its Pod ends; it is absent otherwise.
pub use api_types::reported::pet_set::conditions::CLAIM_TERMINATING;

/// Condition that is `True` while an operation keeps a Pod away; it is absent otherwise.
pub use api_types::reported::pet_set::conditions::POD_WITHHELD;

/// Types of the conditions of this controller.
const OURS: [&str; 3] = [REPLICA_FAILURE, CLAIM_TERMINATING, POD_WITHHELD];
/// Longest message of a condition, in characters: with a thousand Pods it would not fit into the object.
const MAX_MESSAGE: usize = 2000;

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
        conditions: conditions(
            world.status.conditions.as_deref(),
            [
                problems,
                &vanishing_claims(desired, world),
                &withheld_pods(desired, world, now),
            ],
            now,
        ),
    }
}

/// The claims whose volume goes when their Pod ends, one problem each.
pub fn vanishing_claims(desired: &Desired, world: &World) -> Vec<Problem> {
    let mut found = Vec::new();
    for pod in world
        .pods
        .iter()
        .filter(|pod| is_controlled_by(&pod.metadata, &desired.uid))
    {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        if let Some(ordinal) = desired.ordinal_of(name) {
            let vanishing = claims::vanishing(desired, world, ordinal, pod);
            found.extend(vanishing.iter().map(Problem::claim_terminating));
        }
    }
    found
}

/// The Pods that are not there because an operation keeps them away.
fn withheld_pods(desired: &Desired, world: &World, now: Timestamp) -> Vec<Problem> {
    let exists = |name: &str| {
        world
            .pods
            .iter()
            .any(|pod| pod.metadata.name.as_deref() == Some(name))
    };
    let found = desired
        .ordinals()
        .filter_map(|ordinal| claims::withheld(desired, world, ordinal, now));
    let absent = found.filter(|withheld| !exists(&withheld.pod));
    absent.map(|withheld| Problem::withheld(&withheld)).collect()
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
        conditions: conditions(
            old.conditions.as_deref(),
            [std::slice::from_ref(problem), &[], &[]],
            now,
        ),
        ..old.clone()
    }
}

/// `of` are the problems that each of our conditions names, in the order of [`OURS`].
fn conditions(
    old: Option<&[StatefulSetCondition]>,
    of: [&[Problem]; 3],
    now: Timestamp,
) -> Option<Vec<StatefulSetCondition>> {
    let old = old.unwrap_or_default();
    let ours: Vec<(&str, &[Problem])> = OURS.into_iter().zip(of).collect();
    let is_ours = |condition: &&StatefulSetCondition| ours.iter().any(|(type_, _)| condition.type_ == *type_);
    let mut all: Vec<_> = old.iter().filter(|it| !is_ours(it)).cloned().collect();
    all.extend(
        ours.iter()
            .filter_map(|(type_, problems)| condition(old, type_, problems, now)),
    );
    (!all.is_empty()).then_some(all)
}

/// The condition that names all these problems, with the reason of the first; none without any.
fn condition(
    old: &[StatefulSetCondition],
    type_: &str,
    problems: &[Problem],
    now: Timestamp,
) -> Option<StatefulSetCondition> {
    let first = problems.first()?;
    let before = old.iter().find(|it| it.type_ == type_);
    let since = before.and_then(|it| it.last_transition_time.clone());
    let second = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    Some(StatefulSetCondition {
        type_: type_.to_owned(),
        status: "True".to_owned(),
        last_transition_time: Some(since.unwrap_or(Time(second))),
        reason: Some(first.reason.to_owned()),
        message: Some(messages.join("; ").chars().take(MAX_MESSAGE).collect()),
    })
}
