//! The texts of a change of resources in its plan.

use std::collections::BTreeMap;

use api_types::vocabulary::{EXPORTER_CONTAINER, POSTGRES_CONTAINER};
use blueprint::{MemoryNeed, Resolved, exporter_resources};
use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// What is different afterwards, one part for each container and one for `shared_buffers`, which a server takes when it starts.
pub fn changes(before: &Resolved, after: &Resolved, in_place: bool) -> Vec<String> {
    let mut all = Vec::new();
    all.extend(of_container(
        POSTGRES_CONTAINER,
        &before.resources,
        &after.resources,
    ));
    if let (Some(before), Some(after)) = (exporter_resources(before), exporter_resources(after)) {
        all.extend(of_container(EXPORTER_CONTAINER, &before, &after));
    }
    let (old, new) = (MemoryNeed::of(before), MemoryNeed::of(after));
    if old.shared_buffers != new.shared_buffers {
        let waits = if in_place { " (waits for a restart)" } else { "" };
        all.push(format!(
            "shared_buffers {} → {}{waits}",
            old.shared_buffers, new.shared_buffers
        ));
    }
    all
}

/// The parts of the request that nothing acts on.
pub fn not_acted_on(all: &[String]) -> String {
    format!("not acted on: {}", all.join(", "))
}

fn of_container(name: &str, before: &ResourceRequirements, after: &ResourceRequirements) -> Option<String> {
    let mut all = amounts("requests", before.requests.as_ref(), after.requests.as_ref());
    all.extend(amounts("limits", before.limits.as_ref(), after.limits.as_ref()));
    (!all.is_empty()).then(|| format!("container {name}: {}", all.join(", ")))
}

fn amounts(
    list: &str,
    before: Option<&BTreeMap<String, Quantity>>,
    after: Option<&BTreeMap<String, Quantity>>,
) -> Vec<String> {
    let old = |name: &String| before.and_then(|all| all.get(name));
    let changed = after.into_iter().flatten();
    changed
        .filter(|(name, new)| old(name) != Some(new))
        .map(|(name, new)| {
            let old = old(name).map_or("none", |old| old.0.as_str());
            format!("{list}.{name} {old} → {}", new.0)
        })
        .collect()
}
