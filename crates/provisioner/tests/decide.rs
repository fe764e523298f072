//! What is decided for a database in each state it can be in.

mod world;

use api_types::postgres::{DatabasePhase, DeletionPolicy};
use api_types::tls::{CertificateAlias, SslMode};
use provisioner::child::Child;
use provisioner::decide::decide;
use provisioner::plan::Action;
use provisioner::world::{Secrets, UserConf, Version, World};
use serde_json::json;
use world::*;

#[test]
fn a_fresh_database_gets_its_children_in_order() {
    let plan = decide(&fresh(json!({})));
    let expected = [
        "keep credentials",
        "apply ServiceAccount pg",
        "apply Role pg",
        "apply RoleBinding pg",
        "apply Service pg",
        "apply Service pg-standby",
        "apply Service pg-pods",
        "apply PodDisruptionBudget pg",
        "apply Secret pg-bc1234",
        "apply PetSet pg",
        "apply AppBinding pg",
    ];
    assert_eq!(actions(&plan), expected);
    assert!(plan.acts_on_spec);
}

#[test]
fn the_first_pass_takes_the_object_over() {
    let mut world = fresh(json!({}));
    let postgres = std::sync::Arc::make_mut(&mut world.postgres);
    postgres.metadata.finalizers = None;
    postgres.spec.auth_secret = None;
    secrets_of(&mut world).auth = None;
    let actions = actions(&decide(&world));
    assert_eq!(actions[..3], ["add finalizer", "create auth", "name pg-auth"]);

    world.secrets = Secrets::Denied;
    assert_eq!(self::actions(&decide(&world)), ["add finalizer", "grant secrets"]);
}

#[test]
fn a_running_database_needs_nothing() {
    for spec in [json!({}), json!({"replicas": 1}), tls()] {
        let world = running(spec);
        let plan = decide(&world);
        assert_eq!(actions(&plan), Vec::<String>::new());
        assert_eq!(
            world.postgres.status.as_ref().and_then(|status| status.phase),
            Some(DatabasePhase::Ready)
        );
        assert_eq!(
            reported(world.clone(), &plan).postgres,
            world.postgres,
            "the status is settled too"
        );
    }
}

#[test]
fn a_child_edited_by_hand_is_put_right() {
    let mut world = running(json!({}));
    for child in &mut world.live {
        if let Child::PetSet(pet_set) = child {
            pet_set.spec.replicas = Some(2);
        }
    }
    assert_eq!(actions(&decide(&world)), ["apply PetSet pg"]);
    assert_eq!(
        actions(&decide(&pause(world, "restart-1/uid"))),
        Vec::<String>::new(),
        "not while paused"
    );
}

#[test]
fn members_wait_for_their_certificates() {
    let world = fresh(tls());
    let plan = decide(&world);
    assert!(
        !actions(&plan)
            .iter()
            .any(|it| it.contains("PetSet") || it.contains("Secret") || it.contains("AppBinding"))
    );
    assert_eq!(actions(&plan)[1], "apply Certificate pg-server-cert");
    assert!(
        plan.waits_for
            .as_deref()
            .unwrap()
            .starts_with("Certificate pg-server-cert")
    );

    let mut issued = applied(world, &plan);
    let plan = decide(&issued);
    assert_eq!(
        actions(&plan),
        ["apply Secret pg-bc1234", "apply PetSet pg", "apply AppBinding pg"]
    );

    secrets_of(&mut issued)
        .certificates
        .remove(&CertificateAlias::Client);
    let plan = decide(&issued);
    assert_eq!(
        plan.waits_for.as_deref(),
        Some("Certificate pg-client-cert: its Secret does not exist yet")
    );
}

#[test]
fn an_unknown_version_names_those_that_exist() {
    let mut world = fresh(json!({"version": "99.1"}));
    world.version = Version::Unknown {
        known: vec!["15.5".into(), "17.4".into()],
    };
    let plan = decide(&world);
    assert!(plan.actions.is_empty());
    let (status, reason, message) = set(&plan, "ProvisioningStarted").unwrap();
    assert!(
        !status && reason == "VersionNotFound" && message.contains("15.5, 17.4"),
        "{message}"
    );
    assert_eq!(set(&plan, "Ready").map(|it| it.0), Some(false));
}

#[test]
fn a_missing_user_configuration_is_named() {
    let world = with_user_conf(fresh(json!({})), UserConf::Missing("mine".into()));
    let (_, reason, message) = set(&decide(&world), "Ready")
        .map(|it| (it.0, it.1.to_owned(), it.2.to_owned()))
        .unwrap();
    assert!(
        reason == "InvalidSpec"
            && message.contains("spec.configuration.secretName")
            && message.contains("mine")
    );
}

#[test]
fn a_foreign_auth_secret_is_refused() {
    let mut world = fresh(json!({}));
    secrets_of(&mut world).auth.as_mut().unwrap().metadata.labels =
        Some(blueprint::labels::selector("other"));
    let plan = decide(&world);
    assert!(plan.actions.is_empty());
    let (_, reason, message) = set(&plan, "Ready").unwrap();
    assert!(
        reason == "InvalidAuthSecret" && message.contains("other"),
        "{message}"
    );
}

#[test]
fn tls_added_by_hand_waits_for_a_request() {
    let world = edit(running(json!({})), |spec| {
        spec.tls = serde_json::from_value(tls()["tls"].clone()).unwrap();
    });
    let plan = decide(&world);
    assert_eq!(actions(&plan), Vec::<String>::new());
    let (status, reason, message) = set(&plan, "SpecApplied").unwrap();
    assert!(
        !status && reason == "ReconfigureTLSNeeded" && message.contains("type ReconfigureTLS"),
        "{message}"
    );
}

#[test]
fn other_changes_to_tls_by_hand_wait_too() {
    let without = edit(running(tls()), |spec| spec.tls = None);
    let mode = edit(running(tls()), |spec| spec.ssl_mode = Some(SslMode::Require));
    let issuer = edit(running(tls()), |spec| {
        spec.tls.as_mut().unwrap().issuer_ref.as_mut().unwrap().name = "other".into();
    });
    let auth = edit(running(json!({})), |spec| {
        spec.client_auth_mode = serde_json::from_value(json!("scram")).ok()
    });
    for world in [without, mode, issuer, auth] {
        let plan = decide(&world);
        assert_eq!(actions(&plan), Vec::<String>::new());
        assert_eq!(
            set(&plan, "SpecApplied").map(|it| it.1),
            Some("ReconfigureTLSNeeded")
        );
    }
}

#[test]
fn a_database_that_never_was_ready_follows_its_spec() {
    let mut world = running(json!({}));
    std::sync::Arc::make_mut(&mut world.postgres).status = None;
    let world = edit(world, |spec| {
        spec.tls = serde_json::from_value(tls()["tls"].clone()).unwrap()
    });
    assert_eq!(actions(&decide(&world))[0], "apply Certificate pg-server-cert");
}

#[test]
fn a_version_change_waits_for_a_request() {
    for (name, real, part) in [
        (
            "17.11",
            "17.11",
            "ops-manager makes a PostgresOpsRequest of type UpdateVersion",
        ),
        (
            "15.5",
            "15.18",
            "type UpdateVersion do not go to another major version yet",
        ),
        // The catalog has another image under the name by now.
        ("17.4", "17.13", "with targetVersion: \"17.4\""),
    ] {
        let mut world = edit(running(json!({})), |spec| spec.version = name.into());
        world.version = Version::Found(Box::new(version(name, real)));
        let record = json!({"version": {"name": "17.4", "major": 17, "image": "postgres:17.12"}});
        let postgres = std::sync::Arc::make_mut(&mut world.postgres);
        postgres.status.get_or_insert_default().deployed = serde_json::from_value(record).unwrap();
        let plan = decide(&world);
        assert_eq!(actions(&plan), Vec::<String>::new(), "{name}");
        let (_, reason, message) = set(&plan, "SpecApplied").unwrap();
        assert!(
            reason == "UpdateVersionNeeded" && message.contains(part),
            "{name}: {message}"
        );
    }
}

/// The number of members that the PetSet has.
fn with_members(mut world: World, replicas: i32) -> World {
    for child in &mut world.live {
        if let Child::PetSet(pet_set) = child {
            pet_set.spec.replicas = Some(replicas);
        }
    }
    world
}

#[test]
fn members_join_by_an_edit_of_replicas_and_leave_by_an_operation() {
    let down = edit(running(json!({})), |spec| spec.replicas = Some(1));
    let plan = decide(&down);
    assert_eq!(
        actions(&plan),
        Vec::<String>::new(),
        "members leave by an operation"
    );
    let held = reported(down.clone(), &plan);
    let applied = condition(&held, "SpecApplied").expect("SpecApplied");
    assert_eq!(applied.reason.as_deref(), Some("HorizontalScalingNeeded"));
    let left = with_members(down, 1);
    let actions_left = actions(&decide(&left));
    assert!(
        actions_left.contains(&"delete Service pg-standby".to_owned()),
        "{actions_left:?}"
    );
    assert!(
        actions_left.contains(&"delete PodDisruptionBudget pg".to_owned()),
        "{actions_left:?}"
    );
    let up = edit(running(json!({"replicas": 1})), |spec| spec.replicas = Some(3));
    assert!(actions(&decide(&up)).contains(&"apply Service pg-standby".to_owned()));
}

#[test]
fn deletion_follows_its_policy() {
    use DeletionPolicy::{Delete, Halt, WipeOut};
    let gone = |policy| {
        let mut world = delete(edit(running(json!({})), |spec| {
            spec.deletion_policy = Some(policy)
        }));
        world.live.retain(|child| !matches!(child, Child::PetSet(_)));
        world.pods.clear();
        world
    };
    let with_claim = |policy| {
        let mut world = gone(policy);
        world.leftovers.claims.push(claim(0));
        actions(&decide(&world))
    };
    assert_eq!(with_claim(Halt), ["release auth", "remove finalizer"]);
    assert_eq!(with_claim(Delete), ["delete claim data-pg-0"]);
    assert_eq!(with_claim(WipeOut), ["delete claim data-pg-0"]);
    assert_eq!(
        actions(&decide(&gone(Delete))),
        ["forget credentials", "release auth", "remove finalizer"]
    );
    assert_eq!(
        actions(&decide(&gone(WipeOut))),
        ["forget credentials", "delete auth", "remove finalizer"]
    );
    let mut shared = gone(WipeOut);
    secrets_of(&mut shared).auth_is_shared = true;
    assert_eq!(
        actions(&decide(&shared)),
        ["forget credentials", "release auth", "remove finalizer"]
    );
}

#[test]
fn members_go_before_their_volumes() {
    let mut world = delete(running(json!({"deletionPolicy": "WipeOut"})));
    world.leftovers.claims.push(claim(0));
    assert_eq!(actions(&decide(&world)), ["delete PetSet pg"]);
    world.live.retain(|child| !matches!(child, Child::PetSet(_)));
    let plan = decide(&world);
    assert!(plan.actions.is_empty());
    assert_eq!(plan.waits_for.as_deref(), Some("3 Pods to end"));
}

#[test]
fn certificates_go_before_their_secrets() {
    let mut world = delete(running(tls()));
    world.live.retain(|child| !matches!(child, Child::PetSet(_)));
    world.pods.clear();
    for (alias, secret) in &mut secrets_of(&mut world).certificates {
        let name = api_types::names::certificate("pg", *alias);
        let annotation = ("cert-manager.io/certificate-name".to_owned(), name);
        secret.metadata.annotations = Some([annotation].into());
    }
    let plan = decide(&world);
    assert_eq!(actions(&plan)[0], "delete Certificate pg-server-cert");
    assert_eq!(plan.actions.len(), 3);
    let plan = decide(&applied(world, &plan));
    let secrets = plan
        .actions
        .iter()
        .filter(|action| matches!(action, Action::DeleteSecret(_)));
    assert_eq!(secrets.count(), 4, "with the credentials that were kept");
    assert_eq!(
        actions(&plan).last().map(String::as_str),
        Some("remove finalizer")
    );
}

#[test]
fn do_not_terminate_holds_and_the_database_goes_on() {
    let plan = decide(&delete(running(json!({"deletionPolicy": "DoNotTerminate"}))));
    assert!(plan.actions.is_empty() && plan.checks_health);
    let (status, _, message) = set(&plan, "DeletionBlocked").unwrap();
    assert!(
        status && message.contains("change spec.deletionPolicy"),
        "{message}"
    );
}

#[test]
fn a_halt_ends_the_members_before_their_rights() {
    let world = edit(running(tls()), |spec| spec.halted = Some(true));
    let plan = decide(&world);
    assert_eq!(
        actions(&plan),
        [
            "delete PodDisruptionBudget pg",
            "delete PetSet pg",
            "delete AppBinding pg"
        ]
    );
    assert!(set(&plan, "Halted").is_none());

    let mut ended = applied(world, &plan);
    ended.pods.clear();
    let plan = decide(&ended);
    let expected = [
        "delete ServiceAccount pg",
        "delete Role pg",
        "delete RoleBinding pg",
        "delete Service pg",
        "delete Service pg-standby",
        "delete Service pg-pods",
    ];
    assert_eq!(
        actions(&plan),
        expected,
        "Certificates and the config Secret stay"
    );
    assert_eq!(
        set(&plan, "Halted").map(|it| it.1),
        Some("DatabaseHaltedSuccessfully")
    );
    let halted = reported(applied(ended, &plan), &plan);
    assert_eq!(
        halted.postgres.status.as_ref().and_then(|status| status.phase),
        Some(DatabasePhase::Halted)
    );

    let resumed = edit(halted, |spec| spec.halted = Some(false));
    let plan = decide(&resumed);
    assert!(removes(&plan, "Halted"));
    assert!(actions(&plan).contains(&"apply PetSet pg".to_owned()));
}

#[test]
fn do_not_terminate_forbids_a_halt() {
    let world = edit(running(json!({"deletionPolicy": "DoNotTerminate"})), |spec| {
        spec.halted = Some(true)
    });
    let plan = decide(&world);
    assert!(plan.actions.is_empty());
    assert!(set(&plan, "SpecApplied").unwrap().2.contains("can't be halted"));
}

#[test]
fn a_lost_password_of_a_running_database_is_asked_for_and_not_made_anew() {
    let mut world = running(json!({}));
    secrets_of(&mut world).auth = None;
    let plan = decide(&world);
    assert!(plan.actions.is_empty(), "{:?}", actions(&plan));
    let (status, reason, message) = set(&plan, "SpecApplied").unwrap();
    assert!(!status && reason == "InvalidAuthSecret", "{reason}");
    assert!(message.contains("create it again"), "{message}");
}

#[test]
fn what_somebody_else_made_under_a_name_of_ours_is_left_alone() {
    let mut world = fresh(json!({}));
    let service =
        json!({"metadata": {"name": "pg", "namespace": "shop"}, "spec": {"selector": {"app": "web"}}});
    world.live = vec![Child::Service(
        serde_json::from_value(service).expect("a Service"),
    )];
    let plan = decide(&world);
    assert!(!actions(&plan).contains(&"apply Service pg".to_owned()));
    let (_, reason, why) = set(&plan, "Ready").expect("the cause");
    assert_eq!(reason, "NameTaken");
    assert!(
        why.contains("Service pg has a name that database pg needs, and was not made for this database"),
        "{why}"
    );
}

#[test]
fn a_deletion_takes_only_what_is_the_databases_own() {
    let config_map = |labels: serde_json::Value| {
        let map = json!({"metadata": {"name": "pg-config", "namespace": "shop", "labels": labels}});
        serde_json::from_value(map).expect("a ConfigMap")
    };
    let mut world = delete(fresh(json!({})));
    world.leftovers.patroni = vec![config_map(json!({"app": "web"}))];
    let foreign = json!({
        "metadata": {"name": "pg", "namespace": "shop", "uid": "f", "ownerReferences": [
            {"apiVersion": "v1", "kind": "Other", "name": "web", "uid": "other", "controller": true}]},
        "spec": {"replicas": 1, "serviceName": "web", "selector": {}, "template": {}},
    });
    world.live = vec![Child::PetSet(serde_json::from_value(foreign).expect("a PetSet"))];
    let did = actions(&decide(&world));
    assert!(
        !did.iter()
            .any(|it| it.contains("PetSet") || it.contains("configmap")),
        "{did:?}"
    );
    assert!(
        did.contains(&"remove finalizer".to_owned()),
        "and does not wait for it: {did:?}"
    );

    world.leftovers.patroni = vec![config_map(json!(blueprint::labels::selector("pg")))];
    let did = actions(&decide(&world));
    assert!(did.iter().any(|it| it.contains("configmap")), "{did:?}");
}

#[test]
fn patroni_follows_the_spec_of_a_database_that_was_ready_once() {
    let patroni_map = |labels: serde_json::Value| {
        let map = json!({"metadata": {"name": "pg-config", "namespace": "shop", "labels": labels, "annotations": {
            "config": r#"{"synchronous_mode":"off","postgresql":{"parameters":{}}}"#}}});
        serde_json::from_value(map).expect("a ConfigMap")
    };
    let ours = json!(blueprint::labels::selector("pg"));
    let configures = |world: &World| actions(&decide(world)).contains(&"configure Patroni".to_owned());

    let mut born = fresh(json!({"streamingMode": "Synchronous"}));
    born.patroni = Some(patroni_map(ours.clone()));
    assert!(!configures(&born), "its first member is being made");

    let mut world = running(json!({"streamingMode": "Synchronous"}));
    assert!(!configures(&world), "there is none");
    world.patroni = Some(patroni_map(json!({"app": "web"})));
    assert!(!configures(&world), "it is somebody else's");
    world.patroni = Some(patroni_map(ours));
    assert!(configures(&world));
    let news = decide(&world).news;
    let told = news
        .iter()
        .find(|news| news.reason == "DynamicConfigurationChanged");
    let note = told.map_or("", |news| news.note.as_str());
    assert!(note.contains(r#"synchronous_mode "off" → "quorum""#), "{note}");
    assert!(note.contains("type Restart"), "wal_level and its like: {note}");
}
