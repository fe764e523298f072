//! What every type of request has to survive: the registry against the simulation.

use std::collections::{BTreeMap, BTreeSet};

use api_types::condition;
use api_types::ops_request::{OperationPlan, OpsRequestPhase, PlannedRestart};
use jiff::SignedDuration;
use ops_manager::admit::{self, Admission};
use ops_manager::{operation, ops};

use crate::cluster::{Cluster, Cure};
use crate::plan::planned;
use crate::run::{CALM, Disturbance, Run};
use crate::scenarios::{self, Scenario};

#[test]
fn every_type_in_the_registry_has_a_scenario() {
    let carried_out: Vec<String> = scenarios::all().into_iter().map(|it| it.spec).collect();
    let specs = carried_out.iter().map(String::as_str).chain(scenarios::SKIPPED);
    let tried: BTreeSet<String> = specs
        .map(|spec| Run::new("r", spec, 0).request.spec.type_.as_str().to_owned())
        .collect();
    let known: BTreeSet<String> = ops::REQUEST_TYPES
        .iter()
        .map(|type_| type_.kind().as_str().to_owned())
        .collect();
    assert_eq!(tried, known);
}

#[test]
fn a_request_that_has_nothing_to_change_here_is_skipped_with_the_reason() {
    for spec in scenarios::SKIPPED {
        let request = Run::new("r", spec, 0).request;
        let op = operation::parse(&request).expect("a good request");
        let cluster = Cluster::new(3);
        let admission = admit::admit(&request, &op, &[], &cluster.world(), cluster.now);
        let Admission::Skip(why) = admission else {
            panic!("{spec}: {admission:?}");
        };
        assert!(why.starts_with("skipped as Postgres demo/pg has no"), "{why}");
    }
}

/// Runs it to its good end, and checks what is true after every operation.
fn succeed(scenario: &Scenario, disturbance: Disturbance, prepare: impl Fn(&mut Run)) -> (Run, Cluster) {
    let mut cluster = (scenario.cluster)();
    cluster.switchovers = 0;
    let mut run = Run::new("suite", &scenario.spec, disturbance.seed);
    run.now = cluster.now;
    prepare(&mut run);
    let phase = run.run(&mut cluster, disturbance);
    let context = format!("{} under {disturbance:?}: {:#?}", scenario.name, run.log);
    assert_eq!(phase, OpsRequestPhase::Successful, "{context}");
    check_left_in_order(&cluster, &context);
    (run, cluster)
}

/// Nobody holds the database, its provisioner has nothing to do, no member left anything behind, and no read was lost.
fn check_left_in_order(cluster: &Cluster, context: &str) {
    let world = cluster.world();
    assert_eq!(world.holder(), None, "{context}");
    assert_eq!(
        cluster.provisioner_would_change(),
        Vec::<&str>::new(),
        "{context}"
    );
    assert_eq!(cluster.lost_reads, Vec::<String>::new(), "{context}");
    let claims = world.claims.present().expect("claims");
    let is_noted = claims.iter().any(|claim| claim.no_pod_until.is_some());
    assert!(!is_noted, "a Pod is kept away: {claims:#?}; {context}");
    let members = world.members.expect("members");
    assert_eq!(members.forgets_slots, Some(false), "{context}");
    let pods: BTreeSet<String> = members.by_pod.keys().cloned().collect();
    for (pod, member) in &members.by_pod {
        assert!(member.serves_reads, "{pod}; {context}");
        let slots = member.server.present().expect("a server").slots.keys();
        let strange: Vec<_> = slots
            .filter(|slot| !pods.contains(&slot.replace('_', "-")))
            .collect();
        assert!(strange.is_empty(), "{strange:?} on {pod}; {context}");
    }
    let auth = &cluster.auth;
    let published = if auth.is_own {
        auth.recorded
    } else {
        auth.published
    };
    let places = [auth.role, auth.replayed, published];
    assert!(
        !auth.kept && places.iter().all(|which| *which == auth.recorded),
        "{auth:?}; {context}"
    );
    assert!(auth.made <= 1, "{auth:?}; {context}");
    let wanted = cluster.postgres.spec.replicas.unwrap_or(1);
    assert_eq!(i32::try_from(pods.len()), Ok(wanted), "{context}");
}

#[test]
fn killed_after_every_step_and_every_effect_done_twice() {
    for scenario in scenarios::all() {
        for crash_after in [None, Some(1), Some(2), Some(3)] {
            for twice in [false, true] {
                let disturbance = Disturbance {
                    crash_after,
                    twice,
                    seed: 0,
                };
                succeed(&scenario, disturbance, |_| {});
            }
        }
    }
}

#[test]
fn the_others_move_in_any_order() {
    for scenario in scenarios::all() {
        for seed in 1..=4 {
            let disturbance = Disturbance {
                crash_after: Some(1),
                twice: seed % 2 == 0,
                seed,
            };
            succeed(&scenario, disturbance, |_| {});
        }
    }
}

/// Unknown is not no: an operation waits, and ends as it would have.
#[test]
fn every_read_fails_now_and_then() {
    for scenario in scenarios::all() {
        for seed in 1..=4 {
            succeed(&scenario, CALM, |run| {
                run.hides_reads = true;
                run.random = seed;
            });
        }
    }
}

#[test]
fn a_clock_that_is_set_back_at_any_step_changes_no_end() {
    for scenario in scenarios::all() {
        let (run, _) = succeed(&scenario, CALM, |_| {});
        for step in steps(&run).into_iter().skip(1).step_by(2) {
            let step: &'static str = step.leak();
            succeed(&scenario, CALM, |run| {
                run.clock = Some((step, SignedDuration::from_mins(-10)));
            });
        }
    }
}

/// The steps that are latched, without the first and the last condition, which are the request's own.
fn steps(run: &Run) -> Vec<String> {
    let status = run.status();
    let latched: Vec<String> = status
        .conditions
        .iter()
        .filter(|condition| condition.is_true() && condition.reason.is_some())
        .map(|condition| condition.type_.clone())
        .collect();
    latched[1..latched.len() - 1].to_vec()
}

#[test]
fn a_dry_run_tells_the_truth() {
    for scenario in scenarios::all() {
        let mut cluster = (scenario.cluster)();
        cluster.switchovers = 0;
        cluster.evictions.clear();
        cluster.restarts.clear();
        let before = cluster.uids();
        let spec = cluster.postgres.spec.clone();
        let plan = planned(&mut cluster, &scenario.spec);
        let mut run = Run::new("suite", &scenario.spec, 0);
        run.now = cluster.now;
        let phase = run.run(&mut cluster, CALM);
        let context = format!("{}: {plan:#?}\n{:#?}", scenario.name, run.log);
        assert_eq!(phase, OpsRequestPhase::Successful, "{context}");
        let told: Vec<&str> = plan.phases.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(steps(&run), told, "{context}");
        check_members(&plan, &before, &cluster, &context);
        check_written(&plan, &spec, &cluster, &context);
    }
}

fn check_members(plan: &OperationPlan, before: &BTreeMap<String, String>, cluster: &Cluster, context: &str) {
    let after = &cluster.uids();
    let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let told: BTreeSet<&String> = plan.members.iter().map(|it| &it.name).collect();
    assert_eq!(told, all, "{context}");
    for member in &plan.members {
        let done = match (before.get(&member.name), after.get(&member.name)) {
            (None, Some(_)) => PlannedRestart::Joins,
            (Some(_), None) => PlannedRestart::Leaves,
            (old, new) if old != new => PlannedRestart::Always,
            _ if member.restart == PlannedRestart::IfNeeded => PlannedRestart::IfNeeded,
            _ if cluster.restarts.contains(&member.name) => PlannedRestart::InPlace,
            _ => PlannedRestart::Never,
        };
        assert_eq!(member.restart, done, "{}; {context}", member.name);
    }
}

/// Of the spec, what the plan names and nothing else.
fn check_written(
    plan: &OperationPlan,
    before: &api_types::postgres::PostgresSpec,
    cluster: &Cluster,
    context: &str,
) {
    let mut expected = before.clone();
    if let Some(change) = &plan.change.tls {
        expected.tls.clone_from(&change.after.tls);
        expected.ssl_mode = change.after.ssl_mode;
        expected.client_auth_mode = change.after.client_auth_mode;
    }
    if let Some(change) = &plan.change.horizontal_scaling {
        expected.replicas = change.after.replicas;
    }
    if let Some(change) = &plan.change.vertical_scaling {
        change.after.write(&mut expected);
    }
    if let Some(change) = &plan.change.volume_expansion {
        change.after.write(&mut expected);
    }
    if let Some(change) = &plan.change.configuration {
        change.after.write(&mut expected);
    }
    if let Some(change) = &plan.change.update_version {
        change.after.to_name().write(&mut expected);
    }
    if let Some(change) = &plan.change.rotate_auth {
        change.after.write(&mut expected);
    }
    assert_eq!(cluster.postgres.spec, expected, "{context}");
}

/// Deleted after any effect, the database is left in order: as it was, or as it was to be.
#[test]
fn a_request_that_is_deleted_leaves_a_database_in_order() {
    // The spec itself, or the catalog, goes on asking for another version in these.
    let is_held = |it: &&Scenario| ["edited", "refreshed"].iter().any(|name| it.name.ends_with(name));
    let is_undone = |it: &&Scenario| {
        [
            "scale",
            "resize",
            "reconfigure",
            "expand",
            "update-version",
            "rotate-auth",
        ]
        .iter()
        .any(|name| it.name.starts_with(name))
    };
    for scenario in scenarios::all()
        .iter()
        .filter(is_undone)
        .filter(|it| !is_held(it))
    {
        for after in 0..12 {
            let mut cluster = (scenario.cluster)();
            let mut run = Run::new("suite", &scenario.spec, 0);
            run.now = cluster.now;
            run.cancel_after = Some(after);
            run.run(&mut cluster, CALM);
            for _ in 0..8 {
                cluster.petset_ticks();
            }
            let context = format!("{} deleted after {after}: {:#?}", scenario.name, run.log);
            check_left_in_order(&cluster, &context);
        }
    }
}

/// A restart that does not help is followed by a copy of the primary's data, once; whenever the operator is killed.
#[test]
fn a_standby_that_a_restart_does_not_help_is_rebuilt_from_the_primary() {
    let spec = "type: ReconnectStandby, reconnectStandby: {readyTimeOut: 10s}";
    for crash_after in [None, Some(1), Some(2), Some(3)] {
        let mut cluster = scenarios::broken(Cure::Rebuild);
        let mut run = Run::new("r", spec, 0);
        run.now = cluster.now;
        let disturbance = Disturbance { crash_after, ..CALM };
        let phase = run.run(&mut cluster, disturbance);
        assert_eq!(phase, OpsRequestPhase::Successful, "{:#?}", run.log);
        assert_eq!(cluster.evictions, ["pg-1"], "{:#?}", run.log);
        assert_eq!(cluster.rebuilt, ["pg-1"], "{:#?}", run.log);
        check_left_in_order(&cluster, "rebuilt");
    }
}

/// Without a primary, a broken standby may have the only copy of a row.
#[test]
fn nothing_is_rebuilt_while_the_primary_is_not_healthy() {
    let mut cluster = scenarios::broken(Cure::Rebuild);
    cluster.leader = "pg-1".into();
    let before = cluster.uids();
    let mut run = Run::new("r", "type: ReconnectStandby", 0);
    run.request.spec.timeout = Some("20s".into());
    assert_eq!(run.run(&mut cluster, CALM), OpsRequestPhase::Failed);
    assert_eq!(cluster.uids(), before);
    assert!(cluster.rebuilt.is_empty());
    let failed = condition::find(&run.status().conditions, "Failed").and_then(|it| it.message.clone());
    let failed = failed.unwrap_or_default();
    assert!(failed.contains("waits for a primary"), "{failed}");
}

/// Nobody leaves while a member that stays is broken: it could not take over, and its rows may be old.
#[test]
fn no_member_leaves_while_one_that_stays_is_broken() {
    for leader in ["pg-1", "pg-2"] {
        let mut cluster = Cluster::new(3);
        cluster.leader = leader.into();
        cluster.broken = Some("pg-0");
        let before = cluster.uids();
        let mut run = Run::new(
            "r",
            "type: HorizontalScaling, horizontalScaling: {replicas: 1}",
            0,
        );
        run.request.spec.timeout = Some("20s".into());
        run.request.spec.apply = Some(api_types::ops_request::ApplyOption::Always);
        assert_eq!(
            run.run(&mut cluster, CALM),
            OpsRequestPhase::Failed,
            "{:#?}",
            run.log
        );
        assert_eq!(cluster.uids(), before);
        assert_eq!(cluster.leader, leader);
        let conditions = run.status().conditions;
        let failed = condition::find(&conditions, "Failed").and_then(|it| it.message.clone());
        let failed = failed.unwrap_or_default();
        assert!(failed.contains("pg-0: its Pod is not Ready"), "{failed}");
        check_left_in_order(&cluster, "after the failure");
    }
}
