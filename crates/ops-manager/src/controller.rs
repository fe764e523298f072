//! The table of contents: what wakes a request, and what is done with it.
//!
//! observe → admit (not begun) or advance (running) → persist → perform. What was decided is written down before anything
//! is done, so that the operator decides the same after a crash.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api_types::ops_request::{OpsRequestPhase, PostgresOpsRequestStatus};
use api_types::{Postgres, PostgresOpsRequest};
use jiff::{SignedDuration, Timestamp};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt};
use runtime::{Process, Recorder, run_controller};

use crate::admit::Admission;
use crate::approval;
use crate::args::Access;
use crate::effect::Effect;
use crate::engine::{self, Due, Next};
use crate::error::Error;
use crate::last_failure::LastFailures;
use crate::metrics::Metrics;
use crate::operation::{self, Operation};
use crate::reload_debounce::ReloadDebounce;
use crate::{finalizer, observe, perform, report, spec_edits, wait};

/// Poll interval of a running operation. A step that takes long is polled less often.
const FAST_POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Poll interval of a step that is older than [`SLOW_POLL_AFTER`].
const SLOW_POLL_INTERVAL: Duration = Duration::from_millis(400);
/// What a certificate, a reload and a handshake take together.
const SLOW_POLL_AFTER: SignedDuration = SignedDuration::from_secs(5);
/// Poll interval of a request that has not begun. Changes of the database and of other requests wake it earlier.
const PENDING_POLL_INTERVAL: Duration = Duration::from_secs(5);

/// How often the plan of a request that waits for approval is recomputed. Its annotations wake it earlier.
const APPROVAL_POLL_INTERVAL: Duration = Duration::from_secs(30);

/// What all reconciliations share.
struct Context {
    client: Client,
    recorder: Recorder,
    metrics: Metrics,
    access: Access,
    reloads: ReloadDebounce,
    last_failures: LastFailures,
}

/// Runs until shutdown.
///
/// # Errors
/// When the metrics can't be registered.
pub async fn operate(process: Process, access: Access) -> Result<(), runtime::prometheus::Error> {
    let controller = Controller::new(process.api::<PostgresOpsRequest>(), watcher::Config::default());
    let requests = controller.store();
    let (of_database, of_request) = (requests.clone(), requests.clone());
    let controller = controller
        .watches(
            process.api::<Postgres>(),
            watcher::Config::default(),
            move |postgres| {
                requests_for(
                    &of_database,
                    &postgres.namespace().unwrap_or_default(),
                    &postgres.name_any(),
                )
            },
        )
        .watches(
            process.api::<PostgresOpsRequest>(),
            watcher::Config::default(),
            move |request| {
                let namespace = request.namespace().unwrap_or_default();
                requests_for(&of_request, &namespace, &request.spec.database_ref.name)
            },
        );
    let metrics = Metrics::new(&process.metrics)?;
    let (counted, all) = (metrics.clone(), requests);
    process
        .metrics
        .before_scrape(move || counted.count(all.state().iter().map(|request| &**request)));
    let context = Context {
        client: process.client.clone(),
        recorder: process.recorder.clone(),
        metrics,
        access,
        reloads: ReloadDebounce::default(),
        last_failures: LastFailures::default(),
    };
    let requests = run_controller(&process, "ops-manager", controller, Arc::new(context), reconcile);
    tokio::join!(requests, spec_edits::operate(&process));
    Ok(())
}

/// The requests of a database that may have something to do.
fn requests_for(
    requests: &Store<PostgresOpsRequest>,
    namespace: &str,
    database: &str,
) -> Vec<ObjectRef<PostgresOpsRequest>> {
    let concerned = |request: &Arc<PostgresOpsRequest>| {
        request.namespace().as_deref() == Some(namespace)
            && request.spec.database_ref.name == database
            && !request.has_ended()
    };
    requests
        .state()
        .iter()
        .filter(|request| concerned(request))
        .map(|r| ObjectRef::from_obj(&**r))
        .collect()
}

async fn reconcile(cached: Arc<PostgresOpsRequest>, context: Arc<Context>) -> Result<Action, Error> {
    if cached.has_ended() && !finalizer::is_set(&cached) {
        return Ok(Action::await_change());
    }
    // The cache may lack the status that was written a moment ago, and an older one must not decide a step. The
    // observation of a running operation does not depend on the status, so it runs meanwhile.
    let (request, seen) = tokio::join!(read_again(&context, &cached), look_ahead(&context, &cached));
    let Some(request) = request? else {
        return Ok(Action::await_change());
    };
    let is_running = request.phase() == Some(OpsRequestPhase::Progressing);
    if request.has_ended() || (request.metadata.deletion_timestamp.is_some() && !is_running) {
        finalizer::clear(&context.client, &request).await?;
        return Ok(Action::await_change());
    }
    // The observation was made for an attempt that has ended: it is not valid for the next one.
    let seen = seen.filter(|_| attempts(&cached) == attempts(&request));
    match operation::parse(&request) {
        Err(why) => refuse(&context, &request, &why).await,
        Ok(op) if is_running => run(&context, &request, &op, seen).await,
        Ok(op) => queue(&context, &request, &op).await,
    }
}

fn attempts(request: &PostgresOpsRequest) -> Option<i32> {
    let progress = request.status.as_ref()?.progress.as_ref()?;
    Some(progress.failed_attempts)
}

/// The database of a request that was Progressing when it was cached; the plan that it names is fixed by then.
async fn look_ahead(context: &Context, cached: &PostgresOpsRequest) -> Option<observe::Seen> {
    let op = operation::parse(cached).ok()?;
    let is_running = cached.phase() == Some(OpsRequestPhase::Progressing);
    let is_planned = op.progress.database_uid.is_some();
    if !is_running || !is_planned {
        return None;
    }
    let due = Due::of(&op, &cached.status.clone().unwrap_or_default());
    Some(look(context, &op, due).await)
}

async fn look(context: &Context, op: &Operation, due: Due) -> observe::Seen {
    if due.is_resume() {
        observe::outside(&context.client, op).await
    } else {
        observe::during(&context.client, op).await
    }
}

async fn read_again(
    context: &Context,
    cached: &PostgresOpsRequest,
) -> Result<Option<PostgresOpsRequest>, Error> {
    let api: Api<PostgresOpsRequest> =
        Api::namespaced(context.client.clone(), &cached.namespace().unwrap_or_default());
    let found = api
        .get_opt(&cached.name_any())
        .await
        .map_err(|source| runtime::ApplyError::new("read", runtime::ObjectId::of(cached), source))?;
    Ok(found.filter(|request| request.metadata.uid == cached.metadata.uid))
}

async fn refuse(context: &Context, request: &PostgresOpsRequest, why: &str) -> Result<Action, Error> {
    let old = request.status.clone().unwrap_or_default();
    let status = report::refused(&old, why, request.metadata.generation, Timestamp::now());
    tracing::info!(why, "refused");
    perform::persist(&context.client, request, &status).await?;
    context
        .metrics
        .phase_changes(request, status.phase, Timestamp::now());
    let note = report::refusal(why);
    context.recorder.publish(
        &request.object_ref(&()),
        note.severity,
        &note.reason,
        &note.note,
        &note.action,
    );
    Ok(Action::await_change())
}

/// A request that has not begun.
async fn queue(context: &Context, request: &PostgresOpsRequest, op: &Operation) -> Result<Action, Error> {
    let others = observe::others(&context.client, op).await?;
    let needs_plan = approval::needs_plan(request);
    let needs_secrets = needs_plan || op.type_.is_admitted_by_secrets(&op.spec);
    let seen = match (needs_plan, needs_secrets) {
        (true, _) => observe::ask(observe::during(&context.client, op).await).await,
        (false, true) => observe::during(&context.client, op).await,
        (false, false) => observe::outside(&context.client, op).await,
    };
    let now = Timestamp::now();
    let admission = approval::admit(request, op, &others, &seen.world, now);
    let status = approval::admitted(request, op, &admission, now);
    if !matches!(admission, Admission::Begin(_)) {
        let old = request.status.clone().unwrap_or_default();
        tell(context, request, op, &old, &status).await?;
    }
    Ok(match admission {
        Admission::Begin(progress) => {
            let op = Operation {
                progress: *progress,
                ..op.clone()
            };
            let next = engine::begin(&op, &status, &seen.world, now);
            begin(context, request, &op, &seen, &next).await?;
            Action::requeue(Duration::ZERO)
        }
        Admission::Wait(_) | Admission::AwaitApproval(_) if needs_secrets && seen.needs_access() => {
            grant_secret_access(context, &seen).await?;
            Action::requeue(SLOW_POLL_INTERVAL)
        }
        Admission::AwaitApproval(_) => Action::requeue(APPROVAL_POLL_INTERVAL),
        Admission::Wait(waiting) => {
            tracing::debug!(reason = waiting.reason, waiting_for = waiting.message, "pending");
            Action::requeue(PENDING_POLL_INTERVAL)
        }
        Admission::Merge(merged) => {
            perform::create_request(&context.client, &merged).await?;
            Action::requeue(PENDING_POLL_INTERVAL)
        }
        Admission::NothingToDo(_)
        | Admission::Skip(_)
        | Admission::Merged { .. }
        | Admission::Refuse(_)
        | Admission::DryRun(_)
        | Admission::Deny(_) => Action::await_change(),
    })
}

/// The first step of an operation that was admitted, in the pass that admits it.
async fn begin(
    context: &Context,
    request: &PostgresOpsRequest,
    op: &Operation,
    seen: &observe::Seen,
    next: &Next,
) -> Result<(), Error> {
    // There before anything is done that needs an end.
    finalizer::set(&context.client, request).await?;
    let old = request.status.clone().unwrap_or_default();
    tell(context, request, op, &old, &next.status).await?;
    act(context, op, seen, next).await
}

/// A running operation: one observation, one write of the decision, then the effects.
async fn run(
    context: &Context,
    request: &PostgresOpsRequest,
    op: &Operation,
    seen: Option<observe::Seen>,
) -> Result<Action, Error> {
    let old = request.status.clone().unwrap_or_default();
    let op = &Operation {
        last_failure: context.last_failures.of(&op.uid),
        ..op.clone()
    };
    let due = Due::of(op, &old);
    let mut seen = match seen {
        Some(seen) => seen,
        None => look(context, op, due).await,
    };
    if due.asks_members() {
        seen = observe::ask(seen).await;
    }
    let cancelled = request.metadata.deletion_timestamp.is_some();
    let next = engine::advance(op, &old, &seen.world, cancelled, Timestamp::now());
    tell(context, request, op, &old, &next.status).await?;
    act(context, op, &seen, &next).await?;
    if next.has_stopped() {
        // The cached request has an older version; the next turn clears the finalizer with the right one, or begins again.
        return Ok(Action::requeue(Duration::ZERO));
    }
    if seen.needs_access() {
        grant_secret_access(context, &seen).await?;
    }
    let acted = !next.effects.is_empty();
    let wakes_on = Due::of(op, &next.status).wakes_on();
    if !cancelled && wait::until_new(&context.client, op, wakes_on, &seen.world, acted).await {
        return Ok(Action::requeue(Duration::ZERO));
    }
    Ok(Action::requeue(if next.step_age > SLOW_POLL_AFTER {
        SLOW_POLL_INTERVAL
    } else if next.effects.is_empty() {
        FAST_POLL_INTERVAL
    } else {
        // What was done is there to be seen.
        Duration::ZERO
    }))
}

async fn grant_secret_access(context: &Context, seen: &observe::Seen) -> Result<(), Error> {
    let Access {
        cluster_role,
        service_account: (namespace, name),
    } = &context.access;
    perform::grant_secret_access(&context.client, seen, cluster_role, (namespace, name)).await
}

async fn act(context: &Context, op: &Operation, seen: &observe::Seen, next: &Next) -> Result<(), Error> {
    if let Some(on) = &next.waiting_on {
        tracing::debug!(waiting_on = %on, "waits");
    }
    let mut reasons = Vec::new();
    let outcome = perform_all(context, op, seen, &next.effects, &mut reasons).await;
    let effects = engine::list(&next.effects);
    context.last_failures.note(&op.uid, effects, &reasons);
    outcome
}

/// What does not succeed adds its reason.
async fn perform_all(
    context: &Context,
    op: &Operation,
    seen: &observe::Seen,
    effects: &[Effect],
    reasons: &mut Vec<String>,
) -> Result<(), Error> {
    for effects in effects.chunk_by(Effect::goes_beside) {
        let all = effects
            .iter()
            .map(|effect| perform_one(context, op, seen, effect));
        // Each is tried, whatever happens to the others.
        let outcomes = futures::future::join_all(all).await;
        let failed = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        reasons.extend(failed.map(|error| runtime::error_chain(error)));
        let is_error = |outcome: &Result<(), Error>| !matches!(outcome, Err(Error::NotNow(_)));
        outcomes
            .into_iter()
            .filter(is_error)
            .collect::<Result<(), Error>>()?;
    }
    Ok(())
}

async fn perform_one(
    context: &Context,
    op: &Operation,
    seen: &observe::Seen,
    effect: &Effect,
) -> Result<(), Error> {
    let begun = Instant::now();
    perform::perform(&context.client, op, seen, &context.reloads, effect).await?;
    tracing::info!(effect = %effect, milliseconds = begun.elapsed().as_millis() as u64, "done");
    Ok(())
}

/// Writes the status, then reports the changes by Events, metrics and the log.
async fn tell(
    context: &Context,
    request: &PostgresOpsRequest,
    op: &Operation,
    old: &PostgresOpsRequestStatus,
    new: &PostgresOpsRequestStatus,
) -> Result<(), Error> {
    if !perform::persist(&context.client, request, new).await? {
        return Ok(());
    }
    for (step, seconds) in report::completed_steps(old, new) {
        tracing::info!(step, seconds, "step done");
        context
            .metrics
            .step_done(op.type_.kind().as_str(), &step, seconds);
    }
    context
        .metrics
        .phase_changes(request, new.phase, Timestamp::now());
    if old.phase != new.phase {
        tracing::info!(phase = new.phase.map_or("", OpsRequestPhase::as_str), "phase");
    }
    publish(context, request, op, old, new);
    Ok(())
}

/// Publishes what is new in the status as Events.
fn publish(
    context: &Context,
    request: &PostgresOpsRequest,
    op: &Operation,
    old: &PostgresOpsRequestStatus,
    new: &PostgresOpsRequestStatus,
) {
    let on = request.object_ref(&());
    for news in report::news(op, old, new) {
        context
            .recorder
            .publish(&on, news.severity, &news.reason, &news.note, &news.action);
    }
}
