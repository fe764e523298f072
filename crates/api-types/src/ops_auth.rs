//! What a `RotateAuth` changes, fixed when it begins. Not part of KubeDB's API.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::postgres::{AuthSecret, PostgresSpec};

/// Where the superuser's credentials are named, before and after.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthPlan {
    /// `spec.authSecret` when the operation began.
    #[serde(default)]
    pub found: AuthSettings,
    /// `spec.authSecret` when the operation has ended.
    #[serde(default)]
    pub after: AuthSettings,
    /// Name of the Secret with the new credentials.
    #[serde(default)]
    pub secret: String,
    /// Whether the operator makes the password and writes it there. Default `false`.
    #[serde(default)]
    pub generated: bool,
}

/// The fields of `Postgres.spec` that a `RotateAuth` may change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthSettings {
    /// `spec.authSecret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_secret: Option<AuthSecret>,
}

impl AuthSettings {
    /// The settings of a spec.
    pub fn of(spec: &PostgresSpec) -> Self {
        Self {
            auth_secret: spec.auth_secret.clone(),
        }
    }

    /// Writes them into a spec.
    pub fn write(&self, spec: &mut PostgresSpec) {
        spec.auth_secret.clone_from(&self.auth_secret);
    }
}
