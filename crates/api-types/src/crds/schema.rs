//! From a Rust type to a structural schema as the API server wants it.
//!
//! `kube`'s derive inlines every type first and so forgets which part came from Kubernetes itself. Here the definitions
//! are kept apart until the descriptions of Kubernetes' own types are cut to one sentence (a Pod template's full text
//! is longer than etcd allows), then everything is inlined and written in the few words that a structural schema knows.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// Prefix of the names that `k8s-openapi` gives to Kubernetes' own types.
const KUBERNETES_TYPES: &str = "io.k8s.";
/// Keyword for the name of the type that a part of a schema came from; never in a definition that is installed.
pub(super) const ORIGIN: &str = "x-origin";
/// Where the generator puts definitions.
const DEFINITIONS: &str = "$defs";
/// What the API server checks a quantity against; the pattern of KubeDB's and of controller-gen's schemas.
const QUANTITY_PATTERN: &str = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$";
/// Longest description of a field of Kubernetes' own types.
const SENTENCE: usize = 240;

/// The structural schema of a type.
pub(super) fn structural<K: JsonSchema>() -> JSONSchemaProps {
    let root = inlined::<K>(|_, _| ());
    serde_json::from_value(root).expect("a structural schema is a JSONSchemaProps")
}

/// The same, in which every type that came from Kubernetes names itself under [`ORIGIN`].
pub(super) fn with_origins<K: JsonSchema>() -> Value {
    inlined::<K>(|name, definition| {
        if let Some(object) = definition.as_object_mut() {
            object.insert(ORIGIN.into(), name.into());
        }
    })
}

fn inlined<K: JsonSchema>(mark: impl Fn(&str, &mut Value)) -> Value {
    let (mut root, mut definitions) = generated::<K>();
    for (name, definition) in &mut definitions {
        if name.starts_with(KUBERNETES_TYPES) {
            adapt_kubernetes_type(name, definition);
            mark(name, definition);
        }
    }
    inline(&mut root, &definitions);
    simplify(&mut root);
    root
}

/// The generated schema of a type, and the definitions that it refers to.
fn generated<K: JsonSchema>() -> (Value, Map<String, Value>) {
    let mut root = SchemaSettings::draft2020_12()
        .with(|s| s.meta_schema = None)
        .into_generator()
        .into_root_schema_for::<K>()
        .to_value();
    match root.as_object_mut().and_then(|r| r.remove(DEFINITIONS)) {
        Some(Value::Object(definitions)) => (root, definitions),
        _ => (root, Map::new()),
    }
}

/// Paths of all fields of our own types; fields inside of Kubernetes' own types are not among them. Items of a list are
/// `[]`, values of a map `{}`.
pub(super) fn own_fields<K: JsonSchema>() -> Vec<String> {
    let (root, mut definitions) = generated::<K>();
    definitions.retain(|name, _| !name.starts_with(KUBERNETES_TYPES));
    let mut fields = Vec::new();
    collect_fields("", &root, &definitions, &mut fields);
    fields
}

fn collect_fields(path: &str, schema: &Value, definitions: &Map<String, Value>, fields: &mut Vec<String>) {
    if let Some(Value::String(reference)) = schema.get("$ref") {
        let name = reference.rsplit('/').next().unwrap_or_default();
        if let Some(definition) = definitions.get(name) {
            collect_fields(path, definition, definitions, fields);
        }
        return;
    }
    for choice in schema
        .get("anyOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        collect_fields(path, choice, definitions, fields);
    }
    for (name, field) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let path = format!("{path}.{name}");
        fields.push(path.clone());
        collect_fields(&path, field, definitions, fields);
    }
    for (word, step) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(inner) = schema.get(word) {
            collect_fields(&format!("{path}{step}"), inner, definitions, fields);
        }
    }
}

/// Takes every description away: the second version of a kind is explained by the first.
pub(super) fn without_descriptions(schema: &mut JSONSchemaProps) {
    let mut value = serde_json::to_value(&*schema).expect("a schema is plain data");
    drop_descriptions(&mut value);
    *schema = serde_json::from_value(value).expect("a schema without descriptions is a schema");
}

fn drop_descriptions(value: &mut Value) {
    match value {
        Value::Object(object) => {
            // `description` may also be the name of a property, whose value is a schema.
            if object.get("description").is_some_and(Value::is_string) {
                object.remove("description");
            }
            object.values_mut().for_each(drop_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_descriptions),
        _ => {}
    }
}

/// Shortens the descriptions of one of Kubernetes' own types and adds what its schema leaves out.
fn adapt_kubernetes_type(name: &str, definition: &mut Value) {
    first_sentences(definition);
    let Some(object) = definition.as_object_mut() else {
        return;
    };
    let short = name.rsplit('.').next().unwrap_or(name);
    match short {
        "Quantity" => {
            object.insert("description".into(), "An amount, for example 500m or 1Gi.".into());
            object.insert(
                "anyOf".into(),
                serde_json::json!([{"type": "integer"}, {"type": "string"}]),
            );
            object.insert("pattern".into(), QUANTITY_PATTERN.into());
        }
        "IntOrString" => {
            object.insert(
                "anyOf".into(),
                serde_json::json!([{"type": "integer"}, {"type": "string"}]),
            );
        }
        // Without this the API server would drop whatever is inside.
        "RawExtension" | "FieldsV1" | "JSON" => {
            object.insert("x-kubernetes-preserve-unknown-fields".into(), true.into());
        }
        _ => {}
    }
}

/// Cuts every description below to its first sentence.
fn first_sentences(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(text)) = object.get_mut("description") {
                *text = first_sentence(text);
            }
            object.values_mut().for_each(first_sentences);
        }
        Value::Array(items) => items.iter_mut().for_each(first_sentences),
        _ => {}
    }
}

/// The first sentence of a text, on one line, at most [`SENTENCE`] characters.
fn first_sentence(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = line
        .match_indices(". ")
        .map(|(at, _)| at)
        .find(|&at| !line[..at].ends_with("e.g") && !line[..at].ends_with("i.e"))
        .map_or(line.len(), |at| at + 1);
    let sentence = &line[..end];
    if sentence.chars().count() <= SENTENCE {
        return sentence.to_owned();
    }
    let cut: String = sentence.chars().take(SENTENCE - 1).collect();
    let words = cut.rsplit_once(' ').map_or(cut.as_str(), |(words, _)| words);
    format!("{words}…")
}

/// Puts every referenced definition in the place of its reference; keywords beside the reference win.
fn inline(value: &mut Value, definitions: &Map<String, Value>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.remove("$ref") {
                let name = reference
                    .rsplit('/')
                    .next()
                    .unwrap_or_default()
                    .replace("~1", "/")
                    .replace("~0", "~");
                let definition = definitions
                    .get(&name)
                    .unwrap_or_else(|| panic!("the schema refers to {name}, which is not defined"));
                for (key, part) in definition.as_object().into_iter().flatten() {
                    object.entry(key.clone()).or_insert_with(|| part.clone());
                }
            }
            object.values_mut().for_each(|v| inline(v, definitions));
        }
        Value::Array(items) => items.iter_mut().for_each(|v| inline(v, definitions)),
        _ => {}
    }
}

/// Writes JSON Schema as a structural schema, in the form of KubeDB's schemas: `null` is no value (absence is enough,
/// and a stored `null` would have to be handled by every reader), an enum is a list of strings, numbers have no format
/// that the API server does not know.
fn simplify(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(simplify);
            without_null(object);
            enum_of_strings(object);
            object.remove("nullable");
            // `title` may also be the name of a property, whose value is a schema.
            if object.get("title").is_some_and(Value::is_string) {
                object.remove("title");
            }
            if object.get("additionalProperties") == Some(&Value::Bool(false)) {
                object.remove("additionalProperties");
            }
            if object
                .get("format")
                .and_then(Value::as_str)
                .is_some_and(|f| f.starts_with("uint"))
            {
                object.remove("format");
            }
            if let Some(Value::String(text)) = object.get_mut("description") {
                *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(simplify),
        _ => {}
    }
}

/// `Option<T>` is the schema of `T`.
fn without_null(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|t| t != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|v| !v.is_null());
    }
    let null = serde_json::json!({"type": "null"});
    if let Some(Value::Array(choices)) = object.get_mut("anyOf")
        && choices.contains(&null)
    {
        choices.retain(|c| *c != null);
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            for (key, part) in only {
                object.entry(key).or_insert(part);
            }
        }
    }
}

/// An enum whose variants are documented comes as a choice of constants.
fn enum_of_strings(object: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = object.get("oneOf") else {
        return;
    };
    let mut words = Vec::new();
    for choice in choices {
        match (choice.get("const"), choice.get("enum")) {
            (Some(word), _) => words.push(word.clone()),
            (None, Some(Value::Array(some))) => words.extend(some.iter().cloned()),
            _ => return,
        }
    }
    object.remove("oneOf");
    object.insert("type".into(), "string".into());
    object.insert("enum".into(), Value::Array(words));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_ends_with_its_first_sentence() {
        assert_eq!(first_sentence("One thing.  Another\nthing."), "One thing.");
        assert_eq!(first_sentence("Use it, e.g. here. More."), "Use it, e.g. here.");
    }

    #[test]
    fn an_optional_enum_is_a_list_of_words() {
        let mut value = serde_json::json!({
            "description": "Which.",
            "anyOf": [{"oneOf": [{"const": "A", "type": "string", "description": "First."}, {"enum": ["B"]}]}, {"type": "null"}]
        });
        simplify(&mut value);
        assert_eq!(
            value,
            serde_json::json!({"description": "Which.", "type": "string", "enum": ["A", "B"]})
        );
    }

    #[test]
    fn keywords_beside_a_reference_win() {
        let definitions = serde_json::json!({"a.B": {"type": "string", "description": "general"}});
        let mut value = serde_json::json!({"$ref": "#/$defs/a.B", "description": "special"});
        inline(&mut value, definitions.as_object().expect("an object"));
        assert_eq!(
            value,
            serde_json::json!({"type": "string", "description": "special"})
        );
    }
}
