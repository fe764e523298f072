//! The alerting rules and the dashboard that the charts bring, read as Prometheus and Grafana read them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::install::{self, OPERATORS};

/// Every metric of this product begins so.
pub const PREFIX: &str = "sealwright_";

/// A PromQL expression, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The alert, or the dashboard's panel.
    pub of: String,
    /// The expression.
    pub expression: String,
}

/// The file of a chart's alerting rules.
pub fn rules(operator: &str) -> PathBuf {
    install::charts().join(operator).join("files/alerts.yaml")
}

/// The alerts of a chart, in the order of the file.
pub fn alerts(operator: &str) -> Result<Vec<Query>> {
    let path = rules(operator);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let file: Value = serde_yaml::from_str(&text)?;
    let groups = file["groups"].as_array().context("groups")?;
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().into_iter().flatten());
    rules
        .map(|rule| {
            Ok(Query {
                of: rule["alert"].as_str().context("a rule without alert")?.to_owned(),
                expression: rule["expr"].as_str().context("a rule without expr")?.to_owned(),
            })
        })
        .collect()
}

/// What the panels and the variables of the dashboard ask, with the variables filled in as Grafana would for "All".
pub fn dashboard() -> Result<Vec<Query>> {
    let path = install::charts().join("provisioner/files/dashboard.json");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let file: Value = serde_json::from_str(&text)?;
    let mut queries = Vec::new();
    for panel in file["panels"].as_array().context("panels")? {
        let title = panel["title"].as_str().unwrap_or_default();
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().context("a target without expr")?;
            queries.push(Query {
                of: format!("panel {title}"),
                expression: filled_in(expression),
            });
        }
    }
    for variable in file["templating"]["list"].as_array().context("variables")? {
        let definition = variable["definition"].as_str().unwrap_or_default();
        let series = definition
            .strip_prefix("label_values(")
            .and_then(|inside| inside.rsplit_once(',').map(|(series, _)| series));
        queries.extend(series.map(|series| Query {
            of: format!("variable {}", variable["name"]),
            expression: filled_in(series),
        }));
    }
    Ok(queries)
}

fn filled_in(expression: &str) -> String {
    [
        ("$__rate_interval", "1m"),
        ("$__range", "1h"),
        ("$namespace", ".*"),
        ("$database", ".*"),
    ]
    .into_iter()
    .fold(expression.to_owned(), |text, (variable, value)| {
        text.replace(variable, value)
    })
}

/// Every alert of every chart, then the dashboard.
pub fn everything() -> Result<Vec<Query>> {
    let mut queries = Vec::new();
    for operator in OPERATORS {
        queries.extend(alerts(operator)?);
    }
    queries.extend(dashboard()?);
    Ok(queries)
}

/// The names of our metrics in a text.
pub fn metric_names(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.match_indices(PREFIX)
        .map(|(at, _)| text[at..].chars().take_while(|c| is_part(*c)).collect())
        .filter(|name: &String| name != PREFIX)
        .collect()
}

/// The metric that a series belongs to: a histogram is three of them.
pub fn family<'a>(series: &'a str, known: &BTreeSet<String>) -> &'a str {
    let base = ["_bucket", "_sum", "_count"]
        .into_iter()
        .find_map(|part| series.strip_suffix(part));
    base.filter(|base| known.contains(*base)).unwrap_or(series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_wherever_they_stand() {
        let names = metric_names("rate(sealwright_a_total{x=\"y\"}[5m]) / sealwright_b2 sealwright_a_total");
        assert_eq!(
            names.into_iter().collect::<Vec<_>>(),
            ["sealwright_a_total", "sealwright_b2"]
        );
    }

    #[test]
    fn only_a_histogram_has_parts() {
        let known = BTreeSet::from(["sealwright_seconds".to_owned()]);
        assert_eq!(family("sealwright_seconds_bucket", &known), "sealwright_seconds");
        assert_eq!(family("sealwright_word_count", &known), "sealwright_word_count");
    }
}
