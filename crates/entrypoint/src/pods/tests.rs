use serde_json::json;

use super::*;

fn pod(name: &str, uid: &str, role: Option<&str>, status: &serde_json::Value) -> PartialObjectMeta<Pod> {
    let labels = role.map_or(json!({}), |role| json!({ ROLE_LABEL: role }));
    let metadata = json!({"name": name, "uid": uid, "labels": labels,
                          "annotations": {PATRONI_STATUS: status.to_string()}});
    serde_json::from_value(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})).unwrap()
}

fn running(name: &str, uid: &str, role: &str, position: u64) -> PartialObjectMeta<Pod> {
    pod(
        name,
        uid,
        Some(role),
        &json!({"state": "running", "xlog_location": position}),
    )
}

/// `pg-0` as primary with `pg-1` as its standby.
fn primary() -> Pods {
    let mut pods = Pods::new("pg-0", "u0");
    for event in [
        Event::Init,
        Event::InitApply(running("pg-0", "u0", "primary", 1)),
        Event::InitApply(running("pg-1", "u1", "standby", 1)),
        Event::InitDone,
    ] {
        pods.apply(event);
    }
    assert!(pods.is_primary());
    pods
}

#[test]
fn the_end_of_our_own_pod_is_seen_however_it_is_told() {
    let own = || running("pg-0", "u0", "primary", 1);
    let next = || running("pg-0", "u9", "standby", 1);
    assert_eq!(primary().apply(Event::Delete(own())), Change::OwnIsAbsent);
    assert_eq!(primary().apply(Event::Apply(next())), Change::OwnIsAbsent);
    // The watch broke, and the list after it has no Pod of ours.
    for others in [vec![], vec![next()], vec![running("pg-1", "u1", "standby", 1)]] {
        let mut pods = primary();
        pods.apply(Event::Init);
        for other in others {
            pods.apply(Event::InitApply(other));
        }
        assert_eq!(pods.apply(Event::InitDone), Change::OwnIsAbsent);
    }
}

#[test]
fn the_end_of_a_former_pod_of_our_name_is_not_ours() {
    let former = running("pg-0", "before", "primary", 1);
    assert_eq!(primary().apply(Event::Delete(former)), Change::None);
}

#[test]
fn a_primary_notices_every_change_of_a_peer_that_may_hold_commits_up() {
    let terminating = {
        let mut pod = running("pg-1", "u1", "standby", 2);
        pod.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        pod
    };
    let stopped = pod("pg-1", "u1", None, &json!({"state": "stopped"}));
    for event in [
        Event::Apply(terminating),
        Event::Apply(stopped),
        Event::Apply(running("pg-1", "next", "standby", 1)),
        Event::Apply(running("pg-2", "u2", "standby", 1)),
        Event::Delete(running("pg-1", "u1", "standby", 1)),
    ] {
        let told = format!("{event:?}");
        assert_eq!(primary().apply(event), Change::PeerOfPrimary, "{told}");
    }
}

#[test]
fn positions_in_the_wal_are_no_change() {
    let moved = running("pg-1", "u1", "standby", 99);
    assert_eq!(primary().apply(Event::Apply(moved)), Change::None);
}

#[test]
fn a_standby_cares_for_no_peer() {
    let mut pods = primary();
    pods.apply(Event::Apply(running("pg-0", "u0", "standby", 1)));
    assert_eq!(
        pods.apply(Event::Delete(running("pg-1", "u1", "standby", 1))),
        Change::None
    );
}

#[test]
fn a_peer_that_went_while_the_watch_was_broken_is_noticed() {
    let mut pods = primary();
    pods.apply(Event::Init);
    pods.apply(Event::InitApply(running("pg-0", "u0", "primary", 1)));
    assert_eq!(pods.apply(Event::InitDone), Change::PeerOfPrimary);
}

#[test]
fn a_pod_is_gone_only_when_the_api_server_says_so() {
    for (look, expected) in [
        (Look::Uid("u0".to_owned()), false),
        (Look::Uid("u9".to_owned()), true),
        (Look::NotFound, true),
        (Look::Unauthorized, true),
        (Look::Unknown, false),
    ] {
        assert_eq!(is_gone(&look, "u0"), expected, "{look:?}");
    }
}
