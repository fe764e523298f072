//! The steps of a rotation.

use api_types::ops_request::AuthPlan;
use api_types::reported::ops_request::conditions;

use crate::auth::effect::AuthEffect;
use crate::auth::world::{AuthWorld, Which};
use crate::effect::Effect;
use crate::moves::children;
use crate::operation::Operation;
use crate::section;
use crate::step::{self, Progress, Step, StepResult, SubCondition};
use crate::waiting::WaitingOn;
use crate::world::{Member, Observed, World};

/// What every member is seen to do in this step.
const DOES: &str = "the superuser gets a SCRAM verifier of the new password on the primary; each member is seen to have it, to open with \
                    the new password and to refuse the former one";

/// Every member has a password that was made.
pub const GENERATE: Step = Step::new(
    conditions::UPDATE_CREDENTIAL,
    "Successfully generated new credentials",
    |_, _| DOES.into(),
    change,
)
.with_sub_conditions(checked);
/// Every member has the password of the user's Secret.
pub const REFERENCE: Step = Step::new(
    conditions::UPDATE_CREDENTIAL,
    "Successfully referenced the user provided authsecret",
    |_, _| DOES.into(),
    change,
)
.with_sub_conditions(checked);
/// The spec and the record of the valid password are updated.
pub const FINISH: Step = Step::new(
    conditions::UPDATE_PET_SETS,
    "Successfully updated petsets for rotate auth type",
    |_, _| {
        "the spec of the Postgres names the Secret, and the new password is noted as the one that opens the database; nothing restarts"
            .into()
    },
    finish,
)
.without_members()
.committing();
/// After a failure: the former password, or the new one when the spec has it already.
pub const RESTORE: Step = Step::new(
    conditions::RESTORE_DATABASE,
    "Successfully brought the former password back",
    |_, _| "the superuser gets its former verifier again".into(),
    restore,
);

/// The plan that was fixed when the operation began.
///
/// # Errors
/// [`Progress::Impossible`] when it is gone.
pub fn plan(op: &Operation) -> StepResult<&AuthPlan> {
    step::planned(op.progress.change.rotate_auth.as_ref())
}

fn auth(world: &World) -> StepResult<&AuthWorld> {
    let missing = || WaitingOn::Missing {
        what: "the Secrets with the credentials".into(),
    };
    Ok(world.auth.as_ref().ok_or_else(missing)?)
}

/// The Secret into which the operator writes; the user's own is not changed.
fn written(plan: &AuthPlan) -> Option<String> {
    plan.generated.then(|| plan.secret.clone())
}

fn change(op: &Operation, world: &World) -> StepResult {
    let plan = plan(op)?;
    let leader = world.leader().ok_or(WaitingOn::Primary)?.to_owned();
    if !is_kept(auth(world)?)? {
        // What can't be proven in the end is not begun.
        world.all_pass(|_, _| Ok(()))?;
        if let Some(secret) = written(plan) {
            auth(world)?.published.require(&format!("Secret {secret}"))?;
        }
        let secret = (!plan.generated).then(|| plan.secret.clone());
        return Ok(AuthEffect::Keep { leader, secret }.into());
    }
    give(world, plan, Which::New, leader)?;
    world.all_pass(|_, member| has(member, Which::New))?;
    Ok(Progress::Done)
}

/// The primary has this password, and so has the Secret that is ours to write.
fn give(world: &World, plan: &AuthPlan, which: Which, leader: String) -> StepResult<()> {
    let secret = written(plan);
    let on_primary = world
        .members()
        .get(&leader)
        .and_then(|member| member.server.present());
    let on_primary = on_primary.and_then(|server| server.auth.as_ref());
    let Some(on_primary) = on_primary else {
        return Err(WaitingOn::Member {
            pod: leader,
            why: "which password it has is not known".into(),
        }
        .into());
    };
    if on_primary.verifier != Some(which) {
        return Err(AuthEffect::Set {
            leader,
            which,
            secret,
        }
        .into());
    }
    match (secret, auth(world)?.published.require("the auth Secret")?) {
        (Some(secret), published) if *published != Some(which) => {
            Err(AuthEffect::Publish { which, secret }.into())
        }
        _ => Ok(()),
    }
}

fn is_kept(auth: &AuthWorld) -> Result<bool, WaitingOn> {
    match &auth.kept {
        Observed::Absent => Ok(false),
        other => other
            .require("the Secret with the credentials of the rotation")
            .map(|()| true),
    }
}

fn has(member: &Member, which: Which) -> Result<(), String> {
    match &member.server {
        Observed::Present(server) => match &server.auth {
            Some(auth) => auth.check(which),
            None => Err("which password it has is not known".into()),
        },
        Observed::Absent => Err("it was not asked which password it has".into()),
        Observed::Unknown(why) => Err(format!("which password it has is not known: {why}")),
    }
}

fn finish(op: &Operation, world: &World) -> StepResult {
    let plan = plan(op)?;
    section::commit(world, &plan.found, &plan.after)?;
    // The record goes last, so its contents are done by then.
    if !is_kept(auth(world)?)? {
        return Ok(Progress::Done);
    }
    note(world, plan)?;
    Ok(AuthEffect::Forget.into())
}

/// Records the new password as the valid one, and publishes to applications where it is.
fn note(world: &World, plan: &AuthPlan) -> StepResult<()> {
    if recorded(world)? != Some(Which::New) {
        return Err(record(plan, Which::New));
    }
    let state = children::rendered_with(world, &plan.after)?;
    Progress::of(children::app_binding_effects(world, &state)?).require_done()
}

fn recorded(world: &World) -> StepResult<Option<Which>> {
    let recorded = &auth(world)?.recorded;
    Ok(*recorded.require("the Secret with the credentials in force")?)
}

fn record(plan: &AuthPlan, which: Which) -> Progress {
    let secret = plan.secret.clone();
    AuthEffect::Record { which, secret }.into()
}

/// Nothing was done to the database before anything was written down.
fn restore(op: &Operation, world: &World) -> StepResult {
    let plan = plan(op)?;
    if !is_kept(auth(world)?)? {
        return Ok(Progress::Done);
    }
    let is_written = section::is_written(op, world, &plan.found, &plan.after)?;
    let which = if is_written { Which::New } else { Which::Former };
    let leader = world.leader().ok_or(WaitingOn::Primary)?.to_owned();
    give(world, plan, which, leader)?;
    world.all_pass(|_, member| has(member, which))?;
    if is_written {
        note(world, plan)?;
    } else if recorded(world)? == Some(Which::New) {
        return Err(record(plan, Which::Former));
    }
    Ok(AuthEffect::Forget.into())
}

fn checked(_: &Operation, world: &World) -> Vec<SubCondition> {
    let members = world.members().iter();
    let known = members.filter_map(|(pod, member)| {
        let auth = member.server.present()?.auth.as_ref()?;
        Some((pod, auth.check(Which::New).is_ok()))
    });
    known
        .map(|(pod, done)| SubCondition::of_pod(conditions::CHECK_CREDENTIAL, "check credential", pod, done))
        .collect()
}

impl From<AuthEffect> for Progress {
    fn from(effect: AuthEffect) -> Self {
        Self::Act(vec![Effect::Auth(effect)])
    }
}
