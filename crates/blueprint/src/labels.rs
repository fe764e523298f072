//! Labels, owner references and metadata of the children.

use std::collections::BTreeMap;

use api_types::Postgres;
use api_types::vocabulary as words;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;

use crate::deployment_tools::{is_mark, is_within};
use crate::resolved::Resolved;

/// Label keys that a user's labels never override on a child.
const OWNED: [&str; 3] = [words::NAME_LABEL, words::INSTANCE_LABEL, words::MANAGED_BY_LABEL];

/// Domain whose label keys are the operators' own.
const OWNED_DOMAIN: &str = "kubedb.com";

/// Labels by which a database's Pods are found.
pub fn selector(db: &str) -> BTreeMap<String, String> {
    [
        (words::NAME_LABEL, words::NAME_VALUE),
        (words::INSTANCE_LABEL, db),
        (words::MANAGED_BY_LABEL, words::MANAGED_BY_VALUE),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}

/// Labels of every child.
pub(crate) fn offshoot(db: &str, user: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut labels = selector(db);
    labels.insert(
        words::COMPONENT_LABEL.to_owned(),
        words::COMPONENT_VALUE.to_owned(),
    );
    labels.extend(inheritable(user));
    labels
}

/// A user's labels without those that belong to the operators or to a deployment tool.
pub(crate) fn inheritable(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    labels
        .iter()
        .filter(|(key, _)| !is_owned(key) && !is_mark(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Whether a key belongs to the operators.
pub(crate) fn is_owned(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    OWNED.contains(&key) || is_within(domain, OWNED_DOMAIN)
}

/// Controller owner reference to a Postgres.
pub(crate) fn owner_reference(name: &str, uid: &str) -> OwnerReference {
    OwnerReference {
        api_version: Postgres::api_version(&()).into_owned(),
        kind: Postgres::kind(&()).into_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// Metadata of a child of this name.
pub(crate) fn child(resolved: &Resolved, name: impl Into<String>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.into()),
        namespace: Some(resolved.namespace.clone()),
        labels: Some(resolved.labels()),
        owner_references: Some(vec![resolved.owner_reference()]),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_cannot_take_over_owned_labels() {
        let user: BTreeMap<String, String> = [
            ("app.kubernetes.io/instance", "x"),
            ("kubedb.com/role", "primary"),
            ("ops.kubedb.com/x", "y"),
            ("app.kubernetes.io/component", "mine"),
            ("notkubedb.com/x", "kept"),
            ("team", "a"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        let labels = offshoot("pg", &user);
        assert_eq!(labels["app.kubernetes.io/instance"], "pg");
        assert_eq!(labels["app.kubernetes.io/component"], "mine");
        assert_eq!(labels["team"], "a");
        assert_eq!(labels["notkubedb.com/x"], "kept");
        assert_eq!(labels.len(), 6);
    }
}
