//! TOML text → tables whose every key and value knows where it stands.
//!
//! serde would lose the places within lists and untagged choices; so this walks over what the
//! parser makes. Unknown keys are errors with the nearest known one.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{PolicyError, nearest};
use crate::config::Place;

pub(crate) type Value<'t> = Spanned<DeValue<'t>>;
pub(crate) type Read<T> = Result<T, PolicyError>;

/// A text and its name.
#[derive(Debug)]
pub(crate) struct Source<'t> {
    text: &'t str,
    file: &'t str,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl<'t> Source<'t> {
    pub(crate) fn new(text: &'t str, file: &'t str) -> Source<'t> {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Source { text, file, lines: std::iter::once(0).chain(ends).collect() }
    }

    pub(crate) fn parse(&self) -> Read<Spanned<DeTable<'t>>> {
        DeTable::parse(self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            self.wrong(at, error.message().trim())
        })
    }

    pub(crate) fn place(&self, at: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= at).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(start..at).unwrap_or_default();
        Place { line, column: before.chars().count() + 1 }
    }

    pub(crate) fn wrong(&self, at: usize, what: impl Into<String>) -> PolicyError {
        let (file, place) = (self.file.to_owned(), self.place(at));
        PolicyError::Wrong { file, place, what: what.into() }
    }

    pub(crate) fn too_much(&self, what: impl Into<String>) -> PolicyError {
        PolicyError::TooMuch { file: self.file.to_owned(), what: what.into() }
    }

    /// That a name is none of the known ones.
    pub(crate) fn unknown(&self, at: usize, what: &str, name: &str, known: &[&str]) -> PolicyError {
        let shown: String = name.chars().take(80).collect();
        let meant = match nearest(name, known.iter().copied()) {
            Some(nearest) => format!("; did you mean `{nearest}`?"),
            None => String::new(),
        };
        let list = match known.len() <= 40 && !known.is_empty() {
            true => format!(", expected one of `{}`", known.join("`, `")),
            false => String::new(),
        };
        self.wrong(at, format!("unknown {what} `{shown}`{list}{meant}"))
    }

    /// A table that has no other keys than these.
    pub(crate) fn table<'v>(
        &self,
        value: &'v Value<'t>,
        what: &str,
        known: &[&str],
    ) -> Read<Table<'v, 't>> {
        let at = value.span().start;
        let Some(table) = value.get_ref().as_table() else {
            return Err(self.wrong(at, format!("{what} must be a table")));
        };
        self.known_keys(table, what, known)?;
        Ok(Table { table, at })
    }

    pub(crate) fn known_keys(&self, table: &DeTable<'t>, what: &str, known: &[&str]) -> Read<()> {
        let mut strangers: Vec<_> =
            table.keys().filter(|key| !known.contains(&&**key.get_ref())).collect();
        strangers.sort_by_key(|key| key.span().start);
        match strangers.first() {
            Some(key) => {
                let what = format!("key of {what}");
                Err(self.unknown(key.span().start, &what, key.get_ref(), known))
            }
            None => Ok(()),
        }
    }

    pub(crate) fn text<'v>(&self, value: &'v Value<'t>, what: &str) -> Read<&'v str> {
        let text = value.get_ref().as_str();
        text.ok_or_else(|| self.wrong(value.span().start, format!("{what} must be a text")))
    }

    /// A text of one line that says something.
    pub(crate) fn line<'v>(&self, value: &'v Value<'t>, what: &str) -> Read<&'v str> {
        let text = self.text(value, what)?;
        let wrong = |why: &str| self.wrong(value.span().start, format!("{what} {why}"));
        match text {
            _ if text.trim().is_empty() => Err(wrong("must not be empty")),
            _ if text.chars().any(char::is_control) => Err(wrong("must be one line")),
            _ if text.len() > LINE_OCTETS => Err(wrong("is too long")),
            _ => Ok(text),
        }
    }

    pub(crate) fn boolean(&self, value: &Value<'t>, what: &str) -> Read<bool> {
        let held = value.get_ref().as_bool();
        held.ok_or_else(|| self.wrong(value.span().start, format!("{what} is true or false")))
    }

    pub(crate) fn integer(&self, value: &Value<'t>, what: &str, most: u64) -> Read<u64> {
        let integer = value.get_ref().as_integer();
        let number = integer.and_then(|one| u64::from_str_radix(one.as_str(), one.radix()).ok());
        number.filter(|number| *number <= most).ok_or_else(|| {
            self.wrong(value.span().start, format!("{what} is a whole number from 0 to {most}"))
        })
    }

    pub(crate) fn number(&self, value: &Value<'t>, what: &str) -> Read<f32> {
        let held = value.get_ref();
        let whole = held.as_integer().and_then(|one| one.as_str().parse::<f32>().ok());
        let number = whole.or_else(|| held.as_float()?.as_str().parse().ok());
        number.filter(|number: &f32| number.is_finite() && number.abs() <= 1e6).ok_or_else(|| {
            self.wrong(value.span().start, format!("{what} is a number from -1000000 to 1000000"))
        })
    }

    /// Octets: a number, or a text with a unit (`"10 MB"`).
    pub(crate) fn octets(&self, value: &Value<'t>, what: &str) -> Read<u64> {
        let Some(text) = value.get_ref().as_str() else {
            return self.integer(value, what, MOST_OCTETS);
        };
        let text = text.trim();
        let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(digits).unwrap_or_default();
        let factor = match unit.trim().to_lowercase().as_str() {
            "" | "b" | "octets" => Some(1u64),
            "kb" => Some(1_000),
            "mb" => Some(1_000_000),
            "gb" => Some(1_000_000_000),
            "kib" | "k" => Some(1 << 10),
            "mib" | "m" => Some(1 << 20),
            "gib" | "g" => Some(1 << 30),
            _ => None,
        };
        let octets = factor.zip(number.parse::<u64>().ok());
        let octets = octets.and_then(|(factor, number)| number.checked_mul(factor));
        octets.filter(|octets| *octets <= MOST_OCTETS).ok_or_else(|| {
            let what = format!("{what} is a number of octets, or a text such as \"10 MB\"");
            self.wrong(value.span().start, what)
        })
    }

    /// The elements of a list, or the value alone.
    pub(crate) fn list<'v>(&self, value: &'v Value<'t>, what: &str) -> Read<Vec<&'v Value<'t>>> {
        let Some(list) = value.get_ref().as_array() else { return Ok(vec![value]) };
        let at = value.span().start;
        match list.len() {
            0 => Err(self.wrong(at, format!("{what} is an empty list: that never holds"))),
            1..=LIST_ENTRIES => Ok(list.iter().collect()),
            _ => Err(self.wrong(at, format!("{what} has more than {LIST_ENTRIES} entries"))),
        }
    }

    /// The one of these that the text names.
    pub(crate) fn word<T: Copy>(
        &self,
        value: &Value<'t>,
        what: &str,
        words: &[(&'static str, T)],
    ) -> Read<T> {
        let text = self.text(value, what)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meant)| *meant);
        found.ok_or_else(|| {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.unknown(value.span().start, what, text, &known)
        })
    }
}

/// Entries of one list.
const LIST_ENTRIES: usize = 10_000;
const LINE_OCTETS: usize = 998;
/// More than any disk holds, and still safe to count with.
const MOST_OCTETS: u64 = 1 << 50;

/// A table whose keys are known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table<'v, 't> {
    pub(crate) table: &'v DeTable<'t>,
    pub(crate) at: usize,
}

impl<'v, 't> Table<'v, 't> {
    pub(crate) fn value(&self, key: &str) -> Option<&'v Value<'t>> {
        self.table.get(key)
    }

    pub(crate) fn keys(&self) -> Vec<(&'v str, &'v Value<'t>)> {
        let mut keys: Vec<(&'v str, &'v Value<'t>)> =
            self.table.iter().map(|(key, value)| (&**key.get_ref(), value)).collect();
        // In the order in which they are written, which is that of conditions in a trace.
        keys.sort_by_key(|(_, value)| value.span().start);
        keys
    }
}
