//! The files of the chart that hold the definitions.

use std::path::PathBuf;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

/// One generated file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Path below the chart's folder.
    pub path: PathBuf,
    /// Content.
    pub content: String,
}

const HEADER: &str = "# Generated from the types in crates/api-types by `make crds`; do not edit.\n";

/// Every generated file of the chart: one template per definition.
///
/// They are templates and not files in the chart's `crds/` folder because Helm never updates those; the annotation
/// `helm.sh/resource-policy: keep` gives what that folder is for: uninstalling the chart deletes no database.
pub fn files() -> Vec<File> {
    super::all().into_iter().map(file).collect()
}

fn file(mut crd: CustomResourceDefinition) -> File {
    crd.metadata
        .annotations
        .get_or_insert_default()
        .insert("helm.sh/resource-policy".into(), "keep".into());
    let plural = crd.spec.names.plural.clone();
    let yaml = quoted(&serde_yaml::to_string(&crd).expect("a definition is plain data"));
    assert!(
        !yaml.contains("{{"),
        "{plural}: a description looks like a template"
    );
    File {
        path: PathBuf::from(format!("templates/{}_{plural}.yaml", crd.spec.group)),
        content: format!("{HEADER}{{{{- if .Values.install.{plural} }}}}\n{yaml}{{{{- end }}}}\n"),
    }
}

/// Words that YAML 1.1, which Helm reads, takes for booleans and YAML 1.2, which is written here, does not.
const BOOLEANS: [&str; 16] = [
    "y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF",
];

/// The same YAML with quotes around such words: `On` is a commit level.
fn quoted(yaml: &str) -> String {
    yaml.lines()
        .map(|line| {
            let value = match line.trim_start().strip_prefix("- ") {
                Some(item) => item,
                None => line.split_once(": ").map_or("", |(_, value)| value),
            };
            if BOOLEANS.contains(&value) {
                format!("{}\"{value}\"\n", &line[..line.len() - value.len()])
            } else {
                format!("{line}\n")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_helm_takes_for_booleans_are_quoted() {
        assert_eq!(
            quoted("enum:\n- On\n- Local\ndefault: Off\n"),
            "enum:\n- \"On\"\n- Local\ndefault: \"Off\"\n"
        );
        assert_eq!(quoted("description: turned on\n"), "description: turned on\n");
    }
}
