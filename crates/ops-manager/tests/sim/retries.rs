//! A failed operation that is tried again, as `spec.maxRetries` allows.

use api_types::condition;
use api_types::ops_request::OpsRequestPhase;

use crate::cluster::Cluster;
use crate::run::{CALM, Disturbance, Run};
use crate::scenarios::MORE;

const GIBIBYTE: i64 = 1 << 30;

/// A request for more memory than any node has.
fn without_room(max_retries: i32) -> (Run, Cluster) {
    let mut cluster = Cluster::new(3);
    cluster.room = GIBIBYTE;
    let mut run = Run::new(
        "resize",
        &format!("type: VerticalScaling, verticalScaling: {{{MORE}}}"),
        0,
    );
    run.request.spec.timeout = Some("20s".into());
    run.request.spec.max_retries = Some(max_retries);
    (run, cluster)
}

fn attempts(run: &Run) -> usize {
    1 + run.log.iter().filter(|line| *line == "is tried again").count()
}

#[test]
fn what_was_too_slow_is_undone_and_tried_as_often_as_asked() {
    for (max_retries, expected) in [(-1, 1), (0, 1), (1, 1), (2, 2), (3, 3)] {
        for disturbance in [CALM, Disturbance::killed_after(Some(1))] {
            let (mut run, mut cluster) = without_room(max_retries);
            let before = cluster.postgres.spec.clone();
            assert_eq!(
                run.run(&mut cluster, disturbance),
                OpsRequestPhase::Failed,
                "{:#?}",
                run.log
            );
            assert_eq!(attempts(&run), expected, "{:#?}", run.log);
            assert_eq!(cluster.postgres.spec, before);
            assert_eq!(cluster.provisioner_would_change(), Vec::<&str>::new());
            assert_eq!(cluster.world().holder(), None);
            assert!(run.said("RestoreDatabase").starts_with("True"), "{:#?}", run.log);
            let is_retried = condition::find(&run.status().conditions, "Retrying").is_some();
            assert_eq!(is_retried, expected > 1, "{:#?}", run.log);
            if expected > 1 {
                let retrying = run.said("Retrying");
                let last = format!("attempt {} of {expected} failed and was undone: ", expected - 1);
                assert!(
                    retrying.contains(&last) && retrying.contains("not done within"),
                    "{retrying}"
                );
            }
        }
    }
}

#[test]
fn a_later_attempt_can_succeed() {
    let (mut run, mut cluster) = without_room(2);
    run.then = Some(("Retrying", |cluster| cluster.room = i64::MAX));
    assert_eq!(
        run.run(&mut cluster, CALM),
        OpsRequestPhase::Successful,
        "{:#?}",
        run.log
    );
    assert_eq!(attempts(&run), 2);
    assert_eq!(run.status().progress.expect("progress").failed_attempts, 1);
}

/// What can't be done is not tried again, nor what its owner deletes.
#[test]
fn only_time_is_a_reason_for_another_attempt() {
    let (mut run, mut cluster) = without_room(3);
    run.cancel_after = Some(4);
    assert_eq!(run.run(&mut cluster, CALM), OpsRequestPhase::Failed);
    assert_eq!(attempts(&run), 1, "{:#?}", run.log);

    let mut cluster = Cluster::new(3);
    let mut run = Run::new(
        "reconfigure",
        "type: Reconfigure, configuration: {configSecret: {name: bad}}",
        0,
    );
    run.request.spec.max_retries = Some(3);
    assert_eq!(run.run(&mut cluster, CALM), OpsRequestPhase::Failed);
    assert_eq!(attempts(&run), 1, "{:#?}", run.log);
}
