//! `ForceFailOver`: promotes a member although it may lack rows, when no member that has them can be the primary.
//!
//! What is lost is stated first; no other member takes writes when it is promoted; and nothing is done while the primary is
//! healthy.

mod candidates;
mod steps;

use api_types::names;
use api_types::ops_request::{
    OperationProgress, OpsRequestType, PlannedMember, PlannedRestart, PostgresOpsRequestSpec,
};

use crate::admit::Admission;
use crate::operation::Operation;
use crate::request_type::{Description, EndedSessions, Proposal, RequestType};
use crate::step::{Step, StepResult};
use crate::world::World;
use steps::{CHOOSE, FENCE, PROMOTE, REJOIN};

/// Promotes a member without the primary's part.
pub struct ForceFailOver;

impl RequestType for ForceFailOver {
    fn kind(&self) -> OpsRequestType {
        OpsRequestType::ForceFailOver
    }

    fn begun(&self) -> &'static str {
        "Postgres ops request is forcing a failover"
    }

    fn succeeded(&self) -> &'static str {
        "Successfully forced the failover"
    }

    fn check(&self, spec: &PostgresOpsRequestSpec) -> Result<(), String> {
        let section = spec.force_fail_over.as_ref();
        let candidates = section.map_or(&[][..], |section| section.candidates.as_slice());
        let database = &spec.database_ref.name;
        for (at, pod) in candidates.iter().enumerate() {
            let ordinal = pod
                .strip_prefix(database.as_str())
                .and_then(|it| it.strip_prefix('-'));
            if !ordinal.is_some_and(|it| it.parse::<i32>().is_ok_and(|it| names::pod(database, it) == *pod)) {
                return Err(format!(
                    "spec.forceFailOver.candidates: {pod:?} is no Pod of {database}; write names such as {}",
                    names::pod(database, 1)
                ));
            }
            if candidates[..at].contains(pod) {
                return Err(format!("spec.forceFailOver.candidates: {pod:?} is named twice"));
            }
        }
        Ok(())
    }

    fn repairs(&self) -> bool {
        true
    }

    fn makes_a_primary(&self) -> bool {
        true
    }

    fn plan(
        &self,
        op: &Operation,
        proposal: &Proposal<'_>,
        plan: &mut OperationProgress,
    ) -> Result<(), Admission> {
        let world = proposal.world;
        if world.replicas() <= 1 {
            return Err(Admission::Refuse(format!(
                "Postgres {}/{} has one member, and no other one that could be promoted; look at its condition Ready",
                op.namespace, op.database
            )));
        }
        // A request for a plan probes the members; otherwise the first step chooses.
        if world.members.is_some() {
            steps::no_healthy_primary(world).map_err(Admission::Refuse)?;
            plan.change.failover = Some(candidates::plan(op, world));
        }
        Ok(())
    }

    fn recipe(&self, _: &Operation) -> Vec<Step> {
        vec![CHOOSE, FENCE, PROMOTE, REJOIN]
    }

    fn describe(&self, op: &Operation, world: &World) -> StepResult<Description> {
        let plan = candidates::plan(op, world);
        let aim = match plan.first_fit() {
            Some(first) => format!("would promote {}", first.pod),
            None => "would promote no member: none can be promoted".into(),
        };
        let losses = plan.candidates.iter().map(|it| match &it.unfit {
            Some(why) => format!("{} can't be promoted: {why}", it.pod),
            None => candidates::loss_in_words(it, &plan),
        });
        Ok(Description {
            aim,
            changes: losses.collect(),
            members: world.members().keys().map(|pod| planned(world, pod)).collect(),
            sessions: EndedSessions::default(),
            ..Description::default()
        })
    }
}

fn planned(world: &World, pod: &str) -> PlannedMember {
    let (restart, reason) = if steps::may_take_writes(&world.members()[pod]) {
        (
            PlannedRestart::IfNeeded,
            "it does not report that it takes no writes, so its Pod is ended first, unless it is promoted",
        )
    } else {
        (PlannedRestart::Never, "it takes no writes")
    };
    PlannedMember {
        name: pod.to_owned(),
        role: None,
        restart,
        reason: reason.into(),
    }
}
