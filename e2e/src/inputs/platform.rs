//! What the platform refuses or keeps waiting, until the manifest or what it names is put right.

use serde_json::{Value, json};

use super::settings::refused;
use super::{Input, NOTHING, Part, Refused};

fn pod(field: &str, value: &Value) -> Value {
    json!({"spec": {"podTemplate": {"spec": {field: value}}}})
}

fn edit_of_pod(field: &str, value: &Value) -> Value {
    pod(field, value)["spec"].take()
}

/// A quota of one resource, by the name of that resource.
macro_rules! quota {
    ($resource:literal, $most:literal) => {
        concat!(
            "{apiVersion: v1, kind: ResourceQuota, metadata: {name: ",
            $resource,
            "}, spec: {hard: {",
            $resource,
            ": '",
            $most,
            "'}}}"
        )
    };
}

const NO_PODS: &str = quota!("pods", 0);
const PODS: &str = quota!("pods", 20);
const NO_SERVICES: &str = quota!("services", 0);
const SERVICES: &str = quota!("services", 20);
/// The cluster itself keeps one in every namespace, with its own CA.
const ONE_CONFIG_MAP: &str = quota!("configmaps", 1);
const CONFIG_MAPS: &str = quota!("configmaps", 20);

const MAP: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: mine}
data: {key: value}
";

pub(super) const INPUTS: &[Input] = &[
    refused(
        "refused: a scheduler that nobody runs",
        Part::Pods,
        "",
        || pod("schedulerName", &json!("nobody")),
        Refused {
            says: "scheduler nobody says nothing of it",
            edit: || edit_of_pod("schedulerName", &json!(null)),
            objects: "",
        },
    ),
    refused(
        "refused: a service account that is not there",
        Part::Pods,
        "",
        || pod("serviceAccountName", &json!("none")),
        Refused {
            says: "\"none\" not found",
            edit: || edit_of_pod("serviceAccountName", &json!(null)),
            objects: "",
        },
    ),
    refused(
        "refused: DNS without a server",
        Part::Pods,
        "",
        || pod("dnsPolicy", &json!("None")),
        Refused {
            says: "dnsConfig",
            edit: || edit_of_pod("dnsPolicy", &json!(null)),
            objects: "",
        },
    ),
    refused(
        "refused: a ConfigMap that comes later",
        Part::Pods,
        "",
        || {
            pod(
                "volumes",
                &json!([{"name": "extra", "configMap": {"name": "mine"}}]),
            )
        },
        Refused {
            says: "\"mine\" not found",
            edit: NOTHING,
            objects: MAP,
        },
    ),
    refused(
        "refused: a variable of a ConfigMap that comes later",
        Part::Pods,
        "",
        || {
            let variable =
                json!([{"name": "EXTRA", "valueFrom": {"configMapKeyRef": {"name": "mine", "key": "key"}}}]);
            pod(
                "containers",
                &json!([{"name": "postgres", "env": variable, "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}}}]),
            )
        },
        Refused {
            says: "\"mine\" not found",
            edit: NOTHING,
            objects: MAP,
        },
    ),
    refused(
        "refused: a quota without Pods",
        Part::Pods,
        NO_PODS,
        NOTHING,
        Refused {
            says: "exceeded quota: pods",
            edit: NOTHING,
            objects: PODS,
        },
    ),
    refused(
        "refused: a quota without Services",
        Part::Services,
        NO_SERVICES,
        NOTHING,
        Refused {
            says: "exceeded quota: services",
            edit: NOTHING,
            objects: SERVICES,
        },
    ),
    refused(
        "refused: a quota without ConfigMaps",
        Part::Marks,
        ONE_CONFIG_MAP,
        NOTHING,
        Refused {
            says: "exceeded quota: configmaps",
            edit: NOTHING,
            objects: CONFIG_MAPS,
        },
    ),
    refused(
        "refused: a port of the nodes out of range",
        Part::Services,
        "",
        || node_port(80),
        Refused {
            says: "valid range",
            edit: || node_port(0)["spec"].take(),
            objects: "",
        },
    ),
    refused(
        "refused: an access mode that the volumes do not have",
        Part::Storage,
        "",
        || json!({"spec": {"storage": {"accessModes": ["ReadWriteMany"]}}}),
        Refused {
            says: "ReadWrite",
            edit: || json!({"storage": {"accessModes": ["ReadWriteOnce"]}}),
            objects: "",
        },
    ),
];

fn node_port(number: i32) -> Value {
    let port = json!({"name": "primary", "port": 5432, "nodePort": number});
    json!({"spec": {"serviceTemplates": [{"alias": "primary", "spec": {"type": "NodePort", "ports": [port]}}]}})
}
