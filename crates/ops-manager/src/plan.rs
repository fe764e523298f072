//! What an operation will do, reported before it does anything. Pure.
//!
//! It comes from the same functions that carry the operation out: the steps are those of [`engine::planned`], the rest is what
//! the type of the request describes by its own decisions. So the plan can't differ from what the operation does.

use api_types::ops_request::{OperationPlan, PlannedMember, PlannedRestart, PlannedSessions, PlannedStep};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::data_guard;
use crate::engine;
use crate::member_status::{role, whole_seconds};
use crate::operation::Operation;
use crate::request_type::{Description, EndedSessions};
use crate::slots_guard;
use crate::step::StepResult;
use crate::world::{Observed, World};

/// What an operation will do if it begins in this world. Its progress must be the one that it would begin with.
///
/// # Errors
/// What is waited for, or why it can't be done.
pub fn plan(op: &Operation, world: &World) -> StepResult<OperationPlan> {
    let description = op.type_.describe(op, world)?;
    let sessions = sessions(world, &description.sessions);
    let mut plan = OperationPlan {
        hash: String::new(),
        summary: String::new(),
        database_uid: op.progress.database_uid.clone(),
        phases: steps(op, world),
        members: members(world, &description.members),
        sessions,
        parameters: description.parameters.clone(),
        certificates: description.certificates.clone(),
        lost_slots: slots_guard::planned_loss(world, &description.members),
        data_loss: data_guard::planned_loss(world, &description.members),
        change: op.progress.change.clone(),
    };
    plan.hash = hash(&plan);
    plan.summary = summary(&description, &plan);
    Ok(plan)
}

/// Whether everything in it was seen; if not, in a few words, what was not.
pub fn missing(plan: &OperationPlan) -> Option<String> {
    if plan.members.iter().any(|member| member.role.is_none()) {
        return Some("it is not known yet who the primary is".into());
    }
    let silent = &plan.sessions.not_counted;
    (!silent.is_empty()).then(|| format!("waits for {} to say which sessions there are", silent.join(", ")))
}

/// What is approved: roles and sessions change by themselves, faster than a person can approve.
fn hash(plan: &OperationPlan) -> String {
    let mut approved = OperationPlan {
        hash: String::new(),
        summary: String::new(),
        sessions: PlannedSessions::default(),
        ..plan.clone()
    };
    approved.members.sort_by(|a, b| a.name.cmp(&b.name));
    for member in &mut approved.members {
        member.role = None;
    }
    blueprint::hash_of(&approved)
}

fn steps(op: &Operation, world: &World) -> Vec<PlannedStep> {
    engine::planned(op)
        .iter()
        .map(|step| PlannedStep {
            name: step.condition.to_owned(),
            does: (step.describe)(op, world),
        })
        .collect()
}

/// The standbys, then the primary.
fn members(world: &World, described: &[PlannedMember]) -> Vec<PlannedMember> {
    let mut all: Vec<PlannedMember> = described
        .iter()
        .map(|member| PlannedMember {
            role: role(world, &member.name),
            ..member.clone()
        })
        .collect();
    all.sort_by_key(|member| Some(member.name.as_str()) == world.leader());
    all
}

fn sessions(world: &World, ended: &EndedSessions) -> PlannedSessions {
    let mut sessions = PlannedSessions {
        counted_at: Some(Time(whole_seconds(world.now))),
        ..PlannedSessions::default()
    };
    let mut pods: Vec<&String> = ended.with_tls.iter().chain(&ended.without_tls).collect();
    pods.sort();
    pods.dedup();
    for pod in pods {
        match world.members().get(pod).map(|member| &member.server) {
            Some(Observed::Present(server)) => {
                let count = |all: &[String], number: i64| if all.contains(pod) { number } else { 0 };
                sessions.with_tls += count(&ended.with_tls, server.sessions.encrypted);
                sessions.without_tls += count(&ended.without_tls, server.sessions.plaintext);
            }
            _ => sessions.not_counted.push(pod.clone()),
        }
    }
    sessions
}

/// All of it in one sentence, without an end.
fn summary(description: &Description, plan: &OperationPlan) -> String {
    let mut parts = vec![description.aim.clone()];
    parts.extend(description.changes.iter().cloned());
    parts.extend(comings_and_goings(&plan.members));
    parts.push(restarts(&plan.members));
    parts.extend(
        plan.data_loss
            .map(|loss| data_guard::loss_in_words(loss).to_owned()),
    );
    parts.extend(slots_guard::loss_in_words(&plan.lost_slots));
    parts.extend(in_place(&plan.members));
    parts.extend(ended(&description.sessions, &plan.sessions));
    parts.join("; ")
}

fn pods(members: &[PlannedMember], restart: PlannedRestart) -> Vec<&str> {
    members
        .iter()
        .filter(|member| member.restart == restart)
        .map(|member| member.name.as_str())
        .collect()
}

fn comings_and_goings(members: &[PlannedMember]) -> Vec<String> {
    [
        (PlannedRestart::Joins, "members added:"),
        (PlannedRestart::Leaves, "members removed:"),
    ]
    .into_iter()
    .map(|(change, words)| (pods(members, change), words))
    .filter(|(pods, _)| !pods.is_empty())
    .map(|(pods, words)| format!("{words} {}", pods.join(", ")))
    .collect()
}

fn in_place(members: &[PlannedMember]) -> Option<String> {
    let pods = pods(members, PlannedRestart::InPlace);
    (!pods.is_empty()).then(|| format!("PostgreSQL restarted in its Pod: {}", pods.join(", ")))
}

fn restarts(members: &[PlannedMember]) -> String {
    let always = pods(members, PlannedRestart::Always);
    if !always.is_empty() {
        format!("Pods restarted: {}", always.join(", "))
    } else if !pods(members, PlannedRestart::IfNeeded).is_empty() {
        "Pods restarted: only one that does not follow a reload".into()
    } else {
        "Pods restarted: none".into()
    }
}

fn ended(ended: &EndedSessions, sessions: &PlannedSessions) -> Vec<String> {
    let what = if ended.by_themselves {
        "sessions that have to end by themselves"
    } else {
        "sessions ended"
    };
    let mut parts = vec![format!(
        "{what}: {} with TLS, {} without",
        sessions.with_tls, sessions.without_tls
    )];
    if !sessions.not_counted.is_empty() {
        parts.push(format!(
            "sessions not counted: those of {}",
            sessions.not_counted.join(", ")
        ));
    }
    parts
}
