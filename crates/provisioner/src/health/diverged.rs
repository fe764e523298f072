//! A standby whose WAL is not a part of its primary's: it was written by a member that is the primary no more, or twice on
//! one timeline. PostgreSQL refuses for ever to stream to it, and Patroni rewinds it only when the timelines differ.

use instance::{Lsn, Wal, lsn_text};

use crate::health::Targets;

/// The message about a standby that has diverged; `None` for one that has not, as far as is known.
///
/// The two were seen at two moments, so this is for a standby that receives nothing meanwhile.
pub fn sentence(targets: &Targets, primary: &str, leader: &Wal, pod: &str, standby: &Wal) -> Option<String> {
    let (timeline, parted) = parted(leader, standby)?;
    let (namespace, database) = targets.database.split_once('/')?;
    Some(format!(
        "{pod} does not stream from {primary} and can't: the two have different WAL of timeline {timeline} from {} on. {pod} has it up to \
         {} on timeline {}, {primary} up to {} on timeline {}. When {primary} has every row that matters, create a PostgresOpsRequest of type \
         ReconnectStandby, which replaces the data of {pod} by a copy of the primary's: kubectl sealwright reconnect {database} -n {namespace}",
        lsn_text(parted),
        lsn_text(standby.position),
        standby.timeline,
        lsn_text(leader.position),
        leader.timeline,
    ))
}

/// The timeline, and the place on it, at which the two part.
fn parted(leader: &Wal, standby: &Wal) -> Option<(u32, Lsn)> {
    if leader.timeline == 0 || standby.timeline == 0 {
        return None;
    }
    let differs = |(timeline, end): &(u32, Lsn)| {
        let of_leader = end_of(leader, *timeline)?;
        (of_leader != *end).then(|| (*timeline, of_leader.min(*end)))
    };
    let by_history = standby.history.iter().find_map(differs);
    by_history.or_else(|| {
        // The primary's own timeline ends where the primary is.
        let end = end_of(leader, standby.timeline)?;
        (standby.position > end).then_some((standby.timeline, end))
    })
}

/// Where a timeline ends in the history of a member.
fn end_of(member: &Wal, timeline: u32) -> Option<Lsn> {
    if timeline == member.timeline {
        return Some(member.position);
    }
    let ended = member.history.iter().find(|(ended, _)| *ended == timeline);
    ended.map(|(_, end)| *end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::targets::tests::targets;

    fn wal(timeline: u32, position: Lsn, history: &[(u32, Lsn)]) -> Wal {
        Wal {
            timeline,
            position,
            history: history.to_vec(),
            ..Wal::default()
        }
    }

    #[test]
    fn a_standby_has_diverged_when_it_has_wal_that_the_primary_never_had() {
        let leader = wal(2, 900, &[(1, 500)]);
        let table = [
            ("behind on the same timeline", wal(2, 800, &[(1, 500)]), None),
            ("behind on the former one", wal(1, 400, &[]), None),
            ("at the end of the former one", wal(1, 500, &[]), None),
            (
                "beyond the end of the former one",
                wal(1, 501, &[]),
                Some((1, 500)),
            ),
            (
                "beyond the primary on its own timeline",
                wal(2, 901, &[(1, 500)]),
                Some((2, 900)),
            ),
            (
                "the same timeline twice",
                wal(2, 700, &[(1, 450)]),
                Some((1, 450)),
            ),
            ("not known", wal(0, 901, &[]), None),
        ];
        for (what, standby, expected) in table {
            assert_eq!(parted(&leader, &standby), expected, "{what}");
        }
        let twice =
            sentence(&targets(), "pg-0", &leader, "pg-1", &wal(2, 700, &[(1, 450)])).expect("diverged");
        for part in [
            "timeline 1 from 0/1C2",
            "0/2BC on timeline 2",
            "reconnect pg -n shop",
        ] {
            assert!(twice.contains(part), "{part}: {twice}");
        }
    }

    /// A standby that has gone on to a timeline of its own, which the primary does not know.
    #[test]
    fn a_timeline_that_the_primary_does_not_have_parts_where_its_own_ended() {
        let leader = wal(1, 900, &[]);
        assert_eq!(parted(&leader, &wal(2, 700, &[(1, 600)])), Some((1, 600)));
    }
}
