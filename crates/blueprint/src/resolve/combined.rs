//! Parameters that contradict each other, the container, or the certificates.

use api_types::vocabulary::USER_CONF;

use super::parameters::Written;
use super::{Findings, ResolveInput, settings, tls_parameters};
use crate::pg::catalog::{self, Kind};
use crate::pg::conf::Parameters;
use crate::pg::value::{self, Value, read_bool};
use crate::quantity;

/// Least size of `max_wal_size` and `min_wal_size` in megabytes: two segments.
const TWO_SEGMENTS: f64 = 32.0;
/// Kilobytes of stack that PostgreSQL may use: Linux' 8 MiB without the 512 kB that PostgreSQL keeps free.
const STACK: f64 = 7680.0;

/// The user's parameters, with what they mean together.
pub(super) struct Combined<'a> {
    pub input: &'a ResolveInput<'a>,
    written: &'a Written,
    parameters: &'a Parameters,
    findings: &'a mut Findings,
}

pub(super) fn check(
    input: &ResolveInput<'_>,
    written: &Written,
    parameters: &Parameters,
    findings: &mut Findings,
) {
    let mut combined = Combined {
        input,
        written,
        parameters,
        findings,
    };
    connections(&mut combined);
    wal_sizes(&mut combined);
    archive(&mut combined);
    memory(&mut combined);
    tls_parameters::check(&mut combined);
}

impl Combined<'_> {
    /// The user's text for a parameter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The user's number, in the parameter's unit.
    fn number(&self, name: &str) -> Option<f64> {
        let parameter = catalog::table(self.input.major)?.get(name)?;
        match value::read(parameter, self.text(name)?) {
            Ok(Value::Number(number)) => Some(number),
            _ => None,
        }
    }

    /// The user's amount of memory, in bytes.
    fn bytes(&self, name: &str) -> Option<f64> {
        let Kind::Integer(range) = catalog::table(self.input.major)?.get(name)?.kind else {
            return None;
        };
        Some(self.number(name)? * value::unit_bytes(range.unit)?)
    }

    pub fn refuse(&mut self, name: &str, why: &str) {
        let field = self
            .written
            .get(name)
            .map_or("spec.configuration", |(field, _)| field);
        self.findings.add(field, format!("{USER_CONF}, {name}: {why}"));
    }
}

/// PostgreSQL does not start when it keeps all connections back.
fn connections(combined: &mut Combined<'_>) {
    let tuned = settings::tuned(combined.input);
    let computed = tuned.get("max_connections").and_then(|text| text.parse().ok());
    let all = combined.number("max_connections").or(computed).unwrap_or(100.0);
    let kept = combined.number("superuser_reserved_connections").unwrap_or(3.0)
        + combined.number("reserved_connections").unwrap_or(0.0);
    if kept >= all {
        let name = ["reserved_connections", "superuser_reserved_connections"]
            .into_iter()
            .find(|name| combined.text(name).is_some())
            .unwrap_or("max_connections");
        combined.refuse(
            name,
            &format!("{kept} connections are kept back and there are {all}; raise max_connections, or keep fewer back"),
        );
    }
}

fn wal_sizes(combined: &mut Combined<'_>) {
    for name in ["min_wal_size", "max_wal_size"] {
        if combined.number(name).is_some_and(|size| size < TWO_SEGMENTS) {
            combined.refuse(name, "it must hold two segments of WAL; write 32MB or more");
        }
    }
}

/// WAL that is to be archived and is not stays until the volume is full.
fn archive(combined: &mut Combined<'_>) {
    let mode = combined.text("archive_mode").unwrap_or("off");
    let is_on = mode.eq_ignore_ascii_case("always") || read_bool(mode) == Some(true);
    let is_empty = |name| {
        combined
            .text(name)
            .is_none_or(|text: &str| text.trim().is_empty())
    };
    if is_on && is_empty("archive_command") && is_empty("archive_library") {
        combined.refuse(
            "archive_mode",
            "without archive_command or archive_library all WAL is kept until the volume is full; write one of them, or archive_mode = off",
        );
    }
}

#[allow(clippy::cast_precision_loss, reason = "amounts of memory are far below 2^53")]
fn memory(combined: &mut Combined<'_>) {
    let resources = settings::resources(combined.input);
    let limit = quantity::memory_limit(&resources).map(|bytes| bytes as f64);
    let limits = resources.limits.unwrap_or_default();
    if let (Some(buffers), Some(limit)) = (combined.bytes("shared_buffers"), limit)
        && buffers >= limit
    {
        combined.refuse(
            "shared_buffers",
            "it is not smaller than the memory limit of the container postgres, so PostgreSQL could not start; write less, for example a quarter of the limit",
        );
    }
    let wants_huge = combined.text("huge_pages").and_then(read_bool) == Some(true);
    if wants_huge && !limits.keys().any(|name| name.starts_with("hugepages-")) {
        combined.refuse(
            "huge_pages",
            "the container postgres has no limit of hugepages-2Mi or hugepages-1Gi, so PostgreSQL could not start; write huge_pages = try, or give it the limit",
        );
    }
    if combined
        .number("max_stack_depth")
        .is_some_and(|depth| depth > STACK)
    {
        combined.refuse(
            "max_stack_depth",
            "a container's stack is 8 MiB; write 7680kB or less",
        );
    }
}
