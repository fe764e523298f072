//! A forced failover: who is promoted, what is said to be lost, and when nothing is done.

use api_types::condition;
use api_types::ops_request::OpsRequestPhase;
use jiff::SignedDuration;
use ops_manager::admit::Admission;
use ops_manager::{approval, operation};

use crate::cluster::Cluster;
use crate::plan::{planned, with_approval};
use crate::run::{CALM, Disturbance, Run, world_with_issuers};
use crate::scenarios::without_primary;

const FORCE: &str = "type: ForceFailOver";

fn naming(candidates: &str) -> String {
    format!("type: ForceFailOver, forceFailOver: {{candidates: [{candidates}]}}")
}

/// Runs a request to its end.
fn forced(cluster: &mut Cluster, spec: &str, disturbance: Disturbance) -> Run {
    let mut run = Run::new("force", spec, disturbance.seed);
    run.now = cluster.now;
    run.request.spec.timeout = Some("60s".into());
    run.run(cluster, disturbance);
    run
}

#[test]
fn the_plan_states_what_each_candidate_lacks_and_the_best_is_promoted() {
    let mut cluster = without_primary();
    let plan = planned(&mut cluster, FORCE);
    let failover = plan.change.failover.expect("candidates");
    assert_eq!(failover.former_primary.as_deref(), Some("pg-0"));
    assert_eq!(failover.position.as_deref(), Some("0/3E8"));
    let told: Vec<_> = failover
        .candidates
        .iter()
        .map(|it| (it.pod.as_str(), it.lost_bytes))
        .collect();
    assert_eq!(told, [("pg-2", Some(100)), ("pg-1", Some(300))]);
    for part in [
        "would promote pg-2",
        "pg-2 lacks 100 bytes",
        "pg-1 lacks 300 bytes",
        "0/384 to 0/3E8",
    ] {
        assert!(plan.summary.contains(part), "{part}: {}", plan.summary);
    }
    let run = forced(&mut cluster, FORCE, CALM);
    assert_eq!(run.phase(), Some(OpsRequestPhase::Successful), "{:#?}", run.log);
    assert_eq!(
        (cluster.leader.as_str(), &cluster.promotions[..]),
        ("pg-2", &["pg-2".to_owned()][..])
    );
    let loss = run.said("AcceptedLoss");
    assert!(loss.contains("pg-2 lacks 100 bytes"), "{loss}");
    assert_eq!(cluster.evictions, Vec::<String>::new(), "nobody was in doubt");
}

#[test]
fn candidates_are_tried_in_the_order_of_the_request() {
    for (candidates, promoted) in [
        ("pg-1, pg-2", "pg-1"),
        ("pg-0, pg-2", "pg-2"),
        ("pg-0, pg-1", "pg-1"),
    ] {
        let mut cluster = without_primary();
        let run = forced(&mut cluster, &naming(candidates), CALM);
        assert_eq!(run.phase(), Some(OpsRequestPhase::Successful), "{:#?}", run.log);
        assert_eq!(cluster.promotions, [promoted], "{candidates}");
    }
}

#[test]
fn nothing_is_promoted_while_the_primary_is_healthy() {
    let Admission::Refuse(why) = admission(&Cluster::new(3)) else {
        panic!("not refused")
    };
    assert!(why.contains("pg-0 is the primary and healthy"), "{why}");

    // It may have come back between the request and its turn.
    for disturbance in [CALM, Disturbance::killed_after(Some(1))] {
        let mut cluster = without_primary();
        let mut run = Run::new("force", FORCE, 0);
        run.then = Some(("DatabasePauseSucceeded", |cluster| cluster.broken = None));
        run.run(&mut cluster, disturbance);
        assert_eq!(run.phase(), Some(OpsRequestPhase::Failed), "{:#?}", run.log);
        let failed = run.said("Failed");
        assert!(failed.contains("pg-0 is the primary and healthy"), "{failed}");
        assert_eq!(cluster.promotions, Vec::<String>::new());
        assert_eq!(cluster.world().holder(), None, "resumed");
    }
}

fn admission(cluster: &Cluster) -> Admission {
    let run = Run::new("force", FORCE, 0);
    let op = operation::parse(&run.request).expect("a good request");
    approval::admit(&run.request, &op, &[], &world_with_issuers(cluster), run.now)
}

/// It has every row: what was about to be lost is not.
#[test]
fn a_primary_that_comes_back_meanwhile_ends_the_request() {
    let mut cluster = without_primary();
    let mut run = Run::new("force", FORCE, 0);
    run.then = Some(("ChooseCandidate", |cluster| cluster.broken = None));
    run.run(&mut cluster, CALM);
    assert_eq!(run.phase(), Some(OpsRequestPhase::Failed), "{:#?}", run.log);
    assert!(
        run.said("Failed")
            .contains("meanwhile pg-0 is the primary and healthy")
    );
    assert_eq!((cluster.leader.as_str(), cluster.promotions.len()), ("pg-0", 0));
}

/// A member that answers nobody may take writes: it is ended before another one is promoted.
#[test]
fn a_primary_in_doubt_is_ended_first() {
    let mut cluster = without_primary();
    cluster.broken = None;
    cluster.silent = Some("pg-0");
    let run = forced(&mut cluster, FORCE, CALM);
    assert_eq!(run.phase(), Some(OpsRequestPhase::Successful), "{:#?}", run.log);
    assert_eq!(cluster.evictions, ["pg-0"]);
    assert_eq!(cluster.promotions, ["pg-2"]);
}

/// Approval is of one candidate and one loss.
#[test]
fn a_greater_loss_than_was_approved_needs_another_approval() {
    let mut cluster = without_primary();
    let mut run = with_approval("yes", FORCE);
    run.now = cluster.now;
    run.look_until(&mut cluster, OpsRequestPhase::WaitingForApproval);
    run.approve();
    cluster.lacks.insert("pg-2".into(), 900);
    cluster.lacks.insert("pg-1".into(), 950);
    for _ in 0..20 {
        run.look(&mut cluster, &[], true);
    }
    assert_eq!(cluster.promotions, Vec::<String>::new(), "{:#?}", run.log);
    let status = run.status();
    let approved = condition::find(&status.conditions, "Approved").expect("Approved");
    assert_eq!(approved.reason.as_deref(), Some("PlanChanged"), "{status:#?}");
    run.approve();
    run.look_until(&mut cluster, OpsRequestPhase::Successful);
    assert_eq!(cluster.promotions, ["pg-2"]);
}

/// It may be the primary by now: neither is it ended, nor is another one promoted beside it.
#[test]
fn a_candidate_that_does_not_answer_is_not_given_up() {
    let mut cluster = without_primary();
    let mut run = Run::new("force", FORCE, 0);
    run.request.spec.timeout = Some("20s".into());
    run.then = Some(("ChooseCandidate", |cluster| cluster.silent = Some("pg-2")));
    run.run(&mut cluster, CALM);
    assert_eq!(run.phase(), Some(OpsRequestPhase::Failed), "{:#?}", run.log);
    assert_eq!(cluster.evictions, Vec::<String>::new(), "{:#?}", run.log);
    assert_eq!(cluster.promotions, ["pg-2"]);
    let failed = run.said("Failed");
    assert!(failed.contains("waits for pg-2"), "{failed}");
}

#[test]
fn what_is_no_candidate_is_refused_before_anything_is_done() {
    for (candidates, words) in [
        ("other-0", "is no Pod of pg"),
        ("pg-01", "is no Pod of pg"),
        ("pg-1, pg-1", "named twice"),
    ] {
        let run = Run::new("force", &naming(candidates), 0);
        let error = operation::parse(&run.request).expect_err("refused");
        assert!(error.contains(words), "{error}");
    }
    let Admission::Refuse(why) = admission(&Cluster::new(1)) else {
        panic!("not refused")
    };
    assert!(why.contains("one member"), "{why}");
}

/// The request ends although the former primary's node is lost; it says who is left out.
#[test]
fn a_member_that_does_not_follow_is_named() {
    let mut cluster = without_primary();
    let run = forced(&mut cluster, FORCE, CALM);
    let left = run.said("NotFollowing");
    assert!(
        left.contains("pg-0") && left.contains("kubectl sealwright reconnect pg"),
        "{left}"
    );
    assert!(run.now.duration_since(cluster.now) < SignedDuration::from_mins(10));
}
