//! The reference is current, operators have no words of their own, and whatever means trouble is in the page about it.

use std::collections::BTreeSet;

use api_types::reported;
use e2e::reference;

/// Whole strings in the operators' sources that look like a word of a condition and are Kubernetes', cert-manager's or a
/// kind: what is not here belongs into `api_types::reported`.
const NOT_REPORTED: [&str; 65] = [
    // Kinds.
    "AppBinding",
    "None",
    "Certificate",
    // The type of a Secret.
    "Opaque",
    "ClusterIssuer",
    "ControllerRevision",
    "Issuer",
    "Lease",
    "Namespace",
    "PersistentVolumeClaim",
    "PetSet",
    "Pod",
    "PodDisruptionBudget",
    "PostgresVersion",
    "Role",
    "RoleBinding",
    "Secret",
    "Service",
    "ServiceAccount",
    // Status of a condition, and what is looked for in objects that others write.
    "True",
    "False",
    "Unknown",
    "Ready",
    "Issuing",
    "NodeResizePending",
    "NodeResizeInProgress",
    "FileSystemResizePending",
    "ResizeError",
    // Units of amounts.
    "Ti",
    "Gi",
    "Mi",
    "Ki",
    "Denied",
    "Failed",
    "InvalidRequest",
    "Pending",
    "Running",
    "Succeeded",
    "Forbidden",
    "In",
    "DoNotSchedule",
    "ScheduleAnyway",
    // What kubelet, the scheduler and the volume controller report of Pods and claims.
    "BackOff",
    "BestEffort",
    "Burstable",
    "ContainerCreating",
    "CrashLoopBackOff",
    "ExternalProvisioning",
    "FailedBinding",
    "FailedScheduling",
    "Guaranteed",
    "Infeasible",
    "Lost",
    "PodInitializing",
    "PodResizeInProgress",
    "PodResizePending",
    "PodScheduled",
    "ReadinessGatesNotReady",
    "Unhealthy",
    "Warning",
    // Written on a Certificate, as `cmctl renew` does.
    "ManuallyTriggered",
    // What an Event says was being done.
    "Reconcile",
    // Names of types in their `Debug`.
    "Credentials",
    "Process",
    "Always",
];

fn read(path: &str) -> String {
    let path = reference::root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Sources of the operators, without their tests: path and text.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for krate in ["provisioner", "ops-manager", "petset", "runtime"] {
        let paths = reference::files(&format!("crates/{krate}/src"), &[".rs"]);
        for path in paths.into_iter().filter(|path| !path.ends_with("/tests.rs")) {
            let text = reference::read(&path);
            let product = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
            found.push((path, product.to_owned()));
        }
    }
    assert!(found.len() > 60, "sources were not found");
    found
}

/// Strings of letters that begin with a capital and have a small one, outside of comments.
fn capitalised(source: &str) -> BTreeSet<String> {
    let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .filter(|text| {
            text.starts_with(|c: char| c.is_ascii_uppercase())
                && text.chars().all(|c| c.is_ascii_alphabetic())
                && text.chars().any(|c| c.is_ascii_lowercase())
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_generated_pages_are_current() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some_and(|it| it == "1");
    for page in reference::pages() {
        let path = reference::root().join(page.path);
        if update {
            std::fs::write(&path, &page.text).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == page.text,
            "run `make reference`: {} is out of date",
            page.path
        );
    }
}

#[test]
fn operators_take_their_words_from_the_lists() {
    for (path, source) in sources() {
        for word in capitalised(&source) {
            assert!(
                NOT_REPORTED.contains(&word.as_str()),
                "{path} has the string {word:?}: if an operator says it in a condition or an Event, it belongs into \
                 api_types::reported; otherwise into NOT_REPORTED of this test"
            );
        }
    }
}

#[test]
fn every_word_of_the_lists_is_said_by_an_operator() {
    let mut sources: String = sources().into_iter().map(|(_, text)| text).collect();
    sources.push_str(&read("crates/api-types/src/ops_request.rs"));
    for vocabulary in reported::ALL {
        for word in vocabulary.words() {
            let is_said = sources
                .match_indices(word.constant)
                .any(|(at, name)| is_whole(&sources, at, name.len()));
            assert!(
                is_said,
                "nobody says {} of {}: take it out of the list",
                word.text, vocabulary.kind
            );
        }
    }
}

fn is_whole(text: &str, at: usize, length: usize) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text[..at].ends_with(is_part) && !text[at + length..].starts_with(is_part)
}

#[test]
fn whatever_means_trouble_has_an_entry_in_the_page_about_it() {
    let page = read("docs/troubleshoot.md");
    for vocabulary in reported::ALL {
        let section = section(&page, vocabulary.kind);
        for word in vocabulary.words().filter(|word| word.is_trouble) {
            let has_row = section
                .lines()
                .any(|line| line.starts_with('|') && first_cell(line).contains(&format!("`{}`", word.text)));
            assert!(
                has_row,
                "docs/troubleshoot.md has no row for {} under the heading of {}",
                word.text, vocabulary.kind
            );
        }
    }
}

/// What is under `## A <kind> …`.
fn section<'a>(page: &'a str, kind: &str) -> &'a str {
    let heading = format!("\n## {kind}: ");
    let begin = page
        .find(&heading)
        .unwrap_or_else(|| panic!("docs/troubleshoot.md has no heading {heading:?}"));
    let rest = &page[begin + 1..];
    rest.find("\n## ").map_or(rest, |end| &rest[..end])
}

fn first_cell(row: &str) -> &str {
    row.trim_start_matches('|').split('|').next().unwrap_or_default()
}

/// Rules of a definition's version, and how many of them are different.
fn rules(name: &str, version: usize) -> (usize, usize) {
    let definitions = api_types::crds::all();
    let definition = definitions
        .iter()
        .find(|it| it.metadata.name.as_deref() == Some(name))
        .expect("a definition");
    let schema = serde_json::to_value(&definition.spec.versions[version].schema).expect("a schema");
    let mut all = Vec::new();
    collect_rules(&schema, &mut all);
    let different: BTreeSet<_> = all.iter().collect();
    (all.len(), different.len())
}

fn collect_rules(schema: &serde_json::Value, rules: &mut Vec<String>) {
    match schema {
        serde_json::Value::Object(object) => {
            for rule in object
                .get("x-kubernetes-validations")
                .and_then(|it| it.as_array())
                .into_iter()
                .flatten()
            {
                rules.push(rule["rule"].to_string());
            }
            object.values().for_each(|part| collect_rules(part, rules));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|part| collect_rules(part, rules)),
        _ => {}
    }
}

#[test]
fn the_decision_about_admission_counts_the_rules_that_there_are() {
    let page = read("docs/admission.md");
    let (all, different) = rules("postgreses.kubedb.com", 0);
    assert_eq!((all, different), rules("postgreses.kubedb.com", 1));
    let row = format!("| `Postgres` `v1` (and the same in `v1alpha2`) | {all} | {different} |");
    assert!(page.contains(&row), "{row}");
    let (all, different) = rules("postgresopsrequests.ops.kubedb.com", 0);
    let row = format!("| `PostgresOpsRequest` | {all} | {different} |");
    assert!(page.contains(&row), "{row}");
}
