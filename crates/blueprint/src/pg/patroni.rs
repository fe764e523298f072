//! Patroni's configuration.

use crate::resolved::Resolved;

/// What Patroni takes from its dynamic configuration only (`PATCH /config`), as it should be for this database.
pub fn dynamic_configuration(_resolved: &Resolved) -> serde_json::Value {
    serde_json::Value::Null
}
