//! The objects that a database consists of, as one type: every kind the provisioner applies, compares and prunes.

use api_types::cert_manager::Certificate;
use api_types::vocabulary::{INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGED_BY_VALUE, NAME_LABEL, NAME_VALUE};
use api_types::{AppBinding, PetSet};
use k8s_openapi::api::core::v1::{Secret, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::Value;

/// One child, live or as it should be.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "a handful per pass, never stored")]
pub enum Child {
    /// The Pods' identity.
    ServiceAccount(ServiceAccount),
    /// What Patroni may do.
    Role(Role),
    /// Gives the Role to the ServiceAccount; also our own access to the namespace's Secrets.
    RoleBinding(RoleBinding),
    /// The config Secret.
    Secret(Secret),
    /// Primary, standby, governing or stats.
    Service(Service),
    /// How many members may be evicted at once.
    PodDisruptionBudget(PodDisruptionBudget),
    /// A certificate that cert-manager keeps.
    Certificate(Box<Certificate>),
    /// The members.
    PetSet(Box<PetSet>),
    /// How applications connect.
    AppBinding(Box<AppBinding>),
}

/// Runs an expression on the object inside a [`Child`], whatever its kind.
#[macro_export]
macro_rules! for_child {
    ($child:expr, $object:ident => $do:expr) => {
        match $child {
            $crate::child::Child::ServiceAccount($object) => $do,
            $crate::child::Child::Role($object) => $do,
            $crate::child::Child::RoleBinding($object) => $do,
            $crate::child::Child::Secret($object) => $do,
            $crate::child::Child::Service($object) => $do,
            $crate::child::Child::PodDisruptionBudget($object) => $do,
            $crate::child::Child::Certificate(boxed) => {
                let $object = boxed.as_ref();
                $do
            }
            $crate::child::Child::PetSet(boxed) => {
                let $object = boxed.as_ref();
                $do
            }
            $crate::child::Child::AppBinding(boxed) => {
                let $object = boxed.as_ref();
                $do
            }
        }
    };
}

impl Child {
    /// The Kubernetes kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ServiceAccount(_) => "ServiceAccount",
            Self::Role(_) => "Role",
            Self::RoleBinding(_) => "RoleBinding",
            Self::Secret(_) => "Secret",
            Self::Service(_) => "Service",
            Self::PodDisruptionBudget(_) => "PodDisruptionBudget",
            Self::Certificate(_) => "Certificate",
            Self::PetSet(_) => "PetSet",
            Self::AppBinding(_) => "AppBinding",
        }
    }

    /// Its metadata.
    pub fn meta(&self) -> &ObjectMeta {
        for_child!(self, object => &object.metadata)
    }

    /// Its name; empty when it has none, which no object from a server or from the blueprint does.
    pub fn name(&self) -> &str {
        self.meta().name.as_deref().unwrap_or_default()
    }

    /// Whether this is the same object, by kind and name.
    pub fn is_same(&self, other: &Self) -> bool {
        self.kind() == other.kind() && self.name() == other.name()
    }

    /// Whether the Postgres with this UID controls it.
    pub fn is_owned_by(&self, uid: &str) -> bool {
        controller_of(self.meta()) == Some(uid)
    }

    /// Whether another object than the Postgres with this UID controls it.
    pub fn is_owned_by_another_than(&self, uid: &str) -> bool {
        controller_of(self.meta()).is_some_and(|owner| owner != uid)
    }

    /// Whether the live child has every field of the wanted one: same blueprint hash, and no field of ours changed by
    /// hand since.
    pub fn is_up_to_date(&self, wanted: &Self) -> bool {
        !runtime::needs_apply(Some(self.meta()), wanted.meta()) && covers(&self.body(), &wanted.body())
    }

    /// The object without metadata and status.
    fn body(&self) -> Value {
        let mut value = for_child!(self, object => serde_json::to_value(object)).unwrap_or_default();
        if let Some(map) = value.as_object_mut() {
            map.remove("metadata");
            map.remove("status");
        }
        value
    }
}

/// UID of the controller owner.
fn controller_of(meta: &ObjectMeta) -> Option<&str> {
    controller(meta).map(|owner| owner.uid.as_str())
}

/// The owner that controls an object.
pub fn controller(meta: &ObjectMeta) -> Option<&OwnerReference> {
    let mut owners = meta.owner_references.iter().flatten();
    owners.find(|owner| owner.controller == Some(true))
}

/// Whether an object's labels name the database of this name.
pub fn is_labelled_for(meta: &ObjectMeta, db: &str) -> bool {
    let label = |key: &str| {
        meta.labels
            .as_ref()
            .and_then(|labels| labels.get(key))
            .map(String::as_str)
    };
    label(NAME_LABEL) == Some(NAME_VALUE)
        && label(INSTANCE_LABEL) == Some(db)
        && label(MANAGED_BY_LABEL) == Some(MANAGED_BY_VALUE)
}

/// Whether everything in `wanted` is in `live` too. What the API server or others added does not count, and an
/// absent field is as good as an empty one.
fn covers(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (_, wanted) if is_empty(wanted) => true,
        (Value::Object(live), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, wanted)| covers(live.get(key).unwrap_or(&Value::Null), wanted)),
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(live, wanted)| covers(live, wanted))
        }
        (live, wanted) => live == wanted,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.values().all(is_empty),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_server_adds_is_no_difference() {
        let wanted = json!({"spec": {"ports": [{"port": 5432}], "selector": {}, "x": null}});
        let live = json!({"spec": {"ports": [{"port": 5432, "protocol": "TCP"}], "clusterIP": "10.0.0.1"}});
        assert!(covers(&live, &wanted));
    }

    #[test]
    fn a_changed_or_missing_field_is_a_difference() {
        let wanted = json!({"spec": {"replicas": 3}});
        assert!(!covers(&json!({"spec": {"replicas": 2}}), &wanted));
        assert!(!covers(&json!({"spec": {}}), &wanted));
        assert!(!covers(&json!({"a": [1, 2]}), &json!({"a": [1]})));
    }
}
