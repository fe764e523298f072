//! As much of Markdown as the tests of the documentation need: links, headings, blocks of commands.

use std::collections::BTreeMap;

/// A page without its fenced blocks.
fn prose(page: &str) -> Vec<&str> {
    let mut is_fenced = false;
    let mut lines = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        } else if !is_fenced {
            lines.push(line);
        }
    }
    lines
}

/// Targets of the links of a page, those of images too.
pub fn links(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(page) {
        let line = without_code(line);
        let mut rest = line.as_str();
        while let Some((_, after)) = rest.split_once("](") {
            let (target, left) = after.split_once(')').unwrap_or((after, ""));
            found.push(target.to_owned());
            rest = left;
        }
    }
    found
}

/// What stands between backquotes is shown as it is.
fn without_code(line: &str) -> String {
    // Text and code take turns; a link's text may be code, so only its content goes.
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// Anchors of the headings of a page, as GitHub and mdBook make them.
pub fn anchors(page: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let headings = prose(page).into_iter().filter_map(|line| {
        let text = line.trim_start_matches('#');
        (text.len() < line.len())
            .then(|| text.strip_prefix(' '))
            .flatten()
    });
    headings
        .map(|heading| {
            let anchor = anchor(heading);
            let times = seen.entry(anchor.clone()).or_default();
            *times += 1;
            if *times == 1 {
                anchor
            } else {
                format!("{anchor}-{}", *times - 1)
            }
        })
        .collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
        _ => None,
    });
    kept.collect::<String>().to_lowercase()
}

/// The fenced blocks of a page with this mark.
pub fn blocks(page: &str, mark: &str) -> Vec<String> {
    let fence = format!("```{mark}");
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in page.lines().map(str::trim_end) {
        match &mut open {
            None if line == fence => open = Some(String::new()),
            None => {}
            Some(_) if line == "```" => blocks.extend(open.take()),
            Some(block) => {
                block.push_str(line);
                block.push('\n');
            }
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# One `thing`: A/B\n[a](x.md#y) and [`b`](z.md), not `[c](d)`\n## Two\n## Two\n```sh\n# [e](f)\nls\n```\n";

    #[test]
    fn links_are_those_that_a_reader_can_follow() {
        assert_eq!(links(PAGE), ["x.md#y", "z.md"]);
    }

    #[test]
    fn headings_have_the_anchors_of_the_site() {
        assert_eq!(anchors(PAGE), ["one-thing-ab", "two", "two-1"]);
    }

    #[test]
    fn blocks_are_found_by_their_mark() {
        assert_eq!(blocks(PAGE, "sh"), ["# [e](f)\nls\n"]);
        assert!(blocks(PAGE, "console").is_empty());
    }
}
