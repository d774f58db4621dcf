//! What commands print: tables for people, JSON for programs.

use std::io::{self, Write as _};
use std::time::Duration;

use serde::Serialize;

use super::error::CommandError;
use crate::clock::Timestamp;

/// Rows under headings, as wide as they need to be.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these headings.
    pub fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|&heading| heading.to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: &[String]) {
        self.rows.push(cells.iter().map(|cell| plain(cell)).collect());
    }

    /// The text of it; of a table without rows, `none`.
    pub fn text(&self, none: &str) -> String {
        if self.rows.len() < 2 {
            return format!("{none}\n");
        }
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let line: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            text.push_str(line.join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

/// Writes to standard output. Somebody who reads no further (`| head`) is no error.
///
/// # Errors
/// If it cannot be written.
pub fn print(text: &str) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CommandError::failed(format!("cannot write: {error}"))),
        _ => Ok(()),
    }
}

/// Writes to standard error, for people; whether they can read it changes nothing.
pub(super) fn note(text: &str) {
    drop(io::stderr().lock().write_all(text.as_bytes()));
}

/// Writes a value as JSON, with line breaks.
///
/// # Errors
/// If it cannot be written.
pub fn print_json(value: &impl Serialize) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(value).map_err(CommandError::failed)?;
    print(&format!("{text}\n"))
}

/// A time as people read it, to the second.
pub(super) fn time(at: Timestamp) -> String {
    let text = Timestamp::from_secs(at.as_secs()).to_string();
    text.replace(".000Z", "Z")
}

/// How long ago, or until then, roughly: `5 min`, `3 h`, `12 d`.
pub(super) fn roughly(span: Duration) -> String {
    let secs = span.as_secs();
    match secs {
        0..=119 => format!("{secs} s"),
        120..=7199 => format!("{} min", secs / 60),
        7200..=172_799 => format!("{} h", secs / 3600),
        _ => format!("{} d", secs / 86_400),
    }
}

/// What others named may not play with the terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || rearranges(c) { '\u{fffd}' } else { c }).collect()
}

/// Line separators, and what turns the order of what follows or cannot be seen (Unicode Standard Annex 9, section 2).
fn rearranges(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["DEVICE", "STATUS"]);
        assert_eq!(table.text("no devices"), "no devices\n");
        table.row(&["ana-laptop".into(), "active".into()]);
        table.row(&["b\u{1b}[2J".into(), "pending".into()]);
        assert_eq!(table.text(""), "DEVICE      STATUS\nana-laptop  active\nb\u{fffd}[2J       pending\n");
    }

    #[test]
    fn text_of_others_stays_in_its_line_and_order() {
        assert_eq!(
            plain("a\u{202e}b\u{2066}\r\n\u{2028}\u{200b}\u{9b}c é"),
            "a\u{fffd}b\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}c é"
        );
    }

    #[test]
    fn spans_and_times_are_short() {
        let spans = [1, 119, 120, 7199, 7200, 172_800].map(|secs| roughly(Duration::from_secs(secs)));
        assert_eq!(spans, ["1 s", "119 s", "2 min", "119 min", "2 h", "2 d"]);
        assert_eq!(time(Timestamp(1_790_000_000_123)), "2026-09-21T14:13:20Z");
    }
}
