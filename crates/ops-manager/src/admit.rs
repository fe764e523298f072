//! Whether a request's turn has come. Pure. What is refused here has touched nothing.

use api_types::PostgresOpsRequest;
use api_types::condition;
use api_types::ops_request::{ApplyOption, OperationPlan, OperationProgress};
use api_types::postgres::DatabasePhase;
use api_types::reported::postgres;
use blueprint::Resolved;
use jiff::Timestamp;

use crate::approval::Question;
use crate::data_guard;
use crate::moves::children;
use crate::operation::Operation;
use crate::queue;
use crate::request_type::Proposal;
use crate::step::{Progress, StepResult};
use crate::waiting::WaitingOn;
use crate::world::{Observed, World};

/// The decision on a request that has not begun.
#[derive(Clone, Debug, PartialEq)]
pub enum Admission {
    /// Its turn has come; the plan is written down with phase `Progressing`.
    Begin(Box<OperationProgress>),
    /// The database already is in the requested state.
    NothingToDo(String),
    /// Another request goes first, or something is not there yet.
    Wait(Waiting),
    /// A newer request does the same.
    Skip(String),
    /// Another request covers what this one changes.
    Merged {
        /// KubeDB's reason.
        reason: &'static str,
        /// The sentence that names the merged request.
        message: String,
    },
    /// It and others that wait become this request, which is to be created.
    Merge(Box<PostgresOpsRequest>),
    /// The request can't be carried out; the message names what to change.
    Refuse(String),
    /// A dry run: this is the plan.
    DryRun(Box<OperationPlan>),
    /// A human is to approve it first.
    AwaitApproval(Question),
    /// A person denied the plan; the message states it.
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
    /// Another holder has the pause.
    pub const PAUSED: &str = conditions::PAUSED_BY_ANOTHER;
    /// Requests that were merged into this one have not ended yet.
    pub const ORIGINALS: &str = conditions::ORIGINAL_OPS_SKIPPED;
    /// An issuer is not Ready yet, or something could not be read.
    pub const DEPENDENCY: &str = conditions::DEPENDENCY_READY;

    /// Those that a request leaves behind when it begins.
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

/// The resolved settings of a proposal. One that the blueprint refuses is refused before anything is touched.
///
/// # Errors
/// The refusal, or what is waited for.
pub fn can_be_built(world: &World, edit: children::Edit<'_>) -> Result<Resolved, Admission> {
    as_admission(children::check(world, edit))
}

/// What a check of a proposal makes of the request.
///
/// # Errors
/// The refusal, or what is waited for.
pub fn as_admission(checked: StepResult<Resolved>) -> Result<Resolved, Admission> {
    match checked {
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
    if let Some(admission) = queue::place(request, others) {
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
    if !op.type_.decides_version()
        && let Some(refusal) = version_is_held(world)
    {
        return refusal;
    }
    if let Some(admission) = queue::merge(request, op, others, world, now) {
        return admission;
    }
    let mut progress = OperationProgress {
        database_uid: postgres.metadata.uid.clone(),
        failed_attempts: op.progress.failed_attempts,
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

/// The provisioner holds back an edited version. Recreated Pods would run that version on the data of the old one.
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
