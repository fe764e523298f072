//! `VerticalScaling`: the members' containers get other resources.
//!
//! The members are restarted one by one, standbys first, or with `mode: InPlace` resized while they run; each is seen to have the
//! resources and to be healthy before the next one's turn. The spec is committed when all are. Until then the way back is the old
//! template.

mod request;
mod resize;
mod states;
mod steps;
mod words;

use api_types::Postgres;
use api_types::ops_request::{
    OperationProgress, OpsRequestType, PlannedMember, PlannedRestart, PostgresOpsRequestSpec,
    ResourceSettings, ResourcesPlan,
};
use blueprint::{MemoryNeed, Resolved, container_resources, memory_limit};
use k8s_openapi::api::core::v1::PodSpec;

use crate::admit::{self, Admission};
use crate::moves::{children, parameters, rolling};
use crate::operation::Operation;
use crate::request_type::{Description, EndedSessions, Proposal, Reads, RequestType};
use crate::step::{Step, StepResult};
use crate::world::World;
use states::Wanted;
use steps::{FINISH, RESIZE, RESTART, RESTART_REST, RESTORE, UPDATE};

/// Gives members other resources.
pub struct VerticalScaling;

impl RequestType for VerticalScaling {
    fn kind(&self) -> OpsRequestType {
        OpsRequestType::VerticalScaling
    }

    fn begun(&self) -> &'static str {
        "Postgres ops request is vertically scaling database"
    }

    fn succeeded(&self) -> &'static str {
        "Successfully Vertically Scaled Database"
    }

    fn check(&self, spec: &PostgresOpsRequestSpec) -> Result<(), String> {
        request::check(spec)
    }

    fn reads(&self, _: &Operation, _: &Postgres) -> Reads {
        Reads {
            dynamic_configuration: true,
            parameters: true,
            cgroups: true,
            ..Reads::default()
        }
    }

    fn plan(
        &self,
        op: &Operation,
        proposal: &Proposal<'_>,
        progress: &mut OperationProgress,
    ) -> Result<(), Admission> {
        let world = proposal.world;
        let postgres = world.postgres.require("the Postgres").map_err(admit::wait_for)?;
        let kept = children::as_followed(world).map_err(admit::wait_for)?;
        let before = admit::can_be_built(world, &kept)?;
        let found = ResourceSettings::of(&postgres.spec);
        let after = request::target(&op.spec, &found, &before).map_err(Admission::Refuse)?;
        let resolved = admit::can_be_built(
            world,
            &children::followed_with(world, &after).map_err(admit::wait_for)?,
        )?;
        let possible = resize::is_possible(&pod_spec(&before), &pod_spec(&resolved));
        let in_place = request::is_in_place(&op.spec) && possible.is_ok();
        memory_suffices(&before, &resolved, in_place).map_err(Admission::Refuse)?;
        if found == after && every_member_has(world, &resolved).map_err(admit::wait_for)? {
            return Err(Admission::NothingToDo(
                "Nothing to change: the members have these resources already".into(),
            ));
        }
        progress.change.vertical_scaling = Some(ResourcesPlan {
            found,
            after,
            in_place,
            not_in_place: possible.err().filter(|_| request::is_in_place(&op.spec)),
        });
        Ok(())
    }

    fn recipe(&self, op: &Operation) -> Vec<Step> {
        let plan = op.progress.change.vertical_scaling.as_ref();
        if plan.is_some_and(|plan| plan.in_place) {
            vec![UPDATE, RESIZE, RESTART_REST, FINISH]
        } else {
            vec![UPDATE, RESTART, FINISH]
        }
    }

    fn restore(&self) -> Option<Step> {
        Some(RESTORE)
    }

    fn describe(&self, op: &Operation, world: &World) -> StepResult<Description> {
        let plan = states::plan(op)?;
        let wanted = states::target(op, world)?;
        let before = children::rendered_with(world, &plan.found)?.resolved;
        let after = &wanted.target.state.resolved;
        let is_new_template = !children::pet_set_effects(world, &wanted.target.state)?.is_empty();
        let members = members(world, &wanted, plan.in_place, is_new_template)?;
        let mut changes = words::changes(&before, after, plan.in_place);
        let why = plan.not_in_place.as_deref();
        let ignored = request::not_acted_on(&op.spec, after.monitor.is_some(), why);
        changes.extend((!ignored.is_empty()).then(|| words::not_acted_on(&ignored)));
        let sessions = if plan.in_place {
            EndedSessions::default()
        } else {
            EndedSessions::of_restarted(&members)
        };
        Ok(Description {
            aim: "would give the members other resources".into(),
            changes,
            sessions,
            members,
            parameters: parameters::planned(&wanted.target.changes),
            ..Description::default()
        })
    }
}

fn pod_spec(resolved: &Resolved) -> PodSpec {
    blueprint::build(resolved)
        .pet_set
        .spec
        .template
        .spec
        .unwrap_or_default()
}

/// What happens to each member. One that was made from the current template has the resources already.
fn members(
    world: &World,
    wanted: &Wanted,
    in_place: bool,
    is_new_template: bool,
) -> StepResult<Vec<PlannedMember>> {
    let revision = rolling::revision(world)?;
    let member = |(pod, member): (&String, &crate::world::Member)| {
        let is_outdated = is_new_template || member.revision != revision;
        let (restart, reason) = if in_place && wanted.check(member).is_err() {
            (
                PlannedRestart::IfNeeded,
                "it is resized while it runs; its Pod is recreated only if its node has no room",
            )
        } else if is_outdated {
            (
                PlannedRestart::Always,
                "its Pod is recreated with the new resources",
            )
        } else {
            (PlannedRestart::Never, "it has the resources")
        };
        PlannedMember {
            name: pod.clone(),
            role: None,
            restart,
            reason: reason.into(),
        }
    };
    world.all_seen()?;
    Ok(world.members().iter().map(member).collect())
}

/// Whether the template has the resources, and every Pod was made from it, as the petset operator reports.
fn every_member_has(world: &World, resolved: &Resolved) -> Result<bool, crate::waiting::WaitingOn> {
    let pet_set = world.pet_set.require("the PetSet")?;
    let containers = states::containers(resolved);
    let mut containers = containers.iter();
    let has_all = containers.all(|(name, wanted)| container_resources(pet_set, name) == Some(wanted));
    Ok(has_all && rolling::is_rolled_out(pet_set))
}

/// A lower limit of memory must leave room for what the members are configured to use; a higher one is never refused.
///
/// # Errors
/// The message that names what to write.
fn memory_suffices(before: &Resolved, after: &Resolved, in_place: bool) -> Result<(), String> {
    let need = MemoryNeed::of(after);
    let running = MemoryNeed::of(before);
    // Without a restart the old ones stay.
    let need = if in_place && running.bytes() > need.bytes() {
        running
    } else {
        need
    };
    match (memory_limit(before), memory_limit(after)) {
        (old, Some(new)) if new < need.bytes() && old.is_none_or(|old| new < old) => Err(format!(
            "the memory limit of the container postgres would be {}Mi, which is too little: {need}. Write \
             limits.memory: {}Mi or more, or lower shared_buffers or max_connections in spec.configuration first",
            new / (1 << 20),
            need.mebibytes()
        )),
        _ => Ok(()),
    }
}
