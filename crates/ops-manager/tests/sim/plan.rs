//! Requests that only ask what they would do.

use std::collections::BTreeMap;

use api_types::PostgresOpsRequest;
use api_types::cert_manager::Certificate;
use api_types::condition;
use api_types::ops_request::{CertificateAction, OperationPlan, OpsRequestPhase, PlannedRestart};
use api_types::postgres::IssuerCa;
use api_types::tls::CertificateAlias;
use api_types::vocabulary::{APPROVAL, APPROVED_PLAN};
use instance::SslSessions;
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use ops_manager::tls::world::TlsWorld;
use ops_manager::world::Observed;
use ops_manager::{approval, engine, operation};

use crate::cluster::Cluster;
use crate::run::{Run, world_with_issuers};
use crate::{OPERATIONS, by_reload, with_tls};

pub const RESTART: &str = "type: Restart";

impl Run {
    /// One look, as the controller has it; without `persist` the operator is killed before it writes down what it decided.
    pub fn look(&mut self, cluster: &mut Cluster, others: &[PostgresOpsRequest], persist: bool) {
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

    pub fn look_until(&mut self, cluster: &mut Cluster, wanted: OpsRequestPhase) {
        for _ in 0..2000 {
            if self.phase() == Some(wanted) {
                return;
            }
            self.look(cluster, &[], true);
        }
        panic!("never {wanted:?}: {:#?}", self.status());
    }

    pub fn phase(&self) -> Option<OpsRequestPhase> {
        self.status().phase
    }

    pub fn plan(&self) -> OperationPlan {
        self.status().plan.expect("a plan")
    }

    pub fn annotate(&mut self, key: &str, value: &str) {
        let annotations = self.request.metadata.annotations.get_or_insert_default();
        annotations.insert(key.to_owned(), value.to_owned());
    }

    pub fn approve(&mut self) {
        let hash = self.plan().hash;
        self.annotate(APPROVED_PLAN, &hash);
    }

    pub fn said(&self, type_: &str) -> String {
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

pub fn with_approval(name: &str, spec: &str) -> Run {
    let mut run = Run::new(name, spec, 0);
    run.annotate(APPROVAL, "required");
    run
}

/// Everything that there is, as text.
pub fn everything(cluster: &Cluster) -> String {
    let world = cluster.world();
    format!("{world:#?}{:?}{:?}", cluster.uids(), cluster.phases())
}

pub fn planned(cluster: &mut Cluster, spec: &str) -> OperationPlan {
    let mut run = dry_run(spec);
    run.now = cluster.now;
    run.look(cluster, &[], true);
    assert_eq!(
        run.phase(),
        Some(OpsRequestPhase::Successful),
        "{:#?}",
        run.status()
    );
    run.plan()
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
fn check_done(before: &Before, plan: &OperationPlan, run: &Run, cluster: &Cluster) {
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
        .filter(|member| member.restart == PlannedRestart::Always)
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

fn tls(cluster: &Cluster) -> TlsWorld {
    cluster.world().tls.expect("certificates")
}

struct Before {
    sessions: SslSessions,
    certificates: BTreeMap<CertificateAlias, Observed<Certificate>>,
}

fn check_certificates(before: &Before, plan: &OperationPlan, cluster: &Cluster) {
    let after = tls(cluster).certificates;
    if plan.change.tls.is_none() {
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
            (None, Some(_)) => CertificateAction::Issue,
            (Some(_), None) => CertificateAction::Delete,
            _ if revision(&new) > revision(&old) => CertificateAction::IssueAnew,
            _ => CertificateAction::Keep,
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
                certificates: tls(&cluster).certificates,
            };
            cluster.evictions.clear();
            let run = Run::to(&mut cluster, name, &spec, OpsRequestPhase::Successful);
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
                if phase == Some(OpsRequestPhase::Successful) && run.status().plan.is_some() {
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
        assert_eq!(told.status().plan, None);
    }
}

/// The issuer has the name that it had, and only `status.issuerCA` tells that its CA is another one.
#[test]
fn a_ca_that_was_replaced_is_in_the_plan_and_changes_it() {
    let mut cluster = with_tls(3);
    let rotate = by_reload("{rotateCertificates: true}", "auto");
    let before = planned(&mut cluster, &rotate);
    cluster.postgres.status.get_or_insert_default().issuer_ca = Some(IssuerCa {
        subject: "CN=new".into(),
        fingerprint: "ab".into(),
        since: Time(cluster.now),
    });
    let after = planned(&mut cluster, &rotate);
    let does = |plan: &OperationPlan| {
        let step = plan.phases.iter().find(|phase| phase.name == "TrustCA");
        step.map(|phase| phase.does.clone()).unwrap_or_default()
    };
    assert!(!does(&before).contains("the CA changes"), "{}", does(&before));
    assert!(
        does(&after).contains("CN=new (SHA-256 ab). Clients"),
        "{}",
        does(&after)
    );
    assert!(after.summary.contains("the CA changes"), "{}", after.summary);
    assert_ne!(before.hash, after.hash);
    let modes = planned(&mut cluster, &by_reload("{clientAuthMode: md5}", "auto"));
    assert!(!does(&modes).contains("the CA changes"), "{}", does(&modes));
}
