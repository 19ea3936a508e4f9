//! Exact data matching: the values of the site's own tables (customer numbers, names of staff)
//! found in mail, without the box keeping one of them.
//!
//! In: a table, once ([`ExactList::import`]); then texts. Out: how many rows of the table a text
//! gives away ([`ExactList::matches`]): a row counts when so many of its values stand close to
//! each other. Kept are digests under a key of the list's own ([`keyed`]), in a file that is
//! replaced as a whole. Values and texts are brought into one form ([`words`], [`values`]): case,
//! accents, width, and what stands between words or groups of digits do not count.
//!
//! Invariants: a value of the table that stands in a text is found, however it is grouped or
//! wrapped; what differs in one letter or digit is not (but for a collision of 64-bit digests).
//! Work is linear in the text and memory bounded. Fails with [`ExactError`], at import and when
//! a file is loaded; never when mail is looked into.

pub mod csv;
pub(in crate::analysis) mod file;
mod hits;
mod import;
pub mod keyed;
mod rows;
pub mod shelf;
pub(in crate::analysis) mod table;
#[cfg(test)]
pub(in crate::analysis) mod tests;
pub mod values;
pub mod words;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

pub use file::{Column, Head};
pub use hits::{Hit, Hits, MOST_HITS};
pub use import::{ImportReport, MOST_COLUMNS, MOST_OCTETS, Places, Spec};
pub use rows::{Query, RowMatch, Rows, Tally};
pub use shelf::{Shelf, ShelfError};

use file::Unfit;
use keyed::{Key, Sip};
use table::Table;

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum ExactError {
    /// The table cannot be used.
    #[error("{0}")]
    Table(String),
    /// The columns that were asked for are not those of the table.
    #[error("{0}")]
    Columns(String),
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {what}; import the list again", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// The keyed hashes of a list.
#[derive(Debug, Clone, Copy)]
struct Digesters {
    words: Sip,
    codes: Sip,
    /// Of first words.
    first: Sip,
}

/// A list, ready to be looked for.
#[derive(Debug)]
pub struct ExactList {
    head: Head,
    table: Table,
    digesters: Digesters,
}

impl ExactList {
    /// A table → the octets of the list's file, and what became of the table.
    pub fn import(
        table: impl Read,
        spec: &Spec,
        key: &Key,
    ) -> Result<(Vec<u8>, ImportReport), ExactError> {
        import::import(table, spec, key, &mut || {})
    }

    /// The same, calling `step` for each row.
    pub fn import_stepwise(
        table: impl Read,
        spec: &Spec,
        key: &Key,
        step: &mut dyn FnMut(),
    ) -> Result<(Vec<u8>, ImportReport), ExactError> {
        import::import(table, spec, key, step)
    }

    /// Reads a list; its key is where the shelf keeps it.
    pub fn load(path: &Path) -> Result<ExactList, ExactError> {
        let key = shelf::key_for(path).map_err(|error| {
            let (path, error) = error.into_parts();
            ExactError::Unreadable { path, error }
        })?;
        let unreadable = |error| ExactError::Unreadable { path: path.to_owned(), error };
        let file = File::open(path).map_err(unreadable)?;
        let octets = file.metadata().map_err(unreadable)?.len();
        ExactList::read(BufReader::new(file), octets, &key).map_err(|unfit| match unfit {
            Unfit::Unreadable(error) => ExactError::Unreadable { path: path.to_owned(), error },
            unfit => ExactError::Damaged { path: path.to_owned(), what: unfit.to_string() },
        })
    }

    /// Reads a list from octets.
    pub fn parse(octets: &[u8], key: &Key) -> Result<ExactList, ExactError> {
        let read = ExactList::read(octets, octets.len() as u64, key);
        read.map_err(|unfit| ExactError::Damaged {
            path: PathBuf::from("list"),
            what: unfit.to_string(),
        })
    }

    fn read(inner: impl Read, octets: u64, key: &Key) -> Result<ExactList, Unfit> {
        let (head, table) = file::read(inner, octets, key)?;
        Ok(ExactList { head, table, digesters: Digesters::of(key) })
    }

    /// What is in it.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The names of the columns that are set in a [`RowMatch`].
    pub fn column_names(&self, columns: u32) -> Vec<&str> {
        let named = self.head.columns.iter().enumerate();
        let set = named.filter(|(at, _)| columns.checked_shr(*at as u32).unwrap_or(0) & 1 == 1);
        set.map(|(_, column)| column.name.as_str()).collect()
    }

    /// The rows of the list that a text gives away.
    pub fn matches(&self, text: &str, query: &Query) -> Rows {
        self.rows(&self.hits(text), query)
    }

    /// Octets that it takes in memory, about.
    pub fn octets(&self) -> usize {
        let parts = self.table.parts();
        8 * parts.digests.len()
            + 4 * (parts.starts.len() + parts.cells.len())
            + 9 * parts.weak.len()
            + parts.beginnings.len()
            + 8 * parts.sieve.0.len()
            + parts.digests.len()
    }
}
