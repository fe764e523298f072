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

/// `kubectl explain` does not show a schema's default, so the sentence has to.
#[test]
fn every_default_of_our_own_fields_is_told() {
    let mut silent = Vec::new();
    for (kind, own) in own_fields() {
        let crds = api_types::crds::all();
        let crd = crds.iter().find(|crd| crd.spec.names.kind == kind);
        let version = &crd.expect("a definition of the kind").spec.versions[0];
        let schema = version
            .schema
            .as_ref()
            .and_then(|s| s.open_api_v3_schema.as_ref());
        for path in own {
            let field = at(schema.expect("a version has a schema"), &path);
            let Some(default) = field.and_then(|field| field.default.as_ref()) else {
                continue;
            };
            let is_nothing = matches!(default.0.to_string().as_str(), "\"\"" | "{}");
            let told = field
                .and_then(|field| field.description.as_ref())
                .is_some_and(|text| text.contains("Default"));
            if !is_nothing && !told {
                silent.push(format!("{kind}{path}: {}", default.0));
            }
        }
    }
    assert!(
        silent.is_empty(),
        "defaults that no description tells: {}",
        silent.join(", ")
    );
}

fn own_fields() -> [(&'static str, Vec<String>); 6] {
    use api_types::crds::own_fields;
    [
        ("Postgres", own_fields::<api_types::Postgres>()),
        (
            "PostgresOpsRequest",
            own_fields::<api_types::PostgresOpsRequest>(),
        ),
        ("PostgresVersion", own_fields::<api_types::PostgresVersion>()),
        ("PetSet", own_fields::<api_types::PetSet>()),
        ("PlacementPolicy", own_fields::<api_types::PlacementPolicy>()),
        ("AppBinding", own_fields::<api_types::AppBinding>()),
    ]
}

/// The schema of a field: `.spec.tls.certificates[].alias`.
fn at<'a>(schema: &'a JSONSchemaProps, path: &str) -> Option<&'a JSONSchemaProps> {
    let steps = path.replace("[]", ".[]").replace("{}", ".{}");
    steps
        .split('.')
        .skip(1)
        .try_fold(schema, |schema, step| match step {
            "[]" => match schema.items.as_ref()? {
                JSONSchemaPropsOrArray::Schema(items) => Some(items.as_ref()),
                JSONSchemaPropsOrArray::Schemas(_) => None,
            },
            "{}" => match schema.additional_properties.as_ref()? {
                JSONSchemaPropsOrBool::Schema(values) => Some(values.as_ref()),
                JSONSchemaPropsOrBool::Bool(_) => None,
            },
            name => schema.properties.as_ref()?.get(name),
        })
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
