//! The known name that a misspelt one was meant to be.

/// The name with the fewest differences; `None` when all have too many for a slip of the finger.
pub(crate) fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (written.len() / 4).clamp(1, 3);
    known
        .map(|name| (distance(written, name), name))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, name)| name)
}

/// Characters to insert, remove or replace until one is the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, right) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = [
            "max_connections",
            "work_mem",
            "jit",
            "max_wal_size",
            "min_wal_size",
        ];
        let nearest = |written| nearest(written, known.into_iter());
        assert_eq!(nearest("max_connection"), Some("max_connections"));
        assert_eq!(nearest("maxconnections"), Some("max_connections"));
        assert_eq!(nearest("workmem"), Some("work_mem"));
        assert_eq!(nearest("jti"), None);
        assert_eq!(nearest("jit_"), Some("jit"));
        assert_eq!(nearest("effective_cache"), None);
        assert_eq!(nearest(""), None);
    }
}
