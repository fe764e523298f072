//! The AppBinding: how applications connect.

use api_types::AppBinding;
use api_types::appbinding::{AppBindingSpec, AppRef, ClientConfig, ServiceReference};
use api_types::postgres::LocalRef;
use api_types::tls::{CertificateAlias, SslMode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::labels;
use crate::resolved::Resolved;
use crate::services;
use crate::tls::TlsPhase;

/// Type of the application.
const TYPE: &str = "kubedb.com/postgres";

pub(crate) fn app_binding(resolved: &Resolved) -> AppBinding {
    let mut metadata = labels::child(resolved, &resolved.name);
    metadata.annotations = Some(resolved.annotations.clone());
    AppBinding {
        metadata,
        spec: AppBindingSpec {
            type_: Some(TYPE.to_owned()),
            version: Some(resolved.version.clone()),
            app_ref: Some(AppRef {
                api_group: Some("kubedb.com".to_owned()),
                kind: "Postgres".to_owned(),
                name: resolved.name.clone(),
                namespace: Some(resolved.namespace.clone()),
            }),
            client_config: client_config(resolved),
            secret: Some(reference(&resolved.auth_secret)),
            tls_secret: offers_tls(resolved)
                .then(|| reference(&resolved.certificate_secret(CertificateAlias::Client))),
            parameters: resolved.stash.as_ref().map(parameters),
            secret_transforms: Vec::new(),
        },
    }
}

/// The AppBinding requires TLS of applications once it is enforced, or once it gives them a CA to verify it by.
fn offers_tls(resolved: &Resolved) -> bool {
    match resolved.tls.phase {
        TlsPhase::Off => false,
        TlsPhase::Accept => resolved.tls.app_binding_ca.is_some(),
        TlsPhase::Enforce => true,
    }
}

fn client_config(resolved: &Resolved) -> ClientConfig {
    let tls = offers_tls(resolved);
    let mode = if tls { resolved.ssl_mode } else { SslMode::Disable };
    let ca = resolved.tls.app_binding_ca.as_ref().filter(|_| tls);
    ClientConfig {
        service: Some(ServiceReference {
            scheme: "postgresql".to_owned(),
            name: resolved.name.clone(),
            namespace: None,
            port: services::client_port(resolved),
            path: Some("/".to_owned()),
            query: Some(format!("sslmode={}", mode.as_str())),
        }),
        ca_bundle: ca.map(|pem| STANDARD.encode(pem)),
        ..ClientConfig::default()
    }
}

/// The version's backup tasks, for the backup tool that reads AppBindings.
fn parameters(stash: &serde_json::Value) -> serde_json::Value {
    serde_json::json!({
        "apiVersion": "appcatalog.appscode.com/v1alpha1",
        "kind": "StashAddon",
        "stash": stash,
    })
}

fn reference(name: &str) -> LocalRef {
    LocalRef {
        name: name.to_owned(),
    }
}
