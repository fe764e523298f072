//! What a `ForceFailOver` fixes before it acts. Not part of KubeDB's API.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The members that may be promoted, and what each lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailoverPlan {
    /// The last primary that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_primary: Option<String>,
    /// The timeline that it wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<u32>,
    /// Where its WAL ended at least, as PostgreSQL writes a place in the WAL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    /// The members that may be promoted, in the order in which they are tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<FailoverCandidate>,
}

/// A member that may be promoted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailoverCandidate {
    /// Its Pod.
    pub pod: String,
    /// The timeline that it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<u32>,
    /// Where the WAL ends that it has received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<String>,
    /// Where the WAL ends that it has replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed: Option<String>,
    /// When the last transaction was committed that it has replayed, as PostgreSQL writes a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_commit: Option<String>,
    /// Bytes of WAL of the last primary that it lacks at least; absent when that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_bytes: Option<i64>,
    /// Why it can't be promoted now; absent when it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfit: Option<String>,
}

impl FailoverPlan {
    /// The candidate that is tried first.
    pub fn first_fit(&self) -> Option<&FailoverCandidate> {
        self.candidates.iter().find(|candidate| candidate.unfit.is_none())
    }
}
