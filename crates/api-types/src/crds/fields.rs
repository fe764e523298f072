//! The fields of every kind, for the reference in the documentation. Parts that are Kubernetes' own types are one field.

use kube::Resource;
use schemars::JsonSchema;
use serde_json::Value;

use super::schema::{ORIGIN, with_origins};
use crate::{AppBinding, PetSet, PlacementPolicy, Postgres, PostgresOpsRequest, PostgresVersion};

/// A kind and its fields.
#[derive(Clone, Debug)]
pub struct Kind {
    /// The kind.
    pub name: String,
    /// Group and version.
    pub api_version: String,
    /// `spec.` and `status.` fields, in the order of the definition.
    pub fields: Vec<Field>,
}

/// A field of our own types.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// For example `spec.tls.certificates[].alias`; items of a list are `[]`, values of a map `{}`.
    pub path: String,
    /// For example `string`, `list of object`, `map of string`.
    pub shape: String,
    /// Name of Kubernetes' own type that it is, or whose list or map it is.
    pub origin: Option<String>,
    /// Whether it has to be written when the object around it is.
    pub is_required: bool,
    /// What the API server writes when it is absent.
    pub default: Option<Value>,
    /// The words that it may be, if they are counted.
    pub words: Vec<String>,
    /// What it is.
    pub description: String,
}

/// All kinds: those that users write first.
pub fn kinds() -> Vec<Kind> {
    vec![
        kind::<Postgres>(),
        kind::<PostgresOpsRequest>(),
        kind::<PostgresVersion>(),
        kind::<PetSet>(),
        kind::<PlacementPolicy>(),
        kind::<AppBinding>(),
    ]
}

fn kind<K: Resource<DynamicType = ()> + JsonSchema>() -> Kind {
    let mut fields = Vec::new();
    collect("", &with_origins::<K>(), &mut fields);
    Kind {
        name: K::kind(&()).into_owned(),
        api_version: K::api_version(&()).into_owned(),
        fields,
    }
}

fn collect(path: &str, schema: &Value, fields: &mut Vec<Field>) {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (name, part) in schema["properties"].as_object().into_iter().flatten() {
        if path.is_empty() && name != "spec" && name != "status" {
            continue;
        }
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let (inner, steps, shape) = unwrapped(part);
        fields.push(Field {
            path: path.clone(),
            shape,
            origin: inner[ORIGIN].as_str().map(str::to_owned),
            is_required: required.contains(&Value::String(name.clone())),
            default: part.get("default").cloned(),
            words: words(inner),
            description: part["description"].as_str().unwrap_or_default().to_owned(),
        });
        if inner.get(ORIGIN).is_none() {
            collect(&format!("{path}{steps}"), inner, fields);
        }
    }
}

/// What a list or a map is of, the steps to there, and the whole in words.
fn unwrapped(schema: &Value) -> (&Value, String, String) {
    let wrappers = [("items", "[]", "list"), ("additionalProperties", "{}", "map")];
    let found = wrappers
        .into_iter()
        .find(|(word, ..)| schema.get(ORIGIN).is_none() && schema.get(word).is_some_and(Value::is_object));
    let Some((word, step, whole)) = found else {
        let plain = schema["type"].as_str().unwrap_or("any");
        return (schema, String::new(), plain.to_owned());
    };
    let (inner, steps, shape) = unwrapped(&schema[word]);
    (inner, format!("{step}{steps}"), format!("{whole} of {shape}"))
}

fn words(schema: &Value) -> Vec<String> {
    let words = schema["enum"].as_array().into_iter().flatten();
    words
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kind: &str, path: &str) -> Option<Field> {
        let kinds = kinds();
        let kind = kinds.iter().find(|it| it.name == kind)?;
        kind.fields.iter().find(|field| field.path == path).cloned()
    }

    #[test]
    fn a_field_has_its_type_its_words_and_its_default() {
        let apply = field("PostgresOpsRequest", "spec.apply").expect("a field");
        assert_eq!(apply.shape, "string");
        assert_eq!(apply.words, ["IfReady", "Always"]);
        assert_eq!(apply.default, Some("IfReady".into()));
        let version = field("Postgres", "spec.version").expect("a field");
        assert!(version.is_required && !version.description.is_empty());
    }

    #[test]
    fn lists_are_entered_and_types_of_kubernetes_are_not() {
        let alias = field("Postgres", "spec.tls.certificates[].alias").expect("a field");
        assert_eq!(alias.shape, "string");
        let containers = field("Postgres", "spec.podTemplate.spec.containers").expect("a field");
        assert_eq!(containers.shape, "list of object");
        assert_eq!(containers.origin.as_deref(), Some("io.k8s.api.core.v1.Container"));
        assert_eq!(
            field("Postgres", "spec.podTemplate.spec.containers[].image"),
            None
        );
    }

    #[test]
    fn every_field_of_our_own_is_there() {
        let kinds = kinds();
        let mut found: Vec<_> = kinds[0]
            .fields
            .iter()
            .map(|field| format!(".{}", field.path))
            .collect();
        let mut own: Vec<_> = super::super::own_fields::<Postgres>()
            .into_iter()
            .filter(|path| path.starts_with(".spec") || path.starts_with(".status"))
            .collect();
        found.sort();
        own.sort();
        assert_eq!(found, own);
    }
}
