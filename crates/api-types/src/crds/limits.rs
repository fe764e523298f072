//! Greatest lengths of lists inside of Kubernetes' own types, where one of our rules walks through them.
//!
//! The API server estimates a rule's cost from the greatest length of every list on its way and refuses a definition
//! whose rules could be too costly. Lists of our own types carry their length in the type.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray,
};

/// Lists of a Postgres, by path; `[]` is the items of a list.
const POSTGRES: [(&[&str], i64); 2] = [
    (&["spec", "podTemplate", "spec", "containers", "[]", "env"], 1024),
    (
        &["spec", "podTemplate", "spec", "containers", "[]", "volumeMounts"],
        256,
    ),
];

/// Sets the limits in the schema of a Postgres.
pub(super) fn limit_postgres(schema: &mut JSONSchemaProps) {
    for (path, max_items) in POSTGRES {
        let list = path
            .iter()
            .try_fold(&mut *schema, |schema, step| step_into(schema, step))
            .unwrap_or_else(|| panic!("the schema of Postgres has no {}", path.join(".")));
        list.max_items = Some(max_items);
    }
}

fn step_into<'a>(schema: &'a mut JSONSchemaProps, step: &str) -> Option<&'a mut JSONSchemaProps> {
    if step != "[]" {
        return schema.properties.as_mut()?.get_mut(step);
    }
    match schema.items.as_mut()? {
        JSONSchemaPropsOrArray::Schema(items) => Some(items),
        JSONSchemaPropsOrArray::Schemas(_) => None,
    }
}
