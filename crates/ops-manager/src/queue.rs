//! The place of a request among the others for the same database, and the one that several become. Pure.
//!
//! One request runs at a time, and the oldest that waits is next. Of a type whose requests can't be merged, the newest replaces
//! the others; of one whose requests can, all that wait become one new request. That names them in `spec.mergedFrom`, from its
//! creation on: after a crash the same requests are skipped, and none is carried out twice.

use api_types::ops_request::{MergedRequest, OpsRequestPhase, PostgresOpsRequestSpec};
use api_types::{PostgresOpsRequest, names};
use jiff::Timestamp;
use kube::ResourceExt;

use crate::admit::{Admission, reasons, wait};
use crate::approval::{is_not_queued, needs_plan};
use crate::operation::{self, Operation};
use crate::ops;
use crate::request_type::{Merging, Proposal};
use crate::world::World;

/// What it waits for, or why it is skipped; none when its turn has come, alone or with those that it can be merged with.
pub fn place(request: &PostgresOpsRequest, others: &[PostgresOpsRequest]) -> Option<Admission> {
    if let Some(admission) = merged_into(request, others).or_else(|| until_skipped(request, others)) {
        return Some(admission);
    }
    let pending: Vec<_> = others
        .iter()
        .filter(|other| is_pending(other) && !is_replaced(other, others, request))
        .collect();
    let takes_part = !is_not_queued(request);
    if let Some(admission) = skipped_by_newer(request, &pending).filter(|_| takes_part) {
        return Some(admission);
    }
    let running = others
        .iter()
        .find(|other| other.phase() == Some(OpsRequestPhase::Progressing));
    let ahead = running.map(|it| (it, "is Progressing")).or_else(|| {
        let oldest = survivors(&pending)
            .into_iter()
            .filter(|other| takes_part && age(other) < age(request) && !go_together(other, request))
            .min_by_key(|other| age(other));
        oldest.map(|it| (it, "was created earlier"))
    });
    let (ahead, doing) = ahead?;
    Some(queued(format!("waits for {}, which {doing}", full_name(ahead))))
}

/// The request that it and those become which wait with it; only requests that could be carried out alone take part.
pub fn merge(
    request: &PostgresOpsRequest,
    op: &Operation,
    others: &[PostgresOpsRequest],
    world: &World,
    now: Timestamp,
) -> Option<Admission> {
    let merging = op.type_.merging().filter(|_| can_be_merged(request))?;
    let takes_part = |it: &&PostgresOpsRequest| go_together(it, request) && can_be_done(it, world, now);
    let mut all: Vec<_> = others
        .iter()
        .filter(|other| is_pending(other) && !is_replaced(other, others, request))
        .chain([request])
        .filter(takes_part)
        .collect();
    all.sort_by_key(|it| age(it));
    let (oldest, newest) = (all.first()?, all.last()?);
    if all.len() < 2 || !all.iter().any(|it| is_same(it, request)) {
        return None;
    }
    let specs: Vec<&PostgresOpsRequestSpec> = all.iter().map(|it| &it.spec).collect();
    let mut spec = (merging.merge)(&specs);
    op.type_.check(&spec).ok()?;
    if !is_same(newest, request) {
        return Some(queued(format!("is merged with {}", full_name(newest))));
    }
    spec.merged_from = all.iter().map(|it| reference(it)).collect();
    let mut merged = PostgresOpsRequest::new(&merged_name(&merging, newest, &spec), spec);
    merged.metadata.namespace = request.namespace();
    merged.metadata.labels.clone_from(&oldest.metadata.labels);
    Some(Admission::Merge(Box::new(merged)))
}

/// `<db>-<infix>-<unixMillis>`, as KubeDB names it: the moment of the newest request, in milliseconds that are others for other
/// requests, so that the same requests make one.
fn merged_name(merging: &Merging, newest: &PostgresOpsRequest, spec: &PostgresOpsRequestSpec) -> String {
    let created = newest.metadata.creation_timestamp.as_ref();
    let second = created.map_or(0, |time| time.0.as_second());
    let hash = blueprint::hash_of(&spec.merged_from);
    let millisecond = i64::from_str_radix(&hash[..8], 16).unwrap_or(0) % 1000;
    let suffix = format!("{}-{}", merging.infix, second * 1000 + millisecond);
    names::with_suffix(&spec.database_ref.name, &suffix)
}

fn reference(request: &PostgresOpsRequest) -> MergedRequest {
    MergedRequest {
        name: request.name_any(),
        uid: request.uid().unwrap_or_default(),
    }
}

/// Whether a request's type can carry it out in this world, as far as its own plan shows.
fn can_be_done(request: &PostgresOpsRequest, world: &World, now: Timestamp) -> bool {
    let Ok(op) = operation::parse(request) else {
        return false;
    };
    let proposal = Proposal { request, world, now };
    let planned = op.type_.plan(&op, &proposal, &mut op.progress.clone());
    !matches!(planned, Err(Admission::Refuse(_)))
}

/// A request that is in another one has nothing left to do.
fn merged_into(request: &PostgresOpsRequest, others: &[PostgresOpsRequest]) -> Option<Admission> {
    let merged = others.iter().find(|other| replaces(other, request))?;
    let merging = ops::find(request.spec.type_)?.merging()?;
    Some(Admission::Merged {
        reason: merging.reason,
        message: format!("{} {}", merging.skipped, full_name(merged)),
    })
}

/// A merged request begins when no request that is in it can begin any more.
fn until_skipped(request: &PostgresOpsRequest, others: &[PostgresOpsRequest]) -> Option<Admission> {
    let left: Vec<_> = others
        .iter()
        .filter(|other| replaces(request, other) && !other.has_ended())
        .map(PostgresOpsRequest::name_any)
        .collect();
    (!left.is_empty()).then(|| {
        let message = format!("waits until {} are skipped", left.join(", "));
        wait(reasons::ORIGINALS, message)
    })
}

fn replaces(merged: &PostgresOpsRequest, request: &PostgresOpsRequest) -> bool {
    let uid = request.metadata.uid.as_deref();
    merged.spec.type_ == request.spec.type_
        && merged
            .spec
            .merged_from
            .iter()
            .any(|it| Some(it.uid.as_str()) == uid)
}

fn is_replaced(
    request: &PostgresOpsRequest,
    others: &[PostgresOpsRequest],
    one_more: &PostgresOpsRequest,
) -> bool {
    others
        .iter()
        .chain([one_more])
        .any(|other| replaces(other, request))
}

fn skipped_by_newer(request: &PostgresOpsRequest, pending: &[&PostgresOpsRequest]) -> Option<Admission> {
    let newest = pending
        .iter()
        .filter(|other| makes_superfluous(other, request))
        .max_by_key(|other| age(other))?;
    Some(Admission::Skip(format!(
        "skipped as {} is the most updated PostgresOpsRequest of type {} at {}",
        full_name(newest),
        newest.spec.type_.as_str(),
        age(newest).0,
    )))
}

/// Pending requests that won't be skipped.
fn survivors<'a>(pending: &[&'a PostgresOpsRequest]) -> Vec<&'a PostgresOpsRequest> {
    let stays =
        |candidate: &&PostgresOpsRequest| !pending.iter().any(|other| makes_superfluous(other, candidate));
    pending.iter().copied().filter(stays).collect()
}

fn makes_superfluous(newer: &PostgresOpsRequest, older: &PostgresOpsRequest) -> bool {
    newer.spec.type_ == older.spec.type_
        && age(newer) > age(older)
        && ops::find(newer.spec.type_).is_some_and(|type_| type_.merging().is_none())
}

/// Whether two requests become one.
fn go_together(one: &PostgresOpsRequest, other: &PostgresOpsRequest) -> bool {
    one.spec.type_ == other.spec.type_ && can_be_merged(one) && can_be_merged(other)
}

/// A request that needs or has an approval is carried out unchanged.
fn can_be_merged(request: &PostgresOpsRequest) -> bool {
    let type_ = ops::find(request.spec.type_);
    type_.is_some_and(|type_| type_.merging().is_some()) && !needs_plan(request) && !is_not_queued(request)
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
    let created = request.metadata.creation_timestamp.as_ref();
    (created.map_or(Timestamp::MAX, |time| time.0), request.name_any())
}

fn is_same(one: &PostgresOpsRequest, other: &PostgresOpsRequest) -> bool {
    one.metadata.uid == other.metadata.uid
}

fn queued(message: String) -> Admission {
    wait(reasons::QUEUED, message)
}

/// `<namespace>/<name>`, as messages name a request.
pub fn full_name(request: &PostgresOpsRequest) -> String {
    format!(
        "{}/{}",
        request.namespace().unwrap_or_default(),
        request.name_any()
    )
}
