//! WAL that is kept fits the members' volumes, and what does not is told.

mod scenario;

use blueprint::pg::wal;
use scenario::Scenario;

fn spec(more: &str, lines: &str) -> String {
    let conf: String = lines.lines().map(|line| format!("\n      {line}")).collect();
    format!(
        "version: '17.4'\nreplicas: 3\nstorage: {{resources: {{requests: {{storage: 1Gi}}}}}}\n{more}configuration:\n  inline:\n    user.conf: |{conf}\n"
    )
}

#[test]
fn wal_that_defaults_keep_fits_the_volume_and_the_users_wish_wins() {
    let parameters = |more: &str, lines: &str, size: &str| {
        let spec = spec(more, lines).replace("1Gi", size);
        let resolved = Scenario::new(&spec).resolved();
        let built = blueprint::build(&resolved).config_secret.data.unwrap_or_default();
        let text = String::from_utf8(built["patroni.yml"].0.clone()).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut all = json["bootstrap"]["dcs"]["postgresql"]["parameters"]
            .as_object()
            .unwrap()
            .clone();
        all.extend(json["postgresql"]["parameters"].as_object().unwrap().clone());
        let of = |name: &str| {
            all.get(name)
                .and_then(|value| value.as_str())
                .unwrap_or("-")
                .to_owned()
        };
        [
            of("wal_keep_size"),
            of("max_wal_size"),
            of("max_slot_wal_keep_size"),
        ]
        .join(" ")
    };
    let slots = "replication: {walLimitPolicy: ReplicationSlot}\n";
    for (more, lines, size, expected) in [
        ("", "", "1Gi", "128MB 128MB 256MB"),
        ("", "", "100Gi", "1536MB - 25600MB"),
        ("", "", "200Mi", "25MB 32MB 50MB"),
        ("", "max_wal_size = 64MB", "1Gi", "128MB 64MB 256MB"),
        ("", "max_slot_wal_keep_size = -1", "1Gi", "128MB 128MB -1"),
        ("", "wal_keep_size = 1GB", "1Gi", "1GB 128MB 256MB"),
        (
            "replication: {walLimitPolicy: WALKeepSize, walKeepSize: 16}\n",
            "",
            "1Gi",
            "16MB 128MB 256MB",
        ),
        (
            "replication: {walLimitPolicy: WALKeepSize, walKeepSize: 0}\n",
            "",
            "1Gi",
            "16MB 128MB 256MB",
        ),
        (slots, "", "1Gi", "- 128MB 256MB"),
        (slots, "", "200Mi", "25MB 32MB 50MB"),
        (
            "replication: {walLimitPolicy: ReplicationSlot, maxSlotWALKeepSize: -1}\n",
            "",
            "1Gi",
            "- 128MB -1",
        ),
        (
            "replication: {walLimitPolicy: ReplicationSlot, maxSlotWALKeepSize: 300}\n",
            "",
            "1Gi",
            "- 128MB 300MB",
        ),
    ] {
        assert_eq!(parameters(more, lines, size), expected, "{more}{lines}");
    }
}

#[test]
fn the_volume_that_there_is_counts_not_the_one_that_is_asked_for() {
    let mut scenario = Scenario::new(&spec("", "").replace("1Gi", "100Gi"));
    scenario.live.volume = Some(1 << 30);
    assert_eq!(scenario.resolved().wal_budget.keep, 128);
}

#[test]
fn amounts_of_the_user_that_do_not_fit_are_told() {
    for (more, lines, said) in [
        ("", "", ""),
        (
            "replication: {walLimitPolicy: WALKeepSize, walKeepSize: 1536}\n",
            "",
            "spec.replication.walKeepSize",
        ),
        ("", "wal_keep_size = 1GB", "Lower wal_keep_size"),
        ("", "max_wal_size = 2GB", "Lower max_wal_size"),
        (
            "",
            "max_slot_wal_keep_size = 900MB",
            "Lower max_slot_wal_keep_size",
        ),
        (
            "replication: {walLimitPolicy: ReplicationSlot, maxSlotWALKeepSize: 2000}\n",
            "",
            "Lower max_slot_wal_keep_size",
        ),
        ("replication: {walLimitPolicy: ReplicationSlot}\n", "", ""),
    ] {
        let found = wal::does_not_fit(&Scenario::new(&spec(more, lines)).resolved());
        assert_eq!(found.is_some(), !said.is_empty(), "{more}{lines}: {found:?}");
        assert!(found.unwrap_or_default().contains(said), "{more}{lines}");
    }
}
