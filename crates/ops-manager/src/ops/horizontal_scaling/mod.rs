//! `HorizontalScaling`: members are added, or the last ones leave.
//!
//! A new member is proven before the spec is committed. Before a member leaves, the primary is one that stays and every one
//! that stays is healthy; reads go elsewhere first. So no acknowledged row and no read is lost, and a way back always exists.

mod steps;

use api_types::ops_request::{
    HorizontalScalingRequest, MemberCount, OperationProgress, OpsRequestType, PostgresOpsRequestSpec,
    ScalingPlan,
};
use api_types::postgres::{StandbyMode, StreamingMode};
use api_types::reported::postgres::reasons;
use api_types::{Postgres, names};

use crate::admit::{self, Admission};
use crate::moves::membership;
use crate::operation::Operation;
use crate::request_type::{self, Description, EndedSessions, Proposal, Reads, RequestType};
use crate::step::{Step, StepResult};
use crate::world::World;
use steps::{DOWN, DRAIN, FINISH, RESTORE, TRANSFER, UP};

/// Adds or removes members.
pub struct HorizontalScaling;

impl RequestType for HorizontalScaling {
    fn kind(&self) -> OpsRequestType {
        OpsRequestType::HorizontalScaling
    }

    fn begun(&self) -> &'static str {
        "Postgres ops request is horizontally scaling database"
    }

    fn succeeded(&self) -> &'static str {
        "Successfully Horizontally Scaled Postgres"
    }

    fn check(&self, spec: &PostgresOpsRequestSpec) -> Result<(), String> {
        let scaling = spec.horizontal_scaling.clone().unwrap_or_default();
        check_unsupported(&scaling)?;
        let is_number = scaling.replicas.is_some_and(|replicas| replicas > 0);
        is_number.then_some(()).ok_or_else(|| {
            "spec.horizontalScaling.replicas is not 1 or more; write how many members there are to be".into()
        })
    }

    fn for_edit(&self, postgres: &Postgres, held: &str) -> Option<PostgresOpsRequestSpec> {
        let scaling = HorizontalScalingRequest {
            replicas: Some(postgres.spec.replicas.unwrap_or(1)),
            ..HorizontalScalingRequest::default()
        };
        (held == reasons::HORIZONTAL_SCALING_NEEDED).then(|| PostgresOpsRequestSpec {
            horizontal_scaling: Some(scaling),
            ..request_type::for_edit_of(postgres, self.kind())
        })
    }

    fn reads(&self, _: &Operation, _: &Postgres) -> Reads {
        Reads {
            slot_retention: true,
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
        world.pet_set.require("the PetSet").map_err(admit::wait_for)?;
        let plan = ScalingPlan {
            before: world.replicas(),
            found: MemberCount::of(&postgres.spec),
            after: MemberCount {
                replicas: op.spec.horizontal_scaling.as_ref().and_then(|it| it.replicas),
            },
        };
        if plan.before == wanted(&plan) && plan.found == plan.after {
            return Err(Admission::NothingToDo(
                "Nothing to change: the database has this number of members already".into(),
            ));
        }
        let count = wanted(&plan);
        admit::can_be_built(world, &move |spec| spec.replicas = Some(count))?;
        progress.change.horizontal_scaling = Some(plan);
        Ok(())
    }

    fn recipe(&self, op: &Operation) -> Vec<Step> {
        match sides(op) {
            (before, after) if before < after => vec![UP, FINISH],
            (before, after) if before > after => vec![TRANSFER, DRAIN, DOWN, FINISH],
            _ => vec![FINISH],
        }
    }

    fn restore(&self) -> Option<Step> {
        Some(RESTORE)
    }

    fn describe(&self, op: &Operation, _: &World) -> StepResult<Description> {
        let (before, after) = sides(op);
        let leaving: Vec<String> = (after..before).map(|it| names::pod(&op.database, it)).collect();
        Ok(Description {
            aim: format!("would scale from {before} to {after} members"),
            members: membership::planned(&op.database, before, after),
            sessions: EndedSessions::all(&leaving),
            ..Description::default()
        })
    }
}

/// What KubeDB's section has and this operator does not act on is refused, not ignored. The API server fills in the default
/// values of the two modes, so only another value is the user's own.
fn check_unsupported(scaling: &HorizontalScalingRequest) -> Result<(), String> {
    let unsupported = [
        (!scaling.read_replicas.is_empty(), "readReplicas is"),
        (!scaling.data_centers.is_empty(), "dataCenters is"),
        (
            scaling.standby_mode == Some(StandbyMode::Warm),
            "standbyMode: Warm is",
        ),
        (
            scaling.streaming_mode == Some(StreamingMode::Synchronous),
            "streamingMode (edit spec.streamingMode of the Postgres instead) is",
        ),
    ];
    match unsupported.iter().find(|(is_there, _)| *is_there) {
        None => Ok(()),
        Some((_, field)) => Err(format!(
            "spec.horizontalScaling.{field} not acted on; take it out, and write replicas"
        )),
    }
}

/// The plan that was fixed when the operation began.
fn plan_of(op: &Operation) -> Option<&ScalingPlan> {
    op.progress.change.horizontal_scaling.as_ref()
}

/// The numbers of members before and after.
fn sides(op: &Operation) -> (i32, i32) {
    plan_of(op).map_or((1, 1), |plan| (plan.before, wanted(plan)))
}

/// The members that the database is to have.
fn wanted(plan: &ScalingPlan) -> i32 {
    plan.after.replicas.unwrap_or(1)
}
