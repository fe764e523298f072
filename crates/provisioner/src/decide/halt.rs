//! Halt: take the database down and keep its data, its Secrets and Patroni's record of it.

use std::time::Duration;

use api_types::postgres::{DeletionPolicy, conditions as types};
use api_types::reported::postgres::reasons::{CLAIM_TERMINATING, DATABASE_HALTED_SUCCESSFULLY};

use crate::child::Child;
use crate::decide::deployed;
use crate::plan::{Action, Plan};
use crate::world::World;

/// Annotation on a Service that survives a halt (value `halt`).
const KEEP_ON: &str = "kubedb.com/resource-policy-keep-on";

/// Fallback while Pods end; their own events wake us sooner.
const HALT_POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Whether the spec forbids a halt.
pub fn is_forbidden(world: &World) -> bool {
    world.deletion_policy() == DeletionPolicy::DoNotTerminate
}

/// What this pass does about a halt.
pub fn plan(world: &World) -> Plan {
    let mut plan = Plan {
        acts_on_spec: true,
        ..Plan::default()
    };
    match deployed::held_while_down(world) {
        Some(refusal) => {
            plan.set(
                types::SPEC_APPLIED,
                false,
                refusal.reason,
                refusal.message.clone(),
            );
            plan.tell(true, refusal.reason, refusal.message);
        }
        // Members that are made again follow the spec.
        None => plan.remove(types::SPEC_APPLIED),
    }
    let first = |child: &&Child| {
        matches!(
            child,
            Child::PetSet(_) | Child::AppBinding(_) | Child::PodDisruptionBudget(_)
        )
    };
    delete(world, first, &mut plan);
    if world.pet_set().is_some() || !world.pods.is_empty() {
        // The Pods' Role stays until they have ended: Patroni gives up its leadership through it.
        plan.wait(format!("{} Pods to end", world.pods.len()), HALT_POLL_INTERVAL);
        return plan;
    }
    delete(world, |child| !first(child) && !is_kept(child), &mut plan);
    for type_ in [types::ACCEPTING_CONNECTION, types::READY] {
        plan.set(type_, false, DATABASE_HALTED_SUCCESSFULLY, message(world));
    }
    plan
}

/// That the database is down.
pub fn message(world: &World) -> String {
    format!(
        "The PostgreSQL: {} is halted; its volumes and Secrets are kept.",
        world.key()
    )
}

/// Leaves the members up and reports why.
pub fn held(why: String) -> Plan {
    let mut plan = Plan {
        acts_on_spec: true,
        checks_health: true,
        ..Plan::default()
    };
    plan.set(types::SPEC_APPLIED, false, CLAIM_TERMINATING, why.clone());
    plan.tell(true, CLAIM_TERMINATING, why);
    plan.soon(HALT_POLL_INTERVAL);
    plan
}

fn delete(world: &World, which: impl Fn(&&Child) -> bool, plan: &mut Plan) {
    for child in world
        .live
        .iter()
        .filter(which)
        .filter(|child| child.is_owned_by(world.uid()))
    {
        if child.meta().deletion_timestamp.is_none() {
            plan.act(Action::Delete(child.clone()));
        }
    }
}

/// Certificates and the config Secret stay, as KubeDB keeps them; a Service stays when its annotation requires it.
fn is_kept(child: &Child) -> bool {
    match child {
        Child::Secret(_) | Child::Certificate(_) => true,
        Child::Service(service) => {
            let annotations = service.metadata.annotations.as_ref();
            annotations
                .and_then(|map| map.get(KEEP_ON))
                .is_some_and(|value| value == "halt")
        }
        _ => false,
    }
}
