//! Alerting rules, dashboard, document and code name the same metrics, and the rules fire when they should.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use e2e::install::OPERATORS;
use e2e::monitoring::{self, PREFIX, family, metric_names};

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names that the operators define: whole strings, outside of tests.
fn defined() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for krate in ["runtime", "provisioner", "ops-manager"] {
        let text = read(format!("crates/{krate}/src/metrics.rs"));
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        let strings = product.split('"').skip(1).step_by(2);
        names.extend(strings.filter(|text| text.starts_with(PREFIX)).map(str::to_owned));
    }
    names
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_exist() {
    let defined = defined();
    assert!(defined.len() > 10, "the source is read wrongly: {defined:?}");
    for query in monitoring::everything().unwrap() {
        let names = metric_names(&query.expression);
        assert!(!names.is_empty(), "{} asks for nothing of ours", query.of);
        for name in names {
            let metric = family(&name, &defined);
            assert!(
                defined.contains(metric),
                "{}: no operator defines {name}",
                query.of
            );
        }
    }
}

#[test]
fn the_document_names_every_metric_and_no_other() {
    assert_eq!(metric_names(&read("docs/metrics.md")), defined());
}

#[test]
fn the_document_names_every_alert() {
    let document = read("docs/metrics.md");
    for operator in OPERATORS {
        for alert in monitoring::alerts(operator).unwrap() {
            assert!(
                document.contains(&format!("`{}`", alert.of)),
                "docs/metrics.md does not tell of {}",
                alert.of
            );
        }
    }
}

#[test]
fn an_alert_that_can_be_switched_off_exists() {
    for operator in OPERATORS {
        let schema: serde_json::Value =
            serde_json::from_str(&read(format!("charts/{operator}/values.schema.json"))).unwrap();
        let rule = &schema["properties"]["metrics"]["properties"]["prometheusRule"];
        let names = &rule["properties"]["disabledAlerts"]["items"]["enum"];
        let listed: BTreeSet<_> = names
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|it| it.as_str())
            .collect();
        let alerts = monitoring::alerts(operator).unwrap();
        let alerts: BTreeSet<_> = alerts.iter().map(|alert| alert.of.as_str()).collect();
        assert_eq!(listed, alerts, "{operator}");
    }
}

/// `promtool test rules` with each chart's cases; every alert has one.
#[test]
fn rules_fire_when_they_should() {
    for operator in OPERATORS {
        let rules = monitoring::rules(operator);
        let cases = rules.with_file_name("alerts.test.yaml");
        let text = std::fs::read_to_string(&cases).unwrap();
        for alert in monitoring::alerts(operator).unwrap() {
            let case = format!("alertname: {}\n        exp_alerts:", alert.of);
            assert!(
                text.contains(&case),
                "{operator}: no case makes {} fire",
                alert.of
            );
        }
        for arguments in [["check", "rules"], ["test", "rules"]] {
            let file = if arguments[0] == "check" { &rules } else { &cases };
            let output = Command::new("promtool")
                .args(arguments)
                .arg(file)
                .output()
                .expect("Debian's package prometheus gives the program promtool: is it installed?");
            assert!(
                output.status.success(),
                "promtool {} {}:\n{}{}",
                arguments.join(" "),
                file.display(),
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}
