//! Every field of a running database takes the road that `api_types::running` says.

mod world;

use std::collections::BTreeSet;
use std::sync::Arc;

use api_types::condition::find;
use api_types::postgres::PostgresSpec;
use api_types::running::{ROWS, Road, row_of};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim};
use provisioner::child::Child;
use provisioner::decide::{decide, targets::targets};
use provisioner::world::World;
use serde_json::{Value, json};
use world::*;

/// A field and an edit of it: the spec before (laid over the usual one) and after (laid over that).
struct Edit {
    field: &'static str,
    before: Value,
    after: Value,
}

fn edit_of(field: &'static str, before: Value, after: Value) -> Edit {
    Edit { field, before, after }
}

/// One edit for every row of the table, and more where a row has several kinds of fields below it.
fn edits() -> Vec<Edit> {
    let plain = |field, after| edit_of(field, json!({}), after);
    let certificate = |more: Value| {
        let mut certificate = json!({"alias": "server"});
        json_patch::merge(&mut certificate, &more);
        json!({"tls": {"certificates": [certificate]}})
    };
    let issuer = json!({"apiGroup": "cert-manager.io", "kind": "Issuer", "name": "other"});
    let synchronous =
        json!({"streamingMode": "Synchronous", "synchronousReplicationConfig": {"numSyncReplicas": 1}});
    let kept = |policy: &str| json!({"replication": {"walLimitPolicy": policy}});
    let secret = |more: Value| {
        let mut secret = json!({"kind": "Secret", "name": "pg-auth"});
        json_patch::merge(&mut secret, &more);
        json!({"authSecret": secret})
    };
    vec![
        plain(
            "allowedSchemas",
            json!({"allowedSchemas": {"namespaces": {"from": "All"}}}),
        ),
        plain("arbiter", json!({"arbiter": {"nodeSelector": {"a": "b"}}})),
        plain("archiver", json!({"archiver": {"ref": {"name": "x"}}})),
        plain(
            "authSecret.activeFrom",
            secret(json!({"activeFrom": "2026-01-01T00:00:00Z"})),
        ),
        plain(
            "authSecret.apiGroup",
            secret(json!({"apiGroup": "virtual-secrets.dev"})),
        ),
        plain(
            "authSecret.externallyManaged",
            secret(json!({"externallyManaged": true})),
        ),
        plain("authSecret.kind", secret(json!({"kind": "VirtualSecret"}))),
        plain("authSecret.rotateAfter", secret(json!({"rotateAfter": "720h"}))),
        plain(
            "authSecret.secretStoreName",
            secret(json!({"secretStoreName": "vault"})),
        ),
        plain("autoOps", json!({"autoOps": {"disabled": false}})),
        plain("clientAuthMode", json!({"clientAuthMode": "scram"})),
        plain(
            "configuration",
            json!({"configuration": {"inline": {"user.conf": "work_mem = 8MB"}}}),
        ),
        edit_of(
            "configuration",
            json!({"configuration": {"inline": {"user.conf": "work_mem = 8MB"}}}),
            json!({"configuration": null}),
        ),
        plain(
            "configuration.tuning",
            json!({"configuration": {"tuning": {"profile": "oltp"}}}),
        ),
        plain(
            "coordinator",
            json!({"coordinator": {"resources": {"limits": {"cpu": "1"}}}}),
        ),
        plain("deletionPolicy", json!({"deletionPolicy": "WipeOut"})),
        plain("distributed", json!({"distributed": true})),
        plain("enforceFsGroup", json!({"enforceFsGroup": true})),
        plain("halted", json!({"halted": true})),
        plain("healthChecker", json!({"healthChecker": {"periodSeconds": 5}})),
        plain(
            "healthChecker.timeoutSeconds",
            json!({"healthChecker": {"timeoutSeconds": 5}}),
        ),
        plain(
            "healthChecker.failureThreshold",
            json!({"healthChecker": {"failureThreshold": 5}}),
        ),
        plain(
            "healthChecker.disableWriteCheck",
            json!({"healthChecker": {"disableWriteCheck": true}}),
        ),
        plain("init", json!({"init": {"script": {"scriptPath": "x"}}})),
        plain(
            "init.archiver",
            json!({"init": {"archiver": {"recoveryTimestamp": "2026-01-01T00:00:00Z"}}}),
        ),
        plain("leaderElection", json!({"leaderElection": {"electionTick": 20}})),
        plain(
            "leaderElection.maximumLagBeforeFailover",
            json!({"leaderElection": {"maximumLagBeforeFailover": 1000}}),
        ),
        plain("license", json!({"license": {"secretRef": {"name": "x"}}})),
        plain("mode", json!({"mode": "RemoteReplica"})),
        edit_of("mode", json!({"mode": "Cluster"}), json!({"mode": "Standalone"})),
        edit_of(
            "monitor.agent",
            json!({"monitor": {"agent": "prometheus.io"}}),
            json!({"monitor": {"agent": "prometheus.io/builtin"}}),
        ),
        edit_of(
            "monitor.prometheus.serviceMonitor",
            json!({"monitor": {"agent": "prometheus.io"}}),
            json!({"monitor": {"prometheus": {"serviceMonitor": {"interval": "10s"}}}}),
        ),
        plain(
            "podTemplate.controller",
            json!({"podTemplate": {"controller": {"annotations": {"a": "b"}}}}),
        ),
        plain(
            "podTemplate.spec.ephemeralContainers",
            json!({"podTemplate": {"spec": {"ephemeralContainers": [{"name": "x"}]}}}),
        ),
        plain(
            "podTemplate.spec.restartPolicy",
            json!({"podTemplate": {"spec": {"restartPolicy": "Never"}}}),
        ),
        plain("readReplicas", json!({"readReplicas": [{"name": "reports"}]})),
        plain(
            "remoteReplica",
            json!({"remoteReplica": {"sourceRef": {"name": "x"}}}),
        ),
        plain("replicas", json!({"replicas": 5})),
        edit_of("replication", kept("WALKeepSize"), kept("ReplicationSlot")),
        edit_of(
            "replication.walKeepSize",
            kept("WALKeepSize"),
            json!({"replication": {"walKeepSize": 64}}),
        ),
        edit_of(
            "replication.maxSlotWALKeepSize",
            kept("ReplicationSlot"),
            json!({"replication": {"maxSlotWALKeepSize": 64}}),
        ),
        edit_of(
            "replication.forceFailoverAcceptingDataLossAfter",
            kept("WALKeepSize"),
            json!({"replication": {"forceFailoverAcceptingDataLossAfter": "30s"}}),
        ),
        plain(
            "serviceTemplates",
            json!({"serviceTemplates": [{"alias": "primary", "spec": {"type": "LoadBalancer"}}]}),
        ),
        plain(
            "serviceTemplates",
            json!({"serviceTemplates": [{"alias": "standby", "metadata": {"annotations": {"a": "b"}}}]}),
        ),
        edit_of("sslMode", tls(), json!({"sslMode": "require"})),
        plain("standbyMode", json!({"standbyMode": "Warm"})),
        plain(
            "storage",
            json!({"storage": {"resources": {"requests": {"storage": "2Gi"}}}}),
        ),
        plain("streamingMode", json!({"streamingMode": "Synchronous"})),
        edit_of(
            "streamingMode",
            synchronous.clone(),
            json!({"streamingMode": null, "synchronousReplicationConfig": null}),
        ),
        edit_of(
            "synchronousReplicationConfig",
            synchronous.clone(),
            json!({"synchronousReplicationConfig": {"numSyncReplicas": 2}}),
        ),
        edit_of(
            "synchronousReplicationConfig.mode",
            synchronous.clone(),
            json!({"synchronousReplicationConfig": {"mode": "First"}}),
        ),
        edit_of(
            "synchronousReplicationConfig.commitLevel",
            synchronous.clone(),
            json!({"synchronousReplicationConfig": {"commitLevel": "RemoteApply"}}),
        ),
        edit_of(
            "synchronousReplicationConfig.standbyNames",
            synchronous,
            json!({"synchronousReplicationConfig": {"standbyNames": ["pg-1"]}}),
        ),
        plain("terminationPolicy", json!({"terminationPolicy": "WipeOut"})),
        plain("tls", tls()),
        edit_of("tls", tls(), json!({"tls": null})),
        edit_of(
            "tls.issuerRef",
            tls(),
            json!({"tls": {"issuerRef": issuer.clone()}}),
        ),
        edit_of(
            "tls.certificates[].issuerRef",
            tls(),
            certificate(json!({"issuerRef": issuer})),
        ),
        edit_of(
            "tls.certificates[].secretName",
            tls(),
            certificate(json!({"secretName": "mine"})),
        ),
        edit_of(
            "tls.certificates",
            tls(),
            certificate(json!({"dnsNames": ["db.example.com"]})),
        ),
        edit_of(
            "tls.certificates[].duration",
            tls(),
            certificate(json!({"duration": "720h"})),
        ),
        edit_of(
            "tls.certificates[].subject",
            tls(),
            certificate(json!({"subject": {"organizations": ["x"]}})),
        ),
        plain("version", json!({"version": "16.4"})),
    ]
}

/// Rows whose edits another test has: those of the Pods' template and of the monitor in `outdated.rs`.
const ELSEWHERE: [&str; 5] = [
    "authSecret",
    "configSecret",
    "monitor",
    "podTemplate",
    "storageType",
];

fn laid_over(mut spec: Value, more: &Value) -> Value {
    json_patch::merge(&mut spec, more);
    spec
}

/// A running database with this spec: its volumes and Patroni's record.
fn born(spec: &Value) -> World {
    let mut world = running(spec.clone());
    let annotations = json!({"config": "{}"});
    world.patroni = Some(patroni_map(&annotations));
    // What the spec says is in it already.
    for _ in 0..2 {
        for action in decide(&world).actions {
            if let provisioner::plan::Action::ConfigurePatroni { map, patch } = action {
                let mut value = serde_json::to_value(map).expect("JSON");
                json_patch::merge(&mut value, &patch);
                world.patroni = serde_json::from_value(value).ok();
            }
        }
    }
    world.leftovers.claims = (0..3).map(bound).collect();
    world
}

fn patroni_map(annotations: &Value) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": "pg-config", "namespace": "shop",
        "labels": blueprint::labels::selector("pg"), "annotations": annotations}}))
    .expect("a ConfigMap")
}

fn bound(ordinal: i32) -> PersistentVolumeClaim {
    serde_json::from_value(
        json!({"metadata": {"name": format!("data-pg-{ordinal}")}, "status": {"phase": "Bound"},
        "spec": {"resources": {"requests": {"storage": "1Gi"}}}}),
    )
    .expect("a claim")
}

/// The world after the edit was acted on, as often as it takes.
fn after(edit: &Edit) -> (World, World) {
    let usual = json!({"version": "17.4", "replicas": 3, "storageType": "Durable", "authSecret": {"kind": "Secret", "name": "pg-auth"},
        "storage": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    let before = laid_over(usual, &edit.before);
    let spec: PostgresSpec = serde_json::from_value(laid_over(before.clone(), &edit.after)).expect("a spec");
    let world = born(&before);
    let mut edited = self::edit(world.clone(), |old| *old = spec);
    if edited.postgres.spec.version != "17.4" {
        edited.version = provisioner::world::Version::Found(Box::new(version("16.4", "16.10")));
    }
    (world, edited)
}

#[test]
fn every_row_of_the_table_is_tried() {
    let tried: BTreeSet<&str> = edits()
        .iter()
        .filter_map(|edit| row_of(edit.field))
        .map(|row| row.field)
        .collect();
    let missing: Vec<_> = ROWS
        .iter()
        .map(|row| row.field)
        .filter(|field| !tried.contains(field) && !ELSEWHERE.contains(field))
        .collect();
    assert!(missing.is_empty(), "no edit of {missing:?}");
}

#[test]
fn every_edit_takes_its_road() {
    for edit in edits() {
        let row = row_of(edit.field).expect("a row");
        let (before, edited) = after(&edit);
        let what = format!("{} {}", edit.field, edit.after);
        let plan = decide(&edited);
        let second = decide(&reported(applied(edited.clone(), &plan), &plan));
        let held = set(&second, "SpecApplied")
            .or(set(&plan, "SpecApplied"))
            .map(|it| it.1.to_owned());
        match row.road {
            Road::Applied(_) => {
                assert_eq!(held, None, "{what}");
                assert!(has_an_effect(&before, &edited), "{what} has no effect");
            }
            Road::Held { reason, .. } => assert_eq!(held.as_deref(), Some(reason), "{what}"),
            Road::Refused(_) => panic!("{what}: refused by the API server"),
            Road::NotInUse => {
                let after = reported(edited, &plan);
                let named = find(after.conditions(), "UnsupportedFields")
                    .and_then(|it| it.message.clone())
                    .unwrap_or_default();
                let top = edit.field.split(['.', '[']).next().unwrap_or_default();
                assert!(named.contains(&format!("spec.{top}")), "{what}: {named:?}");
            }
        }
    }
}

/// Something is written, checked otherwise, or counts when the database is deleted.
fn has_an_effect(before: &World, edited: &World) -> bool {
    let plan = decide(edited);
    if !actions(&plan).is_empty() {
        return true;
    }
    let checks = |world: &World| {
        targets(world, &decide(world)).map(|it| (it.period, it.timeout, it.threshold, it.write_check))
    };
    if checks(before) != checks(edited) {
        return true;
    }
    let gone = |world: &World| {
        let mut world = delete(world.clone());
        world
            .live
            .retain(|child| !matches!(child, Child::PetSet(_) | Child::Certificate(_)));
        world.pods.clear();
        Arc::make_mut(&mut world.postgres).spec.halted = None;
        let mut all = actions(&decide(&world));
        world.leftovers.claims.clear();
        all.extend(actions(&decide(&world)));
        all
    };
    gone(before) != gone(edited)
}
