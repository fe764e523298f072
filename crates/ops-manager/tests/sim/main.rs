//! The real engine over a small world: every operation × {standalone, three members}, with crashes after every effect,
//! every effect done twice, and the world moving in random order.

mod approvals;
mod clock;
mod cluster;
mod conflicts;
mod data;
mod expansion;
mod failover;
mod objects;
mod offline_expansion;
mod parameters;
mod plan;
mod queue;
mod reconfigure;
mod registry;
mod reissued;
mod resize;
mod retries;
mod run;
mod scenarios;
mod slots;
mod trouble;
mod update_version;
mod version;
mod words;

use std::collections::BTreeSet;

use api_types::condition;
use api_types::ops_request::OpsRequestPhase;
use blueprint::TlsPhase;
use cluster::Cluster;
use run::{CALM, Disturbance, Run};

const OPERATIONS: [(&str, &str); 6] = [
    (
        "add",
        "{issuerRef: {name: one, kind: Issuer}, sslMode: verify-full, clientAuthMode: cert}",
    ),
    ("rotate", "{rotateCertificates: true}"),
    (
        "change-issuer",
        "{issuerRef: {name: two, kind: Issuer}, caOverlap: 0s}",
    ),
    (
        "change-certificates",
        "{certificates: [{alias: server, dnsNames: [pg.example.org]}]}",
    ),
    ("change-mode", "{clientAuthMode: md5}"),
    ("remove", "{remove: true}"),
];

/// One operation, with everything checked that must be true after it.
fn succeed(cluster: &mut Cluster, name: &str, spec: &str, disturbance: Disturbance) -> Vec<String> {
    let (before, primary) = (cluster.uids(), cluster.leader.clone());
    (cluster.switchovers, cluster.evictions) = (0, Vec::new());
    let mut run = Run::new(name, spec, disturbance.seed);
    let phase = run.run(cluster, disturbance);
    let context = format!("{name} under {disturbance:?}: {:#?}", run.log);
    assert_eq!(phase, OpsRequestPhase::Successful, "{context}");
    let after = cluster.uids();
    assert!(
        before.iter().all(|(pod, uid)| after[pod] != *uid),
        "every Pod is made anew; {context}"
    );
    assert_eq!(cluster.evictions.len(), before.len(), "each Pod once; {context}");
    assert_eq!(
        cluster.evictions.last(),
        Some(&primary),
        "the old primary last; {context}"
    );
    assert_eq!(
        cluster.switchovers,
        u32::from(before.len() > 1),
        "one switchover; {context}"
    );
    assert_eq!(cluster.world().holder(), None, "resumed; {context}");
    assert_eq!(
        cluster.provisioner_would_change(),
        Vec::<&str>::new(),
        "clean handover; {context}"
    );
    run.log
}

fn all_operations(replicas: i32, disturbance: Disturbance, golden: bool) {
    let mut cluster = Cluster::new(replicas);
    for (name, tls) in OPERATIONS {
        let log = succeed(
            &mut cluster,
            name,
            &format!("type: ReconfigureTLS, tls: {tls}"),
            disturbance,
        );
        let wanted = if name == "remove" {
            TlsPhase::Off
        } else {
            TlsPhase::Enforce
        };
        assert_eq!(cluster.phases(), BTreeSet::from([wanted]), "{name}: {log:#?}");
        if golden {
            expectorate::assert_contents(
                format!("tests/golden/{name}-{replicas}.log"),
                &(log.join("\n") + "\n"),
            );
        }
    }
    let log = succeed(&mut cluster, "restart", "type: Restart", disturbance);
    if golden {
        expectorate::assert_contents(
            format!("tests/golden/restart-{replicas}.log"),
            &(log.join("\n") + "\n"),
        );
    }
}

#[test]
fn operations_take_the_steps_that_are_written_down() {
    all_operations(1, CALM, true);
    all_operations(3, CALM, true);
}

#[test]
fn a_crash_after_every_effect_and_every_effect_twice_converge() {
    for replicas in [1, 3] {
        for crash_after in [None, Some(1), Some(2), Some(3)] {
            for twice in [false, true] {
                all_operations(
                    replicas,
                    Disturbance {
                        crash_after,
                        twice,
                        seed: 0,
                    },
                    false,
                );
            }
        }
    }
}

#[test]
fn whoever_moves_first_the_end_is_the_same() {
    for seed in 1..=25 {
        all_operations(
            3,
            Disturbance {
                crash_after: Some(1),
                twice: seed % 2 == 0,
                seed,
            },
            false,
        );
    }
}

/// A cluster to which TLS was added.
fn with_tls(replicas: i32) -> Cluster {
    let mut cluster = Cluster::new(replicas);
    let phase = Run::new("first", &by_reload(OPERATIONS[0].1, "auto"), 0).run(&mut cluster, CALM);
    assert_eq!(phase, OpsRequestPhase::Successful);
    cluster
}

/// The request of an operation that is to restart nothing by itself.
fn by_reload(tls: &str, restart: &str) -> String {
    format!("type: ReconfigureTLS, tls: {{restart: '{restart}', {}", &tls[1..])
}

#[test]
fn without_a_restart_every_operation_ends_the_same_and_no_pod_is_touched() {
    for (replicas, restart) in [(1, "auto"), (3, "auto"), (3, "false")] {
        for crash_after in [None, Some(1)] {
            let mut cluster = Cluster::new(replicas);
            for (name, tls) in OPERATIONS {
                let before = cluster.uids();
                let disturbance = Disturbance {
                    crash_after,
                    twice: crash_after.is_some(),
                    seed: 0,
                };
                let mut run = Run::new(name, &by_reload(tls, restart), 0);
                let phase = run.run(&mut cluster, disturbance);
                let context = format!("{name}: {:#?}", run.log);
                assert_eq!(phase, OpsRequestPhase::Successful, "{context}");
                assert_eq!(cluster.uids(), before, "{context}");
                assert_eq!(cluster.switchovers, 0, "{context}");
                assert_eq!(cluster.world().holder(), None, "{context}");
                assert_eq!(
                    cluster.provisioner_would_change(),
                    Vec::<&str>::new(),
                    "{context}"
                );
                if restart == "auto" && crash_after.is_none() {
                    expectorate::assert_contents(
                        format!("tests/golden/auto-{name}-{replicas}.log"),
                        &(run.log.join("\n") + "\n"),
                    );
                }
            }
        }
    }
}

/// On the way to the overlap window no member is restarted. Afterwards the operator restarts a member that does not follow, and reports why.
#[test]
fn only_a_member_that_does_not_follow_is_restarted() {
    for (restart, expected) in [
        ("auto", OpsRequestPhase::Successful),
        ("false", OpsRequestPhase::Failed),
    ] {
        let mut cluster = Cluster::new(3);
        // Plaintext is accepted in the overlap window and refused afterwards: a member that does not follow then shows it.
        let mut run = Run::new("add", &by_reload(OPERATIONS[0].1, restart), 0);
        run.then = Some(("ReloadTLS", |cluster| {
            cluster.keeps_old_files = Some("pg-1".into())
        }));
        run.request.spec.timeout = Some("60s".into());
        let phase = run.run(&mut cluster, CALM);
        assert_eq!(phase, expected, "{:#?}", run.log);
        assert_eq!(cluster.world().holder(), None);
        if expected == OpsRequestPhase::Successful {
            assert_eq!(cluster.evictions, ["pg-1"]);
            let reasons = run.status().progress.expect("choices").restart_reasons;
            assert!(reasons["pg-1"].contains("plaintext"), "{reasons:?}");
        } else {
            assert!(cluster.evictions.is_empty());
            let failed = condition::find(&run.status().conditions, "Failed")
                .expect("Failed")
                .message
                .clone();
            assert!(
                failed.as_deref().unwrap_or_default().contains("restart: auto"),
                "{failed:?}"
            );
        }
    }
}

#[test]
fn sessions_that_do_not_leave_are_ended_or_the_request_fails() {
    let wait = "{policy: Wait, timeout: 5s}";
    for (drain, expected) in [
        ("{}", OpsRequestPhase::Successful),
        (wait, OpsRequestPhase::Failed),
    ] {
        let mut cluster = Cluster::new(3);
        cluster.sessions.plaintext = 4;
        let tls = format!("{{drain: {drain}, {}", &OPERATIONS[0].1[1..]);
        let mut run = Run::new("add", &by_reload(&tls, "auto"), 0);
        assert_eq!(run.run(&mut cluster, CALM), expected, "{:#?}", run.log);
        if expected == OpsRequestPhase::Successful {
            assert_eq!(
                run.status().progress.and_then(|progress| progress.sessions_ended),
                Some(12)
            );
            assert_eq!(cluster.sessions.plaintext, 0);
        } else {
            assert_eq!(cluster.sessions.plaintext, 4);
            assert_eq!(cluster.phases(), BTreeSet::from([TlsPhase::Off]), "all as before");
        }
        assert_eq!(cluster.world().holder(), None);
    }
}

#[test]
fn a_member_that_never_takes_up_a_certificate_is_left_with_the_last_good_one() {
    let mut cluster = Cluster::new(3);
    let add = Run::new("add", &by_reload(OPERATIONS[0].1, "auto"), 0).run(&mut cluster, CALM);
    assert_eq!(add, OpsRequestPhase::Successful);
    let before = cluster.served();
    cluster.keeps_old_files = Some("pg-1".into());
    let mut run = Run::new("rotate", &by_reload("{rotateCertificates: true}", "auto"), 0);
    run.request.spec.timeout = Some("30s".into());
    assert_eq!(
        run.run(&mut cluster, CALM),
        OpsRequestPhase::Failed,
        "{:#?}",
        run.log
    );
    assert_eq!(cluster.served(), before, "all are back: {:#?}", run.log);
    assert_eq!(cluster.world().holder(), None);
}

/// A request deleted at any moment: spec, children and members agree, nobody holds the pause.
#[test]
fn a_deleted_request_leaves_a_database_that_serves_what_its_spec_says() {
    for after in 0..60 {
        let mut cluster = Cluster::new(3);
        let (name, tls) = OPERATIONS[0];
        let mut run = Run::new(name, &format!("type: ReconfigureTLS, tls: {tls}"), 0);
        run.cancel_after = Some(after);
        let phase = run.run(&mut cluster, CALM);
        if phase == OpsRequestPhase::Successful {
            assert!(after > 10, "{after}: {:#?}", run.log);
            return;
        }
        assert_eq!(phase, OpsRequestPhase::Failed);
        let wanted = if cluster.postgres.spec.tls.is_some() {
            TlsPhase::Enforce
        } else {
            TlsPhase::Off
        };
        assert_eq!(
            cluster.phases(),
            BTreeSet::from([wanted]),
            "deleted after {after} effects: {:#?}",
            run.log
        );
        assert_eq!(
            cluster
                .provisioner_would_change()
                .iter()
                .filter(|w| **w != "PetSet")
                .count(),
            0,
            "{:#?}",
            run.log
        );
        assert_eq!(cluster.world().holder(), None);
    }
}

/// At admission no Secret is read; the user's configuration is none of a TLS change's business.
#[test]
fn a_database_with_a_configuration_secret_is_admitted() {
    let mut cluster = Cluster::new(3);
    let configuration = serde_yaml::from_str("{secretName: pg-configuration}").expect("a configuration");
    cluster.postgres.spec.configuration = Some(configuration);
    let (name, tls) = OPERATIONS[0];
    Run::new(name, &format!("type: ReconfigureTLS, tls: {tls}"), 0).begin(&mut cluster);
}
