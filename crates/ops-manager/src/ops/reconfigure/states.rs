//! The members' configuration before and after a change of parameters, and what is different.

use api_types::ops_request::{ConfigurationPlan, ConfigurationSettings};
use blueprint::{MemoryNeed, ParameterChange, Resolved, memory_limit, recorded_hash};
use serde_json::Value;

use super::plan_of;
use crate::effect::{Effect, MemberEffect};
use crate::member::sql;
use crate::moves::children::{self, RenderedState};
use crate::operation::Operation;
use crate::section;
use crate::step::{self, Progress, StepResult};
use crate::tls::verification::TargetConfig;
use crate::waiting::WaitingOn;
use crate::world::{Observed, World};

/// What members are to have.
pub struct Target {
    /// The objects.
    pub state: RenderedState,
    /// The configuration that it comes from; none when that can't be built.
    pub before: Option<Resolved>,
    /// What is different between the two.
    pub changes: Vec<ParameterChange>,
}

impl Target {
    /// Whether a parameter needs a restart.
    pub fn needs_restart(&self) -> bool {
        self.changes.iter().any(|change| change.needs_restart)
    }

    /// Whether a parameter goes down that the primary must take before a standby can.
    pub fn is_lowered(&self) -> bool {
        self.changes.iter().any(|change| change.is_lowered)
    }

    /// The files by which it reaches the members.
    pub fn files(&self) -> TargetConfig {
        let hash = recorded_hash(&self.state.children.config_secret.metadata);
        TargetConfig {
            token: hash.unwrap_or_default().to_owned(),
            files: sql::files_of(&self.state),
        }
    }
}

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

/// Where a failed request goes back to; where the spec was written, that is on to what it says.
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

fn between(world: &World, from: &ConfigurationSettings, to: &ConfigurationSettings) -> StepResult<Target> {
    let before = match state(world, from) {
        Ok(state) => Some(state.resolved),
        // A configuration that can't be built is in nobody's file.
        Err(Progress::Impossible(_)) => None,
        Err(other) => return Err(other),
    };
    let state = state(world, to)?;
    let changes = blueprint::changes(before.as_ref(), &state.resolved);
    Ok(Target {
        state,
        before,
        changes,
    })
}

fn state(world: &World, settings: &ConfigurationSettings) -> StepResult<RenderedState> {
    if let Some(name) = settings.secret()
        && world.other_user_confs.get(name) == Some(&Observed::Absent)
    {
        return Err(Progress::Impossible(format!(
            "the Secret {name} does not exist, or has no key user.conf; put the parameters there, then create the request again"
        )));
    }
    children::rendered_with(world, settings)
}

/// Parameters that are not the user's are refused here, where the provisioner only leaves them out; and so is what the memory
/// of the members can't hold.
///
/// # Errors
/// The sentence that says what to write.
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

/// What has to be written for the members to get it.
///
/// # Errors
/// What is waited for.
pub fn effects(world: &World, target: &Target) -> StepResult<Vec<Effect>> {
    let mut effects = children::config_effects(world, &target.state)?;
    let members = world.members.as_ref();
    let now: Option<&Value> = members.and_then(|members| members.dynamic_configuration.as_ref());
    let any = world
        .leader()
        .or(world.members().keys().next().map(String::as_str));
    let (Some(pod), Some(now)) = (any, now) else {
        // Whether Patroni answers may depend on the file.
        return if effects.is_empty() {
            Err(WaitingOn::DynamicConfiguration.into())
        } else {
            Ok(effects)
        };
    };
    let patch = blueprint::dynamic_patch(target.before.as_ref(), &target.state.resolved, now);
    effects.extend(patch.map(|patch| {
        let (pod, patch) = (pod.to_owned(), Box::new(patch));
        Effect::from(MemberEffect::ConfigurePatroni { pod, patch })
    }));
    Ok(effects)
}
