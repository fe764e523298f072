//! Reports what was seen and done: `PetSet.status` and Events.

use api_types::PetSet;
use api_types::reported::pet_set::{events, reasons};
use api_types::vocabulary::PETSET_CONTROLLER;
use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use runtime::{ApplyError, Process, Severity};

use crate::controller::Error;
use crate::decide::Plan;
use crate::moves::{Move, Problem};
use crate::perform::Done;
use crate::resolve::{Desired, Invalid};
use crate::status::{self, CLAIM_TERMINATING, REPLICA_FAILURE};
use crate::world::World;

/// Writes the status of a pass.
///
/// # Errors
/// [`ApplyError`], when the status can't be written.
pub async fn report(
    process: &Process,
    pet_set: &PetSet,
    desired: &Desired,
    world: &World,
    plan: &Plan,
    done: &Done,
    now: Timestamp,
) -> Result<(), ApplyError> {
    for wait in &plan.waits {
        tracing::debug!("waiting: {wait}");
    }
    let problems: Vec<Problem> = done.problems.iter().chain(&plan.problems).cloned().collect();
    let mut wanted = status::status(desired, world, &plan.revisions, &problems, now);
    if done.collided {
        wanted.collision_count = Some(wanted.collision_count.unwrap_or(0) + 1);
    }
    tell_new_problems(process, pet_set, &plan.problems);
    tell_new_problems(process, pet_set, &status::vanishing_claims(desired, world));
    write(process, pet_set, &wanted).await
}

/// Writes the status of a PetSet that can't be acted on.
///
/// # Errors
/// [`ApplyError`], when the status can't be written.
pub async fn invalid(
    process: &Process,
    pet_set: &PetSet,
    invalid: &Invalid,
    now: Timestamp,
) -> Result<(), ApplyError> {
    let problem = Problem::invalid(invalid);
    tell_new_problems(process, pet_set, std::slice::from_ref(&problem));
    let old = pet_set.status.clone().unwrap_or_default();
    write(
        process,
        pet_set,
        &status::invalid(&old, pet_set.metadata.generation, &problem, now),
    )
    .await
}

/// A PetSet that went away meanwhile needs no status.
async fn write(
    process: &Process,
    pet_set: &PetSet,
    wanted: &api_types::petset::PetSetStatus,
) -> Result<(), ApplyError> {
    match runtime::patch_status(&process.client, pet_set, wanted, PETSET_CONTROLLER).await {
        Ok(_) | Err(ApplyError::Gone { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// One Event per problem that the status does not show yet.
fn tell_new_problems(process: &Process, pet_set: &PetSet, problems: &[Problem]) {
    let conditions = pet_set.status.iter().flat_map(|s| s.conditions.iter().flatten());
    let known: Vec<&str> = conditions
        .filter(|c| c.type_ == REPLICA_FAILURE || c.type_ == CLAIM_TERMINATING)
        .filter_map(|c| c.message.as_deref())
        .collect();
    let is_known = |problem: &&Problem| known.iter().any(|message| message.contains(&problem.message));
    for problem in problems.iter().filter(|problem| !is_known(problem)) {
        tracing::warn!("{problem}");
        let (event, note) = (problem.event_reason(), &problem.message);
        publish(process, pet_set, Severity::Warning, event, note, problem.reason);
    }
}

/// The Event of a move that was made.
pub fn succeeded(process: &Process, pet_set: &PetSet, step: &Move) {
    let set = pet_set.name_any();
    let (reason, note, action) = match step {
        Move::CreatePod(pod) => {
            let pod = pod.name_any();
            (
                events::SUCCESSFUL_CREATE,
                format!("create Pod {pod} in PetSet {set} successful"),
                format!("Create {pod}"),
            )
        }
        Move::CreateClaim(claim) => {
            let claim = claim.name_any();
            (
                events::SUCCESSFUL_CREATE,
                format!("create Claim {claim} in PetSet {set} success"),
                format!("Create {claim}"),
            )
        }
        Move::DeleteClaim(seen) => (
            events::SUCCESSFUL_DELETE,
            format!("{step} in PetSet {set} success"),
            format!("Delete {}", seen.name),
        ),
        Move::DeletePod { name, reason, .. } => (
            events::SUCCESSFUL_DELETE,
            format!("delete Pod {name} in PetSet {set} successful: {reason}"),
            format!("Delete {name}"),
        ),
        _ => return,
    };
    publish(process, pet_set, Severity::Normal, reason, &note, &action);
}

/// The Event of a move that failed, and the same as a problem for the status. A race is no problem: the next pass
/// observes again.
pub fn failed(process: &Process, pet_set: &PetSet, step: &Move, error: &Error) -> Option<Problem> {
    let Error::Api(error) = error else { return None };
    // What is to be made can't be gone: the response is about its namespace, or its kind.
    let is_made = matches!(
        step,
        Move::CreatePod(_) | Move::CreateClaim(_) | Move::CreateRevision(_)
    );
    if error.is_conflict() || matches!(error, ApplyError::Gone { .. }) && !is_made {
        return None;
    }
    let set = pet_set.name_any();
    let cause = error.sentence();
    let (reason, what) = match step {
        Move::CreatePod(pod) => (reasons::FAILED_CREATE, format!("create Pod {}", pod.name_any())),
        Move::CreateClaim(claim) => (
            reasons::FAILED_CREATE,
            format!("create Claim {}", claim.name_any()),
        ),
        Move::DeletePod { name, .. } => (reasons::FAILED_DELETE, format!("delete Pod {name}")),
        Move::DeleteClaim(seen) => (reasons::FAILED_DELETE, format!("delete Claim {}", seen.name)),
        other => (reasons::FAILED_UPDATE, other.to_string()),
    };
    let message = format!("{what} in PetSet {set} failed error: {cause}");
    publish(process, pet_set, Severity::Warning, reason, &message, &what);
    Some(Problem { reason, message })
}

/// `action` is cut to what the API server takes.
fn publish(process: &Process, pet_set: &PetSet, severity: Severity, reason: &str, note: &str, action: &str) {
    let action: String = action.chars().take(MAX_ACTION).collect();
    process
        .recorder
        .publish(&pet_set.object_ref(&()), severity, reason, note, &action);
}

/// Longest action of an Event (events.k8s.io/v1).
const MAX_ACTION: usize = 128;
