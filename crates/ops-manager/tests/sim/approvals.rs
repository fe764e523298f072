//! Requests that wait until somebody approves what they would do.

use api_types::PostgresOpsRequest;
use api_types::ops_request::OpsRequestPhase;
use api_types::vocabulary::{APPROVAL, APPROVED_PLAN};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use ops_manager::admit::Admission;
use ops_manager::{approval, operation};

use crate::cluster::Cluster;
use crate::plan::{RESTART, everything, planned, with_approval};
use crate::run::{CALM, Happening, Run, world_with_issuers};
use crate::{OPERATIONS, by_reload, with_tls};

const ROTATE: &str = "type: ReconfigureTLS, tls: {restart: auto, rotateCertificates: true}";

#[test]
fn a_request_that_needs_approval_waits_untouched_and_runs_when_it_has_it() {
    for crashes in [false, true] {
        let mut cluster = with_tls(3);
        let before = everything(&cluster);
        let mut run = with_approval("careful", ROTATE);
        run.now = cluster.now;
        for turn in 0..20 {
            run.look(&mut cluster, &[], !crashes || turn % 3 == 0);
            assert_ne!(run.phase(), Some(OpsRequestPhase::Progressing));
        }
        assert_eq!(run.phase(), Some(OpsRequestPhase::WaitingForApproval));
        let said = run.said("Approved");
        let command = format!(
            "kubectl annotate pgops careful -n demo ops.sealwright.dev/approved-plan={} --overwrite",
            run.plan().hash
        );
        assert!(
            said.starts_with("False WaitingForApproval: ") && said.contains(&command),
            "{said}"
        );
        cluster.now -= SignedDuration::from_secs(2);
        assert_eq!(everything(&cluster), before, "nothing was touched");
        run.approve();
        run.look(&mut cluster, &[], false);
        run.look_until(&mut cluster, OpsRequestPhase::Successful);
        assert!(
            run.said("Approved").starts_with("True "),
            "{}",
            run.said("Approved")
        );
        assert!(run.said("Successful").contains("Successfully Reconfigured TLS"));
    }
}

/// An approval is of what the plan was; when the world has changed, it is asked anew.
#[test]
fn a_changed_world_asks_again() {
    let changes: [(&str, Happening); 3] = [
        ("a member more", |cluster| {
            cluster.postgres.spec.replicas = Some(4);
        }),
        ("another name", |cluster| {
            let tls = by_reload(OPERATIONS[3].1, "auto");
            let phase = Run::new("meanwhile", &tls, 0).run(cluster, CALM);
            assert_eq!(phase, OpsRequestPhase::Successful);
        }),
        ("no TLS", |cluster| {
            let phase = Run::new("meanwhile", &by_reload("{remove: true}", "auto"), 0).run(cluster, CALM);
            assert_eq!(phase, OpsRequestPhase::Successful);
        }),
    ];
    for (what, change) in changes {
        let mut cluster = with_tls(3);
        let spec = "type: ReconfigureTLS, tls: {restart: auto, issuerRef: {name: two, kind: Issuer}}";
        let mut run = with_approval("careful", spec);
        run.look_until(&mut cluster, OpsRequestPhase::WaitingForApproval);
        run.approve();
        let old = run.plan().hash;
        change(&mut cluster);
        run.now = cluster.now;
        for _ in 0..4 {
            // The operator is killed each time, and a Pod that is to be made is made.
            run.look(&mut cluster, &[], false);
        }
        let before = everything(&cluster);
        let asked = cluster.now;
        run.look(&mut cluster, &[], true);
        cluster.now = asked;
        assert_eq!(everything(&cluster), before, "{what}");
        assert_eq!(run.phase(), Some(OpsRequestPhase::WaitingForApproval), "{what}");
        assert_ne!(run.plan().hash, old, "{what}");
        let said = run.said("Approved");
        let expected =
            format!("False PlanChanged: the plan {old} was approved, but by now the plan is another one");
        assert!(said.starts_with(&expected), "{what}: {said}");
        run.approve();
        run.look_until(&mut cluster, OpsRequestPhase::Successful);
    }
}

/// What moves by itself is no other plan: who leads, and which sessions there are.
#[test]
fn a_failover_and_other_sessions_are_told_and_need_no_other_approval() {
    let mut cluster = Cluster::new(3);
    cluster.sessions.plaintext = 1;
    let mut run = with_approval("careful", &by_reload(OPERATIONS[0].1, "auto"));
    run.look_until(&mut cluster, OpsRequestPhase::WaitingForApproval);
    let first = run.plan();
    assert_eq!((first.sessions.without_tls, first.sessions.with_tls), (3, 0));
    cluster.leader = "pg-2".into();
    cluster.sessions.plaintext = 5;
    run.look(&mut cluster, &[], true);
    assert_eq!(run.plan(), first, "not written with every session that comes");
    run.now += SignedDuration::from_secs(30);
    run.look(&mut cluster, &[], true);
    let second = run.plan();
    assert_eq!(second.hash, first.hash);
    assert_eq!(second.sessions.without_tls, 15);
    assert_eq!(second.members.last().map(|it| it.name.as_str()), Some("pg-2"));
    run.approve();
    run.look_until(&mut cluster, OpsRequestPhase::Successful);
}

#[test]
fn a_denied_request_ends_and_the_database_is_as_it_was() {
    let mut cluster = with_tls(3);
    let mut waiting = with_approval("careful", ROTATE);
    waiting.look_until(&mut cluster, OpsRequestPhase::WaitingForApproval);
    let before = everything(&cluster);
    let moment = cluster.now;
    let mut at_once = Run::new("never", ROTATE, 0);
    for run in [&mut waiting, &mut at_once] {
        run.annotate(APPROVAL, "denied");
        // A denial is final, whoever approves.
        if run.status().plan.is_some() {
            run.approve();
        }
        run.look(&mut cluster, &[], true);
        assert_eq!(run.phase(), Some(OpsRequestPhase::Denied));
        assert!(
            run.said("Denied").starts_with("True Denied: "),
            "{}",
            run.said("Denied")
        );
        run.request.metadata.annotations = None;
        run.look(&mut cluster, &[], true);
        assert_eq!(run.phase(), Some(OpsRequestPhase::Denied));
    }
    cluster.now = moment;
    assert_eq!(everything(&cluster), before);
}

#[test]
fn what_is_annotated_once_it_runs_changes_nothing() {
    for (key, value) in [(APPROVAL, "denied"), (APPROVED_PLAN, "another")] {
        let mut cluster = with_tls(3);
        let mut run = with_approval("careful", ROTATE);
        run.look_until(&mut cluster, OpsRequestPhase::WaitingForApproval);
        run.approve();
        run.look_until(&mut cluster, OpsRequestPhase::Progressing);
        run.annotate(key, value);
        run.look_until(&mut cluster, OpsRequestPhase::Successful);
    }
}

/// Neither a word that nobody knows nor its absence is an approval.
#[test]
fn a_word_that_is_not_known_and_one_that_is_taken_back_keep_it_waiting() {
    let mut cluster = with_tls(3);
    let mut run = Run::new("careful", ROTATE, 0);
    run.annotate(APPROVAL, "Required");
    run.look_until(&mut cluster, OpsRequestPhase::WaitingForApproval);
    let said = run.said("Approved");
    assert!(
        said.contains("\"Required\"") && said.contains("counts as \"required\""),
        "{said}"
    );
    run.request.metadata.annotations = None;
    for _ in 0..5 {
        run.look(&mut cluster, &[], true);
        assert_eq!(run.phase(), Some(OpsRequestPhase::WaitingForApproval));
    }
    run.annotate(APPROVED_PLAN, "0123456789abcdef");
    run.look(&mut cluster, &[], true);
    assert_eq!(run.phase(), Some(OpsRequestPhase::WaitingForApproval));
    assert!(
        run.said("Approved")
            .starts_with("False PlanChanged: the plan 0123456789abcdef")
    );
}

/// What passes does not take the question away; what does not is told, and it is Failed only when somebody approves.
#[test]
fn a_question_outlives_what_passes() {
    let mut cluster = with_tls(3);
    let mut run = with_approval("careful", &by_reload("{remove: true}", "auto"));
    run.look_until(&mut cluster, OpsRequestPhase::WaitingForApproval);
    let asked = run.status();
    cluster.unreachable = Some(("pg-1", run.now + SignedDuration::from_secs(60)));
    run.now += SignedDuration::from_secs(31);
    run.look(&mut cluster, &[], true);
    assert_eq!(
        run.status(),
        asked,
        "a plan that is known in full is not replaced by one that is not"
    );
    cluster.postgres.status.get_or_insert_default().phase =
        Some(api_types::postgres::DatabasePhase::Critical);
    run.look(&mut cluster, &[], true);
    assert_eq!(run.status(), asked);
    cluster.postgres.metadata.deletion_timestamp = Some(Time(run.now));
    run.look(&mut cluster, &[], true);
    assert_eq!(run.phase(), Some(OpsRequestPhase::WaitingForApproval));
    assert!(
        run.said("Approved").contains("is being deleted"),
        "{}",
        run.said("Approved")
    );
    run.approve();
    run.look(&mut cluster, &[], true);
    assert_eq!(run.phase(), Some(OpsRequestPhase::Failed));
}

/// Others go first as long as nobody has approved; then it has the place that its age gives it.
#[test]
fn a_request_that_waits_does_not_hold_the_queue_and_an_approved_one_is_in_it() {
    let mut cluster = with_tls(3);
    let mut waiting = with_approval("waiting", ROTATE);
    let mut other = Run::new("other", RESTART, 0);
    let at = |second: i64| {
        let time = jiff::Timestamp::from_second(second).expect("a time");
        Some(Time(time))
    };
    waiting.request.metadata.creation_timestamp = at(1);
    other.request.metadata.creation_timestamp = at(2);
    waiting.look_until(&mut cluster, OpsRequestPhase::WaitingForApproval);
    let admitted = |run: &Run, others: &[PostgresOpsRequest], cluster: &Cluster| {
        let op = operation::parse(&run.request).expect("a good request");
        approval::admit(&run.request, &op, others, &world_with_issuers(cluster), run.now)
    };
    let begins = admitted(&other, std::slice::from_ref(&waiting.request), &cluster);
    assert!(matches!(begins, Admission::Begin(_)), "{begins:?}");
    waiting.approve();
    let queued = admitted(&other, std::slice::from_ref(&waiting.request), &cluster);
    assert!(
        matches!(&queued, Admission::Wait(why) if why.message.contains("demo/waiting")),
        "{queued:?}"
    );
    let begins = admitted(&waiting, std::slice::from_ref(&other.request), &cluster);
    assert!(matches!(begins, Admission::Begin(_)), "{begins:?}");
    // While another runs, the question stays, and an approved one waits for its turn.
    other.request.status.get_or_insert_default().phase = Some(OpsRequestPhase::Progressing);
    let others = [other.request.clone()];
    waiting.look(&mut cluster, &others, true);
    assert_eq!(waiting.phase(), Some(OpsRequestPhase::Pending));
    assert!(waiting.said("Queued").contains("demo/other"));
    assert!(waiting.said("Approved").starts_with("True PlanApproved"));
    waiting.look_until(&mut cluster, OpsRequestPhase::Successful);
}

/// The plan that a dry run told can be approved before the request that does it is made.
#[test]
fn the_plan_of_a_dry_run_is_that_of_the_request() {
    let mut cluster = with_tls(3);
    let plan = planned(&mut cluster, ROTATE);
    for (hash, phase) in [
        (plan.hash.as_str(), OpsRequestPhase::Progressing),
        ("another", OpsRequestPhase::WaitingForApproval),
    ] {
        let mut run = with_approval("as-told", ROTATE);
        run.now = cluster.now;
        run.annotate(APPROVED_PLAN, hash);
        for _ in 0..3 {
            run.look(&mut cluster, &[], true);
        }
        assert_eq!(run.phase(), Some(phase), "{:#?}", run.status());
    }
}
