//! The steps of a TLS change.

use api_types::ops_request::{DrainPolicy, TlsPlan, TlsRestart, TlsSettings};
use api_types::reported::ops_request::conditions;
use blueprint::Resolved;
use jiff::SignedDuration;

use super::{drain, request, states, words};
use crate::effect::{Child, Effect};
use crate::moves::children::{self, RenderedState};
use crate::moves::rolling;
use crate::operation::Operation;
use crate::section;
use crate::step::{self, EndsPods, Progress, Step, StepResult, WakeOn};
use crate::tls::certificates::Which;
use crate::tls::verification::{self, ExpectedTrust};
use crate::tls::world as tls_world;
use crate::tls::{certificates, issuer_ca, published};
use crate::waiting::{self, WaitingOn};
use crate::world::{Member, Observed, World};

/// Certificates are reissued.
pub const ISSUE: Step = Step::new(
    conditions::ISSUE_CERTIFICATES_SUCCEEDED,
    "successfully add issuing condition to all the certificates",
    |_, _| "cert-manager is asked to issue every certificate anew".into(),
    issue,
)
.without_members()
.waking_on(WakeOn::CertificatesIssued);
/// All Certificates match the plan and pass validation.
pub const SYNC: Step = Step::new(
    conditions::CERTIFICATE_SYNCED,
    "Successfully synced all certificates",
    |_, _| {
        "the Certificates are brought to what they are to be; what is issued is examined before a member gets it".into()
    },
    sync,
)
.without_members()
.waking_on(WakeOn::CertificatesIssued);
/// Clients and members trust both CAs.
pub const TRUST: Step = Step::new(
    conditions::TRUST_CA,
    "Successfully published the CAs: members and clients trust those of the old and of the new certificates",
    words::trust,
    trust,
)
.acting_unseen()
.granting(request::ca_overlap);
/// Members accept clients of both settings.
pub const RELOAD: Step = Step::new(
    conditions::RELOAD_TLS,
    "Successfully reloaded TLS: every member was seen to accept the old and the new settings",
    words::reload,
    reload,
)
.acting_unseen();
/// The certificate of the clients comes of the new CA too.
pub const SYNC_CLIENTS: Step = Step::new(
    conditions::CLIENT_CERTIFICATE_SYNCED,
    "Successfully synced the client certificate",
    |_, _| {
        "the client certificate is issued, now that every member serves a certificate of the new CA: cert-manager writes that CA \
         alone beside it"
            .into()
    },
    sync_clients,
)
.without_members()
.waking_on(WakeOn::CertificatesIssued);
/// Members have it.
pub const RELOAD_CLIENTS: Step = Step::new(
    conditions::RELOAD_CLIENT_CERTIFICATE,
    "Successfully reloaded the client certificate: every member has it",
    |_, _| "the members reload, and use the new client certificate between each other".into(),
    reload_clients,
)
.acting_unseen();
/// Sessions that are about to be refused end.
pub const DRAIN: Step = Step::new(
    conditions::DRAIN_SESSIONS,
    "Successfully drained sessions: no application uses what is about to be refused",
    words::drain,
    drain,
)
.granting(|op| drain::timeout(&request::drain(op)));
/// The spec has the new settings.
pub const UPDATE: Step = Step::new(
    conditions::UPDATE_PET_SETS,
    "successfully reconciled the Postgres with TLS",
    words::update,
    commit,
)
.committing();
/// Members are restarted.
pub const RESTART: Step = Step::new(
    conditions::RESTART_NODES,
    "Successfully restarted all nodes",
    rolling::describe,
    restart,
)
.ending_pods(|_| EndsPods::Always)
.with_sub_conditions(rolling::sub_conditions);
/// Members follow by a reload.
pub const RELOAD_PODS: Step = Step::new(
    conditions::RELOAD_PODS,
    "Successfully reloaded all nodes: every member was seen to follow the new settings",
    words::follow,
    reload_pods,
)
.ending_pods(|op| match request::restart(op) {
    TlsRestart::Never => EndsPods::Never,
    TlsRestart::Auto | TlsRestart::Always => EndsPods::IfNeeded,
})
.with_sub_conditions(rolling::sub_conditions);
/// Nothing is left over.
pub const FINISH: Step = Step::new(
    conditions::UPDATE_DATABASE,
    "Successfully updated Postgres: every member was seen to serve what the spec says",
    |_, _| {
        "every member is seen to serve what the spec says; CAs and Certificates that are not needed any more go".into()
    },
    finish,
);
/// After a failure: children and members follow the spec as it stands, be it the old one or the committed one.
pub const RESTORE: Step = Step::new(
    conditions::RESTORE_DATABASE,
    "Successfully brought the members back to what the spec says",
    |_, _| "the members go back to what the spec says".into(),
    restore,
);

/// How long the primary waits for its standbys to follow a reload first.
const STANDBY_RELOAD_TIMEOUT: SignedDuration = SignedDuration::from_secs(8);
/// How long a member may take to follow a reload before the operator concludes that it needs a restart.
const RELOAD_TIMEOUT: SignedDuration = SignedDuration::from_secs(20);

fn tls_plan(op: &Operation) -> StepResult<&TlsPlan> {
    step::planned(op.progress.change.tls.as_ref())
}

fn issue(op: &Operation, world: &World) -> StepResult {
    let plan = tls_plan(op)?;
    let progress = certificates::reissue(op, world, &plan.after, first(plan))?;
    kept_first(op, world, progress)
}

/// The certificates that are issued first. Clients take the bundle from the Secret of theirs, and cert-manager writes the CA that
/// signed it there, alone: when a new issuer signs, that may be only once every member serves a certificate of the new CA.
fn first(plan: &TlsPlan) -> Which {
    if super::clients_come_last(plan) {
        Which::AllButTheClients
    } else {
        Which::All
    }
}

fn sync_clients(op: &Operation, world: &World) -> StepResult {
    let plan = tls_plan(op)?;
    if plan.rotate {
        certificates::reissue(op, world, &plan.after, Which::All)?.require_done()?;
    }
    sync_these(op, world, Which::All)
}

fn sync(op: &Operation, world: &World) -> StepResult {
    sync_these(op, world, first(tls_plan(op)?))
}

fn sync_these(op: &Operation, world: &World, which: Which) -> StepResult {
    let plan = tls_plan(op)?;
    let progress =
        certificates::these_synced(op, world, &plan.after, which).unwrap_or_else(|progress| progress);
    // cert-manager may have written the new CA over the one that clients need until members serve what is issued.
    if plan.before.tls.is_some() && matches!(progress, Progress::Wait(_)) {
        let needed = states::trusted(world)?;
        let published =
            published::client_ca_effects(world, &children::resolved(world, &plan.after)?, &needed)?;
        if let Some(effect) = published {
            return Ok(Progress::Act(vec![effect]));
        }
    }
    kept_first(op, world, progress)
}

/// Before anything else is done about certificates, what members have is kept.
fn kept_first(op: &Operation, world: &World, progress: Progress) -> StepResult {
    let plan = tls_plan(op)?;
    let Progress::Act(mut effects) = progress else {
        return Ok(progress);
    };
    if plan.before.tls.is_some() && plan.after.tls.is_some() {
        let mut all = keep(op, world, &children::resolved(world, &plan.before)?)?;
        all.append(&mut effects);
        return Ok(Progress::Act(all));
    }
    Ok(Progress::Act(effects))
}

/// Stores the deployed certificates to go back to; then applications and members trust the new CA, before any member
/// serves a certificate of it.
fn trust(op: &Operation, world: &World) -> StepResult {
    let plan = tls_plan(op)?;
    let new = issuer_ca::of_new_issuers(op, plan, world)?;
    if new.is_empty() {
        certificates::these_synced(op, world, &plan.after, first(plan))?.require_done()?;
    }
    let state = states::trusting(world, plan, &new)?;
    let mut effects = keep(op, world, &state.resolved)?;
    effects.extend(published::published_effects(world, &state)?);
    effects.extend(children::config_effects(world, &state)?);
    Progress::of(effects).require_done()?;
    if new.is_empty() && states::has_same_authorities(world, &plan.after)? {
        return Ok(Progress::Done);
    }
    verification::reload(world, &states::target(&state), &states::expected_to_trust(&state))?
        .require_done()?;
    Ok(overlap(op, world))
}

/// Applications that got both CAs have some time to take them, if the request sets it.
fn overlap(op: &Operation, world: &World) -> Progress {
    let given = request::ca_overlap(op);
    let until = op.step_began.and_then(|began| began.checked_add(given).ok());
    match until.filter(|until| world.now < *until) {
        Some(until) => WaitingOn::Clients { until, given }.into(),
        None => Progress::Done,
    }
}

/// Keeps what members are given now, unless this operation has done so already.
fn keep(op: &Operation, world: &World, resolved: &Resolved) -> StepResult<Vec<Effect>> {
    match &tls_world::of(world)?.last_good {
        Observed::Present(_) => Ok(Vec::new()),
        Observed::Unknown(why) => {
            let what = "the Secret with the last good certificates".to_owned();
            Err(WaitingOn::Unread {
                what,
                why: why.clone(),
            }
            .into())
        }
        Observed::Absent => {
            let secret = blueprint::last_good(resolved, &states::deployed(world)?, &op.uid);
            Ok(vec![Effect::Apply(Box::new(Child::LastGood(secret)))])
        }
    }
}

/// Every member gets a configuration that suits clients of both settings and the new certificates, and shows that it has
/// read it. A certificate issued after the validation is validated too before any member gets it.
fn reload(op: &Operation, world: &World) -> StepResult {
    Ok(reload_these(op, world, first(tls_plan(op)?))?.1)
}

/// The state that members are brought to, and how far they are.
fn reload_these(op: &Operation, world: &World, which: Which) -> StepResult<(RenderedState, Progress)> {
    let plan = tls_plan(op)?;
    certificates::these_synced(op, world, &plan.after, which)?.require_done()?;
    let state = states::overlap_window(world, plan, which)?;
    let mut effects = Vec::new();
    if plan.before.tls.is_some() {
        let tls = &state.resolved.tls;
        effects.extend(published::client_ca_effects(world, &state.resolved, &tls.trust)?);
    }
    effects.extend(children::config_effects(world, &state)?);
    Progress::of(effects).require_done()?;
    let expected = states::expected_in_overlap_window(plan, &state);
    let progress = verification::reload(world, &states::target(&state), &expected)?;
    Ok((state, progress))
}

/// libpq reads the client certificate's file for every new connection, so a member that has the file uses it.
fn reload_clients(op: &Operation, world: &World) -> StepResult {
    let (state, progress) = reload_these(op, world, Which::All)?;
    progress.require_done()?;
    verification::have_files(world, &states::target(&state))
}

/// Publishes to applications what they are to use from now on, while what they use still works. Then waits until no
/// session uses the old way.
fn drain(op: &Operation, world: &World) -> StepResult {
    let plan = tls_plan(op)?;
    let published = published::published_effects(world, &states::proven(op, world, &plan.after, None)?)?;
    Progress::of(published).require_done()?;
    drain::sessions(op, &request::drain(op), world, plan.after.tls.is_none())
}

/// The spec has the new settings, and the next start of a member follows them.
fn commit(op: &Operation, world: &World) -> StepResult {
    let plan = tls_plan(op)?;
    // The token in a template whose Pods are to be recreated.
    let token = (request::restart(op) == TlsRestart::Always).then_some(op.uid.as_str());
    let state = states::proven(op, world, &plan.after, token)?;
    // Before the spec is written: it may turn out that the template must not be.
    let pet_set = children::pet_set_effects(world, &state)?;
    section::commit(world, plan.current_settings(), &plan.after)?;
    let mut effects = children::config_effects(world, &state)?;
    effects.extend(published::published_effects(world, &state)?);
    effects.extend(pet_set);
    Progress::of(effects).require_done()?;
    children::template_is_observed(world)?;
    Ok(Progress::Done)
}

fn restart(op: &Operation, world: &World) -> StepResult {
    let plan = tls_plan(op)?;
    let state = states::proven(op, world, &plan.after, Some(&op.uid))?;
    Progress::of(children::config_effects(world, &state)?).require_done()?;
    let expected = states::expected_at_work(&state, ExpectedTrust::AtLeast);
    rolling::restart(op, world, &|_: &str, member: &Member| expected.check(member))
}

/// Every member follows the committed settings. Then no session is left that came under settings that are no longer
/// admitted.
fn reload_pods(op: &Operation, world: &World) -> StepResult {
    let plan = tls_plan(op)?;
    let followed = follow(op, world, plan)?;
    let changes_wire = plan.before.tls.is_some() != plan.after.tls.is_some();
    // A drain that waits for sessions to end by themselves has seen them gone.
    let ends = request::drain(op).policy.unwrap_or_default() == DrainPolicy::Force;
    if followed == Progress::Done && changes_wire && ends {
        return drain::end_left(world, plan.after.tls.is_none());
    }
    Ok(followed)
}

/// Every member follows the committed settings by a reload. One that does not is restarted, if the request allows it:
/// which, and why, is written down first.
fn follow(op: &Operation, world: &World, plan: &TlsPlan) -> StepResult {
    let state = states::proven(op, world, &plan.after, None)?;
    Progress::of(children::config_effects(world, &state)?).require_done()?;
    let expected = states::expected_at_work(&state, ExpectedTrust::AtLeast);
    if !op.progress.pods.is_empty() {
        return rolling::restart_planned(op, world, &|_: &str, member: &Member| expected.check(member));
    }
    let age = op.step_age(world.now);
    let target = states::target(&state);
    let progress = if age < STANDBY_RELOAD_TIMEOUT {
        verification::reload(world, &target, &expected)?
    } else {
        verification::reload_at_once(world, &target, &expected)?
    };
    if progress == Progress::Done || age < RELOAD_TIMEOUT {
        return Ok(progress);
    }
    let (not_converging, others): (Vec<_>, Vec<_>) = verification::outdated(world, &expected)
        .into_iter()
        .partition(|(pod, _)| verification::is_not_converging(&world.members()[pod], &target, &expected));
    if not_converging.is_empty() {
        return Ok(progress);
    }
    if request::restart(op) == TlsRestart::Never {
        return Ok(Progress::Impossible(format!(
            "a reload is not enough for {}; create the request again with restart: auto",
            waiting::joined(&not_converging)
        )));
    }
    // Only the planned members are restarted, and no member is reloaded any more then: the others have to follow first.
    if !others.is_empty() {
        return Ok(progress);
    }
    let mut progress = op.progress.clone();
    for (pod, why) in not_converging {
        let uid = world.members()[&pod].uid.clone();
        progress.pods.insert(pod.clone(), uid);
        progress
            .restart_reasons
            .insert(pod, format!("after a reload {why}"));
    }
    progress.old_primary = world.leader().map(str::to_owned);
    Ok(Progress::Choose(Box::new(progress)))
}

fn finish(op: &Operation, world: &World) -> StepResult {
    let spec = TlsSettings::of(&world.postgres.require("the Postgres")?.spec);
    end_at(op, world, &spec)
}

/// Children and members are as the provisioner will want them: only current CAs are trusted, nothing is left over.
fn end_at(op: &Operation, world: &World, settings: &TlsSettings) -> StepResult {
    certificates::synced(op, world, settings)?.require_done()?;
    // No member and no client may stop trusting a CA while a member still serves a certificate of it.
    let overlap = states::overlap(world, settings)?;
    let (state, trust): (_, fn(_) -> _) = if states::all_serve(world, &overlap) {
        (states::steady(world, settings)?, ExpectedTrust::Exactly)
    } else {
        (overlap, ExpectedTrust::AtLeast)
    };
    brought_to(world, &state, trust)?.require_done()?;
    verification::replication(world, settings.tls.is_some())?;
    let obsolete = certificates::obsolete(world, settings)?;
    Ok(Progress::of(obsolete))
}

/// Before the commit of the spec, members go back to their former settings and certificates, and cert-manager gets a
/// request for the old ones; its success is no condition. After the commit the only way is forward. That also holds for a
/// rotation, whose spec is the same before and after, and for a spec that was edited meanwhile.
fn restore(op: &Operation, world: &World) -> StepResult {
    let plan = tls_plan(op)?;
    let spec = TlsSettings::of(&world.postgres.require("the Postgres")?.spec);
    if op.committed || spec != *plan.current_settings() {
        return end_at(op, world, &spec);
    }
    if plan.before.tls.is_none() {
        return end_at(op, world, &plan.before);
    }
    let state = states::last_good(world, &plan.before)?;
    brought_to(world, &state, ExpectedTrust::AtLeast)?.require_done()?;
    let effects = certificates::as_wanted(world, &plan.before)?;
    Ok(Progress::of(effects))
}

/// Children match the state, and a probe of every member confirms it.
fn brought_to(
    world: &World,
    state: &RenderedState,
    trust: fn(blueprint::CaBundle) -> ExpectedTrust,
) -> StepResult {
    let mut effects = children::config_effects(world, state)?;
    effects.extend(published::published_effects(world, state)?);
    Progress::of(effects).require_done()?;
    let expected = states::expected_at_work(state, trust);
    verification::reload(world, &states::target(state), &expected)
}
