//! No operation ends a Pod with which data goes that is nowhere else.

use api_types::ops_plan::PlannedDataLoss;
use api_types::ops_request::OpsRequestPhase;
use ops_manager::admit::Admission;
use ops_manager::engine;
use ops_manager::step::EndsPods;
use ops_manager::{approval, operation};

use crate::cluster::Cluster;
use crate::plan::{planned, with_approval};
use crate::run::{CALM, Disturbance, Run, world_with_issuers};
use crate::scenarios;

const RESTART: &str = "type: Restart";

fn admission(cluster: &Cluster, spec: &str) -> Admission {
    let run = Run::new("suite", spec, 0);
    let op = operation::parse(&run.request).expect("a good request");
    approval::admit(&run.request, &op, &[], &world_with_issuers(cluster), run.now)
}

#[test]
fn while_a_claim_is_being_deleted_requests_that_end_pods_or_change_volumes_are_refused_and_name_it() {
    let mut refused = Vec::new();
    for scenario in scenarios::all() {
        let mut cluster = (scenario.cluster)();
        let Admission::Begin(progress) = admission(&cluster, &scenario.spec) else {
            panic!("{}", scenario.name)
        };
        let mut run = Run::new("suite", &scenario.spec, 0);
        run.request.status.get_or_insert_default().progress = Some(*progress);
        let op = operation::parse(&run.request).expect("a good request");
        let ends = engine::planned(&op)
            .iter()
            .any(|step| (step.ends_pods)(&op) == EndsPods::Always);
        // The volume itself is what these change.
        let changes_volumes = op.spec.volume_expansion.is_some();
        cluster.terminating.insert("data-pg-0");
        match admission(&cluster, &scenario.spec) {
            Admission::Refuse(why) if ends || changes_volumes => {
                assert!(
                    why.contains("PersistentVolumeClaim data-pg-0 is being deleted"),
                    "{why}"
                );
                refused.push(scenario.name);
            }
            Admission::Begin(_) if !ends => {}
            other => panic!("{}: {other:?}", scenario.name),
        }
    }
    for name in ["restart", "rotate", "scale-3-1"] {
        assert!(refused.iter().any(|it| it == name), "{name}: {refused:?}");
    }
}

/// A claim of a member that there is not any more is of no interest.
#[test]
fn claims_of_others_keep_no_request_from_its_turn() {
    let mut cluster = Cluster::new(1);
    cluster.terminating.insert("data-pg-2");
    assert!(matches!(admission(&cluster, RESTART), Admission::Begin(_)));
}

#[test]
fn a_claim_that_is_deleted_midway_stops_the_operation_before_the_next_pod() {
    for replicas in [1, 3] {
        for disturbance in [CALM, Disturbance::killed_after(Some(1))] {
            let mut cluster = Cluster::new(replicas);
            let before = cluster.uids();
            let mut run = Run::new("restart", RESTART, 0);
            run.then = Some(("DatabasePauseSucceeded", |cluster| {
                cluster.terminating.insert("data-pg-0");
            }));
            let phase = run.run(&mut cluster, disturbance);
            assert_eq!(phase, OpsRequestPhase::Failed, "{:#?}", run.log);
            let failed = run.said("Failed");
            assert!(
                failed.contains("RestartNodes: PersistentVolumeClaim data-pg-0"),
                "{failed}"
            );
            assert_eq!(cluster.uids(), before, "{:#?}", run.log);
            assert_eq!(cluster.world().holder(), None, "resumed");
        }
    }
}

#[test]
fn an_operation_that_removes_members_stops_too() {
    let mut cluster = Cluster::new(3);
    let mut run = Run::new(
        "down",
        "type: HorizontalScaling, horizontalScaling: {replicas: 1}",
        0,
    );
    run.then = Some(("TransferPrimary", |cluster| {
        cluster.terminating.insert("data-pg-0");
    }));
    let phase = run.run(&mut cluster, CALM);
    assert_eq!(phase, OpsRequestPhase::Failed, "{:#?}", run.log);
    assert_eq!(cluster.uids().len(), 3, "{:#?}", run.log);
}

#[test]
fn the_only_member_without_a_volume_is_restarted_with_an_explicit_yes_only() {
    let mut cluster = Cluster::ephemeral(1);
    let old = cluster.uids();
    let Admission::Refuse(why) = admission(&cluster, RESTART) else {
        panic!("not refused")
    };
    for part in ["all data", "pg-0", "ops.sealwright.dev/approval"] {
        assert!(why.contains(part), "{why}");
    }
    let plan = planned(&mut cluster, RESTART);
    assert_eq!(plan.data_loss, Some(PlannedDataLoss::All));
    assert!(
        plan.summary.contains("all data of the database is lost"),
        "{}",
        plan.summary
    );
    assert_eq!(cluster.uids(), old, "nothing was touched");

    let mut run = with_approval("yes", RESTART);
    run.now = cluster.now;
    run.look_until(&mut cluster, OpsRequestPhase::WaitingForApproval);
    assert_eq!(run.plan().data_loss, Some(PlannedDataLoss::All));
    run.approve();
    run.look_until(&mut cluster, OpsRequestPhase::Successful);
    assert_ne!(cluster.uids(), old);
}

/// A request that did not need to restart anything by its plan has nobody's yes.
#[test]
fn a_restart_that_turns_out_to_be_needed_is_no_yes() {
    let mut cluster = Cluster::ephemeral(1);
    let before = cluster.uids();
    cluster.keeps_old_files = Some("pg-0".into());
    let mut run = Run::new("add", &crate::by_reload(crate::OPERATIONS[0].1, "auto"), 0);
    run.request.spec.timeout = Some("40s".into());
    let phase = run.run(&mut cluster, CALM);
    assert_eq!(phase, OpsRequestPhase::Failed, "{:#?}", run.log);
    assert_eq!(cluster.uids(), before, "{:#?}", run.log);
}

#[test]
fn several_members_without_volumes_are_restarted_one_after_the_other_and_the_plan_tells_what_goes() {
    let mut cluster = Cluster::ephemeral(3);
    let plan = planned(&mut cluster, RESTART);
    assert_eq!(plan.data_loss, Some(PlannedDataLoss::OfEndedMembers));
    let phase = Run::new("restart", RESTART, 0).run(&mut cluster, CALM);
    assert_eq!(phase, OpsRequestPhase::Successful);
    assert_eq!(
        planned(&mut Cluster::new(3), RESTART).data_loss,
        None,
        "on volumes"
    );
}

#[test]
fn without_a_member_that_has_every_row_no_member_without_a_volume_ends() {
    let mut cluster = Cluster::ephemeral(2);
    let primary = cluster.uids()[&cluster.leader].clone();
    let mut run = Run::new("restart", RESTART, 0);
    run.request.spec.timeout = Some("20s".into());
    run.then = Some(("UpdatePetSets", |cluster| cluster.broken = Some("pg-1")));
    run.run(&mut cluster, CALM);
    assert_eq!(cluster.uids()[&cluster.leader], primary, "{:#?}", run.log);
}
