//! How much memory the container `postgres` needs at least.

use std::fmt;

use crate::pg::catalog::{Context, Kind, Parameter, Range};
use crate::pg::parameters;
use crate::pg::value::{self, Value};
use crate::quantity;
use crate::resolved::Resolved;

/// Bytes in a mebibyte.
const MEBIBYTE: i64 = 1 << 20;
/// Bytes that Patroni and the processes of PostgreSQL itself take (measured: 62 MB beside an idle server).
pub(crate) const BESIDE: i64 = 64 * MEBIBYTE;
/// Bytes of an idle session. One that sorts takes `work_mem` besides, so this is a floor.
pub(crate) const SESSION: i64 = MEBIBYTE;
/// PostgreSQL's default of `max_connections`.
const DEFAULT_CONNECTIONS: i64 = 100;
/// Bytes of a buffer: the unit of `shared_buffers`.
const BUFFER: f64 = 8192.0;

/// `shared_buffers` as `pg_settings` has it in every version.
const SHARED_BUFFERS: Parameter = Parameter {
    name: "shared_buffers",
    kind: Kind::Integer(Range {
        unit: "8kB",
        min: 16.0,
        max: 1_073_741_823.0,
    }),
    context: Context::Start,
    context_word: "postmaster",
};

/// Memory limit of the container `postgres` in bytes; none when it has no limit.
pub fn memory_limit(resolved: &Resolved) -> Option<i64> {
    quantity::memory_limit(&resolved.resources)
}

/// The least memory with which members can serve all their connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryNeed {
    /// `shared_buffers` as members have it in their configuration.
    pub shared_buffers: String,
    /// The same in bytes.
    pub shared_buffers_bytes: i64,
    /// `max_connections`.
    pub connections: i64,
}

impl MemoryNeed {
    /// What members of this database need.
    pub fn of(resolved: &Resolved) -> Self {
        let local = parameters::local(resolved);
        let shared_buffers = local.get(SHARED_BUFFERS.name).cloned().unwrap_or_default();
        let dynamic = parameters::dynamic(resolved);
        let connections = dynamic.get("max_connections");
        Self {
            shared_buffers_bytes: bytes_of(&shared_buffers),
            shared_buffers,
            connections: connections
                .and_then(|text| text.parse().ok())
                .unwrap_or(DEFAULT_CONNECTIONS),
        }
    }

    /// All of it in bytes.
    pub fn bytes(&self) -> i64 {
        self.shared_buffers_bytes
            .saturating_add(self.connections.saturating_mul(SESSION))
            .saturating_add(BESIDE)
    }

    /// All of it in mebibytes, rounded up.
    pub fn mebibytes(&self) -> i64 {
        self.bytes().saturating_add(MEBIBYTE - 1) / MEBIBYTE
    }
}

impl fmt::Display for MemoryNeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "shared_buffers {}, 1MB for each of {} connections, and {}MB for Patroni and PostgreSQL's own processes make {}Mi",
            self.shared_buffers,
            self.connections,
            BESIDE / MEBIBYTE,
            self.mebibytes()
        )
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "at most 2^30 buffers of 2^13 bytes"
)]
fn bytes_of(shared_buffers: &str) -> i64 {
    match value::read(&SHARED_BUFFERS, shared_buffers) {
        Ok(Value::Number(buffers)) => (buffers * BUFFER) as i64,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_need_is_buffers_sessions_and_what_runs_beside() {
        let need = MemoryNeed {
            shared_buffers: "256MB".into(),
            shared_buffers_bytes: bytes_of("256MB"),
            connections: 100,
        };
        assert_eq!(need.mebibytes(), 256 + 100 + 64);
        assert!(need.to_string().ends_with("make 420Mi"), "{need}");
    }

    #[test]
    fn shared_buffers_are_read_as_postgres_reads_them() {
        for (text, bytes) in [
            ("262144kB", 256 << 20),
            ("2048MB", 2 << 30),
            ("0.5GB", 512 << 20),
            ("16384", 128 << 20),
        ] {
            assert_eq!(bytes_of(text), bytes, "{text}");
        }
    }
}
