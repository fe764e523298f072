//! The Secret with the superuser's credentials.

use std::collections::BTreeMap;

use api_types::vocabulary::AUTH_ACTIVE_FROM;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use crate::credentials::{PASSWORD, USERNAME};
use crate::deployment_tools::prune_guards;
use crate::labels;
use crate::resolved::Resolved;

/// Type of the Secret, a type of Kubernetes: keys `username` and `password`.
const BASIC_AUTH: &str = "kubernetes.io/basic-auth";

/// The auth Secret, for databases whose user brings none. `now` is written down as the time since which it is in force.
pub fn auth_secret(resolved: &Resolved, password: &str, now: Timestamp) -> Secret {
    let mut metadata = labels::child(resolved, &resolved.auth_secret);
    // It outlives the Postgres unless the deletion policy is WipeOut.
    let mut annotations = prune_guards();
    annotations.insert(
        AUTH_ACTIVE_FROM.to_owned(),
        // Whole seconds, as metav1.Time.
        now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    );
    metadata.annotations = Some(annotations);
    Secret {
        metadata,
        type_: Some(BASIC_AUTH.to_owned()),
        data: Some(BTreeMap::from([
            (
                USERNAME.to_owned(),
                ByteString(resolved.username.clone().into_bytes()),
            ),
            (PASSWORD.to_owned(), ByteString(password.as_bytes().to_vec())),
        ])),
        ..Secret::default()
    }
}
