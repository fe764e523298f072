//! What is built for each scenario, as files to read in a review. `UPDATE_GOLDEN=1 cargo test` writes them anew.

mod scenario;

use std::fmt::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;

use scenario::{Scenario, folders};

#[test]
fn children_are_as_recorded() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut differences = String::new();
    for folder in folders() {
        let scenario = Scenario::load(&folder);
        for (file, built) in [
            ("objects.yaml", objects(&scenario)),
            ("patroni.json", patroni(&scenario)),
        ] {
            let path = folder.join(file);
            if update {
                std::fs::write(&path, built).expect("a writable golden file");
            } else {
                compare(&path, &built, &mut differences);
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{differences}UPDATE_GOLDEN=1 accepts what is built now"
    );
}

/// All objects of a scenario in YAML; Secrets as text, `patroni.yml` in a file of its own.
fn objects(scenario: &Scenario) -> String {
    let resolved = scenario.resolved();
    let children = blueprint::build(&resolved);
    let mut text = String::new();
    for (_, certificate) in blueprint::certificates(&resolved) {
        append(&mut text, &certificate);
    }
    children
        .service_account
        .iter()
        .for_each(|object| append(&mut text, object));
    children.role.iter().for_each(|object| append(&mut text, object));
    children
        .role_binding
        .iter()
        .for_each(|object| append(&mut text, object));
    append(
        &mut text,
        &readable(serde_json::to_value(&children.config_secret).expect("JSON")),
    );
    children
        .services
        .iter()
        .for_each(|object| append(&mut text, object));
    children
        .pod_disruption_budget
        .iter()
        .for_each(|object| append(&mut text, object));
    append(&mut text, &children.pet_set);
    append(&mut text, &children.app_binding);
    text
}

fn append<T: Serialize>(text: &mut String, object: &T) {
    let yaml = serde_yaml::to_string(object).expect("YAML");
    write!(text, "---\n{yaml}").expect("a String takes everything");
}

/// A Secret with its data as text.
fn readable(mut secret: Value) -> Value {
    let data = secret["data"].take();
    let entries = data.as_object().expect("data").iter();
    let decoded = entries
        .filter(|(key, _)| *key != "patroni.yml")
        .map(|(key, value)| {
            let bytes = STANDARD.decode(value.as_str().expect("text")).expect("base64");
            (
                key.clone(),
                Value::String(String::from_utf8(bytes).expect("UTF-8")),
            )
        });
    secret["data"] = Value::Object(decoded.collect());
    secret
}

fn patroni(scenario: &Scenario) -> String {
    let secret = blueprint::build(&scenario.resolved()).config_secret;
    let data = secret.data.expect("data");
    String::from_utf8(data["patroni.yml"].0.clone()).expect("UTF-8")
}

/// Reports the first line that differs.
fn compare(path: &Path, built: &str, differences: &mut String) {
    let recorded = std::fs::read_to_string(path).unwrap_or_default();
    if recorded == built {
        return;
    }
    let line = recorded.lines().zip(built.lines()).position(|(a, b)| a != b);
    let line = line.unwrap_or_else(|| recorded.lines().count().min(built.lines().count()));
    let show = |text: &str| text.lines().nth(line).unwrap_or("(end of file)").to_owned();
    writeln!(
        differences,
        "{}:{}\n  recorded: {}\n  built:    {}",
        path.display(),
        line + 1,
        show(&recorded),
        show(built)
    )
    .expect("a String takes everything");
}
