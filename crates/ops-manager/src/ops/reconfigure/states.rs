//! The members' configuration before and after a change of parameters, and what is different.

use api_types::ops_request::{ConfigurationPlan, ConfigurationSettings};
use blueprint::{MemoryNeed, Resolved, memory_limit};

use super::plan_of;
use crate::moves::parameters::Target;
use crate::operation::Operation;
use crate::section;
use crate::step::{self, Progress, StepResult};
use crate::world::{Observed, World};

/// The plan that was fixed when the operation began.
///
/// # Errors
/// [`Progress::Impossible`] when it is gone.
pub fn plan(op: &Operation) -> StepResult<&ConfigurationPlan> {
    step::planned(plan_of(op))
}

/// What the request wants.
///
/// # Errors
/// What is waited for, or why it can't be.
pub fn target(op: &Operation, world: &World) -> StepResult<Target> {
    let plan = plan(op)?;
    let target = between(world, &plan.found, &plan.after)?;
    is_acceptable(target.before.as_ref(), &target.state.resolved).map_err(Progress::Impossible)?;
    Ok(target)
}

/// Where a failed request goes back to. Once the spec was written, that is forward to the spec.
///
/// # Errors
/// As [`target`].
pub fn way_back(op: &Operation, world: &World) -> StepResult<Target> {
    let plan = plan(op)?;
    if section::is_written(op, world, &plan.found, &plan.after)? {
        return between(world, &plan.found, &plan.after);
    }
    between(world, &plan.after, &plan.found)
}

/// No file contains a configuration that can't be read.
fn between(world: &World, from: &ConfigurationSettings, to: &ConfigurationSettings) -> StepResult<Target> {
    if let Some(name) = to.secret().filter(|_| lacks_secret(world, to)) {
        return Err(Progress::Impossible(format!(
            "the Secret {name} does not exist, or has no key user.conf; put the parameters there, then create the request again"
        )));
    }
    let from = (!lacks_secret(world, from)).then_some(from);
    Target::between(world, from, to)
}

fn lacks_secret(world: &World, settings: &ConfigurationSettings) -> bool {
    let name = settings.secret();
    name.is_some_and(|name| world.other_user_confs.get(name) == Some(&Observed::Absent))
}

/// Parameters that are not the user's are refused here, where the provisioner only leaves them out; and so is what the memory
/// of the members can't hold.
///
/// # Errors
/// The message that names what to write.
pub fn is_acceptable(before: Option<&Resolved>, after: &Resolved) -> Result<(), String> {
    let known = before.map(|before| before.parameters_not_used.as_slice());
    let new: Vec<&str> = after
        .parameters_not_used
        .iter()
        .filter(|name| !known.unwrap_or_default().contains(name))
        .map(String::as_str)
        .collect();
    if !new.is_empty() {
        return Err(format!(
            "these parameters are not the user's to set: {}; remove them",
            new.join("; ")
        ));
    }
    let need = MemoryNeed::of(after);
    let grows = before.is_none_or(|before| MemoryNeed::of(before).bytes() < need.bytes());
    match memory_limit(after) {
        Some(limit) if grows && need.bytes() > limit => Err(format!(
            "the members have a memory limit of {}Mi, which is too little: {need}; write less, or give them more memory first by a \
             request of type VerticalScaling",
            limit / (1 << 20)
        )),
        _ => Ok(()),
    }
}
