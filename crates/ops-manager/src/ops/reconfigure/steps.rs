//! The steps of a change of parameters.

use api_types::reported::ops_request::conditions;

use super::request::{self, Restart};
use super::states;
use crate::moves::parameters::{self, Target, Until};
use crate::moves::{children, in_place, rolling};
use crate::operation::Operation;
use crate::section;
use crate::step::{EndsPods, Progress, Step, StepResult, SubCondition};
use crate::waiting::WaitingOn;
use crate::world::{Member, World};

/// The configuration is written.
pub const UPDATE: Step = Step::new(
    conditions::UPDATE_CONFIGURATION,
    "Successfully updated the configuration: every parameter was examined",
    |_, _| {
        "every parameter is examined; then the members' configuration and what Patroni keeps for all members are written".into()
    },
    update,
);
/// Members have read it.
pub const RELOAD: Step = Step::new(
    conditions::RELOAD_PODS,
    "Successfully reloaded all nodes: every member was seen to have read its parameters",
    |_, _| "every member reads its configuration, and is seen to have read it".into(),
    |op, world| {
        let target = written(op, world)?;
        parameters::reload(world, &target)
    },
);
/// PostgreSQL restarts where a parameter needs it.
pub const RESTART_POSTGRES: Step = Step::new(
    conditions::RESTART_POSTGRES,
    "Successfully restarted PostgreSQL on every member that needed it",
    |_, _| {
        "PostgreSQL restarts in its Pod on members for which a parameter waits, one by one: the standbys, then the primary; the \
         primary first if a parameter goes down that a standby must not have lower"
            .into()
    },
    restart_postgres,
);
/// The template gets a mark.
pub const MARK_TEMPLATE: Step = Step::new(
    conditions::UPDATE_PET_SETS,
    "Successfully updated petsets for reconfigure type",
    |_, _| "the Pod template gets a mark, so that every Pod has to be recreated".into(),
    children::restart_token,
);
/// Every Pod restarts.
pub const RESTART_ALL: Step = Step::new(
    conditions::RESTART_NODES,
    "Successfully restarted all nodes",
    rolling::describe,
    restart_all,
)
.ending_pods(|_| EndsPods::Always)
.with_sub_conditions(rolling::sub_conditions);
/// The spec has the new parameters.
pub const FINISH: Step = Step::new(
    conditions::UPDATE_DATABASE,
    "Successfully updated Postgres: every member was seen to have its parameters",
    |_, _| {
        "every member is seen to have its parameters; then they are written into the spec of the Postgres"
            .into()
    },
    finish,
)
.committing()
.with_sub_conditions(proven);
/// After a failure: the parameters that the database had, or has by its committed spec.
pub const RESTORE: Step = Step::new(
    conditions::RESTORE_DATABASE,
    "Successfully brought the parameters back",
    |_, _| "the members get their former parameters".into(),
    restore,
);

fn update(op: &Operation, world: &World) -> StepResult {
    let target = states::target(op, world)?;
    if let Some(why) = target.shadowed(world) {
        return Err(Progress::Impossible(why));
    }
    Ok(Progress::of(parameters::effects(world, &target)?))
}

/// The target, once its objects are as it wants them.
fn written(op: &Operation, world: &World) -> StepResult<Target> {
    let target = states::target(op, world)?;
    Progress::of(parameters::effects(world, &target)?).require_done()?;
    Ok(target)
}

fn restart_postgres(op: &Operation, world: &World) -> StepResult {
    let target = written(op, world)?;
    let waiting = in_place::pending(world);
    if !waiting.is_empty() {
        noted(op, world, &waiting)?;
    }
    in_place::restart_pending(world)?;
    is_in_force(world, &target, Until::InForce)?;
    Ok(Progress::Done)
}

/// Which members are restarted is written down before the first one is: a way back restarts no other.
///
/// # Errors
/// The choice, until it is persisted.
fn noted(op: &Operation, world: &World, members: &[(&str, &Member)]) -> StepResult<()> {
    if !op.progress.pods.is_empty() {
        return Ok(());
    }
    let mut progress = op.progress.clone();
    let uid = |(pod, member): &(&str, &Member)| ((*pod).to_owned(), member.uid.clone());
    progress.pods = members.iter().map(uid).collect();
    progress.old_primary = world.leader().map(str::to_owned);
    Err(Progress::Choose(Box::new(progress)))
}

fn restart_all(op: &Operation, world: &World) -> StepResult {
    let target = written(op, world)?;
    world.all_seen()?;
    let all: Vec<_> = world
        .members()
        .iter()
        .map(|(pod, member)| (pod.as_str(), member))
        .collect();
    noted(op, world, &all)?;
    in_place::lowered_first(world)?;
    rolling::restart(op, world, &|_: &str, member: &Member| {
        parameters::check(member, &target, Until::Read)
    })?
    .require_done()?;
    in_place::restart_pending(world)?;
    Ok(Progress::Done)
}

fn finish(op: &Operation, world: &World) -> StepResult {
    let target = written(op, world)?;
    world.all_pass(|_, _| Ok(()))?;
    is_in_force(world, &target, until(op))?;
    let plan = states::plan(op)?;
    section::commit(world, &plan.found, &plan.after)?;
    Ok(Progress::Done)
}

fn until(op: &Operation) -> Until {
    if request::restart(&op.spec) == Restart::Never {
        Until::Read
    } else {
        Until::InForce
    }
}

fn is_in_force(world: &World, target: &Target, until: Until) -> Result<(), WaitingOn> {
    world.all_seen()?;
    let outdated = parameters::outdated(world, target, until);
    if outdated.is_empty() {
        return Ok(());
    }
    Err(WaitingOn::Outdated(outdated))
}

/// PostgreSQL is restarted only where this operation did that: what waited before goes on waiting.
fn restore(op: &Operation, world: &World) -> StepResult {
    let target = states::way_back(op, world)?;
    Progress::of(parameters::effects(world, &target)?).require_done()?;
    parameters::reload(world, &target)?.require_done()?;
    if !op.progress.pods.is_empty() {
        in_place::restart_pending(world)?;
        is_in_force(world, &target, Until::InForce)?;
    }
    Ok(Progress::Done)
}

/// Which members have every parameter, and what waits for a restart that the request did not want.
fn proven(op: &Operation, world: &World) -> Vec<SubCondition> {
    let Ok(target) = states::target(op, world) else {
        return Vec::new();
    };
    let mut parts: Vec<SubCondition> = world
        .members()
        .iter()
        .map(|(pod, member)| {
            let has_all = parameters::check(member, &target, Until::InForce).is_ok();
            SubCondition::of_pod(conditions::CHECK_PARAMETERS, "check parameters", pod, has_all)
        })
        .collect();
    let waiting = parameters::waiting_for_restart(world).filter(|_| until(op) == Until::Read);
    parts.extend(waiting.map(|words| SubCondition::note(conditions::PENDING_RESTART, words)));
    parts
}
