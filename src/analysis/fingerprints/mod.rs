//! Document fingerprints: a protected document is recognised when parts of it are pasted.
//!
//! In: the texts of documents, once ([`Draft::add`]); then texts of mail. Out: which documents
//! a text takes from, how much of the document is in it and how much of it is the document's
//! ([`Prints::matches`]). Kept are hashes of few runs of words ([`winnow`]) under a key of the
//! set's own, no text. What stands in many of the documents, or in one that was given as common,
//! is nobody's and does not count.
//!
//! Invariants: [`SURE_WORDS`] words in a row, reflowed, recased or quoted as they may be, are
//! recognised unless they are common; texts that share only turns of phrase are not. Work is
//! linear in the text, memory bounded. Fails with [`PrintsError`], when documents are added and
//! when a file is loaded; never when mail is looked into.

mod draft;
mod find;
pub mod reading;
#[cfg(test)]
mod tests;
mod winnow;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use draft::{COMMON_PERCENT, Draft, MOST_DOCUMENTS, Role};
pub use find::{Ask, DocumentMatch, PASSAGE_PRINTS, PASSAGE_WORDS, SURE_WORDS, Seen};
pub use winnow::{GUARANTEED_WORDS, RUN_WORDS, WINDOW_RUNS};

use super::exact::file::{Unfit, seal, unseal};
use super::exact::keyed::Key;
use super::exact::shelf::{Shelved, key_for};
use super::exact::table::Table;

const MAGIC: &[u8; 8] = b"PSTNFPR1";

/// Why there are no fingerprints.
#[derive(Debug, thiserror::Error)]
pub enum PrintsError {
    /// Too little text to be known by.
    #[error("{name}: {words} words are too few to be recognised by; {SURE_WORDS} are needed")]
    Short {
        /// Which document.
        name: String,
        /// What it has.
        words: usize,
    },
    /// A file of which there is nothing to read.
    #[error("{name}: {what}")]
    Unread {
        /// Which document.
        name: String,
        /// Why.
        what: String,
    },
    /// More than a set holds.
    #[error("{0}")]
    Full(String),
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {what}; add the documents again", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// A document of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// What it is called: the name of its file.
    pub name: String,
    /// When it was added, in seconds since 1970.
    pub added_s: u64,
    /// Its words.
    pub words: u32,
    /// Its fingerprints.
    pub prints: u32,
    /// Those of them that do not count, because they are common.
    pub ignored: u32,
    /// It only says what is common.
    pub is_common: bool,
}

impl Document {
    /// The fingerprints by which it is known.
    pub fn own_prints(&self) -> u32 {
        self.prints.saturating_sub(self.ignored)
    }
}

/// What stands at the head of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Head {
    documents: Vec<Document>,
    key_check: u64,
    /// How they were made; others are not comparable.
    run_words: u32,
    window_runs: u32,
}

/// The fingerprints of a set of documents, ready to be looked for.
#[derive(Debug)]
pub struct Prints {
    documents: Vec<Document>,
    /// Cells are numbers of documents, weak values common fingerprints.
    table: Table,
    key: Key,
}

fn key_check(key: &Key) -> u64 {
    key.purpose("fingerprint check").hash(b"")
}

impl Prints {
    /// An empty set.
    pub fn none(key: &Key) -> Prints {
        Draft::of(key).finish()
    }

    /// The documents, by name.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// Adds one document, in the place of one of the same name. For many, use a [`Draft`].
    pub fn add(self, name: &str, text: &str, now_s: u64) -> Result<Prints, PrintsError> {
        let mut draft = Draft::from(self);
        draft.add(name, text, Role::Protected, now_s)?;
        Ok(draft.finish())
    }

    /// The octets of its file.
    pub fn octets(&self) -> Vec<u8> {
        let head = Head {
            documents: self.documents.clone(),
            key_check: key_check(&self.key),
            run_words: winnow::RUN_WORDS as u32,
            window_runs: winnow::WINDOW_RUNS as u32,
        };
        // Numbers and texts in memory are always written.
        let about = postcard::to_stdvec(&head).unwrap_or_default();
        seal(MAGIC, &about, self.table.parts())
    }

    /// Reads a set; its key is where the shelf keeps it.
    pub fn load(path: &Path) -> Result<Prints, PrintsError> {
        let key = key_for(path).map_err(|error| {
            let (path, error) = error.into_parts();
            PrintsError::Unreadable { path, error }
        })?;
        let unreadable = |error| PrintsError::Unreadable { path: path.to_owned(), error };
        let file = File::open(path).map_err(unreadable)?;
        let octets = file.metadata().map_err(unreadable)?.len();
        Prints::read(BufReader::new(file), octets, &key).map_err(|unfit| match unfit {
            Unfit::Unreadable(error) => PrintsError::Unreadable { path: path.to_owned(), error },
            unfit => PrintsError::Damaged { path: path.to_owned(), what: unfit.to_string() },
        })
    }

    /// Reads a set from octets.
    pub fn parse(octets: &[u8], key: &Key) -> Result<Prints, PrintsError> {
        let read = Prints::read(octets, octets.len() as u64, key);
        read.map_err(|unfit| PrintsError::Damaged {
            path: PathBuf::from("prints"),
            what: unfit.to_string(),
        })
    }

    fn read(inner: impl Read, octets: u64, key: &Key) -> Result<Prints, Unfit> {
        let (about, parts) = unseal(MAGIC, inner, octets)?;
        let head: Head = postcard::from_bytes(&about).map_err(|_| Unfit::Damaged("its head"))?;
        if head.key_check != key_check(key) {
            return Err(Unfit::OtherKey);
        }
        let made = (head.run_words as usize, head.window_runs as usize);
        if made != (winnow::RUN_WORDS, winnow::WINDOW_RUNS) {
            return Err(Unfit::Damaged("another version made it"));
        }
        let documents = head.documents.len() as u64;
        let table = Table::of(parts, documents).ok_or(Unfit::Damaged("its tables"))?;
        Ok(Prints { documents: head.documents, table, key: key.clone() })
    }
}

impl Shelved for Prints {
    const FOLDER: &'static str = "documents";
    const EXTENSION: &'static str = "prints";
    type Error = PrintsError;

    fn load(path: &Path) -> Result<Prints, PrintsError> {
        Prints::load(path)
    }
}
