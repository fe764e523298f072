//! The steps of an expansion.

use api_types::names;
use api_types::ops_request::{OperationProgress, VolumePlan};
use api_types::reported::ops_request::conditions;

use super::{offline, plan_of, preflight, request, words};
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
    let seen = world::of(world)?.members.present();
    let claims = preflight::claims(op, world)?.into_iter().zip(0..);
    let volume = |(claim, ordinal)| {
        let pod = names::pod(&op.database, ordinal);
        let seen = seen.and_then(|seen| seen.get(&pod));
        MemberVolumes { pod, claim, seen }
    };
    Ok(claims.map(volume).collect())
}

/// What is next for one member.
pub enum Next {
    /// Write this.
    Do(VolumeEffect),
    /// Somebody else is at work.
    Wait(String),
    /// The storage driver will not enlarge the volume, and why.
    Refused(String),
    /// It has the room.
    Done,
}

/// How far the storage driver is with a claim.
pub enum Driver {
    /// The claim does not ask for the size.
    NotAsked,
    /// It enlarges the volume, or is about to.
    AtIt,
    /// It has enlarged the volume; the file system is kubelet's to enlarge.
    NodeIsNext,
    /// All of it is done, as it reports.
    HasSize,
    /// It will not do that, and why.
    Refuses(String),
}

/// How far the storage driver is with this claim.
pub fn driver(claim: &Claim, plan: &VolumePlan) -> Driver {
    let resize = &claim.resize;
    if !preflight::grows(claim, plan) {
        Driver::HasSize
    } else if claim.requested != preflight::wanted(plan) {
        Driver::NotAsked
    } else if resize.is_refused && resize.attempted == claim.requested {
        let why = resize.message.as_deref().unwrap_or("it gives no reason");
        Driver::Refuses(format!(
            "the storage driver does not give its volume {}: {why}",
            words::size(&plan.after)
        ))
    } else if resize.waits_for_node {
        Driver::NodeIsNext
    } else {
        Driver::AtIt
    }
}

fn expand(op: &Operation, world: &World) -> StepResult {
    let plan = plan(op)?;
    let volumes = volumes(op, world)?;
    if let Some(progress) = noted(op, plan, &volumes) {
        return Err(Progress::Choose(Box::new(progress)));
    }
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

/// Why the operation ends without success: some volumes were not enlarged.
pub fn refusal(plan: &VolumePlan, refused: &[(String, String)], grown: &[String]) -> Progress {
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

/// The size that each member sees is written down before its claim is changed: growth is measured from there. None once it is.
pub fn noted(op: &Operation, plan: &VolumePlan, volumes: &[MemberVolumes<'_>]) -> Option<OperationProgress> {
    if !plan.file_systems.is_empty() {
        return None;
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
    Some(progress)
}

/// What is next for a member whose volume grows while it is in use, or has grown.
pub fn next(volume: &MemberVolumes<'_>, plan: &VolumePlan) -> Next {
    match driver(volume.claim, plan) {
        Driver::HasSize => has_room(volume, plan).map_or_else(Next::Wait, |()| Next::Done),
        Driver::NotAsked => Next::Do(ask(volume.claim, plan)),
        Driver::Refuses(why) => Next::Refused(why),
        Driver::NodeIsNext => wake(volume, plan),
        Driver::AtIt => Next::Wait(driver_is_at_it(volume.claim)),
    }
}

/// Lets the claim ask for the size.
pub fn ask(claim: &Claim, plan: &VolumePlan) -> VolumeEffect {
    VolumeEffect::Resize {
        claim: claim.name.clone(),
        size: words::size(&plan.after).to_owned(),
    }
}

fn wake(volume: &MemberVolumes<'_>, plan: &VolumePlan) -> Next {
    let size = words::size(&plan.after).to_owned();
    match volume.seen {
        None => Next::Wait("its file system grows when its Pod is there".into()),
        Some(seen) if seen.looked_for.as_ref() == Some(&size) => {
            Next::Wait("kubelet has to enlarge its file system".into())
        }
        Some(seen) => Next::Do(VolumeEffect::WakeKubelet {
            pod: volume.pod.clone(),
            uid: seen.uid.clone(),
            size,
        }),
    }
}

/// That the storage driver is at work, and what it reports.
pub fn driver_is_at_it(claim: &Claim) -> String {
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

/// Which members have the room.
pub fn proven(op: &Operation, world: &World) -> Vec<SubCondition> {
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

/// Pods that are away come back first: that needs nothing else.
fn restore(op: &Operation, world: &World) -> StepResult {
    Progress::of(offline::let_pods_back(world)?).require_done()?;
    let plan = plan(op)?;
    let is_written = section::is_written(op, world, &plan.found, &plan.after)?;
    let size = if is_written { &plan.after } else { &plan.before };
    children_are(world, &children::rendered_with_volumes(world, size)?)?;
    patroni_keeps(world, plan, !is_written)?;
    Ok(Progress::Done)
}
