//! `placement`: what a PlacementPolicy makes of a Pod.

use api_types::placement::PlacementPolicySpec;
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use petset::placement::{PLACEMENT_HASH, Unplaceable, is_as_placed, place};
use serde_json::{Value, json};

use crate::build::desired;

fn policy(spec: Value) -> PlacementPolicySpec {
    serde_json::from_value(spec).expect("a policy")
}

/// The Pod of an ordinal of a PetSet with this many, placed.
fn placed(replicas: i32, ordinal: i32, spec: PodSpec, of: &Value) -> Result<Pod, Unplaceable> {
    let desired = desired(json!({"spec": {"replicas": replicas}}));
    let mut pod = Pod {
        spec: Some(spec),
        ..Pod::default()
    };
    place(&desired, ordinal, &policy(of.clone()), &mut pod)?;
    Ok(pod)
}

fn spec(pod: &Pod) -> Value {
    serde_json::to_value(&pod.spec).expect("JSON")
}

fn spread(when: &str) -> Value {
    json!({"maxSkew": 1, "whenUnsatisfiable": when})
}

#[test]
fn spreads_become_constraints_and_the_templates_own_win() {
    let table = [
        ("nothing", json!({}), json!({}), vec![], false),
        (
            "zones",
            json!({"zoneSpreadConstraint": spread("ScheduleAnyway")}),
            json!({}),
            vec!["topology.kubernetes.io/zone"],
            false,
        ),
        (
            "nodes, preferred",
            json!({"nodeSpreadConstraint": spread("ScheduleAnyway")}),
            json!({}),
            vec!["kubernetes.io/hostname"],
            false,
        ),
        (
            "nodes, required",
            json!({"nodeSpreadConstraint": spread("DoNotSchedule")}),
            json!({}),
            vec!["kubernetes.io/hostname"],
            true,
        ),
        (
            "both",
            json!({"zoneSpreadConstraint": spread("DoNotSchedule"), "nodeSpreadConstraint": spread("DoNotSchedule")}),
            json!({}),
            vec!["topology.kubernetes.io/zone", "kubernetes.io/hostname"],
            true,
        ),
        (
            "the template has one for zones",
            json!({"zoneSpreadConstraint": spread("DoNotSchedule")}),
            json!({"topologySpreadConstraints": [{"maxSkew": 5, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}]}),
            vec!["topology.kubernetes.io/zone"],
            false,
        ),
    ];
    for (what, policy, template, keys, apart) in table {
        let template: PodSpec =
            serde_json::from_value(crate::build::merged(json!({"containers": []}), &template))
                .expect("a spec");
        let pod = spec(&placed(3, 0, template.clone(), &policy).expect("placeable"));
        let constraints = pod["topologySpreadConstraints"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let found: Vec<_> = constraints
            .iter()
            .map(|it| it["topologyKey"].as_str().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(found, keys, "{what}");
        assert_eq!(!pod["affinity"]["podAntiAffinity"].is_null(), apart, "{what}");
        if template.topology_spread_constraints.is_some() {
            assert_eq!(constraints[0]["maxSkew"], 5, "{what}");
        }
    }
}

fn domains(replicas: [&str; 3], when: &str) -> Value {
    let domains: Vec<Value> = ["a", "b", "c"]
        .iter()
        .zip(replicas)
        .map(|(zone, replicas)| json!({"values": [zone], "replicas": replicas}))
        .collect();
    json!({"affinity": {"nodeAffinity": [
        {"topologyKey": "zone", "weight": 7, "whenUnsatisfiable": when, "domains": domains}]}})
}

/// The zones of ordinals 0 to 4.
fn zones(policy: &Value) -> Vec<String> {
    let zone = |ordinal| {
        let pod = match placed(5, ordinal, PodSpec::default(), policy) {
            Ok(pod) => spec(&pod),
            Err(why) => {
                return if matches!(why, Unplaceable::NoDomain { .. }) {
                    "-".into()
                } else {
                    "!".into()
                };
            }
        };
        let affinity = &pod["affinity"]["nodeAffinity"];
        let required = &affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"][0];
        let preferred = &affinity["preferredDuringSchedulingIgnoredDuringExecution"][0]["preference"];
        let of = |term: &Value| {
            term["matchExpressions"][0]["values"][0]
                .as_str()
                .map(str::to_owned)
        };
        of(required).or_else(|| of(preferred)).unwrap_or_default()
    };
    (0..5).map(zone).collect()
}

#[test]
fn ordinals_take_the_domains_in_their_order() {
    let table = [
        (["1", "1", ""], "abccc"),
        (["2", "", "1"], "aabbb"),
        (["", "1", "1"], "aaaaa"),
        (["1", "2", "1"], "abbc-"),
        (["0", "5", ""], "bbbbb"),
        (["-3", "1", ""], "bcccc"),
        (["obj.spec.replicas - 1", "1", ""], "aaaab"),
        (["obj.spec.replicas / 2", "obj.spec.replicas / 2", ""], "aabbc"),
        ([" 1 ", "1", ""], "abccc"),
        (["many", "1", ""], "!!!!!"),
        (["1.5", "1", ""], "!!!!!"),
        (["obj.spec.nothing", "1", ""], "!!!!!"),
        (["1", "(", ""], "a!!!!"),
    ];
    for (replicas, expected) in table {
        for when in ["DoNotSchedule", "ScheduleAnyway"] {
            assert_eq!(
                zones(&domains(replicas, when)).concat(),
                expected,
                "{replicas:?}, {when}"
            );
        }
    }
}

#[test]
fn a_required_domain_is_added_to_every_alternative_of_the_template() {
    let template = json!({"containers": [], "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
        {"nodeSelectorTerms": [{"matchExpressions": [{"key": "x", "operator": "Exists"}]}, {"matchFields": []}]}}}});
    let template: PodSpec = serde_json::from_value(template).expect("a spec");
    let pod = spec(&placed(3, 0, template, &domains(["1", "1", ""], "DoNotSchedule")).expect("placeable"));
    let terms = &pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"];
    assert_eq!(terms[0]["matchExpressions"][0]["key"], "x");
    assert_eq!(terms[0]["matchExpressions"][1]["values"], json!(["a"]));
    assert_eq!(terms[1]["matchExpressions"][0]["values"], json!(["a"]));
}

#[test]
fn what_can_not_be_placed_says_what_to_change() {
    let table = [
        (
            domains(["1", "1", "1"], "DoNotSchedule"),
            4,
            "raise a domain's replicas, or leave them empty",
        ),
        (
            domains(["many", "", ""], "DoNotSchedule"),
            0,
            "write a number, or a CEL expression",
        ),
    ];
    for (policy, ordinal, advice) in table {
        let why = placed(5, ordinal, PodSpec::default(), &policy)
            .expect_err("not placeable")
            .to_string();
        assert!(why.contains(advice), "{why}");
    }
}

#[test]
fn a_pod_remembers_what_the_policy_made_of_it() {
    let make = |policy: &Value| placed(3, 0, PodSpec::default(), policy).expect("placeable");
    let (a, b) = (
        domains(["1", "1", ""], "DoNotSchedule"),
        domains(["", "1", "1"], "ScheduleAnyway"),
    );
    assert!(is_as_placed(&make(&a), &make(&a)));
    assert!(!is_as_placed(&make(&a), &make(&b)));
    assert!(
        !is_as_placed(&make(&a), &Pod::default()),
        "the policy was taken away"
    );
    assert!(
        is_as_placed(&Pod::default(), &make(&a)),
        "made by an older controller: not known, so not wrong"
    );
    let mut edited = make(&a);
    edited.spec = None;
    assert!(
        is_as_placed(&edited, &make(&a)),
        "what webhooks made of the Pod does not count"
    );
    assert!(
        make(&a)
            .metadata
            .annotations
            .expect("annotations")
            .contains_key(PLACEMENT_HASH)
    );
}
