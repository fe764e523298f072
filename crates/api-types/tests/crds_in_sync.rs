//! The definitions in the chart are those that the types generate. `UPDATE_CRDS=1` writes them.

use std::path::PathBuf;
use std::{env, fs};

fn chart() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../charts/crds")
}

#[test]
fn crds_in_sync() {
    let update = env::var_os("UPDATE_CRDS").is_some_and(|v| v == "1");
    let mut stale = Vec::new();
    for file in api_types::crds::files() {
        let path = chart().join(&file.path);
        if fs::read_to_string(&path).is_ok_and(|content| content == file.content) {
            continue;
        }
        if update {
            fs::write(&path, &file.content).expect("the chart can be written");
        } else {
            stale.push(file.path.display().to_string());
        }
    }
    assert!(
        stale.is_empty(),
        "run `make crds`: {} differ from the types",
        stale.join(", ")
    );
}

/// A template that no type generates any more would install a definition that no operator knows.
#[test]
fn the_chart_holds_no_other_definition() {
    let generated: Vec<PathBuf> = api_types::crds::files()
        .into_iter()
        .map(|f| chart().join(f.path))
        .collect();
    for entry in fs::read_dir(chart().join("templates")).expect("the chart has templates") {
        let path = entry.expect("a readable folder").path();
        if path.extension().is_some_and(|e| e == "yaml") {
            assert!(generated.contains(&path), "{} is not generated", path.display());
        }
    }
}
