//! Parameters that are not in force, volumes that fill up, and databases that can't be checked are told in the Postgres.

mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::Major;
use api_types::postgres::DatabasePhase;
use instance::{Slot, Wal};
use provisioner::decide::decide;
use provisioner::decide::targets::targets;
use provisioner::health::{Failure, FailureKind, Member, Report, Verdict};
use provisioner::world::{UserConf, World};
use serde_json::json;
use world::*;

fn conf(lines: &str) -> serde_json::Value {
    json!({"configuration": {"inline": {"user.conf": lines}}})
}

fn edited(world: World, lines: &str) -> World {
    let configuration = serde_json::from_value(json!({"inline": {"user.conf": lines}})).ok();
    edit(world, |spec| spec.configuration = configuration)
}

fn spec_applied(world: &World) -> (String, String) {
    let plan = decide(world);
    let (status, reason, message) = set(&plan, "SpecApplied").expect("SpecApplied");
    assert!(!status);
    (reason.to_owned(), message.to_owned())
}

#[test]
fn a_new_database_is_not_made_with_parameters_that_it_could_not_have() {
    let world = fresh(conf("max_connection = 500\nwork_mem = 'lots'"));
    assert_eq!(actions(&decide(&world)), Vec::<String>::new());
    let (reason, message) = spec_applied(&world);
    assert_eq!(reason, "InvalidSpec");
    assert!(
        message.contains("max_connection:") && message.contains("work_mem:"),
        "{message}"
    );
}

/// Bad parameters hold nothing but themselves: certificates are renewed, other fields are carried out.
#[test]
fn a_running_database_keeps_its_parameters_and_follows_the_rest_of_its_spec() {
    let world = edited(running(conf("work_mem = 8MB")), "work_mem = lots");
    assert_eq!(actions(&decide(&world)), Vec::<String>::new());
    let (reason, message) = spec_applied(&world);
    assert_eq!(reason, "ParametersRefused");
    assert!(
        message.contains("work_mem:") && message.contains("go on with the parameters"),
        "{message}"
    );

    let grown = edit(world.clone(), |spec| spec.replicas = Some(5));
    assert_eq!(
        actions(&decide(&grown)),
        ["apply PodDisruptionBudget pg", "apply PetSet pg"]
    );
    let corrected = edited(world, "work_mem = 16MB");
    assert_eq!(actions(&decide(&corrected)), ["apply Secret pg-bc1234"]);
    assert!(removes(&decide(&corrected), "SpecApplied"));
}

#[test]
fn a_secret_of_parameters_that_is_gone_holds_the_parameters_alone() {
    let spec = json!({"configuration": {"secretName": "mine"}});
    let content = UserConf::Content("work_mem = 8MB".into());
    let world = settle(with_user_conf(fresh(spec), content));
    for gone in [
        UserConf::Missing("mine".into()),
        UserConf::WithoutKey("mine".into()),
    ] {
        let world = with_user_conf(world.clone(), gone);
        assert_eq!(actions(&decide(&world)), Vec::<String>::new());
        let (reason, message) = spec_applied(&world);
        assert_eq!(reason, "ParametersRefused");
        assert!(message.contains("mine"), "{message}");
    }
}

#[test]
fn parameters_of_others_are_left_out_and_told() {
    let world = running(conf(
        "work_mem = 8MB\nrecovery_min_apply_delay = 5min\nport = 5433",
    ));
    let (reason, message) = spec_applied(&world);
    assert_eq!(reason, "ParametersNotUsed");
    assert!(
        message.contains("recovery_min_apply_delay (") && message.contains("port ("),
        "{message}"
    );
}

fn with_patroni_status(mut world: World, ordinal: usize, status: &str) -> World {
    let annotations = world.pods[ordinal].metadata.annotations.get_or_insert_default();
    annotations.insert("status".to_owned(), status.to_owned());
    world
}

#[test]
fn what_waits_for_a_restart_is_told_with_the_order_in_which_it_comes_into_force() {
    let reason = |name: &str, old: &str, new: &str| {
        json!({"state": "running", "pending_restart": true,
               "pending_restart_reason": {name: {"old_value": old, "new_value": new}}})
        .to_string()
    };
    let lowered = reason("max_connections", "200", "100");
    let mut world = running(json!({}));
    for ordinal in 0..3 {
        world = with_patroni_status(world, ordinal, &lowered);
    }
    let (word, message) = spec_applied(&world);
    assert_eq!(word, "RestartNeeded");
    for part in [
        "max_connections 200 → 100 on pg-0, pg-1, pg-2",
        "Restart",
        "the primary takes the lower value first",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let raised = with_patroni_status(running(json!({})), 1, &reason("shared_buffers", "32768", "65536"));
    let (_, message) = spec_applied(&raised);
    assert!(
        message.contains("on pg-1") && !message.contains("first"),
        "{message}"
    );
    for nothing in [
        "",
        "{}",
        "no JSON",
        r#"{"pending_restart_reason": {}}"#,
        r#"{"pending_restart": true}"#,
    ] {
        let world = with_patroni_status(running(json!({})), 0, nothing);
        assert!(removes(&decide(&world), "SpecApplied"), "{nothing}");
    }
}

fn with_report(mut world: World, change: impl FnOnce(&mut Report)) -> World {
    let mut report = Report::clone(world.health.as_ref().expect("a report"));
    change(&mut report);
    world.health = Some(Arc::new(report));
    world
}

fn member(world: World, pod: &str, member: Member) -> World {
    with_report(world, |report| {
        report.members = BTreeMap::from([(pod.to_owned(), member)])
    })
}

#[test]
fn a_member_that_has_not_read_its_parameters_is_named() {
    let of = |configuration: Option<String>| {
        let has = Member {
            configuration,
            ..Member::default()
        };
        member(running(json!({})), "pg-1", has)
    };
    let world = of(Some("older".into()));
    let (reason, message) = spec_applied(&world);
    assert_eq!(reason, "ParametersNotRead");
    assert!(message.contains("pg-1"), "{message}");
    let config = world.config_secret().expect("a config Secret");
    let mark = blueprint::pg::parameters::recorded_mark(config).expect("a mark");
    assert!(removes(&decide(&of(Some(mark.clone()))), "SpecApplied"));
    assert!(removes(&decide(&of(None)), "SpecApplied"), "not known");
    // Whoever holds the pause cares for the members.
    let wanted = |world: &World| targets(world, &decide(world)).expect("targets").configuration;
    assert_eq!(wanted(&world), Some(mark));
    assert_eq!(wanted(&pause(world, "somebody")), None);
}

#[test]
fn what_cannot_be_checked_is_unknown_and_a_standby_left_behind_has_its_own_word() {
    let failing = |kind, why: &str| {
        let failure = Failure {
            kind,
            why: why.to_owned(),
        };
        let world = with_report(running(json!({})), |report| {
            report.ready = Verdict::No(failure.clone());
            if kind == FailureKind::NotChecked {
                report.accepting = Verdict::No(failure.clone());
            }
        });
        let plan = decide(&world);
        reported(world, &plan)
    };
    let world = failing(FailureKind::NotChecked, "pg-0: no connection left");
    for type_ in ["Ready", "AcceptingConnection"] {
        let condition = condition(&world, type_).expect(type_);
        assert_eq!(condition.status, "Unknown");
        assert_eq!(condition.reason.as_deref(), Some("HealthCheckNotPossible"));
        assert!(
            condition
                .message
                .as_deref()
                .is_some_and(|it| it.contains("no connection left"))
        );
    }
    let phase = |world: &World| world.postgres.status.as_ref().and_then(|status| status.phase);
    assert_eq!(phase(&world), Some(DatabasePhase::Unknown));

    let world = failing(FailureKind::LeftBehind, "pg-1 does not stream");
    let ready = condition(&world, "Ready").expect("Ready");
    assert_eq!(
        (ready.status.as_str(), ready.reason.as_deref()),
        ("False", Some("StandbyLeftBehind"))
    );
    assert_eq!(phase(&world), Some(DatabasePhase::Critical));
}

#[test]
fn a_volume_that_fills_up_is_told_until_there_is_room_again() {
    let used = |megabytes: u64| Member {
        wal: Some(Wal {
            bytes: (megabytes - 100) << 20,
            slots: vec![Slot {
                name: "forgotten".into(),
                held_bytes: (megabytes - 100) << 20,
                ..Slot::default()
            }],
            ..Wal::default()
        }),
        data_bytes: Some(100 << 20),
        volume_bytes: Some(1 << 30),
        ..Member::default()
    };
    let risk =
        |world: &World| condition(world, "StorageAtRisk").map(|it| it.reason.clone().unwrap_or_default());
    let step = |world: World, megabytes| {
        let world = member(world, "pg-0", used(megabytes));
        let plan = decide(&world);
        reported(world, &plan)
    };
    let world = step(running(json!({})), 500);
    assert_eq!(risk(&world), None);
    let world = step(world, 850);
    assert_eq!(risk(&world).as_deref(), Some("VolumeFillsUp"));
    let message = condition(&world, "StorageAtRisk")
        .and_then(|it| it.message.clone())
        .unwrap_or_default();
    assert!(
        message.contains("pg-0 uses 850 MB of its volume of 1024 MB"),
        "{message}"
    );
    assert!(
        message.contains("slot forgotten, which has no reader"),
        "{message}"
    );
    let world = step(world, 800);
    assert_eq!(
        risk(&world).as_deref(),
        Some("VolumeFillsUp"),
        "not free enough yet"
    );
    // It is told, and taken back, while somebody holds the pause too.
    let world = step(pause(world, "somebody"), 500);
    assert_eq!(risk(&world), None);
    let world = step(world, 900);
    assert_eq!(risk(&world).as_deref(), Some("VolumeFillsUp"));
}

#[test]
fn wal_of_the_users_own_that_does_not_fit_is_told() {
    let replication = json!({"replication": {"walLimitPolicy": "WALKeepSize", "walKeepSize": 1536}});
    let plan = decide(&running(replication));
    let (status, reason, message) = set(&plan, "StorageAtRisk").expect("StorageAtRisk");
    assert!(
        status && reason == "WALDoesNotFit" && message.contains("walKeepSize"),
        "{message}"
    );
}

#[test]
fn the_health_check_follows_the_primary_service() {
    let at = |template: serde_json::Value| {
        let mut world = running(json!({"serviceTemplates": [template]}));
        for child in &mut world.live {
            if let provisioner::child::Child::Service(service) = child {
                let spec = service.spec.as_mut().expect("a spec");
                spec.cluster_ip.get_or_insert_with(|| "10.1.2.3".to_owned());
            }
        }
        let found = targets(&world, &decide(&world)).expect("targets");
        assert_eq!(
            (found.major, found.volume_bytes),
            (Some(Major::new(17)), Some(1 << 30))
        );
        found.service.map(|(_, port)| port)
    };
    assert_eq!(at(json!({"alias": "primary"})), Some(5432));
    let ports = |ports: serde_json::Value| json!({"alias": "primary", "spec": {"ports": ports}});
    assert_eq!(at(ports(json!([{"name": "primary", "port": 5433}]))), Some(5433));
    assert_eq!(
        at(ports(
            json!([{"name": "primary", "port": 6432, "targetPort": 6432}])
        )),
        None
    );
    let headless = json!({"alias": "primary", "spec": {"clusterIP": "None"}});
    assert_eq!(at(headless), None);
}

/// Kubernetes refuses another address for a Service that exists: that holds this Service, and nothing else.
#[test]
fn an_address_that_a_service_cannot_get_holds_that_service_alone() {
    let with_address = |address: &str| {
        let mut world = running(json!({}));
        for child in &mut world.live {
            if let provisioner::child::Child::Service(service) = child
                && service.metadata.name.as_deref() == Some("pg")
            {
                service.spec.as_mut().expect("a spec").cluster_ip = Some(address.to_owned());
            }
        }
        edit(world, |spec| spec.replicas = Some(5))
    };
    let asking = |world: World, address: &str| {
        let template = json!([{"alias": "primary", "spec": {"clusterIP": address}}]);
        edit(world, |spec| {
            spec.service_templates = serde_json::from_value(template).expect("a template")
        })
    };
    let headless = asking(with_address("10.1.2.3"), "None");
    let others = ["apply PodDisruptionBudget pg", "apply PetSet pg"];
    assert_eq!(actions(&decide(&headless)), others);
    let (reason, message) = spec_applied(&headless);
    assert_eq!(reason, "InvalidSpec");
    assert!(
        message.contains("[primary].spec.clusterIP") && message.contains("10.1.2.3"),
        "{message}"
    );
    let other = asking(with_address("10.1.2.3"), "10.1.2.4");
    assert_eq!(spec_applied(&other).0, "InvalidSpec");
    let same = asking(with_address("10.1.2.3"), "10.1.2.3");
    assert_eq!(
        actions(&decide(&same)),
        ["apply Service pg", others[0], others[1]]
    );
    let back = with_address("None");
    assert!(spec_applied(&back).1.contains("no address"));
}
