//! The hash by which an unchanged child is recognised.

use std::collections::BTreeMap;

use api_types::vocabulary::BLUEPRINT_HASH;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Number of hexadecimal digits of a blueprint hash.
const DIGITS: usize = 16;

/// Short SHA-256 of an object as it was built, in hexadecimal. The hash's own annotation does not count.
pub fn hash_of<K: Serialize>(obj: &K) -> String {
    let mut value = serde_json::to_value(obj).unwrap_or_default();
    if let Some(annotations) = value
        .pointer_mut("/metadata/annotations")
        .and_then(|annotations| annotations.as_object_mut())
    {
        annotations.remove(BLUEPRINT_HASH);
    }
    let mut sorted = String::new();
    write_sorted(&value, &mut sorted);
    let digest = hex::encode(Sha256::digest(sorted.as_bytes()));
    digest[..DIGITS].to_owned()
}

/// Writes compact JSON with the keys of every map in order: two binaries may be built with different orders of maps.
fn write_sorted(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            let entry = |(key, value): (&String, &Value), out: &mut String| {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_sorted(value, out);
            };
            list(('{', '}'), entries, entry, out);
        }
        Value::Array(items) => list(('[', ']'), items, write_sorted, out),
        other => out.push_str(&other.to_string()),
    }
}

fn list<T>(
    (open, close): (char, char),
    items: impl IntoIterator<Item = T>,
    write: impl Fn(T, &mut String),
    out: &mut String,
) {
    out.push(open);
    for (number, item) in items.into_iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(close);
}

/// The hash that a child carries, if it does.
pub fn recorded_hash(meta: &ObjectMeta) -> Option<&str> {
    meta.annotations.as_ref()?.get(BLUEPRINT_HASH).map(String::as_str)
}

/// Writes the object's hash into its annotation.
pub(crate) fn seal<K: Resource + Serialize>(mut obj: K) -> K {
    // An absent map and an empty one must hash alike.
    obj.meta_mut().annotations.get_or_insert_with(BTreeMap::new);
    let hash = hash_of(&obj);
    if let Some(annotations) = obj.meta_mut().annotations.as_mut() {
        annotations.insert(BLUEPRINT_HASH.to_owned(), hash);
    }
    obj
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ServiceAccount;

    #[test]
    fn a_sealed_object_has_the_hash_it_records() {
        let sealed = seal(ServiceAccount::default());
        assert_eq!(recorded_hash(&sealed.metadata), Some(hash_of(&sealed).as_str()));
        assert_eq!(hash_of(&sealed).len(), DIGITS);
    }

    #[test]
    fn what_is_hashed_is_compact_json_in_the_order_of_keys() {
        let value = serde_json::json!({"b": [1, "x\"y\n", null, {}], "a": {"d": true, "c": []}});
        let mut sorted = String::new();
        write_sorted(&value, &mut sorted);
        assert_eq!(sorted, r#"{"a":{"c":[],"d":true},"b":[1,"x\"y\n",null,{}]}"#);
    }

    #[test]
    fn a_change_changes_the_hash() {
        let other = ServiceAccount {
            automount_service_account_token: Some(false),
            ..ServiceAccount::default()
        };
        assert_ne!(hash_of(&seal(other)), hash_of(&seal(ServiceAccount::default())));
    }
}
