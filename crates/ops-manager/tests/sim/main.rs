//! The real engine over a small world: every operation × {standalone, three members}, with crashes after every effect,
//! every effect done twice, and the world moving in random order.

mod approvals;
mod clock;
mod cluster;
mod conflicts;
mod objects;
mod plan;
mod reissued;
mod trouble;

use std::collections::BTreeSet;

use api_types::PostgresOpsRequest;
use api_types::condition;
use api_types::ops_request::{OpsRequestPhase, PostgresOpsRequestStatus};
use blueprint::TlsPhase;
use cluster::Cluster;
use jiff::{SignedDuration, Timestamp};
use ops_manager::admit::Admission;
use ops_manager::world::{IssuerState, Observed, World};
use ops_manager::{approval, engine, operation};

const OPERATIONS: [(&str, &str); 6] = [
    (
        "add",
        "{issuerRef: {name: one, kind: Issuer}, sslMode: verify-full, clientAuthMode: cert}",
    ),
    ("rotate", "{rotateCertificates: true}"),
    ("change-issuer", "{issuerRef: {name: two, kind: Issuer}}"),
    (
        "change-certificates",
        "{certificates: [{alias: server, dnsNames: [pg.example.org]}]}",
    ),
    ("change-mode", "{clientAuthMode: md5}"),
    ("remove", "{remove: true}"),
];

/// How the world is disturbed.
#[derive(Clone, Copy, Debug)]
struct Disturbance {
    /// The operator is killed after every n-th effect.
    crash_after: Option<usize>,
    /// Every effect is done twice.
    twice: bool,
    /// Order in which the others move; 0: everybody moves between two looks.
    seed: u64,
}

const CALM: Disturbance = Disturbance {
    crash_after: None,
    twice: false,
    seed: 0,
};

/// Something that happens to the world.
type Happening = fn(&mut Cluster);

struct Run {
    request: PostgresOpsRequest,
    log: Vec<String>,
    random: u64,
    now: Timestamp,
    cancel_after: Option<usize>,
    /// The request is deleted when this condition is true.
    cancel_at: Option<&'static str>,
    /// When this condition is true and the last step is still to come, this happens.
    then: Option<(&'static str, Happening)>,
    /// When this condition is true, the operator's clock jumps.
    clock: Option<(&'static str, SignedDuration)>,
    /// Three of four writes end in a conflict.
    conflicts: bool,
    /// Writes that did.
    lost: usize,
}

impl Run {
    fn new(name: &str, spec: &str, seed: u64) -> Self {
        let text = format!(
            "{{apiVersion: ops.kubedb.com/v1alpha1, kind: PostgresOpsRequest, metadata: {{name: {name}, namespace: demo, \
             uid: uid-{name}}}, spec: {{databaseRef: {{name: pg}}, {spec}}}}}"
        );
        let request = serde_yaml::from_str(&text).expect("a request");
        Self {
            request,
            log: Vec::new(),
            random: seed,
            now: "2026-01-01T00:00:00Z".parse().expect("a time"),
            cancel_after: None,
            cancel_at: None,
            then: None,
            clock: None,
            conflicts: false,
            lost: 0,
        }
    }

    fn status(&self) -> PostgresOpsRequestStatus {
        self.request.status.clone().unwrap_or_default()
    }

    fn coin(&mut self) -> bool {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) & 1 == 0
    }

    /// Whether a write ends in a conflict.
    fn loses(&mut self) -> bool {
        let loses = self.conflicts && !(self.coin() && self.coin());
        self.lost += usize::from(loses);
        loses
    }

    fn others_move(&mut self, cluster: &mut Cluster, seed: u64) {
        let moves: [fn(&mut Cluster); 3] = [
            Cluster::provisioner_ticks,
            Cluster::petset_ticks,
            Cluster::cert_manager_ticks,
        ];
        for step in moves {
            if seed == 0 || self.coin() {
                step(cluster);
            }
        }
    }

    fn begin(&mut self, cluster: &Cluster) {
        let op = operation::parse(&self.request).expect("a good request");
        let world = world_with_issuers(cluster);
        let admission = approval::admit(&self.request, &op, &[], &world, self.now);
        assert!(matches!(admission, Admission::Begin(_)), "{admission:?}");
        self.request.status = Some(approval::admitted(&self.request, &op, &admission, self.now));
    }

    /// Runs to the end; returns the phase.
    fn run(&mut self, cluster: &mut Cluster, disturbance: Disturbance) -> OpsRequestPhase {
        self.begin(cluster);
        let members = cluster.uids().len();
        let mut done = 0;
        for _ in 0..if self.conflicts { 20_000 } else { 2000 } {
            self.others_move(cluster, disturbance.seed);
            self.now += SignedDuration::from_millis(100);
            cluster.now = self.now;
            let op = operation::parse(&self.request).expect("a good request");
            let is_there = |step: &str| condition::is_true(&self.status().conditions, step);
            let cancelled =
                self.cancel_after.is_some_and(|after| done >= after) || self.cancel_at.is_some_and(is_there);
            let mut world = cluster.world();
            // As the operator looks: members that are not judged are not asked.
            if !engine::judges_members(&op, &self.status()) {
                world.members_not_asked = true;
                world.members.clear();
                world.leader = None;
            }
            let next = engine::advance(&op, &self.status(), &world, cancelled, self.now);
            if next.status != self.status() && self.loses() {
                continue;
            }
            self.note_latches(&next.status);
            self.request.status = Some(next.status.clone());
            let is_latched = |step: &str| condition::is_true(&next.status.conditions, step);
            if let Some((_, jump)) = self.clock.take_if(|(step, _)| is_latched(step)) {
                self.now += jump;
            }
            if let Some((_, happens)) = self
                .then
                .take_if(|(step, _)| is_latched(step) && !is_latched("UpdateDatabase"))
            {
                happens(cluster);
            }
            if next.has_ended() {
                return next.status.phase.expect("a phase");
            }
            for effect in &next.effects {
                if self.loses() {
                    break;
                }
                for _ in 0..if disturbance.twice { 2 } else { 1 } {
                    cluster.perform(effect, &op.holder());
                }
                self.note(format!("  {effect}"));
                done += 1;
                assert!(
                    members == 1 || cluster.ready() + 1 >= members,
                    "{effect} took a second member: {:#?}",
                    self.log
                );
                if disturbance.crash_after.is_some_and(|every| done % every == 0) {
                    break;
                }
            }
        }
        panic!("never ends: {:#?}\n{:#?}", self.log, self.status().conditions);
    }

    fn note(&mut self, line: String) {
        if self.log.last() != Some(&line) {
            self.log.push(line);
        }
    }

    fn note_latches(&mut self, new: &PostgresOpsRequestStatus) {
        let old = self.status();
        for now in new
            .conditions
            .iter()
            .filter(|c| c.is_true() && c.reason.is_some())
        {
            if !condition::is_true(&old.conditions, &now.type_) {
                self.note(format!(
                    "{} ({})",
                    now.type_,
                    now.message.clone().unwrap_or_default()
                ));
            }
        }
    }
}

/// What is looked at before an operation begins: the issuers `one` and `two` can sign, and there is no other.
fn world_with_issuers(cluster: &Cluster) -> World {
    let ready = || {
        Observed::Present(IssuerState {
            ready: true,
            message: String::new(),
        })
    };
    let mut issuers: Vec<_> = ["one", "two"].map(|name| (issuer(name), ready())).into();
    issuers.push((issuer("nobody"), Observed::Absent));
    World {
        issuers,
        ..cluster.world()
    }
}

fn issuer(name: &str) -> api_types::tls::IssuerRef {
    api_types::tls::IssuerRef {
        api_group: None,
        kind: "Issuer".into(),
        name: name.into(),
    }
}

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

/// On the way to the plateau nobody is restarted; afterwards a member that does not follow is, and it is said why.
#[test]
fn only_a_member_that_does_not_follow_is_restarted() {
    for (restart, expected) in [
        ("auto", OpsRequestPhase::Successful),
        ("false", OpsRequestPhase::Failed),
    ] {
        let mut cluster = Cluster::new(3);
        // Plaintext is accepted on the plateau and refused afterwards: a member that does not follow then shows it.
        let mut run = Run::new("add", &by_reload(OPERATIONS[0].1, restart), 0);
        run.then = Some(("ReloadTLS", |cluster| cluster.stubborn = Some("pg-1".into())));
        run.request.spec.timeout = Some("60s".into());
        let phase = run.run(&mut cluster, CALM);
        assert_eq!(phase, expected, "{:#?}", run.log);
        assert_eq!(cluster.world().holder(), None);
        if expected == OpsRequestPhase::Successful {
            assert_eq!(cluster.evictions, ["pg-1"]);
            let reasons = run.status().plan.expect("a plan").restart_reasons;
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
            assert_eq!(run.status().plan.and_then(|plan| plan.sessions_ended), Some(12));
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
    cluster.stubborn = Some("pg-1".into());
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
    Run::new(name, &format!("type: ReconfigureTLS, tls: {tls}"), 0).begin(&cluster);
}
