//! The steps of an expansion.

use api_types::names;
use api_types::ops_request::VolumePlan;
use api_types::reported::ops_request::conditions;

use super::{plan_of, preflight, request, words};
use crate::effect::{Effect, MemberEffect};
use crate::moves::children::{self, RenderedState};
use crate::operation::Operation;
use crate::section;
use crate::step::{self, Progress, Step, StepResult, SubCondition};
use crate::volumes::effect::VolumeEffect;
use crate::volumes::world::{self, Claim, MemberVolume};
use crate::waiting::{self, WaitingOn};
use crate::world::World;

/// Part of a volume that a file system may need for itself: one in this many. XFS takes one in 16 of a small volume for its log.
const OWN_PART: i64 = 8;

/// Claims request the size, and every member is seen to have it.
pub const EXPAND: Step = Step::new(
    conditions::VOLUME_EXPANSION_SUCCEEDED,
    "Online Volume Expansion performed successfully in Postgres pods",
    |_, _| {
        "every member's claim asks for the new size; the storage driver and kubelet enlarge the volumes while they are in use, and \
         every member is seen to have the room"
            .into()
    },
    expand,
)
.saying(|op| {
    format!(
        "Online Volume Expansion performed successfully in Postgres pods for PostgresDBOpsRequest: {}/{}",
        op.namespace, op.name
    )
})
.without_members()
.with_sub_conditions(proven);
/// New members get volumes of the size. The message is KubeDB's; our petset operator changes a PetSet in place.
pub const READY_PET_SETS: Step = Step::new(
    conditions::READY_PET_SETS,
    "PetSet is recreated",
    |_, _| "the PetSet makes volumes of the new size for new members, and the members' configuration follows; no Pod restarts".into(),
    ready_pet_sets,
)
.without_members();
/// The spec has the new size.
pub const FINISH: Step = Step::new(
    conditions::UPDATE_DATABASE,
    "Successfully updated Postgres: every member was seen to have the new size",
    |_, _| "the new size is written into the spec of the Postgres".into(),
    finish,
)
.committing();
/// After a failure: the PetSet goes back to the spec. Volumes keep their size.
pub const RESTORE: Step = Step::new(
    conditions::RESTORE_DATABASE,
    "Successfully brought the PetSet back; volumes that have grown stay as they are",
    |_, _| "the PetSet goes back to the old size; volumes that have grown stay as they are".into(),
    restore,
);

/// The plan that was fixed when the operation began.
///
/// # Errors
/// [`Progress::Impossible`] when it is gone.
pub fn plan(op: &Operation) -> StepResult<&VolumePlan> {
    step::planned(plan_of(op))
}

/// A member's claim, and what its Pod reports.
pub struct MemberVolumes<'a> {
    /// The Pod.
    pub pod: String,
    /// Its claim.
    pub claim: &'a Claim,
    /// What it reports; none while there is no Pod.
    pub seen: Option<&'a MemberVolume>,
}

/// The volumes of all members, by ordinal.
///
/// # Errors
/// What is waited for.
pub fn volumes<'a>(op: &Operation, world: &'a World) -> StepResult<Vec<MemberVolumes<'a>>> {
    let seen = &world::of(world)?.members;
    let claims = preflight::claims(op, world)?.into_iter().zip(0..);
    let volume = |(claim, ordinal)| {
        let pod = names::pod(&op.database, ordinal);
        let seen = seen.get(&pod);
        MemberVolumes { pod, claim, seen }
    };
    Ok(claims.map(volume).collect())
}

/// What is next for one member.
enum Next {
    Do(VolumeEffect),
    Wait(String),
    Refused(String),
    Done,
}

fn expand(op: &Operation, world: &World) -> StepResult {
    let plan = plan(op)?;
    let volumes = volumes(op, world)?;
    noted(op, plan, &volumes)?;
    let (mut effects, mut waits, mut refused, mut grown) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for volume in &volumes {
        let pod = volume.pod.clone();
        match next(volume, plan) {
            Next::Do(effect) => effects.push(Effect::from(effect)),
            Next::Wait(why) => waits.push((pod, why)),
            Next::Refused(why) => refused.push((pod, why)),
            Next::Done => grown.push(pod),
        }
    }
    // One that is refused does not keep the others from what they need.
    match (effects.is_empty(), waits.is_empty(), refused.is_empty()) {
        (false, ..) => Ok(Progress::Act(effects)),
        (true, false, _) => Err(WaitingOn::Outdated(waits).into()),
        (true, true, false) => Err(refusal(plan, &refused, &grown)),
        (true, true, true) => Ok(Progress::Done),
    }
}

fn refusal(plan: &VolumePlan, refused: &[(String, String)], grown: &[String]) -> Progress {
    let others = if grown.is_empty() {
        String::new()
    } else {
        format!(
            " The volumes of {} have {}.",
            grown.join(", "),
            words::size(&plan.after)
        )
    };
    Progress::Impossible(format!(
        "{}.{others} Nothing else was changed. Make room where the driver needs it, or write a smaller size, then create the request again",
        waiting::joined(refused),
    ))
}

/// The size that each member sees is written down before its claim is changed: growth is measured from there.
///
/// # Errors
/// The choice, until it is persisted.
fn noted(op: &Operation, plan: &VolumePlan, volumes: &[MemberVolumes<'_>]) -> StepResult<()> {
    if !plan.file_systems.is_empty() {
        return Ok(());
    }
    let bytes = |volume: &MemberVolumes<'_>| {
        (
            volume.pod.clone(),
            volume.seen.and_then(|seen| seen.bytes).unwrap_or_default(),
        )
    };
    let mut progress = op.progress.clone();
    let mut plan = plan.clone();
    plan.file_systems = volumes.iter().map(bytes).collect();
    progress.change.volume_expansion = Some(plan);
    Err(Progress::Choose(Box::new(progress)))
}

fn next(volume: &MemberVolumes<'_>, plan: &VolumePlan) -> Next {
    let claim = volume.claim;
    if claim
        .capacity
        .is_some_and(|capacity| preflight::is_enough(capacity, plan))
    {
        return match has_room(volume, plan) {
            Ok(()) => Next::Done,
            Err(why) => Next::Wait(why),
        };
    }
    let size = words::size(&plan.after).to_owned();
    if claim.requested != preflight::wanted(plan) {
        let claim = claim.name.clone();
        return Next::Do(VolumeEffect::Resize { claim, size });
    }
    let resize = &claim.resize;
    if resize.is_refused && resize.attempted == claim.requested {
        let why = resize.message.as_deref().unwrap_or("it gives no reason");
        return Next::Refused(format!(
            "the storage driver does not give its volume {size}: {why}"
        ));
    }
    match volume.seen {
        Some(seen) if resize.waits_for_node && seen.looked_for.as_ref() != Some(&size) => {
            Next::Do(VolumeEffect::WakeKubelet {
                pod: volume.pod.clone(),
                uid: seen.uid.clone(),
                size,
            })
        }
        None if resize.waits_for_node => Next::Wait("its file system grows when its Pod is there".into()),
        Some(_) if resize.waits_for_node => Next::Wait("kubelet has to enlarge its file system".into()),
        _ => Next::Wait(driver_is_at_it(claim)),
    }
}

fn driver_is_at_it(claim: &Claim) -> String {
    let so_far = claim
        .resize
        .message
        .as_deref()
        .map(|said| format!(", which reports: {said}"));
    format!(
        "the volume of PersistentVolumeClaim {} has to be enlarged by its storage driver{}",
        claim.name,
        so_far.unwrap_or_default()
    )
}

/// Whether the member itself sees the new size: its file system has grown, unless the volume had the size before, and has all of
/// it but for what a file system needs itself.
fn has_room(volume: &MemberVolumes<'_>, plan: &VolumePlan) -> Result<(), String> {
    let Some(bytes) = volume.seen.and_then(|seen| seen.bytes) else {
        return Err("its agent has not reported the size of its file system (one that an older release started never does: restart the Pod)".into());
    };
    let before = plan.file_systems.get(&volume.pod).copied().unwrap_or_default();
    let least = |wanted: i64| wanted - wanted / OWN_PART;
    let is_whole = preflight::wanted(plan).is_some_and(|wanted| bytes >= least(wanted));
    let had_it = before >= preflight::wanted(plan).map_or(i64::MAX, least);
    if is_whole && (bytes > before || had_it) {
        return Ok(());
    }
    Err(format!(
        "its file system has {} MB, before it had {} MB",
        bytes >> 20,
        before >> 20
    ))
}

fn proven(op: &Operation, world: &World) -> Vec<SubCondition> {
    let mut parts: Vec<SubCondition> = request::not_acted_on(&op.spec)
        .map(|words| SubCondition::note(conditions::NOT_ACTED_ON, words.to_owned()))
        .into_iter()
        .collect();
    if let (Ok(plan), Ok(volumes)) = (plan(op), volumes(op, world)) {
        parts.extend(volumes.iter().map(|volume| {
            let is_done = matches!(next(volume, plan), Next::Done);
            SubCondition::of_pod(conditions::CHECK_VOLUME, "check volume", &volume.pod, is_done)
        }));
    }
    parts
}

fn ready_pet_sets(op: &Operation, world: &World) -> StepResult {
    let state = children::rendered_with_volumes(world, &plan(op)?.after)?;
    children_are(world, &state)?;
    children::template_is_observed(world)?;
    Ok(Progress::Done)
}

fn children_are(world: &World, state: &RenderedState) -> StepResult<()> {
    let mut effects = children::config_effects(world, state)?;
    effects.extend(children::pet_set_effects(world, state)?);
    Progress::of(effects).require_done()
}

fn finish(op: &Operation, world: &World) -> StepResult {
    let plan = plan(op)?;
    children_are(world, &children::rendered_with_volumes(world, &plan.after)?)?;
    patroni_keeps(world, plan, false)?;
    section::commit(world, &plan.found, &plan.after)?;
    Ok(Progress::Done)
}

/// How much WAL members keep follows the size of their volumes. Where no Patroni responds, the provisioner does it
/// later.
fn patroni_keeps(world: &World, plan: &VolumePlan, is_way_back: bool) -> StepResult<()> {
    let (from, to) = if is_way_back {
        (&plan.after, &plan.before)
    } else {
        (&plan.before, &plan.after)
    };
    let members = world.members.as_ref();
    let now = members.and_then(|members| members.dynamic_configuration.as_ref());
    let any = world
        .leader()
        .or(world.members().keys().next().map(String::as_str));
    let (Some(pod), Some(now)) = (any, now) else {
        return Ok(());
    };
    let (before, after) = (
        children::rendered_with_volumes(world, from)?,
        children::rendered_with_volumes(world, to)?,
    );
    let Some(patch) = blueprint::dynamic_patch(Some(&before.resolved), &after.resolved, now) else {
        return Ok(());
    };
    let (pod, patch) = (pod.to_owned(), Box::new(patch));
    Err(Progress::Act(vec![
        MemberEffect::ConfigurePatroni { pod, patch }.into(),
    ]))
}

fn restore(op: &Operation, world: &World) -> StepResult {
    let plan = plan(op)?;
    let is_written = section::is_written(op, world, &plan.found, &plan.after)?;
    let size = if is_written { &plan.after } else { &plan.before };
    children_are(world, &children::rendered_with_volumes(world, size)?)?;
    patroni_keeps(world, plan, !is_written)?;
    Ok(Progress::Done)
}
