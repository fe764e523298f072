//! `spec.serviceTemplates`: what would leave a Service that the API server refuses, or that leads nowhere.

use std::collections::BTreeSet;
use std::net::IpAddr;

use api_types::postgres::{NamedServiceTemplate, ServiceAlias, ServiceTemplateSpec};
use api_types::vocabulary as words;
use k8s_openapi::api::core::v1::ServicePort;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Findings, ResolveInput};
use crate::containers::EXPORTER_PORT_NAME;
use crate::services;

const TYPES: [&str; 3] = ["ClusterIP", "NodePort", "LoadBalancer"];
const HEADLESS: &str = "None";

pub(super) fn check(input: &ResolveInput<'_>, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for template in &input.spec.service_templates {
        let field = format!("spec.serviceTemplates[{}]", alias(template.alias));
        if !seen.insert(alias(template.alias)) {
            findings.add(&field, "the alias occurs twice; merge the two entries");
        }
        if let Some(spec) = &template.spec {
            kind(&field, spec, findings);
            ports(input, &field, template, spec, findings);
        }
    }
}

fn alias(alias: ServiceAlias) -> &'static str {
    match alias {
        ServiceAlias::Primary => "primary",
        ServiceAlias::Standby => "standby",
        ServiceAlias::Stats => "stats",
    }
}

fn kind(field: &str, spec: &ServiceTemplateSpec, findings: &mut Findings) {
    let type_ = spec
        .type_
        .as_deref()
        .filter(|type_| !type_.is_empty())
        .unwrap_or(TYPES[0]);
    let address = spec.cluster_ip.as_deref().filter(|address| !address.is_empty());
    if !TYPES.contains(&type_) {
        findings.add(
            format!("{field}.spec.type"),
            format!(
                "a Service of the type {type_} does not lead to the members; write {}",
                TYPES.join(", ")
            ),
        );
    }
    findings.add_if(
        address == Some(HEADLESS) && type_ != TYPES[0],
        &format!("{field}.spec.clusterIP"),
        "only a Service of the type ClusterIP can be headless; remove clusterIP: None, or write type: ClusterIP",
    );
    findings.add_if(
        address.is_some_and(|address| address != HEADLESS && address.parse::<IpAddr>().is_err()),
        &format!("{field}.spec.clusterIP"),
        "this is no IP address; write one of the cluster's range, or None",
    );
}

fn ports(
    input: &ResolveInput<'_>,
    field: &str,
    template: &NamedServiceTemplate,
    spec: &ServiceTemplateSpec,
    findings: &mut Findings,
) {
    let field = format!("{field}.spec.ports");
    distinct(&field, &spec.ports, findings);
    let ports = services::ports_of(template.alias, exporter_port(input), &spec.ports);
    distinct(&field, &ports, findings);
    let is_unnamed = |port: &ServicePort| port.name.as_deref().unwrap_or_default().is_empty();
    findings.add_if(
        ports.len() > 1 && ports.iter().any(is_unnamed),
        &field,
        "a Service with several ports needs a name for each; write name",
    );
    for port in &ports {
        findings.add_if(
            !(1..=65535).contains(&port.port),
            &field,
            "a port is a number from 1 to 65535",
        );
        target(input, &field, port, findings);
    }
}

/// Two ports with one name or one number: the API server refuses them, and the template of one would hide the other.
fn distinct(field: &str, ports: &[ServicePort], findings: &mut Findings) {
    let (mut names, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for port in ports {
        let name = port.name.as_deref().unwrap_or_default();
        let number = (port.port, port.protocol.as_deref().unwrap_or("TCP"));
        if !name.is_empty() && !names.insert(name) {
            findings.add(
                field,
                format!("two ports have the name {name}; give each its own"),
            );
        }
        if !numbers.insert(number) {
            findings.add(
                field,
                format!("two ports have the number {}; give each its own", port.port),
            );
        }
    }
}

/// A port that nothing listens on is the user's to know; a name that no container has leads nowhere for sure.
fn target(input: &ResolveInput<'_>, field: &str, port: &ServicePort, findings: &mut Findings) {
    match &port.target_port {
        Some(IntOrString::Int(number)) => findings.add_if(
            !(0..=65535).contains(number),
            field,
            "a targetPort is a number from 1 to 65535, or the name of a container's port",
        ),
        Some(IntOrString::String(name)) if !has_port(input, name) => findings.add(
            field,
            format!(
                "no container has a port named {name:?}; write targetPort: {}, or the name of a port of a container of yours",
                words::POSTGRES_PORT_NAME
            ),
        ),
        _ => {}
    }
}

fn has_port(input: &ResolveInput<'_>, name: &str) -> bool {
    let pod = input
        .spec
        .pod_template
        .as_ref()
        .and_then(|template| template.spec.as_ref());
    let containers = pod
        .iter()
        .flat_map(|pod| pod.containers.iter().chain(&pod.init_containers));
    let mut users = containers.flat_map(|container| container.ports.iter().flatten());
    [
        words::POSTGRES_PORT_NAME,
        words::PATRONI_PORT_NAME,
        EXPORTER_PORT_NAME,
    ]
    .contains(&name)
        || users.any(|port| port.name.as_deref() == Some(name))
}

fn exporter_port(input: &ResolveInput<'_>) -> Option<i32> {
    let prometheus = input.spec.monitor.as_ref()?.prometheus.as_ref()?;
    prometheus.exporter.as_ref()?.port
}
