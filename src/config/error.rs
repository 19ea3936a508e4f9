//! What is wrong with a configuration, where, and what was probably meant.

use std::fmt;
use std::path::{Path, PathBuf};

/// Line and column, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column in characters.
    pub column: usize,
}

impl Place {
    /// Of an octet in a text.
    pub fn of(text: &str, at: usize) -> Place {
        let before = text.get(..at).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Place { line, column }
    }

    /// A text, or where in its octets the first that is no UTF-8 stands.
    pub fn text_of(octets: Vec<u8>) -> Result<String, Place> {
        String::from_utf8(octets).map_err(|error| {
            let whole = error.utf8_error().valid_up_to();
            let before = error.as_bytes().get(..whole).unwrap_or_default();
            Place::of(&String::from_utf8_lossy(before), whole)
        })
    }
}

/// What is said of octets that are no text.
pub const NOT_UTF8: &str = "not UTF-8";

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.line, self.column)
    }
}

/// The administrator is to blame; the message says where to look.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {error}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The text is not TOML, or not of the expected shape.
    #[error("{}:{place}: {what}", file.display())]
    Wrong {
        /// Which file.
        file: PathBuf,
        /// Where.
        place: Place,
        /// What, with the nearest known name where a name is unknown.
        what: String,
    },
}

/// A contradiction between values that are each well formed.
#[derive(Debug)]
pub(super) struct Contradiction {
    /// A piece of text near which the contradiction stands, for its line.
    pub(super) near: String,
    /// What contradicts what.
    pub(super) what: String,
}

pub(super) fn from_toml(error: &toml::de::Error, text: &str, file: &Path) -> ConfigError {
    let at = error.span().map_or(0, |span| span.start);
    let what = with_nearest(error.message());
    ConfigError::Wrong { file: file.to_owned(), place: Place::of(text, at), what }
}

pub(super) fn from_check(wrong: Contradiction, text: &str, file: &Path) -> ConfigError {
    let at = text.find(&wrong.near).unwrap_or(0);
    ConfigError::Wrong { file: file.to_owned(), place: Place::of(text, at), what: wrong.what }
}

/// serde says ``unknown field `x`, expected one of `a`, `b` ``: adds the nearest of them.
fn with_nearest(message: &str) -> String {
    let message = message.trim();
    let is_unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    let mut names = message.split('`').skip(1).step_by(2);
    let Some(unknown) = names.next().filter(|_| is_unknown) else { return message.to_owned() };
    let distance = |known: &&str| strsim::damerau_levenshtein(unknown, known);
    match names.min_by_key(distance).filter(|known| distance(known) <= 1 + unknown.len() / 3) {
        Some(nearest) => format!("{message}; did you mean `{nearest}`?"),
        None => message.to_owned(),
    }
}
