//! What Prometheus gets to see of a database.

mod world;

use std::sync::Arc;

use api_types::tls::CertificateAlias;
use provisioner::decide::decide;
use provisioner::health::{Member, Report, Served};
use provisioner::metrics::DatabaseMetrics;
use provisioner::world::World;
use serde_json::json;
use world::*;

struct Exporter {
    process: runtime::Metrics,
    databases: DatabaseMetrics,
}

impl Exporter {
    fn new() -> Self {
        let process = runtime::Metrics::new("provisioner", "0.1.0").expect("metrics");
        let databases = DatabaseMetrics::register(&process).expect("gauges");
        Self { process, databases }
    }

    fn look(&self, world: &World) {
        let status = provisioner::report::status(world, &decide(world), world.now);
        self.databases.observe(world, &status);
    }

    /// Series of a metric: their labels besides those of the database, and their value.
    fn series(&self, name: &str) -> Vec<String> {
        let text = self.process.text().expect("text");
        let of_metric = text
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
        let short = |series: &str| {
            let (labels, value) = series.split_once("} ").expect("labels and a value");
            let own = labels
                .split(',')
                .filter(|label| !matches!(*label, r#"database="pg""# | r#"namespace="shop""#));
            own.chain([value]).collect::<Vec<_>>().join(" ")
        };
        of_metric.map(short).collect()
    }
}

fn with_members(mut world: World, members: &[(&str, Member)]) -> World {
    let report = Report::clone(world.health.as_ref().expect("a report"));
    world.health = Some(Arc::new(Report {
        members: members
            .iter()
            .map(|(pod, member)| ((*pod).to_owned(), member.clone()))
            .collect(),
        ..report
    }));
    world
}

fn serving(fingerprint: &str) -> Member {
    Member {
        served: Some(Served {
            fingerprint: fingerprint.to_owned(),
            not_after: "2026-02-01T00:00:00Z".parse().expect("a time"),
        }),
        ..Member::default()
    }
}

const MATCHES: &str = "sealwright_served_certificate_matches_secret";
const SERVED: &str = "sealwright_served_certificate_expiry_timestamp_seconds";

#[test]
fn a_member_that_serves_another_certificate_than_the_secret_reads_0_and_is_kept_while_it_is_silent() {
    let exporter = Exporter::new();
    let mut world = running(tls());
    let issued = fingerprint(&secrets_of(&mut world).certificates[&CertificateAlias::Server]);
    let world = with_members(world, &[("pg-0", serving(&issued)), ("pg-1", serving("another"))]);
    exporter.look(&world);
    let both = [r#"member="pg-0" 1"#, r#"member="pg-1" 0"#];
    assert_eq!(exporter.series(MATCHES), both);
    assert_eq!(exporter.series(SERVED).len(), 2);

    let silent = Member {
        problem: Some("timeout".into()),
        ..Member::default()
    };
    let world = with_members(world, &[("pg-0", silent.clone()), ("pg-1", silent)]);
    exporter.look(&world);
    assert_eq!(exporter.series(MATCHES), both);

    let plaintext = with_members(world, &[("pg-0", Member::default()), ("pg-1", Member::default())]);
    exporter.look(&plaintext);
    assert!(exporter.series(MATCHES).is_empty());
    assert!(exporter.series(SERVED).is_empty());
}

#[test]
fn sessions_are_counted_by_protection_and_are_no_news() {
    let exporter = Exporter::new();
    let counted = Member {
        sessions: Some(instance::SslSessions {
            encrypted: 3,
            plaintext: 1,
        }),
        ..Member::default()
    };
    let quiet = with_members(running(tls()), &[("pg-0", Member::default())]);
    let busy = with_members(quiet.clone(), &[("pg-0", counted)]);
    exporter.look(&busy);
    assert_eq!(
        exporter.series("sealwright_application_sessions"),
        [r#"member="pg-0" tls="false" 1"#, r#"member="pg-0" tls="true" 3"#]
    );
    let (quiet, busy) = (quiet.health.expect("a report"), busy.health.expect("a report"));
    assert!(!busy.is_news(&quiet));
    assert!(Report::default().is_news(&quiet));
}

#[test]
fn a_pause_has_a_beginning_and_a_database_that_is_gone_has_no_series() {
    let exporter = Exporter::new();
    let world = running(tls());
    exporter.look(&world);
    let since = "sealwright_database_paused_since_timestamp_seconds";
    assert!(exporter.series(since).is_empty());
    let world = pause(world, "alice");
    exporter.look(&world);
    let began = world.now.as_second();
    assert_eq!(exporter.series(since), [began.to_string()]);
    assert_eq!(exporter.series("sealwright_databases_paused"), ["1"]);
    exporter.databases.forget(&world);
    let text = exporter.process.text().expect("text");
    assert!(!text.contains(r#"database="pg""#), "{text}");
}

#[test]
fn a_bad_condition_is_a_series_with_its_reason_until_it_is_good_again() {
    const BAD: &str = "sealwright_database_condition_bad";
    let exporter = Exporter::new();
    let good = running(tls());
    exporter.look(&good);
    assert!(exporter.series(BAD).is_empty(), "{:?}", exporter.series(BAD));
    let held = edit(good.clone(), |spec| {
        spec.configuration = serde_json::from_value(json!({"inline": {"user.conf": "work_mem = lots"}})).ok();
    });
    exporter.look(&held);
    assert_eq!(
        exporter.series(BAD),
        [r#"condition="SpecApplied" reason="ParametersRefused" 1"#]
    );
    exporter.look(&good);
    assert!(exporter.series(BAD).is_empty());
}
