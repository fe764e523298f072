//! Other resources for the members: what is refused before anything is touched, and the way back when a Pod has no room.

use std::collections::BTreeSet;

use api_types::condition;
use api_types::ops_request::{ApplyOption, OpsRequestPhase, ResourceSettings};
use instance::SslSessions;
use jiff::SignedDuration;
use ops_manager::admit::Admission;
use ops_manager::{approval, operation};

use crate::cluster::Cluster;
use crate::plan::planned;
use crate::run::{CALM, Disturbance, Run, world_with_issuers};
use crate::scenarios::MORE;

/// Requests and limits of memory by default.
const DEFAULT: (&str, &str) = ("1Gi", "1Gi");
const GIBIBYTE: i64 = 1 << 30;
/// More of what members have by default, and no limit besides.
const GROW: &str = "postgres: {resources: {requests: {cpu: 700m, memory: 2Gi}, limits: {memory: 2Gi}}}";

fn resize(section: &str) -> String {
    format!("type: VerticalScaling, verticalScaling: {{{section}}}")
}

fn memory(pair: (&str, &str)) -> BTreeSet<(String, String)> {
    BTreeSet::from([(pair.0.to_owned(), pair.1.to_owned())])
}

fn admission(cluster: &Cluster, spec: &str) -> Admission {
    let run = Run::new("resize", spec, 0);
    let op = operation::parse(&run.request).expect("a request that makes sense by itself");
    approval::admit(&run.request, &op, &[], &world_with_issuers(cluster), run.now)
}

#[test]
fn resources_take_the_steps_that_are_written_down() {
    for (name, mode) in [("resize", ""), ("resize-in-place", "mode: InPlace, ")] {
        let mut cluster = Cluster::new(3);
        cluster.sessions = SslSessions {
            encrypted: 0,
            plaintext: 3,
        };
        let spec = resize(&format!("{mode}{MORE}"));
        let mut plan = planned(&mut cluster, &spec);
        plan.sessions.counted_at = None;
        let text = serde_yaml::to_string(&plan).expect("YAML");
        expectorate::assert_contents(format!("tests/golden/plan-{name}.yaml"), &text);
        let run = Run::to(&mut cluster, "resize", &spec, OpsRequestPhase::Successful);
        expectorate::assert_contents(format!("tests/golden/{name}-3.log"), &(run.log.join("\n") + "\n"));
        assert_eq!(cluster.memory(), memory(("2Gi", "2Gi")));
        let proven = ["pg-0", "pg-1", "pg-2"].map(|pod| run.said(&format!("CheckPodResources--{pod}")));
        assert!(proven.iter().all(|it| it.starts_with("True")), "{proven:?}");
    }
}

/// No Pod is touched, the primary stays and is the last, and what only a restart brings is said.
#[test]
fn containers_that_run_get_the_resources() {
    for disturbance in [CALM, Disturbance::killed_after(Some(1))] {
        for replicas in [1, 3] {
            let mut cluster = Cluster::new(replicas);
            let (before, leader) = (cluster.uids(), cluster.leader.clone());
            let mut run = Run::new("resize", &resize(&format!("mode: InPlace, {MORE}")), 0);
            assert_eq!(
                run.run(&mut cluster, disturbance),
                OpsRequestPhase::Successful,
                "{:#?}",
                run.log
            );
            assert_eq!(
                (cluster.uids(), &cluster.leader),
                (before, &leader),
                "{:#?}",
                run.log
            );
            assert!(
                cluster.evictions.is_empty() && cluster.restarts.is_empty(),
                "{:#?}",
                run.log
            );
            assert_eq!(cluster.resized.last(), Some(&leader), "{:#?}", run.log);
            assert_eq!(cluster.memory(), memory(("2Gi", "2Gi")));
            assert_eq!(cluster.provisioner_would_change(), Vec::<&str>::new());
            let waits = run.said("PendingRestart");
            assert!(waits.contains("shared_buffers on pg-0"), "{waits}");
        }
    }
}

/// KubeDB's fallback, of that member alone.
#[test]
fn a_member_whose_node_has_no_room_is_recreated() {
    let mut cluster = Cluster::new(3);
    cluster.full_node = Some("pg-2");
    let mut run = Run::new("resize", &resize(&format!("mode: InPlace, {MORE}")), 0);
    assert_eq!(
        run.run(&mut cluster, CALM),
        OpsRequestPhase::Successful,
        "{:#?}",
        run.log
    );
    assert_eq!(cluster.evictions, ["pg-2"], "{:#?}", run.log);
    assert_eq!(cluster.memory(), memory(("2Gi", "2Gi")));
    let reasons = run.status().progress.expect("progress").restart_reasons;
    assert!(
        reasons["pg-2"].contains("Node didn't have enough capacity"),
        "{reasons:?}"
    );
}

/// No node has room: what was resized is resized back, and no more than one Pod was recreated.
#[test]
fn resources_in_place_that_no_node_has_are_taken_back() {
    for disturbance in [CALM, Disturbance::killed_after(Some(1))] {
        for (section, restarted) in [(GROW, 1), (MORE, 3)] {
            taken_back(section, restarted, disturbance);
        }
    }
}

/// A limit that a Pod had not is taken away by a restart only.
fn taken_back(section: &str, restarted: usize, disturbance: Disturbance) {
    let mut cluster = Cluster::new(3);
    cluster.room = GIBIBYTE;
    let (before, spec) = (cluster.uids(), cluster.postgres.spec.clone());
    let mut run = Run::new("resize", &resize(&format!("mode: InPlace, {section}")), 0);
    run.request.spec.timeout = Some("20s".into());
    assert_eq!(
        run.run(&mut cluster, disturbance),
        OpsRequestPhase::Failed,
        "{:#?}",
        run.log
    );
    for _ in 0..4 {
        cluster.petset_ticks();
    }
    assert_eq!(cluster.memory(), memory(DEFAULT), "{:#?}", run.log);
    assert_eq!(cluster.postgres.spec, spec);
    assert_eq!(cluster.provisioner_would_change(), Vec::<&str>::new());
    let after = cluster.uids();
    let touched = before.iter().filter(|(pod, uid)| after[*pod] != **uid).count();
    assert_eq!(touched, restarted, "{:#?}", run.log);
    assert!(run.said("RestoreDatabase").starts_with("True"), "{:#?}", run.log);
}

#[test]
fn a_container_that_is_killed_by_it_ends_the_resize_and_all_is_as_before() {
    let mut cluster = Cluster::new(3);
    cluster.killed_by_resize = Some("pg-1");
    let spec = cluster.postgres.spec.clone();
    let mut run = Run::new("resize", &resize(&format!("mode: InPlace, {GROW}")), 0);
    assert_eq!(run.run(&mut cluster, CALM), OpsRequestPhase::Failed);
    assert!(
        run.said("Failed")
            .contains("a container of Pod pg-1 was restarted"),
        "{}",
        run.said("Failed")
    );
    assert_eq!(cluster.memory(), memory(DEFAULT), "{:#?}", run.log);
    assert_eq!(cluster.postgres.spec, spec);
    assert!(cluster.evictions.is_empty(), "{:#?}", run.log);
}

/// What a member uses now can't be known before it is looked at.
#[test]
fn memory_that_a_member_uses_is_not_taken_from_it() {
    for is_away in [false, true] {
        let mut cluster = Cluster::new(3);
        cluster.used = 700 << 20;
        let less = "postgres: {resources: {requests: {memory: 768Mi}, limits: {memory: 768Mi}}}";
        let mut run = Run::new("resize", &resize(&format!("mode: InPlace, {less}")), 0);
        // While it does not answer, it may use any amount.
        run.then = is_away.then_some(("DatabasePauseSucceeded", |cluster: &mut Cluster| {
            cluster.unreachable = Some(("pg-1", cluster.now + SignedDuration::from_secs(40)));
        }));
        assert_eq!(run.run(&mut cluster, CALM), OpsRequestPhase::Failed);
        let failed = run.said("Failed");
        assert!(
            failed.contains("uses 700Mi of memory that it can't give back"),
            "{failed}"
        );
        assert!(failed.contains("limits.memory: 778Mi or more"), "{failed}");
        assert!(cluster.resized.is_empty(), "{:#?}", run.log);
        assert_eq!(cluster.memory(), memory(DEFAULT), "{:#?}", run.log);
    }
}

/// A Pod that runs keeps its quality of service: then the Pods are restarted, and the plan says so before.
#[test]
fn resources_of_another_quality_of_service_are_given_by_restarts() {
    let mut cluster = Cluster::new(3);
    let fixed = "postgres: {resources: {requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 1, memory: 1Gi}}}";
    let spec = resize(&format!("mode: InPlace, {fixed}"));
    let plan = planned(&mut cluster, &spec);
    let is_burstable = !plan.summary.contains("from Burstable to Guaranteed");
    let run = Run::to(&mut cluster, "resize", &spec, OpsRequestPhase::Successful);
    // The agent's container decides whether the Pod as a whole can be Guaranteed.
    assert_eq!(
        cluster.evictions.is_empty(),
        is_burstable,
        "{}: {:#?}",
        plan.summary,
        run.log
    );
}

/// A standby has no room on any node: the others were not touched, and it comes back as it was.
#[test]
fn resources_that_no_node_has_are_taken_back() {
    for disturbance in [CALM, Disturbance::killed_after(Some(1))] {
        for replicas in [1, 3] {
            let mut cluster = Cluster::new(replicas);
            cluster.room = GIBIBYTE;
            let before = cluster.uids();
            let spec = cluster.postgres.spec.clone();
            let leader = cluster.leader.clone();
            let mut run = Run::new("resize", &resize(MORE), 0);
            run.request.spec.timeout = Some("20s".into());
            let phase = run.run(&mut cluster, disturbance);
            assert_eq!(phase, OpsRequestPhase::Failed, "{:#?}", run.log);
            for _ in 0..4 {
                cluster.petset_ticks();
            }
            assert_eq!(cluster.memory(), memory(DEFAULT), "{:#?}", run.log);
            assert_eq!(cluster.postgres.spec, spec);
            assert_eq!(cluster.provisioner_would_change(), Vec::<&str>::new());
            assert_eq!(cluster.leader, leader, "{:#?}", run.log);
            let after = cluster.uids();
            let touched = before.iter().filter(|(pod, uid)| after[*pod] != **uid).count();
            assert_eq!(touched, 1, "{:#?}", run.log);
            let failed = run.said("Failed");
            assert!(failed.contains("its Pod is not Ready"), "{failed}");
            assert!(run.said("RestoreDatabase").starts_with("True"), "{:#?}", run.log);
            assert_eq!(cluster.world().holder(), None);
        }
    }
}

/// What somebody else wrote meanwhile was planned and proven by nobody.
#[test]
fn resources_that_were_edited_meanwhile_are_not_overwritten() {
    let mut cluster = Cluster::new(3);
    let mut run = Run::new("resize", &resize(MORE), 0);
    run.then = Some(("RestartNodes", |cluster| {
        let edit: ResourceSettings =
            serde_yaml::from_str("{postgres: {limits: {memory: 8Gi}}}").expect("resources");
        edit.write(&mut cluster.postgres.spec);
    }));
    assert_eq!(run.run(&mut cluster, CALM), OpsRequestPhase::Failed);
    assert!(
        run.said("Failed").contains("was edited during the operation"),
        "{}",
        run.said("Failed")
    );
    assert_eq!(cluster.memory(), memory(DEFAULT), "{:#?}", run.log);
    let spec = ResourceSettings::of(&cluster.postgres.spec)
        .postgres
        .expect("resources");
    let limits = spec.limits.expect("limits");
    assert_eq!(limits["memory"].0, "8Gi");
}

#[test]
fn resources_with_which_members_could_not_run_are_refused() {
    let configured = |conf: &'static str| {
        Cluster::of(3, move |spec| {
            let text = format!("{{inline: {{user.conf: \"{conf}\"}}}}");
            spec.configuration = serde_yaml::from_str(&text).expect("a configuration");
        })
    };
    let table = [
        (
            Cluster::new(3),
            "postgres: {resources: {requests: {memory: 128Mi}, limits: {memory: 128Mi}}}",
            "shared_buffers 32768kB, 1MB for each of 100 connections, and 64MB for Patroni and PostgreSQL's own processes make \
             196Mi. Write limits.memory: 196Mi or more",
        ),
        (
            configured("shared_buffers = 600MB"),
            "postgres: {resources: {requests: {memory: 512Mi}, limits: {memory: 512Mi}}}",
            "shared_buffers: it is not smaller than the memory limit",
        ),
        (
            configured("shared_buffers = 600MB\\nmax_connections = 300"),
            "postgres: {resources: {requests: {memory: 800Mi}, limits: {memory: 800Mi}}}",
            "1MB for each of 300 connections",
        ),
        (
            Cluster::new(3),
            "postgres: {resources: {requests: {memory: 2Gi}}}",
            "the request of memory of the container postgres would be 2Gi, more than its limit of 1Gi",
        ),
        (
            Cluster::new(3),
            "exporter: {resources: {limits: {memory: 300Mi}}}",
            "the Postgres has no exporter",
        ),
    ];
    for (cluster, section, words) in table {
        match admission(&cluster, &resize(section)) {
            Admission::Refuse(why) => assert!(why.contains(words), "{section}: {why}"),
            other => panic!("{section}: {other:?}"),
        }
    }
}

/// Too little is better than less: a database that is short of memory can be given some more.
#[test]
fn more_memory_is_never_refused() {
    let cluster = Cluster::of(3, |spec| {
        let resources = "{postgres: {requests: {memory: 96Mi}, limits: {memory: 96Mi}}}";
        let resources: ResourceSettings = serde_yaml::from_str(resources).expect("resources");
        resources.write(spec);
    });
    let more = "postgres: {resources: {requests: {memory: 128Mi}, limits: {memory: 128Mi}}}";
    let admission = admission(&cluster, &resize(more));
    assert!(matches!(admission, Admission::Begin(_)), "{admission:?}");
}

#[test]
fn there_is_nothing_to_do_when_the_members_have_the_resources() {
    let mut cluster = Cluster::new(3);
    let same = resize("postgres: {resources: {requests: {cpu: '0.5'}, limits: {memory: 1024Mi}}}");
    cluster.pet_set.status.get_or_insert_default().updated_replicas = Some(3);
    let generation = cluster.pet_set.metadata.generation;
    cluster.pet_set.status.get_or_insert_default().observed_generation = generation;
    assert!(matches!(admission(&cluster, &same), Admission::NothingToDo(_)));
    // A member was not made again since the template was changed.
    cluster.pet_set.status.get_or_insert_default().updated_replicas = Some(2);
    assert!(matches!(admission(&cluster, &same), Admission::Begin(_)));
}

/// A member that is broken is cured by more memory, or at least not in its way.
#[test]
fn no_healthy_member_is_restarted_while_another_one_is_broken() {
    let mut cluster = Cluster::new(3);
    cluster.broken = Some("pg-1");
    let mut run = Run::new("resize", &resize(MORE), 0);
    run.request.spec.timeout = Some("20s".into());
    run.request.spec.apply = Some(ApplyOption::Always);
    assert_eq!(
        run.run(&mut cluster, CALM),
        OpsRequestPhase::Failed,
        "{:#?}",
        run.log
    );
    let others = cluster.evictions.iter().filter(|pod| *pod != "pg-1").count();
    assert_eq!(others, 0, "{:#?}", run.log);
    let conditions = run.status().conditions;
    assert!(!condition::is_true(&conditions, "UpdateDatabase"));
}
