//! What shall be done about a database: plain functions over what was observed. No client, no clock, no randomness.
//!
//! Deletion comes before the pause, as in KubeDB: a database that is being deleted is of no use to its holder.

pub mod auth;
pub mod children;
pub mod deletion;
pub mod drift;
pub mod halt;
pub mod issuer;
pub mod patroni;
pub mod phase;
pub mod provision;
pub mod renewal;
pub mod status;
pub mod targets;
pub mod tls;
pub mod tls_status;

use api_types::condition::is_false;
use api_types::postgres::{DeletionPolicy, conditions as types};
use api_types::reported::postgres::reasons;

use crate::plan::Plan;
use crate::world::{World, paused_by};

/// Something that the user has to change before anything is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// One word.
    pub reason: &'static str,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl Refusal {
    /// A refusal with this reason and message.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }

    /// This one, saying the other one too: a condition has one reason.
    pub fn and(mut self, other: Option<Self>) -> Self {
        if let Some(other) = other {
            self.message = format!("{}. {}", self.message, other.message);
        }
        self
    }
}

/// Decides one pass.
pub fn decide(world: &World) -> Plan {
    let policy = world.deletion_policy();
    let held = world.is_deleting() && policy == DeletionPolicy::DoNotTerminate;
    if world.is_deleting() && !held {
        return deletion::plan(world);
    }
    let mut plan = match world.paused_by() {
        Some(holder) => paused(world, holder),
        None => unpaused(world),
    };
    if held {
        deletion::hold(world, &mut plan);
    } else {
        plan.remove(types::DELETION_HELD);
    }
    status::observed(world, &mut plan);
    plan
}

/// Acknowledges the pause and keeps off; health and status go on.
fn paused(world: &World, holder: &str) -> Plan {
    let mut plan = Plan {
        checks_health: true,
        ..Plan::default()
    };
    // Requests write `<name>/<uid>`, people write any name.
    let reason = if holder.contains('/') {
        reasons::PAUSED_BY_OPS_MANAGER
    } else {
        reasons::PAUSED
    };
    plan.set(types::PAUSED, true, reason, paused_by(holder));
    // The ops-manager edits the spec in its own pause, and carries it out.
    let waits = reason == reasons::PAUSED && is_edited_since(world);
    if waits && !is_false(world.conditions(), types::SPEC_APPLIED) {
        let message = format!(
            "{}: what was edited in the spec since is carried out when the pause ends",
            paused_by(holder)
        );
        plan.set(types::SPEC_APPLIED, false, reason, message);
    }
    plan
}

/// Whether the spec was edited after it was last acted upon.
fn is_edited_since(world: &World) -> bool {
    let observed = world
        .postgres
        .status
        .as_ref()
        .and_then(|status| status.observed_generation);
    matches!((world.postgres.metadata.generation, observed), (Some(now), Some(then)) if now > then)
}

fn unpaused(world: &World) -> Plan {
    if world.is_object_alone() {
        // The ordinary look comes next.
        let mut plan = Plan {
            checks_health: true,
            ..Plan::default()
        };
        plan.remove(types::PAUSED);
        return plan;
    }
    let mut plan = match world.is_halted() && !halt::is_forbidden(world) {
        true => halt::plan(world),
        false => provision::plan(world),
    };
    plan.remove(types::PAUSED);
    plan
}
