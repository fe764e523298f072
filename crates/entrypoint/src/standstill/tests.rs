use serde_json::json;

use super::*;

const NAME: &str = "pg-1";

fn standby() -> MemberStatus {
    let status = json!({"state": "running", "role": "replica", "xlog": {"received_location": 900, "replayed_location": 800},
                        "patroni": {"version": "4.1.5", "scope": "pg"}});
    serde_json::from_value(status).unwrap()
}

fn cluster(lag: i64) -> Cluster {
    let members = json!([{"name": "pg-0", "role": "leader", "state": "running"},
                         {"name": NAME, "role": "replica", "state": "running", "lag": lag}]);
    serde_json::from_value(json!({ "members": members })).unwrap()
}

const PLACE: Place = Place {
    received: 900,
    replayed: 800,
};

#[test]
fn a_standby_that_does_not_stream_is_behind() {
    let expected = Behind {
        place: PLACE,
        lag: 100,
    };
    assert_eq!(behind(&standby(), NAME, &cluster(100)), Some(expected));
}

#[test]
fn every_other_member_is_left_alone() {
    let with = |change: fn(&mut MemberStatus)| {
        let mut own = standby();
        change(&mut own);
        behind(&own, NAME, &cluster(100))
    };
    for (what, change) in [
        (
            "streams",
            (|own| own.replication_state = Some("streaming".into())) as fn(&mut MemberStatus),
        ),
        ("starts", |own| own.state = "starting".into()),
        ("is the primary", |own| own.role = "primary".into()),
        ("replay is paused", |own| own.xlog.paused = true),
        ("maintenance mode", |own| own.pause = true),
        ("position unknown", |own| own.xlog.replayed_location = None),
    ] {
        assert_eq!(with(change), None, "{what}");
    }
}

#[test]
fn without_a_leader_or_without_a_lag_there_is_nothing_to_be_behind() {
    let mut leaderless = cluster(100);
    leaderless.members.remove(0);
    let mut starting = cluster(100);
    starting.members[0].state = "starting".into();
    let mut unknown = cluster(100);
    unknown.members[1].lag = None;
    for cluster in [leaderless, starting, unknown, cluster(0), cluster(-1)] {
        assert_eq!(behind(&standby(), NAME, &cluster), None, "{cluster:?}");
    }
}

/// Whether PostgreSQL is restarted at each of these checks: seconds, replayed, lag.
fn course(looks: &[(u64, Option<(u64, u64)>)]) -> Vec<bool> {
    let mut standstill = Standstill::default();
    looks
        .iter()
        .map(|(second, look)| {
            let behind = look.map(|(replayed, lag)| Behind {
                place: Place {
                    received: replayed,
                    replayed,
                },
                lag,
            });
            standstill.restarts(behind, Duration::from_secs(*second))
        })
        .collect()
}

#[test]
fn a_standby_is_restarted_once_where_it_stands() {
    let here = Some((800, 100));
    let looks = [(0, here), (29, here), (30, here), (31, here), (90, here)];
    assert_eq!(course(&looks), [false, false, true, false, false]);
}

#[test]
fn behind_a_leader_that_writes_it_takes_eight_seconds() {
    let looks = [
        (0, Some((800, 100))),
        (7, Some((800, 150))),
        (8, Some((800, 200))),
    ];
    assert_eq!(course(&looks), [false, false, true]);
}

#[test]
fn whoever_moves_or_streams_in_between_does_not_stand_still() {
    let looks = [
        (0, Some((800, 100))),
        (29, Some((801, 100))),
        (40, Some((801, 100))),
    ];
    assert_eq!(course(&looks), [false; 3]);
    let looks = [
        (0, Some((800, 100))),
        (20, None),
        (40, Some((800, 100))),
        (60, Some((800, 100))),
    ];
    assert_eq!(course(&looks), [false; 4]);
}

#[test]
fn it_is_restarted_again_at_another_place() {
    let looks = [
        (0, Some((800, 100))),
        (30, Some((800, 100))),
        (40, Some((900, 100))),
        (70, Some((900, 100))),
    ];
    assert_eq!(course(&looks), [false, true, false, true]);
}
