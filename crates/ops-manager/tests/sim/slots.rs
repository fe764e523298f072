//! A plan names the replication slots that users made and that the operation loses.

use api_types::ops_request::OpsRequestPhase;
use api_types::slots::{ReplicationSlotType, SlotFailover};
use instance::Slot;
use jiff::SignedDuration;

use crate::cluster::Cluster;
use crate::plan::{RESTART, planned};
use crate::run::{CALM, Run};
use crate::{OPERATIONS, by_reload};

fn physical(name: &str) -> Slot {
    Slot {
        name: name.into(),
        ..Slot::default()
    }
}

fn logical(name: &str, is_failover: bool, is_synced: bool) -> Slot {
    Slot {
        name: name.into(),
        kind: ReplicationSlotType::Logical,
        database: Some("app".into()),
        is_failover,
        is_synced,
        ..Slot::default()
    }
}

fn with_slots(replicas: i32, primary: Vec<Slot>, standby: Vec<Slot>) -> Cluster {
    let mut cluster = Cluster::new(replicas);
    let leader = cluster.leader.clone();
    let other = cluster.uids().into_keys().find(|pod| *pod != leader);
    cluster.user_slots.insert(leader, primary);
    cluster.user_slots.extend(other.map(|pod| (pod, standby)));
    cluster
}

/// Names and causes of what a request loses.
fn lost(cluster: &mut Cluster, spec: &str) -> Vec<(String, SlotFailover)> {
    let plan = planned(cluster, spec);
    let lost: Vec<_> = plan
        .lost_slots
        .iter()
        .map(|slot| (slot.name.clone(), slot.cause))
        .collect();
    for (name, _) in &lost {
        assert!(plan.summary.contains(name), "{}", plan.summary);
    }
    assert_eq!(plan.summary.contains("replication slots lost"), !lost.is_empty());
    lost
}

#[test]
fn a_slot_without_a_copy_on_a_standby_is_lost_when_the_primary_moves() {
    let temporary = Slot {
        is_temporary: true,
        ..logical("session", false, false)
    };
    let primary = vec![
        physical("archiver"),
        physical("new"),
        logical("cdc", true, false),
        logical("fixed", false, false),
        logical("late", true, false),
        temporary,
    ];
    let syncing = Slot {
        is_temporary: true,
        ..logical("late", true, true)
    };
    let standby = vec![physical("archiver"), logical("cdc", true, true), syncing];
    let mut cluster = with_slots(3, primary, standby);
    let expected = [
        ("fixed".to_owned(), SlotFailover::NotKept),
        ("late".to_owned(), SlotFailover::NotCopied),
        ("new".to_owned(), SlotFailover::NotCopied),
    ];
    assert_eq!(lost(&mut cluster, RESTART), expected);
}

#[test]
fn nothing_is_lost_where_the_primary_stays_the_primary() {
    let slots = || vec![physical("new"), logical("fixed", false, false)];
    assert_eq!(
        lost(&mut with_slots(1, slots(), vec![]), RESTART),
        [],
        "one member"
    );
    let in_place = by_reload(OPERATIONS[0].1, "false");
    assert_eq!(
        lost(&mut with_slots(3, slots(), vec![]), &in_place),
        [],
        "no Pod ends"
    );
    let more = "type: HorizontalScaling, horizontalScaling: {replicas: 4}";
    assert_eq!(
        lost(&mut with_slots(3, slots(), vec![]), more),
        [],
        "a member is added"
    );
}

/// A copy on a member that leaves is of no use.
#[test]
fn copies_on_members_that_leave_do_not_count() {
    let mut cluster = Cluster::new(3);
    cluster.leader = "pg-2".into();
    for pod in ["pg-1", "pg-2"] {
        cluster.user_slots.insert(pod.into(), vec![physical("archiver")]);
    }
    let fewer = |replicas| format!("type: HorizontalScaling, horizontalScaling: {{replicas: {replicas}}}");
    let all = [("archiver".to_owned(), SlotFailover::NotCopied)];
    assert_eq!(lost(&mut cluster, &fewer(1)), all);
    assert_eq!(lost(&mut cluster, &fewer(2)), []);
}

/// A primary that does not answer for a while may have the slots of those that left.
#[test]
fn slots_that_are_not_known_are_not_gone() {
    let mut cluster = Cluster::new(3);
    let spec = "type: HorizontalScaling, horizontalScaling: {replicas: 1}";
    let mut run = Run::new("down", spec, 0);
    run.then = Some(("DrainMembers", |cluster| {
        cluster.unreachable = Some(("pg-0", cluster.now + SignedDuration::from_secs(40)));
    }));
    let phase = run.run(&mut cluster, CALM);
    assert_eq!(phase, OpsRequestPhase::Successful, "{:#?}", run.log);
    cluster.unreachable = None;
    let world = cluster.world();
    let server = world.members()["pg-0"].server.present().expect("it answers");
    assert!(server.slots.keys().eq(["pg_0"]), "{:?}", server.slots);
}
