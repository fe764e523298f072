//! Services: primary, standby, governing and stats.

use std::collections::BTreeMap;

use api_types::names;
use api_types::postgres::{ServiceAlias, ServiceTemplateSpec};
use api_types::vocabulary as words;
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::containers::EXPORTER_PORT_NAME;
use crate::deployment_tools::inheritable_annotations;
use crate::labels;
use crate::resolved::Resolved;

/// Value of the role label on the stats Service.
const ROLE_STATS: &str = "stats";

/// The ports that a template leaves a Service with; none of a template whose Service does not exist.
pub(crate) fn ports_of(
    alias: ServiceAlias,
    monitor_port: Option<i32>,
    user: &[ServicePort],
) -> Vec<ServicePort> {
    let ours = match alias {
        ServiceAlias::Primary => database_port(words::ROLE_PRIMARY),
        ServiceAlias::Standby => database_port(words::ROLE_STANDBY),
        ServiceAlias::Stats => port(
            EXPORTER_PORT_NAME,
            monitor_port.unwrap_or(words::EXPORTER_PORT),
            EXPORTER_PORT_NAME,
        ),
    };
    let mut ports = vec![ours];
    for port in user {
        adapt_port(&mut ports, port);
    }
    ports
}

/// Every Service of the database.
pub(crate) fn all(resolved: &Resolved) -> Vec<Service> {
    let mut services = vec![primary(resolved)];
    if resolved.has_standbys() {
        services.push(standby(resolved));
    }
    services.push(governing(resolved));
    services.extend(stats(resolved));
    services
}

fn primary(resolved: &Resolved) -> Service {
    let port = database_port(words::ROLE_PRIMARY);
    let service = member_service(resolved, &resolved.name, words::ROLE_PRIMARY, port);
    templated(resolved, ServiceAlias::Primary, service)
}

fn standby(resolved: &Resolved) -> Service {
    let name = names::standby_service(&resolved.name);
    let port = database_port(words::ROLE_STANDBY);
    let mut service = member_service(resolved, &name, words::ROLE_STANDBY, port);
    if let Some(selector) = service.spec.as_mut().and_then(|spec| spec.selector.as_mut()) {
        selector.insert(
            words::SERVES_READS_LABEL.to_owned(),
            words::SERVES_READS.to_owned(),
        );
    }
    templated(resolved, ServiceAlias::Standby, service)
}

/// The port by which clients reach the database through its primary Service: the one named `primary`.
pub(crate) fn client_port(resolved: &Resolved) -> i32 {
    let service = primary(resolved);
    let spec = service.spec.unwrap_or_default();
    let ports = spec.ports.as_deref().unwrap_or_default();
    let named = ports
        .iter()
        .find(|port| port.name.as_deref() == Some(words::ROLE_PRIMARY));
    match named.or(ports.first()) {
        // Without an address of its own, the Service's name leads to the Pods, and so does the port.
        Some(port) if is_headless(&spec) => pod_port(port).unwrap_or(words::POSTGRES_PORT),
        Some(port) => port.port,
        None => words::POSTGRES_PORT,
    }
}

/// The port of a Service that leads to PostgreSQL itself, for who has the Service's address. `None` when every port leads
/// elsewhere, for example to a pooler in the Pods.
pub fn postgres_port(service: &Service) -> Option<u16> {
    let ports = service.spec.as_ref()?.ports.as_deref()?;
    let port = ports
        .iter()
        .find(|port| pod_port(port) == Some(words::POSTGRES_PORT) && is_tcp(port))?;
    u16::try_from(port.port).ok()
}

fn is_tcp(port: &ServicePort) -> bool {
    port.protocol.as_deref().unwrap_or("TCP") == "TCP"
}

fn is_headless(spec: &ServiceSpec) -> bool {
    spec.cluster_ip.as_deref() == Some("None")
}

/// The Pod's port that a Service's port leads to; `None` for the name of a port that is not PostgreSQL's.
fn pod_port(port: &ServicePort) -> Option<i32> {
    match &port.target_port {
        None | Some(IntOrString::Int(0)) => Some(port.port),
        Some(IntOrString::Int(number)) => Some(*number),
        Some(IntOrString::String(name)) if name == words::POSTGRES_PORT_NAME => Some(words::POSTGRES_PORT),
        Some(IntOrString::String(_)) => None,
    }
}

/// A Service for the members of one role.
fn member_service(resolved: &Resolved, name: &str, role: &str, port: ServicePort) -> Service {
    let mut selector = resolved.selector();
    selector.insert(words::ROLE_LABEL.to_owned(), role.to_owned());
    Service {
        metadata: labels::child(resolved, name),
        spec: Some(ServiceSpec {
            ports: Some(vec![port]),
            selector: Some(selector),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// The headless Service that gives every member its host name, before it is ready too: members need each other to start.
fn governing(resolved: &Resolved) -> Service {
    Service {
        metadata: labels::child(resolved, names::governing_service(&resolved.name)),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: Some(true),
            ports: Some(vec![
                database_port(words::POSTGRES_PORT_NAME),
                port(
                    words::PATRONI_PORT_NAME,
                    words::PATRONI_PORT,
                    words::PATRONI_PORT_NAME,
                ),
            ]),
            selector: Some(resolved.selector()),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// The Service by which Prometheus finds the exporters.
fn stats(resolved: &Resolved) -> Option<Service> {
    let monitor = resolved.monitor.as_ref()?;
    let mut metadata = labels::child(resolved, names::stats_service(&resolved.name));
    if let Some(labels) = metadata.labels.as_mut() {
        labels.insert(words::ROLE_LABEL.to_owned(), ROLE_STATS.to_owned());
    }
    let mut annotations =
        BTreeMap::from([("monitoring.appscode.com/agent".to_owned(), monitor.agent.clone())]);
    if monitor.agent == "prometheus.io/builtin" {
        annotations.extend([
            ("prometheus.io/scrape".to_owned(), "true".to_owned()),
            ("prometheus.io/path".to_owned(), "/metrics".to_owned()),
            ("prometheus.io/port".to_owned(), monitor.port.to_string()),
        ]);
    }
    metadata.annotations = Some(annotations);
    let service = Service {
        metadata,
        spec: Some(ServiceSpec {
            ports: Some(vec![port(EXPORTER_PORT_NAME, monitor.port, EXPORTER_PORT_NAME)]),
            selector: Some(resolved.selector()),
            ..ServiceSpec::default()
        }),
        status: None,
    };
    Some(templated(resolved, ServiceAlias::Stats, service))
}

fn database_port(name: &str) -> ServicePort {
    port(name, words::POSTGRES_PORT, words::POSTGRES_PORT_NAME)
}

fn port(name: &str, number: i32, target: &str) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: number,
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::String(target.to_owned())),
        ..ServicePort::default()
    }
}

/// The Service with the user's template for it.
fn templated(resolved: &Resolved, alias: ServiceAlias, mut service: Service) -> Service {
    let Some(template) = resolved.service_template(alias) else {
        return service;
    };
    if let Some(user) = &template.metadata {
        let labels = service.metadata.labels.get_or_insert_with(BTreeMap::new);
        for (key, value) in labels::inheritable(&user.labels) {
            labels.insert(key, value);
        }
        let annotations = service.metadata.annotations.get_or_insert_with(BTreeMap::new);
        annotations.extend(inheritable_annotations(&user.annotations));
    }
    if let (Some(ours), Some(user)) = (service.spec.as_mut(), &template.spec) {
        adapt(ours, user);
    }
    service
}

fn adapt(ours: &mut ServiceSpec, user: &ServiceTemplateSpec) {
    let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    ours.type_.clone_from(&user.type_);
    ours.cluster_ip.clone_from(&user.cluster_ip);
    ours.external_ips = some(&user.external_ips);
    ours.external_traffic_policy
        .clone_from(&user.external_traffic_policy);
    ours.health_check_node_port = user.health_check_node_port;
    ours.load_balancer_ip.clone_from(&user.load_balancer_ip);
    ours.load_balancer_source_ranges = some(&user.load_balancer_source_ranges);
    if let Some(config) = &user.session_affinity_config {
        // The API server wants the affinity that the configuration is for.
        ours.session_affinity = Some("ClientIP".to_owned());
        ours.session_affinity_config = Some(config.clone());
    }
    for port in &user.ports {
        adapt_port(ours.ports.get_or_insert_with(Vec::new), port);
    }
}

/// A port of the template changes ours of the same name or else of the same number; any other port is added.
fn adapt_port(ours: &mut Vec<ServicePort>, user: &ServicePort) {
    let same_name = |known: &ServicePort| user.name.is_some() && known.name == user.name;
    let at = ours
        .iter()
        .position(same_name)
        .or_else(|| ours.iter().position(|known| known.port == user.port));
    match at.map(|at| &mut ours[at]) {
        None => ours.push(user.clone()),
        Some(known) => {
            if user.port > 0 {
                known.port = user.port;
            }
            if let Some(target) = &user.target_port {
                known.target_port = Some(target.clone());
            }
            known.node_port = user.node_port.or(known.node_port);
            known.app_protocol = user.app_protocol.clone().or(known.app_protocol.take());
        }
    }
}
