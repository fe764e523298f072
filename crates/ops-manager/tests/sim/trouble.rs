//! Applications that come back, members that are away, requests that end at a bad moment.

use std::collections::BTreeSet;

use api_types::condition;
use api_types::ops_request::OpsRequestPhase;
use blueprint::TlsPhase;
use jiff::SignedDuration;
use ops_manager::last_failure::LastFailure;
use ops_manager::world::Observed;
use ops_manager::{engine, operation};

use crate::cluster::Cluster;
use crate::run::{CALM, Disturbance, Run};
use crate::{OPERATIONS, by_reload, with_tls};

impl Cluster {
    /// Sessions end; applications are back at once on a member that admits them.
    pub fn end_sessions(&mut self, encrypted: bool) {
        let refusing = if encrypted {
            TlsPhase::Off
        } else {
            TlsPhase::Enforce
        };
        if self.sessions_come_back && self.phases() != BTreeSet::from([refusing]) {
            return;
        }
        if encrypted {
            self.sessions.encrypted = 0;
        } else {
            self.sessions.plaintext = 0;
        }
    }
}

/// Ended once while they may come back, and for good when they may not.
#[test]
fn applications_that_come_back_at_once_do_not_keep_a_request_from_its_end() {
    let removes = "{remove: true}";
    for (tls, crash_after) in [
        (OPERATIONS[0].1, None),
        (OPERATIONS[0].1, Some(1)),
        (removes, None),
        (removes, Some(1)),
    ] {
        let mut cluster = if tls == removes {
            with_tls(3)
        } else {
            Cluster::new(3)
        };
        cluster.sessions.plaintext = if tls == removes { 0 } else { 4 };
        cluster.sessions.encrypted = if tls == removes { 4 } else { 0 };
        cluster.sessions_come_back = true;
        let tls = format!("{{drain: {{timeout: 20s}}, {}", &tls[1..]);
        let mut run = Run::new("pools", &by_reload(&tls, "auto"), 0);
        // Shorter than the time that sessions are given.
        run.request.spec.timeout = Some("10s".into());
        let phase = run.run(&mut cluster, Disturbance::killed_after(crash_after));
        assert_eq!(phase, OpsRequestPhase::Successful, "{:#?}", run.log);
        assert_eq!(
            run.status().progress.and_then(|progress| progress.sessions_ended),
            Some(12)
        );
        assert_eq!(cluster.sessions.plaintext + cluster.sessions.encrypted, 0);
        let ended = run.log.iter().filter(|line| line.contains("end the sessions"));
        assert_eq!(ended.count(), 2, "{:#?}", run.log);
        assert!(cluster.evictions.is_empty());
    }
}

/// The bundle with both CAs is of use only to those who have had the time to take it.
#[test]
fn applications_have_the_time_that_the_request_gives_them_to_take_the_new_ca() {
    let given = SignedDuration::from_secs(20);
    let tls = "{issuerRef: {name: two, kind: Issuer}, caOverlap: 20s}";
    for crash_after in [None, Some(1)] {
        let mut cluster = with_tls(3);
        let mut run = Run::new("change", &by_reload(tls, "auto"), 0);
        // Shorter than the time that applications are given.
        run.request.spec.timeout = Some("10s".into());
        let phase = run.run(&mut cluster, Disturbance::killed_after(crash_after));
        assert_eq!(phase, OpsRequestPhase::Successful, "{:#?}", run.log);
        let conditions = run.status().conditions;
        let when = |type_: &str| {
            let found = condition::find(&conditions, type_).expect("a condition");
            found.last_transition_time.0
        };
        let took = when("TrustCA").duration_since(when("DatabasePauseSucceeded"));
        assert!(took >= given, "{took:#}: {:#?}", run.log);
        assert_eq!(cluster.provisioner_would_change(), Vec::<&str>::new());
    }
}

/// Whether a member needs a restart is not known while it does not answer.
#[test]
fn a_member_that_is_away_for_a_while_is_neither_restarted_nor_a_failure() {
    for restart in ["auto", "false"] {
        let mut cluster = Cluster::new(3);
        let mut run = Run::new("add", &by_reload(OPERATIONS[0].1, restart), 0);
        run.then = Some(("UpdatePetSets", |cluster| {
            cluster.unreachable = Some(("pg-1", cluster.now + SignedDuration::from_secs(40)));
        }));
        let phase = run.run(&mut cluster, CALM);
        assert_eq!(phase, OpsRequestPhase::Successful, "{restart}: {:#?}", run.log);
        assert!(cluster.evictions.is_empty(), "{restart}: {:#?}", run.log);
    }
}

/// Members leave by a request of their own, which looks after the primary.
#[test]
fn a_restart_removes_no_member_that_an_edit_of_the_spec_would() {
    let mut cluster = Cluster::new(3);
    cluster.postgres.spec.replicas = Some(1);
    let phase = Run::new("restart", "type: Restart", 0).run(&mut cluster, CALM);
    assert_eq!(phase, OpsRequestPhase::Successful);
    assert_eq!(cluster.uids().len(), 3);
    assert_eq!(cluster.evictions.len(), 3);
}

#[test]
fn a_rotation_that_is_deleted_after_the_commit_goes_on_with_the_new_certificates() {
    let mut cluster = with_tls(3);
    let old = cluster.served();
    let mut run = Run::new(
        "rotate",
        "type: ReconfigureTLS, tls: {rotateCertificates: true}",
        0,
    );
    run.cancel_at = Some("UpdatePetSets");
    assert_eq!(run.run(&mut cluster, CALM), OpsRequestPhase::Failed);
    let served = cluster.served();
    assert_eq!(served.len(), 1, "{:#?}", run.log);
    assert!(served.is_disjoint(&old), "{:#?}", run.log);
    assert_eq!(cluster.world().holder(), None);
    let config_is_changed = cluster.provisioner_would_change().contains(&"config Secret");
    assert!(!config_is_changed, "{:#?}", run.log);
}

/// Whatever else a request changes, `rotateCertificates` means that every certificate is issued anew.
#[test]
fn a_rotation_is_one_whatever_the_issuer_is_and_however_it_is_written() {
    for (issuer, asks_for_its_ca) in [
        ("{name: two, kind: Issuer}", true),
        ("{apiGroup: cert-manager.io, name: one, kind: Issuer}", false),
    ] {
        let mut cluster = with_tls(3);
        let tls = format!("{{rotateCertificates: true, issuerRef: {issuer}}}");
        let mut run = Run::new("rotate", &by_reload(&tls, "auto"), 0);
        let before = cluster.world().tls.expect("certificates").certificates;
        let old = cluster.served();
        let phase = run.run(&mut cluster, CALM);
        assert_eq!(phase, OpsRequestPhase::Successful, "{:#?}", run.log);
        assert!(cluster.served().is_disjoint(&old), "{:#?}", run.log);
        let conditions = run.status().conditions;
        assert!(
            condition::is_true(&conditions, "IssueCertificatesSucceeded"),
            "{:#?}",
            run.log
        );
        let asked = run.log.iter().any(|line| line.contains("for its CA"));
        assert_eq!(asked, asks_for_its_ca, "{:#?}", run.log);
        let revision = |certificate: &Observed<_>| {
            let certificate: &api_types::cert_manager::Certificate =
                certificate.present().expect("a Certificate");
            certificate.status.as_ref().and_then(|status| status.revision)
        };
        for (alias, certificate) in cluster.world().tls.expect("certificates").certificates {
            assert!(revision(&certificate) > revision(&before[&alias]), "{alias:?}");
        }
    }
}

/// Clients read the password there: the one that they have goes on to open the database.
#[test]
fn no_password_is_made_that_no_secret_could_have() {
    let mut cluster = Cluster::new(3);
    cluster.auth.is_deleted = true;
    let before = cluster.auth.clone();
    let mut run = Run::new("r", "type: RotateAuth", 0);
    run.request.spec.timeout = Some("20s".into());
    assert_eq!(run.run(&mut cluster, CALM), OpsRequestPhase::Failed);
    assert_eq!(cluster.auth, before, "{:#?}", run.log);
    let failed = run.said("Failed");
    assert!(failed.contains("Secret pg-auth"), "{failed}");
}

/// What the API server refuses is waited for until the step's deadline; then the request says what it was.
#[test]
fn why_an_effect_does_not_succeed_is_told() {
    let mut cluster = Cluster::new(3);
    let mut run = Run::new("r", "type: Restart", 0);
    run.begin(&mut cluster);
    let mut tried = String::new();
    while !tried.contains("pg-2") {
        run.others_move(&mut cluster, 0);
        let op = operation::parse(&run.request).expect("a good request");
        let next = engine::advance(&op, &run.status(), &cluster.world(), false, run.now);
        tried = engine::list(&next.effects);
        run.request.status = Some(next.status);
        for effect in next.effects.iter().filter(|_| !tried.contains("pg-2")) {
            cluster.perform(effect, &op.holder());
        }
    }
    let why = "a quota is exceeded";
    let op = ops_manager::operation::Operation {
        last_failure: Some(LastFailure {
            effects: tried,
            why: why.into(),
        }),
        ..operation::parse(&run.request).expect("a good request")
    };
    for (waits, condition) in [(0, "RestartNodes"), (1, "Failed")] {
        let now = run.now + SignedDuration::from_hours(waits);
        let next = engine::advance(&op, &run.status(), &cluster.world(), false, now);
        run.request.status = Some(next.status);
        let told = run.said(condition);
        assert!(told.contains(why), "{told}");
    }
}
