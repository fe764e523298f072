//! The steps of a change of resources.

use api_types::reported::ops_request::conditions;

use super::{request, resize, states, words};
use crate::moves::{in_place, parameters, rolling};
use crate::operation::Operation;
use crate::section;
use crate::step::{EndsPods, Progress, Step, StepResult, SubCondition};
use crate::world::{Member, World};

/// The template has the new resources.
pub const UPDATE: Step = Step::new(
    conditions::UPDATE_PET_SET_RESOURCES,
    "Successfully updated petsets resources",
    |_, _| {
        "the Pod template gets the new resources, and the members' configuration the shared_buffers that go with them".into()
    },
    update,
)
.with_sub_conditions(ignored);
/// Every member has them.
pub const RESTART: Step = Step::new(
    conditions::RESTART_NODES,
    "Successfully restarted all nodes",
    rolling::describe,
    restart,
)
.ending_pods(|_| EndsPods::Always)
.with_sub_conditions(restarted);
/// Every member has them without a restart.
pub const RESIZE: Step = Step::new(
    conditions::RESIZE_PODS,
    "Successfully resized all nodes in place",
    |_, _| {
        "the containers get the resources while they run, one member after the other: the standbys, then the primary; each is seen to \
         have them"
            .into()
    },
    resize,
)
.with_sub_conditions(resized);
/// Members that their nodes have no room for are recreated.
pub const RESTART_REST: Step = Step::new(
    conditions::RESTART_NODES,
    "Successfully restarted the nodes that could not be resized in place",
    |_, _| "Pods that their nodes have no room for are recreated; none otherwise".into(),
    restart,
)
.ending_pods(|_| EndsPods::IfNeeded)
.with_sub_conditions(restarted);
/// The spec has the new resources.
pub const FINISH: Step = Step::new(
    conditions::UPDATE_DATABASE,
    "Successfully updated Postgres: every member was seen to have the resources",
    |_, _| {
        "every member is seen to have the resources; then they are written into the spec of the Postgres"
            .into()
    },
    finish,
)
.committing();
/// After a failure: the resources that the database had, or has by its committed spec.
pub const RESTORE: Step = Step::new(
    conditions::RESTORE_DATABASE,
    "Successfully brought the resources of the members back",
    |_, _| "the template gets its old resources, and members that have the new ones are restarted".into(),
    restore,
);

/// The user's Secret with parameters is read here for the first time, so the memory is reckoned again.
fn update(op: &Operation, world: &World) -> StepResult {
    let wanted = states::target(op, world)?;
    if let Some(before) = &wanted.target.before {
        let after = &wanted.target.state.resolved;
        super::memory_suffices(before, after, states::plan(op)?.in_place).map_err(Progress::Impossible)?;
    }
    states::children_are(world, &wanted)?;
    Ok(Progress::Done)
}

fn restart(op: &Operation, world: &World) -> StepResult {
    let wanted = states::target(op, world)?;
    states::children_are(world, &wanted)?;
    in_place::lowered_first(world)?;
    rolling::restart(op, world, &|_: &str, member: &Member| wanted.check(member))
}

fn resize(op: &Operation, world: &World) -> StepResult {
    let wanted = states::target(op, world)?;
    states::children_are(world, &wanted)?;
    resize::everywhere(op, world, &wanted)?;
    parameters::reload(world, &wanted.target)
}

fn finish(op: &Operation, world: &World) -> StepResult {
    let plan = states::plan(op)?;
    let wanted = states::target(op, world)?;
    world.all_pass(|_, member| wanted.check(member))?;
    section::commit(world, &plan.found, &plan.after)?;
    Ok(Progress::Done)
}

/// A Pod that still runs is resized back, and restarted where it got a limit that it had not. Of the other Pods only those that
/// this operation made are recreated: a member that was behind its template before is not touched.
fn restore(op: &Operation, world: &World) -> StepResult {
    let wanted = states::way_back(op, world)?;
    states::children_are(world, &wanted)?;
    let was_resized = states::plan(op)?.in_place && !op.progress.pods.is_empty();
    if was_resized {
        resize::back(op, world, &wanted)?;
    }
    let proof = |_: &str, member: &Member| wanted.check(member);
    rolling::take_back(op, world, &proof)?.require_done()?;
    if was_resized {
        let keeps_a_limit = |pod: &str, member: &Member| {
            op.progress.pods.get(pod) == Some(&member.uid) && wanted.lacks_a_limit_of(member)
        };
        rolling::restart_where(op, world, keeps_a_limit, &|_: &str, _: &Member| Ok(()))?.require_done()?;
        return parameters::reload(world, &wanted.target);
    }
    Ok(Progress::Done)
}

/// The parts of the request that nothing acts on.
fn ignored(op: &Operation, world: &World) -> Vec<SubCondition> {
    let has_exporter = world
        .postgres
        .present()
        .is_some_and(|it| it.spec.monitor.is_some());
    let why = states::plan(op).ok().and_then(|plan| plan.not_in_place.clone());
    let ignored = request::not_acted_on(&op.spec, has_exporter, why.as_deref());
    if ignored.is_empty() {
        return Vec::new();
    }
    vec![SubCondition::note(
        conditions::NOT_ACTED_ON,
        words::not_acted_on(&ignored),
    )]
}

fn restarted(op: &Operation, world: &World) -> Vec<SubCondition> {
    let mut parts = rolling::sub_conditions(op, world);
    let Ok(wanted) = states::target(op, world) else {
        return parts;
    };
    for (pod, old_uid) in &op.progress.pods {
        let made = world.members().get(pod).filter(|member| member.uid != *old_uid);
        if let Some(member) = made {
            let is_proven = wanted.check(member).is_ok();
            parts.push(SubCondition::of_pod(
                conditions::CHECK_POD_RESOURCES,
                "check pod resources",
                pod,
                is_proven,
            ));
        }
    }
    parts
}

/// Which members have the resources without a restart, and what of the parameters waits for one.
fn resized(op: &Operation, world: &World) -> Vec<SubCondition> {
    let Ok(wanted) = states::target(op, world) else {
        return Vec::new();
    };
    let went_on = |(pod, member): &(&String, &Member)| op.progress.pods.get(*pod) == Some(&member.uid);
    let members = world.members().iter().filter(went_on);
    let mut parts: Vec<SubCondition> = members
        .map(|(pod, member)| {
            let is_proven = member.resizing.is_none() && wanted.check(member).is_ok();
            SubCondition::of_pod(
                conditions::CHECK_POD_RESOURCES,
                "check pod resources",
                pod,
                is_proven,
            )
        })
        .collect();
    let waiting = parameters::waiting_for_restart(world).map(|words| {
        let words = format!("{words}; a request of type Restart lets members take them");
        SubCondition::note(conditions::PENDING_RESTART, words)
    });
    parts.extend(waiting);
    parts
}
