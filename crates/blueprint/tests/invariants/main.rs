//! What must hold for every database, whatever its specification.

#[path = "../scenario/mod.rs"]
mod scenario;
mod tls;

use std::collections::BTreeSet;

use api_types::tls::CertificateAlias;
use api_types::vocabulary as words;
use blueprint::{CaBundle, Children, TlsPhase};
use k8s_openapi::api::core::v1::{Container, EnvVar};
use k8s_openapi::api::rbac::v1::PolicyRule;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use scenario::{Scenario, UID, ca, folders};

const HA: &str = "version: '17.4'\nreplicas: 3\nstorage: {resources: {requests: {storage: 1Gi}}}\n";
const TLS: &str = "tls: {issuerRef: {apiGroup: cert-manager.io, kind: Issuer, name: ca}}\n";

fn scenarios() -> impl Iterator<Item = Scenario> {
    folders().into_iter().map(|folder| Scenario::load(&folder))
}

fn patroni(children: &Children) -> Value {
    let data = children.config_secret.data.as_ref().expect("data");
    serde_json::from_slice(&data[words::PATRONI_YML].0).expect("JSON")
}

fn lines(children: &Children) -> Vec<String> {
    let patroni = patroni(children);
    let list = patroni["postgresql"]["pg_hba"]
        .as_array()
        .expect("pg_hba")
        .clone();
    list.iter()
        .map(|line| line.as_str().expect("text").to_owned())
        .collect()
}

/// Lines that are not for roles of ours.
fn lines_of_users(children: &Children) -> Vec<String> {
    let mut lines = lines(children);
    lines.retain(|line| !line.contains(api_types::roles::PATRONI));
    lines
}

fn metadata(children: &Children) -> Vec<&ObjectMeta> {
    let mut all = vec![
        &children.config_secret.metadata,
        &children.pet_set.metadata,
        &children.app_binding.metadata,
    ];
    all.extend(children.service_account.iter().map(|o| &o.metadata));
    all.extend(children.role.iter().map(|o| &o.metadata));
    all.extend(children.role_binding.iter().map(|o| &o.metadata));
    all.extend(children.services.iter().map(|o| &o.metadata));
    all.extend(children.pod_disruption_budget.iter().map(|o| &o.metadata));
    all
}

fn containers(children: &Children) -> &[Container] {
    &children
        .pet_set
        .spec
        .template
        .spec
        .as_ref()
        .expect("a Pod")
        .containers
}

fn init_containers(children: &Children) -> &[Container] {
    let pod = children.pet_set.spec.template.spec.as_ref().expect("a Pod");
    pod.init_containers.as_deref().unwrap_or_default()
}

fn environment(children: &Children) -> impl Iterator<Item = &EnvVar> {
    let all = init_containers(children).iter().chain(containers(children));
    all.flat_map(|c| c.env.iter().flatten())
}

#[test]
fn the_pod_template_is_the_same_in_every_phase_of_tls() {
    let none = CaBundle::default();
    let both = ca("one").union(&ca("two"));
    let plain = blueprint::build(&Scenario::new(HA).resolved()).pet_set.spec;
    for spec in [
        HA.to_owned(),
        format!("{HA}{TLS}"),
        format!("{HA}{TLS}clientAuthMode: cert\nsslMode: verify-ca\n"),
    ] {
        for phase in [TlsPhase::Off, TlsPhase::Accept, TlsPhase::Enforce] {
            for trust in [&none, &ca("one"), &both] {
                let scenario = Scenario::new(&spec).phase(phase, trust.clone());
                let pet_set = blueprint::build(&scenario.resolved()).pet_set.spec;
                assert_eq!(pet_set, plain, "{phase} {spec}");
            }
        }
    }
}

/// Files of a container's arguments: key, path and mode.
fn files(arguments: &[String]) -> Vec<(String, String, String)> {
    let files = arguments.iter().filter_map(|it| it.strip_prefix("--file="));
    let parts = |file: &str| {
        let (key, rest) = file.split_once('=').expect("a key");
        let (path, mode) = rest.rsplit_once(':').expect("a mode");
        (key.to_owned(), path.to_owned(), mode.to_owned())
    };
    files.map(parts).collect()
}

#[test]
fn the_agent_starts_first_and_fills_the_folders_before_anybody_else_starts() {
    for scenario in scenarios() {
        let children = blueprint::build(&scenario.resolved());
        let agent = &containers(&children)[0];
        assert_eq!(agent.name, words::AGENT_CONTAINER);
        let arguments = agent.args.as_deref().expect("arguments");
        let hook = agent.lifecycle.as_ref().and_then(|it| it.post_start.as_ref());
        let command = hook.and_then(|hook| hook.exec.as_ref()?.command.as_deref());
        let command = command.expect("a command");
        assert_eq!(files(arguments), files(command));
        assert_eq!((arguments[0].as_str(), command[1].as_str()), ("watch", "copy"));
        let secret = children.config_secret.metadata.name.as_ref().expect("a name");
        assert!(arguments.contains(&format!("--secret={secret}")), "{arguments:?}");
    }
}

#[test]
fn every_key_of_the_config_secret_becomes_a_file_and_certificates_come_before_what_names_them() {
    let spec = format!("{HA}{TLS}configuration: {{inline: {{user.conf: 'work_mem = 8MB'}}}}\n");
    let mut scenario = Scenario::new(&spec);
    scenario.user_conf = Some("work_mem = 4MB\n".into());
    let children = blueprint::build(&scenario.resolved());
    let arguments = containers(&children)[0].args.clone().expect("arguments");
    let files = files(&arguments);
    let data = children.config_secret.data.as_ref().expect("data");
    // Passwords for the blueprint itself: members have them in patroni.yml.
    for key in data.keys().filter(|key| *key != "member-roles.json") {
        assert!(files.iter().any(|file| file.0 == *key), "{key} in {files:?}");
    }
    let (last_key, last_path, _) = files.last().expect("files");
    assert_eq!(last_key, words::PATRONI_YML);
    assert_eq!(last_path, blueprint::tls_names::PATRONI_YML);
    let first = files
        .iter()
        .position(|file| file.1.starts_with(words::CONFIG_MOUNT));
    let after = &files[first.expect("a configuration")..];
    assert!(after.iter().all(|file| file.1.starts_with(words::CONFIG_MOUNT)));
}

/// PostgreSQL and libpq refuse a key of their own user that its group can read.
#[test]
fn keys_that_postgresql_reads_are_for_its_user_only() {
    let children = blueprint::build(&Scenario::new(HA).resolved());
    let agent = &containers(&children)[0];
    let of = |path: &str| {
        let files = files(agent.args.as_deref().expect("arguments"));
        files.into_iter().find(|file| file.1 == path).expect("the file").2
    };
    assert_eq!(of(blueprint::tls_names::SERVER_KEY), "0600");
    assert_eq!(of(blueprint::tls_names::CLIENT_KEY), "0600");
    assert_eq!(of(blueprint::tls_names::SERVER_CERT), "0640");
    assert_eq!(of("/tls/certs/exporter/tls.key"), "0640");
    let user = |container: &Container| container.security_context.as_ref().and_then(|it| it.run_as_user);
    assert_eq!(user(agent), user(&containers(&children)[1]));
}

#[test]
fn nobody_but_the_agent_writes_the_members_files_or_sees_the_whole_secret() {
    let mounts = "volumeMounts: [{name: tls-volume-server, mountPath: /tls/certs/server}]";
    let users = format!(
        "podTemplate: {{spec: {{containers: [{{name: x, {mounts}}}], initContainers: [{{name: y, {mounts}}}]}}}}\n"
    );
    let written = [
        "custom-config",
        "tls-volume-server",
        "tls-volume-client",
        "tls-volume-exporter",
    ];
    let others = scenarios().chain([Scenario::new(&format!("{HA}{users}"))]);
    for children in others.map(|scenario| blueprint::build(&scenario.resolved())) {
        let pod = children.pet_set.spec.template.spec.as_ref().expect("a Pod");
        for volume in pod
            .volumes
            .iter()
            .flatten()
            .filter(|v| written.contains(&v.name.as_str()))
        {
            let folder = volume.empty_dir.as_ref().expect("an emptyDir");
            assert_eq!(folder.medium.as_deref(), Some("Memory"), "{}", volume.name);
            assert!(folder.size_limit.is_some(), "{}", volume.name);
        }
        for container in init_containers(&children)
            .iter()
            .chain(&containers(&children)[1..])
        {
            for mount in container.volume_mounts.iter().flatten() {
                assert_ne!(mount.name, "config-secret", "{}", container.name);
                let is_written = written.contains(&mount.name.as_str());
                assert!(!is_written || mount.read_only == Some(true), "{}", container.name);
            }
        }
    }
}

#[test]
fn pods_may_watch_their_config_secret_and_no_other() {
    for scenario in scenarios() {
        let children = blueprint::build(&scenario.resolved());
        let rules = children.role.expect("a Role").rules.expect("rules");
        let of_secrets = |rule: &&PolicyRule| rule.resources.iter().flatten().any(|it| it == "secrets");
        let rules: Vec<_> = rules.iter().filter(of_secrets).collect();
        assert_eq!(rules.len(), 1);
        let name = children.config_secret.metadata.name.expect("a name");
        assert_eq!(rules[0].resource_names, Some(vec![name]));
        assert_eq!(rules[0].verbs, ["watch"]);
    }
}

#[test]
fn the_user_gives_the_agent_resources_and_keeps_the_order_of_his_own() {
    let users = "podTemplate: {spec: {containers: [{name: b}, \
                 {name: config-agent, image: theirs, resources: {limits: {memory: 1Gi}}, env: [{name: LOG_LEVEL, value: debug}]}, \
                 {name: a}]}}\n";
    let children = blueprint::build(&Scenario::new(&format!("{HA}{users}")).resolved());
    let all = containers(&children);
    let names: Vec<&str> = all.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(
        names,
        [words::AGENT_CONTAINER, words::POSTGRES_CONTAINER, "b", "a"]
    );
    let resources = serde_json::to_value(&all[0].resources).expect("JSON");
    // Of the processor nothing was said, and a quota that counts its limits wants one.
    let expected =
        serde_json::json!({"limits": {"memory": "1Gi", "cpu": "500m"}, "requests": {"cpu": "10m"}});
    assert_eq!(resources, expected);
    assert_ne!(all[0].image.as_deref(), Some("theirs"));
    assert!(all[0].env.iter().flatten().any(|it| it.name == "LOG_LEVEL"));
    assert!(all[0].lifecycle.is_some());
}

/// A ResourceQuota or LimitRange that counts limits admits a Pod whose containers all have them.
#[test]
fn every_container_of_ours_has_requests_and_limits_and_takes_the_users() {
    let user = |name: &str| format!("{{name: {name}, resources: {{limits: {{memory: 1Gi, cpu: 2}}}}}}");
    let given = format!(
        "podTemplate: {{spec: {{containers: [{}, {}, {}]}}}}\nmonitor: {{agent: prometheus.io}}\n",
        user(words::POSTGRES_CONTAINER),
        user(words::AGENT_CONTAINER),
        user(words::EXPORTER_CONTAINER)
    );
    let by_monitor = "monitor: {agent: prometheus.io, prometheus: {exporter: {resources: {limits: {memory: 1Gi, cpu: 2}}}}}\n";
    for (more, expected) in [
        ("monitor: {agent: prometheus.io}\n", None),
        (given.as_str(), Some("2")),
        (by_monitor, Some("2")),
    ] {
        let children = blueprint::build(&Scenario::new(&format!("{HA}{more}")).resolved());
        let all = containers(&children);
        assert_eq!(all.len(), 3);
        for container in all {
            let resources = container.resources.clone().unwrap_or_default();
            let (requests, limits) = (
                resources.requests.unwrap_or_default(),
                resources.limits.unwrap_or_default(),
            );
            let name = container.name.as_str();
            assert!(limits.contains_key("memory"), "{name}: {limits:?}");
            if name != words::POSTGRES_CONTAINER {
                assert!(limits.contains_key("cpu"), "{name}: {limits:?}");
            }
            if expected.is_none() {
                assert!(
                    requests.contains_key("memory") && requests.contains_key("cpu"),
                    "{name}: {requests:?}"
                );
            }
            let is_users = name == words::EXPORTER_CONTAINER || more == given;
            if let Some(cpu) = expected.filter(|_| is_users) {
                assert_eq!(limits.get("cpu").map(|it| it.0.as_str()), Some(cpu), "{name}");
            }
        }
    }
}

#[test]
fn the_server_certificate_covers_every_host_that_anything_connects_to() {
    for scenario in scenarios() {
        let resolved = scenario.resolved();
        let children = blueprint::build(&resolved);
        let names: BTreeSet<String> = resolved.server_dns_names().into_iter().collect();
        let covered = |host: &str| {
            let wildcard = host.split_once('.').map(|(_, domain)| format!("*.{domain}"));
            names.contains(host) || wildcard.is_some_and(|wildcard| names.contains(&wildcard))
        };
        let mut hosts: Vec<String> = children
            .services
            .iter()
            .filter_map(|s| s.metadata.name.clone())
            .collect();
        hosts.retain(|name| !name.ends_with("-pods") && !name.ends_with("-stats"));
        let in_cluster: Vec<String> = hosts
            .iter()
            .flat_map(|h| {
                ["", ".svc", ".svc.cluster.local"].map(|end| format!("{h}.{}{end}", resolved.namespace))
            })
            .collect();
        hosts.extend(in_cluster);
        for pod in resolved.pod_names() {
            hosts.push(resolved.pod_host(&pod));
            for variable in environment(&children).filter(|v| v.name.ends_with("_CONNECT_ADDRESS")) {
                let address = variable
                    .value
                    .as_deref()
                    .expect("a value")
                    .replace("$(POD_NAME)", &pod);
                hosts.push(address.rsplit_once(':').expect("a port").0.to_owned());
            }
        }
        for host in hosts {
            assert!(covered(&host), "{host} is not in {names:?}");
        }
    }
}

#[test]
fn passwords_of_the_users_are_in_the_auth_secret_only() {
    for scenario in scenarios() {
        let resolved = scenario.resolved();
        let children = blueprint::build(&resolved);
        for variable in environment(&children) {
            let is_secret = variable.name.contains("PASSWORD");
            assert!(!is_secret || variable.value.is_none(), "{}", variable.name);
        }
        let mut patroni = patroni(&children);
        let ours = patroni["postgresql"]["authentication"].take();
        assert_eq!(ours["superuser"]["password"], Value::Null);
        for role in ["replication", "rewind"] {
            let name = ours[role]["username"].as_str().expect("a role");
            assert!(api_types::roles::is_reserved(name), "{name}");
        }
        assert_no_key(&patroni, "password");
        let secret = blueprint::auth_secret(&resolved, "hunter2", jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(secret.data.expect("data")["password"].0, b"hunter2");
    }
}

fn assert_no_key(value: &Value, key: &str) {
    match value {
        Value::Object(map) => {
            assert!(!map.contains_key(key), "{key} in {map:?}");
            map.values().for_each(|value| assert_no_key(value, key));
        }
        Value::Array(list) => list.iter().for_each(|value| assert_no_key(value, key)),
        _ => {}
    }
}

#[test]
fn every_child_is_owned_labelled_and_sealed() {
    for scenario in scenarios() {
        let resolved = scenario.resolved();
        let children = blueprint::build(&resolved);
        for meta in metadata(&children) {
            let owners = meta.owner_references.as_deref().expect("owners");
            assert_eq!(owners.len(), 1);
            assert_eq!((owners[0].uid.as_str(), owners[0].controller), (UID, Some(true)));
            assert_eq!(owners[0].block_owner_deletion, Some(true));
            let labels = meta.labels.as_ref().expect("labels");
            for (key, value) in resolved.selector() {
                assert_eq!(labels.get(&key), Some(&value), "{:?}", meta.name);
            }
            assert!(blueprint::recorded_hash(meta).is_some(), "{:?}", meta.name);
            assert!(meta.name.as_ref().is_some_and(|name| name.len() <= 63));
        }
        let recorded = blueprint::recorded_hash(&children.pet_set.metadata);
        assert_eq!(recorded, Some(blueprint::hash_of(&children.pet_set).as_str()));
        for claim in &children.pet_set.spec.volume_claim_templates {
            assert_eq!(
                claim.metadata.owner_references, None,
                "claims outlive their database"
            );
        }
    }
}

#[test]
fn the_pause_changes_no_child() {
    for scenario in scenarios() {
        let before = blueprint::build(&scenario.resolved());
        let mut paused = scenario;
        let meta = &mut paused.postgres.metadata;
        meta.resource_version = Some("42".into());
        meta.generation = Some(7);
        meta.annotations
            .get_or_insert_default()
            .insert(words::PAUSED_BY.into(), "tls/1".into());
        assert_eq!(blueprint::build(&paused.resolved()), before);
    }
}

#[test]
fn a_restart_token_is_carried_over() {
    let mut scenario = Scenario::new(HA);
    scenario.live.restart_token = Some("uid".into());
    let pet_set = blueprint::build(&scenario.resolved()).pet_set;
    let facts = blueprint::LiveFacts::from_pet_set(Some(&pet_set));
    assert_eq!(facts.restart_token.as_deref(), Some("uid"));
    assert_eq!(blueprint::LiveFacts::from_pet_set(None).restart_token, None);
}
