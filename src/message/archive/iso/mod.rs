//! Images of CDs and DVDs: ISO 9660 (ECMA-119) with Joliet and Rock Ridge names, and UDF.
//!
//! In: an image. Out: its files as members, by every tree that it has: systems differ in
//! which one they show. Files that only one tree has are remarked, and so are hidden ones.
//! Loops of folders end where a folder was seen before.

mod record;
#[cfg(test)]
mod tests;
mod udf;

use std::collections::{HashSet, VecDeque};

use bytes::Bytes;

use self::record::{Letters, Record, SECTOR_OCTETS};
use super::label;
use super::runs::{self, Run, Seen};
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::fixed::{exactly, octet, u32_at};

/// Volume descriptors begin after the system area (section 6.2.1), and are few.
const FIRST_DESCRIPTOR: u64 = 16;
const DESCRIPTORS: u64 = 64;

/// Octets of one folder that are read.
const FOLDER_OCTETS: usize = 4 << 20;

/// A tree of folders.
struct Tree {
    letters: Letters,
    sector: u32,
    octets: u32,
}

/// Where a file lies: its first sector and its size.
type Place = (u32, u32);

/// Takes an image of a CD or DVD apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let mut seen = Seen::default();
    // What Windows shows first: UDF, then Joliet, then plain names.
    let has_udf = udf::walk(octets, &mut seen, opening)?;
    let mut trees = trees(octets);
    trees.sort_by_key(|tree| tree.letters == Letters::Plain);
    if trees.is_empty() && !has_udf {
        opening.closed(Closed::Damaged, "no volume that is known");
        return Ok(());
    }
    let mut places: Vec<HashSet<Place>> = Vec::new();
    for tree in &trees {
        places.push(walk_tree(octets, tree, &mut seen, opening)?);
    }
    let mut others = places.iter();
    if let Some(first) = others.next()
        && others.any(|other| other != first)
    {
        opening.remark("ISO_TREES_DIFFER", "not all names lists hold the same files");
    }
    Ok(())
}

/// The trees that volume descriptors speak of (sections 8.4 and 8.5).
fn trees(image: &[u8]) -> Vec<Tree> {
    let mut trees = Vec::new();
    for number in FIRST_DESCRIPTOR..FIRST_DESCRIPTOR + DESCRIPTORS {
        let Some(descriptor) = exactly(image, number * SECTOR_OCTETS, SECTOR_OCTETS) else { break };
        if descriptor.get(1..6) != Some(b"CD001") {
            continue;
        }
        let letters = match octet(descriptor, 0) {
            1 => Letters::Plain,
            // Joliet's escape sequences for UCS-2 of three levels.
            2 => match descriptor.get(88..91) {
                Some(b"%/@" | b"%/C" | b"%/E") => Letters::Joliet,
                _ => Letters::Plain,
            },
            0xff => break,
            _ => continue,
        };
        let root = descriptor.get(156..190).unwrap_or_default();
        trees.push(Tree { letters, sector: u32_at(root, 2), octets: u32_at(root, 10) });
    }
    trees
}

fn walk_tree(
    image: &Bytes,
    tree: &Tree,
    seen: &mut Seen,
    opening: &mut Opening<'_, '_>,
) -> Result<HashSet<Place>, Exhausted> {
    let mut places = HashSet::new();
    let mut folders = HashSet::new();
    let mut waiting = VecDeque::from([(String::new(), tree.sector, tree.octets)]);
    while let Some((path, sector, octets)) = waiting.pop_front() {
        opening.pay_time()?;
        if !folders.insert(sector) {
            continue;
        }
        let Some(folder) = folder(image, sector, octets) else {
            opening.closed(Closed::Damaged, format!("folder {path} is not there"));
            continue;
        };
        let mut runs: Vec<Run> = Vec::new();
        let mut records = Records { folder, at: 0 };
        while let Some(octets) = records.next() {
            opening.pay_time()?;
            let Some(record) = record::read(octets, image, tree.letters) else { continue };
            let name = label::within(&path, &record.name);
            if record.hidden {
                opening.remark("DISK_IMAGE_HIDDEN_FILE", name.clone());
            }
            if record.folder {
                waiting.push_back((name, record.sector, record.octets));
                continue;
            }
            let offset = Some(u64::from(record.sector) * SECTOR_OCTETS);
            if record.octets > 0 {
                places.insert((record.sector, record.octets));
                runs::push(&mut runs, Run { offset, octets: u64::from(record.octets) });
            }
            if record.continues {
                continue;
            }
            let runs = std::mem::take(&mut runs);
            walk_file(image, &name, &record, &runs, seen, opening)?;
        }
    }
    Ok(places)
}

fn walk_file(
    image: &Bytes,
    name: &str,
    record: &Record,
    runs: &[Run],
    seen: &mut Seen,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    if !seen.is_new(name, runs) {
        return Ok(());
    }
    if record.zisofs {
        opening.closed_member(name, u64::from(record.octets), Closed::Unsupported)?;
    }
    runs::member(name, runs, image, opening)
}

/// The octets of a folder; of one whose size is not told where it is spoken of, its own first
/// record tells it.
fn folder(image: &[u8], sector: u32, octets: u32) -> Option<&[u8]> {
    let at = u64::from(sector) * SECTOR_OCTETS;
    let octets = match octets {
        0 => u32_at(exactly(image, at, 34)?, 10),
        octets => octets,
    };
    let left = (image.len() as u64).checked_sub(at)?;
    exactly(image, at, u64::from(octets).min(left).min(FOLDER_OCTETS as u64))
}

/// The records of a folder; none lies across two sectors (section 6.8.1.1).
struct Records<'a> {
    folder: &'a [u8],
    at: usize,
}

impl<'a> Records<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        const SECTOR: usize = SECTOR_OCTETS as usize;
        loop {
            let rest = self.folder.get(self.at..)?;
            match usize::from(*rest.first()?) {
                0 => self.at = (self.at / SECTOR + 1) * SECTOR,
                length => {
                    self.at += length;
                    return rest.get(..length);
                }
            }
        }
    }
}
