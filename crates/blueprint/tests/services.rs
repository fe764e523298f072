//! Services follow the user's templates; what leads nowhere is refused; the AppBinding has the port that clients use.

mod scenario;

use k8s_openapi::api::core::v1::Service;
use scenario::Scenario;

const BASE: &str = "version: '17.4'\nreplicas: 3\nstorage: {resources: {requests: {storage: 1Gi}}}\n";
const POOLER: &str = "podTemplate: {spec: {containers: [{name: pool, image: p, ports: [{name: pool, containerPort: 6432}]}]}}\n";

fn scenario(template: &str) -> Scenario {
    Scenario::new(&format!("{BASE}{POOLER}serviceTemplates: [{template}]"))
}

/// The port of the AppBinding, and the one by which PostgreSQL itself is reached at the Service's address.
fn ports(template: &str) -> (i32, Option<u16>) {
    let children = blueprint::build(&scenario(template).resolved());
    let service: &Service = &children.services[0];
    let reference = children
        .app_binding
        .spec
        .client_config
        .service
        .expect("a Service");
    (reference.port, blueprint::postgres_port(service))
}

#[test]
fn the_app_binding_and_the_health_check_follow_the_service() {
    for (template, client, postgres) in [
        ("{alias: primary}", 5432, Some(5432)),
        (
            "{alias: standby, spec: {ports: [{name: standby, port: 5433}]}}",
            5432,
            Some(5432),
        ),
        (
            "{alias: primary, spec: {ports: [{name: primary, port: 5433}]}}",
            5433,
            Some(5433),
        ),
        (
            "{alias: primary, spec: {ports: [{name: primary, port: 6432, targetPort: pool}]}}",
            6432,
            None,
        ),
        (
            "{alias: primary, spec: {ports: [{name: primary, port: 6432, targetPort: 6432}, {name: direct, port: 15432, targetPort: db}]}}",
            6432,
            Some(15432),
        ),
        (
            "{alias: primary, spec: {ports: [{name: other, port: 15432, targetPort: 5432}]}}",
            5432,
            Some(5432),
        ),
        (
            "{alias: primary, spec: {clusterIP: None, ports: [{name: primary, port: 5433}]}}",
            5432,
            Some(5433),
        ),
        (
            "{alias: primary, spec: {type: NodePort, ports: [{name: primary, port: 5432, nodePort: 30432}]}}",
            5432,
            Some(5432),
        ),
        (
            "{alias: primary, spec: {type: LoadBalancer, ports: [{name: primary, port: 443}]}}",
            443,
            Some(443),
        ),
        (
            "{alias: primary, spec: {ports: [{port: 5432, name: postgres}]}}",
            5432,
            Some(5432),
        ),
    ] {
        assert_eq!(ports(template), (client, postgres), "{template}");
    }
}

#[test]
fn templates_that_lead_nowhere_are_refused() {
    for (field, template) in [
        (
            "spec.serviceTemplates[primary].spec.type",
            "{alias: primary, spec: {type: ExternalName}}",
        ),
        (
            "spec.serviceTemplates[standby].spec.type",
            "{alias: standby, spec: {type: ExternalName}}",
        ),
        (
            "spec.serviceTemplates[stats].spec.type",
            "{alias: stats, spec: {type: externalname}}",
        ),
        (
            "spec.serviceTemplates[primary].spec.clusterIP",
            "{alias: primary, spec: {type: NodePort, clusterIP: None}}",
        ),
        (
            "spec.serviceTemplates[primary].spec.clusterIP",
            "{alias: primary, spec: {clusterIP: none}}",
        ),
        (
            "spec.serviceTemplates[primary].spec.ports",
            "{alias: primary, spec: {ports: [{name: primary, port: 5433, targetPort: postgres}]}}",
        ),
        (
            "spec.serviceTemplates[primary].spec.ports",
            "{alias: primary, spec: {ports: [{name: primary, port: 0, targetPort: 70000}]}}",
        ),
        (
            "spec.serviceTemplates[primary].spec.ports",
            "{alias: primary, spec: {ports: [{name: primary, port: 70000}]}}",
        ),
        (
            "spec.serviceTemplates[primary].spec.ports",
            "{alias: primary, spec: {ports: [{port: 6432}]}}",
        ),
        (
            "spec.serviceTemplates[primary].spec.ports",
            "{alias: primary, spec: {ports: [{name: primary, port: 6000}, {name: b, port: 6001}, {name: c, port: 6001}]}}",
        ),
        (
            "spec.serviceTemplates[primary]",
            "{alias: primary}, {alias: primary}",
        ),
    ] {
        let invalid = scenario(template).resolve().expect_err(template);
        let fields: Vec<_> = invalid.iter().map(|it| it.field.as_str()).collect();
        assert!(fields.contains(&field), "{template}: {fields:?}");
        assert!(invalid.iter().all(|it| it.message.len() > 20), "{invalid:?}");
    }
}
