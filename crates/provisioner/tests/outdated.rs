//! Members that were made before the spec was edited.

mod world;

use std::sync::LazyLock;

use api_types::PetSet;
use k8s_openapi::api::core::v1::{Container, PodTemplateSpec};
use provisioner::child::Child;
use provisioner::decide::decide;
use provisioner::world::World;
use serde_json::{Value, json};
use world::*;

/// The Postgres' spec before and after an edit, as the worlds have it.
fn spec(more: &Value) -> Value {
    let mut spec = json!({"podTemplate": {"spec": {"containers": [
        {"name": "postgres", "resources": {"limits": {"memory": "1Gi"}}}, {"name": "side", "image": "one"}]}},
        "monitor": {"agent": "prometheus.io"}});
    json_patch::merge(&mut spec, more);
    spec
}

fn pet_set(world: &mut World) -> &mut PetSet {
    world
        .live
        .iter_mut()
        .find_map(|child| match child {
            Child::PetSet(pet_set) => Some(pet_set.as_mut()),
            _ => None,
        })
        .expect("a PetSet")
}

fn template(more: &Value) -> PodTemplateSpec {
    pet_set(&mut running(spec(more))).spec.template.clone()
}

/// A database whose members are of the revision `old`, made from the template of `before`, while its PetSet has the template of
/// `after`.
fn between(before: &Value, after: &Value) -> World {
    static USUAL: LazyLock<PodTemplateSpec> = LazyLock::new(|| template(&json!({})));
    let old = if *before == json!({}) {
        USUAL.clone()
    } else {
        template(before)
    };
    let mut world = running(spec(after));
    let pet_set = pet_set(&mut world);
    pet_set.metadata.generation = Some(2);
    pet_set.status =
        serde_json::from_value(json!({"replicas": 3, "observedGeneration": 2, "updateRevision": "new"})).ok();
    let is_same = old == pet_set.spec.template;
    for pod in &mut world.pods {
        let revision = if is_same { "new" } else { "old" };
        pod.metadata
            .labels
            .get_or_insert_default()
            .insert("controller-revision-hash".into(), revision.into());
    }
    world.former_templates.insert("old".into(), old);
    world
}

fn held(world: &World) -> Option<String> {
    let plan = decide(world);
    set(&plan, "SpecApplied").map(|(_, reason, message)| format!("{reason}: {message}"))
}

fn postgres(more: &Value) -> Value {
    let mut postgres = json!({"name": "postgres", "resources": {"limits": {"memory": "1Gi"}}});
    json_patch::merge(&mut postgres, more);
    json!({"podTemplate": {"spec": {"containers": [postgres, {"name": "side", "image": "one"}]}}})
}

fn pod_spec(field: &str, value: &Value) -> Value {
    json!({"podTemplate": {"spec": {field: value}}})
}

/// Every field of `podTemplate` that reaches a Pod, and those of the monitor.
fn edits() -> Vec<(Value, &'static str)> {
    let side = |more: Value| {
        let mut side = json!({"name": "side", "image": "one"});
        json_patch::merge(&mut side, &more);
        json!({"podTemplate": {"spec": {"containers": [postgres(&json!({}))["podTemplate"]["spec"]["containers"][0], side]}}})
    };
    let exporter =
        |field: &str, value: Value| json!({"monitor": {"prometheus": {"exporter": {field: value}}}});
    vec![
        (
            postgres(&json!({"resources": {"limits": {"memory": "2Gi"}}})),
            "spec.podTemplate.spec.containers[postgres].resources",
        ),
        (
            postgres(&json!({"resources": {"limits": {"memory": "512Mi"}}})),
            "spec.podTemplate.spec.containers[postgres].resources",
        ),
        (
            postgres(&json!({"resources": {"limits": {"cpu": "2"}}})),
            "spec.podTemplate.spec.containers[postgres].resources",
        ),
        (
            postgres(&json!({"env": [{"name": "TZ", "value": "UTC"}]})),
            "spec.podTemplate.spec.containers[postgres].env",
        ),
        (
            postgres(&json!({"securityContext": {"readOnlyRootFilesystem": false}})),
            "containers[postgres].securityContext",
        ),
        (
            postgres(&json!({"readinessProbe": {"tcpSocket": {"port": 5432}}})),
            "containers[postgres].readinessProbe",
        ),
        (
            postgres(&json!({"livenessProbe": {"tcpSocket": {"port": 5432}}})),
            "containers[postgres].livenessProbe",
        ),
        (
            postgres(&json!({"lifecycle": {"preStop": {"exec": {"command": ["x"]}}}})),
            "containers[postgres].lifecycle",
        ),
        (
            postgres(&json!({"volumeMounts": [{"name": "extra", "mountPath": "/extra"}]})),
            "containers[postgres].volumeMounts",
        ),
        (
            side(json!({"image": "two"})),
            "spec.podTemplate.spec.containers[side].image",
        ),
        (
            side(json!({"args": ["x"]})),
            "spec.podTemplate.spec.containers[side].args",
        ),
        (
            json!({"podTemplate": {"spec": {"containers": [postgres(&json!({}))["podTemplate"]["spec"]["containers"][0]]}}}),
            "spec.podTemplate.spec.containers[side]",
        ),
        (
            json!({"podTemplate": {"spec": {"initContainers": [{"name": "setup", "image": "one"}]}}}),
            "initContainers[setup]",
        ),
        (
            pod_spec("nodeSelector", &json!({"disk": "ssd"})),
            "spec.podTemplate.spec.nodeSelector",
        ),
        (
            pod_spec("affinity", &json!({"nodeAffinity": {}})),
            "spec.podTemplate.spec.affinity",
        ),
        (
            pod_spec("tolerations", &json!([{"operator": "Exists"}])),
            "spec.podTemplate.spec.tolerations",
        ),
        (
            pod_spec(
                "topologySpreadConstraints",
                &json!([{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]),
            ),
            "spec.podTemplate.spec.topologySpreadConstraints",
        ),
        (
            pod_spec("priorityClassName", &json!("gold")),
            "spec.podTemplate.spec.priorityClassName",
        ),
        (pod_spec("priority", &json!(5)), "spec.podTemplate.spec.priority"),
        (
            pod_spec("preemptionPolicy", &json!("Never")),
            "spec.podTemplate.spec.preemptionPolicy",
        ),
        (
            pod_spec("runtimeClassName", &json!("gvisor")),
            "spec.podTemplate.spec.runtimeClassName",
        ),
        (
            pod_spec("schedulerName", &json!("mine")),
            "spec.podTemplate.spec.schedulerName",
        ),
        (
            pod_spec("serviceAccountName", &json!("mine")),
            "spec.podTemplate.spec.serviceAccountName",
        ),
        (
            pod_spec("securityContext", &json!({"fsGroup": 5})),
            "spec.podTemplate.spec.securityContext",
        ),
        (
            pod_spec("terminationGracePeriodSeconds", &json!(90)),
            "spec.podTemplate.spec.terminationGracePeriodSeconds",
        ),
        (
            pod_spec("imagePullSecrets", &json!([{"name": "x"}])),
            "spec.podTemplate.spec.imagePullSecrets",
        ),
        (
            pod_spec("volumes", &json!([{"name": "extra", "emptyDir": {}}])),
            "spec.podTemplate.spec.volumes",
        ),
        (
            pod_spec("hostAliases", &json!([{"ip": "10.0.0.1", "hostnames": ["x"]}])),
            "spec.podTemplate.spec.hostAliases",
        ),
        (
            pod_spec("dnsPolicy", &json!("Default")),
            "spec.podTemplate.spec.dnsPolicy",
        ),
        (
            pod_spec("dnsConfig", &json!({"searches": ["x"]})),
            "spec.podTemplate.spec.dnsConfig",
        ),
        (
            pod_spec("enableServiceLinks", &json!(true)),
            "spec.podTemplate.spec.enableServiceLinks",
        ),
        (
            pod_spec("hostNetwork", &json!(true)),
            "spec.podTemplate.spec.hostNetwork",
        ),
        (pod_spec("hostIPC", &json!(true)), "spec.podTemplate.spec.hostIPC"),
        (pod_spec("hostPID", &json!(true)), "spec.podTemplate.spec.hostPID"),
        (
            pod_spec("hostUsers", &json!(false)),
            "spec.podTemplate.spec.hostUsers",
        ),
        (
            pod_spec("nodeName", &json!("node1")),
            "spec.podTemplate.spec.nodeName",
        ),
        (
            pod_spec("os", &json!({"name": "linux"})),
            "spec.podTemplate.spec.os",
        ),
        (
            pod_spec("overhead", &json!({"cpu": "1"})),
            "spec.podTemplate.spec.overhead",
        ),
        (
            pod_spec("readinessGates", &json!([{"conditionType": "x"}])),
            "spec.podTemplate.spec.readinessGates",
        ),
        (
            pod_spec("setHostnameAsFQDN", &json!(true)),
            "spec.podTemplate.spec.setHostnameAsFQDN",
        ),
        (
            pod_spec("shareProcessNamespace", &json!(true)),
            "spec.podTemplate.spec.shareProcessNamespace",
        ),
        (
            pod_spec("activeDeadlineSeconds", &json!(5)),
            "spec.podTemplate.spec.activeDeadlineSeconds",
        ),
        (
            json!({"podTemplate": {"metadata": {"labels": {"a": "b"}}}}),
            "spec.podTemplate.metadata.labels",
        ),
        (
            json!({"podTemplate": {"metadata": {"annotations": {"a": "b"}}}}),
            "spec.podTemplate.metadata.annotations",
        ),
        (json!({"monitor": null}), "spec.monitor"),
        (exporter("args", json!(["--x"])), "spec.monitor"),
        (
            exporter("env", json!([{"name": "X", "value": "y"}])),
            "spec.monitor",
        ),
        (exporter("port", json!(9187)), "spec.monitor"),
        (
            exporter("resources", json!({"limits": {"memory": "1Gi"}})),
            "spec.monitor",
        ),
        (
            exporter("securityContext", json!({"runAsUser": 65534})),
            "spec.monitor",
        ),
    ]
}

#[test]
fn every_edit_that_members_follow_at_their_next_start_is_said_with_the_field_and_the_request() {
    for (edit, field) in edits() {
        let found = held(&between(&json!({}), &edit)).unwrap_or_else(|| panic!("{edit} is said"));
        assert!(found.starts_with("RestartNeeded: "), "{found}");
        for part in [field, "pg-0, pg-1, pg-2", "PostgresOpsRequest of type Restart"] {
            assert!(found.contains(part), "{edit}: {found}");
        }
        if edit.pointer("/podTemplate/spec/containers").is_none() && !edit["monitor"].is_object() {
            let back =
                held(&between(&edit, &json!({}))).unwrap_or_else(|| panic!("{edit} taken back is said"));
            assert!(back.contains(field), "{edit} taken back: {back}");
        }
    }
}

#[test]
fn members_that_were_made_again_are_not_named_and_the_last_one_ends_it() {
    let mut world = between(&json!({}), &pod_spec("nodeSelector", &json!({"disk": "ssd"})));
    for (pod, expected) in [(0, Some("pg-1, pg-2")), (1, Some("since pg-2")), (2, None)] {
        world.pods[pod]
            .metadata
            .labels
            .get_or_insert_default()
            .insert("controller-revision-hash".into(), "new".into());
        let found = held(&world);
        match expected {
            Some(names) => assert!(found.as_deref().is_some_and(|it| it.contains(names)), "{found:?}"),
            None => assert_eq!(found, None),
        }
    }
}

/// What is not known yet is not called outdated.
#[test]
fn nothing_is_said_before_the_petset_controller_has_acted_or_without_the_former_template() {
    let edit = pod_spec("nodeSelector", &json!({"disk": "ssd"}));
    let mut unseen = between(&json!({}), &edit);
    pet_set(&mut unseen).metadata.generation = Some(3);
    assert_eq!(held(&unseen), None);
    let mut forgotten = between(&json!({}), &edit);
    forgotten.former_templates.clear();
    assert_eq!(held(&forgotten), None);
}

/// A new version of the operator changes its own parts; members take them whenever they are made again.
#[test]
fn what_only_the_operator_decides_is_no_edit() {
    let changed = |change: &dyn Fn(&mut PodTemplateSpec)| {
        let mut world = between(&json!({}), &json!({}));
        let mut old = pet_set(&mut world).spec.template.clone();
        change(&mut old);
        world.former_templates.insert("old".into(), old);
        for pod in &mut world.pods {
            pod.metadata
                .labels
                .get_or_insert_default()
                .insert("controller-revision-hash".into(), "old".into());
        }
        held(&world)
    };
    let container = |template: &mut PodTemplateSpec, name: &str, change: &dyn Fn(&mut Container)| {
        let spec = template.spec.as_mut().expect("a spec");
        change(
            spec.containers
                .iter_mut()
                .find(|it| it.name == name)
                .expect("a container"),
        );
    };
    type Change<'a> = &'a dyn Fn(&mut Container);
    let own: [(&str, Change<'_>); 7] = [
        ("config-agent", &|it| it.image = Some("old".into())),
        ("config-agent", &|it| it.args = None),
        ("config-agent", &|it| it.resources = None),
        ("exporter", &|it| it.image = Some("old".into())),
        ("exporter", &|it| it.resources = None),
        ("postgres", &|it| it.command = None),
        ("postgres", &|it| {
            it.env
                .as_mut()
                .expect("variables")
                .retain(|variable| variable.name != "PATRONI_NAME")
        }),
    ];
    for (name, change) in own {
        assert_eq!(
            changed(&|template| container(template, name, change)),
            None,
            "{name}"
        );
    }
    let annotation = |template: &mut PodTemplateSpec| {
        let meta = template.metadata.get_or_insert_default();
        meta.annotations
            .get_or_insert_default()
            .insert("ops.kubedb.com/restart-token".into(), "x".into());
    };
    assert_eq!(changed(&annotation), None);
    let side = changed(&|template| container(template, "side", &|it| it.image = Some("old".into())));
    assert!(side.is_some(), "the user's own container");
}

#[test]
fn a_policy_counts_for_the_pods_that_are_made_from_then_on() {
    let placed = |by: Option<&str>, now: Option<&str>| {
        let policy = now.map_or(json!({}), |name| {
            pod_spec("podPlacementPolicy", &json!({"name": name}))
        });
        let mut world = between(&policy, &policy);
        for pod in &mut world.pods {
            if let Some(by) = by {
                let annotations = pod.metadata.annotations.get_or_insert_default();
                annotations.insert("apps.k8s.appscode.com/placement-policy".into(), by.into());
            }
        }
        held(&world).is_some_and(|it| it.contains("podPlacementPolicy"))
    };
    let table = [
        (Some(""), None, false),
        (Some(""), Some("a"), true),
        (Some("a"), Some("a"), false),
        (Some("a"), Some("b"), true),
        (Some("a"), None, true),
        (None, Some("a"), false),
    ];
    for (by, now, expected) in table {
        assert_eq!(placed(by, now), expected, "{by:?}, {now:?}");
    }
}
