//! Whether a request's turn has come. Pure. What is refused here has touched nothing.

use api_types::PostgresOpsRequest;
use api_types::condition;
use api_types::ops_request::{ApplyOption, OperationPlan, OperationProgress, OpsRequestPhase};
use api_types::postgres::DatabasePhase;
use api_types::reported::postgres;
use blueprint::Resolved;
use jiff::Timestamp;
use kube::ResourceExt;

use crate::approval::{Question, is_not_queued};
use crate::data_guard;
use crate::moves::children;
use crate::operation::{self, Operation};
use crate::request_type::Proposal;
use crate::step::Progress;
use crate::waiting::WaitingOn;
use crate::world::{Observed, World};

/// What becomes of a request that has not begun.
#[derive(Clone, Debug, PartialEq)]
pub enum Admission {
    /// Its turn has come; the plan is written down with phase `Progressing`.
    Begin(Box<OperationProgress>),
    /// The database is as asked already.
    NothingToDo(String),
    /// Somebody else is first, or something is not there yet.
    Wait(Waiting),
    /// A newer request does the same.
    Skip(String),
    /// It can't be done; the sentence says what to change.
    Refuse(String),
    /// It was only asked what would be done: this.
    DryRun(Box<OperationPlan>),
    /// A human is to approve it first.
    AwaitApproval(Question),
    /// A human has said that it is not to be done; the sentence says so.
    Deny(String),
}

/// What a request that has not begun waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Type and reason of the condition.
    pub reason: &'static str,
    /// Whose turn it is.
    pub message: String,
}

/// Reasons of waiting.
pub mod reasons {
    use api_types::reported::ops_request::conditions;

    /// Another request for the same database is first.
    pub const QUEUED: &str = conditions::QUEUED;
    /// The database is not Ready, and `apply` is `IfReady`.
    pub const DATABASE_READY: &str = conditions::DATABASE_READY;
    /// Somebody else holds the pause.
    pub const PAUSED: &str = conditions::PAUSED_BY_ANOTHER;
    /// An issuer is not Ready yet, or something could not be read.
    pub const DEPENDENCY: &str = conditions::DEPENDENCY_READY;

    /// All of them; a request that begins leaves them behind.
    pub const ALL: [&str; 4] = [QUEUED, DATABASE_READY, PAUSED, DEPENDENCY];
}

/// The request waits, and its condition has this reason.
pub fn wait(reason: &'static str, message: String) -> Admission {
    Admission::Wait(Waiting { reason, message })
}

/// The request waits for something that has to be read first.
pub fn wait_for(on: WaitingOn) -> Admission {
    wait(reasons::DEPENDENCY, on.to_string())
}

/// The answers for a proposal. One that the blueprint refuses is refused before anything is touched.
///
/// # Errors
/// The refusal, or what is waited for.
pub fn can_be_built(world: &World, edit: children::Edit<'_>) -> Result<Resolved, Admission> {
    match children::check(world, edit) {
        Ok(resolved) => Ok(resolved),
        Err(Progress::Impossible(why)) => Err(Admission::Refuse(why)),
        Err(Progress::Wait(on)) => Err(wait_for(on)),
        Err(other) => Err(wait(
            reasons::DEPENDENCY,
            format!("the proposal could not be checked: {other:?}"),
        )),
    }
}

/// Decides by the request, the other requests for the same database, and the database.
pub fn admit(
    request: &PostgresOpsRequest,
    op: &Operation,
    others: &[PostgresOpsRequest],
    world: &World,
    now: Timestamp,
) -> Admission {
    if let Some(admission) = queue(request, others) {
        return admission;
    }
    let postgres = match &world.postgres {
        Observed::Present(postgres) => postgres,
        Observed::Absent => {
            return Admission::Refuse(format!(
                "`spec.databaseRef` {}/{}, is invalid or not found; correct its name, or create the Postgres and then the \
                 request again",
                op.namespace, op.database
            ));
        }
        Observed::Unknown(why) => {
            return wait(
                reasons::DEPENDENCY,
                format!("the Postgres could not be read: {why}"),
            );
        }
    };
    if world.is_being_deleted() {
        return Admission::Refuse(format!(
            "Postgres {}/{} is being deleted",
            op.namespace, op.database
        ));
    }
    if let Some(refusal) = version_is_held(world) {
        return refusal;
    }
    let mut progress = OperationProgress {
        database_uid: postgres.metadata.uid.clone(),
        ..OperationProgress::default()
    };
    let proposal = Proposal { request, world, now };
    if let Err(admission) = op.type_.plan(op, &proposal, &mut progress) {
        return admission;
    }
    let planned = Operation {
        progress: progress.clone(),
        ..op.clone()
    };
    if let Err(admission) = data_guard::admit(&planned, request, world) {
        return admission;
    }
    gate(op, world, request, now).unwrap_or_else(|| Admission::Begin(Box::new(progress)))
}

/// The provisioner holds back a version that was edited. Pods that are made anew would run it, on data of the old one.
fn version_is_held(world: &World) -> Option<Admission> {
    let status = world.postgres.present()?.status.as_ref()?;
    let applied = condition::find(&status.conditions, postgres::conditions::SPEC_APPLIED)?;
    let held =
        applied.is_false() && applied.reason.as_deref() == Some(postgres::reasons::UPDATE_VERSION_NEEDED);
    held.then(|| {
        Admission::Refuse(format!(
            "the members can't be changed while their version is in question: {}; write the old version back, then create \
             the request again",
            applied.message.as_deref().unwrap_or_default()
        ))
    })
}

/// The place in the queue: `None` at its head.
fn queue(request: &PostgresOpsRequest, others: &[PostgresOpsRequest]) -> Option<Admission> {
    let pending: Vec<_> = others.iter().filter(|other| is_pending(other)).collect();
    let takes_part = !is_not_queued(request);
    if takes_part
        && let Some(newest) = pending
            .iter()
            .filter(|o| same_type(o, request))
            .max_by_key(|o| age(o))
        && age(newest) > age(request)
    {
        return Some(Admission::Skip(format!(
            "skipped as {}/{} is the most updated PostgresOpsRequest of type {} at {}",
            newest.namespace().unwrap_or_default(),
            newest.name_any(),
            newest.spec.type_.as_str(),
            age(newest).0,
        )));
    }
    let running = others
        .iter()
        .find(|other| other.phase() == Some(OpsRequestPhase::Progressing));
    let ahead = running.or_else(|| {
        survivors(&pending)
            .into_iter()
            .filter(|o| takes_part && age(o) < age(request))
            .min_by_key(|o| age(o))
    });
    let ahead = ahead?;
    let doing = if running.is_some() {
        "is Progressing"
    } else {
        "was created earlier"
    };
    Some(wait(
        reasons::QUEUED,
        format!(
            "waits for {}/{}, which {doing}",
            ahead.namespace().unwrap_or_default(),
            ahead.name_any()
        ),
    ))
}

/// Pending requests that won't be skipped: the newest of each type.
fn survivors<'a>(pending: &[&'a PostgresOpsRequest]) -> Vec<&'a PostgresOpsRequest> {
    let newest = |candidate: &&PostgresOpsRequest| {
        !pending
            .iter()
            .any(|other| same_type(other, candidate) && age(other) > age(candidate))
    };
    pending
        .iter()
        .copied()
        .filter(|candidate| newest(candidate))
        .collect()
}

fn same_type(a: &PostgresOpsRequest, b: &PostgresOpsRequest) -> bool {
    a.spec.type_ == b.spec.type_
}

/// A request that still wants its turn; one that can't be carried out will not get it.
fn is_pending(request: &PostgresOpsRequest) -> bool {
    request.metadata.deletion_timestamp.is_none()
        && matches!(
            request.phase(),
            None | Some(OpsRequestPhase::Pending | OpsRequestPhase::WaitingForApproval)
        )
        && !is_not_queued(request)
        && operation::parse(request).is_ok()
}

/// Order of creation; names break ties, because creation times have whole seconds.
fn age(request: &PostgresOpsRequest) -> (Timestamp, String) {
    let created = request
        .metadata
        .creation_timestamp
        .as_ref()
        .map_or(Timestamp::MAX, |time| time.0);
    (created, request.name_any())
}

/// What the database itself must be like.
fn gate(op: &Operation, world: &World, request: &PostgresOpsRequest, now: Timestamp) -> Option<Admission> {
    if let Some(holder) = world
        .holder()
        .filter(|holder| *holder != op.holder() && !world.holder_is_gone)
    {
        return Some(wait(
            reasons::PAUSED,
            crate::world::paused_by_another(&op.database, holder).to_string(),
        ));
    }
    let is_to_be_ready = op.apply == ApplyOption::IfReady && !op.type_.repairs();
    if is_to_be_ready && world.phase() != Some(DatabasePhase::Ready) {
        return Some(until_ready(op, world, request, now));
    }
    None
}

/// A database that never becomes Ready ends the request; the wait is measured from the condition that reports it.
fn until_ready(op: &Operation, world: &World, request: &PostgresOpsRequest, now: Timestamp) -> Admission {
    let database = format!("Postgres {}/{}", op.namespace, op.database);
    let phase = world.phase().map_or("not known", DatabasePhase::as_str);
    let conditions = request
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let since = condition::find(conditions, reasons::DATABASE_READY)
        .map(|condition| condition.last_transition_time.0);
    let limit = op.timeout_of_steps(world.replicas());
    if since.is_some_and(|since| now.duration_since(since) > limit) {
        return Admission::Refuse(format!(
            "{database} did not become Ready within {limit:#} (it is {phase}); repair it, or set apply: Always, and create \
             the request again"
        ));
    }
    wait(
        reasons::DATABASE_READY,
        format!("waits until {database} is Ready (it is {phase}); apply: Always would not wait"),
    )
}
