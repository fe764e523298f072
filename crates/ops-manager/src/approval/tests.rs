//! Which requests take part in the queue.

use api_types::PostgresOpsRequest;
use api_types::ops_request::OpsRequestPhase;
use jiff::Timestamp;

use super::{admit, is_not_queued, needs_plan};
use crate::admit::Admission;
use crate::operation;
use crate::world::World;

const ASKED: &str = "{phase: WaitingForApproval, plan: {hash: abc, summary: s}}";
const QUEUED: &str = "{phase: Pending, plan: {hash: abc, summary: s}, conditions: [{type: Approved, status: 'True', lastTransitionTime: 2026-01-01T00:00:00Z}]}";
const RUNNING: &str = "{phase: Progressing}";

fn request(created: u8, spec: &str, annotations: &str, status: &str) -> PostgresOpsRequest {
    let text = format!(
        "{{apiVersion: ops.kubedb.com/v1alpha1, kind: PostgresOpsRequest, metadata: {{name: r{created}, namespace: demo, uid: u{created}, \
         creationTimestamp: '2026-01-01T00:00:{created:02}Z', annotations: {annotations}}}, \
         spec: {{databaseRef: {{name: pg}}, type: Restart, {spec}}}, status: {status}}}"
    );
    serde_yaml::from_str(&text).expect("a request")
}

#[test]
fn who_needs_a_plan_and_who_takes_no_place_in_the_queue() {
    let required = "{ops.sealwright.dev/approval: required}";
    let approved = "{ops.sealwright.dev/approval: required, ops.sealwright.dev/approved-plan: abc}";
    let other = "{ops.sealwright.dev/approval: required, ops.sealwright.dev/approved-plan: xyz}";
    let empty = "{ops.sealwright.dev/approval: '', ops.sealwright.dev/approved-plan: ''}";
    let denied = "{ops.sealwright.dev/approval: denied}";
    for (spec, annotations, status, plan, aside) in [
        ("", "{}", "{}", false, false),
        ("dryRun: false", "{}", "{}", false, false),
        ("dryRun: true", "{}", "{}", true, true),
        ("dryRun: true", approved, ASKED, true, true),
        ("", required, "{}", true, true),
        ("", required, ASKED, true, true),
        ("", approved, ASKED, true, false),
        ("", approved, QUEUED, true, false),
        // A plan that is not known yet can't be approved, and an approval is valid for its own plan only.
        ("", approved, "{}", true, true),
        ("", other, ASKED, true, true),
        ("", empty, ASKED, true, true),
        // A request that waited for approval keeps waiting for it.
        ("", "{}", ASKED, true, true),
        ("", "{}", QUEUED, true, true),
        ("", denied, "{}", true, true),
        // An approval of a request that needs none has no effect.
        ("", "{ops.sealwright.dev/approved-plan: abc}", "{}", false, false),
    ] {
        let request = request(1, spec, annotations, status);
        let context = format!("{spec} {annotations} {status}");
        assert_eq!(needs_plan(&request), plan, "{context}");
        assert_eq!(is_not_queued(&request), aside, "{context}");
    }
}

/// Whether the request of second 5 reaches the point where the database is observed, which does not exist here.
fn turn(own: (&str, &str, &str), other: (u8, &str, &str, &str)) -> &'static str {
    let request = request(5, own.0, own.1, own.2);
    let (created, spec, annotations, status) = other;
    let others = [self::request(created, spec, annotations, status)];
    let op = operation::parse(&request).expect("an operation");
    match admit(&request, &op, &others, &World::default(), Timestamp::UNIX_EPOCH) {
        Admission::Refuse(_) => "its turn",
        Admission::Wait(_) => "waits",
        Admission::Skip(_) => "skipped",
        Admission::AwaitApproval(_) => "asks",
        Admission::Deny(_) => "denied",
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_who_may_run_has_a_place_in_the_queue() {
    let required = "{ops.sealwright.dev/approval: required}";
    let approved = "{ops.sealwright.dev/approval: required, ops.sealwright.dev/approved-plan: abc}";
    let denied = "{ops.sealwright.dev/approval: denied}";
    let plain = ("", "{}", "{}");
    for (own, other, expected) in [
        (plain, (4, "", "{}", RUNNING), "waits"),
        (plain, (6, "", "{}", "{}"), "skipped"),
        (plain, (6, "dryRun: true", "{}", "{}"), "its turn"),
        (plain, (6, "", required, "{}"), "its turn"),
        (plain, (6, "", required, ASKED), "its turn"),
        (plain, (6, "", approved, ASKED), "skipped"),
        (plain, (6, "", denied, "{}"), "its turn"),
        (("dryRun: true", "{}", "{}"), (4, "", "{}", "{}"), "its turn"),
        (("dryRun: true", "{}", "{}"), (6, "", "{}", "{}"), "its turn"),
        (("dryRun: true", "{}", "{}"), (4, "", "{}", RUNNING), "waits"),
        (("", required, "{}"), (6, "", "{}", "{}"), "its turn"),
        (("", required, "{}"), (4, "", "{}", RUNNING), "waits"),
        (("", required, ASKED), (4, "", "{}", RUNNING), "asks"),
        (("", approved, ASKED), (4, "", "{}", RUNNING), "waits"),
        (("", approved, ASKED), (6, "", "{}", "{}"), "skipped"),
        (("", denied, ASKED), (4, "", "{}", RUNNING), "denied"),
    ] {
        assert_eq!(turn(own, other), expected, "{own:?} beside {other:?}");
    }
}

#[test]
fn of_different_types_an_older_one_that_waits_is_passed_and_an_approved_one_is_not() {
    let tls = "{rotateCertificates: true}";
    let older = |annotations: &str| {
        let mut older = request(4, "", annotations, ASKED);
        older.spec.type_ = api_types::ops_request::OpsRequestType::ReconfigureTLS;
        older.spec.tls = Some(serde_yaml::from_str(tls).expect("a request"));
        older
    };
    let own = request(5, "", "{}", "{}");
    let op = operation::parse(&own).expect("an operation");
    let admitted =
        |older: PostgresOpsRequest| admit(&own, &op, &[older], &World::default(), Timestamp::UNIX_EPOCH);
    let waiting = admitted(older("{ops.sealwright.dev/approval: required}"));
    assert!(matches!(waiting, Admission::Refuse(_)), "{waiting:?}");
    let approved = "{ops.sealwright.dev/approval: required, ops.sealwright.dev/approved-plan: abc}";
    let waits = admitted(older(approved));
    assert!(
        matches!(&waits, Admission::Wait(why) if why.message.contains("demo/r4")),
        "{waits:?}"
    );
    assert_eq!(older(approved).phase(), Some(OpsRequestPhase::WaitingForApproval));
}
