//! The pages of the documentation that are made from the types: every field, and every word of conditions and Events.

mod fields;
mod running;
mod words;

use std::path::PathBuf;

/// A page under `docs/` and its content.
pub struct Page {
    /// Path from the repository's root.
    pub path: &'static str,
    /// What it says.
    pub text: String,
}

/// All generated pages of this kind.
pub fn pages() -> [Page; 3] {
    [
        Page {
            path: "docs/reference/fields.md",
            text: fields::page(),
        },
        Page {
            path: "docs/reference/conditions.md",
            text: words::page(),
        },
        Page {
            path: "docs/reference/running.md",
            text: running::page(),
        },
    ]
}

/// The repository's root.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Files below a folder whose names end so, by their path from the repository's root, sorted.
///
/// # Panics
/// When the folder can't be read.
pub fn files(folder: &str, endings: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(folder)).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a name");
        let path = format!("{folder}/{name}");
        if entry.file_type().expect("a type").is_dir() {
            found.extend(files(&path, endings));
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The text of a file, by its path from the repository's root.
///
/// # Panics
/// When it can't be read.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A text as a cell of a table.
fn cell(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let parts = line.split('`').enumerate().map(|(at, part)| match at % 2 {
        // What looks like a tag would be taken for one, unless it is code.
        0 => part.replace('<', "&lt;"),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("`").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_cell_is_one_line_that_ends_no_table_and_begins_no_tag() {
        assert_eq!(cell(" a <b>\n `<c>|d` "), "a &lt;b> `<c>\\|d`");
    }
}
