//! Entries of the boot loader: `postern-GENERATION-SLOT[+LEFT[-DONE]].efi`.
//!
//! In: names in the boot partition. Out: [`Entry`] and back. Standard: the automatic boot
//! assessment of the Boot Loader Specification: `+LEFT-DONE` before the suffix counts tries,
//! and an entry without tries left is the last choice. The generation grows with every
//! installation and stands first in the name, so that what was installed last comes first,
//! whatever its version is: an owner may go back. Names of other forms are left alone.

use std::fs::File;
use std::path::Path;

use super::UpdateError;

/// One of the two root partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The first.
    A,
    /// The second.
    B,
}

impl Slot {
    /// `a` or `b`.
    pub fn named(name: &str) -> Option<Slot> {
        match name {
            "a" => Some(Slot::A),
            "b" => Some(Slot::B),
            _ => None,
        }
    }

    /// `a` or `b`.
    pub fn name(self) -> &'static str {
        match self {
            Slot::A => "a",
            Slot::B => "b",
        }
    }

    /// The one that is not this.
    pub fn other(self) -> Slot {
        match self {
            Slot::A => Slot::B,
            Slot::B => Slot::A,
        }
    }
}

/// Tries of an entry that has not been blessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tries {
    /// How often it may still be started.
    pub left: u32,
    /// How often it was.
    pub done: u32,
}

/// Something that the boot loader may start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Grows with every installation.
    pub generation: u32,
    /// The root partition that it starts.
    pub slot: Slot,
    /// Absent: blessed.
    pub tries: Option<Tries>,
}

impl Entry {
    /// Reads a file's name.
    pub fn parse(name: &str) -> Option<Entry> {
        let stem = name.strip_suffix(".efi")?.strip_prefix("postern-")?;
        let (stem, tries) = match stem.split_once('+') {
            Some((stem, tries)) => (stem, Some(read_tries(tries)?)),
            None => (stem, None),
        };
        let (generation, slot) = stem.split_once('-')?;
        let generation = number(generation).filter(|_| generation.len() == 6)?;
        Some(Entry { generation, slot: Slot::named(slot)?, tries })
    }

    /// The file's name.
    pub fn name(&self) -> String {
        let tries = match self.tries {
            None => String::new(),
            Some(Tries { left, done: 0 }) => format!("+{left}"),
            Some(Tries { left, done }) => format!("+{left}-{done}"),
        };
        format!("postern-{:06}-{}{tries}.efi", self.generation, self.slot.name())
    }

    /// Whether the boot loader has given it up.
    pub fn is_bad(&self) -> bool {
        self.tries.is_some_and(|tries| tries.left == 0)
    }
}

fn read_tries(text: &str) -> Option<Tries> {
    let (left, done) = text.split_once('-').unwrap_or((text, "0"));
    Some(Tries { left: number(left)?, done: number(done)? })
}

fn number(text: &str) -> Option<u32> {
    let is_plain =
        !text.is_empty() && text.len() <= 6 && text.bytes().all(|one| one.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

/// The entries in a folder in the boot loader's order.
pub(super) fn list(folder: &Path) -> Result<Vec<Entry>, UpdateError> {
    let mut entries = Vec::new();
    for file in std::fs::read_dir(folder).map_err(UpdateError::at(folder))? {
        let name = file.map_err(UpdateError::at(folder))?.file_name();
        entries.extend(name.to_str().and_then(Entry::parse));
    }
    entries.sort_by_key(|entry| (entry.is_bad(), std::cmp::Reverse(entry.generation)));
    Ok(entries)
}

/// Names in a folder are on the disk when this returns.
pub(super) fn sync(folder: &Path) -> Result<(), UpdateError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(UpdateError::at(folder))
}
