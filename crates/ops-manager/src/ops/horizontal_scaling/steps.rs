//! The steps of a change of the number of members.

use api_types::ops_request::ScalingPlan;
use api_types::reported::ops_request::conditions;
use jiff::SignedDuration;

use super::{plan_of, wanted};
use crate::moves::failover;
use crate::moves::membership::{self, Staying};
use crate::operation::Operation;
use crate::section;
use crate::step::{self, EndsPods, Progress, Step, StepResult, SubCondition};
use crate::world::World;

/// How long sessions of clients on a member that leaves may go on.
const DRAIN_TIMEOUT: SignedDuration = SignedDuration::from_secs(10);

/// New members stream.
pub const UP: Step = Step::new(
    conditions::SCALING_UP,
    "Successfully Horizontally Scaled Up",
    |_, _| "petset makes the new Pods; every new member is seen to stream from the primary".into(),
    grow,
)
.with_sub_conditions(joined);
/// The primary is a member that stays.
pub const TRANSFER: Step = Step::new(
    conditions::TRANSFER_PRIMARY,
    "Successfully transferred the primary role: the primary and every other member that stays are healthy",
    |_, _| {
        "every member that stays is seen to be healthy; if the primary is to leave, the primary role moves first".into()
    },
    transfer,
);
/// No client reads from members that leave.
pub const DRAIN: Step = Step::new(
    conditions::DRAIN_MEMBERS,
    "Successfully drained the members that leave",
    |_, _| {
        format!(
            "the members that leave are taken out of the Service for reads; their sessions have {DRAIN_TIMEOUT:#} to end"
        )
    },
    drain,
);
/// Members that leave are gone.
pub const DOWN: Step = Step::new(
    conditions::SCALING_DOWN,
    "Successfully Horizontally Scaled Down",
    |_, _| "petset removes the Pods, and keeps their claims; their replication slots are dropped".into(),
    shrink,
)
.ending_pods(|_| EndsPods::Always);
/// The spec has the new number.
pub const FINISH: Step = Step::new(
    conditions::UPDATE_DATABASE,
    "Successfully updated Postgres: every member was seen to stream, and no replication slot is left over",
    |_, _| "the new number of members is written into the spec of the Postgres".into(),
    finish,
)
.committing();
/// After a failure: the members that the database had, or has by its committed spec.
pub const RESTORE: Step = Step::new(
    conditions::RESTORE_DATABASE,
    "Successfully brought the number of members back",
    |_, _| "the database gets the number of members that it had".into(),
    restore,
);

fn plan(op: &Operation) -> StepResult<&ScalingPlan> {
    step::planned(plan_of(op))
}

fn staying(op: &Operation) -> StepResult<Staying<'_>> {
    Ok(Staying::first(op, wanted(plan(op)?)))
}

fn grow(op: &Operation, world: &World) -> StepResult {
    let all = staying(op)?;
    all.are_wanted(world)?;
    all.are_healthy(world)?;
    Ok(Progress::Done)
}

/// A primary that leaves is taken out of the Service for reads before it becomes a standby: its PostgreSQL restarts then.
fn transfer(op: &Operation, world: &World) -> StepResult {
    let staying = staying(op)?;
    staying.are_healthy(world)?;
    staying.serve_reads(world)?;
    staying.have_every_row(world)?;
    Ok(Progress::Done)
}

fn drain(op: &Operation, world: &World) -> StepResult {
    let staying = staying(op)?;
    staying.have_every_row(world)?;
    staying.serve_reads(world)?;
    staying.others_are_idle(world, DRAIN_TIMEOUT)?;
    Ok(Progress::Done)
}

/// Until the PetSet is changed everything can be taken back, so the primary is checked until then. Afterwards Patroni itself
/// hands over before a primary ends.
fn shrink(op: &Operation, world: &World) -> StepResult {
    let (plan, staying) = (plan(op)?, staying(op)?);
    if world.replicas() > wanted(plan) {
        staying.have_every_row(world)?;
    }
    staying.are_wanted(world)?;
    staying.others_have_ended(world)?;
    staying.are_healthy(world)?;
    staying.have_no_other_slots(world, plan.before)?;
    Ok(Progress::Done)
}

fn finish(op: &Operation, world: &World) -> StepResult {
    let (plan, staying) = (plan(op)?, staying(op)?);
    staying.are_healthy(world)?;
    membership::slots_are_kept(world)?;
    section::commit(world, &plan.found, &plan.after)?;
    Ok(Progress::Done)
}

fn restore(op: &Operation, world: &World) -> StepResult {
    let plan = plan(op)?;
    let is_written = section::is_written(op, world, &plan.found, &plan.after)?;
    let count = if is_written { wanted(plan) } else { plan.before };
    let staying = Staying::first(op, count);
    if world.replicas() > count {
        failover::to_one_of(op, world, |pod| staying.has(pod)).require_done()?;
        staying.serve_reads(world)?;
    }
    staying.are_wanted(world)?;
    staying.others_have_ended(world)?;
    staying.have_no_other_slots(world, count.max(wanted(plan)))?;
    membership::slots_are_kept(world)?;
    staying.serve_reads(world)?;
    Ok(Progress::Done)
}

fn joined(op: &Operation, world: &World) -> Vec<SubCondition> {
    plan_of(op)
        .map(|plan| membership::joined(op, world, plan.before..wanted(plan)))
        .unwrap_or_default()
}
