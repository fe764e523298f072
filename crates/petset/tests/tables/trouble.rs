//! `trouble`: the platform's own sentence, wherever it stands.

mod pods;

use std::collections::BTreeMap;

use petset::trouble::{asks_events_of, of_claim, of_pod, problems};
use petset::world::PlatformEvent;
use serde_json::{Value, json};

use crate::build::{
    NOW, all, claim, containers, desired, now, pod, terminating, unbound, unscheduled, world,
};

fn event(reason: &str, message: &str, is_warning: bool, at: &str) -> PlatformEvent {
    PlatformEvent {
        reason: reason.into(),
        message: message.into(),
        is_warning,
        at: at.parse().expect("a time"),
    }
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"main": {"state": {"waiting": {"reason": reason, "message": message}}}})
}

fn ended(container: &str, state: &str, end: &Value) -> Value {
    json!({container: {"restartCount": 3, state: {"terminated": end}, "state": {"waiting": {"reason": "CrashLoopBackOff",
        "message": "back-off 40s restarting failed container"}}}})
}

fn init(state: &Value) -> Value {
    let status = json!([{"name": "setup", "image": "one", "imageID": "", "ready": false, "restartCount": 0, "state": state}]);
    all(&[
        containers(&json!({"main": {"state": {"waiting": {"reason": "PodInitializing"}}}})),
        json!({"status": {"initContainerStatuses": status}}),
    ])
}

#[test]
fn every_state_of_a_pod_in_the_platforms_words() {
    let desired = desired(json!({}));
    for (what, more, expected) in pods::pods() {
        let found = of_pod(&pod(&desired, 0, more), &[], now());
        let text = found
            .as_ref()
            .map(|it| (it.reason, format!("Pod db-0 {}", it.sentence)));
        match (text, expected) {
            (None, None) => {}
            (Some((reason, text)), Some((expected, part))) => {
                assert_eq!(reason, expected, "{what}: {text}");
                assert!(text.contains(part), "{what}: {text}");
                assert!(
                    !text.contains("Some(") && !text.contains("{ "),
                    "no Debug form: {text}"
                );
            }
            (found, expected) => panic!("{what}: {found:?} instead of {expected:?}"),
        }
    }
}

#[test]
fn a_pod_that_does_not_go_says_who_holds_it() {
    let desired = desired(json!({}));
    let late = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:50:00Z"}});
    let table = [
        (late.clone(), "node node1 has not confirmed its end"),
        (
            all(&[late.clone(), json!({"spec": {"nodeName": null}})]),
            "--force",
        ),
        (
            all(&[late, json!({"metadata": {"finalizers": ["example.com/hold"]}})]),
            "finalizers hold it: example.com/hold",
        ),
    ];
    for (more, part) in table {
        let found = of_pod(&pod(&desired, 0, more), &[], now()).expect("trouble");
        assert!(found.sentence.contains(part), "{}", found.sentence);
    }
}

#[test]
fn volumes_networks_and_names_are_told_by_events() {
    let mount = "MountVolume.SetUp failed for volume \"config\" : secret \"pg-config\" not found";
    let token = "MountVolume.SetUp failed for volume \"kube-api-access-x\" : failed to fetch token: serviceaccounts \"pg\" not found";
    let attach = "Multi-Attach error for volume \"pv-1\" Volume is already used by pod(s) db-0";
    let sandbox =
        "Failed to create pod sandbox: plugin type=\"calico\" failed (add): no IP addresses available";
    let dns = "Search Line limits were exceeded, some search paths have been omitted";
    let creating = || containers(&waiting("ContainerCreating", ""));
    let runs = || containers(&json!({"main": {"state": {"running": {}}}}));
    let runs = || all(&[runs(), json!({"status": {"phase": "Running"}})]);
    let long_ago = "2026-01-01T00:20:00Z";
    let table = [
        (
            "a volume",
            creating(),
            vec![event("FailedMount", mount, true, NOW)],
            Some(mount),
        ),
        (
            "the token",
            creating(),
            vec![event("FailedMount", token, true, NOW)],
            Some(token),
        ),
        (
            "a disk elsewhere",
            creating(),
            vec![event("FailedAttachVolume", attach, true, long_ago)],
            Some(attach),
        ),
        (
            "the network",
            creating(),
            vec![event("FailedCreatePodSandBox", sandbox, true, NOW)],
            Some(sandbox),
        ),
        (
            "names",
            runs(),
            vec![event("DNSConfigForming", dns, true, NOW)],
            Some(dns),
        ),
        (
            "long ago, and it runs",
            runs(),
            vec![event("FailedMount", mount, true, long_ago)],
            None,
        ),
        (
            "the newest counts",
            creating(),
            vec![
                event("FailedMount", mount, true, NOW),
                event("FailedMount", token, true, long_ago),
            ],
            Some(mount),
        ),
        (
            "nothing bad",
            creating(),
            vec![event("Pulling", "Pulling image", false, NOW)],
            None,
        ),
        (
            "what the status says",
            runs(),
            vec![event("Unhealthy", "Readiness probe failed", true, NOW)],
            None,
        ),
        (
            "just made",
            all(&[creating(), json!({"metadata": {"creationTimestamp": NOW}})]),
            vec![event("FailedMount", mount, true, NOW)],
            None,
        ),
    ];
    let desired = desired(json!({}));
    for (what, more, events, expected) in table {
        let found = of_pod(&pod(&desired, 0, more), &events, now()).map(|it| it.sentence);
        match expected {
            None => assert_eq!(found, None, "{what}"),
            Some(part) => assert!(
                found.as_deref().is_some_and(|it| it.contains(part)),
                "{what}: {found:?}"
            ),
        }
    }
}

#[test]
fn a_claim_without_a_volume_in_its_provisioners_words() {
    let class = "storageclass.storage.k8s.io \"fast\" not found";
    let none = "no persistent volumes available for this claim and no storage class is set";
    let nobody = "Waiting for a volume to be created either by the external provisioner 'disks' or manually by the system administrator.";
    let quota = "failed to provision volume with StorageClass \"fast\": rpc error: code = ResourceExhausted desc = quota exceeded";
    let table = [
        ("bound", json!({}), vec![], None),
        (
            "waits for its Pod",
            unbound(),
            vec![event(
                "WaitForFirstConsumer",
                "waiting for first consumer",
                false,
                NOW,
            )],
            None,
        ),
        (
            "wrong class",
            unbound(),
            vec![event("ProvisioningFailed", class, true, NOW)],
            Some(("ClaimNotBound", class)),
        ),
        (
            "no class",
            unbound(),
            vec![event("FailedBinding", none, false, NOW)],
            Some(("ClaimNotBound", none)),
        ),
        (
            "out of space",
            unbound(),
            vec![
                event("ProvisioningFailed", quota, true, NOW),
                event(
                    "Provisioning",
                    "External provisioner is provisioning volume",
                    false,
                    NOW,
                ),
            ],
            Some(("ClaimNotBound", quota)),
        ),
        (
            "a provisioner that nobody runs",
            all(&[
                unbound(),
                json!({"metadata": {"creationTimestamp": "2026-01-01T00:59:40Z"}}),
            ]),
            vec![
                event("ExternalProvisioning", nobody, false, NOW),
                event("WaitForFirstConsumer", "waiting for first consumer", false, NOW),
            ],
            Some(("ClaimNotBound", nobody)),
        ),
        (
            "a provisioner at work",
            all(&[
                unbound(),
                json!({"metadata": {"creationTimestamp": "2026-01-01T00:59:50Z"}}),
            ]),
            vec![event("ExternalProvisioning", nobody, false, NOW)],
            None,
        ),
        (
            "lost",
            json!({"status": {"phase": "Lost"}}),
            vec![],
            Some((
                "ClaimLost",
                "PersistentVolume pv-of-data-db-0 does not exist any more",
            )),
        ),
        (
            "just made",
            all(&[unbound(), json!({"metadata": {"creationTimestamp": NOW}})]),
            vec![event("ProvisioningFailed", class, true, NOW)],
            None,
        ),
        (
            "going",
            all(&[unbound(), terminating()]),
            vec![event("ProvisioningFailed", class, true, NOW)],
            None,
        ),
        (
            "bound meanwhile",
            json!({}),
            vec![event("ProvisioningFailed", class, true, NOW)],
            None,
        ),
    ];
    let desired = desired(json!({}));
    for (what, more, events, expected) in table {
        let found = of_claim(&claim(&desired, 0, more), &events, now());
        match (found, expected) {
            (None, None) => {}
            (Some(found), Some((reason, part))) => {
                assert_eq!(found.reason, reason, "{what}");
                assert!(found.sentence.contains(part), "{what}: {}", found.sentence);
            }
            (found, expected) => panic!("{what}: {found:?} instead of {expected:?}"),
        }
    }
}

#[test]
fn equal_troubles_are_told_once_and_claims_come_first() {
    let desired = desired(json!({"spec": {"replicas": 3}}));
    let pods = (0..3)
        .map(|ordinal| pod(&desired, ordinal, unscheduled("no node")))
        .collect();
    let claims = (0..3)
        .map(|ordinal| claim(&desired, ordinal, unbound()))
        .collect();
    let mut world = world(&desired, pods, claims);
    for ordinal in 0..2 {
        world.events.insert(
            format!("uid-of-data-db-{ordinal}"),
            vec![event("ProvisioningFailed", "no class", true, NOW)],
        );
    }
    let found: Vec<String> = problems(&desired, &world, now())
        .into_iter()
        .map(|it| it.message)
        .collect();
    assert_eq!(
        found,
        [
            "PersistentVolumeClaim data-db-0, data-db-1 is not bound: no class",
            "Pod db-0, db-1, db-2 is not scheduled: no node",
        ]
    );
}

/// A request per object and pass: only of those that are late.
#[test]
fn events_are_read_of_what_does_not_come_up_only() {
    let desired = desired(json!({}));
    let young = json!({"metadata": {"creationTimestamp": NOW}});
    let foreign = json!({"metadata": {"ownerReferences": null}});
    let table = [
        (json!({}), json!({}), vec![]),
        (
            unscheduled("no"),
            unbound(),
            vec!["uid-of-db-0", "uid-of-data-db-0"],
        ),
        (
            all(&[unscheduled("no"), young.clone()]),
            all(&[unbound(), young]),
            vec![],
        ),
        (all(&[unscheduled("no"), terminating()]), json!({}), vec![]),
        (all(&[unscheduled("no"), foreign]), json!({}), vec![]),
        (json!({"status": {"phase": "Failed"}}), json!({}), vec![]),
    ];
    for (of_pod, of_claim, expected) in table {
        let pods = vec![pod(&desired, 0, of_pod)];
        let claims = BTreeMap::from([("data-db-0".to_owned(), claim(&desired, 0, of_claim))]);
        assert_eq!(asks_events_of(&desired, &pods, &claims, now()), expected);
    }
}

#[test]
fn a_volume_that_is_on_its_way_is_no_trouble_yet() {
    let desired = desired(json!({}));
    let unbound = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.";
    let table = [
        (unbound, "2026-01-01T00:59:50Z", false),
        (unbound, "2026-01-01T00:59:40Z", true),
        (
            "0/3 nodes are available: 3 Insufficient cpu.",
            "2026-01-01T00:59:57Z",
            false,
        ),
        (
            "0/3 nodes are available: 3 Insufficient cpu.",
            "2026-01-01T00:59:50Z",
            true,
        ),
    ];
    for (message, created, expected) in table {
        let more = all(&[
            unscheduled(message),
            json!({"metadata": {"creationTimestamp": created}}),
        ]);
        assert_eq!(
            of_pod(&pod(&desired, 0, more), &[], now()).is_some(),
            expected,
            "{message}, {created}"
        );
    }
}
