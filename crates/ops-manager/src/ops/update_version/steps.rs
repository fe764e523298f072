//! The steps of an update of the version.

use api_types::PostgresVersion;
use api_types::ops_request::PinnedVersion;
use api_types::reported::ops_request::conditions;
use api_types::version::{server_version_num, written_version};

use super::plan_of;
use crate::moves::children::{self, RenderedState};
use crate::moves::rolling;
use crate::operation::Operation;
use crate::section;
use crate::step::{self, EndsPods, Progress, Step, StepResult, SubCondition};
use crate::waiting::WaitingOn;
use crate::world::{Member, Observed, World};

/// The template has the new image.
pub const UPDATE: Step = Step::new(
    conditions::UPDATE_PET_SET_IMAGE,
    "Successfully Updated cluster Image",
    |_, _| "the Pod template gets the image of the new version".into(),
    update,
)
.without_members();
/// Every standby runs it.
pub const STANDBYS: Step = Step::new(
    conditions::UPDATE_STANDBY_POD_IMAGE,
    "Successfully Updated replica Images",
    describe_standbys,
    standbys,
)
.ending_pods(ends_pods)
.with_sub_conditions(answered);
/// Every member runs it.
pub const PRIMARY: Step = Step::new(
    conditions::UPDATE_PRIMARY_IMAGE,
    "Successfully Updated primary Image",
    |_, _| "the primary role moves to a member that runs the new version, then the old primary is restarted with it".into(),
    primary,
)
.ending_pods(ends_pods)
.with_sub_conditions(answered);
/// The spec has the version.
pub const FINISH: Step = Step::new(
    conditions::UPDATE_DATABASE,
    "Successfully updated Postgres: every member answered that it runs the new version",
    |_, _| {
        "every member answers in SQL that it runs the new version; then its name is written into the spec of the Postgres"
            .into()
    },
    finish,
)
.committing();
/// After a failure: what the members ran, or run by the committed spec.
pub const RESTORE: Step = Step::new(
    conditions::RESTORE_DATABASE,
    "Successfully brought the version of the members back",
    |_, _| "the template gets its old image, and members that have the new one are restarted".into(),
    restore,
);

/// Whether members are replaced: not where two names have one image.
pub fn ends_pods(op: &Operation) -> EndsPods {
    match plan_of(op) {
        Some(plan) if plan.before.image == plan.after.image => EndsPods::IfNeeded,
        _ => EndsPods::Always,
    }
}

/// A version in words.
pub fn words(pinned: &PinnedVersion) -> String {
    match &pinned.version {
        Some(version) if *version == pinned.name => format!("PostgreSQL {version}"),
        Some(version) => format!("PostgreSQL {version} (version {:?})", pinned.name),
        None => format!("version {:?}", pinned.name),
    }
}

fn describe_standbys(op: &Operation, world: &World) -> String {
    if world.replicas() <= 1 {
        return "there is no standby".into();
    }
    let version = plan_of(op).map_or_else(|| "the new version".into(), |plan| words(&plan.after));
    format!(
        "one standby is restarted with the new image, and has to stream and to answer that it is {version}; then the other standbys, one by one"
    )
}

/// The database with this version, and with everything else as members have it.
///
/// # Errors
/// What is waited for; [`Progress::Impossible`] when the catalog has something else under the name by now.
pub fn rendered(world: &World, pinned: &PinnedVersion) -> StepResult<RenderedState> {
    let what = format!("the PostgresVersion {}", pinned.name);
    let entry: &PostgresVersion = world.version_named(&pinned.name).require(&what).copied()?;
    let is_as_planned =
        entry.spec.db.image == pinned.image && Some(&entry.spec.version) == pinned.version.as_ref();
    if !is_as_planned {
        return Err(Progress::Impossible(format!(
            "{what} was edited during the operation; create a new request"
        )));
    }
    render(world, pinned, entry)
}

fn render(world: &World, pinned: &PinnedVersion, entry: &PostgresVersion) -> StepResult<RenderedState> {
    let name = pinned.to_name();
    let kept = children::followed_with(world, &name)?;
    children::render_version(world, &kept, entry, children::tls_in_force(world)?, None)
}

/// [`rendered`] with the image that members had, whatever the catalog has under that name by now.
fn former(world: &World, before: &PinnedVersion, after: &PinnedVersion) -> StepResult<RenderedState> {
    let entry = match world.version_named(&before.name) {
        Observed::Absent => world.version_named(&after.name),
        found => found,
    };
    let mut entry = (*entry.require("the PostgresVersion of the members")?).clone();
    entry.spec.db.image.clone_from(&before.image);
    if let Some(version) = &before.version {
        entry.spec.version.clone_from(version);
    }
    render(world, before, &entry)
}

fn template_is(world: &World, state: &RenderedState) -> StepResult<()> {
    Progress::of(children::pet_set_with_version(world, state)?).require_done()?;
    Ok(children::template_is_observed(world)?)
}

fn update(op: &Operation, world: &World) -> StepResult {
    template_is(world, &rendered(world, after(op)?)?)?;
    Ok(Progress::Done)
}

fn standbys(op: &Operation, world: &World) -> StepResult {
    let after = after(op)?;
    template_is(world, &rendered(world, after)?)?;
    rolling::restart_standbys(op, world, &|_: &str, member: &Member| answers(member, after))
}

fn primary(op: &Operation, world: &World) -> StepResult {
    let after = after(op)?;
    template_is(world, &rendered(world, after)?)?;
    rolling::restart(op, world, &|_: &str, member: &Member| answers(member, after))
}

fn finish(op: &Operation, world: &World) -> StepResult {
    let plan = step::planned(plan_of(op))?;
    let state = rendered(world, &plan.after)?;
    world.all_pass(|_, member| answers(member, &plan.after))?;
    Progress::of(children::app_binding_effects(world, &state)?).require_done()?;
    section::commit(world, &plan.found, &plan.after.to_name())?;
    Ok(Progress::Done)
}

/// Recreates only Pods that this operation made: a member that was behind its template before is not touched.
fn restore(op: &Operation, world: &World) -> StepResult {
    let plan = step::planned(plan_of(op))?;
    let is_written = section::is_written(op, world, &plan.found, &plan.after.to_name())?;
    let (wanted, state) = if is_written {
        (&plan.after, rendered(world, &plan.after)?)
    } else {
        (&plan.before, former(world, &plan.before, &plan.after)?)
    };
    template_is(world, &state)?;
    Progress::of(children::app_binding_effects(world, &state)?).require_done()?;
    rolling::take_back(op, world, &|_: &str, member: &Member| answers(member, wanted))
}

fn after(op: &Operation) -> StepResult<&PinnedVersion> {
    Ok(&step::planned(plan_of(op))?.after)
}

/// A member reports its own PostgreSQL version. Where the catalog no longer knows the contents of an image, any response of
/// the member is enough.
fn answers(member: &Member, wanted: &PinnedVersion) -> Result<(), String> {
    let server = member
        .server
        .require("its answer in SQL")
        .map_err(|waiting: WaitingOn| waiting.to_string())?;
    match wanted.version.as_deref().and_then(server_version_num) {
        Some(number) if number != server.version => {
            Err(format!("it runs PostgreSQL {}", written_version(server.version)))
        }
        _ => Ok(()),
    }
}

fn answered(op: &Operation, world: &World) -> Vec<SubCondition> {
    let mut parts = rolling::sub_conditions(op, world);
    let Ok(after) = after(op) else {
        return parts;
    };
    for (pod, old_uid) in &op.progress.pods {
        let made = world.members().get(pod).filter(|member| member.uid != *old_uid);
        if let Some(member) = made {
            parts.push(SubCondition::of_pod(
                conditions::CHECK_SERVER_VERSION,
                "check server version",
                pod,
                answers(member, after).is_ok(),
            ));
        }
    }
    parts
}
