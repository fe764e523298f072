//! Whether PostgreSQL takes a value for a parameter (`guc.c`: `parse_bool`, `parse_int`, `parse_real`).

use super::catalog::{Kind, Parameter, Range};

/// Values of `io_method` and the like that depend on how PostgreSQL was built: ours may lack what an image has.
const OF_SOME_BUILDS: [(&str, &str); 2] = [("io_method", "io_uring"), ("log_destination", "eventlog")];

/// Units of memory, and how many bytes each is.
const MEMORY: [(&str, f64); 5] = [
    ("B", 1.0),
    ("kB", 1024.0),
    ("MB", 1_048_576.0),
    ("GB", 1_073_741_824.0),
    ("TB", 1_099_511_627_776.0),
];

/// Units of time, and how many microseconds each is.
const TIME: [(&str, f64); 6] = [
    ("us", 1.0),
    ("ms", 1e3),
    ("s", 1e6),
    ("min", 6e7),
    ("h", 3.6e9),
    ("d", 8.64e10),
];

/// What Patroni reads as yes and no. PostgreSQL takes any beginning of these words.
const YES: [&str; 4] = ["on", "true", "yes", "1"];
const NO: [&str; 4] = ["off", "false", "no", "0"];

/// A value that PostgreSQL takes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    /// In the parameter's unit.
    Number(f64),
    Text,
}

/// What a value means for a parameter.
///
/// # Errors
/// What to write instead, as the second half of a sentence.
pub(crate) fn read(parameter: &Parameter, text: &str) -> Result<Value, String> {
    match &parameter.kind {
        Kind::Bool => read_bool(text)
            .map(Value::Bool)
            .ok_or_else(|| "write on or off".to_owned()),
        Kind::Integer(range) => number(text, *range, true).map(Value::Number),
        Kind::Real(range) => number(text, *range, false).map(Value::Number),
        Kind::Text => Ok(Value::Text),
        Kind::Enum { values, takes_bool } => one_of(parameter.name, values, *takes_bool, text),
    }
}

/// The same value in words that Patroni does not drop; `None` when it already is.
pub(crate) fn in_patronis_words(parameter: &Parameter, text: &str) -> Option<String> {
    match &parameter.kind {
        Kind::Bool => in_a_word(text),
        Kind::Enum { values, takes_bool } if *takes_bool && !is_listed(values, text) => in_a_word(text),
        Kind::Integer(_) => in_digits(text, true),
        Kind::Real(_) => in_digits(text, false),
        _ => None,
    }
}

/// A number whose form Patroni can't read (`strtol`, `strtod` in its `utils.py`), with the unit that it has.
fn in_digits(text: &str, whole: bool) -> Option<String> {
    let (digits, unit) = split_number(text.trim_matches(is_space));
    let bare = digits.trim_start_matches(['+', '-']);
    let has_bare_point = bare
        .split_once('.')
        .is_some_and(|(_, rest)| !rest.starts_with(|c: char| c.is_ascii_digit()));
    let is_hexadecimal = bare.starts_with("0X") || !whole && bare.starts_with("0x");
    if !has_bare_point && !is_hexadecimal {
        return None;
    }
    Some(format!(
        "{}{}",
        parse_number(digits)?,
        unit.trim_matches(is_space)
    ))
}

fn in_a_word(text: &str) -> Option<String> {
    let yes = read_bool(text)?;
    let (word, known) = if yes { ("on", YES) } else { ("off", NO) };
    (!known.contains(&text.to_ascii_lowercase().as_str())).then(|| word.to_owned())
}

/// A truth value: any beginning of `true`, `false`, `yes`, `no`, `on`, `off` that is not ambiguous, `1` or `0`.
pub(crate) fn read_bool(text: &str) -> Option<bool> {
    let text = text.to_ascii_lowercase();
    let begins = |word: &str, least: usize| text.len() >= least && word.starts_with(&text);
    match text.as_str() {
        "1" => Some(true),
        "0" => Some(false),
        _ if begins("true", 1) || begins("yes", 1) || begins("on", 2) => Some(true),
        _ if begins("false", 1) || begins("no", 1) || begins("off", 2) => Some(false),
        _ => None,
    }
}

fn is_listed(values: &[&str], text: &str) -> bool {
    values.iter().any(|value| value.eq_ignore_ascii_case(text))
}

fn one_of(name: &str, values: &[&str], takes_bool: bool, text: &str) -> Result<Value, String> {
    let of_a_build = OF_SOME_BUILDS.contains(&(name, text.to_ascii_lowercase().as_str()));
    if is_listed(values, text) || of_a_build || takes_bool && read_bool(text).is_some() {
        return Ok(Value::Text);
    }
    let named: Vec<&str> = values
        .iter()
        .map(|value| if value.is_empty() { "''" } else { value })
        .collect();
    Err(format!("write one of {}", named.join(", ")))
}

fn number(text: &str, range: Range, whole: bool) -> Result<f64, String> {
    let trimmed = text.trim_matches(is_space);
    let (digits, unit) = split_number(trimmed);
    let number = parse_number(digits).ok_or_else(|| expected(range, whole))?;
    let number = match (range.unit, unit.trim_matches(is_space)) {
        (_, "") => number,
        ("", _) => return Err(format!("it has no unit; write {}", span(range))),
        (base, unit) => number * factor(base, unit).ok_or_else(|| units(base))?,
    };
    let number = if whole { number.round_ties_even() } else { number };
    if number < range.min || number > range.max {
        return Err(format!("write {}", span(range)));
    }
    Ok(number)
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
}

/// Digits, and what follows them: hexadecimal, octal, or decimal with fraction and exponent.
fn split_number(text: &str) -> (&str, &str) {
    let signed = text.trim_start_matches(['+', '-']);
    let sign = text.len() - signed.len();
    let after = |prefix: usize, is_digit: fn(char) -> bool| {
        let rest = signed.get(prefix..).unwrap_or_default();
        sign + prefix + rest.find(|c: char| !is_digit(c)).unwrap_or(rest.len())
    };
    if signed.starts_with("0x") || signed.starts_with("0X") {
        return text.split_at(after(2, |c| c.is_ascii_hexdigit()));
    }
    let mut end = after(0, |c| c.is_ascii_digit() || c == '.');
    let exponent = text[end..].strip_prefix(['e', 'E']).map(|rest| {
        let digits = rest.trim_start_matches(['+', '-']);
        let length = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        (rest.len() - digits.len(), length)
    });
    if let Some((sign, digits)) = exponent.filter(|(sign, digits)| *sign <= 1 && *digits > 0) {
        end += 1 + sign + digits;
    }
    text.split_at(end)
}

#[allow(
    clippy::cast_precision_loss,
    reason = "far below 2^53 where it matters, and far out of range elsewhere"
)]
fn parse_number(digits: &str) -> Option<f64> {
    let (negative, bare) = match digits.strip_prefix('-') {
        Some(bare) => (true, bare),
        None => (false, digits.strip_prefix('+').unwrap_or(digits)),
    };
    let in_base = |digits: &str, base| i64::from_str_radix(digits, base).ok().map(|n| n as f64);
    let hexadecimal = bare.strip_prefix("0x").or_else(|| bare.strip_prefix("0X"));
    let number = match hexadecimal {
        Some(hexadecimal) => in_base(hexadecimal, 16),
        None if bare.len() > 1 && bare.starts_with('0') && bare.chars().all(|c| c.is_ascii_digit()) => {
            in_base(bare, 8)
        }
        None if bare.starts_with(|c: char| c.is_ascii_digit() || c == '.') => bare.parse().ok(),
        None => None,
    }?;
    Some(if negative { -number } else { number })
}

/// How many of the parameter's units one unit is; `None` when it is no unit of the same kind.
fn factor(base: &str, unit: &str) -> Option<f64> {
    let digits = base.find(|c: char| !c.is_ascii_digit()).unwrap_or(base.len());
    let (count, name) = base.split_at(digits);
    let count: f64 = if count.is_empty() {
        1.0
    } else {
        count.parse().ok()?
    };
    let of = |list: &[(&str, f64)], name: &str| list.iter().find(|(known, _)| *known == name).map(|it| it.1);
    [&MEMORY[..], &TIME[..]]
        .into_iter()
        .find_map(|list| Some(of(list, unit)? / (count * of(list, name)?)))
}

/// Bytes that a memory parameter counts as one.
pub(crate) fn unit_bytes(base: &str) -> Option<f64> {
    factor(base, "B").map(|factor| 1.0 / factor)
}

fn units(base: &str) -> String {
    let list: Vec<&str> = [&MEMORY[..], &TIME[..]]
        .into_iter()
        .find(|list| {
            list.iter()
                .any(|(unit, _)| base.ends_with(unit) && factor(base, unit).is_some())
        })
        .into_iter()
        .flatten()
        .map(|(unit, _)| *unit)
        .collect();
    format!("write a number with one of the units {}", list.join(", "))
}

fn expected(range: Range, whole: bool) -> String {
    let kind = if whole { "a whole number" } else { "a number" };
    if range.unit.is_empty() {
        format!("write {kind}: {}", span(range))
    } else {
        format!("{} (no unit means {})", units(range.unit), range.unit)
    }
}

fn span(range: Range) -> String {
    let unit = range.unit;
    if range.max > 1e300 {
        format!("{}{unit} or more", range.min)
    } else {
        format!("{}{unit} to {}{unit}", range.min, range.max)
    }
}

#[cfg(test)]
mod tests {
    use api_types::Major;

    use super::*;
    use crate::pg::catalog::table;

    fn of_17(name: &str, text: &str) -> Result<Value, String> {
        read(&table(Major::new(17)).unwrap()[name], text)
    }

    fn number_of(name: &str, text: &str) -> f64 {
        match of_17(name, text) {
            Ok(Value::Number(number)) => number,
            other => panic!("{name} = {text:?}: {other:?}"),
        }
    }

    #[test]
    fn numbers_with_and_without_units() {
        for (name, text, value) in [
            ("max_connections", "200", 200.0),
            ("max_connections", " 200 ", 200.0),
            ("max_connections", "0x10", 16.0),
            ("max_connections", "017", 15.0),
            ("max_connections", "1e2", 100.0),
            ("max_connections", "99.6", 100.0),
            ("shared_buffers", "64MB", 8192.0),
            ("shared_buffers", "64 MB", 8192.0),
            ("shared_buffers", "0.5GB", 65536.0),
            ("wal_keep_size", "1GB", 1024.0),
            ("wal_keep_size", "1024kB", 1.0),
            ("statement_timeout", "1min", 60_000.0),
            ("statement_timeout", "1.5s", 1500.0),
            ("checkpoint_timeout", "1d", 86_400.0),
            ("autovacuum_vacuum_cost_delay", "2ms", 2.0),
            ("random_page_cost", "1.1", 1.1),
            ("random_page_cost", ".5", 0.5),
            ("log_min_duration_statement", "-1", -1.0),
            ("track_activity_query_size", "4kB", 4096.0),
        ] {
            let found = number_of(name, text);
            assert!((found - value).abs() < 1e-9, "{name} = {text:?}: {found}");
        }
    }

    /// Each line was refused by PostgreSQL 17 itself.
    #[test]
    fn what_postgres_refuses_is_refused_with_what_to_write() {
        for (name, text, advice) in [
            ("max_connections", "lots", "write a whole number: 1 to 262143"),
            ("max_connections", "", "write a whole number: 1 to 262143"),
            ("max_connections", "200MB", "it has no unit; write 1 to 262143"),
            ("max_connections", "0", "write 1 to 262143"),
            ("max_connections", "1 2", "it has no unit; write 1 to 262143"),
            ("max_connections", "--5", "write a whole number: 1 to 262143"),
            ("max_connections", "09", "write a whole number: 1 to 262143"),
            (
                "shared_buffers",
                "64 MG",
                "write a number with one of the units B, kB, MB, GB, TB",
            ),
            (
                "shared_buffers",
                "64mb",
                "write a number with one of the units B, kB, MB, GB, TB",
            ),
            (
                "work_mem",
                "lots",
                "write a number with one of the units B, kB, MB, GB, TB (no unit means kB)",
            ),
            ("work_mem", "1kB", "write 64kB to 2147483647kB"),
            (
                "statement_timeout",
                "1 minute",
                "write a number with one of the units us, ms, s, min, h, d",
            ),
            ("random_page_cost", "-1", "write 0 or more"),
            ("random_page_cost", "1,1", "it has no unit; write 0 or more"),
            ("jit", "maybe", "write on or off"),
            ("jit", "o", "write on or off"),
            ("log_statement", "some", "write one of none, ddl, mod, all"),
            (
                "log_min_messages",
                "debug",
                "write one of debug5, debug4, debug3, debug2, debug1, info, notice, warning, error, log, fatal, panic",
            ),
        ] {
            assert_eq!(of_17(name, text), Err(advice.to_owned()), "{name} = {text:?}");
        }
    }

    #[test]
    fn words_of_enumerations_and_truth_values() {
        for text in ["on", "TRUE", "y", "1", "tr", "of", "n"] {
            assert!(matches!(of_17("jit", text), Ok(Value::Bool(_))), "{text}");
        }
        for (name, text) in [
            ("log_statement", "DDL"),
            ("huge_pages", "yes"),
            ("wal_compression", "ZSTD"),
            ("ssl_max_protocol_version", ""),
            ("ssl_min_protocol_version", "tlsv1.2"),
        ] {
            assert_eq!(of_17(name, text), Ok(Value::Text), "{name} = {text}");
        }
        assert_eq!(
            read(&table(Major::new(18)).unwrap()["io_method"], "io_uring"),
            Ok(Value::Text)
        );
    }

    #[test]
    fn patroni_gets_the_words_that_it_knows() {
        let table = table(Major::new(17)).unwrap();
        for (name, text, word) in [
            ("jit", "t", Some("on")),
            ("jit", "of", Some("off")),
            ("jit", "TRUE", None),
            ("huge_pages", "y", Some("on")),
            ("huge_pages", "try", None),
            ("synchronous_commit", "local", None),
            ("work_mem", "1", None),
            ("work_mem", "0x400kB", None),
            ("work_mem", "0.5 MB", None),
            ("work_mem", "0X400", Some("1024")),
            ("work_mem", "5. MB", Some("5MB")),
            ("max_connections", "1.e2", Some("100")),
            ("max_connections", "+100.", Some("100")),
            ("random_page_cost", "1.e0", Some("1")),
            ("random_page_cost", "0x2", Some("2")),
            ("random_page_cost", ".5", None),
            ("vacuum_cost_delay", "0x5ms", Some("5ms")),
            ("log_min_duration_statement", "-1", None),
        ] {
            let found = in_patronis_words(&table[name], text);
            assert_eq!(found.as_deref(), word, "{name} = {text}");
        }
    }

    #[test]
    fn a_unit_of_memory_is_so_many_bytes() {
        assert_eq!(unit_bytes("8kB"), Some(8192.0));
        assert_eq!(unit_bytes("MB"), Some(1_048_576.0));
        assert_eq!(unit_bytes("ms"), None);
    }
}
