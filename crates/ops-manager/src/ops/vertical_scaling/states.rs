//! The members' resources and parameters before and after, and whether a member has them.

use std::collections::BTreeMap;

use api_types::ops_request::ResourcesPlan;
use api_types::quantity::{has_all, is_same};
use api_types::vocabulary::{EXPORTER_CONTAINER, POSTGRES_CONTAINER};
use blueprint::{Resolved, exporter_resources};
use k8s_openapi::api::core::v1::ResourceRequirements;

use crate::member::resources;
use crate::moves::children;
use crate::moves::parameters::{self, Target};
use crate::operation::Operation;
use crate::section;
use crate::step::{self, Progress, StepResult};
use crate::world::{Member, World};

/// What the members are to have.
pub struct Wanted {
    /// Parameters that follow from the resources, and the objects.
    pub target: Target,
    /// All requests and limits of each container, by its name.
    pub containers: BTreeMap<String, ResourceRequirements>,
}

impl Wanted {
    fn of(target: Target) -> Self {
        let containers = containers(&target.state.resolved);
        Self { target, containers }
    }

    /// Whether a member's Pod, and what runs in it, has these resources.
    ///
    /// # Errors
    /// In a few words, what it has instead.
    pub fn check(&self, member: &Member) -> Result<(), String> {
        let mut all = self.containers.iter();
        all.try_for_each(|(name, wanted)| resources::check(member, name, wanted))
    }

    /// Whether a member's Pod has these resources in its spec, whatever runs in it.
    ///
    /// # Errors
    /// The container that does not.
    pub fn check_asked(&self, member: &Member) -> Result<(), String> {
        let asks = |(name, wanted): (&String, &ResourceRequirements)| {
            let asked = member.resources.get(name).map(|it| &it.asked);
            has_all(asked, wanted, is_same)
                .then_some(())
                .ok_or_else(|| name.clone())
        };
        self.containers.iter().try_for_each(asks)
    }

    /// Whether a member's Pod has a limit that is not wanted: Kubernetes takes none away from a Pod that runs.
    pub fn lacks_a_limit_of(&self, member: &Member) -> bool {
        let mut containers = self.containers.iter();
        containers.any(|(name, wanted)| {
            let limits = member.resources.get(name).and_then(|it| it.asked.limits.as_ref());
            let mut names = limits.into_iter().flat_map(BTreeMap::keys);
            names.any(|name| !wanted.limits.as_ref().is_some_and(|all| all.contains_key(name)))
        })
    }
}

/// All requests and limits of each container of a member, by its name.
pub fn containers(resolved: &Resolved) -> BTreeMap<String, ResourceRequirements> {
    let exporter = exporter_resources(resolved).map(|it| (EXPORTER_CONTAINER.to_owned(), it));
    let postgres = (POSTGRES_CONTAINER.to_owned(), resolved.resources.clone());
    [postgres].into_iter().chain(exporter).collect()
}

/// The plan that was fixed when the operation began.
///
/// # Errors
/// [`Progress::Impossible`] when it is gone.
pub fn plan(op: &Operation) -> StepResult<&ResourcesPlan> {
    step::planned(op.progress.change.vertical_scaling.as_ref())
}

/// What the request wants.
///
/// # Errors
/// What is waited for, or why it can't be.
pub fn target(op: &Operation, world: &World) -> StepResult<Wanted> {
    let plan = plan(op)?;
    Target::between(world, Some(&plan.found), &plan.after).map(Wanted::of)
}

/// Where a failed request goes back to. Once the spec was written, that is forward to the spec.
///
/// # Errors
/// As [`target`].
pub fn way_back(op: &Operation, world: &World) -> StepResult<Wanted> {
    let plan = plan(op)?;
    if section::is_written(op, world, &plan.found, &plan.after)? {
        return target(op, world);
    }
    Target::between(world, Some(&plan.after), &plan.found).map(Wanted::of)
}

/// The objects have the new resources. The configuration is written first: a new Pod with less memory must not start
/// with the old `shared_buffers`.
///
/// # Errors
/// What is next.
pub fn children_are(world: &World, wanted: &Wanted) -> StepResult<()> {
    let target = &wanted.target;
    // Before anything is written: it may turn out that the template must not be.
    let pet_set = children::pet_set_effects(world, &target.state)?;
    let mut effects = children::config_effects(world, &target.state)?;
    effects.extend(pet_set);
    if target.changes_shared() {
        effects.extend(parameters::shared(world, target)?);
    }
    Progress::of(effects).require_done()?;
    Ok(children::template_is_observed(world)?)
}
