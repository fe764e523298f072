//! What Patroni keeps for all members follows the spec of a living database.

mod scenario;

use blueprint::{DynamicChange, UserSlots, dynamic_change, slots_change};
use k8s_openapi::api::core::v1::ConfigMap;
use scenario::Scenario;
use serde_json::{Value, json};

const SPEC: &str = "version: '17.4'\nreplicas: 3\nstorage: {resources: {requests: {storage: 1Gi}}}\n";
const BORN: &str = r#"{"ttl":20,"loop_wait":3,"retry_timeout":8,"maximum_lag_on_failover":67108864,
    "failsafe_mode":true,"ignore_slots":[{"type":"logical"}],"synchronous_mode":"off","synchronous_node_count":1,"pause":false,
    "postgresql":{"use_pg_rewind":true,"use_slots":false,"parameters":{"max_replication_slots":"90",
    "max_wal_senders":"90","wal_keep_size":"128MB","wal_level":"replica","wal_log_hints":"on"}}}"#;

fn map(config: &str) -> ConfigMap {
    let map = json!({"metadata": {"name": "pg-config", "namespace": "demo", "annotations": {
        "config": config, "initialize": "7712576132757741599"}}});
    serde_json::from_value(map).expect("a ConfigMap")
}

fn change(map: &ConfigMap, more: &str, user_conf: &str) -> Option<DynamicChange> {
    let named = if user_conf.is_empty() {
        ""
    } else {
        "configuration: {secretName: mine}"
    };
    let mut scenario = Scenario::new(&format!("{SPEC}{more}\n{named}"));
    scenario.user_conf = (!user_conf.is_empty()).then(|| user_conf.to_owned());
    dynamic_change(&scenario.resolved(), map, &UserSlots::default())
}

fn patched(map: &ConfigMap, change: &DynamicChange) -> ConfigMap {
    let mut value = serde_json::to_value(map).expect("JSON");
    json_patch::merge(&mut value, &change.patch);
    serde_json::from_value(value).expect("a ConfigMap")
}

fn config(map: &ConfigMap) -> Value {
    let annotations = map.metadata.annotations.as_ref().expect("annotations");
    serde_json::from_str(&annotations["config"]).expect("JSON")
}

#[test]
fn a_new_database_differs_by_the_record_of_its_parameters_only() {
    let change = change(&map(BORN), "", "").expect("the record");
    assert_eq!(
        (change.changes.len(), change.needs_restart),
        (0, false),
        "{change:?}"
    );
    let after = patched(&map(BORN), &change);
    assert_eq!(config(&after), config(&map(BORN)));
    assert_eq!(self::change(&after, "", ""), None);
}

#[test]
fn synchronous_replication_is_turned_on_and_off_and_what_is_not_ours_stays() {
    let on = change(&map(BORN), "streamingMode: Synchronous", "").expect("a change");
    let expected = [
        r#"synchronous_mode "off" → "quorum""#,
        r#"synchronous_commit unset → "remote_write""#,
    ];
    assert_eq!(on.changes, expected);
    assert!(!on.needs_restart);
    let after = patched(&map(BORN), &on);
    assert_eq!(config(&after)["synchronous_mode"], "quorum");
    assert_eq!(config(&after)["pause"], false, "patronictl's");
    let off = change(&after, "", "").expect("a change");
    assert_eq!(config(&patched(&after, &off)), config(&map(BORN)));
}

/// They were read at a member's start only, so an edit had no effect and no word.
#[test]
fn how_commits_wait_and_how_wal_is_kept_follow_an_edit() {
    let table = [
        (
            "streamingMode: Synchronous\nsynchronousReplicationConfig: {commitLevel: RemoteApply}",
            r#"synchronous_commit unset → "remote_apply""#,
        ),
        (
            "replication: {walLimitPolicy: ReplicationSlot}",
            "use_slots false → true",
        ),
        (
            "replication: {walLimitPolicy: WALKeepSize, walKeepSize: 64}",
            r#"→ "64MB""#,
        ),
    ];
    for (spec, part) in table {
        let change = change(&map(BORN), spec, "").expect("a change");
        assert!(
            change.changes.iter().any(|it| it.contains(part)),
            "{spec}: {:?}",
            change.changes
        );
        assert!(!change.needs_restart, "{spec}");
    }
}

#[test]
fn parameters_of_the_user_come_and_go_and_those_of_others_stay() {
    let more = change(&map(BORN), "", "max_connections = 200\nwork_mem = 8MB\n").expect("a change");
    assert_eq!(
        more.changes,
        [r#"max_connections unset → "200""#],
        "work_mem is each member's own"
    );
    assert!(more.needs_restart);
    let mut after = patched(&map(BORN), &more);
    let mut with_foreign = config(&after);
    with_foreign["postgresql"]["parameters"]["max_worker_processes"] = json!(16);
    after
        .metadata
        .annotations
        .get_or_insert_default()
        .insert("config".to_owned(), with_foreign.to_string());
    let less = change(&after, "", "").expect("a change");
    assert_eq!(less.changes, [r#"max_connections "200" → unset"#]);
    let parameters = config(&patched(&after, &less))["postgresql"]["parameters"].clone();
    assert_eq!(parameters["max_worker_processes"], 16);
    assert_eq!(parameters["max_connections"], Value::Null);
}

#[test]
fn what_members_take_up_by_a_reload_needs_no_restart() {
    let keep = change(&map(BORN), "", "wal_keep_size = 2GB\n").expect("a change");
    assert_eq!(keep.changes, [r#"wal_keep_size "128MB" → "2GB""#]);
    assert!(!keep.needs_restart);
}

#[test]
fn what_can_not_be_read_is_left_alone() {
    for config in ["", "[]", "{"] {
        assert_eq!(
            change(&map(config), "streamingMode: Synchronous", ""),
            None,
            "{config}"
        );
    }
}

fn user_slots(physical: &[&str], has_failover: bool) -> UserSlots {
    UserSlots {
        physical: physical.iter().map(|name| (*name).to_owned()).collect(),
        has_failover,
    }
}

#[test]
fn slots_that_users_made_are_left_alone_and_come_and_go() {
    let born = map(BORN);
    assert_eq!(slots_change(&born, &user_slots(&[], false)), None);

    let made = slots_change(&born, &user_slots(&["archiver"], true)).expect("a change");
    assert!(!made.needs_restart, "{made:?}");
    let with_slots = patched(&born, &made);
    let now = config(&with_slots);
    let ignored = json!([{"type": "logical"}, {"name": "archiver", "type": "physical"}]);
    assert_eq!(now["ignore_slots"], ignored);
    assert_eq!(now["postgresql"]["use_slots"], true);
    assert_eq!(now["postgresql"]["parameters"]["sync_replication_slots"], "on");
    assert_eq!(now["postgresql"]["parameters"]["hot_standby_feedback"], "on");
    assert_eq!(UserSlots::recorded(&with_slots), user_slots(&["archiver"], true));

    let scenario = Scenario::new(SPEC);
    let kept = dynamic_change(
        &scenario.resolved(),
        &with_slots,
        &user_slots(&["archiver"], true),
    );
    let kept = kept.map_or(with_slots.clone(), |change| patched(&with_slots, &change));
    assert_eq!(config(&kept), now, "the spec changes nothing of it");

    let gone = dynamic_change(&scenario.resolved(), &kept, &user_slots(&[], false)).expect("a change");
    assert_eq!(config(&patched(&kept, &gone)), config(&born));
}

/// A person may have put parameters there, too.
#[test]
fn parameters_of_somebody_else_stay_when_no_slot_needs_them() {
    let feedback = BORN.replace(r#""wal_level""#, r#""hot_standby_feedback":"on","wal_level""#);
    let before = map(&feedback);
    let scenario = Scenario::new(SPEC);
    let change = dynamic_change(&scenario.resolved(), &before, &user_slots(&[], false)).expect("the record");
    assert_eq!(config(&patched(&before, &change)), config(&before));
}
