//! Every promise of `docs/promises.md` is held by tests that exist and run.

use std::collections::BTreeSet;

use e2e::reference::{files, read};

const PAGE: &str = "docs/promises.md";
/// Folders of tests on a real cluster.
const ON_A_CLUSTER: [&str; 3] = [
    "e2e/tests/behaviour",
    "e2e/tests/disruption",
    "e2e/tests/ordinary",
];

/// Names of the tests in the Rust files below a folder. A test that is ignored holds nothing.
fn tests_below(folder: &str) -> BTreeSet<String> {
    let files = files(folder, &[".rs"]);
    files.iter().flat_map(|path| tests_in(&read(path))).collect()
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
    let page = read(PAGE);
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| Promise"));
    rows.map(str::to_owned).collect()
}

#[test]
fn every_promise_is_held_by_tests_that_run() {
    let below = |folders: &[&str]| -> BTreeSet<String> {
        folders.iter().flat_map(|folder| tests_below(folder)).collect()
    };
    let (on_a_cluster, all) = (below(&ON_A_CLUSTER), below(&["crates", "e2e"]));
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
