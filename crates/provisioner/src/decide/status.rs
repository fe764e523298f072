//! Conditions from what was observed, in KubeDB's words. The first sentence of a message is KubeDB's; what we know
//! besides follows it.

use api_types::postgres::conditions as types;
use api_types::reported::postgres::{events, reasons};

use crate::decide::{platform, storage};
use crate::health::{Failure, FailureKind, Verdict};
use crate::plan::Plan;
use crate::world::{World, is_ready};

/// Adds the conditions that follow from observation.
pub fn observed(world: &World, plan: &mut Plan) {
    storage::at_risk(world, plan);
    if !plan.checks_health {
        return;
    }
    let trouble = platform::trouble(world);
    let complete = replica_ready(world, trouble.as_deref(), plan);
    accepting_connection(world, plan);
    let ready = ready(world, trouble.as_deref().filter(|_| !complete), plan);
    if ready && complete && !world.is_provisioned() {
        let message = format!("The PostgreSQL: {} is successfully provisioned.", world.key());
        plan.set(
            types::PROVISIONED,
            true,
            reasons::DATABASE_SUCCESSFULLY_PROVISIONED,
            message,
        );
        plan.tell(false, events::SUCCESSFUL, "Successfully created Postgres");
    }
}

fn replica_ready(world: &World, trouble: Option<&str>, plan: &mut Plan) -> bool {
    let Some(pet_set) = world.pet_set() else {
        return false;
    };
    // The PetSet that this pass applies, so that members that are about to be added count as missing at once.
    let wanted = plan.applied_pet_set().unwrap_or(pet_set);
    let desired = wanted.spec.replicas.unwrap_or(1);
    let ready = world.pods.iter().filter(|pod| is_ready(pod)).count();
    let complete = i32::try_from(ready).is_ok_and(|ready| ready >= desired);
    if complete {
        plan.set(
            types::REPLICA_READY,
            true,
            reasons::ALL_REPLICAS_READY,
            "All desired replicas are ready.",
        );
    } else {
        let mut message = format!(
            "All desired replicas are not ready. For PetSet: {} desired replicas: {desired}, ready replicas: {ready}.",
            world.key(),
        );
        if let Some(trouble) = trouble {
            tell_once(world, trouble, plan);
            message = format!("{message} {trouble}");
        }
        plan.set(
            types::REPLICA_READY,
            false,
            reasons::SOME_REPLICAS_NOT_READY,
            message,
        );
    }
    complete
}

/// Emits an Event for what keeps members from coming up, when the condition does not report it yet.
fn tell_once(world: &World, trouble: &str, plan: &mut Plan) {
    let said = api_types::condition::find(world.conditions(), types::REPLICA_READY);
    let said = said.and_then(|condition| condition.message.as_deref());
    if !said.is_some_and(|message| message.ends_with(trouble)) {
        plan.tell(true, events::MEMBERS_NOT_STARTED, trouble);
    }
}

fn accepting_connection(world: &World, plan: &mut Plan) {
    let type_ = types::ACCEPTING_CONNECTION;
    match world.health.as_ref().map(|report| &report.accepting) {
        None | Some(Verdict::Open) => {}
        Some(Verdict::Yes) => {
            let message = format!("The PostgreSQL: {} is accepting client requests.", world.key());
            plan.set(
                type_,
                true,
                reasons::DATABASE_ACCEPTING_CONNECTION_REQUEST,
                message,
            );
        }
        Some(Verdict::No(failure)) if failure.is_unknown() => {
            plan.set_unknown(
                type_,
                reasons::HEALTH_CHECK_NOT_POSSIBLE,
                not_checked(world, failure),
            );
        }
        Some(Verdict::No(failure)) => {
            let message = format!(
                "The PostgreSQL: {} is not accepting client requests. {}",
                world.key(),
                failure.why
            );
            plan.set(
                type_,
                false,
                reasons::DATABASE_NOT_ACCEPTING_CONNECTION_REQUEST,
                message,
            );
        }
    }
}

fn not_checked(world: &World, failure: &Failure) -> String {
    format!(
        "It can't be checked whether the PostgreSQL: {} is ready. {}",
        world.key(),
        failure.why
    )
}

fn ready(world: &World, trouble: Option<&str>, plan: &mut Plan) -> bool {
    // The cause before what follows from it.
    let not_ready = |why: &str| match trouble {
        Some(trouble) => format!("The PostgreSQL: {} is not ready. {trouble}. {why}", world.key()),
        None => format!("The PostgreSQL: {} is not ready. {why}", world.key()),
    };
    match world.health.as_ref().map(|report| &report.ready) {
        Some(Verdict::Yes) => {
            let message = "DB is ready because of server getting Online and Running state";
            plan.set(types::READY, true, reasons::READINESS_CHECK_SUCCEEDED, message);
            return true;
        }
        Some(Verdict::No(failure)) => not_ready_because(world, failure, &not_ready(&failure.why), plan),
        None | Some(Verdict::Open) if world.is_provisioned() => {}
        None | Some(Verdict::Open) => {
            let waits = plan.waits_for.clone().filter(|_| plan.acts_on_spec);
            let waits = waits.map(|for_| format!("It waits for {for_}"));
            if trouble.is_some() || waits.is_some() {
                let why = not_ready(&waits.unwrap_or_default());
                plan.set(
                    types::READY,
                    false,
                    reasons::READINESS_CHECK_FAILED,
                    why.trim_end(),
                );
            }
        }
    }
    false
}

fn not_ready_because(world: &World, failure: &Failure, message: &str, plan: &mut Plan) {
    match failure.kind {
        FailureKind::NotChecked | FailureKind::LacksRoles => {
            let message = not_checked(world, failure);
            plan.set_unknown(types::READY, reasons::HEALTH_CHECK_NOT_POSSIBLE, message.clone());
            plan.tell(true, reasons::HEALTH_CHECK_NOT_POSSIBLE, message);
        }
        FailureKind::LeftBehind => {
            plan.set(types::READY, false, reasons::STANDBY_LEFT_BEHIND, message);
            plan.tell(true, reasons::STANDBY_LEFT_BEHIND, message);
        }
        FailureKind::Diverged => {
            plan.set(types::READY, false, reasons::STANDBY_DIVERGED, message);
            plan.tell(true, reasons::STANDBY_DIVERGED, message);
        }
        FailureKind::Broken => plan.set(types::READY, false, reasons::READINESS_CHECK_FAILED, message),
    }
}
