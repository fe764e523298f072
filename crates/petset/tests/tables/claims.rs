//! `claims`: how they are made, whom they belong to, which ones are made again.

use api_types::petset::ClaimRetention;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use petset::claims::{claim_name, claim_names, claims, doomed_by, has_volume, outdated, owners};
use serde_json::{Value, json};

use crate::build::{SET, all, claim, desired, moves, plan, pod, terminating, unbound, unscheduled, world};

#[test]
fn a_claim_is_made_as_the_template_says_with_labels_to_find_it_by() {
    let desired = desired(json!({"spec": {"volumeClaimTemplates": [
        {"metadata": {"name": "data", "labels": {"team": "a"}, "annotations": {"note": "b"}, "finalizers": ["x/y"]},
         "spec": {"accessModes": ["ReadWriteOnce"]}},
        {"metadata": {"name": "log"}, "spec": {}}]}}));
    assert_eq!(claim_names(&desired, 3), ["data-db-3", "log-db-3"]);
    assert_eq!(claim_name(&desired, "log", 0), "log-db-0");
    let made = claims(&desired, 3);
    let meta = &made[0].metadata;
    let labels = meta.labels.clone().expect("labels");
    assert_eq!((labels["team"].as_str(), labels["app"].as_str()), ("a", "db"));
    assert_eq!(meta.annotations.as_ref().expect("annotations")["note"], "b");
    assert_eq!(meta.finalizers.as_deref(), Some(&["x/y".to_owned()][..]));
    assert_eq!(
        meta.owner_references, None,
        "claims outlive their PetSet by default"
    );
}

fn reference(kind: &str, name: &str, uid: &str) -> OwnerReference {
    let api_version = match kind {
        "PetSet" => "apps.k8s.appscode.com/v1",
        _ => "v1",
    };
    OwnerReference {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
        ..OwnerReference::default()
    }
}

#[test]
fn owners_follow_the_retention_policy_and_foreign_ones_stay() {
    let set = || reference("PetSet", "db", SET);
    let of_pod = || reference("Pod", "db-0", "uid-of-db-0");
    let dead_pod = || reference("Pod", "db-0", "dead");
    let old_set = || OwnerReference {
        api_version: "apps/v1".into(),
        ..reference("PetSet", "db", "dead")
    };
    let foreign = || reference("ConfigMap", "x", "x");
    // When deleted, when scaled, replicas, owners before, owners after.
    let table = [
        ("Retain", "Retain", 1, vec![], vec![]),
        ("Delete", "Retain", 1, vec![], vec![set()]),
        ("Delete", "Retain", 1, vec![set()], vec![set()]),
        ("Retain", "Retain", 1, vec![set(), foreign()], vec![foreign()]),
        ("Retain", "Delete", 1, vec![], vec![]),
        ("Retain", "Delete", 0, vec![], vec![of_pod()]),
        ("Delete", "Delete", 0, vec![set()], vec![of_pod()]),
        ("Delete", "Retain", 0, vec![], vec![set()]),
        ("Retain", "Delete", 1, vec![of_pod()], vec![]),
        ("Retain", "Retain", 1, vec![dead_pod()], vec![]),
        ("Delete", "Retain", 1, vec![old_set()], vec![set()]),
        (
            "Delete",
            "Delete",
            0,
            vec![foreign(), dead_pod()],
            vec![foreign(), of_pod()],
        ),
    ];
    for (deleted, scaled, replicas, before, after) in table {
        let retention = json!({"whenDeleted": deleted, "whenScaled": scaled});
        let desired = desired(
            json!({"spec": {"replicas": replicas, "persistentVolumeClaimRetentionPolicy": retention}}),
        );
        let pod = pod(&desired, 0, json!({}));
        let found = owners(&desired, 0, Some(&pod), &before);
        assert_eq!(
            found, after,
            "{deleted}, {scaled}, {replicas} replicas, before: {before:?}"
        );
    }
}

#[test]
fn a_claim_of_a_dead_owner_is_doomed_only_while_the_policy_says_so() {
    let of_dead_pod = reference("Pod", "db-0", "dead");
    let of_live_pod = reference("Pod", "db-0", "uid-of-db-0");
    let of_dead_set = reference("PetSet", "db", "dead");
    let of_set = reference("PetSet", "db", SET);
    let table = [
        (&of_dead_pod, ClaimRetention::Delete, ClaimRetention::Retain, true),
        (
            &of_dead_pod,
            ClaimRetention::Retain,
            ClaimRetention::Retain,
            false,
        ),
        (
            &of_live_pod,
            ClaimRetention::Delete,
            ClaimRetention::Retain,
            false,
        ),
        (&of_dead_set, ClaimRetention::Retain, ClaimRetention::Delete, true),
        (
            &of_dead_set,
            ClaimRetention::Delete,
            ClaimRetention::Retain,
            false,
        ),
        (&of_set, ClaimRetention::Delete, ClaimRetention::Delete, false),
    ];
    for (owner, scaled, deleted, is_doomed) in table {
        let mut desired = desired(json!({}));
        (desired.when_scaled, desired.when_deleted) = (scaled, deleted);
        let pod = pod(&desired, 0, json!({}));
        let mut claim = claim(&desired, 0, json!({}));
        claim.metadata.owner_references = Some(vec![owner.clone()]);
        let doomed = doomed_by(&desired, 0, Some(&pod), &claim);
        assert_eq!(doomed.is_some(), is_doomed, "{owner:?}, {scaled:?}, {deleted:?}");
    }
}

#[test]
fn only_a_claim_that_waits_for_its_volume_never_had_one() {
    let desired = desired(json!({}));
    let table = [
        (json!({}), true),
        (unbound(), false),
        (all(&[unbound(), json!({"status": null})]), false),
        (all(&[unbound(), json!({"status": {"phase": "Lost"}})]), true),
        (
            all(&[
                unbound(),
                json!({"metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}}),
            ]),
            true,
        ),
    ];
    for (more, expected) in table {
        assert_eq!(has_volume(&claim(&desired, 0, more.clone())), expected, "{more}");
    }
}

/// Every field of the template counts; a claim with a volume, and one that somebody else made, stays.
#[test]
fn a_claim_that_never_had_a_volume_is_made_again_from_a_corrected_template() {
    let waiting = || unbound();
    let brought =
        || json!({"metadata": {"annotations": {"apps.k8s.appscode.com/claim-template-hash": null}}});
    let corrections = [
        ("no class", json!({"storageClassName": null})),
        ("another class", json!({"storageClassName": "standard"})),
        ("a size", json!({"resources": {"requests": {"storage": "2Gi"}}})),
        ("access modes", json!({"accessModes": ["ReadWriteOncePod"]})),
        ("a selector", json!({"selector": {"matchLabels": {"a": "b"}}})),
        ("a volume", json!({"volumeName": "pv-1"})),
        ("a mode", json!({"volumeMode": "Block"})),
        (
            "a source",
            json!({"dataSource": {"kind": "PersistentVolumeClaim", "name": "x"}}),
        ),
    ];
    let states: [(&str, Value, bool); 5] = [
        ("waiting", waiting(), true),
        ("bound", json!({}), false),
        ("lost", json!({"status": {"phase": "Lost"}}), false),
        ("somebody else's", all(&[waiting(), brought()]), false),
        ("going already", all(&[waiting(), terminating()]), false),
    ];
    let before = desired(json!({}));
    for (what, correction) in &corrections {
        let template = crate::build::merged(json!({"storageClassName": "fast"}), correction);
        let after = desired(
            json!({"spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": template}]}}),
        );
        for (state, more, expected) in &states {
            let world = world(&after, vec![], vec![claim(&before, 0, more.clone())]);
            assert_eq!(
                !outdated(&after, &world, 0).is_empty(),
                *expected,
                "{what} corrected, {state}"
            );
        }
    }
    let same = world(&before, vec![], vec![claim(&before, 0, waiting())]);
    assert!(outdated(&before, &same, 0).is_empty(), "nothing was corrected");
}

#[test]
fn the_claim_goes_first_and_its_pod_waits_for_the_new_one() {
    let before = desired(json!({}));
    let after =
        desired(json!({"spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}]}}));
    let delete =
        "delete PersistentVolumeClaim data-db-0: it never had a volume, and the template has changed";
    let no_node = unscheduled("pod has unbound immediate PersistentVolumeClaims");
    // Whether there is a Pod, the claim, the moves.
    let table: [(bool, Option<Value>, &[&str]); 5] = [
        (true, Some(unbound()), &[delete]),
        (false, Some(unbound()), &[delete]),
        (true, Some(all(&[unbound(), terminating()])), &[]),
        (true, None, &["create PersistentVolumeClaim data-db-0"]),
        (
            false,
            None,
            &[
                "create PersistentVolumeClaim data-db-0",
                "create Pod db-0 of <revision>",
            ],
        ),
    ];
    for (has_pod, there, expected) in table {
        let pods = if has_pod {
            vec![pod(&after, 0, no_node.clone())]
        } else {
            vec![]
        };
        let claims = there.iter().map(|more| claim(&before, 0, more.clone())).collect();
        let world = world(&after, pods, claims);
        assert_eq!(
            moves(&plan(&after, &world)),
            expected,
            "Pod: {has_pod}, claim: {there:?}"
        );
    }
}
