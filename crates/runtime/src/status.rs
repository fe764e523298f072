//! Writing status: only when it changes, so that a controller does not wake itself for ever.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams},
    core::{Status, object::HasStatus, response::StatusDetails},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::apply_error::{ApplyError, ObjectId};

/// Path of an object's UID in a JSON patch.
const UID: &str = "/metadata/uid";

/// Makes `status` of the observed object what is wanted, as `manager`, the status's only writer. Nothing is written when
/// only times of conditions differ; a condition whose status stays keeps its transition time. Returns whether it wrote.
///
/// # Errors
/// [`ApplyError`]; [`ApplyError::Conflict`] when the object was replaced by another of the same name.
pub async fn patch_status<K>(
    client: &Client,
    observed: &K,
    wanted: &K::Status,
    manager: &str,
) -> Result<bool, ApplyError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + HasStatus
        + Clone
        + Debug
        + DeserializeOwned,
    K::Status: Serialize,
{
    let action = "write the status of";
    let id = || ObjectId::of(observed);
    let as_json = |status: &K::Status| {
        serde_json::to_value(status)
            .map_err(|source| ApplyError::new(action, id(), kube::Error::SerdeError(source)))
    };
    let current = observed.status().map(as_json).transpose()?.unwrap_or(Value::Null);
    let Some(status) = changed(&current, as_json(wanted)?) else {
        return Ok(false);
    };
    let lacking = |missing| ApplyError::Incomplete {
        action,
        object: id(),
        missing,
    };
    let namespace = observed
        .meta()
        .namespace
        .as_deref()
        .ok_or_else(|| lacking("metadata.namespace"))?;
    let name = observed
        .meta()
        .name
        .as_deref()
        .ok_or_else(|| lacking("metadata.name"))?;
    let uid = observed
        .meta()
        .uid
        .as_deref()
        .ok_or_else(|| lacking("metadata.uid"))?;
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let params = PatchParams {
        field_manager: Some(manager.to_owned()),
        ..PatchParams::default()
    };
    let patch = replacement(uid, status)
        .map_err(|source| ApplyError::new(action, id(), kube::Error::SerdeError(source)))?;
    api.patch_status(name, &params, &Patch::Json::<()>(patch))
        .await
        .map_err(|source| refused(action, id(), source))?;
    Ok(true)
}

/// The JSON patch (RFC 6902). Its test of the UID keeps the status of an object from another one that was created under the same
/// name: the API server ignores the UID of a merge patch or of an applied configuration for the status subresource.
fn replacement(uid: &str, status: Value) -> Result<json_patch::Patch, serde_json::Error> {
    let patch = json!([
        {"op": "test", "path": UID, "value": uid},
        {"op": "add", "path": "/status", "value": status},
    ]);
    serde_json::from_value(patch)
}

/// A test that failed is a conflict: the object is another one by now.
fn refused(action: &'static str, object: ObjectId, source: kube::Error) -> ApplyError {
    match source {
        kube::Error::Api(status) if is_of_another(&status) => ApplyError::Conflict {
            action,
            object,
            source: kube::Error::Api(status).into(),
        },
        other => ApplyError::new(action, object, other),
    }
}

/// Whether the patch's test failed. The API server responds with 422 without an object or a cause then; its response to a status
/// that the schema refuses has both.
fn is_of_another(status: &Status) -> bool {
    const UNPROCESSABLE: u16 = 422;
    let names_something = |details: &StatusDetails| !(details.kind.is_empty() && details.causes.is_empty());
    status.code == UNPROCESSABLE && !status.details.as_ref().is_some_and(names_something)
}

/// The status to write, with transition times of unchanged conditions kept; `None` when nothing changes.
fn changed(current: &Value, wanted: Value) -> Option<Value> {
    let settled = keep_transition_times(current, wanted);
    let empty = |value: &Value| value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
    let same = *current == settled || (empty(current) && empty(&settled));
    (!same).then_some(settled)
}

fn keep_transition_times(current: &Value, mut wanted: Value) -> Value {
    let old = current.get("conditions").and_then(Value::as_array);
    let new = wanted.get_mut("conditions").and_then(Value::as_array_mut);
    for condition in new.into_iter().flatten() {
        let same =
            |c: &&Value| c.get("type") == condition.get("type") && c.get("status") == condition.get("status");
        let kept = old
            .into_iter()
            .flatten()
            .find(same)
            .and_then(|c| c.get("lastTransitionTime"))
            .cloned();
        if let Some(time) = kept {
            condition["lastTransitionTime"] = time;
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(status: &str, time: &str, message: &str) -> Value {
        json!({"phase": "Ready", "conditions": [
            {"type": "Ready", "status": status, "lastTransitionTime": time, "message": message}]})
    }

    #[test]
    fn a_later_look_at_the_same_state_is_not_written() {
        assert_eq!(changed(&ready("True", "t1", ""), ready("True", "t2", "")), None);
    }

    #[test]
    fn a_new_message_is_written_with_the_old_transition_time() {
        assert_eq!(
            changed(&ready("True", "t1", ""), ready("True", "t2", "new")),
            Some(ready("True", "t1", "new"))
        );
    }

    #[test]
    fn a_new_status_is_written_with_its_own_time() {
        assert_eq!(
            changed(&ready("True", "t1", ""), ready("False", "t2", "")),
            Some(ready("False", "t2", ""))
        );
    }

    #[test]
    fn an_empty_status_is_as_good_as_none() {
        assert_eq!(changed(&Value::Null, json!({})), None);
        assert_eq!(
            changed(&Value::Null, json!({"phase": "Ready"})),
            Some(json!({"phase": "Ready"}))
        );
    }
}
