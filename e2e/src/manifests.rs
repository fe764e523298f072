//! The YAML that the demo shows and the tests use, written as KubeDB's documents write theirs.

use anyhow::{Context, Result};
use api_types::Postgres;
use api_types::tls::{IssuerRef, TlsConfig};
use k8s_openapi::serde_json::Value;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client, ResourceExt};
use serde::Deserialize;

use crate::cluster::{FIELD_MANAGER, TestNamespace};

/// Environment variable: name of the PostgresVersion that databases are made with.
pub const VERSION: &str = "SEALWRIGHT_E2E_VERSION";

/// A three-member database.
pub const HA_POSTGRES: &str = include_str!("../manifests/ha-postgres.yaml");
/// A database of one member.
pub const STANDALONE: &str = include_str!("../manifests/standalone.yaml");
/// Two CAs and their Issuers, `pg-issuer` and `pg-new-issuer`.
pub const ISSUERS: &str = include_str!("../manifests/issuers.yaml");
/// A ClusterIssuer, `sealwright-e2e`.
pub const CLUSTER_ISSUER: &str = include_str!("../manifests/cluster-issuer.yaml");
/// Add TLS, clients prove themselves by certificate.
pub const ADD_TLS: &str = include_str!("../manifests/add-tls.yaml");
/// Add TLS, clients go on using passwords.
pub const ADD_TLS_MD5: &str = include_str!("../manifests/add-tls-md5.yaml");
/// Issue every certificate anew.
pub const ROTATE_TLS: &str = include_str!("../manifests/rotate-tls.yaml");
/// Move to the other Issuer.
pub const CHANGE_ISSUER: &str = include_str!("../manifests/change-issuer.yaml");
/// Move to the ClusterIssuer.
pub const CHANGE_TO_CLUSTER_ISSUER: &str = include_str!("../manifests/change-to-cluster-issuer.yaml");
/// Give the server certificate more names and another lifetime.
pub const UPDATE_CERTIFICATES: &str = include_str!("../manifests/update-certificates.yaml");
/// Take TLS away.
pub const REMOVE_TLS: &str = include_str!("../manifests/remove-tls.yaml");
/// Make all Pods anew.
pub const RESTART: &str = include_str!("../manifests/restart.yaml");

/// TLS by the first Issuer of [`ISSUERS`], with nothing out of the ordinary.
pub fn plain_tls() -> TlsConfig {
    TlsConfig {
        issuer_ref: Some(IssuerRef {
            api_group: Some("cert-manager.io".to_owned()),
            kind: "Issuer".to_owned(),
            name: "pg-issuer".to_owned(),
        }),
        certificates: vec![],
    }
}

/// Parses the one document of a manifest.
pub fn parse<K: for<'de> Deserialize<'de>>(yaml: &str) -> Result<K> {
    serde_yaml::from_str(yaml).context("manifest")
}

/// The manifest of a `ReconfigureTLS`, with `spec.tls.restart`.
pub fn with_restart(yaml: &str, restart: &str) -> String {
    yaml.replace("\n  tls:\n", &format!("\n  tls:\n    restart: \"{restart}\"\n"))
}

/// Lays a manifest over another one: maps are merged, everything else is replaced.
pub fn laid_over(base: &mut Value, more: &Value) {
    match (base, more) {
        (Value::Object(base), Value::Object(more)) => {
            for (key, value) in more {
                laid_over(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, more) => *base = more.clone(),
    }
}

/// Applies every document, in order, into the namespace (a document that names its own goes there).
pub async fn apply(namespace: &TestNamespace, yaml: &str) -> Result<Vec<DynamicObject>> {
    let mut applied = Vec::new();
    for document in serde_yaml::Deserializer::from_str(yaml) {
        let mut object = DynamicObject::deserialize(document).context("manifest")?;
        choose_version(&mut object);
        applied.push(apply_one(&namespace.client, &namespace.name, &object).await?);
    }
    Ok(applied)
}

/// Creates a Postgres from this manifest, changed by `change`.
pub async fn create_postgres(
    namespace: &TestNamespace,
    yaml: &str,
    change: impl FnOnce(&mut Postgres),
) -> Result<Postgres> {
    let mut postgres: Postgres = parse(yaml)?;
    if let Ok(version) = std::env::var(VERSION) {
        postgres.spec.version = version;
    }
    change(&mut postgres);
    Ok(namespace.api().create(&PostParams::default(), &postgres).await?)
}

async fn apply_one(client: &Client, namespace: &str, object: &DynamicObject) -> Result<DynamicObject> {
    let types = object.types.clone().context("apiVersion and kind")?;
    let kind = GroupVersionKind::try_from(&types).context("apiVersion")?;
    let resource = ApiResource::from_gvk(&kind);
    let namespace = object.namespace().unwrap_or_else(|| namespace.to_owned());
    let api: Api<DynamicObject> = match kind.kind.as_str() {
        "ClusterIssuer" | "Namespace" => Api::all_with(client.clone(), &resource),
        _ => Api::namespaced_with(client.clone(), &namespace, &resource),
    };
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let name = object.name_any();
    api.patch(&name, &params, &Patch::Apply(object))
        .await
        .with_context(|| format!("{} {namespace}/{name}", kind.kind))
}

fn choose_version(object: &mut DynamicObject) {
    let Ok(version) = std::env::var(VERSION) else {
        return;
    };
    if object.types.as_ref().is_some_and(|t| t.kind == "Postgres") {
        object.data["spec"]["version"] = Value::String(version);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api_types::PostgresOpsRequest;

    #[test]
    fn every_manifest_is_of_the_api() {
        for yaml in [HA_POSTGRES, STANDALONE] {
            parse::<Postgres>(yaml).expect("a Postgres");
        }
        let requests = [
            ADD_TLS,
            ADD_TLS_MD5,
            ROTATE_TLS,
            CHANGE_ISSUER,
            CHANGE_TO_CLUSTER_ISSUER,
            UPDATE_CERTIFICATES,
            REMOVE_TLS,
            RESTART,
        ];
        for yaml in requests {
            parse::<PostgresOpsRequest>(yaml).expect("a PostgresOpsRequest");
        }
    }
}
