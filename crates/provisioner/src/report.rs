//! What users and the ops-manager get to see: status, Events, metrics; and what the health task probes next.

use api_types::PauseHolder;
use api_types::pause::PausedBy;
use api_types::postgres::{DatabasePhase, PostgresStatus, conditions as types};
use api_types::reported::postgres::{events, reasons};
use api_types::vocabulary::PROVISIONER;
use jiff::Timestamp;
use kube::Resource;
use kube::runtime::reflector::ObjectRef;
use runtime::Severity;

use crate::controller::Context;
use crate::decide::deployed;
use crate::decide::issuer;
use crate::decide::phase::phase;
use crate::decide::rows;
use crate::decide::slots;
use crate::decide::targets::targets;
use crate::decide::tls_status;
use crate::error::Error;
use crate::perform::Done;
use crate::plan::{Action, Plan, changed};
use crate::world::{Secrets, World};

/// The action in Events of the provisioner.
const RECONCILE: &str = "Reconcile";

/// Reports a pass. A refusal of the API server gets into the status too: the user may have to change the spec.
///
/// # Errors
/// When the status could not be written.
pub async fn report(
    context: &Context,
    world: &World,
    mut plan: Plan,
    done: &Result<Done, Error>,
) -> Result<(), Error> {
    if plan.actions.contains(&Action::RemoveFinalizer) && done.is_ok() {
        forget(context, world);
        return Ok(());
    }
    if let Err(error) = done
        && error.is_refusal()
    {
        let why = runtime::error_chain(error);
        plan.set(types::SPEC_APPLIED, false, reasons::APPLY_FAILED, why.clone());
        plan.tell(true, reasons::APPLY_FAILED, why);
    }
    let status = status(world, &plan, Timestamp::now());
    if !world.is_object_alone() {
        context.metrics.observe(world, &status);
    }
    watch(context, world, &plan);
    if runtime::patch_status(&context.client, world.postgres.as_ref(), &status, PROVISIONER).await? {
        log(&plan, &status);
    }
    publish(context, world, &plan, done, &status);
    Ok(())
}

/// The status after this pass.
pub fn status(world: &World, plan: &Plan, now: Timestamp) -> PostgresStatus {
    let generation = world.postgres.metadata.generation;
    let old = world.postgres.status.clone().unwrap_or_default();
    let conditions = changed(world.conditions(), &plan.changes, generation, now);
    PostgresStatus {
        phase: phase(&conditions),
        observed_generation: if plan.acts_on_spec {
            generation
        } else {
            old.observed_generation
        },
        conditions,
        auth_secret: old.auth_secret,
        tls: tls_status::observed(world),
        issuer_ca: issuer::other_ca(world),
        deployed: deployed::recorded(world, plan),
        replication_slots: slots::recorded(world),
        stale_standbys: rows::stale(world),
        last_primary: rows::last_primary(world).or(old.last_primary),
        lost_wal: rows::lost(world),
        paused_by: world
            .kept_pause()
            .map(|holder| acknowledged(old.paused_by, &holder, now)),
    }
}

/// The acknowledgement of a pause; an existing one does not change.
fn acknowledged(old: Option<PausedBy>, holder: &PauseHolder, now: Timestamp) -> PausedBy {
    old.filter(|old| old.holder() == *holder)
        .unwrap_or_else(|| PausedBy::new(holder, now))
}

/// Passes to the health task which members to probe; without targets there is no task.
fn watch(context: &Context, world: &World, plan: &Plan) {
    match targets(world, plan) {
        Some(targets) => {
            context
                .watchers
                .watch(ObjectRef::from_obj(world.postgres.as_ref()), world.uid(), targets);
        }
        // A pass that could not observe enough leaves the task alone; one that takes the database down ends it.
        None if !plan.checks_health => context.watchers.forget(world.uid()),
        None => {}
    }
    if let Secrets::Read(secrets) = &world.secrets {
        let seen = secrets
            .auth
            .as_ref()
            .and_then(|it| it.metadata.resource_version.as_deref());
        let database = ObjectRef::from_obj(world.postgres.as_ref());
        let name = world.auth_secret_name();
        context.auth_watches.follow(database, world.uid(), &name, seen);
    }
}

fn forget(context: &Context, world: &World) {
    context.watchers.forget(world.uid());
    context.auth_watches.forget(world.uid());
    context.metrics.forget(world);
}

fn log(plan: &Plan, status: &PostgresStatus) {
    let phase = status.phase.map_or("none", DatabasePhase::as_str);
    let condition = api_types::condition::find(&status.conditions, types::READY);
    let ready = condition.and_then(|condition| condition.message.as_deref());
    tracing::info!(
        phase,
        ready,
        waits_for = plan.waits_for,
        paused_by = status.paused_by.as_ref().map(|it| it.holder().to_string()),
        "status written"
    );
}

fn publish(
    context: &Context,
    world: &World,
    plan: &Plan,
    done: &Result<Done, Error>,
    status: &PostgresStatus,
) {
    let on = world.postgres.object_ref(&());
    for created in done.iter().flat_map(|done| &done.created) {
        let note = format!("Successfully created {created}");
        context
            .recorder
            .publish(&on, Severity::Normal, events::SUCCESSFUL, &note, RECONCILE);
    }
    let known = |note: &str| {
        world
            .conditions()
            .iter()
            .any(|condition| condition.message.as_deref() == Some(note))
    };
    for news in plan.news.iter().filter(|news| !known(&news.note)) {
        let severity = if news.warning {
            Severity::Warning
        } else {
            Severity::Normal
        };
        context
            .recorder
            .publish(&on, severity, &news.reason, &news.note, RECONCILE);
    }
    if let Some((severity, note)) = transition(world, status) {
        context
            .recorder
            .publish(&on, severity, events::PHASE_CHANGED, &note, RECONCILE);
    }
}

/// News when the phase of a database that was ready once changes.
fn transition(world: &World, status: &PostgresStatus) -> Option<(Severity, String)> {
    let (old, new) = (world.postgres.status.as_ref()?.phase?, status.phase?);
    if old == new || !world.is_provisioned() {
        return None;
    }
    let severity = match new {
        DatabasePhase::Critical | DatabasePhase::NotReady => Severity::Warning,
        _ => Severity::Normal,
    };
    Some((
        severity,
        format!("Phase changed from {} to {}", old.as_str(), new.as_str()),
    ))
}
