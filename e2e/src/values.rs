//! The table of the charts' values in the documentation, made from each chart's values and their schema.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::install::{self, FOUNDATIONS, OPERATORS};

const HEADER: &str = "# Values of the charts

Generated from each chart's `values.yaml` and `values.schema.json` by `make values`; do not edit.

`helm` refuses a value that is not here.
";

/// Every chart, in the order of installation.
pub fn charts() -> impl Iterator<Item = &'static str> {
    FOUNDATIONS.into_iter().chain(OPERATORS)
}

/// The page that the table is kept in.
pub fn page() -> PathBuf {
    install::charts().join("../docs/values.md")
}

/// A chart's values and the schema that they are checked by.
pub fn of_chart(chart: &str) -> Result<(Value, Value)> {
    let folder = install::charts().join(chart);
    let read =
        |file: &str| std::fs::read_to_string(folder.join(file)).with_context(|| format!("{chart}/{file}"));
    Ok((
        serde_yaml::from_str(&read("values.yaml")?)?,
        serde_json::from_str(&read("values.schema.json")?)?,
    ))
}

/// The content of the page.
///
/// # Errors
/// When a value has no description, no default, or is unknown to the schema.
pub fn table() -> Result<String> {
    let mut text = HEADER.to_owned();
    for chart in charts() {
        let (values, schema) = of_chart(chart)?;
        writeln!(
            text,
            "\n## {chart}\n\n| Value | Default | What it is |\n|---|---|---|"
        )?;
        rows(&mut text, "", &values, &schema).with_context(|| format!("chart {chart}"))?;
    }
    Ok(text)
}

fn rows(text: &mut String, path: &str, values: &Value, schema: &Value) -> Result<()> {
    let known = schema["properties"].as_object().context("properties")?;
    for name in values.as_object().context("a map of values")?.keys() {
        ensure!(
            known.contains_key(name),
            "value {path}{name} is not in the schema"
        );
    }
    for (name, property) in known {
        let path = format!("{path}{name}");
        let description = property["description"].as_str();
        let description = description.with_context(|| format!("value {path} has no description"))?;
        if name == "global" {
            continue;
        }
        let value = values
            .get(name)
            .with_context(|| format!("value {path} has no default in values.yaml"))?;
        if property.get("properties").is_some() {
            rows(text, &format!("{path}."), value, property)?;
        } else {
            writeln!(text, "| `{path}` | {} | {} |", shown(value), cell(description))?;
        }
    }
    Ok(())
}

/// A default in the words of YAML; long lists are in the chart.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "`\"\"`".to_owned(),
        Value::String(text) => format!("`{text}`"),
        Value::Array(items) if items.iter().any(Value::is_object) => "see `values.yaml`".to_owned(),
        other => format!("`{}`", cell(&other.to_string())),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table_of(values: &Value, schema: &Value) -> Result<String> {
        let mut text = String::new();
        rows(&mut text, "", values, schema).map(|()| text)
    }

    #[test]
    fn nested_values_get_a_row_each() {
        let schema = json!({"properties": {"image": {"description": "Image.", "properties": {
            "tag": {"description": "Tag, a|b."}}}}});
        let text = table_of(&json!({"image": {"tag": ""}}), &schema).unwrap();
        assert_eq!(text, "| `image.tag` | `\"\"` | Tag, a\\|b. |\n");
    }

    #[test]
    fn what_is_missing_is_told() {
        let silent = json!({"properties": {"a": {}}});
        let error = |values, schema| table_of(&values, &schema).unwrap_err().to_string();
        assert_eq!(
            error(json!({"a": 1}), silent.clone()),
            "value a has no description"
        );
        assert_eq!(
            error(json!({"a": 1, "b": 1}), silent),
            "value b is not in the schema"
        );
        let described = json!({"properties": {"a": {"description": "A."}}});
        assert_eq!(
            error(json!({}), described),
            "value a has no default in values.yaml"
        );
    }
}
