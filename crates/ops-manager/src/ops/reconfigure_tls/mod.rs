//! `ReconfigureTLS`: TLS is added, its certificates are issued anew or changed, or it is taken away.
//!
//! The spec is committed on a plateau: every member has proven that it accepts clients of the old settings and of the
//! new ones. Before it, the way back is a reload and no client has noticed anything; after it, the way on is what the
//! provisioner would do by itself. So spec and members agree whenever an operation ends, however it ends.

pub mod request;
mod stages;
pub mod target;

use api_types::ops_request::{OperationPlan, TlsPlan};
use blueprint::TlsPhase;

use crate::effect::Effect;
use crate::moves::proof::ExpectedTrust;
use crate::moves::{certificates, config, proof, rolling};
use crate::operation::{Operation, settings_of};
use crate::step::{Needs, Progress, Step, StepName, settle};
use crate::world::{Member, World};

const ISSUE: Step = Step::new(
    StepName::IssueCertificates,
    "successfully add issuing condition to all the certificates",
    |op, world| settle(issue(op, world)),
);
const SYNC: Step = Step::new(
    StepName::SyncCertificates,
    "Successfully synced all certificates",
    |op, world| settle(sync(op, world)),
);
const RELOAD: Step = Step::new(
    StepName::ReloadTls,
    "Successfully reloaded TLS: every member was seen to accept the old and the new settings",
    |op, world| settle(reload(op, world)),
);
const UPDATE: Step = Step::new(
    StepName::UpdatePetSets,
    "successfully reconciled the Postgres with TLS",
    |op, world| settle(commit(op, world)),
);
const RESTART: Step = Step::new(
    StepName::RestartNodes,
    "Successfully restarted all nodes",
    |op, world| settle(restart(op, world)),
)
.with_trail(rolling::trail);
const FINISH: Step = Step::new(
    StepName::UpdateDatabase,
    "Successfully updated Postgres: every member was seen to serve what the spec says",
    |op, world| settle(finish(op, world)),
);

/// After a failure: children and members follow the spec as it stands, be it the old one or the committed one.
pub const RESTORE: Step = Step::new(
    StepName::RestoreDatabase,
    "Successfully brought the members back to what the spec says",
    |op, world| settle(finish(op, world)),
);

const ROTATE: &[Step] = &[ISSUE, SYNC, RELOAD, UPDATE, RESTART, FINISH];
const CHANGE: &[Step] = &[SYNC, RELOAD, UPDATE, RESTART, FINISH];
const REMOVE: &[Step] = &[RELOAD, UPDATE, RESTART, FINISH];

/// The steps of what was planned.
pub fn recipe(plan: &OperationPlan) -> &'static [Step] {
    match plan.tls.as_ref() {
        Some(tls) if tls.rotate => ROTATE,
        Some(tls) if tls.after.tls.is_some() => CHANGE,
        _ => REMOVE,
    }
}

fn tls_plan(op: &Operation) -> Needs<&TlsPlan> {
    op.plan.tls.as_ref().ok_or_else(|| {
        Progress::Impossible("status.plan was emptied during the operation; create the request again".into())
    })
}

fn issue(op: &Operation, world: &World) -> Result<Progress, Progress> {
    certificates::issue_anew(op, world, &tls_plan(op)?.after)
}

fn sync(op: &Operation, world: &World) -> Result<Progress, Progress> {
    certificates::synced(op, world, &tls_plan(op)?.after)
}

/// Every member gets a configuration that suits clients of both settings, and shows that it has read it.
fn reload(op: &Operation, world: &World) -> Result<Progress, Progress> {
    let plan = tls_plan(op)?;
    let stage = stages::plateau(world, plan)?;
    let mut effects = config::config_effects(world, &stage)?;
    if plan.before.tls.is_some() && plan.after.tls.is_some() {
        // Applications are to know the new CA before a member shows a certificate of it.
        effects.splice(0..0, config::app_binding_effects(world, &stage)?);
    }
    if !effects.is_empty() {
        return Ok(Progress::Act(effects));
    }
    let expected = stages::expected_on_plateau(world, plan, &stage)?;
    proof::reload(world, &stages::files_of(world, &stage), &expected)
}

/// The spec says the new settings, and the next start of a member follows them.
fn commit(op: &Operation, world: &World) -> Result<Progress, Progress> {
    let plan = tls_plan(op)?;
    let spec = settings_of(&world.postgres.need("the Postgres")?.spec);
    if spec != plan.after {
        return Ok(if spec == plan.before {
            Progress::Act(vec![Effect::PatchSpec(Box::new(plan.after.clone()))])
        } else {
            let text = "spec.tls, sslMode or clientAuthMode of the Postgres was edited during the operation; create a new request";
            Progress::Impossible(text.into())
        });
    }
    let stage = stages::committed(world, plan, &op.uid)?;
    let mut effects = config::config_effects(world, &stage)?;
    effects.extend(config::app_binding_effects(world, &stage)?);
    effects.extend(config::pet_set_effects(world, &stage)?);
    if !effects.is_empty() {
        return Ok(Progress::Act(effects));
    }
    Ok(config::revision_is_known(world)?.map_or(Progress::Done, Progress::Wait))
}

fn restart(op: &Operation, world: &World) -> Result<Progress, Progress> {
    let plan = tls_plan(op)?;
    let stage = stages::committed(world, plan, &op.uid)?;
    let expected = stages::expected_at_work(world, &stage, ExpectedTrust::AtLeast)?;
    rolling::restart(op, world, &|_: &str, member: &Member| expected.check(member))
}

/// Children and members are as the provisioner will want them: only current CAs are trusted, nothing is left over.
fn finish(op: &Operation, world: &World) -> Result<Progress, Progress> {
    let settings = settings_of(&world.postgres.need("the Postgres")?.spec);
    match certificates::synced(op, world, &settings)? {
        Progress::Done => {}
        other => return Ok(other),
    }
    let steady = stages::steady(world, &settings)?;
    // Nobody may stop trusting a CA while a member still serves a certificate of it.
    let overlap = stages::overlap(world, &settings)?;
    let (stage, trust): (_, fn(_) -> _) = if stages::all_serve_issued(world, &overlap)? {
        (steady, ExpectedTrust::Exactly)
    } else {
        (overlap, ExpectedTrust::AtLeast)
    };
    let mut effects = config::config_effects(world, &stage)?;
    effects.extend(config::app_binding_effects(world, &stage)?);
    if !effects.is_empty() {
        return Ok(Progress::Act(effects));
    }
    let expected = stages::expected_at_work(world, &stage, trust)?;
    match proof::reload(world, &stages::files_of(world, &stage), &expected)? {
        Progress::Done => {}
        other => return Ok(other),
    }
    let obsolete = certificates::obsolete(world, &settings)?;
    Ok(if obsolete.is_empty() {
        Progress::Done
    } else {
        Progress::Act(obsolete)
    })
}

/// The phase in which members accept clients of both settings.
fn plateau_phase(plan: &TlsPlan) -> TlsPhase {
    match (&plan.before.tls, &plan.after.tls) {
        (None, None) => TlsPhase::Off,
        (Some(_), Some(_)) => TlsPhase::Enforce,
        _ => TlsPhase::Accept,
    }
}
