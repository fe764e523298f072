//! The parameters that members are to have in force, and what changes between two configurations.

use std::collections::BTreeSet;

use api_types::Major;
use serde_json::{Map, Value, json};

use crate::pg::catalog::{self, Context, Kind};
use crate::pg::conf::Parameters;
use crate::pg::dynamic::goes_down_on_the_primary_first;
use crate::pg::parameters::{self, MARK};
use crate::pg::value::{self, Value as Read};
use crate::resolved::Resolved;

/// Patroni's defaults for members (Patroni 4, `CMDLINE_OPTIONS`), of parameters that users may set.
const PATRONIS: [(&str, &str); 5] = [
    ("max_connections", "100"),
    ("max_locks_per_transaction", "64"),
    ("max_prepared_transactions", "0"),
    ("max_worker_processes", "8"),
    ("track_commit_timestamp", "off"),
];

/// What members of this database are to have, by name.
pub fn in_force(resolved: &Resolved) -> Parameters {
    let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let mut all: Parameters = PATRONIS.iter().map(text).collect();
    all.extend(parameters::dynamic(resolved));
    // A member's file wins.
    all.extend(parameters::local(resolved));
    all.remove(MARK);
    all
}

/// The value of [`MARK`] in the members' file.
pub fn mark(resolved: &Resolved) -> String {
    parameters::local(resolved).remove(MARK).unwrap_or_default()
}

/// A parameter that is to have another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterChange {
    /// Its name.
    pub name: String,
    /// The value that it had; none when PostgreSQL's default was in force.
    pub old: Option<String>,
    /// The value that it gets; none when it is PostgreSQL's default.
    pub new: Option<String>,
    /// PostgreSQL's `pg_settings.context`; none for a parameter that it does not know, such as an extension's.
    pub context: Option<&'static str>,
    /// Members take it when they start.
    pub needs_restart: bool,
    /// It goes down, and the primary must take it before a standby can.
    pub is_lowered: bool,
    /// Its values may be shown. A text may be a password, and come from a Secret.
    pub is_public: bool,
}

/// What is different in the second configuration, by name; all of it when the first one is not known.
pub fn changes(before: Option<&Resolved>, after: &Resolved) -> Vec<ParameterChange> {
    let (old, new) = (before.map(in_force).unwrap_or_default(), in_force(after));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| change(after.major, name, old.get(name), new.get(name)))
        .collect()
}

fn change(major: Major, name: &str, old: Option<&String>, new: Option<&String>) -> Option<ParameterChange> {
    let is_same = match (old, new) {
        (Some(old), Some(new)) => is_same_value(major, name, old, new),
        _ => false,
    };
    let text = |value: Option<&String>| value.map(|text| json!(text));
    let known = known(major, name);
    (!is_same).then(|| ParameterChange {
        name: name.to_owned(),
        old: old.cloned(),
        new: new.cloned(),
        context: known.map(|known| known.context_word),
        needs_restart: needs_restart(major, name),
        is_lowered: goes_down_on_the_primary_first(name, text(old).as_ref(), text(new).as_ref()),
        is_public: known.is_some_and(|known| known.kind != Kind::Text),
    })
}

/// Whether members take a parameter only when they start.
pub fn needs_restart(major: Major, name: &str) -> bool {
    known(major, name).is_some_and(|known| known.context == Context::Start)
        || PATRONIS.iter().any(|(patronis, _)| *patronis == name)
}

fn known(major: Major, name: &str) -> Option<&'static catalog::Parameter> {
    catalog::table(major)?.get(&name.to_lowercase())
}

/// Whether two texts are one value of a parameter: `512MB` and `524288kB`.
pub fn is_same_value(major: Major, name: &str, one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    let Some(parameter) = known(major, name) else {
        return false;
    };
    let read = |text| value::read(parameter, text).ok();
    match (read(one), read(other)) {
        (Some(Read::Text), Some(Read::Text)) => match &parameter.kind {
            Kind::Enum { .. } => {
                one.eq_ignore_ascii_case(other)
                    || value::read_bool(one).is_some() && value::read_bool(one) == value::read_bool(other)
            }
            _ => words(one) == words(other),
        },
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// The items of a list: PostgreSQL shows `a, b` for `a,b`.
fn words(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).collect()
}

/// The merge patch (RFC 7396) that brings Patroni's dynamic configuration from what it is now to the parameters of `after`; none
/// when it has them. Parameters that only `before` has are taken away, and those of others stay.
pub fn dynamic_patch(before: Option<&Resolved>, after: &Resolved, now: &Value) -> Option<Value> {
    let has = now
        .pointer("/postgresql/parameters")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let wanted = parameters::dynamic(after);
    let mut patch = Map::new();
    for (name, value) in &wanted {
        if !has.get(name).is_some_and(|found| is_text(found, value)) {
            patch.insert(name.clone(), json!(value));
        }
    }
    let former = before.map(parameters::dynamic).unwrap_or_default();
    for name in former.keys().filter(|name| !wanted.contains_key(*name)) {
        if has.contains_key(name) {
            patch.insert(name.clone(), Value::Null);
        }
    }
    (!patch.is_empty()).then(|| json!({"postgresql": {"parameters": patch}}))
}

fn is_text(found: &Value, wanted: &str) -> bool {
    let text = match found {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text == wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEVENTEEN: Major = Major::new(17);

    #[test]
    fn one_value_has_many_spellings() {
        for (name, one, other) in [
            ("shared_buffers", "512MB", "524288kB"),
            ("work_mem", "4096", "4MB"),
            ("jit", "on", "true"),
            ("synchronous_commit", "on", "ON"),
            ("wal_compression", "on", "yes"),
            ("shared_preload_libraries", "a,b", "a, b"),
            ("DateStyle", "ISO, MDY", "ISO,MDY"),
            ("made.up", "x", "x"),
        ] {
            assert!(
                is_same_value(SEVENTEEN, name, one, other),
                "{name}: {one} {other}"
            );
        }
        for (name, one, other) in [
            ("shared_buffers", "512MB", "513MB"),
            ("jit", "on", "off"),
            ("made.up", "x", "y"),
            ("wal_compression", "pglz", "zstd"),
        ] {
            assert!(
                !is_same_value(SEVENTEEN, name, one, other),
                "{name}: {one} {other}"
            );
        }
    }

    #[test]
    fn a_change_tells_whether_a_restart_is_needed_and_in_which_order() {
        let of = |name: &str, old: &str, new: &str| {
            change(SEVENTEEN, name, Some(&old.to_owned()), Some(&new.to_owned())).expect("a change")
        };
        assert!(!of("work_mem", "4MB", "8MB").needs_restart);
        let lowered = of("max_connections", "200", "100");
        assert!(lowered.needs_restart && lowered.is_lowered && lowered.is_public);
        assert!(!of("max_connections", "100", "200").is_lowered);
        let text = of("shared_preload_libraries", "a", "b");
        assert!(text.needs_restart && !text.is_public);
        assert_eq!(
            change(
                SEVENTEEN,
                "work_mem",
                Some(&"4MB".to_owned()),
                Some(&"4096kB".to_owned())
            ),
            None
        );
    }
}
