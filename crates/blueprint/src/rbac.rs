//! ServiceAccount, Role and RoleBinding of the Pods, and the RoleBinding of an operator.

use api_types::{Postgres, names};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::resolved::Resolved;
use crate::{hash, labels};

const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// The Pods' identity. Its token is mounted by the Pod template, which needs it for Patroni.
pub(crate) fn service_account(resolved: &Resolved) -> ServiceAccount {
    ServiceAccount {
        metadata: labels::child(resolved, &resolved.service_account),
        ..ServiceAccount::default()
    }
}

/// What Patroni needs with ConfigMaps as its store: its own ConfigMaps, and the members' Pods with their role label. And
/// what the agent needs: to watch the one Secret that it brings files from. The API server takes the name from the
/// watch's field selector, and a watch begins with the current Secret, so neither `get` nor `list` is needed.
///
/// RBAC prevents escalation: an operator can only grant rights that it holds. So the provisioner has `watch` in the
/// namespaces of databases, by the same RoleBinding as its other rights to Secrets; it makes that one before any child.
pub(crate) fn role(resolved: &Resolved) -> Role {
    let rule = |resource: &str, verbs: &[&str]| PolicyRule {
        api_groups: Some(vec![String::new()]),
        resources: Some(vec![resource.to_owned()]),
        verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
        ..PolicyRule::default()
    };
    Role {
        metadata: labels::child(resolved, &resolved.name),
        rules: Some(vec![
            rule(
                "configmaps",
                &["create", "get", "list", "patch", "update", "watch"],
            ),
            rule("pods", &["get", "list", "patch", "update", "watch"]),
            PolicyRule {
                resource_names: Some(vec![resolved.config_secret_name()]),
                ..rule("secrets", &["watch"])
            },
        ]),
    }
}

/// Gives the Role to the Pods' service account, be it the user's own.
pub(crate) fn role_binding(resolved: &Resolved) -> RoleBinding {
    RoleBinding {
        metadata: labels::child(resolved, &resolved.name),
        role_ref: RoleRef {
            api_group: RBAC_GROUP.to_owned(),
            kind: "Role".to_owned(),
            name: resolved.name.clone(),
        },
        subjects: Some(vec![account(&resolved.namespace, &resolved.service_account)]),
    }
}

/// Lets one operator use the Secrets of a database's namespace: `<db>-<operator>`, owned by the Postgres.
///
/// `cluster_role` is the operator chart's ClusterRole for databases, `service_account` the operator's own (namespace, name).
pub fn operator_role_binding(
    postgres: &Postgres,
    operator: &str,
    cluster_role: &str,
    service_account: (&str, &str),
) -> RoleBinding {
    let meta = &postgres.metadata;
    let db = meta.name.clone().unwrap_or_default();
    let uid = meta.uid.clone().unwrap_or_default();
    let user_labels = meta.labels.clone().unwrap_or_default();
    hash::seal(RoleBinding {
        metadata: ObjectMeta {
            name: Some(names::operator_role_binding(&db, operator)),
            namespace: meta.namespace.clone(),
            labels: Some(labels::offshoot(&db, &user_labels)),
            owner_references: Some(vec![labels::owner_reference(&db, &uid)]),
            ..ObjectMeta::default()
        },
        role_ref: RoleRef {
            api_group: RBAC_GROUP.to_owned(),
            kind: "ClusterRole".to_owned(),
            name: cluster_role.to_owned(),
        },
        subjects: Some(vec![account(service_account.0, service_account.1)]),
    })
}

fn account(namespace: &str, name: &str) -> Subject {
    Subject {
        kind: "ServiceAccount".to_owned(),
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
        ..Subject::default()
    }
}
