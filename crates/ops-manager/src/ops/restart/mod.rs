//! `Restart`: every Pod is restarted, standbys first, the old primary last.

use api_types::ops_request::{OperationProgress, OpsRequestType, PlannedMember, PlannedRestart, TlsSettings};
use api_types::reported::ops_request::conditions;

use crate::admit::Admission;
use crate::moves::{children, in_place, rolling};
use crate::operation::Operation;
use crate::request_type::{Description, EndedSessions, Proposal, RequestType};
use crate::step::{EndsPods, Progress, Step, StepResult};
use crate::world::{Member, World};

const UPDATE: Step = Step::new(
    conditions::UPDATE_PET_SETS,
    "Successfully updated petsets for restart type",
    |_, _| "the Pod template gets a mark, so that every Pod has to be made anew".into(),
    children::restart_token,
);
const RESTART: Step = Step::new(
    conditions::RESTART_NODES,
    "Successfully restarted all nodes",
    rolling::describe,
    restart,
)
.ending_pods(|_| EndsPods::Always)
.with_sub_conditions(rolling::sub_conditions);

/// Afterwards no parameter waits for a restart.
fn restart(op: &Operation, world: &World) -> StepResult {
    in_place::lowered_first(world)?;
    rolling::restart(op, world, &|_: &str, _: &Member| Ok(()))?.require_done()?;
    in_place::restart_pending(world)?;
    Ok(Progress::Done)
}

/// Restarts every member.
pub struct Restart;

impl RequestType for Restart {
    fn kind(&self) -> OpsRequestType {
        OpsRequestType::Restart
    }

    fn begun(&self) -> &'static str {
        "Postgres ops request is restarting nodes"
    }

    fn succeeded(&self) -> &'static str {
        "Successfully completed the modification process."
    }

    fn plan(&self, _: &Operation, _: &Proposal<'_>, _: &mut OperationProgress) -> Result<(), Admission> {
        Ok(())
    }

    fn recipe(&self, _: &Operation) -> Vec<Step> {
        vec![UPDATE, RESTART]
    }

    fn describe(&self, _: &Operation, world: &World) -> StepResult<Description> {
        let settings = TlsSettings::of(&world.postgres.require("the Postgres")?.spec);
        let pods = children::resolved(world, &settings)?.pod_names();
        Ok(Description {
            aim: "would restart every member".into(),
            members: pods.iter().map(|pod| restarted(pod)).collect(),
            sessions: EndedSessions::all(&pods),
            ..Description::default()
        })
    }
}

fn restarted(pod: &str) -> PlannedMember {
    PlannedMember {
        name: pod.to_owned(),
        role: None,
        restart: PlannedRestart::Always,
        reason: "the request restarts every member".into(),
    }
}
