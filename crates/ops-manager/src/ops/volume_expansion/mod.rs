//! `VolumeExpansion`: the members' volumes get larger.
//!
//! Claims are changed first, each member is seen to have the room itself, and only then the PetSet and the spec get the new size.
//! The operation needs no login and no healthy member: a database whose disk is full is the usual reason for it. A volume that
//! has grown can't shrink, so there is no way back for it. Members may differ then, and the next request continues from there.

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

    fn recipe(&self, _: &Operation) -> Vec<Step> {
        vec![EXPAND, READY_PET_SETS, FINISH]
    }

    fn restore(&self) -> Option<Step> {
        Some(RESTORE)
    }

    fn describe(&self, op: &Operation, world: &World) -> StepResult<Description> {
        let plan = steps::plan(op)?;
        world.all_seen()?;
        let volumes = steps::volumes(op, world)?;
        let member = |volume: &steps::MemberVolumes<'_>| PlannedMember {
            name: volume.pod.clone(),
            role: None,
            restart: PlannedRestart::Never,
            reason: words::of_member(volume.claim, plan),
        };
        let mut changes = vec![words::change(plan)];
        changes.extend(request::not_acted_on(&op.spec).map(str::to_owned));
        Ok(Description {
            aim: "would expand the members' volumes".into(),
            changes,
            members: volumes.iter().map(member).collect(),
            sessions: EndedSessions::default(),
            ..Description::default()
        })
    }
}

/// The plan that was fixed when the operation began.
fn plan_of(op: &Operation) -> Option<&VolumePlan> {
    op.progress.change.volume_expansion.as_ref()
}
