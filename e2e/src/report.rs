//! Tables for people.

use std::time::Duration;

use crate::served::Served;
use crate::story::Performed;

/// One line per operation: duration, what the writer saw, Pods restarted.
pub fn operations(performed: &[Performed]) -> String {
    let head = [
        "operation",
        "duration",
        "write gap",
        "rows",
        "errors",
        "Pods restarted",
    ];
    let rows = performed.iter().map(|p| {
        let stretch = p.stretch.as_ref();
        let count = |n: Option<usize>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
        vec![
            p.title.clone(),
            seconds(p.duration),
            stretch.map_or_else(|| "-".to_owned(), |s| seconds(s.longest_gap)),
            count(stretch.map(|s| s.acknowledged)),
            count(stretch.map(|s| s.error_count())),
            p.pods_restarted().to_string(),
        ]
    });
    table(&head, rows)
}

/// One line per operation and member: the certificate it served before and after.
pub fn certificates(performed: &[Performed]) -> String {
    let head = [
        "operation",
        "member",
        "",
        "issuer",
        "serial",
        "subject alternative names",
    ];
    let mut rows = Vec::new();
    for operation in performed {
        for (member, after) in &operation.after {
            let before = operation.before.get(member).and_then(Option::as_ref);
            rows.push(certificate_row(&operation.title, member, "before", before));
            rows.push(certificate_row("", "", "after", after.as_ref()));
        }
    }
    table(&head, rows.into_iter())
}

fn certificate_row(operation: &str, member: &str, when: &str, served: Option<&Served>) -> Vec<String> {
    let Some(served) = served else {
        return [operation, member, when, "no TLS", "", ""]
            .map(str::to_owned)
            .to_vec();
    };
    let serial = served.serial.get(..16).unwrap_or(&served.serial);
    [
        operation,
        member,
        when,
        &served.issuer,
        serial,
        &served.names.join(" "),
    ]
    .map(str::to_owned)
    .to_vec()
}

/// What errors the writer met, by operation.
pub fn errors(performed: &[Performed]) -> String {
    let mut lines = String::new();
    for operation in performed {
        for (message, count) in operation.stretch.iter().flat_map(|s| &s.errors) {
            lines += &format!("{}: {count} × {message}\n", operation.title);
        }
    }
    lines
}

/// Seconds with two decimals.
pub fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

/// Columns as wide as their widest cell.
pub fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let head: Vec<String> = head.iter().map(|&h| h.to_owned()).collect();
    let all: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let columns = all.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        all.iter()
            .filter_map(|r| r.get(column))
            .map(|c| c.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns).map(|c| width(c).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    all.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [
            vec!["a".to_owned(), "long".to_owned()],
            vec!["bcd".to_owned(), "x".to_owned()],
        ];
        assert_eq!(
            table(&["1", "2"], rows.into_iter()),
            "1    2\na    long\nbcd  x\n"
        );
    }
}
