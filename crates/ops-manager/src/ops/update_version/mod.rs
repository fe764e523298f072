//! `UpdateVersion`: the members run another minor version of the same major version, a newer one or an older one.
//!
//! Minor versions share the format of data files (PostgreSQL manual, "Upgrading a PostgreSQL Cluster"), so members are replaced
//! one by one. The first standby shows whether the new version runs with this data; each member reports its version in SQL before
//! the next one is touched; the primary goes last. The spec is committed when all have reported. Until then the way back is the
//! old image.

mod constraints;
mod request;
mod steps;

use api_types::Postgres;
use api_types::ops_request::{
    OperationProgress, OpsRequestType, PlannedMember, PlannedRestart, PostgresOpsRequestSpec,
    UpdateVersionRequest, VersionPlan,
};
use api_types::reported::postgres::reasons;

use crate::admit::Admission;
use crate::moves::{children, rolling};
use crate::operation::Operation;
use crate::request_type::{self, Description, EndedSessions, Proposal, Reads, RequestType};
use crate::step::{self, Step, StepResult};
use crate::world::World;
use steps::{FINISH, PRIMARY, RESTORE, STANDBYS, UPDATE};

/// Lets members run another minor version.
pub struct UpdateVersion;

impl RequestType for UpdateVersion {
    fn kind(&self) -> OpsRequestType {
        OpsRequestType::UpdateVersion
    }

    fn begun(&self) -> &'static str {
        "Postgres ops request is update-version database version"
    }

    fn succeeded(&self) -> &'static str {
        "Successfully Updated Database"
    }

    fn check(&self, spec: &PostgresOpsRequestSpec) -> Result<(), String> {
        if target_of(spec).is_empty() {
            return Err(
                "spec.updateVersion.targetVersion is missing; write the name of a PostgresVersion (kubectl get pgversion)"
                    .into(),
            );
        }
        Ok(())
    }

    /// A name that was edited. An image that the catalog has under the same name by now is for a person to roll out: it would
    /// restart every database of the cluster at once.
    fn for_edit(&self, postgres: &Postgres, held: &str) -> Option<PostgresOpsRequestSpec> {
        let wanted = &postgres.spec.version;
        let is_edited = postgres.deployed()?.version.name != *wanted;
        (held == reasons::UPDATE_VERSION_NEEDED && is_edited).then(|| PostgresOpsRequestSpec {
            update_version: Some(UpdateVersionRequest {
                target_version: Some(wanted.clone()),
            }),
            ..request_type::for_edit_of(postgres, self.kind())
        })
    }

    fn decides_version(&self) -> bool {
        true
    }

    fn reads(&self, op: &Operation, postgres: &Postgres) -> Reads {
        let before = plan_of(op).map(|plan| plan.before.name.clone());
        let before = before.or_else(|| Some(postgres.deployed()?.version.name.clone()));
        Reads {
            versions: before
                .into_iter()
                .chain([target_of(&op.spec).to_owned()])
                .collect(),
            ..Reads::default()
        }
    }

    fn plan(
        &self,
        op: &Operation,
        proposal: &Proposal<'_>,
        progress: &mut OperationProgress,
    ) -> Result<(), Admission> {
        let plan = request::plan(target_of(&op.spec), proposal.world)?;
        progress.change.update_version = Some(plan);
        Ok(())
    }

    fn recipe(&self, _: &Operation) -> Vec<Step> {
        vec![UPDATE, STANDBYS, PRIMARY, FINISH]
    }

    fn restore(&self) -> Option<Step> {
        Some(RESTORE)
    }

    fn describe(&self, op: &Operation, world: &World) -> StepResult<Description> {
        let plan = step::planned(plan_of(op))?;
        let after = steps::rendered(world, &plan.after)?;
        let is_new_template = !children::pet_set_with_version(world, &after)?.is_empty();
        let ends = steps::ends_pods(op) == step::EndsPods::Always && is_new_template;
        let members = members(world, ends)?;
        Ok(Description {
            aim: format!(
                "would update {} to {}",
                steps::words(&plan.before),
                steps::words(&plan.after)
            ),
            changes: vec![format!("image {} → {}", plan.before.image, plan.after.image)],
            sessions: EndedSessions::of_restarted(&members),
            members,
            ..Description::default()
        })
    }
}

/// The plan that was fixed when the operation began.
fn plan_of(op: &Operation) -> Option<&VersionPlan> {
    op.progress.change.update_version.as_ref()
}

/// Name of the PostgresVersion in the request.
fn target_of(spec: &PostgresOpsRequestSpec) -> &str {
    let section = spec.update_version.as_ref();
    section
        .and_then(|section| section.target_version.as_deref())
        .unwrap_or_default()
}

/// What happens to each member.
fn members(world: &World, is_new_image: bool) -> StepResult<Vec<PlannedMember>> {
    let revision = rolling::revision(world)?;
    world.all_seen()?;
    let member = |(pod, member): (&String, &crate::world::Member)| {
        let is_outdated = is_new_image || member.revision != revision;
        let (restart, reason) = if is_outdated {
            (
                PlannedRestart::Always,
                "its Pod is recreated with the image of the new version",
            )
        } else {
            (PlannedRestart::Never, "it runs this image")
        };
        PlannedMember {
            name: pod.clone(),
            role: None,
            restart,
            reason: reason.into(),
        }
    };
    Ok(world.members().iter().map(member).collect())
}
