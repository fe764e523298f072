//! `VolumeExpansion`: the members' volumes get larger.
//!
//! Claims are changed first, each member is seen to have the room itself, and only then the PetSet and the spec say the new size.
//! With `mode: Offline` the members' Pods are away meanwhile, one after the other.
//! It needs no login and no healthy member: a database whose disk is full is the usual reason for it. A volume that has grown can't
//! shrink, so there is no way back for it; members may differ then, and the next request takes them from where they are.

mod offline;
mod preflight;
mod request;
mod steps;
mod words;

use api_types::Postgres;
use api_types::ops_request::{
    MODE_ONLINE, OperationProgress, OpsRequestType, PlannedMember, PlannedRestart, PostgresOpsRequestSpec,
    VolumeExpansionRequest, VolumePlan, VolumeSize,
};
use api_types::reported::postgres::reasons;

use crate::admit::{self, Admission};
use crate::operation::Operation;
use crate::request_type::{self, Description, EndedSessions, Proposal, Reads, RequestType};
use crate::step::{Step, StepResult};
use crate::world::World;
use steps::{EXPAND, FINISH, READY_PET_SETS, RESTORE};

/// Enlarges the members' volumes.
pub struct VolumeExpansion;

impl RequestType for VolumeExpansion {
    fn kind(&self) -> OpsRequestType {
        OpsRequestType::VolumeExpansion
    }

    fn begun(&self) -> &'static str {
        "Postgres ops request is expanding volume of database"
    }

    fn succeeded(&self) -> &'static str {
        "Successfully Expanded Volume."
    }

    fn check(&self, spec: &PostgresOpsRequestSpec) -> Result<(), String> {
        request::check(spec)
    }

    fn for_edit(&self, postgres: &Postgres, held: &str) -> Option<PostgresOpsRequestSpec> {
        let size = VolumeSize::of(&postgres.spec).storage?;
        (held == reasons::VOLUME_EXPANSION_NEEDED).then(|| PostgresOpsRequestSpec {
            volume_expansion: Some(VolumeExpansionRequest {
                mode: MODE_ONLINE.to_owned(),
                postgres: Some(size),
                arbiter: None,
            }),
            ..request_type::for_edit_of(postgres, self.kind())
        })
    }

    /// A full disk is why the database is not Ready.
    fn repairs(&self) -> bool {
        true
    }

    fn reads(&self, _: &Operation, _: &Postgres) -> Reads {
        Reads {
            volumes: true,
            dynamic_configuration: true,
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
        let plan = VolumePlan {
            before: preflight::made_with(world)?,
            found: VolumeSize::of(&postgres.spec),
            after: VolumeSize {
                storage: request::size(&op.spec),
            },
            ..VolumePlan::default()
        };
        preflight::check(op, world, &plan)?;
        progress.change.volume_expansion = Some(plan);
        Ok(())
    }

    fn recipe(&self, op: &Operation) -> Vec<Step> {
        let expand = if request::is_offline(&op.spec) {
            offline::EXPAND
        } else {
            EXPAND
        };
        vec![expand, READY_PET_SETS, FINISH]
    }

    fn restore(&self) -> Option<Step> {
        Some(RESTORE)
    }

    fn describe(&self, op: &Operation, world: &World) -> StepResult<Description> {
        let plan = steps::plan(op)?;
        world.all_seen()?;
        let volumes = steps::volumes(op, world)?;
        let is_offline = request::is_offline(&op.spec);
        let member = |volume: &steps::MemberVolumes<'_>| PlannedMember {
            name: volume.pod.clone(),
            role: None,
            restart: if is_offline && preflight::grows(volume.claim, plan) {
                PlannedRestart::Always
            } else {
                PlannedRestart::Never
            },
            reason: words::of_member(volume.claim, plan, is_offline),
        };
        let members: Vec<PlannedMember> = volumes.iter().map(member).collect();
        let mut changes = vec![words::change(plan)];
        let restarts = |member: &PlannedMember| member.restart == PlannedRestart::Always;
        if members.iter().any(restarts) {
            changes.push(words::downtime(world.replicas()).to_owned());
        }
        changes.extend(request::not_acted_on(&op.spec).map(str::to_owned));
        Ok(Description {
            aim: "would expand the members' volumes".into(),
            changes,
            sessions: EndedSessions::of_restarted(&members),
            members,
            ..Description::default()
        })
    }
}

/// The plan that was fixed when the operation began.
fn plan_of(op: &Operation) -> Option<&VolumePlan> {
    op.progress.change.volume_expansion.as_ref()
}
