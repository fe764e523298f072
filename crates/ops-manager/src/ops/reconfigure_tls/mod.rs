//! `ReconfigureTLS`: TLS is added, its certificates are issued anew or changed, or it is taken away.
//!
//! The spec is committed on a plateau: every member has proven that it accepts clients of the old settings and of the
//! new ones. Before it, the way back is a reload and no client has noticed anything; after it, the way on is what the
//! provisioner would do by itself. So spec and members agree whenever an operation ends, however it ends.

pub mod request;
mod stages;
pub mod target;

use api_types::ops_request::{DrainPolicy, OperationPlan, TlsPlan, TlsRestart, TlsSettings};
use blueprint::{Resolved, TlsPhase};
use jiff::{SignedDuration, Unit};

use crate::effect::{Child, Effect};
use crate::moves::proof::ExpectedTrust;
use crate::moves::{authority, certificates, config, drain, proof, rolling};
use crate::operation::Operation;
use crate::step::{Needs, Progress, Step, StepName, settle};
use crate::world::{Member, Observed, World};

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
const TRUST: Step = Step::new(
    StepName::TrustCa,
    "Successfully published the CAs: members and clients trust those of the old and of the new certificates",
    |op, world| settle(trust(op, world)),
);
const RELOAD: Step = Step::new(
    StepName::ReloadTls,
    "Successfully reloaded TLS: every member was seen to accept the old and the new settings",
    |op, world| settle(reload(op, world)),
);
const DRAIN: Step = Step::new(
    StepName::DrainSessions,
    "Successfully drained sessions: no application uses what is about to be refused",
    |op, world| settle(drain(op, world)),
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
const RELOAD_PODS: Step = Step::new(
    StepName::ReloadPods,
    "Successfully reloaded all nodes: every member was seen to follow the new settings",
    |op, world| settle(reload_pods(op, world)),
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
    |op, world| settle(restore(op, world)),
);

/// What comes before the spec is committed.
const ROTATE: &[Step] = &[ISSUE, SYNC, TRUST, RELOAD];
const CHANGE: &[Step] = &[SYNC, TRUST, RELOAD];
/// The CA of a new issuer is trusted before anything is issued: a client may show its new certificate at once.
const CHANGE_ISSUER: &[Step] = &[TRUST, SYNC, RELOAD];
const ROTATE_TO_ISSUER: &[Step] = &[TRUST, ISSUE, SYNC, RELOAD];
const ADD: &[Step] = &[SYNC, RELOAD];
const REMOVE: &[Step] = &[RELOAD];
/// What comes then.
const BY_RESTART: &[Step] = &[UPDATE, RESTART, FINISH];
const BY_RELOAD: &[Step] = &[UPDATE, RELOAD_PODS, FINISH];

/// How long the primary waits for its standbys to follow a reload first.
const IN_ORDER_FOR: SignedDuration = SignedDuration::from_secs(8);
/// How long a member may take to follow a reload before it is held to need a restart.
const RELOADED_WITHIN: SignedDuration = SignedDuration::from_secs(20);

/// The steps of what was planned.
pub fn recipe(plan: &OperationPlan, restart: TlsRestart) -> Vec<Step> {
    let has_new_issuers = plan
        .tls
        .as_ref()
        .is_some_and(|tls| !authority::new_issuers(tls).is_empty());
    let sides = plan
        .tls
        .as_ref()
        .map(|tls| (tls.before.tls.is_some(), tls.after.tls.is_some(), tls.rotate));
    let first = match sides {
        Some((true, true, true)) if has_new_issuers => ROTATE_TO_ISSUER,
        Some((true, true, false)) if has_new_issuers => CHANGE_ISSUER,
        Some((true, true, true)) => ROTATE,
        Some((true, true, false)) => CHANGE,
        Some((false, true, _)) => ADD,
        Some((_, false, _)) | None => REMOVE,
    };
    let changes_wire = sides.is_none_or(|(before, after, _)| before != after);
    match (restart, changes_wire) {
        // A restart ends every session anyway.
        (TlsRestart::Always, _) => [first, BY_RESTART].concat(),
        (TlsRestart::Auto | TlsRestart::Never, true) => [first, &[DRAIN], BY_RELOAD].concat(),
        (TlsRestart::Auto | TlsRestart::Never, false) => [first, BY_RELOAD].concat(),
    }
}

fn tls_plan(op: &Operation) -> Needs<&TlsPlan> {
    op.plan.tls.as_ref().ok_or_else(|| {
        Progress::Impossible("status.plan was emptied during the operation; create the request again".into())
    })
}

fn issue(op: &Operation, world: &World) -> Result<Progress, Progress> {
    let progress = certificates::issue_anew(op, world, &tls_plan(op)?.after)?;
    kept_first(op, world, progress)
}

fn sync(op: &Operation, world: &World) -> Result<Progress, Progress> {
    let plan = tls_plan(op)?;
    let progress = settle(certificates::synced(op, world, &plan.after));
    // cert-manager may have written the new CA over the one that clients need until members serve what is issued.
    if plan.before.tls.is_some() && matches!(progress, Progress::Wait(_)) {
        let needed = stages::trusted(world)?;
        let published = config::client_ca_effects(world, &config::resolved(world, &plan.after)?, &needed)?;
        if let Some(effect) = published {
            return Ok(Progress::Act(vec![effect]));
        }
    }
    kept_first(op, world, progress)
}

/// Before anything else is done about certificates, what members have is kept.
fn kept_first(op: &Operation, world: &World, progress: Progress) -> Result<Progress, Progress> {
    let plan = tls_plan(op)?;
    let Progress::Act(mut effects) = progress else {
        return Ok(progress);
    };
    if plan.before.tls.is_some() && plan.after.tls.is_some() {
        let mut all = keep(op, world, &config::resolved(world, &plan.before)?)?;
        all.append(&mut effects);
        return Ok(Progress::Act(all));
    }
    Ok(Progress::Act(effects))
}

/// What members have is kept to go back to; then applications and members trust the new CA, before anybody shows a
/// certificate of it.
fn trust(op: &Operation, world: &World) -> Result<Progress, Progress> {
    let plan = tls_plan(op)?;
    let new = authority::of_new_issuers(op, plan, world)?;
    if new.is_empty() {
        certificates::synced(op, world, &plan.after)?.first()?;
    }
    let stage = stages::trusting(world, plan, &new)?;
    let mut effects = keep(op, world, &stage.resolved)?;
    effects.extend(config::published_effects(world, &stage)?);
    effects.extend(config::config_effects(world, &stage)?);
    Progress::of(effects).first()?;
    if new.is_empty() && stages::has_same_authorities(world, &plan.after)? {
        return Ok(Progress::Done);
    }
    proof::reload(world, &stages::told(&stage), &stages::expected_to_trust(&stage))?.first()?;
    Ok(overlap(op, world))
}

/// Applications that were told of both CAs have some time to take them, if the request gives it.
fn overlap(op: &Operation, world: &World) -> Progress {
    let given = op.ca_overlap();
    let until = op.step_began.and_then(|began| began.checked_add(given).ok());
    match until.filter(|until| world.now < *until) {
        Some(until) => Progress::Wait(format!(
            "applications have until {} to take the bundle with the old and the new CA (spec.tls.caOverlap: {given:#})",
            until.round(Unit::Second).unwrap_or(until)
        )),
        None => Progress::Done,
    }
}

/// Keeps what members are given now, unless this operation has done so already.
fn keep(op: &Operation, world: &World, resolved: &Resolved) -> Needs<Vec<Effect>> {
    match &world.last_good {
        Observed::Present(_) => Ok(Vec::new()),
        Observed::Unknown(why) => Err(Progress::Wait(format!(
            "the Secret with the last good certificates could not be read: {why}"
        ))),
        Observed::Absent => {
            let secret = blueprint::last_good(resolved, &stages::given(world)?, &op.uid);
            Ok(vec![Effect::Apply(Box::new(Child::LastGood(secret)))])
        }
    }
}

/// Every member gets a configuration that suits clients of both settings and the new certificates, and shows that it has
/// read it. What was issued since they were examined goes to nobody before it is examined too.
fn reload(op: &Operation, world: &World) -> Result<Progress, Progress> {
    let plan = tls_plan(op)?;
    certificates::synced(op, world, &plan.after)?.first()?;
    let stage = stages::plateau(world, plan)?;
    let mut effects = Vec::new();
    if plan.before.tls.is_some() {
        let tls = &stage.resolved.tls;
        effects.extend(config::client_ca_effects(world, &stage.resolved, &tls.trust)?);
    }
    effects.extend(config::config_effects(world, &stage)?);
    Progress::of(effects).first()?;
    let expected = stages::expected_on_plateau(plan, &stage);
    proof::reload(world, &stages::told(&stage), &expected)
}

/// Applications learn what they are to use from now on, while what they use still works; then nobody is left who does.
fn drain(op: &Operation, world: &World) -> Result<Progress, Progress> {
    let plan = tls_plan(op)?;
    let published = config::published_effects(world, &stages::proven(op, world, &plan.after, None)?)?;
    Progress::of(published).first()?;
    drain::sessions(op, &op.drain(), world, plan.after.tls.is_none())
}

/// The spec says the new settings, and the next start of a member follows them.
fn commit(op: &Operation, world: &World) -> Result<Progress, Progress> {
    let plan = tls_plan(op)?;
    // The mark of a template whose Pods are to be made anew.
    let token = (op.restart() == TlsRestart::Always).then_some(op.uid.as_str());
    let stage = stages::proven(op, world, &plan.after, token)?;
    // Before the spec is written: it may turn out that the template must not be.
    let pet_set = config::pet_set_effects(world, &stage)?;
    let spec = TlsSettings::of(&world.postgres.need("the Postgres")?.spec);
    if spec != plan.after {
        return Ok(if spec == *plan.found() {
            Progress::Act(vec![Effect::PatchSpec(Box::new(plan.after.clone()))])
        } else {
            let text = "spec.tls, sslMode or clientAuthMode of the Postgres was edited during the operation; create a new request";
            Progress::Impossible(text.into())
        });
    }
    let mut effects = config::config_effects(world, &stage)?;
    effects.extend(config::published_effects(world, &stage)?);
    effects.extend(pet_set);
    Progress::of(effects).first()?;
    Ok(config::revision_is_known(world)?.map_or(Progress::Done, Progress::Wait))
}

fn restart(op: &Operation, world: &World) -> Result<Progress, Progress> {
    let plan = tls_plan(op)?;
    let stage = stages::proven(op, world, &plan.after, Some(&op.uid))?;
    Progress::of(config::config_effects(world, &stage)?).first()?;
    let expected = stages::expected_at_work(&stage, ExpectedTrust::AtLeast);
    rolling::restart(op, world, &|_: &str, member: &Member| expected.check(member))
}

/// Every member follows the committed settings; then nobody is left who came under settings that are no longer admitted.
fn reload_pods(op: &Operation, world: &World) -> Result<Progress, Progress> {
    let plan = tls_plan(op)?;
    let followed = follow(op, world, plan)?;
    let changes_wire = plan.before.tls.is_some() != plan.after.tls.is_some();
    // Who waits for sessions to end by themselves has seen them gone.
    let ends = op.drain().policy.unwrap_or_default() == DrainPolicy::Force;
    if followed == Progress::Done && changes_wire && ends {
        return drain::end_left(world, plan.after.tls.is_none());
    }
    Ok(followed)
}

/// Every member follows the committed settings by a reload. One that does not is restarted, if the request allows it:
/// which, and why, is written down first.
fn follow(op: &Operation, world: &World, plan: &TlsPlan) -> Result<Progress, Progress> {
    let stage = stages::proven(op, world, &plan.after, None)?;
    Progress::of(config::config_effects(world, &stage)?).first()?;
    let expected = stages::expected_at_work(&stage, ExpectedTrust::AtLeast);
    if !op.plan.pods.is_empty() {
        return rolling::restart_planned(op, world, &|_: &str, member: &Member| expected.check(member));
    }
    let age = op
        .step_began
        .map(|began| world.now.duration_since(began))
        .unwrap_or_default();
    let told = stages::told(&stage);
    let progress = if age < IN_ORDER_FOR {
        proof::reload(world, &told, &expected)?
    } else {
        proof::reload_at_once(world, &told, &expected)?
    };
    if progress == Progress::Done || age < RELOADED_WITHIN {
        return Ok(progress);
    }
    let behind = proof::behind(world, &expected);
    let (stubborn, others): (Vec<_>, Vec<_>) = behind
        .into_iter()
        .partition(|(pod, _)| proof::is_stubborn(&world.members[pod], &told, &expected));
    if stubborn.is_empty() {
        return Ok(progress);
    }
    if op.restart() == TlsRestart::Never {
        let all: Vec<String> = stubborn
            .iter()
            .map(|(pod, why)| format!("{pod}: {why}"))
            .collect();
        return Ok(Progress::Impossible(format!(
            "a reload is not enough for {}; create the request again with restart: auto",
            all.join("; ")
        )));
    }
    // Only what is planned is restarted, and nobody is reloaded any more then: the others have to follow first.
    if !others.is_empty() {
        return Ok(progress);
    }
    let mut plan = op.plan.clone();
    for (pod, why) in stubborn {
        plan.pods.insert(pod.clone(), world.members[&pod].uid.clone());
        plan.restart_reasons.insert(pod, format!("after a reload {why}"));
    }
    plan.old_primary.clone_from(&world.leader);
    Ok(Progress::Choose(Box::new(plan)))
}

fn finish(op: &Operation, world: &World) -> Result<Progress, Progress> {
    let spec = TlsSettings::of(&world.postgres.need("the Postgres")?.spec);
    end_at(op, world, &spec)
}

/// Children and members are as the provisioner will want them: only current CAs are trusted, nothing is left over.
fn end_at(op: &Operation, world: &World, settings: &TlsSettings) -> Result<Progress, Progress> {
    certificates::synced(op, world, settings)?.first()?;
    // Nobody may stop trusting a CA while a member still serves a certificate of it.
    let overlap = stages::overlap(world, settings)?;
    let (stage, trust): (_, fn(_) -> _) = if stages::all_serve(world, &overlap) {
        (stages::steady(world, settings)?, ExpectedTrust::Exactly)
    } else {
        (overlap, ExpectedTrust::AtLeast)
    };
    brought_to(world, &stage, trust)?.first()?;
    if let Some(waiting) = proof::replication(world, settings.tls.is_some()) {
        return Ok(Progress::Wait(waiting));
    }
    let obsolete = certificates::obsolete(world, settings)?;
    Ok(Progress::of(obsolete))
}

/// Before the spec was committed, members go back to the settings and certificates that they had, and cert-manager is
/// asked for the old ones again; whether it can give them is no condition. Afterwards the way on is the only one, also for
/// a rotation, whose spec is the same before and after; so it is when the spec was edited meanwhile.
fn restore(op: &Operation, world: &World) -> Result<Progress, Progress> {
    let plan = tls_plan(op)?;
    let spec = TlsSettings::of(&world.postgres.need("the Postgres")?.spec);
    if op.committed || spec != *plan.found() {
        return end_at(op, world, &spec);
    }
    if plan.before.tls.is_none() {
        return end_at(op, world, &plan.before);
    }
    let stage = stages::last_good(world, &plan.before)?;
    brought_to(world, &stage, ExpectedTrust::AtLeast)?.first()?;
    let effects = certificates::as_wanted(world, &plan.before)?;
    Ok(Progress::of(effects))
}

/// Children are as the stage wants them, and every member answers so.
fn brought_to(
    world: &World,
    stage: &config::Stage,
    trust: fn(blueprint::CaBundle) -> ExpectedTrust,
) -> Result<Progress, Progress> {
    let mut effects = config::config_effects(world, stage)?;
    effects.extend(config::published_effects(world, stage)?);
    Progress::of(effects).first()?;
    let expected = stages::expected_at_work(stage, trust);
    proof::reload(world, &stages::told(stage), &expected)
}

/// The phase in which members accept clients of both settings.
fn plateau_phase(plan: &TlsPlan) -> TlsPhase {
    match (&plan.before.tls, &plan.after.tls) {
        (None, None) => TlsPhase::Off,
        (Some(_), Some(_)) => TlsPhase::Enforce,
        _ => TlsPhase::Accept,
    }
}
