//! `Reconfigure`: other PostgreSQL parameters.
//!
//! Every parameter is examined before a member gets it. Members read them, and PostgreSQL restarts in its Pod where one needs
//! that. The spec is committed when every member has them; until then the way back is the former configuration.

mod merge;
mod request;
mod states;
mod steps;
mod words;

use api_types::Postgres;
use api_types::ops_request::{
    ConfigurationPlan, ConfigurationSettings, OperationProgress, OpsRequestType, PlannedMember,
    PostgresOpsRequestSpec,
};
use api_types::reported::ops_request::reasons;

use crate::admit::{self, Admission};
use crate::moves::{children, in_place, parameters};
use crate::operation::Operation;
use crate::request_type::{Description, EndedSessions, Merging, Proposal, Reads, RequestType};
use crate::step::{Step, StepResult};
use crate::world::World;
use request::Restart;
use steps::{FINISH, MARK_TEMPLATE, RELOAD, RESTART_ALL, RESTART_POSTGRES, RESTORE, UPDATE};

/// The type on the wire.
const KIND: OpsRequestType = OpsRequestType::Reconfigure;

/// Changes PostgreSQL's parameters.
pub struct Reconfigure;

impl RequestType for Reconfigure {
    fn kind(&self) -> OpsRequestType {
        KIND
    }

    fn begun(&self) -> &'static str {
        "Postgres ops request is reconfiguring database"
    }

    fn succeeded(&self) -> &'static str {
        "Successfully Reconfigured Postgres"
    }

    fn check(&self, spec: &PostgresOpsRequestSpec) -> Result<(), String> {
        request::check(spec)
    }

    fn merging(&self) -> Option<Merging> {
        Some(Merging {
            infix: "rcfg-merged",
            reason: reasons::CONFIGURATION_MERGED,
            skipped: "Configuration merged into newly created ops request",
            merge: merge::merge,
        })
    }

    fn reads(&self, op: &Operation, postgres: &Postgres) -> Reads {
        let Some(plan) = plan_of(op) else {
            let target = request::target(&op.spec, &ConfigurationSettings::of(&postgres.spec));
            return reads(&[target.unwrap_or_default()]);
        };
        reads(&[plan.found.clone(), plan.after.clone()])
    }

    fn plan(
        &self,
        op: &Operation,
        proposal: &Proposal<'_>,
        progress: &mut OperationProgress,
    ) -> Result<(), Admission> {
        let world = proposal.world;
        let postgres = world.postgres.require("the Postgres").map_err(admit::wait_for)?;
        let found = ConfigurationSettings::of(&postgres.spec);
        let after = request::target(&op.spec, &found).map_err(Admission::Refuse)?;
        let kept = children::as_followed(world).map_err(admit::wait_for)?;
        let resolved = admit::can_be_built(
            world,
            &children::followed_with(world, &after).map_err(admit::wait_for)?,
        )?;
        let before = admit::can_be_built(world, &kept).ok();
        states::is_acceptable(before.as_ref(), &resolved).map_err(Admission::Refuse)?;
        progress.change.configuration = Some(ConfigurationPlan { found, after });
        Ok(())
    }

    fn recipe(&self, op: &Operation) -> Vec<Step> {
        match request::restart(&op.spec) {
            Restart::Auto => vec![UPDATE, RELOAD, RESTART_POSTGRES, FINISH],
            Restart::Always => vec![UPDATE, RELOAD, MARK_TEMPLATE, RESTART_ALL, FINISH],
            Restart::Never => vec![UPDATE, RELOAD, FINISH],
        }
    }

    fn restore(&self) -> Option<Step> {
        Some(RESTORE)
    }

    fn describe(&self, op: &Operation, world: &World) -> StepResult<Description> {
        let target = states::target(op, world)?;
        let restart = request::restart(&op.spec);
        world.all_seen()?;
        let waits: Vec<&str> = in_place::pending(world).into_iter().map(|(pod, _)| pod).collect();
        let member = |pod: &String| {
            let needs_restart = target.needs_restart() || waits.contains(&pod.as_str());
            let (restart, reason) = words::of_member(restart, needs_restart);
            PlannedMember {
                name: pod.clone(),
                role: None,
                restart,
                reason: reason.into(),
            }
        };
        let members: Vec<PlannedMember> = world.members().keys().map(member).collect();
        let mut changes = words::changes(&target.changes);
        changes.extend(target.shadowed(world));
        if restart == Restart::Auto && target.is_lowered() {
            changes.push("the primary restarts first, because a standby can't have less than it".into());
        }
        Ok(Description {
            aim: "would change parameters of PostgreSQL".into(),
            changes,
            sessions: EndedSessions::of_restarted(&members),
            members,
            parameters: parameters::planned(&target.changes),
            ..Description::default()
        })
    }
}

/// The plan that was fixed when the operation began.
fn plan_of(op: &Operation) -> Option<&ConfigurationPlan> {
    op.progress.change.configuration.as_ref()
}

/// The Secrets of these settings, and the parameters by which members prove what they have.
fn reads(settings: &[ConfigurationSettings]) -> Reads {
    let secrets = settings.iter().filter_map(ConfigurationSettings::secret);
    let mut user_confs: Vec<String> = secrets.map(str::to_owned).collect();
    user_confs.sort();
    user_confs.dedup();
    Reads {
        dynamic_configuration: true,
        parameters: true,
        user_confs,
        ..Reads::default()
    }
}
