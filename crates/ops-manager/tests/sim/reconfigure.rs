//! Other parameters of PostgreSQL: what is refused before a member sees it, in which order members restart, and the way back.

use std::collections::BTreeMap;

use api_types::ops_request::OpsRequestPhase;
use ops_manager::admit::Admission;
use ops_manager::{approval, operation};

use crate::cluster::Cluster;
use crate::plan::planned;
use crate::run::{CALM, Disturbance, Run, world_with_issuers};
use crate::scenarios::configured;

fn apply(conf: &str) -> String {
    let conf = serde_json::to_string(conf).expect("a string");
    format!("type: Reconfigure, configuration: {{applyConfig: {{user.conf: {conf}}}}}")
}

fn succeed(cluster: &mut Cluster, spec: &str) -> Run {
    cluster.restarts.clear();
    Run::to(cluster, "reconfigure", spec, OpsRequestPhase::Successful)
}

fn everywhere(value: &str) -> BTreeMap<&str, &str> {
    ["pg-0", "pg-1", "pg-2"].map(|pod| (pod, value)).into()
}

#[test]
fn parameters_take_the_steps_that_are_written_down() {
    let mut cluster = configured(3, "max_connections = 200");
    let spec = apply(
        "max_connections = 60\nwork_mem = 8MB\nshared_preload_libraries = 'pg_stat_statements, secret'",
    );
    let mut plan = planned(&mut cluster, &spec);
    plan.sessions.counted_at = None;
    let text = serde_yaml::to_string(&plan).expect("YAML");
    expectorate::assert_contents("tests/golden/plan-reconfigure.yaml", &text);
    let run = succeed(&mut cluster, &spec);
    expectorate::assert_contents("tests/golden/reconfigure-3.log", &(run.log.join("\n") + "\n"));
    assert!(run.said("CheckParameters--pg-2").starts_with("True"));
}

#[test]
fn a_reload_is_enough_where_no_parameter_needs_a_restart() {
    let mut cluster = Cluster::new(3);
    let before = cluster.uids();
    succeed(
        &mut cluster,
        &apply("work_mem = 8MB\nlog_min_duration_statement = 250ms"),
    );
    assert_eq!(cluster.parameter("work_mem"), everywhere("8MB"));
    assert_eq!((cluster.uids(), cluster.switchovers), (before, 0));
    assert_eq!(cluster.restarts, Vec::<String>::new());
}

/// A standby never has a lower value than its primary, so it is the primary that takes a lower one first.
#[test]
fn the_order_of_restarts_follows_the_direction() {
    let mut cluster = Cluster::new(3);
    cluster.leader = "pg-1".into();
    for (value, order) in [
        ("200", ["pg-0", "pg-2", "pg-1"]),
        ("60", ["pg-1", "pg-0", "pg-2"]),
    ] {
        succeed(&mut cluster, &apply(&format!("max_connections = {value}")));
        assert_eq!(cluster.restarts, order, "{value}");
        assert_eq!(cluster.parameter("max_connections"), everywhere(value));
        assert_eq!((cluster.leader.as_str(), cluster.switchovers), ("pg-1", 0));
    }
    // Patroni's own value, after the user's is gone.
    succeed(
        &mut cluster,
        "type: Reconfigure, configuration: {removeCustomConfig: true}",
    );
    assert_eq!(cluster.parameter("max_connections"), everywhere("100"));
}

#[test]
fn what_waits_for_a_restart_is_named_when_the_request_wants_none() {
    let mut cluster = Cluster::new(3);
    let spec = "type: Reconfigure, configuration: {restart: 'false', applyConfig: {user.conf: max_connections = 200}}";
    let run = succeed(&mut cluster, spec);
    assert_eq!(cluster.parameter("max_connections"), everywhere("100"));
    let pending = run.said("PendingRestart");
    assert!(pending.contains("max_connections on pg-0"), "{pending}");
    // A request of another type finds it, and is not done before nothing waits.
    let mut restart = Run::new("restart", "type: Restart", 0);
    restart.now = cluster.now;
    assert_eq!(restart.run(&mut cluster, CALM), OpsRequestPhase::Successful);
    assert_eq!(cluster.parameter("max_connections"), everywhere("200"));
}

/// A restart of all Pods after a parameter went down: standbys that start first would keep the higher value.
#[test]
fn a_restart_leaves_no_parameter_waiting() {
    let mut cluster = configured(3, "max_connections = 200");
    let spec = "type: Reconfigure, configuration: {restart: 'false', applyConfig: {user.conf: max_connections = 50}}";
    succeed(&mut cluster, spec);
    cluster.restarts.clear();
    let mut restart = Run::new("restart", "type: Restart", 0);
    restart.now = cluster.now;
    assert_eq!(restart.run(&mut cluster, CALM), OpsRequestPhase::Successful);
    assert_eq!(cluster.parameter("max_connections"), everywhere("50"));
    assert_eq!(
        cluster.restarts,
        ["pg-0"],
        "the primary, before the first standby: {:#?}",
        restart.log
    );
}

/// One standby does not start with a value that looked good: no other member gets it, and all have the former one.
#[test]
fn a_value_with_which_a_member_does_not_start_reaches_one_standby_only() {
    for disturbance in [CALM, Disturbance::killed_after(Some(1))] {
        for replicas in [1, 3] {
            let mut cluster = configured(replicas, "shared_buffers = 128MB");
            cluster.poison = Some(("shared_buffers", "300MB"));
            let before = cluster.postgres.spec.clone();
            let mut run = Run::new("reconfigure", &apply("shared_buffers = 300MB"), 0);
            run.request.spec.timeout = Some("20s".into());
            let phase = run.run(&mut cluster, disturbance);
            assert_eq!(phase, OpsRequestPhase::Failed, "{:#?}", run.log);
            assert_eq!(cluster.restarts.len(), 1, "{:#?}", run.log);
            assert!(
                cluster
                    .parameter("shared_buffers")
                    .values()
                    .all(|it| *it == "128MB")
            );
            assert_eq!(cluster.postgres.spec, before);
            assert_eq!(cluster.provisioner_would_change(), Vec::<&str>::new());
            assert!(run.said("RestoreDatabase").starts_with("True"), "{:#?}", run.log);
            assert_eq!(cluster.world().holder(), None);
        }
    }
}

fn refused(cluster: &Cluster, spec: &str) -> String {
    let run = Run::new("reconfigure", spec, 0);
    let op = match operation::parse(&run.request) {
        Ok(op) => op,
        Err(why) => return why,
    };
    match approval::admit(&run.request, &op, &[], &world_with_issuers(cluster), run.now) {
        Admission::Refuse(why) => why,
        other => panic!("{spec}: {other:?}"),
    }
}

/// Every offender is named, and no member was told anything: the request did not even begin.
#[test]
fn configurations_that_members_could_not_run_with_are_refused() {
    let cluster = Cluster::new(3);
    for (conf, words) in [
        ("max_conections = 5", "write max_connections, if that is meant"),
        ("shared_buffers = '64 MG'", "write a number with one of the units"),
        ("work_mem = 1kB", "write 64kB to"),
        ("max_connections = lots", "write a whole number"),
        ("max_connections = 0", "write 1 to 262143"),
        ("max_connections = 10", "write 25 or more"),
        ("max_wal_senders = 1", "write 3 or more"),
        ("jit = maybe", "write on or off"),
        ("log_statement = some", "write one of none, ddl, mod, all"),
        ("shared_buffers = 8GB", "not smaller than the memory limit"),
        (
            "max_connections = 2000",
            "the members have a memory limit of 1024Mi",
        ),
        (
            "superuser_reserved_connections = 100",
            "connections are kept back",
        ),
        ("archive_mode = on", "archive_command"),
        ("huge_pages = on", "hugepages"),
        ("min_wal_size = 1MB", "write"),
        ("server_version = 18", "PostgreSQL sets it itself"),
        ("port = 5433", "not the user's to set: port"),
        ("ssl = on", "not the user's to set: ssl"),
        (
            "primary_conninfo = 'x'",
            "not the user's to set: primary_conninfo",
        ),
        (
            "synchronous_standby_names = '*'",
            "not the user's to set: synchronous_standby_names",
        ),
        ("hot_standby = off", "not the user's to set: hot_standby"),
        ("include = 'x.conf'", "write its content here"),
        ("work_mem", "work_mem has no value"),
        ("wal_keep_segments = 5", "write wal_keep_size"),
        ("max_stack_depth = 100MB", "write 7680kB or less"),
    ] {
        let why = refused(&cluster, &apply(conf));
        assert!(why.contains(words), "{conf}: {why}");
    }
    let all = refused(
        &cluster,
        &apply("max_conections = 5\njit = maybe\nwork_mem = 1kB"),
    );
    for name in ["max_conections", "jit", "work_mem"] {
        assert!(all.contains(name), "{name}: {all}");
    }
}

/// Secrets are not read before the request has begun: it fails then, and nothing was written.
#[test]
fn a_secret_that_members_could_not_run_with_changes_nothing() {
    for (text, words) in [
        (Some("max_conections = 5\njit = maybe"), "jit: write on or off"),
        (Some("port = 5433"), "not the user's to set: port"),
        (None, "the Secret bad does not exist"),
    ] {
        let mut cluster = Cluster::new(3);
        if let Some(text) = text {
            cluster.user_confs.insert("bad".into(), text.into());
        }
        let before = (
            cluster.postgres.spec.clone(),
            cluster.config.clone(),
            cluster.uids(),
        );
        let spec = "type: Reconfigure, configuration: {configSecret: {name: bad}}";
        let mut run = Run::new("reconfigure", spec, 0);
        let phase = run.run(&mut cluster, CALM);
        assert_eq!(phase, OpsRequestPhase::Failed, "{:#?}", run.log);
        let failed = run.said("Failed");
        assert!(failed.contains(words), "{failed}");
        assert_eq!(
            (
                cluster.postgres.spec.clone(),
                cluster.config.clone(),
                cluster.uids()
            ),
            before,
            "{:#?}",
            run.log
        );
        assert_eq!(cluster.world().holder(), None);
    }
}

/// A configuration in the spec that was refused is replaced by one that is good.
#[test]
fn a_bad_configuration_in_the_spec_can_be_replaced() {
    let mut cluster = Cluster::new(3);
    cluster.postgres.spec.configuration =
        serde_yaml::from_str("{inline: {user.conf: work_mem = 1kB}}").expect("a configuration");
    succeed(&mut cluster, &apply("work_mem = 8MB"));
    assert_eq!(cluster.parameter("work_mem"), everywhere("8MB"));
}

/// What somebody set by ALTER SYSTEM would win: it is named, in the plan and in the failure, and nothing was changed.
#[test]
fn what_alter_system_shadows_is_named_and_nothing_changes() {
    let mut cluster = Cluster::new(3);
    cluster.altered = vec!["work_mem", "jit"];
    let plan = planned(&mut cluster, &apply("work_mem = 8MB"));
    assert!(
        plan.summary
            .contains("ALTER SYSTEM has set work_mem on pg-0; work_mem on pg-1"),
        "{}",
        plan.summary
    );
    let before = (cluster.postgres.spec.clone(), cluster.config.clone());
    let run = Run::to(
        &mut cluster,
        "reconfigure",
        &apply("work_mem = 8MB"),
        OpsRequestPhase::Failed,
    );
    let failed = run.said("Failed");
    assert!(
        failed.contains("ALTER SYSTEM RESET") && !failed.contains("jit"),
        "{failed}"
    );
    assert_eq!((cluster.postgres.spec.clone(), cluster.config.clone()), before);
}

/// Old value, new value, context and order, in fields.
#[test]
fn a_plan_has_every_parameter_with_its_values_and_its_context() {
    let mut cluster = crate::scenarios::configured(3, "max_connections = 200");
    let conf = "max_connections = 100\nwork_mem = 8MB\nlog_line_prefix = secret";
    let plan = planned(&mut cluster, &apply(conf));
    let told: Vec<_> = plan
        .parameters
        .iter()
        .map(|it| {
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            let words = [it.name.clone(), text(&it.old), text(&it.new), text(&it.context)].join(" ");
            (words, it.needs_restart, it.primary_first)
        })
        .collect();
    let expected = [
        ("log_line_prefix   sighup", false, false),
        ("max_connections 200 100 postmaster", true, true),
        ("work_mem  8MB user", false, false),
    ];
    assert_eq!(
        told,
        expected.map(|(words, restart, first)| (words.to_owned(), restart, first))
    );
}
