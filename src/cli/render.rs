//! Text for a terminal: columns, and peers' words made harmless.

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;

use super::exit::{Exit, Trouble};

/// Replaces control characters, so that mail cannot steer the terminal.
pub(super) fn harmless(text: &str) -> String {
    let risky = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|letter| if risky(letter) { '\u{fffd}' } else { letter }).collect()
}

/// One line on standard output. A reader that has seen enough has closed the pipe.
pub(super) fn line(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// One line on standard error, of which nobody may be left to read.
pub(super) fn aside(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints rows, as JSON or as lines made by `line`. A closed pipe is no error.
pub(super) fn rows<Row: Serialize>(
    rows: &[Row],
    json: bool,
    line: impl Fn(&Row) -> String,
) -> Result<Exit, Trouble> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for row in rows {
        let text = match json {
            true => serde_json::to_string(row).map_err(anyhow::Error::from)?,
            false => line(row),
        };
        if writeln!(out, "{text}").is_err() {
            return Ok(Exit::Ok);
        }
    }
    // A reader that has seen enough has closed the pipe.
    let _ = out.flush();
    Ok(Exit::Ok)
}

/// The reverse-path in angle brackets.
pub(super) fn path(path: &str) -> String {
    format!("<{}>", harmless(path))
}

/// Forward-paths in angle brackets, the first three of many.
pub(super) fn paths(paths: &[String]) -> String {
    let shown: Vec<String> = paths.iter().take(3).map(|one| path(one)).collect();
    match paths.len().saturating_sub(3) {
        0 => shown.join(","),
        more => format!("{} and {more} more", shown.join(",")),
    }
}
