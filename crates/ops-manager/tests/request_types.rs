//! A request type is known in its folder below `src/ops` and in the registry there, and nowhere else: whoever adds one, or
//! reads one, has to look at one folder.

use std::fs;
use std::path::{Path, PathBuf};

use api_types::ops_request::OpsRequestType;
use ops_manager::ops;

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.extend(rust_files(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            all.push(path);
        }
    }
    all
}

/// The folders of request types.
fn folders() -> Vec<String> {
    let entries = fs::read_dir(format!("{SOURCES}/ops")).expect("src/ops");
    let folders = entries.map(|entry| entry.expect("an entry").path());
    folders
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .collect()
}

/// The lines of a file that are product code.
fn product_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
    lines.enumerate().map(|(at, line)| (at + 1, line))
}

/// A word of a request type in a line, be it a path, a variant or a field of the request.
fn named_in<'a>(line: &str, words: &'a [String]) -> Option<&'a String> {
    let code = line.split("//").next().unwrap_or_default();
    words.iter().find(|word| code.contains(word.as_str()))
}

fn words() -> Vec<String> {
    let sections = [
        "tls",
        "restart",
        "update_version",
        "horizontal_scaling",
        "vertical_scaling",
        "volume_expansion",
        "configuration",
        "authentication",
        "reconnect_standby",
        "force_fail_over",
        "set_raft_key_pair",
        "migration",
    ];
    let of_requests = sections
        .iter()
        .flat_map(|field| [format!("op.spec.{field}"), format!("request.spec.{field}")]);
    let of_plans = sections.iter().map(|field| format!("change.{field}"));
    let folders = folders().into_iter().map(|folder| format!("ops::{folder}"));
    let all = of_requests.chain(of_plans).chain(folders);
    all.chain(["OpsRequestType::".to_owned()]).collect()
}

#[test]
fn a_request_type_is_named_in_its_folder_and_the_registry_only() {
    let words = words();
    let ops = Path::new(SOURCES).join("ops");
    let mut found = Vec::new();
    for path in rust_files(Path::new(SOURCES)) {
        let is_test = path.file_name().is_some_and(|name| name == "tests.rs");
        if path.starts_with(&ops) || is_test {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file");
        for (at, line) in product_lines(&text) {
            if let Some(word) = named_in(line, &words) {
                found.push(format!("{}:{at}: {word}", path.display()));
            }
        }
    }
    assert!(
        found.is_empty(),
        "request types named outside src/ops: {found:#?}"
    );
}

#[test]
fn a_folder_of_a_request_type_knows_no_other() {
    for folder in folders() {
        let others: Vec<String> = folders()
            .into_iter()
            .filter(|other| *other != folder)
            .map(|other| format!("ops::{other}"))
            .collect();
        for path in rust_files(&Path::new(SOURCES).join("ops").join(&folder)) {
            let text = fs::read_to_string(&path).expect("a source file");
            for (at, line) in product_lines(&text) {
                assert_eq!(named_in(line, &others), None, "{}:{at}", path.display());
            }
        }
    }
}

#[test]
fn the_registry_has_every_folder_once() {
    let kinds: Vec<OpsRequestType> = ops::REQUEST_TYPES.iter().map(|type_| type_.kind()).collect();
    assert_eq!(kinds.len(), folders().len(), "{kinds:?} and {:?}", folders());
    for (at, kind) in kinds.iter().enumerate() {
        assert!(!kinds[..at].contains(kind), "{kind:?} twice");
        assert_eq!(ops::find(*kind).map(|found| found.kind()), Some(*kind));
    }
}

/// The check finds what it is to find.
#[test]
fn a_word_of_a_request_type_is_found() {
    let words = words();
    for line in [
        "    if op.type_.kind() == OpsRequestType::Restart {",
        "use crate::ops::reconfigure_tls::request;",
        "    let tls = op.spec.tls.as_ref();",
    ] {
        assert!(named_in(line, &words).is_some(), "{line}");
    }
    for line in [
        "    op.type_.recipe(op)",
        "    // OpsRequestType::Restart is one of them",
    ] {
        assert_eq!(named_in(line, &words), None, "{line}");
    }
}
