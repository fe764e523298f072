//! `spec.storage` of a database that has volumes.

mod world;

use api_types::postgres::StorageType;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec};
use provisioner::child::Child;
use provisioner::decide::decide;
use provisioner::plan::{Action, Plan};
use provisioner::world::World;
use serde_json::{Value, json};
use world::*;

const BORN: &str = "standard";

fn storage(more: &Value) -> Value {
    let mut spec = json!({"accessModes": ["ReadWriteOnce"], "storageClassName": BORN,
                          "resources": {"requests": {"storage": "1Gi"}}});
    json_patch::merge(&mut spec, more);
    spec
}

fn bound(ordinal: i32) -> PersistentVolumeClaim {
    let mut spec = storage(&json!({"volumeMode": "Filesystem"}));
    spec["volumeName"] = json!(format!("pv-{ordinal}"));
    serde_json::from_value(
        json!({"metadata": {"name": format!("data-pg-{ordinal}"), "namespace": "shop"},
                                  "spec": spec, "status": {"phase": "Bound"}}),
    )
    .expect("a claim")
}

/// A running database whose members have volumes.
fn born() -> World {
    let mut world = running(json!({"storage": storage(&json!({}))}));
    world.leftovers.claims = (0..3).map(bound).collect();
    world
}

fn edited(world: World, more: &Value) -> World {
    let wanted: PersistentVolumeClaimSpec = serde_json::from_value(storage(more)).expect("a spec");
    edit(world, |spec| spec.storage = Some(wanted))
}

/// The claim template that the plan applies; none when the PetSet is left as it is.
fn template(plan: &Plan) -> Option<PersistentVolumeClaimSpec> {
    plan.actions.iter().find_map(|action| match action {
        Action::Apply(Child::PetSet(pet_set)) => pet_set.spec.volume_claim_templates[0].spec.clone(),
        _ => None,
    })
}

/// What is edited, the reason, what the message says.
fn edits() -> Vec<(Value, &'static str, &'static [&'static str])> {
    vec![
        (
            json!({"resources": {"requests": {"storage": "2Gi"}}}),
            "VolumeExpansionNeeded",
            &["asks for 2Gi", "made with 1Gi", "VolumeExpansion"],
        ),
        (
            json!({"resources": {"requests": {"storage": "1100Mi"}}}),
            "VolumeExpansionNeeded",
            &["asks for 1100Mi"],
        ),
        (
            json!({"resources": {"requests": {"storage": "512Mi"}}}),
            "StorageFixed",
            &["asks for 512Mi", "write 1Gi back"],
        ),
        (
            json!({"storageClassName": "fast"}),
            "StorageMigrationNeeded",
            &["\"fast\"", "\"standard\"", "StorageMigration"],
        ),
        (
            json!({"storageClassName": null}),
            "StorageMigrationNeeded",
            &["the default class", "\"standard\""],
        ),
        (
            json!({"accessModes": ["ReadWriteOncePod"]}),
            "StorageFixed",
            &["spec.storage.accessModes"],
        ),
        (
            json!({"volumeMode": "Block"}),
            "StorageFixed",
            &["spec.storage.volumeMode"],
        ),
        (
            json!({"selector": {"matchLabels": {"a": "b"}}}),
            "StorageFixed",
            &["spec.storage.selector"],
        ),
        (
            json!({"volumeName": "pv-9"}),
            "StorageFixed",
            &["spec.storage.volumeName"],
        ),
        (
            json!({"volumeAttributesClassName": "gold"}),
            "StorageFixed",
            &["spec.storage.volumeAttributesClassName"],
        ),
        (
            json!({"dataSource": {"kind": "VolumeSnapshot", "name": "x"}}),
            "StorageFixed",
            &["spec.storage.dataSource"],
        ),
        (
            json!({"resources": {"limits": {"storage": "5Gi"}}}),
            "StorageFixed",
            &["spec.storage.resources.limits"],
        ),
        (
            json!({"storageClassName": "fast", "resources": {"requests": {"storage": "2Gi"}}}),
            "StorageMigrationNeeded",
            &["\"fast\"", "asks for 2Gi"],
        ),
    ]
}

#[test]
fn every_edit_of_a_running_databases_storage_is_held_and_says_how_to_get_it() {
    for (more, reason, parts) in edits() {
        let plan = decide(&edited(born(), &more));
        let (status, found, message) = set(&plan, "SpecApplied").unwrap_or_else(|| panic!("{more} is held"));
        assert!(!status && found == reason, "{more}: {found}");
        for part in parts {
            assert!(message.contains(part), "{more}: {message}");
        }
        assert!(message.contains("go on as they are"), "{message}");
        assert_eq!(template(&plan), None, "{more}: the PetSet keeps its template");
        assert!(
            plan.news.iter().any(|news| news.warning && news.reason == reason),
            "{more}"
        );
    }
}

#[test]
fn the_same_in_other_words_is_no_edit() {
    for same in [
        json!({}),
        json!({"resources": {"requests": {"storage": "1024Mi"}}}),
    ] {
        let plan = decide(&edited(born(), &same));
        assert!(
            set(&plan, "SpecApplied").is_none_or(|it| it.1 != "VolumeExpansionNeeded"),
            "{same}"
        );
        assert!(set(&plan, "SpecApplied").is_none(), "{same}");
    }
}

/// What is held is the storage only: members are added as before, with volumes like the others'.
#[test]
fn other_edits_go_on_and_a_member_that_is_added_is_like_the_others() {
    let world = edited(born(), &json!({"resources": {"requests": {"storage": "2Gi"}}}));
    let plan = decide(&edit(world, |spec| spec.replicas = Some(5)));
    let made = template(&plan).expect("the PetSet gets its replicas");
    assert_eq!(serde_json::to_value(made).expect("JSON"), storage(&json!({})));
}

#[test]
fn the_old_value_back_ends_it() {
    let held = edited(born(), &json!({"storageClassName": "fast"}));
    let plan = decide(&held);
    let back = edited(reported(held, &plan), &json!({}));
    assert!(removes(&decide(&back), "SpecApplied"));
}

/// While it is down, and when it was made again over volumes that were kept, the volumes are the record.
#[test]
fn volumes_that_were_kept_are_the_record_when_there_is_no_petset() {
    let again = |more: &Value| {
        let mut world = fresh(json!({"storage": storage(more)}));
        world.leftovers.claims = (0..3).map(bound).collect();
        world
    };
    for (more, reason, _) in edits() {
        let plan = decide(&again(&more));
        let found = set(&plan, "SpecApplied").map(|it| it.1);
        let made = template(&plan).expect("the PetSet is made");
        let size = made
            .resources
            .as_ref()
            .and_then(|it| it.requests.as_ref()?.get("storage"))
            .map(|it| it.0.clone());
        assert_eq!(size.as_deref(), Some("1Gi"), "{more}");
        // What the spec leaves out or was done at the volumes' birth can't be told from them.
        let is_told = ["storageClassName", "accessModes", "resources", "volumeMode"]
            .iter()
            .any(|field| more.get(*field).is_some_and(|value| !value.is_null()));
        assert_eq!(found, is_told.then_some(reason), "{more}");
    }
}

#[test]
fn before_there_is_a_volume_everything_follows_the_spec() {
    let mut world = born();
    for claim in &mut world.leftovers.claims {
        claim.status = serde_json::from_value(json!({"phase": "Pending"})).ok();
    }
    let plan = decide(&edited(world, &json!({"storageClassName": "fast"})));
    assert_eq!(
        template(&plan).and_then(|it| it.storage_class_name).as_deref(),
        Some("fast")
    );
    assert!(set(&plan, "SpecApplied").is_none());
}

/// A durable database was halted and deleted, and an ephemeral one of its name is applied.
#[test]
fn data_on_volumes_is_never_left_beside_an_ephemeral_database() {
    let mut world = fresh(json!({}));
    world.leftovers.claims = vec![bound(0)];
    let world = edit(world, |spec| spec.storage_type = Some(StorageType::Ephemeral));
    let plan = decide(&world);
    let (status, reason, message) = set(&plan, "ProvisioningStarted").expect("a condition");
    assert!(
        !status && reason == "InvalidSpec" && message.contains("data-pg-0"),
        "{message}"
    );
    assert!(
        !actions(&plan)
            .iter()
            .any(|action| action.starts_with("apply PetSet"))
    );
}

/// A request that builds the children meanwhile takes the storage from the PetSet, as the provisioner does.
#[test]
fn a_request_does_not_carry_out_an_edit_of_the_storage_by_the_way() {
    for (more, _, _) in edits() {
        let world = edited(born(), &more);
        let version = version("17.4", "17.12");
        let inputs = blueprint::Inputs {
            postgres: &world.postgres,
            version: &version,
            user_conf: None,
            tls: blueprint::TlsInputs::default(),
            live: blueprint::LiveFacts::from_pet_set(world.pet_set()),
        };
        let resolved = blueprint::resolve(&inputs).expect("a good spec");
        let built = blueprint::build(&resolved).pet_set;
        assert_eq!(
            blueprint::storage_of(&built),
            world.pet_set().and_then(blueprint::storage_of),
            "{more}"
        );
    }
}
