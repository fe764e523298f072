//! What a deployment tool writes on a Postgres stays there, and what has no owner is guarded against being pruned.

mod scenario;

use std::collections::BTreeMap;

use api_types::vocabulary::PRUNE_GUARDS;
use scenario::Scenario;
use serde_json::Value;

/// One mark of every tool: a label, or an annotation.
const MARKS: [&str; 12] = [
    "argocd.argoproj.io/instance",
    "argocd.argoproj.io/tracking-id",
    "helm.sh/chart",
    "helm.sh/hook",
    "meta.helm.sh/release-name",
    "kustomize.toolkit.fluxcd.io/name",
    "helm.toolkit.fluxcd.io/name",
    "kapp.k14s.io/app",
    "config.k8s.io/owning-inventory",
    "applyset.kubernetes.io/part-of",
    "objectset.rio.cattle.io/hash",
    "kubectl.kubernetes.io/last-applied-configuration",
];

/// A database on which a tool wrote its marks wherever a user can write labels or annotations.
fn marked() -> Scenario {
    let marks: String = MARKS.map(|key| format!("{key}: tool, ")).concat();
    let meta = format!("{{labels: {{{marks}team: a}}, annotations: {{{marks}note: b}}}}");
    let aliases = ["primary", "standby", "stats"];
    let services: String = aliases
        .map(|alias| format!("- {{alias: {alias}, metadata: {meta}}}\n"))
        .concat();
    let mut scenario = Scenario::new(&format!(
        "version: '17.4'\nreplicas: 3\nstorage: {{resources: {{requests: {{storage: 1Gi}}}}}}\n\
         monitor: {{agent: prometheus.io/builtin}}\n\
         tls: {{issuerRef: {{apiGroup: cert-manager.io, kind: Issuer, name: ca}}}}\n\
         podTemplate: {{metadata: {meta}, controller: {meta}}}\nserviceTemplates:\n{services}"
    ));
    let mark = |more: (&str, &str)| {
        let marks = MARKS.iter().map(|key| ((*key).to_owned(), "tool".to_owned()));
        marks
            .chain([(more.0.to_owned(), more.1.to_owned())])
            .collect::<BTreeMap<_, _>>()
    };
    let metadata = &mut scenario.postgres.metadata;
    metadata.labels = Some(mark(("team", "a")));
    metadata.labels.get_or_insert_default().extend([
        ("app.kubernetes.io/instance".to_owned(), "tool".to_owned()),
        ("app.kubernetes.io/managed-by".to_owned(), "Helm".to_owned()),
    ]);
    metadata.annotations = Some(mark(("note", "b")));
    scenario
}

/// Everything that is made for the database.
fn objects(scenario: &Scenario) -> Vec<Value> {
    let resolved = scenario.resolved();
    let json = |object: &dyn erased::Object| object.json();
    let children = blueprint::build(&resolved);
    let mut all = vec![
        json(&children.service_account),
        json(&children.role),
        json(&children.role_binding),
        json(&children.config_secret),
        json(&children.services),
        json(&children.pod_disruption_budget),
        json(&children.pet_set),
        json(&children.app_binding),
        json(&blueprint::auth_secret(
            &resolved,
            "secret",
            jiff::Timestamp::UNIX_EPOCH,
        )),
        json(&blueprint::operator_role_binding(
            &scenario.postgres,
            "provisioner",
            "role",
            ("a", "b"),
        )),
        json(&blueprint::last_good(&resolved, &scenario::material(), "request")),
    ];
    all.extend(blueprint::certificates(&resolved).iter().map(|(_, it)| json(it)));
    all
}

mod erased {
    use serde::Serialize;
    use serde_json::Value;

    pub trait Object {
        fn json(&self) -> Value;
    }

    impl<T: Serialize> Object for T {
        fn json(&self) -> Value {
            serde_json::to_value(self).expect("JSON")
        }
    }
}

/// Every label and annotation in an object, at any depth: key and value.
fn collect(value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if let ("labels" | "annotations", Value::Object(entries)) = (key.as_str(), value) {
                    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                    found.extend(entries.iter().map(|(key, value)| (key.clone(), text(value))));
                }
                collect(value, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}

#[test]
fn no_child_carries_a_mark_of_a_deployment_tool() {
    for object in objects(&marked()) {
        let mut found = Vec::new();
        collect(&object, &mut found);
        for (key, value) in &found {
            assert_ne!(value, "tool", "{key} in {object:#}");
            assert_ne!(value, "Helm", "{key} in {object:#}");
        }
    }
}

#[test]
fn what_users_write_beside_such_marks_is_passed_on() {
    let children = blueprint::build(&marked().resolved());
    let labels = |meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta| {
        meta.labels.as_ref().and_then(|all| all.get("team").cloned())
    };
    let annotations = |meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta| {
        meta.annotations.as_ref().and_then(|all| all.get("note").cloned())
    };
    let template = children
        .pet_set
        .spec
        .template
        .metadata
        .as_ref()
        .expect("metadata");
    for meta in [
        &children.services[0].metadata,
        &children.pet_set.metadata,
        template,
    ] {
        assert_eq!(labels(meta).as_deref(), Some("a"));
        assert_eq!(annotations(meta).as_deref(), Some("b"));
    }
    assert_eq!(labels(&children.config_secret.metadata).as_deref(), Some("a"));
    assert_eq!(annotations(&children.app_binding.metadata).as_deref(), Some("b"));
}

#[test]
fn what_outlives_its_owner_carries_the_guards_of_every_tool() {
    let scenario = marked();
    let resolved = scenario.resolved();
    let auth = blueprint::auth_secret(&resolved, "secret", jiff::Timestamp::UNIX_EPOCH);
    let pet_set = blueprint::build(&resolved).pet_set;
    let claims = &pet_set.spec.volume_claim_templates;
    assert_eq!(claims.len(), 1);
    for meta in [&auth.metadata, &claims[0].metadata] {
        let annotations = meta.annotations.as_ref().expect("annotations");
        for (key, value) in PRUNE_GUARDS {
            assert_eq!(annotations.get(key).map(String::as_str), Some(value), "{key}");
        }
    }
}

/// Argo CD's default label is KubeDB's label for the database's name: an application may be called like its database. Claims
/// are told from the application's own objects by the guards alone.
#[test]
fn owned_children_need_no_guard() {
    for object in objects(&marked()) {
        let is_guarded = object
            .pointer("/metadata/annotations/argocd.argoproj.io~1sync-options")
            .is_some();
        let is_auth = object.pointer("/metadata/name").and_then(Value::as_str) == Some("pg-auth");
        assert_eq!(is_guarded, is_auth, "{object:#}");
        let is_list = object.is_array();
        let has_owner = object.pointer("/metadata/ownerReferences/0/uid").is_some();
        assert!(has_owner || is_list || object.is_null(), "{object:#}");
    }
}
