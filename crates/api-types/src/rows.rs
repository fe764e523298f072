//! What is known of members that lack rows, and of WAL that was lost (`Postgres.status`). Not part of KubeDB's API.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A standby that is known not to stream from the primary: it lacks rows, and is not promoted while it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StaleStandby {
    /// Its Pod.
    pub pod: String,
    /// When it was found.
    pub since: Time,
}

/// The last primary that was known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastPrimary {
    /// Its Pod.
    pub pod: String,
    /// The timeline that it wrote.
    pub timeline: u32,
    /// Where its WAL ended at least, as PostgreSQL writes a place in the WAL; absent while it is the primary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
}

/// WAL that the member lacked which became the primary. Rows whose commit was acknowledged may be in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LostWal {
    /// The timeline that it was on.
    pub timeline: u32,
    /// Where the new primary left that timeline.
    pub from: String,
    /// Where the former primary's WAL ended at least.
    pub to: String,
    /// What lies between the two, in bytes.
    pub bytes: i64,
    /// The Pod that was the primary.
    pub former_primary: String,
    /// The Pod that became it.
    pub primary: String,
    /// When it was found.
    pub at: Time,
}
