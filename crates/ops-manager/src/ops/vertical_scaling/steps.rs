//! The steps of a change of resources.

use api_types::ops_request::{ResourceSettings, ResourcesPlan};
use api_types::postgres::PostgresSpec;
use api_types::reported::ops_request::conditions;
use api_types::vocabulary::{EXPORTER_CONTAINER, POSTGRES_CONTAINER};
use blueprint::{Resolved, exporter_resources};

use super::{request, words};
use crate::member::resources;
use crate::moves::children::{self, RenderedState};
use crate::moves::rolling;
use crate::operation::Operation;
use crate::section;
use crate::step::{EndsPods, Progress, Step, StepResult, SubCondition};
use crate::waiting::WaitingOn;
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
    op.progress.change.vertical_scaling.as_ref().ok_or_else(|| {
        Progress::Impossible(
            "status.progress was emptied during the operation; create the request again".into(),
        )
    })
}

/// The children with these resources.
///
/// # Errors
/// What is waited for, or why they can't be built.
pub fn state(world: &World, resources: &ResourceSettings) -> StepResult<RenderedState> {
    let kept = children::as_followed(world)?;
    let edit = |spec: &mut PostgresSpec| {
        kept(spec);
        resources.write(spec);
    };
    children::render(world, &edit, children::tls_in_force(world)?, None)
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
    let (before, after) = (state(world, &plan.found)?, state(world, &plan.after)?);
    super::memory_suffices(&before.resolved, &after.resolved).map_err(Progress::Impossible)?;
    children_are(world, &after)?;
    Ok(Progress::Done)
}

fn restart(op: &Operation, world: &World) -> StepResult {
    let state = state(world, &plan(op)?.after)?;
    children_are(world, &state)?;
    rolling::restart(op, world, &|_: &str, member: &Member| {
        has_resources(member, &state.resolved)
    })
}

fn finish(op: &Operation, world: &World) -> StepResult {
    let plan = plan(op)?;
    let state = state(world, &plan.after)?;
    world.all_seen()?;
    let leader = world.leader().ok_or(WaitingOn::Primary)?;
    for (pod, member) in world.members() {
        let lacks = member
            .unhealthy_reason(leader == pod)
            .or_else(|| has_resources(member, &state.resolved).err());
        if let Some(why) = lacks {
            let pod = pod.clone();
            return Err(WaitingOn::Member { pod, why }.into());
        }
    }
    section::commit(world, &plan.found, &plan.after)?;
    Ok(Progress::Done)
}

/// Only Pods that this operation made are made again: a member that was behind its template before stays as it is.
fn restore(op: &Operation, world: &World) -> StepResult {
    let plan = plan(op)?;
    // The spec may have been written, and the operator killed before it noted that.
    let spec = ResourceSettings::of(&world.postgres.require("the Postgres")?.spec);
    let wanted = if op.committed || spec == plan.after {
        &plan.after
    } else {
        &plan.found
    };
    let state = state(world, wanted)?;
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
    vec![SubCondition {
        type_: conditions::NOT_ACTED_ON.to_owned(),
        message: words::not_acted_on(&ignored),
        done: true,
    }]
}

fn restarted(op: &Operation, world: &World) -> Vec<SubCondition> {
    let mut parts = rolling::sub_conditions(op, world);
    let Ok(state) = plan(op).and_then(|plan| state(world, &plan.after)) else {
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
