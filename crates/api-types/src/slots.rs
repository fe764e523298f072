//! Replication slots that Sealwright did not make, and what happens to them when another member becomes the primary.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A replication slot that Sealwright did not make. Not part of KubeDB's API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplicationSlot {
    /// Its name.
    pub name: String,
    /// What reads from it.
    #[serde(rename = "type")]
    pub type_: ReplicationSlotType,
    /// The database of a logical slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The Pod that was the primary when the slot was found on it.
    pub pod: String,
    /// What happens to it when another member becomes the primary.
    pub failover: SlotFailover,
}

/// What reads from a replication slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ReplicationSlotType {
    /// A reader of WAL: a standby, a WAL archiver.
    #[default]
    Physical,
    /// A reader of changes of rows: a subscription, change data capture.
    Logical,
}

/// What happens to a replication slot when another member becomes the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SlotFailover {
    /// A standby has a copy of it; or the database has one member, which stays the primary.
    Kept,
    /// It is logical and was made without `failover => true`, or PostgreSQL is older than 17: no standby has a copy.
    NotKept,
    /// No standby has a copy yet.
    NotCopied,
    /// Another member has become the primary since: what is left of the slot on its Pod holds WAL until it is dropped.
    LeftBehind,
}

impl SlotFailover {
    /// What happens to a slot of the primary when another member becomes the primary. `has_copy`: whether one of the members that
    /// may become it has a copy; it is called only where there can be one.
    pub fn of(type_: ReplicationSlotType, is_failover: bool, has_copy: impl FnOnce() -> bool) -> Self {
        if type_ == ReplicationSlotType::Logical && !is_failover {
            Self::NotKept
        } else if has_copy() {
            Self::Kept
        } else {
            Self::NotCopied
        }
    }
}

/// A replication slot that is lost when another member becomes the primary. Not part of KubeDB's API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedSlotLoss {
    /// Its name.
    pub name: String,
    /// What reads from it.
    #[serde(rename = "type")]
    pub type_: ReplicationSlotType,
    /// The database of a logical slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Why it is lost.
    pub cause: SlotFailover,
}
