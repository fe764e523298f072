//! The containers of a member: `postgres`, which runs Patroni, the metrics exporter, and the user's own.

use api_types::PetSet;
use api_types::roles::MONITOR;
use api_types::vocabulary as words;
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, ObjectFieldSelector, ResourceRequirements,
    SeccompProfile, SecretKeySelector, SecurityContext,
};

use crate::credentials::{PASSWORD, USERNAME};
use crate::overlay::overlay;
use crate::quantity::{amount_of, with_defaults};
use crate::resolved::{Monitor, Resolved};
use crate::{agent, paths, probes, volumes};

/// Path of the exporter's metrics.
const METRICS_PATH: &str = "/metrics";
/// Name of the exporter's port.
pub(crate) const EXPORTER_PORT_NAME: &str = "metrics";

/// KubeDB's containers that have no task here: Patroni does their work.
pub const KUBEDB_CONTAINERS: [&str; 2] = ["pg-coordinator", "postgres-init-container"];

/// The container `postgres` with the user's changes to it.
pub(crate) fn postgres(resolved: &Resolved) -> Container {
    let container = Container {
        name: words::POSTGRES_CONTAINER.to_owned(),
        image: Some(resolved.image.clone()),
        command: Some(entrypoint(resolved)),
        env: Some(environment(resolved)),
        ports: Some(vec![
            port(words::POSTGRES_PORT_NAME, words::POSTGRES_PORT),
            port(words::PATRONI_PORT_NAME, words::PATRONI_PORT),
        ]),
        resources: Some(resolved.resources.clone()),
        security_context: Some(security_context(resolved.run_as_user)),
        readiness_probe: Some(probes::readiness()),
        liveness_probe: Some(probes::liveness()),
        volume_mounts: Some(volumes::postgres_mounts()),
        ..Container::default()
    };
    match users(resolved, words::POSTGRES_CONTAINER) {
        Some(user) => adapted(container, user),
        None => container,
    }
}

/// The first process, and Patroni as its child.
fn entrypoint(resolved: &Resolved) -> Vec<String> {
    let selector = resolved
        .selector()
        .into_iter()
        .map(|(key, value)| format!("{key}={value}"));
    vec![
        paths::ENTRYPOINT.to_owned(),
        format!("--selector={}", selector.collect::<Vec<_>>().join(",")),
        format!("--service-file={}", paths::SERVICE_FILE),
        format!("--ca={}", paths::MEMBERS_CA),
        format!("--identity={}", paths::MEMBER_IDENTITY),
        "patroni".to_owned(),
        paths::PATRONI_YML.to_owned(),
    ]
}

/// The container `exporter`, for a database with a monitor.
pub(crate) fn exporter(resolved: &Resolved) -> Option<Container> {
    let monitor = resolved.monitor.as_ref()?;
    let container = Container {
        name: words::EXPORTER_CONTAINER.to_owned(),
        image: Some(resolved.exporter_image.clone()),
        args: Some(exporter_arguments(monitor)),
        env: Some(exporter_environment(monitor)),
        ports: Some(vec![port(EXPORTER_PORT_NAME, monitor.port)]),
        resources: Some(resources_of_exporter(resolved, monitor)),
        security_context: Some(overlay(
            security_context(resolved.run_as_user),
            monitor.security_context.as_ref(),
        )),
        volume_mounts: Some(volumes::exporter_mounts()),
        ..Container::default()
    };
    Some(match users(resolved, words::EXPORTER_CONTAINER) {
        Some(user) => adapted(container, user),
        None => container,
    })
}

/// Resources of the exporter; none for a database without a monitor.
pub fn exporter_resources(resolved: &Resolved) -> Option<ResourceRequirements> {
    let monitor = resolved.monitor.as_ref()?;
    Some(resources_of_exporter(resolved, monitor))
}

/// The user's, given with the monitor or with the container, over defaults that leave room for a thousand tables.
fn resources_of_exporter(resolved: &Resolved, monitor: &Monitor) -> ResourceRequirements {
    let container = users(resolved, words::EXPORTER_CONTAINER).and_then(|it| it.resources.as_ref());
    let defaults = ResourceRequirements {
        requests: Some([amount_of("cpu", "10m"), amount_of("memory", "32Mi")].into()),
        limits: Some([amount_of("cpu", "500m"), amount_of("memory", "256Mi")].into()),
        ..ResourceRequirements::default()
    };
    with_defaults(monitor.resources.as_ref().or(container), defaults)
}

/// The image of PostgreSQL that members of this PetSet run.
pub fn database_image(pet_set: &PetSet) -> Option<&str> {
    container(pet_set, words::POSTGRES_CONTAINER)?.image.as_deref()
}

/// The resources of the container of this name in Pods that this PetSet makes.
pub fn container_resources<'a>(pet_set: &'a PetSet, name: &str) -> Option<&'a ResourceRequirements> {
    container(pet_set, name)?.resources.as_ref()
}

fn container<'a>(pet_set: &'a PetSet, name: &str) -> Option<&'a Container> {
    let containers = &pet_set.spec.template.spec.as_ref()?.containers;
    containers.iter().find(|it| it.name == name)
}

/// Containers of the user that run beside ours.
pub(crate) fn additional(resolved: &Resolved) -> Vec<Container> {
    let ours = |name: &str| {
        [words::POSTGRES_CONTAINER, words::AGENT_CONTAINER].contains(&name)
            || KUBEDB_CONTAINERS.contains(&name)
            || (name == words::EXPORTER_CONTAINER && resolved.monitor.is_some())
    };
    let containers = resolved.pod.spec.containers.iter();
    let theirs = containers.filter(|c| !ours(&c.name)).cloned();
    theirs.map(volumes::without_writing_files).collect()
}

/// The agent. Keys belong to the user that PostgreSQL runs as.
pub(crate) fn agent(resolved: &Resolved, postgres: &Container) -> Container {
    let user = postgres.security_context.as_ref();
    let user = user.and_then(|context| context.run_as_user);
    agent::container(resolved, user.unwrap_or(resolved.run_as_user))
}

/// The init containers of the user.
pub(crate) fn init(resolved: &Resolved) -> Vec<Container> {
    let containers = resolved.pod.spec.init_containers.iter();
    let theirs = containers.filter(|c| !KUBEDB_CONTAINERS.contains(&c.name.as_str()));
    theirs.cloned().map(volumes::without_writing_files).collect()
}

/// The user's settings for the container of this name.
pub(crate) fn users<'a>(resolved: &'a Resolved, name: &str) -> Option<&'a Container> {
    resolved.pod.spec.containers.iter().find(|c| c.name == name)
}

/// Our container with the user's changes: scalars win, lists are added to. Image, command and arguments stay ours.
pub(crate) fn adapted(ours: Container, user: &Container) -> Container {
    Container {
        env: joined(ours.env, &user.env, |a, b| a.name == b.name),
        env_from: user.env_from.clone(),
        image_pull_policy: user.image_pull_policy.clone(),
        lifecycle: ours.lifecycle.or_else(|| user.lifecycle.clone()),
        liveness_probe: user.liveness_probe.clone().or(ours.liveness_probe),
        readiness_probe: user.readiness_probe.clone().or(ours.readiness_probe),
        startup_probe: user.startup_probe.clone(),
        ports: joined(ours.ports, &user.ports, |a, b| a.name == b.name),
        resize_policy: user.resize_policy.clone(),
        security_context: ours
            .security_context
            .map(|context| overlay(context, user.security_context.as_ref())),
        termination_message_path: user.termination_message_path.clone(),
        termination_message_policy: user.termination_message_policy.clone(),
        volume_devices: user.volume_devices.clone(),
        volume_mounts: joined(ours.volume_mounts, &user.volume_mounts, |a, b| {
            a.mount_path == b.mount_path
        }),
        ..ours
    }
}

/// Ours, then those of the user that are not among ours.
fn joined<T: Clone>(
    ours: Option<Vec<T>>,
    users: &Option<Vec<T>>,
    same: impl Fn(&T, &T) -> bool,
) -> Option<Vec<T>> {
    let mut list = ours.unwrap_or_default();
    for item in users.iter().flatten() {
        if !list.iter().any(|known| same(known, item)) {
            list.push(item.clone());
        }
    }
    (!list.is_empty()).then_some(list)
}

/// Names of variables that are ours in the container `postgres`; a user's value would break the member.
pub fn reserved_variable(name: &str) -> bool {
    const OURS: [&str; 11] = [
        "NAMESPACE",
        "PGDATA",
        "POD_IP",
        "POD_NAME",
        "POD_NAMESPACE",
        "POD_UID",
        "POSTGRES_PASSWORD",
        "POSTGRES_USER",
        "PRIMARY_HOST",
        "PV",
        "PYTHONPATH",
    ];
    OURS.contains(&name) || name.starts_with("PATRONI_")
}

/// What differs between members, and the user's credentials, with which a new cluster is made: the auth Secret may have been edited
/// since. Nothing here changes with TLS.
fn environment(resolved: &Resolved) -> Vec<EnvVar> {
    let host = format!("$(POD_NAME).{}", resolved.governing_domain());
    let secret = resolved.auth_in_force_name();
    let secret = secret.as_str();
    vec![
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        field("POD_IP", "status.podIP"),
        field("POD_UID", "metadata.uid"),
        field("NAMESPACE", "metadata.namespace"),
        value("PRIMARY_HOST", &resolved.name),
        value("PV", words::DATA_MOUNT),
        value("PGDATA", words::PGDATA),
        from_secret("POSTGRES_USER", secret, USERNAME),
        from_secret("POSTGRES_PASSWORD", secret, PASSWORD),
        field("PATRONI_NAME", "metadata.name"),
        field("PATRONI_KUBERNETES_NAMESPACE", "metadata.namespace"),
        // Names, not addresses: a server certificate can be checked against them, and they outlive the Pod's IP.
        value(
            "PATRONI_POSTGRESQL_CONNECT_ADDRESS",
            &format!("{host}:{}", words::POSTGRES_PORT),
        ),
        value(
            "PATRONI_RESTAPI_CONNECT_ADDRESS",
            &format!("{host}:{}", words::PATRONI_PORT),
        ),
    ]
}

/// The exporter's address, then the user's arguments. It knows no variables for these two.
fn exporter_arguments(monitor: &Monitor) -> Vec<String> {
    let mut arguments = vec![
        format!("--web.listen-address=:{}", monitor.port),
        format!("--web.telemetry-path={METRICS_PATH}"),
    ];
    arguments.extend(monitor.args.iter().cloned());
    arguments
}

fn exporter_environment(monitor: &Monitor) -> Vec<EnvVar> {
    let dsn = format!(
        "user={MONITOR} host={} dbname=postgres sslmode=disable",
        paths::SOCKET_DIR
    );
    let mut variables = vec![
        // The Unix socket requires no password and has no TLS, so nothing here changes with TLS.
        value("DATA_SOURCE_NAME", &dsn),
    ];
    variables.extend(monitor.env.iter().cloned());
    variables
}

/// What Pod Security `restricted` demands, and a read-only root file system.
pub(crate) fn security_context(user: i64) -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            ..Capabilities::default()
        }),
        read_only_root_filesystem: Some(true),
        run_as_group: Some(user),
        run_as_non_root: Some(true),
        run_as_user: Some(user),
        seccomp_profile: Some(runtime_default()),
        ..SecurityContext::default()
    }
}

pub(crate) fn runtime_default() -> SeccompProfile {
    SeccompProfile {
        type_: "RuntimeDefault".to_owned(),
        localhost_profile: None,
    }
}

fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

fn value(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        value_from: None,
    }
}

pub(crate) fn field(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                api_version: Some("v1".to_owned()),
                field_path: path.to_owned(),
            }),
            ..EnvVarSource::default()
        }),
    }
}

fn from_secret(name: &str, secret: &str, key: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: secret.to_owned(),
                key: key.to_owned(),
                optional: None,
            }),
            ..EnvVarSource::default()
        }),
    }
}
