//! Everything that a message carries: the files in its parts, the files in these, and so on
//! down, within limits.
//!
//! In: an [`Anatomy`]. Out: [`Contents`]: what each file is and where it lies, what was
//! remarkable about it; the texts found are given to a reader on the way. The walk goes depth
//! first: a file is opened, what it holds is walked, and only then its next member is
//! unpacked, so that no more than one file a level lies in memory, but for those that are
//! kept for the virus scanner. Names within archives are words shown to people; they never
//! reach a file system or a shell, and nothing is executed.
//!
//! An opener is a function in `archive/` or `document/` that takes the octets of a file apart
//! and tells its [`Opening`] what it found. It cannot fail: what it cannot read becomes a
//! remark. It stops when the purse is empty ([`Exhausted`]), which is a remark of the whole
//! message. A reader's panic is the caller's to catch.

mod open;
mod opening;
mod purse;
#[cfg(test)]
mod tests;

pub use opening::{Closed, Opening};
pub use purse::{Exhausted, Limits, Purse, RATIO_FREE_OCTETS};

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;

use super::nature::{self, Nature};
use super::text::Zone;
use super::{Anatomy, Part};

/// A file that a message carries.
#[derive(Debug, Clone)]
pub struct Item {
    /// The names from the outermost file to this one, joined by `/`; what has no name is
    /// called by its number. For people only.
    pub path: String,
    /// Its own name as its reader sees it; empty when it has none.
    pub name: String,
    /// The number of the message's part that it came with.
    pub part: usize,
    /// The number of the item that holds it.
    pub parent: Option<usize>,
    /// How many files it lies in.
    pub depth: u8,
    /// What it is.
    pub nature: Nature,
    /// The type that its container or header claims, in lower case, where one does.
    pub declared: Option<String>,
    /// Its size in octets; of one that cannot be read, what its container says.
    pub octets: u64,
    /// Why it could not be read, if so.
    pub closed: Option<Closed>,
    /// Its octets, where they are kept: files of the message's own parts that are more than
    /// text, and unpacked files, as far as the limit goes.
    pub content: Option<Bytes>,
}

/// Something remarkable about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The name of its finding, which `rules/weights/` knows.
    pub name: &'static str,
    /// The number of the file.
    pub item: usize,
    /// Where in the file and what, in a few words.
    pub detail: String,
    /// How many times it was seen in this file.
    pub times: u32,
}

/// All that a message carries.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// A file stands behind the one that holds it.
    pub items: Vec<Item>,
    /// Each name at most once a file.
    pub remarks: Vec<Remark>,
    /// The limit that ended the walk, if one did: there is more than was looked at.
    pub exhausted: Option<Exhausted>,
}

/// Remarks beyond these say nothing new; the message is what it is by then.
const REMARKS: usize = 1_000;

impl Contents {
    /// Walks through all that a message carries, and gives the texts in it to `reader`.
    pub fn of(anatomy: &Anatomy, limits: Limits, reader: &mut dyn FnMut(Zone, &str)) -> Contents {
        let mut walk = Walk { contents: Contents::default(), purse: Purse::new(limits), reader };
        let mut known = Known::of(anatomy);
        for (number, part) in anatomy.parts.iter().enumerate() {
            if !part.is_leaf() || !known.is_new(part) {
                continue;
            }
            let file = File {
                // Under whichever name it is most dangerous.
                name: part.media.worst_name().to_owned(),
                declared: Some(format!("{}/{}", part.media.main, part.media.subtype)),
                octets: part.content(),
            };
            if let Err(exhausted) = walk.visit(file, number, None) {
                walk.contents.exhausted = Some(exhausted);
                break;
            }
        }
        walk.contents
    }

    /// `path: detail`, as findings show it.
    pub fn place(&self, remark: &Remark) -> String {
        let path = self.items.get(remark.item).map_or("", |item| item.path.as_str());
        let times = match remark.times {
            0 | 1 => String::new(),
            times => format!(" ({times} times)"),
        };
        match remark.detail.is_empty() {
            true => format!("{path}{times}"),
            false => format!("{path}: {}{times}", remark.detail),
        }
    }
}

/// The files of the usual reading, where there are others: readings that differ in the type
/// alone hold the same file, which is walked through once.
struct Known {
    /// Empty when there is one reading only.
    files: Option<(RandomState, HashSet<u64>)>,
}

impl Known {
    fn of(anatomy: &Anatomy) -> Known {
        let has_others = anatomy.parts.iter().any(|part| !part.is_main());
        Known { files: has_others.then(Default::default) }
    }

    fn is_new(&mut self, part: &Part) -> bool {
        let Some((hasher, files)) = &mut self.files else { return true };
        let octets: &[u8] = &part.decoded();
        let key = hasher.hash_one((octets, part.media.worst_name()));
        files.insert(key) || part.is_main()
    }
}

/// A file that is to be walked through.
pub(super) struct File {
    pub(super) name: String,
    pub(super) declared: Option<String>,
    pub(super) octets: Bytes,
}

pub(super) struct Walk<'r> {
    contents: Contents,
    purse: Purse,
    reader: &'r mut dyn FnMut(Zone, &str),
}

/// Characters of one name in a path.
const NAME_CHARS: usize = 120;

impl Walk<'_> {
    /// Notes a file, opens it and walks through what it holds.
    fn visit(&mut self, file: File, part: usize, parent: Option<usize>) -> Result<(), Exhausted> {
        self.purse.pay_member()?;
        let nature = nature::recognize(&file.octets, &file.name);
        let number = self.note(&file.name, file.declared, file.octets.len() as u64, part, parent);
        let Some(item) = self.contents.items.get_mut(number) else { return Ok(()) };
        item.nature = nature;
        let is_own_text = parent.is_none() && matches!(nature, Nature::Text | Nature::Html);
        if !is_own_text && self.purse.keep(file.octets.len()) {
            item.content = Some(file.octets.clone());
        }
        if item.depth >= self.purse.limits().depth {
            if open::holds_files(nature) {
                self.remark(number, "ARCHIVE_TOO_DEEP", String::new());
                self.close(number, Closed::TooDeep);
            }
            return Ok(());
        }
        open::open(nature, &file.octets, &mut Opening::new(self, number))
    }

    fn note(
        &mut self,
        name: &str,
        declared: Option<String>,
        octets: u64,
        part: usize,
        parent: Option<usize>,
    ) -> usize {
        let number = self.contents.items.len();
        let above = parent.and_then(|parent| self.contents.items.get(parent));
        let shown = shown(name);
        let own = if shown.is_empty() { format!("#{part}") } else { shown };
        let (path, depth) = match above {
            Some(above) => (format!("{}/{own}", above.path), above.depth.saturating_add(1)),
            None => (own, 0),
        };
        let item = Item {
            path,
            name: name.to_owned(),
            part,
            parent,
            depth,
            nature: Nature::Unknown,
            declared,
            octets,
            closed: None,
            content: None,
        };
        self.contents.items.push(item);
        number
    }

    fn remark(&mut self, item: usize, name: &'static str, detail: String) {
        let remarks = &mut self.contents.remarks;
        if let Some(same) =
            remarks.iter_mut().rev().find(|remark| remark.item == item && remark.name == name)
        {
            same.times = same.times.saturating_add(1);
        } else if remarks.len() < REMARKS {
            remarks.push(Remark { name, item, detail: shown(&detail), times: 1 });
        }
    }

    fn close(&mut self, item: usize, why: Closed) {
        if let Some(item) = self.contents.items.get_mut(item) {
            item.closed.get_or_insert(why);
        }
    }
}

/// A name as it can be shown: bounded, and without what a terminal would obey.
fn shown(name: &str) -> String {
    let plain = |letter: char| match letter {
        letter if letter.is_control() || super::is_hidden(letter) => '?',
        letter => letter,
    };
    name.trim().chars().take(NAME_CHARS).map(plain).collect()
}
