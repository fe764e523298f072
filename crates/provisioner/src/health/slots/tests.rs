use instance::Wal;

use super::*;
use crate::health::Failure;
use crate::health::targets::tests::targets;

fn physical(name: &str, position: Lsn) -> Slot {
    Slot {
        name: name.into(),
        position: Some(position),
        ..Slot::default()
    }
}

fn logical(name: &str) -> Slot {
    Slot {
        name: name.into(),
        kind: ReplicationSlotType::Logical,
        database: Some("app".into()),
        ..Slot::default()
    }
}

fn failover(name: &str, is_synced: bool) -> Slot {
    Slot {
        is_failover: true,
        is_synced,
        ..logical(name)
    }
}

fn wal(slots: Vec<Slot>) -> Option<Wal> {
    Some(Wal {
        slots,
        ..Wal::default()
    })
}

/// pg-0 leads with the first slots, pg-1 streams and has the second.
fn due_with(targets: &Targets, primary: Vec<Slot>, standby: Vec<Slot>, streaming: &[&str]) -> Vec<Upkeep> {
    let leader = Answer {
        streaming: streaming.iter().map(|pod| (*pod).to_owned()).collect(),
        wal: wal(primary),
        ..Answer::default()
    };
    let follower = Answer {
        in_recovery: true,
        wal: wal(standby),
        ..Answer::default()
    };
    let answers = Answers::from([
        ("pg-0".to_owned(), Ok(leader)),
        ("pg-1".to_owned(), Ok(follower)),
        ("pg-2".to_owned(), Err(Failure::broken("timeout"))),
    ]);
    let mut due = due(targets, &answers);
    assert!(due.keys().all(|pod| pod == "pg-1"), "{due:?}");
    due.remove("pg-1").unwrap_or_default()
}

fn keeping(names: &[&str], left: &[(&str, &str)]) -> Targets {
    Targets {
        kept_slots: names.iter().map(|name| (*name).to_owned()).collect(),
        left_slots: left
            .iter()
            .map(|(pod, name)| ((*pod).to_owned(), (*name).to_owned()))
            .collect(),
        ..targets()
    }
}

#[test]
fn a_physical_slot_of_the_primary_has_a_copy_on_a_standby_that_streams() {
    use Upkeep::{Advance, Drop, Make};
    let at = |position| vec![physical("archiver", position)];
    let active = |slot: Slot| Slot {
        is_active: true,
        ..slot
    };
    let unreserved = Slot {
        position: None,
        ..physical("archiver", 0)
    };
    let name = || "archiver".to_owned();
    let table = [
        ("it is made", at(9), vec![], vec![Make(name())]),
        ("it is moved on", at(9), at(5), vec![Advance(name(), 9)]),
        ("it is where it should be", at(9), at(9), vec![]),
        ("it never goes back", at(5), at(9), vec![]),
        (
            "it is read from",
            at(9),
            vec![active(physical("archiver", 5))],
            vec![],
        ),
        ("the primary's holds nothing", vec![unreserved], vec![], vec![]),
        ("the user has dropped it", vec![], at(9), vec![Drop(name())]),
        (
            "somebody reads it still",
            vec![],
            vec![active(physical("archiver", 9))],
            vec![],
        ),
        (
            "one of a member",
            vec![physical("pg_2", 9)],
            vec![physical("pg_0", 9)],
            vec![],
        ),
    ];
    for (what, primary, standby, expected) in table {
        let due = due_with(&keeping(&["archiver", "pg_2"], &[]), primary, standby, &["pg-1"]);
        assert_eq!(due, expected, "{what}");
    }
    let untold = due_with(&keeping(&[], &[]), at(9), at(5), &["pg-1"]);
    assert_eq!(untold, [], "Patroni would drop it");
    let behind = due_with(&keeping(&["archiver"], &[]), at(9), vec![], &[]);
    assert_eq!(behind, [], "it does not stream");
}

#[test]
fn what_a_former_primary_has_left_is_dropped_and_what_standbys_have_of_their_own_is_not() {
    let table = [
        ("a synchronised copy", failover("cdc", true), false),
        ("it was the primary's", failover("cdc", false), true),
        ("it was recorded on this member", logical("left"), true),
        ("made on the standby", logical("mine"), false),
        ("a physical one made on the standby", physical("mine", 3), false),
    ];
    for (what, slot, is_dropped) in table {
        let name = slot.name.clone();
        let targets = keeping(&[], &[("pg-1", "left"), ("pg-2", "mine")]);
        let due = due_with(&targets, vec![failover("cdc", false)], vec![slot], &["pg-1"]);
        assert_eq!(!due.is_empty(), is_dropped, "{what}");
        assert!(
            due.iter().all(|it| *it == Upkeep::Drop(name.clone())),
            "{what}: {due:?}"
        );
    }
}

#[test]
fn users_slots_are_those_that_nobody_made_for_a_member_or_a_session() {
    let temporary = Slot {
        is_temporary: true,
        ..failover("syncing", true)
    };
    let slots = [
        physical("pg_1", 1),
        physical("archiver", 1),
        temporary,
        logical("pg_1_cdc"),
    ];
    let names: Vec<String> = of_users("pg", &slots).into_iter().map(|slot| slot.name).collect();
    assert_eq!(names, ["archiver", "pg_1_cdc"]);
}
