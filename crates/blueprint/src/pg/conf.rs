//! Reading `postgresql.conf` syntax (PostgreSQL manual, 20.1.2 "Parameter Interaction via the Configuration File").

use std::collections::BTreeMap;

/// PostgreSQL parameters by name in lower case; values without quotes.
pub type Parameters = BTreeMap<String, String>;

/// Words that are no parameters: they pull in other files, which do not exist in a member.
const INCLUDES: [&str; 3] = ["include", "include_if_exists", "include_dir"];

/// A line that PostgreSQL would not read, or that cannot work here. It names no value: the text may be a Secret's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct BadLine {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// Reads `text`. A parameter that occurs twice has its last value, as in PostgreSQL.
///
/// # Errors
/// Every line that cannot be read.
pub fn parse(text: &str) -> Result<Parameters, Vec<BadLine>> {
    let mut parameters = Parameters::new();
    let mut bad = Vec::new();
    for (index, line) in text.lines().enumerate() {
        match parse_line(line) {
            Ok(None) => {}
            Ok(Some((name, value))) => {
                parameters.insert(name, value);
            }
            Err(message) => bad.push(BadLine {
                line: index + 1,
                message,
            }),
        }
    }
    if bad.is_empty() { Ok(parameters) } else { Err(bad) }
}

/// The text of a file with these parameters, each on a line of its own and quoted, as [`parse`] reads it.
pub fn render(parameters: &Parameters) -> String {
    let line = |(name, value): (&String, &String)| {
        let quoted = value
            .replace('\\', "\\\\")
            .replace('\'', "\'\'")
            .replace('\n', "\\n")
            .replace('\r', "\\r");
        format!("{name} = '{quoted}'\n")
    };
    parameters.iter().map(line).collect()
}

/// One line: nothing, or a parameter and its value.
fn parse_line(line: &str) -> Result<Option<(String, String)>, String> {
    let line = line.trim_matches(is_space);
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (name, rest) = split_name(line)?;
    let rest = rest.trim_start_matches(is_space);
    let rest = rest
        .strip_prefix('=')
        .unwrap_or(rest)
        .trim_start_matches(is_space);
    let (value, rest) = match rest.strip_prefix('\'') {
        Some(quoted) => split_quoted(quoted)?,
        None => split_bare(rest, &name)?,
    };
    let rest = rest.trim_start_matches(is_space);
    if !rest.is_empty() && !rest.starts_with('#') {
        return Err(format!(
            "unexpected text after the value of {name}; quote the value: {name} = '…'"
        ));
    }
    if INCLUDES.contains(&name.as_str()) {
        return Err(format!(
            "{name} reads a file that is not in the member; write its content here"
        ));
    }
    Ok(Some((name, value)))
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\u{c}' | '\u{b}')
}

/// A letter as PostgreSQL's scanner sees it: ASCII letters, the underscore, and every byte above ASCII.
fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

fn is_name_char(c: char) -> bool {
    is_letter(c) || c.is_ascii_digit() || c == '$'
}

/// `name` or `prefix.name`, in lower case, and what follows.
fn split_name(line: &str) -> Result<(String, &str), String> {
    let end = line
        .find(|c: char| !is_name_char(c) && c != '.')
        .unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let well_formed = name.split('.').count() <= 2 && name.split('.').all(|part| part.starts_with(is_letter));
    if well_formed {
        Ok((name.to_lowercase(), rest))
    } else {
        Err("no parameter begins here; write name = value".to_owned())
    }
}

/// The content of a quoted value, whose first quote is already read, and what follows.
fn split_quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((index, c)) = chars.next() {
        match c {
            '\'' if chars.peek().is_some_and(|(_, next)| *next == '\'') => {
                chars.next();
                value.push('\'');
            }
            '\'' => return Ok((value, &text[index + 1..])),
            '\\' => value.push(escaped(&mut chars)),
            other => value.push(other),
        }
    }
    Err("a quoted value has no end; close it with '".to_owned())
}

/// The character that a backslash sequence stands for; the backslash is already read.
fn escaped(chars: &mut std::iter::Peekable<std::str::CharIndices<'_>>) -> char {
    let Some((_, c)) = chars.next() else {
        return '\\';
    };
    match c {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        '0'..='7' => octal(c, chars),
        other => other,
    }
}

/// Up to three octal digits, the first of which is already read.
fn octal(first: char, chars: &mut std::iter::Peekable<std::str::CharIndices<'_>>) -> char {
    let mut number = first.to_digit(8).unwrap_or_default();
    for _ in 0..2 {
        let Some(digit) = chars.peek().and_then(|(_, c)| c.to_digit(8)) else {
            break;
        };
        number = number * 8 + digit;
        chars.next();
    }
    char::from_u32(number).unwrap_or('?')
}

/// A value without quotes, and what follows.
fn split_bare<'a>(text: &'a str, name: &str) -> Result<(String, &'a str), String> {
    let end = text
        .find(|c: char| is_space(c) || c == '#' || c == '\'' || c == ',' || c == '=')
        .unwrap_or(text.len());
    let (value, rest) = text.split_at(end);
    if value.is_empty() {
        return Err(format!("{name} has no value; write {name} = 'value'"));
    }
    if is_number(value) || is_bare_word(value) {
        Ok((value.to_owned(), rest))
    } else {
        Err(format!("quote the value of {name}: {name} = '…'"))
    }
}

/// Starts with a letter and holds letters, digits and `-._:/`.
fn is_bare_word(value: &str) -> bool {
    value.starts_with(is_letter)
        && value
            .chars()
            .all(|c| is_letter(c) || c.is_ascii_digit() || "-._:/".contains(c))
}

/// An integer with an optional unit, or a floating-point number.
fn is_number(value: &str) -> bool {
    let digits = value.trim_start_matches(['+', '-']);
    if value.len() - digits.len() > 1 || !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return false;
    }
    // An exponent without a point is no number for PostgreSQL's scanner.
    if digits.contains('.') {
        return digits.parse::<f64>().is_ok();
    }
    let hexadecimal = digits.strip_prefix("0x");
    let unit = match hexadecimal {
        Some(rest) => rest.trim_start_matches(|c: char| c.is_ascii_hexdigit()),
        None => digits.trim_start_matches(|c: char| c.is_ascii_digit()),
    };
    unit.chars().all(|c| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> (String, String) {
        let parameters = parse(line).unwrap_or_else(|bad| panic!("{line:?}: {bad:?}"));
        parameters.into_iter().next().unwrap()
    }

    #[test]
    fn lines_that_postgres_reads() {
        for (line, name, value) in [
            ("max_connections = 200", "max_connections", "200"),
            ("shared_buffers=256MB # a comment", "shared_buffers", "256MB"),
            ("  Work_Mem\t8MB  ", "work_mem", "8MB"),
            (
                "search_path = '\"$user\", public'",
                "search_path",
                "\"$user\", public",
            ),
            (
                "log_line_prefix = '%m [%p] it''s '",
                "log_line_prefix",
                "%m [%p] it's ",
            ),
            (r"x.y = 'a\tb\\c\101\'d'", "x.y", "a\tb\\cA'd"),
            (
                "auto_explain.log_min_duration = -1",
                "auto_explain.log_min_duration",
                "-1",
            ),
            ("random_page_cost 1.1", "random_page_cost", "1.1"),
            ("seq_page_cost = 1.0e-2", "seq_page_cost", "1.0e-2"),
            ("debug_io_direct = ''", "debug_io_direct", ""),
            ("timezone = Europe/Berlin", "timezone", "Europe/Berlin"),
            ("wal_keep_size=0x10MB", "wal_keep_size", "0x10MB"),
            ("log_statement = 'a # b' # c", "log_statement", "a # b"),
            ("jit=off\r", "jit", "off"),
        ] {
            assert_eq!(one(line), (name.to_owned(), value.to_owned()), "{line:?}");
        }
    }

    #[test]
    fn what_is_rendered_is_read_as_it_was() {
        let text =
            "max_connections = 230\nlog_line_prefix = '%m [%p] it''s '\nx.y = 'a\\\\b\\nc'\nz.empty = ''";
        let parameters = parse(text).unwrap();
        let rendered = render(&parameters);
        assert_eq!(parse(&rendered), Ok(parameters), "{rendered}");
        assert!(rendered.contains("max_connections = '230'\n"), "{rendered}");
    }

    #[test]
    fn empty_lines_and_comments_are_nothing() {
        assert_eq!(
            parse("\n # x = 1\n\t\n#________******kubedb.com/inline-config******________#\n"),
            Ok(Parameters::new())
        );
    }

    #[test]
    fn the_last_value_wins() {
        assert_eq!(
            parse("work_mem = 1MB\nWORK_MEM = 2MB").unwrap()["work_mem"],
            "2MB"
        );
    }

    #[test]
    fn lines_that_postgres_refuses_are_named() {
        for line in [
            "max_connections",
            "max_connections =",
            "search_path = a, b",
            "9lives = 1",
            "a.b.c = 1",
            "listen_addresses = *",
            "log_line_prefix = 'open",
            "x = 'a' 'b'",
            "x = 1 2",
            "x == 1",
            "seq_page_cost = 1e-2",
            "work_mem = 10 MB",
        ] {
            assert!(parse(line).is_err(), "{line:?} was read as {:?}", parse(line));
        }
        let bad = parse("a = 1\nb\nc = 'x").unwrap_err();
        assert_eq!(bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn includes_are_refused() {
        for line in [
            "include 'x.conf'",
            "include_dir = 'conf.d'",
            "Include_If_Exists 'y'",
        ] {
            let bad = parse(line).unwrap_err();
            assert!(bad[0].message.contains("content"), "{bad:?}");
        }
    }
}
