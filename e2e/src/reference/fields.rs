//! `docs/reference/fields.md`: one section per kind, one row per field.

use std::fmt::Write;

use api_types::crds::{Field, Kind, kinds};

use super::cell;

const HEADER: &str = "# Fields

Generated from the types in `crates/api-types` by `make reference`; do not edit.

`kubectl explain postgres.spec` tells the same, of the definitions that are installed. `[]` in a path stands for the items of a
list, `{}` for the values of a map. A field that has to be written when the object around it is has *required* behind its type.
A part that is one of Kubernetes' own types is one row, with a link to Kubernetes' reference. What is a default here is written
into the object by the API server; [the API](../api.md#defaults) tells of the others, and of the fields that are kept and not
acted on.
";

/// Where Kubernetes explains its own types.
const KUBERNETES: &str = "https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.34/";
/// Types of Kubernetes that say all in their name.
const PLAIN: [&str; 6] = [
    "Quantity",
    "Time",
    "MicroTime",
    "IntOrString",
    "RawExtension",
    "JSON",
];

pub(super) fn page() -> String {
    kinds().iter().fold(HEADER.to_owned(), |mut text, kind| {
        section(&mut text, kind);
        text
    })
}

fn section(text: &mut String, kind: &Kind) {
    let _ = write!(
        text,
        "\n## {}\n\n`{}`\n\n| Field | Type | Default | What it is |\n|---|---|---|---|\n",
        kind.name, kind.api_version
    );
    for field in &kind.fields {
        let default = field
            .default
            .as_ref()
            .map_or(String::new(), |it| format!("`{it}`"));
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            field.path,
            shape(field),
            cell(&default),
            cell(&meaning(field))
        );
    }
}

fn shape(field: &Field) -> String {
    let shape = match &field.origin {
        Some(origin) => {
            let whole = field.shape.rsplit_once(' ').map_or("", |(whole, _)| whole);
            format!("{whole} {}", link(origin))
        }
        None => field.shape.clone(),
    };
    let required = if field.is_required { ", *required*" } else { "" };
    format!("{}{required}", shape.trim())
}

/// `io.k8s.api.core.v1.Container` with a link to where it is explained.
fn link(origin: &str) -> String {
    let mut parts = origin.rsplit('.');
    let name = parts.next().unwrap_or(origin);
    if PLAIN.contains(&name) {
        return name.to_owned();
    }
    let version = parts.next().unwrap_or_default();
    let group = parts.next().unwrap_or_default();
    let anchor = format!("{name}-{version}-{group}").to_lowercase();
    format!("[{name}]({KUBERNETES}#{anchor})")
}

fn meaning(field: &Field) -> String {
    let words: Vec<_> = field.words.iter().map(|word| format!("`{word}`")).collect();
    if words.iter().all(|word| field.description.contains(word)) {
        return field.description.clone();
    }
    format!("{} One of {}.", field.description, words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_kubernetes_lead_to_their_explanation() {
        let page = "https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.34/#container-v1-core";
        assert_eq!(
            link("io.k8s.api.core.v1.Container"),
            format!("[Container]({page})")
        );
        assert_eq!(link("io.k8s.apimachinery.pkg.api.resource.Quantity"), "Quantity");
    }
}
