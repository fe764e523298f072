//! `kubectl explain` shows a sentence for every field, and the definitions fit where they are kept. Needs no server.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

#[test]
fn every_field_has_a_description() {
    let mut silent = Vec::new();
    for crd in api_types::crds::all() {
        let version = crd.spec.versions.first().expect("a definition has a version");
        let schema = version
            .schema
            .as_ref()
            .and_then(|s| s.open_api_v3_schema.as_ref());
        walk(
            &crd.spec.names.kind,
            schema.expect("a version has a schema"),
            &mut silent,
        );
    }
    assert!(silent.is_empty(), "without description: {}", silent.join(", "));
}

fn walk(path: &str, schema: &JSONSchemaProps, silent: &mut Vec<String>) {
    if schema.properties.is_some() && path.split('.').count() == 1 && schema.description.is_none() {
        silent.push(path.to_owned());
    }
    for (name, field) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        if field
            .description
            .as_ref()
            .is_none_or(|text| text.trim().is_empty())
        {
            silent.push(path.clone());
        }
        walk(&path, field, silent);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        walk(&format!("{path}[]"), items, silent);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
        walk(&format!("{path}{{}}"), values, silent);
    }
}

/// Helm keeps a release in a Secret of at most 1 MiB; the API server keeps a definition in etcd, 1.5 MiB at most.
#[test]
fn the_definitions_stay_small() {
    for crd in api_types::crds::all() {
        let size = serde_json::to_vec(&crd).expect("plain data").len();
        assert!(size < 600_000, "{} has {size} bytes", crd.spec.names.plural);
    }
}
