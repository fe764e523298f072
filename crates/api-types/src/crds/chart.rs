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
    let yaml = serde_yaml::to_string(&crd).expect("a definition is plain data");
    assert!(
        !yaml.contains("{{"),
        "{plural}: a description looks like a template"
    );
    File {
        path: PathBuf::from(format!("templates/{}_{plural}.yaml", crd.spec.group)),
        content: format!("{HEADER}{{{{- if .Values.install.{plural} }}}}\n{yaml}{{{{- end }}}}\n"),
    }
}
