//! Rules for `spec.podTemplate`: what members can't run with, and what would take their files or their identity away.

use api_types::pod_template::PodSpec;
use api_types::vocabulary as words;
use k8s_openapi::api::core::v1::Container;

use super::{Findings, ResolveInput};
use crate::containers::{KUBEDB_CONTAINERS, reserved_variable};
use crate::volumes::{RESERVED_NAMES, RESERVED_PATHS};

pub(super) fn check(input: &ResolveInput<'_>, findings: &mut Findings) {
    let template = input.spec.pod_template.as_ref();
    let Some(pod) = template.and_then(|template| template.spec.as_ref()) else {
        return;
    };
    token(pod, findings);
    user_and_group(input, pod, findings);
    containers(pod, findings);
}

fn containers(pod: &PodSpec, findings: &mut Findings) {
    for volume in pod
        .volumes
        .iter()
        .filter(|v| RESERVED_NAMES.contains(&v.name.as_str()))
    {
        findings.add(
            "spec.podTemplate.spec.volumes",
            format!("the name {} is taken; choose another", volume.name),
        );
    }
    for container in pod.containers.iter().chain(&pod.init_containers) {
        // Reserved for KubeDB's own; such a container is not run here.
        if !KUBEDB_CONTAINERS.contains(&container.name.as_str()) {
            mounts(container, findings);
        }
    }
    if let Some(postgres) = pod
        .containers
        .iter()
        .find(|c| c.name == words::POSTGRES_CONTAINER)
    {
        variables(postgres, findings);
    }
    agent(pod, findings);
}

fn agent(pod: &PodSpec, findings: &mut Findings) {
    findings.add_if(
        pod.init_containers
            .iter()
            .any(|c| c.name == words::AGENT_CONTAINER),
        "spec.podTemplate.spec.initContainers[config-agent]",
        "the name is taken by a container; to change its resources write it in containers",
    );
    let agent = pod.containers.iter().find(|c| c.name == words::AGENT_CONTAINER);
    let context = agent.and_then(|agent| agent.security_context.as_ref());
    findings.add_if(
        context.is_some_and(|context| context.run_as_user.is_some() || context.run_as_group.is_some()),
        "spec.podTemplate.spec.containers[config-agent].securityContext",
        "private keys must belong to PostgreSQL's user; remove runAsUser and runAsGroup",
    );
}

fn mounts(container: &Container, findings: &mut Findings) {
    let is_taken = |path: &str| {
        RESERVED_PATHS
            .iter()
            .any(|taken| path == *taken || path.starts_with(&format!("{taken}/")))
    };
    for mount in container.volume_mounts.iter().flatten() {
        let path = mount.mount_path.trim_end_matches('/');
        // A sidecar may see our folders where the members have them; in `postgres` itself they are already there.
        let shares =
            container.name != words::POSTGRES_CONTAINER && RESERVED_NAMES.contains(&mount.name.as_str());
        if is_taken(path) && !shares {
            findings.add(
                format!(
                    "spec.podTemplate.spec.containers[{}].volumeMounts",
                    container.name
                ),
                format!("{path} is taken; mount elsewhere"),
            );
        }
    }
}

fn variables(postgres: &Container, findings: &mut Findings) {
    for variable in postgres.env.iter().flatten() {
        if reserved_variable(&variable.name) {
            findings.add(
                "spec.podTemplate.spec.containers[postgres].env",
                format!("{} is set by the operator; remove it", variable.name),
            );
        }
    }
}

/// Patroni keeps the state of the members in the API server, and the agent watches its Secret there.
fn token(pod: &PodSpec, findings: &mut Findings) {
    findings.add_if(
        pod.automount_service_account_token == Some(false),
        "spec.podTemplate.spec.automountServiceAccountToken",
        "the members need the token to elect a primary; remove the field",
    );
}

/// The image knows one user only: PostgreSQL does not start as a user without a name.
fn user_and_group(input: &ResolveInput<'_>, pod: &PodSpec, findings: &mut Findings) {
    let version = input.inputs.version.spec.security_context.as_ref();
    let Some(user) = version.and_then(|context| context.run_as_user) else {
        return;
    };
    let any = version.and_then(|context| context.run_as_any_non_root) == Some(true);
    let postgres = pod
        .containers
        .iter()
        .find(|c| c.name == words::POSTGRES_CONTAINER);
    let of_container = postgres.and_then(|postgres| postgres.security_context.as_ref());
    let of_pod = pod.security_context.as_ref();
    let levels = [
        (
            "spec.podTemplate.spec.containers[postgres].securityContext",
            of_container.map(|context| [context.run_as_user, context.run_as_group]),
        ),
        (
            "spec.podTemplate.spec.securityContext",
            of_pod.map(|context| [context.run_as_user, context.run_as_group]),
        ),
    ];
    for (field, ids) in levels {
        let [as_user, as_group] = ids.unwrap_or_default();
        let differs = |id: Option<i64>| id.is_some_and(|id| id != user);
        if any && as_user == Some(0) {
            findings.add(field, "PostgreSQL does not run as root; remove runAsUser: 0");
        } else if !any && (differs(as_user) || differs(as_group)) {
            let message = format!(
                "this version's image runs as user and group {user} only; remove runAsUser and runAsGroup"
            );
            findings.add(field, message);
        }
    }
}
