//! What the members were born with and follow now: another major version, other credentials.

mod world;

use std::sync::Arc;

use api_types::Major;
use api_types::deployed::{Deployed, DeployedVersion};
use api_types::roles::OPERATOR;
use blueprint::AuthInForce;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim};
use provisioner::decide::{decide, targets::targets};
use provisioner::health::{Report, Tried};
use provisioner::plan::Plan;
use provisioner::world::{Version, World};
use serde_json::{Value, json};
use world::*;

const BORN: &str = "2025-06-01T00:00:00Z";
const LATER: &str = "2026-01-01T00:00:00Z";

/// A bound claim as the PetSet's template makes it.
fn born_claim(world: &World, ordinal: i32) -> PersistentVolumeClaim {
    let template = &world.pet_set().expect("a PetSet").spec.volume_claim_templates[0];
    let annotations = template.metadata.annotations.clone();
    serde_json::from_value(json!({
        "metadata": {"name": format!("data-pg-{ordinal}"), "annotations": annotations, "creationTimestamp": BORN},
        "spec": {"storageClassName": "standard", "resources": {"requests": {"storage": "1Gi"}}},
        "status": {"phase": "Bound", "capacity": {"storage": "2Gi"}},
    }))
    .expect("a claim")
}

fn patroni(annotations: &Value) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": "pg-config", "namespace": "shop",
        "labels": blueprint::labels::selector("pg"), "annotations": annotations}}))
    .expect("a ConfigMap")
}

/// A running database of PostgreSQL 15, with data.
fn of_15() -> World {
    let mut world = fresh(json!({"version": "15.5"}));
    world.version = Version::Found(Box::new(version("15.5", "15.5")));
    created(&mut world, BORN);
    let mut world = settle(world);
    world.leftovers.claims = (0..3).map(|ordinal| born_claim(&world, ordinal)).collect();
    world.patroni = Some(patroni(&json!({"initialize": "7412", "config": "{}"})));
    let plan = decide(&world);
    reported(applied(world, &plan), &plan)
}

/// What is written, but for Patroni's ConfigMap, which is another test's.
fn writes(plan: &Plan) -> Vec<String> {
    let of_patroni = |action: &String| action == "configure Patroni" || action.starts_with("guard ");
    actions(plan)
        .into_iter()
        .filter(|action| !of_patroni(action))
        .collect()
}

fn created(world: &mut World, at: &str) {
    Arc::make_mut(&mut world.postgres).metadata.creation_timestamp = serde_json::from_value(json!(at)).ok();
}

fn with_version(world: World, name: &str, real: &str) -> World {
    let mut world = edit(world, |spec| name.clone_into(&mut spec.version));
    world.version = Version::Found(Box::new(version(name, real)));
    world
}

fn halted(world: World) -> World {
    let mut world = edit(world, |spec| spec.halted = Some(true));
    for _ in 0..3 {
        let plan = decide(&world);
        world = reported(applied(world, &plan), &plan);
        world.pods.clear();
    }
    world
}

/// The same database, deleted with its data kept, and created again.
fn created_again(before: &World, name: &str, real: &str) -> World {
    let mut world = fresh(json!({"version": name}));
    world.version = Version::Found(Box::new(version(name, real)));
    created(&mut world, LATER);
    world.leftovers.claims.clone_from(&before.leftovers.claims);
    world.patroni.clone_from(&before.patroni);
    secrets_of(&mut world).in_force = secrets_of(&mut before.clone()).in_force.clone();
    world
}

fn deployed(world: &World) -> &Deployed {
    world.postgres.deployed().expect("status.deployed")
}

/// Held, with a message that names the data's version and what to write; no member is made.
fn is_held(world: &World, what: &str) -> Plan {
    let plan = decide(world);
    let (status, reason, message) = set(&plan, "SpecApplied").unwrap_or_else(|| panic!("{what}: not held"));
    assert!(
        !status && reason == "UpdateVersionNeeded",
        "{what}: {reason} {message}"
    );
    for part in ["\"17.4\" is PostgreSQL 17", "of PostgreSQL 15", "\"15.5\""] {
        assert!(message.contains(part), "{what}: {part}: {message}");
    }
    assert!(
        plan.news.iter().any(|news| news.warning && news.reason == reason),
        "{what}"
    );
    assert!(!actions(&plan).contains(&"apply PetSet pg".to_owned()), "{what}");
    plan
}

#[test]
fn the_record_says_what_the_members_have() {
    let world = of_15();
    let deployed = deployed(&world);
    assert_eq!(
        deployed.version,
        DeployedVersion {
            name: "15.5".into(),
            major: Major::new(15),
            image: "postgres:15.5".into()
        }
    );
    let auth = deployed.auth.as_ref().expect("credentials");
    assert_eq!(
        (auth.secret_name.as_str(), auth.username.as_str(), auth.revision),
        ("pg-auth", "postgres", 1)
    );
    let storage = deployed.storage.as_ref().expect("storage");
    assert_eq!(storage.storage_class_name.as_deref(), Some("standard"));
    assert_eq!(
        storage.size.as_ref().map(|size| size.0.as_str()),
        Some("2Gi"),
        "as bound"
    );
    assert_eq!(
        (deployed.run_as_user, deployed.run_as_group),
        (Some(999), Some(999))
    );
    let claims = &world.leftovers.claims;
    let of_claim = DeployedVersion::of_annotations(claims[0].metadata.annotations.as_ref());
    assert_eq!(of_claim.as_ref(), Some(&deployed.version), "before there is data");
    let status = serde_json::to_string(&world.postgres.status).expect("JSON");
    assert!(!status.contains("password"), "{status}");
}

#[test]
fn another_major_is_held_while_there_is_data_and_the_old_one_always_works() {
    let running = of_15();
    is_held(&with_version(running.clone(), "17.4", "17.12"), "running");

    let down = halted(running.clone());
    assert_eq!(
        down.postgres.deployed().map(|it| it.version.major),
        Some(Major::new(15)),
        "survives a halt"
    );
    let edited = with_version(down.clone(), "17.4", "17.12");
    let plan = is_held(&edited, "halted");
    let resumed = edit(reported(edited, &plan), |spec| spec.halted = None);
    let plan = is_held(&resumed, "resumed");
    assert!(set(&plan, "Ready").is_some_and(|it| it.1 == "UpdateVersionNeeded"));
    let again = created_again(&running, "17.4", "17.12");
    let plan = is_held(&again, "created again");
    let again = reported(again, &plan);
    assert_eq!(deployed(&again).version.major, Major::new(15), "found again");

    for (world, what) in [(resumed, "resumed"), (again, "created again")] {
        let back = with_version(world, "15.5", "15.5");
        let plan = decide(&back);
        assert!(actions(&plan).contains(&"apply PetSet pg".to_owned()), "{what}");
        assert!(removes(&plan, "SpecApplied"), "{what}");
    }
    let back = with_version(with_version(down, "17.4", "17.12"), "15.5", "15.5");
    assert!(removes(&decide(&back), "SpecApplied"), "halted");
}

#[test]
fn a_minor_version_of_the_same_major_is_taken_up_after_a_halt_and_told() {
    let edited = with_version(halted(of_15()), "15.8", "15.8");
    let plan = decide(&edited);
    assert!(removes(&plan, "SpecApplied"));
    let resumed = edit(reported(edited, &plan), |spec| spec.halted = None);
    let plan = decide(&resumed);
    assert!(actions(&plan).contains(&"apply PetSet pg".to_owned()));
    let told = plan
        .news
        .iter()
        .find(|news| news.reason == "VersionChanged")
        .expect("an Event");
    assert!(
        !told.warning && told.note.contains("\"15.8\"") && told.note.contains("\"15.5\""),
        "{told:?}"
    );
    assert_eq!(deployed(&reported(resumed, &plan)).version.name, "15.8");
}

/// A first version that does not come up may be corrected: Patroni has not begun to make the database.
#[test]
fn without_data_any_version_may_be_written() {
    let mut world = fresh(json!({"version": "15.5"}));
    world.version = Version::Found(Box::new(version("15.5", "15.5")));
    created(&mut world, BORN);
    let plan = decide(&world);
    let mut world = reported(applied(world, &plan), &plan);
    world.leftovers.claims = (0..3).map(|ordinal| born_claim(&world, ordinal)).collect();
    let corrected = with_version(world.clone(), "17.4", "17.12");
    assert!(actions(&decide(&corrected)).contains(&"apply PetSet pg".to_owned()));
    world.patroni = Some(patroni(&json!({"initialize": ""})));
    is_held(&with_version(world, "17.4", "17.12"), "it may have begun");
}

#[test]
fn the_record_goes_with_the_data() {
    let mut down = halted(of_15());
    down.leftovers.claims.clear();
    let plan = decide(&down);
    assert_eq!(reported(down, &plan).postgres.deployed(), None);
}

// The credentials.

fn with_auth(mut world: World, name: &str, username: &str, password: &str) -> World {
    let secret = secret(name, &[("username", username), ("password", password)]);
    secrets_of(&mut world).auth = Some(secret);
    if name != "pg-auth" {
        world = edit(world, |spec| {
            spec.auth_secret.get_or_insert_default().name = name.to_owned();
        });
    }
    world
}

fn held_auth(plan: &Plan) -> Option<String> {
    set(plan, "SpecApplied")
        .filter(|it| it.1 == "RotateAuthNeeded")
        .map(|it| it.2.to_owned())
}

/// What health checks log in with, and what members start with.
/// As whom the operators log in: never as the user's superuser.
fn login(world: &World, plan: &Plan) -> String {
    targets(world, plan).expect("targets").login.username
}

#[test]
fn other_credentials_are_held_with_secret_and_key_and_everybody_goes_on() {
    let table = [
        (("pg-auth", "postgres", "new"), ["\"pg-auth\"", "key password"]),
        (("pg-auth", "admin", "x"), ["\"pg-auth\"", "key username"]),
        (("mine", "postgres", "new"), ["\"mine\"", "key password"]),
        (("mine", "admin", "x"), ["\"mine\"", "key username"]),
    ];
    for ((name, username, password), parts) in table {
        let world = with_auth(of_15(), name, username, password);
        let plan = decide(&world);
        let message = held_auth(&plan).unwrap_or_else(|| panic!("{name} {username}: {:?}", plan.changes));
        for part in parts
            .into_iter()
            .chain(["pg-auth-in-force", "rite the old value back"])
        {
            assert!(message.contains(part), "{part}: {message}");
        }
        assert!(
            !message.contains("\"new\"") && !message.contains("\"x\""),
            "{message}"
        );
        assert_eq!(
            writes(&plan),
            Vec::<String>::new(),
            "{name} {username}: nothing is written"
        );
        assert_eq!(login(&world, &plan), OPERATOR);
        let after = reported(world, &plan);
        let auth = deployed(&after).auth.clone().expect("credentials");
        assert_eq!((auth.secret_name.as_str(), auth.revision), ("pg-auth", 1));
    }
}

#[test]
fn a_secret_of_another_name_with_the_same_credentials_is_followed() {
    let world = with_auth(of_15(), "mine", "postgres", "x");
    let plan = decide(&world);
    assert_eq!(held_auth(&plan), None);
    let all = actions(&plan);
    assert!(all.contains(&"keep credentials".to_owned()), "{all:?}");
    assert!(all.contains(&"apply AppBinding pg".to_owned()), "{all:?}");
    let after = reported(applied(world, &plan), &plan);
    assert_eq!(
        deployed(&after).auth.as_ref().map(|it| it.secret_name.as_str()),
        Some("mine")
    );
}

#[test]
fn a_password_that_opens_the_database_counts() {
    let mut world = with_auth(of_15(), "pg-auth", "postgres", "new");
    let tried = targets(&world, &decide(&world))
        .expect("targets")
        .candidate
        .map(|it| it.password);
    assert_eq!(tried.as_deref(), Some("new"), "it is tried");
    let report = world.health.as_deref().cloned().expect("a report");
    world.health = Some(Arc::new(Report {
        opened_by: Some(Tried::of("postgres", "other")),
        ..report.clone()
    }));
    assert!(held_auth(&decide(&world)).is_some(), "another one was tried");
    world.health = Some(Arc::new(Report {
        opened_by: Some(Tried::of("postgres", "new")),
        ..report
    }));
    let plan = decide(&world);
    assert_eq!(held_auth(&plan), None);
    assert!(actions(&plan).contains(&"keep credentials".to_owned()));
    let after = reported(applied(world, &plan), &plan);
    let kept = secrets_of(&mut after.clone()).in_force.clone().expect("a Secret");
    let kept = AuthInForce::of_secret(&kept).map(|it| it.superuser.password.to_owned());
    assert_eq!(kept.as_deref(), Some("new"));
    assert_eq!(deployed(&after).auth.as_ref().map(|it| it.revision), Some(2));
    let plan = decide(&after);
    assert_eq!(
        targets(&after, &plan)
            .expect("targets")
            .candidate
            .map(|it| it.password),
        None,
        "nothing to try any more"
    );
}

/// The role is another one: nobody knows what it may do.
#[test]
fn another_user_name_is_not_tried() {
    let world = with_auth(of_15(), "pg-auth", "admin", "x");
    assert_eq!(
        targets(&world, &decide(&world))
            .expect("targets")
            .candidate
            .map(|it| it.password),
        None
    );
}

#[test]
fn credentials_are_kept_before_members_start_and_outlive_the_postgres_with_the_data() {
    let plan = decide(&fresh(json!({})));
    let all = actions(&plan);
    let at = |what: &str| {
        all.iter()
            .position(|it| it == what)
            .unwrap_or_else(|| panic!("{what} in {all:?}"))
    };
    assert!(at("keep credentials") < at("apply PetSet pg"));

    let running = of_15();
    let again = with_auth(
        created_again(&running, "15.5", "15.5"),
        "pg-auth",
        "postgres",
        "new",
    );
    let plan = decide(&again);
    assert!(held_auth(&plan).is_some(), "old data has the old password");
    assert!(
        actions(&plan).contains(&"apply PetSet pg".to_owned()),
        "and members start with it"
    );
    assert!(!actions(&plan).contains(&"keep credentials".to_owned()));

    let mut empty = again;
    empty.leftovers.claims.clear();
    empty.patroni = None;
    assert!(
        actions(&decide(&empty)).contains(&"keep credentials".to_owned()),
        "no data, no old password"
    );
}

#[test]
fn the_kept_credentials_go_with_the_data() {
    for (policy, goes) in [("Halt", false), ("Delete", true), ("WipeOut", true)] {
        let mut world = delete(edit(of_15(), |spec| {
            spec.deletion_policy = serde_json::from_value(json!(policy)).ok();
        }));
        world.live.clear();
        world.pods.clear();
        world.leftovers.claims.clear();
        let plan = decide(&world);
        let name = |secret: &k8s_openapi::api::core::v1::Secret| secret.metadata.name.clone();
        let is_deleted = plan.actions.iter().any(|action| match action {
            provisioner::plan::Action::DeleteSecret(secret) => {
                name(secret).as_deref() == Some("pg-auth-in-force")
            }
            _ => false,
        });
        assert_eq!(is_deleted, goes, "{policy}");
    }
}

#[test]
fn a_secret_of_somebody_else_under_the_name_of_the_kept_one_is_left_alone() {
    let mut world = fresh(json!({}));
    secrets_of(&mut world).in_force = Some(secret("pg-auth-in-force", &[("a", "b")]));
    let plan = decide(&world);
    let (_, reason, message) = set(&plan, "Ready").expect("a condition");
    assert_eq!(reason, "NameTaken");
    assert!(message.contains("Secret pg-auth-in-force"), "{message}");
    assert!(plan.actions.is_empty());
}

#[test]
fn a_damaged_kept_secret_is_written_again() {
    let mut world = of_15();
    let kept = secrets_of(&mut world).in_force.as_mut().expect("a Secret");
    kept.data
        .get_or_insert_default()
        .insert("password".into(), ByteString(vec![]));
    assert_eq!(writes(&decide(&world)), ["keep credentials"]);
}
