//! Links, paths and commands of the documentation lead to something that exists. Needs no cluster and no network.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use e2e::markdown::{anchors, blocks, links};
use e2e::reference::{files, read, root};

/// Pages whose commands are shown again from pages that are run.
const RETOLD: [&str; 1] = ["docs/quick-start.md"];
/// What makes the order in which pages are run.
const RUNNER: &str = "e2e/tests/behaviour/all_commands.rs";

/// Every page of ours: path and text.
fn pages() -> BTreeMap<String, String> {
    let mut paths = files("docs", &[".md"]);
    paths.extend(files("charts", &[".md", "NOTES.txt"]));
    for name in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"] {
        paths.push(name.to_owned());
    }
    assert!(paths.len() > 25, "pages were not found");
    paths
        .into_iter()
        .map(|path| (path.clone(), read(&path)))
        .collect()
}

/// The path from the root that a link of a page leads to.
fn resolved(page: &str, target: &str) -> String {
    let mut path = PathBuf::new();
    let folder = Path::new(page).parent().expect("a folder");
    for part in folder.join(target).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{page}: {target} leads out of the repository"),
            Component::Normal(part) => path.push(part),
            _ => {}
        }
    }
    path.to_str().expect("a name").to_owned()
}

#[test]
fn every_link_leads_to_a_file_and_to_a_heading() {
    let pages = pages();
    for (page, text) in &pages {
        for link in links(text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() {
                page.clone()
            } else {
                resolved(page, file)
            };
            assert!(root().join(&target).exists(), "{page}: {link} leads to nothing");
            assert!(
                !page.starts_with("docs/") || target.starts_with("docs/"),
                "{page}: {link} leads out of the site, which has only docs/"
            );
            if !anchor.is_empty() {
                let there = anchors(&read(&target));
                assert!(
                    there.iter().any(|it| it == anchor),
                    "{page}: {target} has no heading #{anchor}, but {there:?}"
                );
            }
        }
    }
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let summary = read("docs/SUMMARY.md");
    let listed: BTreeSet<_> = links(&summary)
        .into_iter()
        .map(|it| format!("docs/{it}"))
        .collect();
    let there: BTreeSet<_> = files("docs", &[".md"])
        .into_iter()
        .filter(|path| path != "docs/SUMMARY.md")
        .collect();
    assert_eq!(listed, there);
}

/// Words that look like a path below these folders.
fn named_paths(text: &str) -> impl Iterator<Item = &str> {
    let is_path = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    text.split(move |c| !is_path(c))
        .map(|word| word.trim_end_matches(['.', '/']))
        .filter(|word| word.starts_with("docs/") || word.starts_with("charts/") || word.starts_with("hack/"))
}

#[test]
fn every_path_that_is_named_exists() {
    let mut texts = pages();
    for path in files("charts", &["values.yaml", "values.schema.json"]) {
        texts.insert(path.clone(), read(&path));
    }
    for (page, text) in &texts {
        for path in named_paths(text) {
            assert!(
                root().join(path).exists(),
                "{page} names {path}, which does not exist"
            );
        }
    }
}

#[test]
fn every_target_of_make_that_is_named_exists() {
    let makefile = read("Makefile");
    let targets: BTreeSet<_> = makefile
        .lines()
        .filter_map(|line| line.split_once(": ").or_else(|| line.split_once(':')))
        .map(|(name, _)| name)
        .filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
        .collect();
    for (page, text) in &pages() {
        let commands = text.split('`').skip(1).step_by(2).chain(text.lines());
        for command in commands {
            let Some(arguments) = command.trim_start_matches("$ ").strip_prefix("make ") else {
                continue;
            };
            let words = arguments.split('#').next().unwrap_or_default().split_whitespace();
            for target in words.filter(|word| !word.contains('=')) {
                assert!(targets.contains(target), "{page}: there is no `make {target}`");
            }
        }
    }
}

/// Pages whose commands run on the cluster.
fn run_pages() -> Vec<String> {
    let runner = read(RUNNER);
    let strings = runner.split('"').skip(1).step_by(2);
    strings
        .filter(|text| text.starts_with("docs/") && text.ends_with(".md"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn commands_that_are_to_be_run_are_run() {
    let run = run_pages();
    assert!(run.len() > 10, "{RUNNER} is read wrongly: {run:?}");
    for (page, text) in &pages() {
        assert!(
            blocks(text, "sh").is_empty() || run.contains(page),
            "{page} has sh blocks and is not in {RUNNER}; write console for what is not to be run"
        );
    }
}

#[test]
fn commands_that_are_shown_again_are_those_that_are_run() {
    let run: String = run_pages()
        .iter()
        .flat_map(|page| blocks(&read(page), "sh"))
        .collect();
    let run: BTreeSet<_> = run.lines().collect();
    for page in RETOLD {
        let shown: String = blocks(&read(page), "console").concat();
        let commands: Vec<_> = shown.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
        assert!(!commands.is_empty(), "{page} shows no commands");
        for command in commands {
            assert!(run.contains(command), "{page} shows what no page runs: {command}");
        }
    }
}
