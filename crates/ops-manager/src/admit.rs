//! Whether a request's turn has come. Pure. What is refused here has touched nothing.

use api_types::PostgresOpsRequest;
use api_types::condition;
use api_types::ops_request::{
    ApplyOption, OperationPlan, OperationPreview, OpsRequestPhase, OpsRequestType, TlsSettings,
};
use api_types::postgres::DatabasePhase;
use api_types::reported::postgres;
use api_types::tls::IssuerRef;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::approval::{Question, stands_aside};
use crate::moves::config::{self, followed_settings};
use crate::operation::{self, Operation, What};
use crate::ops::reconfigure_tls::target::{self, Found, Target};
use crate::step::{Progress, StepName};
use crate::world::{IssuerState, Observed, World};

/// How long an issuer may take to appear and become Ready: it may have been applied together with the request.
const ISSUER_GRACE: SignedDuration = SignedDuration::from_secs(15);

/// What becomes of a request that has not begun.
#[derive(Clone, Debug, PartialEq)]
pub enum Admission {
    /// Its turn has come; the plan is written down with phase `Progressing`.
    Begin(Box<OperationPlan>),
    /// The database is as asked already.
    NothingToDo(String),
    /// Somebody else is first, or something is not there yet.
    Wait(Waiting),
    /// A newer request does the same.
    Skip(String),
    /// It can't be done; the sentence says what to change.
    Refuse(String),
    /// It was only asked what would be done: this.
    DryRun(Box<OperationPreview>),
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

fn wait(reason: &'static str, message: String) -> Admission {
    Admission::Wait(Waiting { reason, message })
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
    let mut plan = OperationPlan {
        database_uid: postgres.metadata.uid.clone(),
        ..OperationPlan::default()
    };
    if let What::ReconfigureTls(tls) = &op.what {
        match plan_tls(tls, world, request, now) {
            Ok(target) => plan.tls = Some(target),
            Err(admission) => return admission,
        }
    }
    gate(op, world, request, now).unwrap_or_else(|| Admission::Begin(Box::new(plan)))
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
    let takes_part = !stands_aside(request);
    if takes_part
        && let Some(newest) = pending
            .iter()
            .filter(|o| same_type(o, request))
            .max_by_key(|o| age(o))
        && age(newest) > age(request)
        && request.spec.type_ != OpsRequestType::Reconfigure
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
        && !stands_aside(request)
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

fn plan_tls(
    request_tls: &api_types::ops_request::TlsRequest,
    world: &World,
    request: &PostgresOpsRequest,
    now: Timestamp,
) -> Result<api_types::ops_request::TlsPlan, Admission> {
    let unread = |why: String| wait(reasons::DEPENDENCY, why);
    let postgres = world.postgres.need("the Postgres").map_err(unread)?;
    let version = match &world.version {
        Observed::Absent => {
            let name = &postgres.spec.version;
            return Err(Admission::Refuse(format!(
                "PostgresVersion {name}, which the Postgres names, does not exist"
            )));
        }
        other => other.need("the PostgresVersion").map_err(unread)?,
    };
    let mut without_choice = postgres.clone();
    without_choice.spec.client_auth_mode = None;
    let (_, default_auth) = blueprint::effective_defaults(&without_choice, version);
    let spec = TlsSettings::of(&postgres.spec);
    let followed = followed_settings(world).map_err(unread)?;
    let found = Found {
        spec: &spec,
        followed: &followed,
        default_auth,
    };
    let plan = match target::plan(request_tls, found) {
        Ok(Target::Change(plan)) => *plan,
        Ok(Target::Nothing(why)) => return Err(Admission::NothingToDo(why)),
        Err(why) => return Err(Admission::Refuse(why)),
    };
    if plan.after.tls.is_some() {
        issuers_are_ready(&plan, world, request, now)?;
    }
    can_be_built(&plan, world)?;
    Ok(plan)
}

fn issuers_are_ready(
    plan: &api_types::ops_request::TlsPlan,
    world: &World,
    request: &PostgresOpsRequest,
    now: Timestamp,
) -> Result<(), Admission> {
    let Some(tls) = &plan.after.tls else { return Ok(()) };
    if tls.issuer_ref.is_none() {
        return Err(Admission::Refuse(
            "the Postgres has spec.tls without issuerRef; set spec.tls.issuerRef in the request".into(),
        ));
    }
    let asked = tls.issuer_ref.iter().chain(
        tls.certificates
            .iter()
            .filter_map(|certificate| certificate.issuer_ref.as_ref()),
    );
    for issuer in asked {
        let state = world
            .issuers
            .iter()
            .find(|(known, _)| known.is_same_as(issuer))
            .map(|(_, state)| state);
        let Some(why) = issuer_trouble(issuer, state) else {
            continue;
        };
        let created = request
            .metadata
            .creation_timestamp
            .as_ref()
            .map_or(now, |time| time.0);
        let unread = matches!(state, Some(Observed::Unknown(_)) | None);
        return Err(if unread || now.duration_since(created) < ISSUER_GRACE {
            wait(reasons::DEPENDENCY, why)
        } else {
            Admission::Refuse(why)
        });
    }
    Ok(())
}

fn issuer_trouble(issuer: &IssuerRef, state: Option<&Observed<IssuerState>>) -> Option<String> {
    let name = format!("{} {}", issuer.kind, issuer.name);
    match state {
        None => Some(format!("{name} has not been looked for yet")),
        Some(Observed::Unknown(why)) => Some(format!("{name} could not be read: {why}")),
        Some(Observed::Absent) => Some(format!(
            "{name} does not exist; create it, or name another one in issuerRef (of the request, or of spec.tls of the Postgres if the \
             request names none), and create the request again if it has failed"
        )),
        Some(Observed::Present(state)) if !state.ready => Some(format!(
            "{name} is not Ready: {}; repair it, or name another one in issuerRef, and create the request again if it has failed",
            state.message
        )),
        Some(Observed::Present(_)) => None,
    }
}

/// A proposal that the blueprint refuses is refused before anything is touched.
fn can_be_built(plan: &api_types::ops_request::TlsPlan, world: &World) -> Result<(), Admission> {
    match config::resolved_without_secrets(world, &plan.after) {
        Ok(_) => Ok(()),
        Err(Progress::Impossible(why)) => Err(Admission::Refuse(why)),
        Err(Progress::Wait(why)) => Err(wait(reasons::DEPENDENCY, why)),
        Err(other) => Err(wait(
            reasons::DEPENDENCY,
            format!("the proposal could not be judged: {other:?}"),
        )),
    }
}

/// What the database itself must be like.
fn gate(op: &Operation, world: &World, request: &PostgresOpsRequest, now: Timestamp) -> Option<Admission> {
    if let Some(holder) = world
        .holder()
        .filter(|holder| *holder != op.holder() && !world.holder_is_gone)
    {
        return Some(wait(
            reasons::PAUSED,
            crate::world::paused_by_another(&op.database, holder),
        ));
    }
    if op.apply == ApplyOption::IfReady && world.phase() != Some(DatabasePhase::Ready) {
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
    let limit = op.step_timeout(StepName::Pause, world.replicas());
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
