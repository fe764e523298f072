//! Which crate may know which: read from `cargo metadata`, so that an arrow can't creep in.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

/// The allowed arrows; tests may use `testkit` besides.
const ALLOWED: [(&str, &[&str]); 13] = [
    ("api-types", &[]),
    ("blueprint", &["api-types"]),
    ("instance", &["api-types"]),
    ("runtime", &["api-types"]),
    // It runs in every member's Pod, and knows nothing about databases.
    ("config-agent", &["api-types"]),
    // The first process of every member: it calls the member's Patroni.
    ("entrypoint", &["api-types", "instance"]),
    ("petset", &["api-types", "runtime"]),
    ("provisioner", &["api-types", "blueprint", "instance", "runtime"]),
    ("ops-manager", &["api-types", "blueprint", "instance", "runtime"]),
    ("kubectl-sealwright", &["api-types", "instance"]),
    ("testkit", &["api-types"]),
    // A part of the local cluster; nothing of the product knows it, and it knows nothing of the product.
    ("csi-driver", &[]),
    ("e2e", &["api-types", "instance"]),
];

/// Crates that describe values only: no client, no runtime of any kind.
const PURE: [&str; 2] = ["api-types", "blueprint"];
const IMPURE: [&str; 6] = [
    "tokio",
    "reqwest",
    "kube-client",
    "kube-runtime",
    "axum",
    "tokio-postgres",
];

fn workspace() -> (BTreeMap<String, Package>, cargo_metadata::Metadata) {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let metadata = MetadataCommand::new()
        .manifest_path(manifest)
        .exec()
        .expect("cargo metadata reads the workspace");
    let members = metadata
        .workspace_packages()
        .into_iter()
        .map(|p| (p.name.to_string(), p.clone()))
        .collect();
    (members, metadata)
}

fn arrows<'a>(
    package: &'a Package,
    members: &'a BTreeMap<String, Package>,
    dev: bool,
) -> impl Iterator<Item = &'a str> {
    let wanted = move |kind| {
        if dev {
            kind == DependencyKind::Development
        } else {
            kind != DependencyKind::Development
        }
    };
    let dependencies = package.dependencies.iter().filter(move |d| wanted(d.kind));
    dependencies
        .map(|d| d.name.as_str())
        .filter(|name| members.contains_key(*name))
}

#[test]
fn no_crate_knows_another_than_allowed() {
    let (members, _) = workspace();
    let allowed: BTreeMap<&str, BTreeSet<&str>> = ALLOWED
        .into_iter()
        .map(|(name, to)| (name, to.iter().copied().collect()))
        .collect();
    for (name, package) in &members {
        let allowed = allowed.get(name.as_str());
        let allowed = allowed.unwrap_or_else(|| panic!("{name} is new: say in ALLOWED what it may know"));
        for to in arrows(package, &members, false) {
            assert!(
                allowed.contains(to),
                "{name} depends on {to}; allowed: {allowed:?}"
            );
        }
        for to in arrows(package, &members, true) {
            assert!(
                to == "testkit" || allowed.contains(to),
                "{name}'s tests depend on {to}"
            );
        }
    }
}

#[test]
fn pure_crates_touch_no_world() {
    let (members, metadata) = workspace();
    let resolve = metadata.resolve.expect("a resolved graph");
    let names: BTreeMap<_, _> = metadata
        .packages
        .iter()
        .map(|p| (p.id.clone(), p.name.to_string()))
        .collect();
    for pure in PURE {
        let package = members.get(pure).unwrap_or_else(|| panic!("{pure} is a member"));
        // Declared dependencies, not resolved ones: other members may switch features on for the whole build.
        for dependency in package
            .dependencies
            .iter()
            .filter(|d| d.kind == DependencyKind::Normal)
        {
            assert!(
                !IMPURE.contains(&dependency.name.as_str()),
                "{pure} depends on {}",
                dependency.name
            );
            let client = dependency.name == "kube"
                && dependency
                    .features
                    .iter()
                    .any(|f| matches!(f.as_str(), "client" | "runtime" | "config"));
            assert!(!client, "{pure} uses kube's client");
        }
        assert!(
            resolve.nodes.iter().any(|n| names[&n.id] == pure),
            "{pure} is in the graph"
        );
    }
}
