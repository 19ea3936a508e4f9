//! A set of documents that is being put together.
//!
//! In: texts with names. Out: [`Prints`], in which it is settled what is common: what stands in
//! more than [`COMMON_PERCENT`] of the documents and in more than [`COMMON_AT_LEAST`], so that
//! three versions of one document do not make each other common; and whatever a common document
//! holds.

use std::collections::{BTreeMap, HashMap};

use super::find::{PASSAGE_PRINTS, SURE_WORDS};
use super::winnow::winnow;
use super::{Document, Prints, PrintsError};
use crate::analysis::exact::keyed::Key;
use crate::analysis::exact::table::{Gatherer, Table};

/// What stands in so many of all documents is common.
pub const COMMON_PERCENT: usize = 20;
/// What stands in no more documents is not.
const COMMON_AT_LEAST: usize = 5;
/// What stands in more is common however many there are; this bounds the work for one text.
const COMMON_AT_MOST: usize = 200;
/// Documents of one set.
pub const MOST_DOCUMENTS: usize = 50_000;
/// Fingerprints of one set: about 500 MB of plain text.
const MOST_PRINTS: usize = 20_000_000;
const NAME_CHARS: usize = 200;

/// What a document is in a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It is to be recognised.
    Protected,
    /// What stands in it is common: forms, letterheads, disclaimers.
    Common,
}

#[derive(Debug)]
struct Sheet {
    about: Document,
    prints: Vec<u64>,
}

/// Documents by name.
#[derive(Debug)]
pub struct Draft {
    key: Key,
    sheets: BTreeMap<String, Sheet>,
    prints: usize,
}

impl From<Prints> for Draft {
    fn from(prints: Prints) -> Draft {
        let Prints { documents, table, key } = prints;
        let mut draft = Draft::of(&key);
        let mut sheets: Vec<Sheet> =
            documents.into_iter().map(|about| Sheet { about, prints: Vec::new() }).collect();
        for (value, digest) in (0..).zip(&table.parts().digests) {
            for document in table.cells(value) {
                if let Some(sheet) = sheets.get_mut(*document as usize) {
                    sheet.prints.push(*digest);
                    draft.prints += 1;
                }
            }
        }
        draft.sheets = sheets.into_iter().map(|sheet| (sheet.about.name.clone(), sheet)).collect();
        draft
    }
}

impl Draft {
    /// An empty one.
    pub fn of(key: &Key) -> Draft {
        Draft { key: key.clone(), sheets: BTreeMap::new(), prints: 0 }
    }

    /// Adds a document, in the place of one of the same name. Returns its name without what
    /// cannot be shown.
    pub fn add(
        &mut self,
        name: &str,
        text: &str,
        role: Role,
        now_s: u64,
    ) -> Result<String, PrintsError> {
        let name: String =
            name.chars().filter(|letter| !letter.is_control()).take(NAME_CHARS).collect();
        let (prints, words) = winnow(&self.key, text);
        let too_short = words < SURE_WORDS || prints.len() < PASSAGE_PRINTS;
        if role == Role::Protected && too_short {
            return Err(PrintsError::Short { name, words });
        }
        self.remove(&name);
        self.prints += prints.len();
        if self.prints > MOST_PRINTS || self.sheets.len() >= MOST_DOCUMENTS {
            self.prints -= prints.len();
            return Err(PrintsError::Full(format!(
                "{name}: a set holds {MOST_DOCUMENTS} documents and {MOST_PRINTS} fingerprints; \
                 begin another one"
            )));
        }
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let about = Document {
            name: name.clone(),
            added_s: now_s,
            words: number(words),
            prints: number(prints.len()),
            ignored: 0,
            is_common: role == Role::Common,
        };
        self.sheets.insert(name.clone(), Sheet { about, prints });
        Ok(name)
    }

    /// Removes a document; says whether there was one of that name.
    pub fn remove(&mut self, name: &str) -> bool {
        let removed = self.sheets.remove(name);
        self.prints -= removed.as_ref().map_or(0, |sheet| sheet.prints.len());
        removed.is_some()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.sheets.is_empty()
    }

    /// Settles what is common.
    pub fn finish(self) -> Prints {
        let is_protected = |sheet: &&Sheet| !sheet.about.is_common;
        let protected = self.sheets.values().filter(is_protected).count();
        let most = (protected * COMMON_PERCENT / 100).clamp(COMMON_AT_LEAST, COMMON_AT_MOST);
        let mut documents_with: HashMap<u64, usize> = HashMap::with_capacity(self.prints);
        for sheet in self.sheets.values() {
            for print in &sheet.prints {
                let more = if sheet.about.is_common { COMMON_AT_MOST + 1 } else { 1 };
                *documents_with.entry(*print).or_default() += more;
            }
        }
        let is_common = |print: &u64| documents_with.get(print).is_some_and(|with| *with > most);
        let mut gatherer = Gatherer::default();
        let mut documents = Vec::with_capacity(self.sheets.len());
        for (number, mut sheet) in (0..).zip(self.sheets.into_values()) {
            let mut ignored = 0;
            for print in sheet.prints {
                gatherer.push(print, number);
                gatherer.push_code(print);
                if is_common(&print) {
                    gatherer.push_weak(print);
                    ignored += 1;
                }
            }
            sheet.about.ignored = ignored;
            documents.push(sheet.about);
        }
        let table = Table::of(gatherer.parts(), documents.len() as u64);
        // What was gathered fits together.
        let table = table.unwrap_or_else(Table::empty);
        Prints { documents, table, key: self.key }
    }
}
