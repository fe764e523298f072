//! Values of text parameters that PostgreSQL examines itself, and does not start with when they are wrong.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use api_types::Major;

use super::value::read_bool;

/// Parameters that hold a list of names, separated by commas.
const LISTS: [&str; 8] = [
    "extension_control_path",
    "local_preload_libraries",
    "log_destination",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "synchronized_standby_slots",
    "temp_tablespaces",
];

/// Lists of which every word is known, and the major version from which on the parameter is such a list.
const KNOWN_WORDS: [(&str, Major, &[&str]); 6] = [
    (
        "log_destination",
        Major::new(15),
        &["stderr", "csvlog", "jsonlog", "syslog", "eventlog"],
    ),
    (
        "log_destination",
        Major::OLDEST,
        &["stderr", "csvlog", "syslog", "eventlog"],
    ),
    ("debug_io_direct", Major::new(16), &["data", "wal", "wal_init"]),
    ("createrole_self_grant", Major::new(16), &["set", "inherit"]),
    (
        "restrict_nonsystem_relation_kind",
        Major::OLDEST,
        &["view", "foreign-table"],
    ),
    (
        "log_connections",
        Major::new(18),
        &[
            "receipt",
            "authentication",
            "authorization",
            "setup_durations",
            "all",
        ],
    ),
];

/// Whether PostgreSQL accepts the items of a text parameter.
///
/// # Errors
/// What to write instead.
pub(crate) fn check(name: &str, value: &str, major: Major) -> Result<(), String> {
    if LISTS.contains(&name) && split(value).is_none() {
        return Err(
            "write a list of names separated by commas; quote a name by \" where it needs it".to_owned(),
        );
    }
    let known = KNOWN_WORDS
        .iter()
        .find(|(list, since, _)| *list == name && major >= *since);
    if let Some((_, _, words)) = known {
        return known_words(name, value, words);
    }
    match name {
        "timezone" | "log_timezone" => timezone(value),
        "datestyle" => date_style(value),
        "bonjour" if read_bool(value) == Some(true) => {
            Err("PostgreSQL is built without it; remove it".to_owned())
        }
        "wal_level" if value.eq_ignore_ascii_case("minimal") => {
            Err("a standby can't follow a primary that writes so little; write replica or logical".to_owned())
        }
        _ => Ok(()),
    }
}

fn known_words(name: &str, value: &str, known: &[&str]) -> Result<(), String> {
    let advice = || format!("write words of {}, separated by commas", known.join(", "));
    if name == "log_connections" && read_bool(value).is_some() {
        return Ok(());
    }
    let words = split(value).ok_or_else(advice)?;
    let is_known = |word: &String| known.iter().any(|it| it.eq_ignore_ascii_case(word));
    if words.iter().all(is_known) {
        Ok(())
    } else {
        Err(advice())
    }
}

/// Words of `DateStyle`, three of which count by their beginning (`check_datestyle`).
fn date_style(value: &str) -> Result<(), String> {
    const WHOLE: [&str; 9] = ["iso", "sql", "german", "ymd", "dmy", "mdy", "us", "default", ""];
    const BEGINNINGS: [&str; 3] = ["postgres", "euro", "noneuro"];
    let is_known = |word: &String| {
        let word = word.to_ascii_lowercase();
        WHOLE.contains(&word.as_str()) || BEGINNINGS.iter().any(|begin| word.starts_with(begin))
    };
    if split(value).is_some_and(|words| words.iter().all(is_known)) {
        Ok(())
    } else {
        Err("write for example 'ISO, DMY'".to_owned())
    }
}

/// The names of a list; `None` when it can't be read (`SplitIdentifierString`).
fn split(list: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = list.trim();
    if rest.is_empty() {
        return Some(names);
    }
    loop {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_at(rest.find([',', '"']).unwrap_or(rest.len())),
        };
        let name = name.trim();
        if name.is_empty() {
            return None;
        }
        names.push(name.to_owned());
        let after = after.trim_start();
        if after.is_empty() {
            return Some(names);
        }
        rest = after.strip_prefix(',')?.trim_start();
    }
}

/// A name of the time zone database, a POSIX rule such as `UTC+3` or `<+03>-3`, or a number of hours.
fn timezone(value: &str) -> Result<(), String> {
    static NAMES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let text = include_str!("catalog/timezones.txt");
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::to_lowercase)
            .collect()
    });
    let rule = value.trim_start_matches('<');
    let letters = rule.chars().take_while(char::is_ascii_alphabetic).count();
    let is_rule = value.starts_with('<') || letters >= 3 && rule.contains(|c: char| c.is_ascii_digit());
    let is_interval = value.to_ascii_lowercase().starts_with("interval");
    if NAMES.contains(&value.to_lowercase()) || is_rule || is_interval || value.trim().parse::<f64>().is_ok()
    {
        Ok(())
    } else {
        Err("write a name of the time zone database, for example Europe/Berlin or UTC".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every line was verified with PostgreSQL 17 itself, by `postgres -C`.
    #[test]
    fn words_are_taken_as_postgres_takes_them() {
        for (name, value, taken) in [
            ("datestyle", "ISO, MDY", true),
            ("datestyle", "german,euro", true),
            ("datestyle", "noneuropean", true),
            ("datestyle", "non-european", false),
            ("datestyle", "default", true),
            ("datestyle", "bogus", false),
            ("datestyle", "", true),
            ("timezone", "UTC+3", true),
            ("timezone", "utc", true),
            ("timezone", "<+03>-3", true),
            ("timezone", "-7", true),
            ("timezone", "FOOBAR3", true),
            ("timezone", "Europe/berlin", true),
            ("timezone", "Mars/Phobos", false),
            ("log_timezone", "foo", false),
            ("timezone", "", false),
            ("log_destination", "stderr,csvlog", true),
            ("log_destination", "", true),
            ("log_destination", "stdout", false),
            ("log_destination", "stderr,", false),
            ("search_path", "a,,b", false),
            ("search_path", "\"a", false),
            ("search_path", "\"$user\", public", true),
            ("debug_io_direct", "data, wal", true),
            ("debug_io_direct", "dta", false),
            ("createrole_self_grant", "set", true),
            ("temp_tablespaces", "a,,b", false),
            ("restrict_nonsystem_relation_kind", "view,foo", false),
            ("synchronized_standby_slots", "a,,b", false),
            ("bonjour", "on", false),
            ("bonjour", "off", true),
            ("application_name", "a,,b", true),
            ("wal_level", "logical", true),
        ] {
            assert_eq!(
                check(name, value, Major::new(17)).is_ok(),
                taken,
                "{name} = {value:?}"
            );
        }
    }

    #[test]
    fn words_of_newer_versions_are_for_these_alone() {
        assert!(check("log_destination", "jsonlog", Major::new(14)).is_err());
        assert!(check("log_destination", "jsonlog", Major::new(15)).is_ok());
        assert!(check("log_connections", "receipt,authorization", Major::new(18)).is_ok());
        assert!(check("log_connections", "on", Major::new(18)).is_ok());
        assert!(check("log_connections", "every", Major::new(18)).is_err());
    }

    /// PostgreSQL would start with it, and no standby could follow.
    #[test]
    fn a_primary_that_no_standby_can_follow_is_refused() {
        assert!(check("wal_level", "Minimal", Major::new(17)).is_err());
    }
}
