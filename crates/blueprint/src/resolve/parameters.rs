//! The user's PostgreSQL parameters, each examined before a member gets it. Patroni leaves out what it does not know, and
//! PostgreSQL does not start with what it can't read: neither reaches the user.

use std::collections::BTreeMap;

use api_types::Major;
use api_types::vocabulary::USER_CONF;

use super::{Findings, ResolveInput};
use crate::pg::catalog::{self, Context, Parameter};
use crate::pg::conf::Parameters;
use crate::pg::parameters::LEAST;
use crate::pg::value::{self, Value};
use crate::pg::{owned, suggest, words};

/// Parameters that the table of no known version has any more, and what took their place.
const REPLACED: [(&str, &str); 2] = [
    ("wal_keep_segments", "wal_keep_size"),
    ("checkpoint_segments", "max_wal_size"),
];

/// The parameters of both files, by name, with the field that each comes from.
pub(super) type Written = BTreeMap<String, (&'static str, String)>;

/// What is left to give to the members.
#[derive(Default)]
pub(super) struct Judged {
    pub parameters: Parameters,
    /// Parameters that are left out, each with the reason.
    pub not_used: Vec<String>,
}

/// Examines every parameter by itself.
pub(super) fn judge(input: &ResolveInput<'_>, written: &Written, findings: &mut Findings) -> Judged {
    let mut judged = Judged::default();
    for (name, (field, value)) in written {
        if let Some(reason) = owned::reason(name) {
            if !owned::is_ours(name, value, input.spec.tls.is_some()) {
                judged.not_used.push(format!("{name} ({reason})"));
            }
            continue;
        }
        match examine(input.major, name, value) {
            Ok((name, value)) => {
                judged.parameters.insert(name, value);
            }
            Err(why) => findings.add(*field, format!("{USER_CONF}, {name}: {why}")),
        }
    }
    judged
}

/// Patroni writes a value unescaped between quotes, and a quoted value of PostgreSQL ends with its line at the latest: no
/// member could read its file.
const ENDS_THE_VALUE: [char; 2] = ['\n', '\0'];

/// The name and the value that Patroni is given.
fn examine(major: Major, name: &str, value: &str) -> Result<(String, String), String> {
    if value.contains(ENDS_THE_VALUE) {
        return Err(
            "Patroni can't give members a value with a line break or a NUL; write one line".to_owned(),
        );
    }
    let Some(table) = catalog::table(major) else {
        return at_least(name, value.parse().ok()).map(|()| (name.to_owned(), value.to_owned()));
    };
    let name = catalog::present_name(name, major).unwrap_or(name);
    let Some(parameter) = table.get(name) else {
        return unknown(major, name).map(|()| (name.to_owned(), value.to_owned()));
    };
    if parameter.context == Context::Internal {
        return Err("PostgreSQL sets it itself; remove it".to_owned());
    }
    if owned::is_unknown_to_patroni(name, major) {
        return Err(format!(
            "Patroni does not give it to PostgreSQL {major}; remove it, or set it by ALTER SYSTEM"
        ));
    }
    let read = value::read(parameter, value)?;
    let number = match read {
        Value::Number(number) => Some(number),
        _ => None,
    };
    at_least(name, number)?;
    owned::least_of_patroni(name, major, number)?;
    words::check(name, value, major)?;
    let value = value::in_patronis_words(parameter, value).unwrap_or_else(|| value.to_owned());
    Ok((name.to_owned(), value))
}

/// A name that the version's table does not have. Extensions have parameters of their own, with a dot.
fn unknown(major: Major, name: &str) -> Result<(), String> {
    let table = catalog::table(major).into_iter().flatten();
    if let Some((prefix, _)) = name.split_once('.') {
        let of_extension: Vec<&str> = table
            .map(|(name, _)| name.as_str())
            .filter(|name| name.split_once('.').is_some_and(|(known, _)| known == prefix))
            .collect();
        return if of_extension.is_empty() {
            Ok(())
        } else {
            Err(no_such(&format!("{prefix} has"), name, of_extension.into_iter()))
        };
    }
    if let Some((_, instead)) = REPLACED.iter().find(|(old, _)| *old == name) {
        return Err(format!(
            "PostgreSQL {major} has no parameter of this name; write {instead}"
        ));
    }
    let others: Vec<String> = Major::supported()
        .filter(|other| catalog::table(*other).is_some_and(|table| table.contains_key(name)))
        .map(|major| major.to_string())
        .collect();
    if !others.is_empty() {
        return Err(format!(
            "PostgreSQL {major} has no parameter of this name, PostgreSQL {} has; remove it",
            others.join(", ")
        ));
    }
    let names = table
        .filter(|(_, parameter)| is_settable(parameter))
        .map(|(name, _)| name.as_str());
    Err(no_such(&format!("PostgreSQL {major} has"), name, names))
}

fn is_settable(parameter: &Parameter) -> bool {
    parameter.context != Context::Internal
}

fn no_such<'a>(who: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let meant = match suggest::nearest(name, known) {
        Some(meant) => format!("write {meant}, if that is meant"),
        None => "remove it".to_owned(),
    };
    format!("{who} no parameter of this name; {meant}")
}

/// Below these values Patroni would silently use its default.
fn at_least(name: &str, number: Option<f64>) -> Result<(), String> {
    let least = LEAST
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, least)| *least);
    match (least, number) {
        (Some(least), Some(number)) if number < f64::from(least) => Err(format!(
            "{number} is too small for a replicated database; write {least} or more"
        )),
        _ => Ok(()),
    }
}
