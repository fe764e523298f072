//! Every promise of `docs/promises.md` is held by tests that exist and run.

use std::collections::BTreeSet;
use std::path::Path;

use e2e::reference::root;

const PAGE: &str = "docs/promises.md";
/// Folders of tests on a real cluster.
const ON_A_CLUSTER: [&str; 3] = [
    "e2e/tests/behaviour",
    "e2e/tests/disruption",
    "e2e/tests/ordinary",
];

/// Names of the tests in the Rust files below a folder. A test that is ignored holds nothing.
fn tests_below(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            tests_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a file");
            found.extend(tests_in(&text));
        }
    }
}

fn tests_in(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut attributes: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[") {
            attributes.push(line);
            continue;
        }
        let is_test = attributes
            .iter()
            .any(|it| *it == "#[test]" || it.starts_with("#[tokio::test"));
        let is_ignored = attributes.iter().any(|it| it.starts_with("#[ignore"));
        let name = line.trim_start_matches("async ").strip_prefix("fn ");
        if let Some((name, _)) = name.and_then(|rest| rest.split_once('('))
            && is_test
            && !is_ignored
        {
            found.push(name.to_owned());
        }
        attributes.clear();
    }
    found
}

/// The names between backquotes in the last cell of a row, each with whether it is in italics.
fn named(row: &str) -> Vec<(String, bool)> {
    let cell = row
        .trim_end_matches([' ', '|'])
        .rsplit(" | ")
        .next()
        .unwrap_or_default();
    let parts = cell.split(", ").map(str::trim);
    parts
        .filter(|part| part.contains('`'))
        .map(|part| (part.trim_matches(['*', '`']).to_owned(), part.starts_with('*')))
        .collect()
}

fn promises() -> Vec<String> {
    let page = std::fs::read_to_string(root().join(PAGE)).expect("the page");
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| Promise"));
    rows.map(str::to_owned).collect()
}

#[test]
fn every_promise_is_held_by_tests_that_run() {
    let (mut on_a_cluster, mut all) = (BTreeSet::new(), BTreeSet::new());
    for folder in ON_A_CLUSTER {
        tests_below(&root().join(folder), &mut on_a_cluster);
    }
    for folder in ["crates", "e2e"] {
        tests_below(&root().join(folder), &mut all);
    }
    let promises = promises();
    assert!(promises.len() > 15, "the page was not read");
    for row in promises {
        let named = named(&row);
        assert!(!named.is_empty(), "no test holds: {row}");
        for (test, is_italic) in named {
            assert!(all.contains(&test), "there is no test {test}: {row}");
            let is_on_a_cluster = on_a_cluster.contains(&test);
            assert_eq!(
                is_italic, is_on_a_cluster,
                "italics are for tests on a cluster: {test}"
            );
        }
    }
}

#[test]
fn a_test_that_is_ignored_holds_nothing() {
    let text = "#[test]\nfn one() {\n}\n#[test]\n#[ignore = \"slow\"]\nfn two() {\n}\n#[tokio::test]\nasync fn three() {}\nfn four() {}";
    assert_eq!(tests_in(text), ["one", "three"]);
}
