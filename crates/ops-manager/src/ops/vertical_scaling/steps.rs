//! The steps of a change of resources.

use api_types::ops_request::ResourcesPlan;
use api_types::reported::ops_request::conditions;
use api_types::vocabulary::{EXPORTER_CONTAINER, POSTGRES_CONTAINER};
use blueprint::{Resolved, exporter_resources};

use super::{request, words};
use crate::member::resources;
use crate::moves::children::{self, RenderedState};
use crate::moves::rolling;
use crate::operation::Operation;
use crate::section;
use crate::step::{self, EndsPods, Progress, Step, StepResult, SubCondition};
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
.with_sub_conditions(ignored)
.without_members();
/// Every member has them.
pub const RESTART: Step = Step::new(
    conditions::RESTART_NODES,
    "Successfully restarted all nodes",
    rolling::describe,
    restart,
)
.ending_pods(|_| EndsPods::Always)
.with_sub_conditions(restarted);
/// The spec says them.
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

/// The plan that was fixed when the operation began.
///
/// # Errors
/// [`Progress::Impossible`] when it is gone.
pub fn plan(op: &Operation) -> StepResult<&ResourcesPlan> {
    step::planned(op.progress.change.vertical_scaling.as_ref())
}

/// The configuration is written first: a new Pod with less memory must not start with the old `shared_buffers`.
fn children_are(world: &World, state: &RenderedState) -> StepResult<()> {
    // Before anything is written: it may turn out that the template must not be.
    let pet_set = children::pet_set_effects(world, state)?;
    let mut effects = children::config_effects(world, state)?;
    effects.extend(pet_set);
    Progress::of(effects).require_done()?;
    Ok(children::template_is_observed(world)?)
}

/// The user's Secret with parameters is read here for the first time, so the memory is reckoned again.
fn update(op: &Operation, world: &World) -> StepResult {
    let plan = plan(op)?;
    let before = children::rendered_with(world, &plan.found)?;
    let after = children::rendered_with(world, &plan.after)?;
    super::memory_suffices(&before.resolved, &after.resolved).map_err(Progress::Impossible)?;
    children_are(world, &after)?;
    Ok(Progress::Done)
}

fn restart(op: &Operation, world: &World) -> StepResult {
    let state = children::rendered_with(world, &plan(op)?.after)?;
    children_are(world, &state)?;
    rolling::restart(op, world, &|_: &str, member: &Member| {
        has_resources(member, &state.resolved)
    })
}

fn finish(op: &Operation, world: &World) -> StepResult {
    let plan = plan(op)?;
    let state = children::rendered_with(world, &plan.after)?;
    world.all_pass(|_, member| has_resources(member, &state.resolved))?;
    section::commit(world, &plan.found, &plan.after)?;
    Ok(Progress::Done)
}

/// Only Pods that this operation made are made again: a member that was behind its template before stays as it is.
fn restore(op: &Operation, world: &World) -> StepResult {
    let plan = plan(op)?;
    let wanted = if section::is_written(op, world, &plan.found, &plan.after)? {
        &plan.after
    } else {
        &plan.found
    };
    let state = children::rendered_with(world, wanted)?;
    children_are(world, &state)?;
    rolling::take_back(op, world, &|_: &str, member: &Member| {
        has_resources(member, &state.resolved)
    })
}

fn has_resources(member: &Member, resolved: &Resolved) -> Result<(), String> {
    resources::check(member, POSTGRES_CONTAINER, &resolved.resources)?;
    exporter_resources(resolved).map_or(Ok(()), |wanted| {
        resources::check(member, EXPORTER_CONTAINER, &wanted)
    })
}

/// What the request asks for and nothing acts on.
fn ignored(op: &Operation, world: &World) -> Vec<SubCondition> {
    let has_exporter = world
        .postgres
        .present()
        .is_some_and(|it| it.spec.monitor.is_some());
    let ignored = request::not_acted_on(&op.spec, has_exporter);
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
    let Ok(state) = plan(op).and_then(|plan| children::rendered_with(world, &plan.after)) else {
        return parts;
    };
    for (pod, old_uid) in &op.progress.pods {
        let made = world.members().get(pod).filter(|member| member.uid != *old_uid);
        if let Some(member) = made {
            let is_proven = has_resources(member, &state.resolved).is_ok();
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
