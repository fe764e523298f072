//! A standby that needs WAL which its primary has removed: it requests it for ever, and only a new copy helps.

use api_types::names::replication_slot;
use instance::{Slot, Wal, lsn_text};

use crate::health::Targets;

/// The message about a standby that can't follow any more; `None` for one that can.
///
/// The two were seen at two moments, so this is for a standby that receives nothing meanwhile.
pub fn sentence(targets: &Targets, primary: &str, leader: &Wal, pod: &str, standby: &Wal) -> Option<String> {
    let oldest = leader.oldest?;
    if standby.position >= oldest {
        return None;
    }
    let (namespace, database) = targets.database.split_once('/')?;
    Some(format!(
        "{pod} does not stream from {primary} and can't any more: it needs WAL from {} on, and {primary} has removed what is before {} ({}). \
         Create a PostgresOpsRequest of type ReconnectStandby, which replaces the data of {pod} by a copy of the primary's: \
         kubectl sealwright reconnect {database} -n {namespace}",
        lsn_text(standby.position),
        lsn_text(oldest),
        cause(leader, pod),
    ))
}

fn cause(leader: &Wal, pod: &str) -> String {
    let slot = replication_slot(pod);
    let is_lost = |it: &&Slot| it.name == slot && it.is_lost;
    if leader.slots.iter().any(|it| is_lost(&it)) {
        return format!("its slot {slot} held more than max_slot_wal_keep_size and is lost");
    }
    format!(
        "wal_keep_size is {} MB; raise it, or write spec.replication.walLimitPolicy: ReplicationSlot",
        leader.keep_bytes >> 20
    )
}

#[cfg(test)]
mod tests {
    use instance::Lsn;

    use super::*;
    use crate::health::targets::tests::targets;

    fn standby_at(position: Lsn) -> Wal {
        Wal {
            position,
            ..Wal::default()
        }
    }

    #[test]
    fn a_standby_is_left_behind_when_the_primary_has_removed_what_it_needs() {
        let leader = Wal {
            oldest: Some(0x1_0C00_0000),
            keep_bytes: 16 << 20,
            ..Wal::default()
        };
        let said =
            |leader: &Wal, position| sentence(&targets(), "pg-0", leader, "pg-1", &standby_at(position));
        assert_eq!(said(&leader, 0x1_0C00_0000), None);
        assert_eq!(said(&Wal::default(), 0), None, "not known is not removed");
        let by_size = said(&leader, 0x1_05AB_0000).unwrap();
        for part in [
            "1/5AB0000",
            "1/C000000",
            "wal_keep_size is 16 MB",
            "reconnect pg -n shop",
        ] {
            assert!(by_size.contains(part), "{part}: {by_size}");
        }
        let slots = vec![Slot {
            name: "pg_1".into(),
            is_lost: true,
            ..Slot::default()
        }];
        let by_slot = said(&Wal { slots, ..leader }, 0).unwrap();
        assert!(by_slot.contains("its slot pg_1 held more"), "{by_slot}");
    }
}
