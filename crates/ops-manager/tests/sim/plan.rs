//! Requests that are told what they would do, and requests that wait until somebody approves it.

use std::collections::BTreeMap;

use api_types::PostgresOpsRequest;
use api_types::cert_manager::Certificate;
use api_types::condition;
use api_types::ops_request::{OperationPreview, OpsRequestPhase, PreviewAction, PreviewRestart};
use api_types::tls::CertificateAlias;
use api_types::vocabulary::{APPROVAL, APPROVED_PLAN};
use instance::SslSessions;
use jiff::SignedDuration;
use ops_manager::admit::Admission;
use ops_manager::world::Observed;
use ops_manager::{approval, engine, operation};

use crate::cluster::Cluster;
use crate::{CALM, Happening, OPERATIONS, Run, by_reload, world_with_issuers};

const RESTART: &str = "type: Restart";
const ROTATE: &str = "type: ReconfigureTLS, tls: {restart: auto, rotateCertificates: true}";

impl Run {
    /// One look, as the controller has it; without `persist` the operator is killed before it writes down what it decided.
    fn look(&mut self, cluster: &mut Cluster, others: &[PostgresOpsRequest], persist: bool) {
        self.others_move(cluster, 0);
        self.now += SignedDuration::from_millis(100);
        cluster.now = self.now;
        let phase = self.status().phase;
        if phase.is_some_and(OpsRequestPhase::is_terminal) {
            return;
        }
        let op = operation::parse(&self.request).expect("a good request");
        let (status, effects) = if phase == Some(OpsRequestPhase::Progressing) {
            let next = engine::advance(&op, &self.status(), &cluster.world(), false, self.now);
            (next.status, next.effects)
        } else {
            let world = world_with_issuers(cluster);
            let admission = approval::admit(&self.request, &op, others, &world, self.now);
            let status = approval::admitted(&self.request, &op, &admission, self.now);
            (status, Vec::new())
        };
        if !persist {
            return;
        }
        self.request.status = Some(status);
        for effect in effects {
            cluster.perform(&effect, &op.holder());
        }
    }

    fn look_until(&mut self, cluster: &mut Cluster, wanted: OpsRequestPhase) {
        for _ in 0..2000 {
            if self.phase() == Some(wanted) {
                return;
            }
            self.look(cluster, &[], true);
        }
        panic!("never {wanted:?}: {:#?}", self.status());
    }

    fn phase(&self) -> Option<OpsRequestPhase> {
        self.status().phase
    }

    fn preview(&self) -> OperationPreview {
        self.status().preview.expect("a preview")
    }

    fn annotate(&mut self, key: &str, value: &str) {
        let annotations = self.request.metadata.annotations.get_or_insert_default();
        annotations.insert(key.to_owned(), value.to_owned());
    }

    fn approve(&mut self) {
        let hash = self.preview().hash;
        self.annotate(APPROVED_PLAN, &hash);
    }

    fn said(&self, type_: &str) -> String {
        let status = self.status();
        let found =
            condition::find(&status.conditions, type_).unwrap_or_else(|| panic!("no {type_}: {status:#?}"));
        format!(
            "{} {}: {}",
            found.status,
            found.reason.as_deref().unwrap_or_default(),
            found.message.as_deref().unwrap_or_default()
        )
    }
}

fn dry_run(spec: &str) -> Run {
    let mut run = Run::new("what-if", spec, 0);
    run.request.spec.dry_run = Some(true);
    run
}

fn with_approval(name: &str, spec: &str) -> Run {
    let mut run = Run::new(name, spec, 0);
    run.annotate(APPROVAL, "required");
    run
}

/// Everything that there is, as text.
fn everything(cluster: &Cluster) -> String {
    let world = cluster.world();
    format!("{world:#?}{:?}{:?}", cluster.uids(), cluster.phases())
}

fn planned(cluster: &mut Cluster, spec: &str) -> OperationPreview {
    let mut run = dry_run(spec);
    run.now = cluster.now;
    run.look(cluster, &[], true);
    assert_eq!(
        run.phase(),
        Some(OpsRequestPhase::Successful),
        "{:#?}",
        run.status()
    );
    run.preview()
}

fn with_tls(replicas: i32) -> Cluster {
    let mut cluster = Cluster::new(replicas);
    let phase = Run::new("first", &by_reload(OPERATIONS[0].1, "auto"), 0).run(&mut cluster, CALM);
    assert_eq!(phase, OpsRequestPhase::Successful);
    cluster
}

/// Every operation in a way that restarts all Pods, those that do not follow, or none.
fn all_specs(restart: &str) -> Vec<(&'static str, String)> {
    let mut all: Vec<_> = OPERATIONS
        .iter()
        .map(|(name, tls)| (*name, by_reload(tls, restart)))
        .collect();
    all.push(("restart", RESTART.to_owned()));
    all
}

/// The plan that was told, beside what was done.
fn check_done(before: &Before, plan: &OperationPreview, run: &Run, cluster: &Cluster) {
    let status = run.status();
    let context = format!("{plan:#?}\n{:#?}", run.log);
    let steps: Vec<&str> = status
        .conditions
        .iter()
        .filter(|condition| condition.is_true() && condition.reason.is_some())
        .map(|condition| condition.type_.as_str())
        .collect();
    let told: Vec<&str> = plan.phases.iter().map(|phase| phase.name.as_str()).collect();
    assert_eq!(steps[1..steps.len() - 1], told, "phases; {context}");
    let restarted: Vec<&str> = plan
        .members
        .iter()
        .filter(|member| member.restart == PreviewRestart::Always)
        .map(|member| member.name.as_str())
        .collect();
    let mut evicted: Vec<&str> = cluster.evictions.iter().map(String::as_str).collect();
    assert_eq!(evicted.last(), restarted.last(), "the primary last; {context}");
    evicted.sort_unstable();
    let mut sorted = restarted.clone();
    sorted.sort_unstable();
    assert_eq!(evicted, sorted, "Pods; {context}");
    if restarted.is_empty() {
        let members = i64::try_from(cluster.uids().len()).expect("few");
        let left = cluster.sessions;
        let ended = |before: i64, left: i64| (before - left) * members;
        assert_eq!(
            plan.sessions.with_tls,
            ended(before.sessions.encrypted, left.encrypted),
            "{context}"
        );
        assert_eq!(
            plan.sessions.without_tls,
            ended(before.sessions.plaintext, left.plaintext),
            "{context}"
        );
    }
    check_certificates(before, plan, cluster);
}

struct Before {
    sessions: SslSessions,
    certificates: BTreeMap<CertificateAlias, Observed<Certificate>>,
}

fn check_certificates(before: &Before, plan: &OperationPreview, cluster: &Cluster) {
    let after = cluster.world().certificates;
    if plan.tls.is_none() {
        assert!(plan.certificates.is_empty());
        return assert_eq!(after, before.certificates);
    }
    for alias in CertificateAlias::ALL {
        let find = |all: &BTreeMap<CertificateAlias, Observed<Certificate>>| {
            all.get(&alias).and_then(|it| it.present().cloned())
        };
        let (old, new) = (find(&before.certificates), find(&after));
        let told = plan.certificates.iter().find(|it| it.alias == alias.as_str());
        let Some(told) = told else {
            assert_eq!((old, new), (None, None), "{alias:?}");
            continue;
        };
        let revision = |it: &Option<Certificate>| it.as_ref().and_then(|it| it.status.as_ref()?.revision);
        let done = match (&old, &new) {
            (None, Some(_)) => PreviewAction::Issue,
            (Some(_), None) => PreviewAction::Delete,
            _ if revision(&new) > revision(&old) => PreviewAction::IssueAnew,
            _ => PreviewAction::Keep,
        };
        assert_eq!(told.action, done, "{told:#?}");
        let names = |it: &Option<Certificate>| {
            let mut names = it.as_ref().map(|it| it.spec.names()).unwrap_or_default();
            names.sort_unstable();
            names
        };
        let mut expected = names(&old);
        expected.retain(|name| !told.names_dropped.contains(name));
        expected.extend(told.names_added.clone());
        expected.sort_unstable();
        assert_eq!(expected, names(&new), "{told:#?}");
        let issuer = |it: &Option<Certificate>| it.as_ref().map(|it| it.spec.issuer_ref.name.clone());
        let told_of = |it: &Option<api_types::tls::IssuerRef>| it.as_ref().map(|it| it.name.clone());
        assert_eq!(told_of(&told.old_issuer), issuer(&old), "{told:#?}");
        assert_eq!(told_of(&told.new_issuer), issuer(&new), "{told:#?}");
    }
}

#[test]
fn what_a_plan_tells_is_what_is_done() {
    for (replicas, restart) in [(1, "true"), (3, "true"), (1, "auto"), (3, "auto"), (3, "false")] {
        let mut cluster = Cluster::new(replicas);
        for (name, spec) in all_specs(restart) {
            cluster.sessions = SslSessions {
                encrypted: 2,
                plaintext: 3,
            };
            let plan = planned(&mut cluster, &spec);
            if replicas == 3 && (restart == "true" || restart == "auto" && name != "restart") {
                let mut timeless = plan.clone();
                timeless.sessions.counted_at = None;
                let text = serde_yaml::to_string(&timeless).expect("YAML");
                let way = if restart == "auto" { "auto-" } else { "" };
                expectorate::assert_contents(format!("tests/golden/plan-{way}{name}.yaml"), &text);
            }
            let before = Before {
                sessions: cluster.sessions,
                certificates: cluster.world().certificates,
            };
            cluster.evictions.clear();
            let mut run = Run::new(name, &spec, 0);
            run.now = cluster.now;
            assert_eq!(
                run.run(&mut cluster, CALM),
                OpsRequestPhase::Successful,
                "{:#?}",
                run.log
            );
            check_done(&before, &plan, &run, &cluster);
        }
    }
}

#[test]
fn a_dry_run_of_any_operation_leaves_everything_as_it_is() {
    for mut cluster in [Cluster::new(1), Cluster::new(3), with_tls(1), with_tls(3)] {
        for restart in ["true", "auto", "false"] {
            for (name, spec) in all_specs(restart) {
                let before = everything(&cluster);
                let mut run = dry_run(&spec);
                run.now = cluster.now;
                let later = cluster.now;
                for _ in 0..5 {
                    run.look(&mut cluster, &[], true);
                }
                cluster.now = later;
                assert_eq!(everything(&cluster), before, "{name}");
                let phase = run.phase();
                let ended = [Some(OpsRequestPhase::Successful), Some(OpsRequestPhase::Failed)];
                assert!(ended.contains(&phase), "{name}: {phase:?}");
                if phase == Some(OpsRequestPhase::Successful) && run.status().preview.is_some() {
                    let said = run.said("Successful");
                    assert!(said.starts_with("True DryRun: Nothing was done."), "{said}");
                }
            }
        }
    }
}

/// What can't be done is refused in the same words, whether it was to be done or only told.
#[test]
fn a_dry_run_of_a_bad_request_fails_as_the_request_would() {
    let bad = [
        "{rotateCertificates: true}",
        "{clientAuthMode: cert}",
        "{certificates: [{alias: server, dnsNames: [a.example]}]}",
        "{issuerRef: {name: nobody, kind: Issuer}}",
        "{remove: true}",
    ];
    for tls in bad {
        let mut cluster = Cluster::new(3);
        let spec = format!("type: ReconfigureTLS, tls: {tls}");
        let mut real = Run::new("real", &spec, 0);
        let mut told = dry_run(&spec);
        let mut asked = with_approval("asked", &spec);
        // An issuer may take a while to appear.
        for run in [&mut real, &mut told, &mut asked] {
            run.request.metadata.creation_timestamp = Some(
                k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(run.now - SignedDuration::from_mins(1)),
            );
            run.look(&mut cluster, &[], true);
        }
        let ended = if tls == "{remove: true}" {
            "Successful"
        } else {
            "Failed"
        };
        assert_eq!(real.said(ended), told.said(ended));
        assert_eq!(real.said(ended), asked.said(ended));
        assert_eq!(real.phase(), told.phase());
        assert_eq!(real.phase(), asked.phase());
        assert_eq!(told.status().preview, None);
    }
}

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
            run.preview().hash
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
        let old = run.preview().hash;
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
        assert_ne!(run.preview().hash, old, "{what}");
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
    let first = run.preview();
    assert_eq!((first.sessions.without_tls, first.sessions.with_tls), (3, 0));
    cluster.leader = "pg-2".into();
    cluster.sessions.plaintext = 5;
    run.look(&mut cluster, &[], true);
    assert_eq!(run.preview(), first, "not written with every session that comes");
    run.now += SignedDuration::from_secs(30);
    run.look(&mut cluster, &[], true);
    let second = run.preview();
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
        if run.status().preview.is_some() {
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
    cluster.postgres.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(run.now));
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
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(time))
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
