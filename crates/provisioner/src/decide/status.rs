//! Conditions from what was observed, in KubeDB's words. The first sentence of a message is KubeDB's; what we know
//! besides follows it.

use api_types::postgres::conditions as types;
use api_types::reported::postgres::{events, reasons};
use blueprint::resolve::kept_but_unused;

use crate::health::Verdict;
use crate::plan::Plan;
use crate::world::{World, is_ready};

/// Adds the conditions that follow from observation.
pub fn observed(world: &World, plan: &mut Plan) {
    fields_not_in_use(world, plan);
    if !plan.checks_health {
        return;
    }
    let complete = replica_ready(world, plan);
    accepting_connection(world, plan);
    let ready = ready(world, plan);
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

fn replica_ready(world: &World, plan: &mut Plan) -> bool {
    let Some(pet_set) = world.pet_set() else {
        return false;
    };
    let desired = pet_set.spec.replicas.unwrap_or(1);
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
        let message = format!(
            "All desired replicas are not ready. For PetSet: {} desired replicas: {desired}, ready replicas: {ready}.",
            world.key(),
        );
        plan.set(
            types::REPLICA_READY,
            false,
            reasons::SOME_REPLICAS_NOT_READY,
            message,
        );
    }
    complete
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
        Some(Verdict::No(why)) => {
            let message = format!(
                "The PostgreSQL: {} is not accepting client requests. {why}",
                world.key()
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

fn ready(world: &World, plan: &mut Plan) -> bool {
    let not_ready = |why: &str| format!("The PostgreSQL: {} is not ready. {why}", world.key());
    match world.health.as_ref().map(|report| &report.ready) {
        Some(Verdict::Yes) => {
            let message = "DB is ready because of server getting Online and Running state";
            plan.set(types::READY, true, reasons::READINESS_CHECK_SUCCEEDED, message);
            return true;
        }
        Some(Verdict::No(why)) => plan.set(
            types::READY,
            false,
            reasons::READINESS_CHECK_FAILED,
            not_ready(why),
        ),
        None | Some(Verdict::Open) if world.is_provisioned() => {}
        None | Some(Verdict::Open) => {
            if let Some(for_) = plan.waits_for.clone().filter(|_| plan.acts_on_spec) {
                plan.set(
                    types::READY,
                    false,
                    reasons::READINESS_CHECK_FAILED,
                    not_ready(&format!("It waits for {for_}")),
                );
            }
        }
    }
    false
}

fn fields_not_in_use(world: &World, plan: &mut Plan) {
    let fields = kept_but_unused(&world.postgres);
    if fields.is_empty() {
        plan.remove(types::FIELDS_NOT_IN_USE);
    } else {
        let message = format!(
            "These fields are kept and nothing acts on them yet: {}",
            fields.join(", ")
        );
        plan.set(types::FIELDS_NOT_IN_USE, true, types::FIELDS_NOT_IN_USE, message);
    }
}
