//! What has to be done about a database: plain functions over what was observed. No client, no clock, no randomness.
//!
//! Deletion comes before the pause, as in KubeDB: a database that is being deleted is of no use to its holder.

pub mod auth;
pub mod children;
pub mod claims;
pub mod conditions;
pub mod data;
pub mod deletion;
pub mod deployed;
pub mod drift;
pub mod halt;
pub mod hangs;
pub mod issuer;
pub mod members_tls;
pub mod names;
pub mod outdated;
pub mod parameters;
pub mod patroni;
pub mod phase;
pub mod platform;
pub mod provision;
pub mod renewal;
pub mod rows;
pub mod services;
pub mod slots;
pub mod status;
pub mod storage;
pub mod targets;
pub mod tls;
pub mod tls_status;
pub mod volumes;

use api_types::PauseHolder;
use api_types::condition::is_false;
use api_types::postgres::conditions as types;
use api_types::reported::postgres::reasons;

use crate::plan::Plan;
use crate::world::{Secrets, World};

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

    /// All of them in one, in this order.
    pub fn all(refusals: impl IntoIterator<Item = Option<Self>>) -> Option<Self> {
        let mut refusals = refusals.into_iter().flatten();
        let first = refusals.next()?;
        Some(refusals.fold(first, |sum, next| sum.and(Some(next))))
    }

    /// This refusal with the message of the other one appended: a condition has one reason.
    pub fn and(mut self, other: Option<Self>) -> Self {
        if let Some(other) = other {
            self.message = format!("{}. {}", self.message, other.message);
        }
        self
    }

    /// All of them, under the reason of the first.
    pub fn join(all: impl IntoIterator<Item = Option<Self>>) -> Option<Self> {
        all.into_iter().flatten().reduce(|all, next| all.and(Some(next)))
    }
}

/// Decides one pass.
pub fn decide(world: &World) -> Plan {
    let mut plan = pass(world);
    if !world.is_deleting() || world.is_deletion_blocked() {
        if plan.checks_health {
            rows::observed(world, &mut plan);
            data::plan(world, &mut plan);
        }
        claims::observed(world, &mut plan);
        slots::observed(world, &mut plan);
    }
    conditions::observed(world, &mut plan);
    status::observed(world, &mut plan);
    plan
}

fn pass(world: &World) -> Plan {
    if world.is_deleting() && !world.is_deletion_blocked() {
        return deletion::plan(world);
    }
    if let Some(holder) = world.kept_pause() {
        return paused(world, &holder);
    }
    if world.is_object_alone() {
        // The end of a pause is acknowledged; the ordinary pass comes next.
        return Plan {
            checks_health: true,
            ..Plan::default()
        };
    }
    match (
        world.is_halted() && !halt::is_forbidden(world),
        claims::keeps_up(world),
    ) {
        (true, None) => halt::plan(world),
        (true, Some(why)) => halt::held(why),
        (false, _) => provision::plan(world),
    }
}

/// Keeps off; health and status go on.
fn paused(world: &World, holder: &PauseHolder) -> Plan {
    let mut plan = Plan {
        checks_health: true,
        ..Plan::default()
    };
    if let (Secrets::Read(secrets), false) = (&world.secrets, holder.is_person()) {
        members_tls::choose(world, secrets).issue_what_is_lost(&mut plan);
        patroni::keep_slots(world, &mut plan);
    }
    // The ops-manager edits the spec in its own pause, and carries it out.
    let waits = holder.is_person() && is_edited_since(world);
    if waits && !is_false(world.conditions(), types::SPEC_APPLIED) {
        let message = format!(
            "Paused by {holder}: what was edited in the spec since is carried out when the pause ends"
        );
        plan.set(types::SPEC_APPLIED, false, reasons::PAUSED, message);
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
