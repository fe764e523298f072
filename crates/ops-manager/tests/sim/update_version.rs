//! Another minor version for the members: what is refused before anything is touched, the canary, and the way back.

use std::collections::BTreeSet;

use api_types::condition;
use api_types::ops_request::OpsRequestPhase;
use api_types::version::UpdateConstraints;
use instance::SslSessions;
use ops_manager::admit::Admission;
use ops_manager::spec_edits;
use ops_manager::{approval, operation};

use crate::cluster::Cluster;
use crate::cluster::catalog::postgres_version;
use crate::plan::planned;
use crate::run::{CALM, Disturbance, Run, world_with_issuers};

fn update(target: &str) -> String {
    format!("type: UpdateVersion, updateVersion: {{targetVersion: '{target}'}}")
}

fn admission(cluster: &Cluster, target: &str) -> Admission {
    let run = Run::new("update", &update(target), 0);
    let op = operation::parse(&run.request).expect("a request that makes sense by itself");
    approval::admit(&run.request, &op, &[], &world_with_issuers(cluster), run.now)
}

fn refusal(cluster: &Cluster, target: &str) -> String {
    match admission(cluster, target) {
        Admission::Refuse(why) => why,
        other => panic!("{target}: {other:?}"),
    }
}

#[test]
fn a_minor_version_takes_the_steps_that_are_written_down() {
    let mut cluster = Cluster::new(3);
    cluster.sessions = SslSessions {
        encrypted: 0,
        plaintext: 3,
    };
    let plan = planned(&mut cluster, &update("17.13"));
    let steps: Vec<&str> = plan.phases.iter().map(|phase| phase.name.as_str()).collect();
    assert_eq!(
        steps[1..steps.len() - 1],
        [
            "UpdatePetSetImage",
            "UpdateStandbyPodImage",
            "UpdatePrimaryImage",
            "UpdateDatabase"
        ]
    );
    for part in [
        "would update PostgreSQL 17.12 to PostgreSQL 17.13",
        "image postgres → postgres:17.13",
        "9 without",
    ] {
        assert!(plan.summary.contains(part), "{part}: {}", plan.summary);
    }
    let mut run = Run::new("update", &update("17.13"), 0);
    run.now = cluster.now;
    assert_eq!(run.run(&mut cluster, CALM), OpsRequestPhase::Successful);
    assert_eq!(cluster.images(), BTreeSet::from(["postgres:17.13"]));
    assert_eq!(cluster.postgres.spec.version, "17.13");
    assert_eq!(cluster.switchovers, 1);
    let last = cluster.evictions.last().map(String::as_str);
    assert_eq!(
        last,
        Some("pg-0"),
        "the primary goes last: {:?}",
        cluster.evictions
    );
    let proven = ["pg-0", "pg-1", "pg-2"].map(|pod| run.said(&format!("CheckServerVersion--{pod}")));
    assert!(proven.iter().all(|it| it.starts_with("True")), "{proven:?}");
}

/// The canary does not come up: no other member was touched, the primary stays, and the canary runs the old version again.
#[test]
fn a_version_that_does_not_run_reaches_one_standby_and_is_taken_back() {
    for disturbance in [CALM, Disturbance::killed_after(Some(1))] {
        for replicas in [1, 3] {
            let mut cluster = Cluster::new(replicas);
            cluster.bad_image = Some("postgres:17.13");
            let (before, leader) = (cluster.uids(), cluster.leader.clone());
            let spec = cluster.postgres.spec.clone();
            let mut run = Run::new("update", &update("17.13"), 0);
            run.request.spec.timeout = Some("20s".into());
            let phase = run.run(&mut cluster, disturbance);
            assert_eq!(phase, OpsRequestPhase::Failed, "{:#?}", run.log);
            for _ in 0..4 {
                cluster.petset_ticks();
            }
            assert_eq!(cluster.images(), BTreeSet::from(["postgres"]), "{:#?}", run.log);
            assert_eq!(cluster.postgres.spec, spec);
            assert_eq!(cluster.provisioner_would_change(), Vec::<&str>::new());
            assert_eq!(cluster.leader, leader, "{:#?}", run.log);
            let after = cluster.uids();
            let touched = before.iter().filter(|(pod, uid)| after[*pod] != **uid).count();
            assert_eq!(touched, 1, "{:#?}", run.log);
            assert!(run.said("RestoreDatabase").starts_with("True"), "{:#?}", run.log);
            assert_eq!(cluster.world().holder(), None);
        }
    }
}

/// An image that has another PostgreSQL in it than the catalog says is seen by the canary.
#[test]
fn a_member_that_answers_another_version_is_not_believed() {
    let mut cluster = Cluster::new(3);
    let mut wrong = postgres_version("17.11", "postgres:17.10");
    wrong.spec.db.image = "postgres:17.10".into();
    cluster.other_versions.push(wrong);
    let mut run = Run::new("update", &update("17.11"), 0);
    run.request.spec.timeout = Some("20s".into());
    assert_eq!(run.run(&mut cluster, CALM), OpsRequestPhase::Failed);
    let failed = run.said("Failed");
    assert!(failed.contains("it runs PostgreSQL 17.10"), "{failed}");
    assert_eq!(
        cluster.evictions.iter().collect::<BTreeSet<_>>().len(),
        1,
        "{:?}",
        cluster.evictions
    );
    assert_eq!(cluster.images(), BTreeSet::from(["postgres"]));
}

#[test]
fn a_version_that_members_could_not_run_is_refused_before_anything_is_touched() {
    let plain = Cluster::new(3);
    let major = refusal(&plain, "18.3");
    for part in [
        "PostgreSQL 18",
        "PostgreSQL 17",
        "pg_dumpall",
        "Nothing was touched",
    ] {
        assert!(major.contains(part), "{part}: {major}");
    }
    assert!(refusal(&plain, "17.99").contains("there is no PostgresVersion \"17.99\""));

    let mut cluster = Cluster::new(3);
    let mut add = |name: &str, edit: fn(&mut api_types::version::PostgresVersionSpec)| {
        let mut version = postgres_version(name, &format!("postgres:{name}"));
        edit(&mut version.spec);
        cluster.other_versions.push(version);
    };
    add("17.14", |spec| spec.deprecated = Some(true));
    add("17.15", |spec| spec.version = "17".into());
    add("17.16", |spec| spec.coordinator.image = String::new());
    add("17.17", |spec| {
        spec.security_context = serde_yaml::from_str("{runAsUser: 70}").expect("a context");
    });
    add("17.18", |spec| spec.db.base_os = Some("alpine".into()));
    cluster.version.spec.db.base_os = Some("trixie".into());
    cluster.version.spec.update_constraints = Some(UpdateConstraints {
        allowlist: vec![">= 17.12".into()],
        denylist: Vec::new(),
    });
    for (target, words) in [
        ("17.14", "is deprecated"),
        ("17.15", "which minor version it runs"),
        ("17.16", "upgrade the chart catalog"),
        ("17.17", "as user 70, and the files belong to user 999"),
        ("17.18", "db.baseOS is alpine instead of trixie"),
        ("17.10", "upgrade from version 17.12 to 17.10 is not supported"),
    ] {
        let why = refusal(&cluster, target);
        assert!(why.contains(words), "{target}: {why}");
    }
}

#[test]
fn a_request_without_a_target_says_what_to_write() {
    for section in ["type: UpdateVersion", "type: UpdateVersion, updateVersion: {}"] {
        let error = operation::parse(&Run::new("update", section, 0).request).expect_err(section);
        assert!(error.contains("kubectl get pgversion"), "{error}");
    }
}

#[test]
fn there_is_nothing_to_do_when_the_members_run_the_version() {
    let mut cluster = Cluster::new(3);
    let generation = cluster.pet_set.metadata.generation;
    let status = cluster.pet_set.status.get_or_insert_default();
    (status.updated_replicas, status.observed_generation) = (Some(3), generation);
    assert!(matches!(admission(&cluster, "17.12"), Admission::NothingToDo(_)));
    // A member was not made again since the template was changed.
    cluster.pet_set.status.get_or_insert_default().updated_replicas = Some(2);
    assert!(matches!(admission(&cluster, "17.12"), Admission::Begin(_)));
}

/// The version is edited in the spec: the request that is made for it is not refused for the hold that it ends.
#[test]
fn an_edit_of_the_version_becomes_a_request_that_begins() {
    let mut cluster = Cluster::new(3);
    cluster.postgres.spec.version = "17.13".into();
    let held = condition::Condition::new(
        api_types::reported::postgres::conditions::SPEC_APPLIED,
        false,
        api_types::reported::postgres::reasons::UPDATE_VERSION_NEEDED,
        "spec.version \"17.13\" means another image",
        cluster.now,
    );
    let generation = cluster.postgres.metadata.generation;
    let status = cluster.postgres.status.get_or_insert_default();
    status.conditions.push(held);
    status.observed_generation = generation;
    let spec = spec_edits::wanted(&cluster.postgres).expect("a request");
    let target = spec.update_version.and_then(|it| it.target_version);
    assert_eq!(target.as_deref(), Some("17.13"));
    assert!(matches!(admission(&cluster, "17.13"), Admission::Begin(_)));
    // The image under an unchanged name is for a person to roll out.
    cluster.postgres.spec.version = "17.12".into();
    assert_eq!(spec_edits::wanted(&cluster.postgres), None);
}

/// What was planned is what is done: an entry of the catalog that changes meanwhile ends the request.
#[test]
fn a_catalog_that_is_edited_meanwhile_is_not_followed() {
    let mut cluster = Cluster::new(3);
    let mut run = Run::new("update", &update("17.13"), 0);
    run.then = Some(("UpdateStandbyPodImage", |cluster| {
        for version in &mut cluster.other_versions {
            version.spec.db.image = "postgres:edited".into();
        }
    }));
    assert_eq!(
        run.run(&mut cluster, CALM),
        OpsRequestPhase::Failed,
        "{:#?}",
        run.log
    );
    let failed = run.said("Failed");
    assert!(failed.contains("was edited during the operation"), "{failed}");
    assert_eq!(cluster.images(), BTreeSet::from(["postgres"]), "{:#?}", run.log);
    assert_eq!(cluster.postgres.spec.version, "17.12");
}
