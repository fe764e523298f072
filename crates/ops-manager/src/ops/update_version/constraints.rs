//! `updateConstraints` of a PostgresVersion: ranges of versions, in the notation that KubeDB's catalog uses
//! (`>= 17.0`, `>= 11.14, <= 14.1`, `~17.4`, `17.x || 18.x`).

use std::cmp::Ordering;

use api_types::version::UpdateConstraints;

/// Whether a version may follow. Denied wins; an empty list of those that are allowed allows all.
///
/// # Errors
/// The range that can't be read.
pub fn allow(constraints: &UpdateConstraints, version: &str) -> Result<bool, String> {
    let version = numbers(version)?;
    let is_in = |ranges: &[String]| -> Result<bool, String> {
        let mut all = ranges.iter().map(|range| is_within(range, &version));
        all.try_fold(false, |found, is_in| Ok(is_in? || found))
    };
    if is_in(&constraints.denylist)? {
        return Ok(false);
    }
    Ok(constraints.allowlist.is_empty() || is_in(&constraints.allowlist)?)
}

/// Alternatives are separated by `||`, what has to hold together by commas or white space.
fn is_within(range: &str, version: &[u64]) -> Result<bool, String> {
    let mut found = false;
    for alternative in range.split("||") {
        let parts = parts(alternative);
        if parts.is_empty() {
            return Err(format!("{range:?}"));
        }
        let all = parts
            .iter()
            .try_fold(true, |all, part| Ok(holds(part, version)? && all))
            .map_err(|why: String| format!("{range:?} ({why})"))?;
        found |= all;
    }
    Ok(found)
}

/// The comparisons of an alternative; an operator may stand apart from its version.
fn parts(alternative: &str) -> Vec<String> {
    let words = alternative
        .split([',', ' ', '\t'])
        .filter(|word| !word.is_empty());
    let mut parts: Vec<String> = Vec::new();
    for word in words {
        match parts.last_mut() {
            Some(last) if last.ends_with(OPERATORS) => last.push_str(word),
            _ => parts.push(word.to_owned()),
        }
    }
    parts
}

const OPERATORS: [char; 6] = ['<', '>', '=', '!', '~', '^'];

/// Only as many numbers are compared as the range has: `<= 14` admits 14.9.
fn holds(part: &str, version: &[u64]) -> Result<bool, String> {
    let (operator, bound) = part.split_at(part.find(|c| !OPERATORS.contains(&c)).unwrap_or(part.len()));
    let bound = numbers(bound)?;
    let at = |position: usize| version.get(position).copied().unwrap_or(0);
    let of_version: Vec<u64> = (0..bound.len()).map(at).collect();
    let order = of_version.cmp(&bound);
    let shares = |count: usize| of_version.iter().take(count).eq(bound.iter().take(count));
    match operator {
        "" | "=" | "==" => Ok(order == Ordering::Equal),
        "!=" => Ok(order != Ordering::Equal),
        ">" => Ok(order == Ordering::Greater),
        "<" => Ok(order == Ordering::Less),
        ">=" | "=>" => Ok(order != Ordering::Less),
        "<=" | "=<" => Ok(order != Ordering::Greater),
        "~" | "~>" => Ok(order != Ordering::Less && shares(bound.len().clamp(1, 2))),
        "^" => Ok(order != Ordering::Less && shares(1)),
        other => Err(format!("{other:?} is no comparison")),
    }
}

/// `17.9` as numbers; a wildcard (`x`, `*`) ends them, and so does what follows a hyphen.
fn numbers(version: &str) -> Result<Vec<u64>, String> {
    let version = version
        .split('-')
        .next()
        .unwrap_or_default()
        .trim_start_matches('v');
    let numbers = version
        .split('.')
        .take_while(|part| !["x", "X", "*"].contains(part));
    numbers
        .map(|part| part.parse().map_err(|_| format!("{version:?} is no version")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(allowed: &[&str], denied: &[&str]) -> UpdateConstraints {
        let owned = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect();
        UpdateConstraints {
            allowlist: owned(allowed),
            denylist: owned(denied),
        }
    }

    #[test]
    fn ranges_mean_what_they_say() {
        for (range, inside, outside) in [
            (">= 17.0", ["17.0", "18.3"], ["16.13", "14.22"]),
            (">= 11.14, <= 14.1", ["11.14", "14.1"], ["11.13", "14.2"]),
            (">=11.14 <14", ["11.14", "13.9"], ["14.0", "14.22"]),
            ("<= 14", ["14.22", "9.6"], ["15.0", "15.17"]),
            ("17.4", ["17.4", "17.4.0"], ["17.5", "17.40"]),
            ("= 17", ["17.4", "17.0"], ["18.0", "16.9"]),
            ("17.x || 18.x", ["17.9", "18.6"], ["16.13", "19.0"]),
            ("~17.4", ["17.4", "17.4.2"], ["17.5", "18.0"]),
            ("^17.4", ["17.4", "17.11"], ["17.3", "18.0"]),
            ("> 17.4", ["17.5", "18.0"], ["17.4", "16.9"]),
            ("!= 17.4", ["17.5", "18.0"], ["17.4", "17.4"]),
        ] {
            for version in inside {
                assert_eq!(allow(&of(&[range], &[]), version), Ok(true), "{range} {version}");
            }
            for version in outside {
                assert_eq!(allow(&of(&[range], &[]), version), Ok(false), "{range} {version}");
            }
        }
    }

    #[test]
    fn what_is_denied_is_denied_though_it_is_allowed() {
        assert_eq!(allow(&of(&[">= 17.0"], &["18.0"]), "18.0"), Ok(false));
        assert_eq!(
            allow(&of(&[], &["18.0"]), "18.1"),
            Ok(true),
            "an empty list allows all"
        );
    }

    #[test]
    fn a_range_that_cant_be_read_is_named() {
        for range in ["newer", ">= ", "=! 17", ""] {
            let error = allow(&of(&[range], &[]), "17.9").expect_err(range);
            assert!(error.contains(&format!("{range:?}")), "{range}: {error}");
        }
    }
}
