//! Larger volumes with a storage driver that enlarges none that a Pod uses: each member's Pod is away meanwhile, and comes back
//! however the request ends.

use api_types::ops_request::{OpsRequestPhase, PlannedRestart};
use api_types::postgres::DatabasePhase;
use jiff::SignedDuration;

use crate::cluster::{Cluster, Cure};
use crate::expansion::fails_for_one;
use crate::plan::planned;
use crate::run::{CALM, Disturbance, Run};
use crate::scenarios::offline_storage;

const GIB: i64 = 1 << 30;
const SPEC: &str = "type: VolumeExpansion, volumeExpansion: {mode: Offline, postgres: 2Gi}";

/// Claims of which no Pod is made.
fn noted(cluster: &Cluster) -> usize {
    let world = cluster.world();
    let claims = world.claims.present().into_iter().flatten();
    claims.filter(|claim| claim.no_pod_until.is_some()).count()
}

/// Every Pod comes back, and nothing keeps one away.
fn all_back(cluster: &mut Cluster, context: &str) {
    for _ in 0..8 {
        cluster.petset_ticks();
    }
    assert_eq!(noted(cluster), 0, "{context}");
    let members = usize::try_from(cluster.postgres.spec.replicas.unwrap_or(1)).expect("few");
    assert_eq!(cluster.ready(), members, "{context}");
    assert_eq!(cluster.world().holder(), None, "{context}");
}

/// The request fails at its timeout, and says what it waited for.
fn takes_too_long(cluster: &mut Cluster, waited_for: &str) {
    let mut run = Run::new("expand", SPEC, 0);
    run.request.spec.timeout = Some("20s".into());
    let phase = run.run(cluster, CALM);
    assert_eq!(phase, OpsRequestPhase::Failed, "{:#?}", run.log);
    let failed = run.said("Failed");
    assert!(failed.contains(waited_for), "{failed}");
}

#[test]
fn an_offline_volume_expansion_takes_the_steps_that_are_written_down() {
    let mut cluster = offline_storage(3, "pg-0");
    let mut plan = planned(&mut cluster, SPEC);
    plan.sessions.counted_at = None;
    let text = serde_yaml::to_string(&plan).expect("YAML");
    expectorate::assert_contents("tests/golden/plan-expand-offline.yaml", &text);
    let mut run = Run::new("expand", SPEC, 0);
    run.now = cluster.now;
    let phase = run.run(&mut cluster, CALM);
    assert_eq!(phase, OpsRequestPhase::Successful, "{:#?}", run.log);
    expectorate::assert_contents("tests/golden/expand-offline-3.log", &(run.log.join("\n") + "\n"));
    assert_eq!(cluster.capacities(), [2 * GIB; 3]);
    assert_eq!(cluster.evictions, ["pg-1", "pg-2", "pg-0"], "the primary last");
    assert_eq!(cluster.switchovers, 1);
    for pod in ["pg-0", "pg-1", "pg-2"] {
        assert!(run.said(&format!("CheckVolume--{pod}")).starts_with("True"));
        assert!(run.said(&format!("EvictPod--{pod}")).starts_with("True"));
    }
}

#[test]
fn the_plan_of_an_offline_volume_expansion_says_what_is_down() {
    let single = planned(&mut offline_storage(1, "pg-0"), SPEC);
    assert!(
        single.summary.contains("the database is down"),
        "{}",
        single.summary
    );
    let several = planned(&mut offline_storage(3, "pg-2"), SPEC);
    assert!(
        several.summary.contains("writes stop during the switchover"),
        "{}",
        several.summary
    );
    let restarted = several
        .members
        .iter()
        .filter(|it| it.restart == PlannedRestart::Always);
    let order: Vec<&str> = restarted.map(|it| it.name.as_str()).collect();
    assert_eq!(order, ["pg-0", "pg-1", "pg-2"]);
}

/// Its disk is full, PostgreSQL is down, and the room brings it back.
#[test]
fn offline_volume_expansion_repairs_a_database_without_a_primary() {
    for (replicas, cure) in [(1, Cure::Restart), (1, Cure::Nothing), (3, Cure::Restart)] {
        let mut cluster = offline_storage(replicas, "pg-0");
        (cluster.broken, cluster.cure) = (Some("pg-0"), cure);
        cluster.postgres.status.get_or_insert_default().phase = Some(DatabasePhase::NotReady);
        let mut run = Run::new("expand", SPEC, 0);
        let phase = run.run(&mut cluster, CALM);
        assert_eq!(phase, OpsRequestPhase::Successful, "{:#?}", run.log);
        assert_eq!(cluster.evictions[0], "pg-0", "{:#?}", run.log);
        assert!(cluster.capacities().iter().all(|bytes| *bytes == 2 * GIB));
        all_back(&mut cluster, "repaired");
    }
}

/// No standby is taken from a database that has no primary: one of them is about to be it.
#[test]
fn offline_volume_expansion_takes_no_standby_while_there_is_no_primary() {
    let mut cluster = offline_storage(3, "pg-0");
    (cluster.broken, cluster.cure) = (Some("pg-0"), Cure::Nothing);
    cluster.postgres.status.get_or_insert_default().phase = Some(DatabasePhase::NotReady);
    takes_too_long(&mut cluster, "waits for a primary");
    assert_eq!(cluster.evictions, ["pg-0"]);
    all_back(&mut cluster, "without a primary");
}

/// The others get what they need, and the one that is refused has its Pod back.
#[test]
fn a_driver_that_refuses_one_offline_volume_expansion_keeps_no_pod_away() {
    for disturbance in [CALM, Disturbance::killed_after(Some(1))] {
        let mut cluster = offline_storage(3, "pg-0");
        let mut run = Run::new("expand", SPEC, 0);
        fails_for_one(&mut run, &mut cluster, disturbance);
        assert_eq!(cluster.evictions.len(), 3, "each Pod once: {:#?}", run.log);
        all_back(&mut cluster, "refused");
    }
}

/// A former request got only half of the way: kubelet has to do its part before the driver goes on.
#[test]
fn offline_volume_expansion_goes_on_from_half_of_a_former_one() {
    for (half, restarts) in [(2 * GIB, 1), (GIB + GIB / 2, 2)] {
        let mut cluster = offline_storage(3, "pg-0");
        cluster.half_expand("pg-1", half);
        let mut run = Run::new("expand", SPEC, 0);
        let phase = run.run(&mut cluster, CALM);
        assert_eq!(phase, OpsRequestPhase::Successful, "{:#?}", run.log);
        assert_eq!(cluster.capacities(), [2 * GIB; 3]);
        let of_it = cluster.evictions.iter().filter(|pod| *pod == "pg-1");
        assert_eq!(of_it.count(), restarts, "{:#?}", run.log);
        all_back(&mut cluster, "from half");
    }
}

#[test]
fn an_offline_volume_expansion_that_takes_too_long_lets_the_pod_back() {
    for replicas in [1, 3] {
        let mut cluster = offline_storage(replicas, "pg-0");
        cluster.storage.is_idle = true;
        takes_too_long(&mut cluster, "its Pod is away");
        assert_eq!(cluster.evictions.len(), 1);
        all_back(&mut cluster, "too slow");
    }
}

#[test]
fn an_offline_volume_expansion_that_is_deleted_lets_the_pod_back() {
    for replicas in [1, 3] {
        for after in 0..25 {
            let mut cluster = offline_storage(replicas, "pg-0");
            let mut run = Run::new("expand", SPEC, 0);
            run.cancel_after = Some(after);
            run.run(&mut cluster, CALM);
            all_back(&mut cluster, &format!("deleted after {after}: {:#?}", run.log));
            assert_eq!(cluster.provisioner_would_change(), Vec::<&str>::new());
        }
    }
}

/// Nobody is left who could let it back.
#[test]
fn the_pod_comes_back_from_an_offline_volume_expansion_whose_operator_is_gone() {
    let mut cluster = offline_storage(3, "pg-0");
    let mut run = Run::new("expand", SPEC, 0);
    for _ in 0..200 {
        if cluster.ready() < 3 {
            break;
        }
        run.look(&mut cluster, &[], true);
    }
    for _ in 0..8 {
        cluster.petset_ticks();
    }
    assert_eq!((noted(&cluster), cluster.ready()), (1, 2), "{:#?}", run.status());
    cluster.now += SignedDuration::from_mins(17);
    for _ in 0..8 {
        cluster.petset_ticks();
    }
    assert_eq!(cluster.ready(), 3);
}
