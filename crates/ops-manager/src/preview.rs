//! What an operation will do, told before it does anything. Pure.
//!
//! It is asked of the same functions that carry the operation out: the phases are those of [`engine::planned`], the
//! Certificates those that its steps apply and delete, the sessions those that its steps count. So it cannot say one thing
//! while the operation does another.

mod certificates;
mod words;

use api_types::ops_request::{
    OperationPreview, PreviewAction, PreviewMember, PreviewPhase, PreviewRestart, PreviewSessions,
    TlsRestart, TlsSettings,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::engine;
use crate::moves::{config, proof};
use crate::operation::{Operation, What};
use crate::step::{Needs, StepName};
use crate::world::{Observed, World};

/// What an operation will do if it begins in this world. Its plan must be the one that it would begin with.
///
/// # Errors
/// What is waited for, or why it can't be done.
pub fn preview(op: &Operation, world: &World) -> Needs<OperationPreview> {
    let steps: Vec<StepName> = engine::planned(op).iter().map(|step| step.name).collect();
    let settings = TlsSettings::of(&world.postgres.need("the Postgres")?.spec);
    let pods = config::resolved(world, &settings)?.pod_names();
    let certificates = match &op.plan.tls {
        Some(plan) => certificates::of(&steps, world, &plan.after)?,
        None => Vec::new(),
    };
    let issues = certificates
        .iter()
        .any(|it| matches!(it.action, PreviewAction::Issue | PreviewAction::IssueAnew));
    let replaced = world.ca_replaced().filter(|_| issues);
    let mut preview = OperationPreview {
        hash: String::new(),
        summary: String::new(),
        database_uid: op.plan.database_uid.clone(),
        phases: phases(op, world, &steps, replaced),
        members: members(op, world, &steps, &pods),
        sessions: sessions(op, world, &steps, &pods),
        certificates,
        tls: op.plan.tls.clone(),
    };
    preview.hash = hash(&preview);
    preview.summary = words::summary(op, &preview, replaced.is_some());
    Ok(preview)
}

/// Whether everything in it was seen; if not, in a few words, what was not.
pub fn missing(preview: &OperationPreview) -> Option<String> {
    if preview.members.iter().any(|member| member.role.is_none()) {
        return Some("it is not known yet who the primary is".into());
    }
    let silent = &preview.sessions.not_counted;
    (!silent.is_empty()).then(|| format!("waits for {} to say which sessions there are", silent.join(", ")))
}

/// What is approved: roles and sessions change by themselves, and nobody could agree fast enough.
fn hash(preview: &OperationPreview) -> String {
    let mut approved = OperationPreview {
        hash: String::new(),
        summary: String::new(),
        sessions: PreviewSessions::default(),
        ..preview.clone()
    };
    approved.members.sort_by(|a, b| a.name.cmp(&b.name));
    for member in &mut approved.members {
        member.role = None;
    }
    blueprint::hash_of(&approved)
}

fn phases(op: &Operation, world: &World, steps: &[StepName], replaced: Option<&str>) -> Vec<PreviewPhase> {
    let phase = |step: &StepName| {
        let mut does = words::does(*step, op, world);
        if let Some(found) = replaced.filter(|_| *step == StepName::TrustCa) {
            does += &words::replaced(op, found);
        }
        PreviewPhase {
            name: step.as_str().to_owned(),
            does,
        }
    };
    steps.iter().map(phase).collect()
}

fn members(op: &Operation, world: &World, steps: &[StepName], pods: &[String]) -> Vec<PreviewMember> {
    let (restart, reason) = restart(op, steps);
    let mut all: Vec<PreviewMember> = pods
        .iter()
        .map(|pod| PreviewMember {
            name: pod.clone(),
            role: proof::role(world, pod),
            restart,
            reason: reason.to_owned(),
        })
        .collect();
    all.sort_by_key(|member| Some(&member.name) == world.leader.as_ref());
    all
}

/// Whether members are restarted, and why.
fn restart(op: &Operation, steps: &[StepName]) -> (PreviewRestart, &'static str) {
    if steps.contains(&StepName::RestartNodes) {
        let why = match op.what {
            What::Restart => "the request restarts every member",
            What::ReconfigureTls(_) => "spec.tls.restart of the request is \"true\", which is the default",
        };
        return (PreviewRestart::Always, why);
    }
    match op.restart() {
        TlsRestart::Auto => (
            PreviewRestart::IfNeeded,
            "it reloads, and is restarted only if it is seen not to follow",
        ),
        TlsRestart::Always | TlsRestart::Never => (
            PreviewRestart::Never,
            "it reloads; if it is seen not to follow, the request fails",
        ),
    }
}

/// A restart ends every session of a member; otherwise those are ended that are drained.
fn sessions(op: &Operation, world: &World, steps: &[StepName], pods: &[String]) -> PreviewSessions {
    let restarts = steps.contains(&StepName::RestartNodes);
    let removes = op.plan.tls.as_ref().is_some_and(|plan| plan.after.tls.is_none());
    let drains = steps.contains(&StepName::DrainSessions);
    let (with_tls, without_tls) = (restarts || (drains && removes), restarts || (drains && !removes));
    let mut sessions = PreviewSessions {
        counted_at: Some(Time(proof::whole_seconds(world.now))),
        ..PreviewSessions::default()
    };
    for pod in pods {
        match world.members.get(pod).map(|member| &member.inside) {
            Some(Observed::Present(inside)) => {
                sessions.with_tls += if with_tls { inside.sessions.encrypted } else { 0 };
                sessions.without_tls += if without_tls { inside.sessions.plaintext } else { 0 };
            }
            _ if with_tls || without_tls => sessions.not_counted.push(pod.clone()),
            _ => {}
        }
    }
    sessions
}
