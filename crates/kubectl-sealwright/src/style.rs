//! Text for people: colours when a terminal wants them, tables, times and sizes.

use std::env;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use jiff::{SignedDuration, Timestamp};

use crate::exit::Error;

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paint(bool);

impl Paint {
    /// Colours for a terminal, unless NO_COLOR is set (<https://no-color.org>) or the terminal is dumb.
    pub fn for_stdout() -> Self {
        let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self(io::stdout().is_terminal() && !set("NO_COLOR") && !dumb)
    }

    /// No colours.
    pub const fn plain() -> Self {
        Self(false)
    }

    /// What is as it should be.
    pub fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    /// What needs attention soon, or is under way.
    pub fn warn(self, text: &str) -> String {
        self.with("33", text)
    }

    /// What is wrong.
    pub fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    /// The first row of a table.
    pub fn heading<const N: usize>(self, cells: [&str; N]) -> Vec<String> {
        cells.map(|cell| self.strong(cell)).to_vec()
    }

    /// Headings.
    pub fn strong(self, text: &str) -> String {
        self.with("1", text)
    }

    /// SGR parameters of ECMA-48.
    fn with(self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Prints to standard output; a reader that has gone away is no panic.
///
/// # Errors
/// When it can't be written.
pub fn print(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(Error::Output)
}

/// Rows with aligned columns; the first row is the heading. Cells may be coloured.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| width(cell)).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, room) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell}{}  ", " ".repeat(room.saturating_sub(width(cell))));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Characters that are seen: escape sequences are not.
fn width(cell: &str) -> usize {
    let mut escaped = false;
    let visible = cell.chars().filter(|c| match c {
        '\u{1b}' => {
            escaped = true;
            false
        }
        'm' if escaped => {
            escaped = false;
            false
        }
        _ => !escaped,
    });
    visible.count()
}

/// A time span in its greatest unit: `12s`, `5m`, `3h`, `89d`.
pub fn span(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().abs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// How long ago, or how far ahead.
pub fn relative(time: Timestamp, now: Timestamp) -> String {
    let distance = time.duration_since(now);
    if distance.is_negative() {
        format!("{} ago", span(distance))
    } else {
        format!("in {}", span(distance))
    }
}

/// Bytes with a binary unit.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes() {
        let spans = [
            (0, "0s"),
            (-119, "119s"),
            (120, "2m"),
            (7_200, "2h"),
            (172_800, "2d"),
        ];
        for (seconds, text) in spans {
            assert_eq!(span(SignedDuration::from_secs(seconds)), text);
        }
        let sizes = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (16 << 20, "16.0 MiB"),
        ];
        for (count, text) in sizes {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn colours_do_not_move_columns() {
        let rows = |paint: Paint| table(&[vec!["A".into(), "B".into()], vec![paint.bad("long"), "x".into()]]);
        assert_eq!(rows(Paint::plain()), "A     B\nlong  x\n");
        assert_eq!(rows(Paint(true)), "A     B\n\u{1b}[31mlong\u{1b}[0m  x\n");
    }
}
