//! Manifests as users write them.

use kube::api::DynamicObject;
use serde_json::Value;

/// The objects of a YAML file with one document per object, in their order.
///
/// Panics when a document is no object, with its number: a broken fixture is a broken test.
pub fn objects(yaml: &str) -> Vec<DynamicObject> {
    documents(yaml)
        .into_iter()
        .enumerate()
        .map(|(number, value)| {
            serde_json::from_value(value)
                .unwrap_or_else(|error| panic!("document {number} is no Kubernetes object: {error}"))
        })
        .collect()
}

/// The documents of a YAML file, without empty ones.
pub fn documents(yaml: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(yaml)
        .enumerate()
        .map(|(number, document)| {
            <Value as serde::Deserialize>::deserialize(document)
                .unwrap_or_else(|error| panic!("document {number} is no YAML: {error}"))
        })
        .filter(|value| !value.is_null())
        .collect()
}

/// Where `read` does not have what `written` has, as a path and what differs; nothing when all is there.
/// Lists must be equal in length and order; `read` may have more members in objects (defaults, metadata).
pub fn lost(written: &Value, read: &Value) -> Vec<String> {
    let mut losses = Vec::new();
    compare("", written, read, &mut losses);
    losses
}

fn compare(path: &str, written: &Value, read: &Value, losses: &mut Vec<String>) {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            for (key, value) in written {
                let path = format!("{path}.{key}");
                match read.get(key) {
                    Some(other) => compare(&path, value, other, losses),
                    None => losses.push(format!("{path}: {value} was dropped")),
                }
            }
        }
        (Value::Array(written), Value::Array(read)) if written.len() == read.len() => {
            for (index, (value, other)) in written.iter().zip(read).enumerate() {
                compare(&format!("{path}[{index}]"), value, other, losses);
            }
        }
        _ if written == read => {}
        _ => losses.push(format!("{path}: {written} became {read}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_are_no_loss_and_dropped_fields_are() {
        let written = json!({"spec": {"a": 1, "list": [{"b": "x"}]}});
        assert!(
            lost(
                &written,
                &json!({"spec": {"a": 1, "new": 2, "list": [{"b": "x", "c": 1}]}})
            )
            .is_empty()
        );
        assert_eq!(
            lost(&written, &json!({"spec": {"a": "1", "list": [{}]}})),
            [".spec.a: 1 became \"1\"", ".spec.list[0].b: \"x\" was dropped"]
        );
    }
}
