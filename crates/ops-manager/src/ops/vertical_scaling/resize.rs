//! Resources for containers that run: one member after the other, each proven before the next one.

use std::collections::BTreeMap;

use api_types::ops_request::OperationProgress;
use api_types::quantity::amount;
use api_types::vocabulary::POSTGRES_CONTAINER;
use k8s_openapi::api::core::v1::{PodSpec, ResourceRequirements};

use super::states::Wanted;
use crate::effect::MemberEffect;
use crate::member::resources;
use crate::moves::rolling;
use crate::operation::Operation;
use crate::step::{Progress, StepResult};
use crate::waiting::WaitingOn;
use crate::world::{Member, Observed, Resizing, World};

/// One part in this many of a new limit has to be free of what a member can't do without.
const HEADROOM: i64 = 10;

/// Every member's containers have the resources, by the Pod, by kubelet and by the control group; but for members that kubelet
/// has no room for on their node, which are written down.
///
/// # Errors
/// What is next.
pub fn everywhere(op: &Operation, world: &World, wanted: &Wanted) -> StepResult<()> {
    world.all_seen()?;
    noted(op, world)?;
    for (pod, member) in in_order(world) {
        if !op.progress.restart_reasons.contains_key(pod) {
            one(op, world, wanted, pod, member)?;
        }
    }
    followed(op, world)
}

/// The same on the way back: members that were recreated meanwhile are not this step's.
///
/// # Errors
/// What is next.
pub fn back(op: &Operation, world: &World, wanted: &Wanted) -> StepResult<()> {
    for (pod, member) in in_order(world) {
        if op.progress.pods.get(pod) == Some(&member.uid) {
            asked(wanted, pod, member)?;
            finished(wanted, pod, member)?;
        }
    }
    Ok(())
}

/// The standbys, then the primary: the first of them shows whether it can be done, and the primary is disturbed last.
fn in_order(world: &World) -> Vec<(&str, &Member)> {
    let mut all: Vec<_> = world
        .members()
        .iter()
        .map(|(pod, it)| (pod.as_str(), it))
        .collect();
    all.sort_by_key(|(pod, _)| (world.leader() == Some(*pod), *pod));
    all
}

/// What each member is, before the first is changed: that it went on is a part of the proof.
fn noted(op: &Operation, world: &World) -> StepResult<()> {
    if !op.progress.pods.is_empty() {
        return Ok(());
    }
    let members = world.members().iter();
    let restarts = |member: &Member| member.restarts.values().sum();
    Err(Progress::Choose(Box::new(OperationProgress {
        pods: members
            .clone()
            .map(|(pod, it)| (pod.clone(), it.uid.clone()))
            .collect(),
        restarts: members.map(|(pod, it)| (pod.clone(), restarts(it))).collect(),
        old_primary: world.leader().map(str::to_owned),
        ..op.progress.clone()
    })))
}

fn one(op: &Operation, world: &World, wanted: &Wanted, pod: &str, member: &Member) -> StepResult<()> {
    went_on(op, pod, member)?;
    if asked(wanted, pod, member).is_err() {
        fits(wanted, pod, member)?;
        others_serve(world, pod)?;
    }
    asked(wanted, pod, member)?;
    if let Some(Resizing::Infeasible(why)) = &member.resizing {
        return Err(to_restart(op, pod, why));
    }
    finished(wanted, pod, member)?;
    let member = [(pod, member)];
    world.these_pass(member, |_, _| Ok(()))?;
    Ok(())
}

/// Its Pod has these resources in its spec.
fn asked(wanted: &Wanted, pod: &str, member: &Member) -> StepResult<()> {
    if wanted.check_asked(member).is_ok() {
        return Ok(());
    }
    let resize = MemberEffect::Resize {
        pod: pod.to_owned(),
        uid: member.uid.clone(),
        containers: wanted.containers.clone(),
    };
    Err(Progress::Act(vec![resize.into()]))
}

/// Kubelet has done it, and the member reads the limits itself.
fn finished(wanted: &Wanted, pod: &str, member: &Member) -> StepResult<()> {
    let unfinished = match &member.resizing {
        Some(Resizing::Infeasible(why) | Resizing::Unfinished(why)) => {
            Some(format!("kubelet has not resized it: {why}"))
        }
        None => wanted.check(member).err(),
    };
    let cgroup = member.server.present().and_then(|server| server.cgroup.as_ref());
    let postgres = wanted.containers.get(POSTGRES_CONTAINER);
    let of_kernel = postgres.and_then(|it| resources::check_cgroup(cgroup, it).err());
    match unfinished.or(of_kernel) {
        None => Ok(()),
        Some(why) => {
            let pod = pod.to_owned();
            Err(WaitingOn::Member { pod, why }.into())
        }
    }
}

/// The same Pod, and none of its containers was restarted.
fn went_on(op: &Operation, pod: &str, member: &Member) -> StepResult<()> {
    let before = op.progress.restarts.get(pod).copied();
    let restarts: i32 = member.restarts.values().sum();
    let is_same = op.progress.pods.get(pod) == Some(&member.uid);
    if is_same && before.is_some_and(|before| restarts > before) {
        return Err(Progress::Impossible(format!(
            "a container of Pod {pod} was restarted while it was resized; look at kubectl describe pod {pod} and create the request \
             again, with more memory if it was killed for lack of that"
        )));
    }
    Ok(())
}

/// A lower limit has to hold what the member can't give back.
fn fits(wanted: &Wanted, pod: &str, member: &Member) -> StepResult<()> {
    let limit = |of: &ResourceRequirements| amount(of.limits.as_ref()?.get("memory")?);
    let after = wanted.containers.get(POSTGRES_CONTAINER).and_then(limit);
    let before = member
        .resources
        .get(POSTGRES_CONTAINER)
        .and_then(|it| limit(&it.asked));
    let Some(after) = after.filter(|after| before.is_none_or(|before| *after < before)) else {
        return Ok(());
    };
    if let Observed::Unknown(why) = &member.server {
        let (pod, why) = (
            pod.to_owned(),
            format!("how much memory it uses is not known: {why}"),
        );
        return Err(WaitingOn::Member { pod, why }.into());
    }
    // The containers of some nodes do not show their control group.
    let server = member.server.present();
    let Some(used) = server.and_then(|server| server.cgroup.as_ref()?.used) else {
        return Ok(());
    };
    if used > after - after / HEADROOM {
        return Err(Progress::Impossible(format!(
            "{pod} uses {}Mi of memory that it can't give back, and the limit would be {}Mi; write limits.memory: {}Mi or more, lower \
             shared_buffers, or end sessions first",
            used >> 20,
            after >> 20,
            (used + used / (HEADROOM - 1)) / (1 << 20) + 1,
        )));
    }
    Ok(())
}

/// While another member is away, none is touched.
fn others_serve(world: &World, pod: &str) -> StepResult<()> {
    let others = world.members().iter().filter(|(other, _)| *other != pod);
    world.these_pass(others.map(|(pod, it)| (pod.as_str(), it)), |_, _| Ok(()))?;
    Ok(())
}

/// KubeDB's fallback: a Pod that does not fit its node is recreated, and scheduled again.
fn to_restart(op: &Operation, pod: &str, why: &str) -> Progress {
    let mut progress = op.progress.clone();
    let why = format!("its node has no room for the resources ({why})");
    progress.restart_reasons.insert(pod.to_owned(), why);
    Progress::Choose(Box::new(progress))
}

/// The petset operator has seen it, too: a member that follows the template is not recreated for it later.
fn followed(op: &Operation, world: &World) -> StepResult<()> {
    let revision = rolling::revision(world)?;
    for (pod, member) in world.members() {
        let is_restarted = op.progress.restart_reasons.contains_key(pod);
        if member.revision != revision && !is_restarted {
            let why = "the petset operator has not noted yet that it follows the template".to_owned();
            let pod = pod.clone();
            return Err(WaitingOn::Member { pod, why }.into());
        }
    }
    Ok(())
}

/// Whether Kubernetes can change a Pod of the first template into one of the second while it runs.
///
/// # Errors
/// In a few words, why not.
pub fn is_possible(before: &PodSpec, after: &PodSpec) -> Result<(), String> {
    let (old, new) = (quality_of_service(before), quality_of_service(after));
    if old == new {
        return Ok(());
    }
    Err(format!(
        "the Pods' quality of service would change from {old} to {new}, which a Pod that runs can't"
    ))
}

/// As Kubernetes classifies Pods (Kubernetes, "Pod Quality of Service Classes").
fn quality_of_service(pod: &PodSpec) -> &'static str {
    const COUNTED: [&str; 2] = ["cpu", "memory"];
    let containers = pod.containers.iter().chain(pod.init_containers.iter().flatten());
    let all: Vec<ResourceRequirements> = containers
        .map(|it| it.resources.clone().unwrap_or_default())
        .collect();
    let of =
        |list: &Option<BTreeMap<String, _>>, name: &str| list.as_ref().and_then(|all| all.get(name)).cloned();
    let says_nothing = |it: &ResourceRequirements| {
        COUNTED
            .iter()
            .all(|name| of(&it.requests, name).is_none() && of(&it.limits, name).is_none())
    };
    let is_fixed = |it: &ResourceRequirements| {
        COUNTED.iter().all(|name| {
            let (request, limit) = (of(&it.requests, name), of(&it.limits, name));
            limit.is_some_and(|limit| {
                request.is_none_or(|request| api_types::quantity::is_same(&request, &limit))
            })
        })
    };
    if all.iter().all(says_nothing) {
        "BestEffort"
    } else if all.iter().all(is_fixed) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_runs_keeps_its_quality_of_service() {
        let pod = |containers: &[&str]| -> PodSpec {
            let containers: Vec<String> = containers
                .iter()
                .map(|resources| format!("{{name: c, resources: {resources}}}"))
                .collect();
            serde_yaml::from_str(&format!("{{containers: [{}]}}", containers.join(", "))).expect("a Pod")
        };
        let fixed = "{limits: {cpu: 1, memory: 1Gi}}";
        let spelled = "{requests: {cpu: 1000m, memory: 1024Mi}, limits: {cpu: 1, memory: 1Gi}}";
        let some = "{requests: {cpu: 500m}, limits: {memory: 1Gi}}";
        for (containers, expected) in [
            (&["{}", "{}"][..], "BestEffort"),
            (&[fixed, spelled], "Guaranteed"),
            (&[fixed, some], "Burstable"),
            (&[fixed, "{}"], "Burstable"),
        ] {
            assert_eq!(quality_of_service(&pod(containers)), expected, "{containers:?}");
        }
        assert_eq!(is_possible(&pod(&[some]), &pod(&["{limits: {cpu: 2}}"])), Ok(()));
        let why = is_possible(&pod(&[some]), &pod(&[fixed])).expect_err("another class");
        assert!(why.contains("from Burstable to Guaranteed"), "{why}");
    }
}
