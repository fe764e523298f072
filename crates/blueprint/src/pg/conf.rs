//! Reading `postgresql.conf` syntax.

use std::collections::BTreeMap;

/// PostgreSQL parameters by name (lower case).
pub type Parameters = BTreeMap<String, String>;
