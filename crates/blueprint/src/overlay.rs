//! Laying what a user writes over what is ours.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// `base` with every field that `over` sets: objects are merged field by field, everything else is replaced.
pub(crate) fn overlay<T: Serialize + DeserializeOwned + Clone>(base: T, over: Option<&T>) -> T {
    let Some(over) = over else {
        return base;
    };
    let merged = match (serde_json::to_value(&base), serde_json::to_value(over)) {
        (Ok(base), Ok(over)) => merge(base, over),
        _ => return base,
    };
    serde_json::from_value(merged).unwrap_or(base)
}

fn merge(base: Value, over: Value) -> Value {
    match (base, over) {
        (Value::Object(mut base), Value::Object(over)) => {
            for (key, value) in over {
                let merged = match base.remove(&key) {
                    Some(ours) => merge(ours, value),
                    None => value,
                };
                base.insert(key, merged);
            }
            Value::Object(base)
        }
        (_, over) => over,
    }
}

#[cfg(test)]
mod tests {
    use super::overlay;
    use k8s_openapi::api::core::v1::SecurityContext;

    #[test]
    fn set_fields_win_and_others_stay() {
        let ours: SecurityContext = serde_json::from_value(serde_json::json!(
            {"runAsUser": 999, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true}
        ))
        .unwrap();
        let users: SecurityContext =
            serde_json::from_value(serde_json::json!({"runAsUser": 70, "capabilities": {"add": ["X"]}}))
                .unwrap();
        let merged = serde_json::to_value(overlay(ours, Some(&users))).unwrap();
        let expected = serde_json::json!(
            {"runAsUser": 70, "capabilities": {"add": ["X"], "drop": ["ALL"]}, "runAsNonRoot": true}
        );
        assert_eq!(merged, expected);
    }
}
