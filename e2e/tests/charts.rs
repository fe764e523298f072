//! What the charts' values do, by `helm template`; and that the page about them is current. Needs no cluster.

use std::collections::BTreeSet;
use std::process::Command;

use api_types::vocabulary::{NAME_VALUE, PATRONI_PORT, POSTGRES_PORT};
use e2e::install::{self, OPERATORS};
use e2e::values;
use serde_json::{Value, json};

const NAMESPACE: &str = "system";

/// Renders a chart with values; the error is what helm says.
fn try_render(chart: &str, values: &Value) -> Result<Vec<Value>, String> {
    let values = values.as_object().expect("a map of values");
    let set = values
        .iter()
        .flat_map(|(path, value)| ["--set-json".to_owned(), format!("{path}={value}")]);
    let output = Command::new("helm")
        .args(["template", chart, "--namespace", NAMESPACE])
        .args(set)
        .arg(install::charts().join(chart))
        .output()
        .expect("helm is in PATH: `. hack/environment.sh`");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8(output.stdout).expect("YAML is text");
    let documents = serde_yaml::Deserializer::from_str(&text)
        .map(|document| serde::Deserialize::deserialize(document).expect("a document"));
    Ok(documents.filter(|it: &Value| !it.is_null()).collect())
}

fn render(chart: &str, values: &Value) -> Vec<Value> {
    try_render(chart, values).unwrap_or_else(|error| panic!("{chart}: {error}"))
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|it| it["kind"] == kind).collect()
}

fn the<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    match of_kind(objects, kind).as_slice() {
        [one] => one,
        found => panic!("{} objects of kind {kind}", found.len()),
    }
}

/// Pod specs of a chart: of its Deployment and of its test.
fn pod_specs(objects: &[Value]) -> Vec<&Value> {
    let deployments = of_kind(objects, "Deployment").into_iter();
    let pods = of_kind(objects, "Pod").into_iter();
    deployments
        .map(|it| &it["spec"]["template"]["spec"])
        .chain(pods.map(|it| &it["spec"]))
        .collect()
}

#[test]
fn the_page_about_values_is_current() {
    let table = values::table().unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|it| it == "1") {
        std::fs::write(values::page(), &table).unwrap();
    }
    let page = std::fs::read_to_string(values::page()).unwrap_or_default();
    assert!(page == table, "run `make values`: docs/values.md is out of date");
}

#[test]
fn a_value_that_does_not_exist_is_refused() {
    for chart in values::charts() {
        let error = try_render(chart, &json!({"replicaz": 1})).unwrap_err();
        assert!(error.contains("replicaz"), "{chart}: {error}");
    }
}

#[test]
fn every_pod_passes_pod_security_restricted() {
    for chart in values::charts() {
        for pod in pod_specs(&render(chart, &json!({}))) {
            let context = &pod["securityContext"];
            assert_eq!(context["runAsNonRoot"], true, "{chart}");
            assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault", "{chart}");
            for key in ["hostNetwork", "hostPID", "hostIPC", "volumes"] {
                assert!(pod[key].is_null(), "{chart}: {key}");
            }
            for container in pod["containers"].as_array().unwrap() {
                let context = &container["securityContext"];
                assert_eq!(context["allowPrivilegeEscalation"], false, "{chart}");
                assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}), "{chart}");
                assert_eq!(context["readOnlyRootFilesystem"], true, "{chart}");
                assert!(context["privileged"].is_null(), "{chart}");
            }
        }
    }
}

#[test]
fn images_come_from_the_registry_that_is_given_with_its_secrets() {
    let secrets = json!([{"name": "registry"}]);
    for operator in OPERATORS {
        let values = json!({"image.registry": "registry.example:5000", "image.tag": "edge", "imagePullSecrets": secrets});
        for pod in pod_specs(&render(operator, &values)) {
            let image = format!("registry.example:5000/sealwright/{operator}:edge");
            assert_eq!(pod["containers"][0]["image"], image);
            assert_eq!(pod["imagePullSecrets"], secrets);
        }
    }
    let catalog = render(
        "catalog",
        &json!({"images.registry": "registry.example/db", "imagePullSecrets": secrets}),
    );
    for version in of_kind(&catalog, "PostgresVersion") {
        for image in ["db", "coordinator", "exporter"] {
            let image = version["spec"][image]["image"].as_str().unwrap();
            assert!(image.starts_with("registry.example/db/"), "{image}");
        }
    }
    assert_eq!(the(&catalog, "Pod")["spec"]["imagePullSecrets"], secrets);
    let crds = render("crds", &json!({"test.imagePullSecrets": secrets}));
    assert_eq!(the(&crds, "Pod")["spec"]["imagePullSecrets"], secrets);
}

/// What the image builds make, in the words of `hack/pins.sh`.
fn built_versions() -> BTreeSet<String> {
    let pins = std::fs::read_to_string(install::charts().join("../hack/pins.sh")).expect("the pins");
    let (_, list) = pins.split_once("POSTGRES_IMAGES=(").expect("a list of images");
    let (list, _) = list.split_once(')').expect("its end");
    let entry = |line: &str| line.trim().trim_matches('"').split(' ').next().map(str::to_owned);
    list.lines()
        .filter_map(entry)
        .filter(|it| !it.is_empty())
        .collect()
}

#[test]
fn every_name_of_the_catalog_runs_exactly_that_version_and_its_image_is_built_here() {
    let catalog = render("catalog", &json!({}));
    let mut images = BTreeSet::new();
    for version in of_kind(&catalog, "PostgresVersion") {
        let name = version["metadata"]["name"].as_str().unwrap();
        assert_eq!(version["spec"]["version"], name);
        assert_eq!(
            version["spec"]["db"]["image"],
            format!("docker.io/sealwright/postgres:{name}")
        );
        images.insert(name.to_owned());
    }
    assert_eq!(images, built_versions());
    let majors: BTreeSet<&str> = images.iter().filter_map(|it| it.split('.').next()).collect();
    assert_eq!(majors, BTreeSet::from(["14", "15", "16", "17", "18"]));
}

#[test]
fn examples_and_test_manifests_name_versions_of_the_catalog() {
    let root = install::charts().join("..");
    for folder in ["docs/examples", "e2e/manifests"] {
        for file in std::fs::read_dir(root.join(folder)).expect(folder) {
            let path = file.expect(folder).path();
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            for line in text.lines().map(str::trim) {
                let version = ["version: ", "targetVersion: "]
                    .iter()
                    .find_map(|it| line.strip_prefix(it));
                if let Some(version) = version {
                    let version = version.trim_matches(['"', '\'']);
                    assert!(built_versions().contains(version), "{}: {line}", path.display());
                }
            }
        }
    }
}

#[test]
fn a_name_of_another_major_version_than_the_image_is_refused() {
    let image = json!([{"version": "17.9", "baseOS": "trixie", "names": ["17.9", "16.13"]}]);
    let error = try_render("catalog", &json!({"postgres": image})).unwrap_err();
    assert!(error.contains("16.13 cannot run PostgreSQL 17.9"), "{error}");
}

#[test]
fn scheduling_arguments_and_environment_reach_the_pods() {
    let given = json!({
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "nodeSelector": {"disk": "ssd"},
        "topologySpreadConstraints": [{"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
        "priorityClassName": "system-cluster-critical",
        "podAnnotations": {"a": "1"},
        "podLabels": {"b": "2"},
        "extraArgs": ["--log-format=json"],
        "extraEnv": [{"name": "RUST_BACKTRACE", "value": "1"}],
        "resources": {"limits": {"memory": "1Gi"}},
    });
    for operator in OPERATORS {
        let objects = render(operator, &given);
        let template = &the(&objects, "Deployment")["spec"]["template"];
        let pod = &template["spec"];
        for key in [
            "tolerations",
            "affinity",
            "nodeSelector",
            "topologySpreadConstraints",
            "priorityClassName",
        ] {
            assert_eq!(pod[key], given[key], "{operator}: {key}");
        }
        assert_eq!(template["metadata"]["annotations"]["a"], "1");
        assert_eq!(template["metadata"]["labels"]["b"], "2");
        let container = &pod["containers"][0];
        assert_eq!(container["args"], given["extraArgs"]);
        assert_eq!(container["resources"]["limits"]["memory"], "1Gi");
        let env = container["env"].as_array().unwrap();
        assert!(env.contains(&given["extraEnv"][0]), "{operator}: {env:?}");

        let default = render(operator, &json!({}));
        let spread = &the(&default, "Deployment")["spec"]["template"]["spec"]["topologySpreadConstraints"];
        assert_eq!(spread[0]["topologyKey"], "kubernetes.io/hostname", "{operator}");
    }
}

/// Kinds without namespace that a role is about; only these may be allowed cluster-wide when one namespace is watched.
const CLUSTER_SCOPED: [&str; 4] = [
    "placementpolicies",
    "postgresversions",
    "clusterissuers",
    "storageclasses",
];

#[test]
fn an_operator_of_one_namespace_has_rights_there_only() {
    for operator in OPERATORS {
        let objects = render(operator, &json!({"watchNamespace": "shop"}));
        let env = &the(&objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["env"];
        let watched = json!({"name": "WATCH_NAMESPACE", "value": "shop"});
        assert!(env.as_array().unwrap().contains(&watched), "{operator}");
        for binding in of_kind(&objects, "ClusterRoleBinding") {
            let roles = of_kind(&objects, "ClusterRole").into_iter();
            let role = roles
                .filter(|it| it["metadata"]["name"] == binding["roleRef"]["name"])
                .collect::<Vec<_>>();
            assert_eq!(role.len(), 1, "{operator}");
            for rule in role[0]["rules"].as_array().unwrap() {
                for resource in rule["resources"].as_array().unwrap() {
                    let resource = resource.as_str().unwrap();
                    assert!(CLUSTER_SCOPED.contains(&resource), "{operator}: {resource}");
                }
            }
        }
        let bound: Vec<_> = of_kind(&objects, "RoleBinding")
            .into_iter()
            .filter(|it| it["metadata"]["namespace"] == "shop")
            .collect();
        assert_eq!(bound.len(), 1, "{operator}");
        for object in objects.iter().filter(|it| it["metadata"]["namespace"].is_null()) {
            let name = object["metadata"]["name"].as_str().unwrap();
            let shared = object["kind"] == "PlacementPolicy";
            assert!(
                shared || name.contains(NAMESPACE),
                "{operator}: a release in another namespace also makes {name}"
            );
        }
    }
    let objects = render("provisioner", &json!({"watchNamespace": "shop"}));
    let policy = the(&objects, "ValidatingAdmissionPolicyBinding");
    let selector = &policy["spec"]["matchResources"]["namespaceSelector"]["matchLabels"];
    assert_eq!(selector["kubernetes.io/metadata.name"], "shop");
}

#[test]
fn network_policies_admit_what_the_operators_need() {
    for operator in OPERATORS {
        assert!(of_kind(&render(operator, &json!({})), "NetworkPolicy").is_empty());
        let from =
            json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]);
        let given = json!({
            "networkPolicy.enabled": true, "networkPolicy.metricsFrom": from, "networkPolicy.apiServerPorts": [16443],
        });
        let objects = render(operator, &given);
        let policy = &the(&objects, "NetworkPolicy")["spec"];
        let pods = &the(&objects, "Deployment")["spec"]["template"]["metadata"]["labels"];
        for (label, value) in policy["podSelector"]["matchLabels"].as_object().unwrap() {
            assert_eq!(&pods[label], value, "{operator}");
        }
        assert_eq!(
            policy["ingress"],
            json!([{"ports": [{"port": "metrics"}], "from": from}])
        );
        let egress = policy["egress"].as_array().unwrap();
        assert!(
            egress.contains(&json!({"ports": [{"port": 16443}]})),
            "{operator}"
        );
        let members = json!({
            "ports": [{"port": POSTGRES_PORT}, {"port": PATRONI_PORT}],
            "to": [{
                "podSelector": {"matchLabels": {"app.kubernetes.io/name": NAME_VALUE}},
                "namespaceSelector": {},
            }],
        });
        assert_eq!(egress.contains(&members), operator != "petset", "{operator}");
    }
}

#[test]
fn disruption_budgets_let_one_replica_go() {
    for operator in OPERATORS {
        let objects = render(operator, &json!({}));
        let budget = &the(&objects, "PodDisruptionBudget")["spec"];
        assert_eq!(budget["maxUnavailable"], 1);
        let selector = &the(&objects, "Deployment")["spec"]["selector"];
        assert_eq!(&budget["selector"], selector);
        let off = render(operator, &json!({"podDisruptionBudget.enabled": false}));
        assert!(of_kind(&off, "PodDisruptionBudget").is_empty());
    }
}

#[test]
fn more_than_one_replica_needs_leader_election() {
    for operator in OPERATORS {
        let alone = json!({"replicas": 1, "leaderElection.enabled": false});
        let objects = render(operator, &alone);
        assert!(of_kind(&objects, "Role").is_empty(), "{operator}");
        let error = try_render(operator, &json!({"leaderElection.enabled": false})).unwrap_err();
        assert!(error.contains("leaderElection"), "{operator}: {error}");
    }
}

#[test]
fn monitoring_is_off_until_asked_for() {
    const KINDS: [&str; 3] = ["ServiceMonitor", "PodMonitor", "PrometheusRule"];
    for operator in OPERATORS {
        let objects = render(operator, &json!({}));
        for kind in KINDS {
            assert!(of_kind(&objects, kind).is_empty(), "{operator}: {kind}");
        }
        assert!(of_kind(&objects, "ConfigMap").is_empty(), "{operator}");
        let labels = json!({"release": "prometheus"});
        for (monitor, kind, endpoints) in [
            ("serviceMonitor", "ServiceMonitor", "endpoints"),
            ("podMonitor", "PodMonitor", "podMetricsEndpoints"),
        ] {
            let given =
                json!({format!("metrics.{monitor}"): {"enabled": true, "labels": labels, "interval": "10s"}});
            let objects = render(operator, &given);
            let monitor = the(&objects, kind);
            assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus");
            let endpoint = &monitor["spec"][endpoints][0];
            assert_eq!(
                endpoint,
                &json!({"port": "metrics", "interval": "10s", "honorLabels": true})
            );
        }
        let both = json!({"metrics.serviceMonitor.enabled": true, "metrics.podMonitor.enabled": true});
        let error = try_render(operator, &both).unwrap_err();
        assert!(error.contains("enable one"), "{error}");
    }
}

#[test]
fn the_rules_are_those_of_the_file_without_what_is_switched_off() {
    for operator in OPERATORS {
        let on = json!({"metrics.prometheusRule.enabled": true});
        let objects = render(operator, &on);
        let text = std::fs::read_to_string(e2e::monitoring::rules(operator)).unwrap();
        let file: Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(the(&objects, "PrometheusRule")["spec"], file, "{operator}");

        let without = json!({
            "metrics.prometheusRule.enabled": true,
            "metrics.prometheusRule.disabledAlerts": ["SealwrightReconcileErrors"],
        });
        let objects = render(operator, &without);
        let groups = the(&objects, "PrometheusRule")["spec"]["groups"]
            .as_array()
            .unwrap();
        let left: BTreeSet<_> = groups
            .iter()
            .flat_map(|group| group["rules"].as_array().unwrap())
            .map(|rule| rule["alert"].as_str().unwrap())
            .collect();
        assert!(!left.contains("SealwrightReconcileErrors"), "{left:?}");
        assert!(left.contains("SealwrightOperatorAbsent"), "{left:?}");
        let misspelt = json!({"metrics.prometheusRule.disabledAlerts": ["Sealwright"]});
        assert!(try_render(operator, &misspelt).is_err());
    }
}

#[test]
fn grafana_finds_the_dashboard() {
    let objects = render("provisioner", &json!({"metrics.grafanaDashboard.enabled": true}));
    let map = the(&objects, "ConfigMap");
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
    let file = map["data"]["sealwright.json"].as_str().unwrap();
    let dashboard: Value = serde_json::from_str(file).unwrap();
    assert_eq!(dashboard["uid"], "sealwright");
}

#[test]
fn definitions_outlive_their_release_and_can_be_left_to_another() {
    let objects = render("crds", &json!({}));
    let definitions = of_kind(&objects, "CustomResourceDefinition");
    assert_eq!(definitions.len(), 6);
    for definition in definitions {
        assert_eq!(
            definition["metadata"]["annotations"]["helm.sh/resource-policy"],
            "keep"
        );
    }
    let without = render("crds", &json!({"install.appbindings": false}));
    assert_eq!(of_kind(&without, "CustomResourceDefinition").len(), 5);
}
