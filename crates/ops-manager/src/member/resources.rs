//! Resources of a member's containers: what its Pod requests, what kubelet reports of the running containers, and whether both
//! match the wanted ones.

use std::collections::BTreeMap;

use api_types::quantity::{is_near, is_same};
use instance::Cgroup;
use k8s_openapi::api::core::v1::{PodSpec, PodStatus, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::world::{ContainerResources, Member, Resizing};

/// Conditions of a Pod while kubelet changes its resources, and the reason of the first when it never will.
const RESIZE_PENDING: &str = "PodResizePending";
const RESIZE_IN_PROGRESS: &str = "PodResizeInProgress";
const INFEASIBLE: &str = "Infeasible";

type Amounts = Option<BTreeMap<String, Quantity>>;

/// Those of the containers of a Pod, by name.
pub fn of(spec: Option<&PodSpec>, status: Option<&PodStatus>) -> BTreeMap<String, ContainerResources> {
    let running = |name: &str| {
        let mut reported = status?.container_statuses.iter().flatten();
        reported.find(|it| it.name == name)?.resources.clone()
    };
    let containers = spec.into_iter().flat_map(|spec| &spec.containers);
    containers
        .map(|container| {
            let resources = ContainerResources {
                asked: container.resources.clone().unwrap_or_default(),
                running: running(&container.name),
            };
            (container.name.clone(), resources)
        })
        .collect()
}

/// How often each container was restarted, by name.
pub fn restarts(status: Option<&PodStatus>) -> BTreeMap<String, i32> {
    let all = status
        .into_iter()
        .flat_map(|it| it.container_statuses.iter().flatten());
    all.map(|it| (it.name.clone(), it.restart_count)).collect()
}

/// A change of resources that kubelet has not finished (Kubernetes, "Resize CPU and Memory Resources assigned to Containers").
pub fn resizing(status: Option<&PodStatus>) -> Option<Resizing> {
    let find = |type_: &str| {
        let mut all = status?.conditions.iter().flatten();
        all.find(|it| it.type_ == type_ && it.status == "True")
    };
    let condition = find(RESIZE_PENDING).or_else(|| find(RESIZE_IN_PROGRESS))?;
    let reason = condition.reason.clone().unwrap_or_default();
    let words = [Some(reason.clone()), condition.message.clone()];
    let words: Vec<String> = words.into_iter().flatten().filter(|it| !it.is_empty()).collect();
    let words = words.join(": ");
    Some(if reason == INFEASIBLE {
        Resizing::Infeasible(words)
    } else {
        Resizing::Unfinished(words)
    })
}

/// Whether the control group of a container, as its processes read it, has these limits. A control group that can't be
/// read counts as neither.
///
/// # Errors
/// In a few words, what it has instead.
pub fn check_cgroup(cgroup: Option<&Cgroup>, wanted: &ResourceRequirements) -> Result<(), String> {
    let Some(cgroup) = cgroup else {
        return Ok(());
    };
    let limit = |name: &str| wanted.limits.as_ref().and_then(|all| all.get(name));
    let memory = cgroup.memory_limit.map(|bytes| Quantity(bytes.to_string()));
    let cpu = cgroup.cpu_limit.map(|it| Quantity(format!("{it}m")));
    for (name, found) in [("memory", memory), ("cpu", cpu)] {
        let Some(wanted) = limit(name) else { continue };
        if !found.as_ref().is_some_and(|found| is_near(found, wanted)) {
            let found = found.map_or("none".to_owned(), |it| it.0);
            return Err(format!(
                "the limit of {name} of its control group is {found}, not {}",
                wanted.0
            ));
        }
    }
    Ok(())
}

/// Whether a container of a member has all these resources.
///
/// # Errors
/// In a few words, what it has instead.
pub fn check(member: &Member, container: &str, wanted: &ResourceRequirements) -> Result<(), String> {
    let Some(has) = member.resources.get(container) else {
        return Err(format!("it has no container {container}"));
    };
    for (what, wanted, asked, running) in sides(wanted, has) {
        for (name, amount) in wanted.iter().flatten() {
            let of = |amounts: &Amounts| amounts.as_ref().and_then(|all| all.get(name)).cloned();
            let found = of(asked);
            if !found.as_ref().is_some_and(|found| is_same(found, amount)) {
                return Err(differs(container, name, what, found.as_ref(), amount));
            }
            if let Some(found) = running.and_then(of)
                && !is_near(&found, amount)
            {
                return Err(differs(container, name, what, Some(&found), amount));
            }
        }
    }
    Ok(())
}

/// What it is, the amounts that are wanted, those of the Pod and those of the running container.
fn sides<'a>(
    wanted: &'a ResourceRequirements,
    has: &'a ContainerResources,
) -> [(&'static str, &'a Amounts, &'a Amounts, Option<&'a Amounts>); 2] {
    let running = has.running.as_ref();
    [
        (
            "request",
            &wanted.requests,
            &has.asked.requests,
            running.map(|it| &it.requests),
        ),
        (
            "limit",
            &wanted.limits,
            &has.asked.limits,
            running.map(|it| &it.limits),
        ),
    ]
}

fn differs(container: &str, name: &str, what: &str, found: Option<&Quantity>, wanted: &Quantity) -> String {
    let found = found.map_or("none", |found| found.0.as_str());
    format!(
        "the {what} of {name} of its container {container} is {found}, not {}",
        wanted.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(yaml: &str) -> ResourceRequirements {
        serde_yaml::from_str(yaml).expect("resources")
    }

    fn member(asked: &str, running: Option<&str>) -> Member {
        let resources = ContainerResources {
            asked: resources(asked),
            running: running.map(resources),
        };
        Member {
            resources: [("postgres".to_owned(), resources)].into(),
            ..Member::default()
        }
    }

    #[test]
    fn what_is_wanted_is_looked_for_in_the_pod_and_in_what_runs() {
        let wanted = resources("{requests: {cpu: '0.7', memory: 1Gi}, limits: {memory: 1024Mi}}");
        let asked = "{requests: {cpu: 700m, memory: 1Gi, ephemeral-storage: 1Gi}, limits: {memory: 1Gi}}";
        let table = [
            (asked, None, ""),
            (asked, Some(asked), ""),
            // As a node counts.
            (
                asked,
                Some("{requests: {cpu: 703m}, limits: {memory: '1073737728'}}"),
                "",
            ),
            (
                asked,
                Some("{limits: {memory: 2Gi}}"),
                "the limit of memory of its container postgres is 2Gi, not 1024Mi",
            ),
            (
                "{requests: {cpu: 700m, memory: 1Gi}}",
                None,
                "the limit of memory of its container postgres is none, not 1024Mi",
            ),
            (
                "{requests: {cpu: 500m, memory: 1Gi}}",
                None,
                "the request of cpu of its container postgres is 500m, not 0.7",
            ),
        ];
        for (asked, running, expected) in table {
            let found = check(&member(asked, running), "postgres", &wanted);
            assert_eq!(found.err().unwrap_or_default(), expected, "{asked} {running:?}");
        }
        let lost = check(&member(asked, None), "exporter", &wanted);
        assert_eq!(lost, Err("it has no container exporter".into()));
    }
}
