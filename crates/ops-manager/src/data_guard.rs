//! Whether the members' data outlives what an operation does to their Pods. Pure, and the same for every type of request: it reads
//! which steps end Pods and which effects do.

use api_types::ops_plan::{PlannedDataLoss, PlannedMember, PlannedRestart};
use api_types::vocabulary::APPROVAL;
use api_types::{PetSet, PostgresOpsRequest, names};
use blueprint::storage_of;

use crate::admit::{self, Admission};
use crate::approval;
use crate::effect::{Child, Effect, MemberEffect};
use crate::engine;
use crate::moves::failover;
use crate::operation::Operation;
use crate::step::{EndsPods, Progress, StepResult};
use crate::waiting::WaitingOn;
use crate::world::World;

/// Before any change: refuses a request that ends Pods while a volume would go with one, and a request that would lose all
/// data unless its plan is approved.
///
/// # Errors
/// What happens to the request instead.
pub fn admit(op: &Operation, request: &PostgresOpsRequest, world: &World) -> Result<(), Admission> {
    let Some(pet_set) = world.pet_set.present().filter(|_| ends_pods(op)) else {
        return Ok(());
    };
    if is_ephemeral(pet_set) && world.replicas() <= 1 && !approval::needs_plan(request) {
        return Err(Admission::Refuse(format!(
            "all data of the database would be lost: {}. To lose it on purpose, create the request again with the annotation \
             {APPROVAL}: required, and approve its plan",
            lost_with(op)
        )));
    }
    match vanishing_claims(op, world) {
        Ok(claims) if claims.is_empty() => Ok(()),
        Ok(claims) => Err(Admission::Refuse(refusal(&claims))),
        Err(waiting) => Err(admit::wait_for(waiting)),
    }
}

fn ends_pods(op: &Operation) -> bool {
    let steps = engine::planned(op);
    steps.iter().any(|step| (step.ends_pods)(op) == EndsPods::Always)
}

fn lost_with(op: &Operation) -> String {
    format!(
        "Pod {} is the only member, and its data goes with it (storageType: Ephemeral)",
        names::pod(&op.database, 0)
    )
}

/// Before each effect: a claim may have been deleted since, and a member may have failed.
///
/// # Errors
/// What is waited for, or why the operation stops here.
pub fn check(op: &Operation, world: &World, effects: &[Effect]) -> StepResult<()> {
    for effect in effects {
        match effect {
            Effect::Member(MemberEffect::Evict { pod, .. }) => may_end(op, world, pod)?,
            Effect::Apply(child) => may_shrink(op, world, child)?,
            _ => {}
        }
    }
    Ok(())
}

fn may_end(op: &Operation, world: &World, pod: &str) -> StepResult<()> {
    let pet_set = world.pet_set.require("the PetSet")?;
    if is_ephemeral(pet_set) {
        return others_have_every_row(op, world, pod);
    }
    no_claim_vanishes(op, world)
}

/// Members leave when a PetSet has fewer replicas than the live one.
fn may_shrink(op: &Operation, world: &World, child: &Child) -> StepResult<()> {
    let Child::PetSet(wanted) = child else {
        return Ok(());
    };
    let live = world.pet_set.require("the PetSet")?;
    if wanted.spec.replicas < live.spec.replicas && !is_ephemeral(live) {
        return no_claim_vanishes(op, world);
    }
    Ok(())
}

fn no_claim_vanishes(op: &Operation, world: &World) -> StepResult<()> {
    let claims = vanishing_claims(op, world)?;
    if claims.is_empty() {
        return Ok(());
    }
    Err(Progress::Impossible(refusal(&claims)))
}

/// A member without a volume is made again without data, so another member must have every acknowledged row.
fn others_have_every_row(op: &Operation, world: &World, pod: &str) -> StepResult<()> {
    if world.replicas() <= 1 {
        let accepted = op.is_approved;
        return accepted
            .then_some(())
            .ok_or_else(|| Progress::Impossible(lost_with(op)));
    }
    match failover::keeper(world, |other| other != pod) {
        Ok(_) => Ok(()),
        Err(loss) => Err(failover::waiting(loss).into()),
    }
}

/// Members' claims that are being deleted: their volumes go when the Pods end.
fn vanishing_claims(op: &Operation, world: &World) -> Result<Vec<(String, String)>, WaitingOn> {
    let pet_set = world.pet_set.require("the PetSet")?;
    if is_ephemeral(pet_set) {
        return Ok(Vec::new());
    }
    let claims = world.claims.require("the members' volume claims")?;
    let db = &op.database;
    let named = (0..world.replicas()).map(|it| (names::data_claim(db, it), names::pod(db, it)));
    let goes = |claim: &str| claims.iter().any(|it| it.name == claim && it.is_terminating);
    Ok(named.filter(|(claim, _)| goes(claim)).collect())
}

fn refusal(claims: &[(String, String)]) -> String {
    let all: Vec<String> = claims
        .iter()
        .map(|(claim, pod)| {
            format!("PersistentVolumeClaim {claim} is being deleted: its volume goes when Pod {pod} ends")
        })
        .collect();
    format!(
        "{}. No Pod is ended until then; the condition ClaimTerminating of the Postgres says what would be lost. When another member \
         has the data, delete the Pod yourself: it is made again with a new volume. Then create the request again",
        all.join("; ")
    )
}

/// Whether the members' data is in their Pods.
pub fn is_ephemeral(pet_set: &PetSet) -> bool {
    storage_of(pet_set).is_none()
}

/// What a plan loses with these members' Pods.
pub fn planned_loss(world: &World, members: &[PlannedMember]) -> Option<PlannedDataLoss> {
    let is_ephemeral = world.pet_set.present().is_some_and(is_ephemeral);
    let ends = |member: &PlannedMember| {
        matches!(
            member.restart,
            PlannedRestart::Always | PlannedRestart::IfNeeded | PlannedRestart::Leaves
        )
    };
    if !is_ephemeral || !members.iter().any(ends) {
        return None;
    }
    Some(if world.replicas() <= 1 {
        PlannedDataLoss::All
    } else {
        PlannedDataLoss::OfEndedMembers
    })
}

/// A planned loss as a part of the plan's summary.
pub fn loss_in_words(loss: PlannedDataLoss) -> &'static str {
    match loss {
        PlannedDataLoss::All => {
            "all data of the database is lost: it goes with the Pod of the only member (storageType: Ephemeral)"
        }
        PlannedDataLoss::OfEndedMembers => {
            "the data of a member goes with its Pod, and is copied again from the primary (storageType: Ephemeral)"
        }
    }
}
