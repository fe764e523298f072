//! The controller's decisions in a small world: what exists in the end, in which order it came about, and what must be
//! true at every moment of it.

mod cluster;

use cluster::{Cluster, SET_UID};
use petset::world::{Placement, is_controlled_by};
use serde_json::json;

fn nothing(_: &Cluster) {}

/// The lines of the log that begin so.
fn logged<'a>(cluster: &'a Cluster, beginning: &str) -> Vec<&'a str> {
    let lines = cluster.log.iter().map(String::as_str);
    lines.filter(|line| line.starts_with(beginning)).collect()
}

fn names(cluster: &Cluster) -> Vec<&str> {
    cluster.pods.keys().map(String::as_str).collect()
}

fn order(cluster: &Cluster, verb: &str) -> Vec<String> {
    let words = logged(cluster, verb).into_iter();
    words
        .map(|line| {
            line.split_whitespace()
                .nth(2)
                .unwrap_or_default()
                .trim_end_matches(':')
                .to_owned()
        })
        .collect()
}

#[test]
fn in_order_a_pod_is_made_when_the_one_before_is_ready() {
    let mut cluster = Cluster::new(json!({}));
    cluster.settle(|cluster| {
        let not_ready = cluster.pods.len() - cluster.ready().len();
        assert!(not_ready <= 1, "more than one at a time: {:#?}", cluster.log);
    });
    assert_eq!(order(&cluster, "create Pod"), ["db-0", "db-1", "db-2"]);
    assert_eq!(
        cluster.claims.keys().collect::<Vec<_>>(),
        ["data-db-0", "data-db-1", "data-db-2"]
    );
    let status = cluster.pet_set.status.as_ref().expect("a status");
    assert_eq!(
        (status.replicas, status.ready_replicas, status.updated_replicas),
        (3, Some(3), Some(3))
    );
    assert_eq!(status.current_revision, status.update_revision);
}

#[test]
fn in_parallel_all_pods_are_made_at_once() {
    let mut cluster = Cluster::new(json!({"podManagementPolicy": "Parallel"}));
    cluster.pass(usize::MAX);
    cluster.pass(usize::MAX);
    assert_eq!(
        names(&cluster),
        ["db-0", "db-1", "db-2"],
        "before one of them is ready"
    );
    assert!(cluster.ready().is_empty());
}

#[test]
fn a_broken_pod_holds_up_those_after_it_in_order_only() {
    let mut cluster = Cluster::new(json!({}));
    cluster.broken.insert("db-1".into());
    cluster.settle(nothing);
    assert_eq!(names(&cluster), ["db-0", "db-1"]);
    let mut cluster = Cluster::new(json!({"podManagementPolicy": "Parallel"}));
    cluster.broken.insert("db-1".into());
    cluster.settle(nothing);
    assert_eq!(cluster.ready(), ["db-0", "db-2"]);
}

#[test]
fn ordinals_begin_where_they_are_told() {
    let mut cluster = Cluster::new(json!({"ordinals": {"start": 5}, "replicas": 2}));
    cluster.settle(nothing);
    assert_eq!(names(&cluster), ["db-5", "db-6"]);
    let labels = cluster.pods["db-5"].metadata.labels.as_ref().expect("labels");
    assert_eq!(labels["statefulset.kubernetes.io/pod-name"], "db-5");
    assert_eq!(labels["apps.kubernetes.io/pod-index"], "5");
    assert!(labels["controller-revision-hash"].starts_with("db-"));
}

/// A crash after any write, and a pass that is done again, make no second Pod: the world asserts it at every creation.
#[test]
fn however_often_a_pass_is_cut_short_the_end_is_the_same() {
    for cut in 1..=4 {
        for policy in ["OrderedReady", "Parallel"] {
            let mut cluster = Cluster::new(json!({"podManagementPolicy": policy}));
            for _ in 0..5 {
                cluster.pass(cut);
                cluster.pass(0);
            }
            cluster.settle(nothing);
            cluster.change_template("two");
            cluster.pass(cut);
            cluster.settle(nothing);
            assert_eq!(
                cluster.ready(),
                ["db-0", "db-1", "db-2"],
                "{policy}, cut after {cut}"
            );
            let wanted = cluster
                .pet_set
                .status
                .as_ref()
                .and_then(|it| it.update_revision.as_deref());
            let made = cluster.revisions_of_pods().into_values().map(Some);
            assert!(
                made.eq([wanted; 3]),
                "{policy}, cut after {cut}: {:#?}",
                cluster.log
            );
        }
    }
}

#[test]
fn with_on_delete_a_new_template_touches_nobody_and_an_evicted_pod_comes_back_with_it() {
    let mut cluster = Cluster::new(json!({"updateStrategy": {"type": "OnDelete"}}));
    cluster.settle(nothing);
    let old = cluster.revisions_of_pods()["db-1"].to_owned();
    cluster.change_template("two");
    cluster.settle(nothing);
    assert!(logged(&cluster, "delete Pod").is_empty());
    let status = cluster.pet_set.status.clone().expect("a status");
    assert_ne!(status.current_revision, status.update_revision);
    assert_eq!(status.updated_replicas, Some(0));
    cluster.evict("db-1");
    cluster.settle(nothing);
    let revisions = cluster.revisions_of_pods();
    assert_eq!(Some(revisions["db-1"]), status.update_revision.as_deref());
    assert_eq!(
        (revisions["db-0"], revisions["db-2"]),
        (old.as_str(), old.as_str())
    );
}

#[test]
fn a_rolling_update_goes_from_the_highest_ordinal_down_one_at_a_time() {
    let mut cluster = Cluster::new(json!({}));
    cluster.settle(nothing);
    cluster.change_template("two");
    cluster.settle(|cluster| assert!(cluster.ready().len() >= 2, "{:#?}", cluster.log));
    assert_eq!(order(&cluster, "delete Pod"), ["db-2", "db-1", "db-0"]);
    let status = cluster.pet_set.status.as_ref().expect("a status");
    assert_eq!(status.current_revision, status.update_revision);
}

#[test]
fn a_partition_keeps_the_ordinals_below_it_also_when_their_pod_is_made_anew() {
    let partition = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
    let mut cluster = Cluster::new(json!({"updateStrategy": partition}));
    cluster.settle(nothing);
    let old = cluster.revisions_of_pods()["db-0"].to_owned();
    cluster.change_template("two");
    cluster.settle(nothing);
    cluster.evict("db-0");
    cluster.settle(nothing);
    let revisions = cluster.revisions_of_pods();
    assert_eq!(
        (revisions["db-0"], revisions["db-1"]),
        (old.as_str(), old.as_str())
    );
    assert_ne!(revisions["db-2"], old);
}

#[test]
fn a_template_that_comes_back_gets_its_old_revision_and_history_is_bounded() {
    let mut cluster = Cluster::new(json!({"revisionHistoryLimit": 1}));
    cluster.settle(nothing);
    let first = cluster.revisions_of_pods()["db-0"].to_owned();
    cluster.change_template("two");
    cluster.settle(nothing);
    cluster.change_template("one");
    cluster.settle(nothing);
    assert_eq!(cluster.revisions_of_pods()["db-0"], first);
    for image in ["three", "four", "five"] {
        cluster.change_template(image);
        cluster.settle(nothing);
    }
    assert_eq!(
        cluster.revisions.len(),
        2,
        "the one in use and one old: {:#?}",
        cluster.log
    );
}

#[test]
fn scaling_down_ends_the_highest_first_and_keeps_the_data_unless_told_otherwise() {
    for (policy, left) in [("Retain", 3), ("Delete", 1)] {
        let retention = json!({"whenScaled": policy});
        let mut cluster = Cluster::new(json!({"persistentVolumeClaimRetentionPolicy": retention}));
        cluster.settle(nothing);
        cluster.pet_set.spec.replicas = Some(1);
        cluster.settle(nothing);
        assert_eq!(order(&cluster, "delete Pod"), ["db-2", "db-1"], "{policy}");
        assert_eq!(
            cluster.claims.len(),
            left,
            "{policy}: {:?}",
            cluster.claims.keys()
        );
        let kept = cluster.claims["data-db-0"].metadata.uid.clone();
        cluster.pet_set.spec.replicas = Some(3);
        cluster.settle(nothing);
        assert_eq!(cluster.ready().len(), 3, "{policy}: and up again");
        assert_eq!(
            cluster.claims["data-db-0"].metadata.uid, kept,
            "{policy}: its data is its own"
        );
    }
}

#[test]
fn claims_go_with_the_set_only_when_they_are_told_to() {
    for (policy, owned) in [("Retain", false), ("Delete", true)] {
        let retention = json!({"whenDeleted": policy});
        let mut cluster = Cluster::new(json!({"persistentVolumeClaimRetentionPolicy": retention}));
        cluster.settle(nothing);
        for claim in cluster.claims.values() {
            let owners = claim.metadata.owner_references.as_deref().unwrap_or_default();
            assert_eq!(owners.iter().any(|owner| owner.uid == SET_UID), owned, "{policy}");
        }
    }
}

#[test]
fn a_replaced_pod_keeps_its_claim() {
    let mut cluster = Cluster::new(json!({}));
    cluster.settle(nothing);
    let before = cluster.claims["data-db-1"].metadata.uid.clone();
    cluster.evict("db-1");
    cluster.settle(nothing);
    assert_eq!(cluster.claims["data-db-1"].metadata.uid, before);
    assert_eq!(cluster.ready().len(), 3);
}

#[test]
fn a_matching_orphan_is_adopted_and_what_no_longer_matches_is_let_go() {
    let mut cluster = Cluster::new(json!({}));
    cluster.settle(nothing);
    let uid = cluster.pods["db-1"].metadata.uid.clone();
    cluster
        .pods
        .get_mut("db-1")
        .expect("a Pod")
        .metadata
        .owner_references = None;
    cluster.settle(nothing);
    assert_eq!(cluster.pods["db-1"].metadata.uid, uid, "it was not made anew");
    assert!(is_controlled_by(&cluster.pods["db-1"].metadata, SET_UID));

    let stranger = cluster.pods.get_mut("db-2").expect("a Pod");
    stranger.metadata.labels = Some([("app".to_owned(), "other".to_owned())].into());
    cluster.settle(nothing);
    assert!(
        !is_controlled_by(&cluster.pods["db-2"].metadata, SET_UID),
        "released, and its name is taken"
    );
}

#[test]
fn a_pod_of_somebody_else_with_our_name_is_left_alone_and_reported() {
    let mut cluster = Cluster::new(json!({}));
    let foreign = serde_json::from_value(json!({
        "metadata": {"name": "db-0", "namespace": "shop", "uid": "foreign", "labels": {"app": "db"},
                     "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x", "uid": "x",
                                          "controller": true}]},
    }));
    cluster.pods.insert("db-0".into(), foreign.expect("a Pod"));
    cluster.settle(nothing);
    assert_eq!(cluster.pods["db-0"].metadata.uid.as_deref(), Some("foreign"));
    assert!(!cluster.pass(0).problems.is_empty());
    assert!(
        logged(&cluster, "create Pod").is_empty(),
        "in order, nobody comes after it"
    );
}

#[test]
fn a_policy_that_does_not_exist_makes_no_pod_and_one_that_does_spreads_them() {
    let mut cluster = Cluster::new(json!({"podPlacementPolicy": {"name": "default"}}));
    cluster.placement = Placement::Missing("default".into());
    cluster.settle(nothing);
    assert!(cluster.pods.is_empty());
    assert!(!cluster.pass(0).problems.is_empty());

    let policy = json!({
        "zoneSpreadConstraint": {"maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"},
        "nodeSpreadConstraint": {"maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"},
    });
    let policy = serde_json::from_value(policy).expect("a policy");
    cluster.placement = Placement::Policy(Box::new(policy));
    cluster.settle(nothing);
    let spec = cluster.pods["db-0"].spec.as_ref().expect("a spec");
    let spread = spec.topology_spread_constraints.as_ref().expect("constraints");
    let keys: Vec<_> = spread.iter().map(|it| it.topology_key.as_str()).collect();
    assert_eq!(keys, ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]);
    let apart = spec
        .affinity
        .as_ref()
        .and_then(|it| it.pod_anti_affinity.as_ref());
    assert!(apart.is_some_and(|it| it.required_during_scheduling_ignored_during_execution.is_some()));
}

#[test]
fn a_set_that_is_being_deleted_makes_nothing() {
    let mut cluster = Cluster::new(json!({}));
    let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH);
    cluster.pet_set.metadata.deletion_timestamp = Some(now);
    cluster.settle(nothing);
    assert!(cluster.pods.is_empty() && cluster.claims.is_empty());
}

/// The guards of a template reach the claims that were made before it had them, those of ordinals that went, too.
#[test]
fn claims_get_the_guards_of_their_template_once() {
    let guards = json!({"helm.sh/resource-policy": "keep", "kustomize.toolkit.fluxcd.io/prune": "disabled"});
    let template = |annotations: serde_json::Value| json!([{"metadata": {"name": "data", "annotations": annotations}, "spec": {}}]);
    let mut cluster = Cluster::new(json!({"volumeClaimTemplates": template(json!({}))}));
    cluster.settle(nothing);
    let mine = cluster.claims.get_mut("data-db-1").expect("a claim");
    let own_value = ("helm.sh/resource-policy".to_owned(), "mine".to_owned());
    mine.metadata.annotations = Some([own_value].into());
    cluster.pet_set.spec.replicas = Some(2);
    let with_guards = serde_json::from_value(template(json!({
        "helm.sh/resource-policy": "keep", "kustomize.toolkit.fluxcd.io/prune": "disabled", "note": "x"})));
    cluster.pet_set.spec.volume_claim_templates = with_guards.expect("templates");
    cluster.settle(nothing);
    for (name, claim) in &cluster.claims {
        let mut annotations = claim.metadata.annotations.clone().unwrap_or_default();
        // The mark of the template that the claim was made from.
        annotations.retain(|key, _| !key.ends_with("claim-template-hash"));
        let annotations = json!(annotations);
        let expected = match name.as_str() {
            "data-db-1" => {
                json!({"helm.sh/resource-policy": "mine", "kustomize.toolkit.fluxcd.io/prune": "disabled"})
            }
            _ => guards.clone(),
        };
        assert_eq!(annotations, expected, "{name}");
    }
    assert_eq!(logged(&cluster, "guard").len(), 3, "{:#?}", cluster.log);
}

/// No Pod writes to the volume of another application; when its claim goes, the PetSet goes on.
#[test]
fn a_pod_is_not_made_on_a_claim_of_another_application() {
    let mut cluster = Cluster::new(json!({"podManagementPolicy": "Parallel"}));
    let theirs = json!({"metadata": {"name": "data-db-1", "namespace": "shop", "uid": "u", "resourceVersion": "1",
                                     "labels": {"app": "web"}}});
    let theirs: k8s_openapi::api::core::v1::PersistentVolumeClaim =
        serde_json::from_value(theirs).expect("a claim");
    cluster.claims.insert("data-db-1".into(), theirs.clone());
    cluster.settle(nothing);
    assert_eq!(names(&cluster), ["db-0", "db-2"]);
    assert_eq!(cluster.claims["data-db-1"], theirs, "it is not touched");
    let conditions = cluster
        .pet_set
        .status
        .as_ref()
        .and_then(|status| status.conditions.clone());
    let failure = conditions
        .into_iter()
        .flatten()
        .find(|it| it.type_ == "ReplicaFailure");
    let failure = failure.expect("a condition");
    assert_eq!(failure.reason.as_deref(), Some("NameTaken"));
    let message = failure.message.unwrap_or_default();
    assert!(message.contains("PersistentVolumeClaim data-db-1"), "{message}");

    cluster.claims.remove("data-db-1");
    cluster.settle(nothing);
    assert_eq!(names(&cluster), ["db-0", "db-1", "db-2"]);
}

/// A claim without labels of the selector was brought in: its volume is used, and the rest of it is the user's.
#[test]
fn a_claim_that_was_brought_in_is_not_changed() {
    let guarded = json!([{"metadata": {"name": "data", "annotations": {"helm.sh/resource-policy": "keep"}}, "spec": {}}]);
    let mut cluster = Cluster::new(json!({"volumeClaimTemplates": guarded, "replicas": 1}));
    let brought_in =
        json!({"metadata": {"name": "data-db-0", "namespace": "shop", "uid": "u", "resourceVersion": "1"}});
    cluster.claims.insert(
        "data-db-0".into(),
        serde_json::from_value(brought_in).expect("a claim"),
    );
    cluster.settle(nothing);
    assert_eq!(logged(&cluster, "guard"), Vec::<&str>::new());
    assert_eq!(cluster.claims["data-db-0"].metadata.annotations, None);
    assert_eq!(names(&cluster), ["db-0"]);
}
