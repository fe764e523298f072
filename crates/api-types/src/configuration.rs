//! `spec.configuration`: PostgreSQL parameters of the user.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules;

/// PostgreSQL parameters of the user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    /// Secret with the key `user.conf`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// Parameters inline; the only key is `user.conf`. They win over the Secret's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    #[x_kube(validation = Rule::new(rules::INLINE_KEY).message(rules::INLINE_KEY_MESSAGE))]
    pub inline: BTreeMap<String, String>,
    /// Parameters that are computed from the members' memory, processors and volume. Those of `secretName` and `inline` win.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Tuning>,
}

/// Input for computed parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tuning {
    /// `web`, `oltp`, `dw`, `mixed` or `desktop`. Default `mixed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["web", "oltp", "dw", "mixed", "desktop"]))]
    pub profile: Option<String>,
    /// `max_connections` to compute for. Default: the profile's, as far as the memory holds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<i32>,
    /// `ssd`, `hdd` or `san`. Default `ssd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["ssd", "hdd", "san"]))]
    pub storage_type: Option<String>,
    /// Compute nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable_auto_tune: Option<bool>,
}
