//! UDF 1.02 to 2.60 (OSTA UDF, ECMA-167).
//!
//! In: an image. Out: its files, by short, long and embedded allocation descriptors, on
//! physical, sparable and metadata partitions. Virtual partitions (of recordable CDs) and
//! other ways of storing close the image or the file as unsupported.

use std::collections::{HashSet, VecDeque};

use bytes::Bytes;

use super::super::label;
use super::super::runs::{self, Run, Seen};
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::cursor::Cursor;
use crate::message::fixed::{exactly, octet, u16_at, u32_at, u64_at};

/// Descriptors of a volume that are read.
const DESCRIPTORS: u64 = 256;
/// Pieces of one file; also bounds chains of allocation extents.
const PIECES: usize = 10_000;
/// Pieces of a metadata partition, which are searched for each block.
const METADATA_PIECES: usize = 1_000;
/// Octets of one folder that are read.
const FOLDER_OCTETS: usize = 4 << 20;

/// Where blocks of a partition lie.
#[derive(Debug, Clone)]
enum Partition {
    /// One after another, from this block of the image.
    Physical(u64),
    /// In a file that holds all that is not content (UDF 2.50 section 2.2.13).
    Metadata(Vec<Run>),
    Unknown,
}

/// A volume whose files can be looked up.
#[derive(Debug, Default)]
struct Volume {
    block_octets: u64,
    partitions: Vec<Partition>,
    root: Address,
}

/// A block of a partition (ECMA-167 part 4 section 7.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Address {
    block: u32,
    partition: u16,
}

/// What a file entry says.
#[derive(Debug, Default)]
struct Entry {
    folder: bool,
    /// Where its octets lie, or nothing when that cannot be known.
    runs: Option<Vec<Run>>,
    octets: u64,
}

/// Walks through the files of a UDF volume; says whether there is one.
pub(super) fn walk(
    image: &Bytes,
    seen: &mut Seen,
    opening: &mut Opening<'_, '_>,
) -> Result<bool, Exhausted> {
    if !is_udf(image) {
        return Ok(false);
    }
    match volume(image) {
        Some(volume) => walk_volume(image, &volume, seen, opening)?,
        None => opening.closed(Closed::Unsupported, "UDF volume that is not understood"),
    }
    Ok(true)
}

/// Whether the volume recognition sequence speaks of UDF (ECMA-167 part 2 section 9.1).
fn is_udf(image: &[u8]) -> bool {
    (16..32).any(|sector| {
        exactly(image, sector * 2_048 + 1, 5).is_some_and(|id| matches!(id, b"NSR02" | b"NSR03"))
    })
}

/// Finds the anchor, and by it the volume.
fn volume(image: &[u8]) -> Option<Volume> {
    for block_octets in [2_048_u64, 512, 4_096, 1_024] {
        let blocks = image.len() as u64 / block_octets;
        let places = [256, 512, blocks.saturating_sub(1), blocks.saturating_sub(257)];
        for block in places {
            let anchor = exactly(image, block * block_octets, 512);
            let Some(anchor) = anchor.filter(|anchor| tag(anchor) == 2) else { continue };
            if u64::from(u32_at(anchor, 12)) != block {
                continue;
            }
            // The main sequence, then its reserve (part 3 section 10.2).
            for extent in [16, 24] {
                let octets = u64::from(u32_at(anchor, extent));
                let first = u64::from(u32_at(anchor, extent + 4));
                let found = sequence(image, block_octets, first, octets / block_octets);
                if found.is_some() {
                    return found;
                }
            }
        }
    }
    None
}

/// The kind of a descriptor.
fn tag(descriptor: &[u8]) -> u16 {
    u16_at(descriptor, 0)
}

/// Reads a volume descriptor sequence.
fn sequence(image: &[u8], block_octets: u64, first: u64, blocks: u64) -> Option<Volume> {
    let mut physical: Vec<(u16, u64)> = Vec::new();
    let mut logical = None;
    for number in 0..blocks.min(DESCRIPTORS) {
        let at = first.checked_add(number)?.checked_mul(block_octets)?;
        let Some(descriptor) = exactly(image, at, block_octets.max(512)) else { break };
        match tag(descriptor) {
            5 => physical.push((u16_at(descriptor, 22), u64::from(u32_at(descriptor, 188)))),
            6 => logical = Some(descriptor),
            8 => break,
            _ => {}
        }
    }
    let logical = logical?;
    let block_octets = u64::from(u32_at(logical, 212));
    if !(512..=65_536).contains(&block_octets) {
        return None;
    }
    let mut volume = Volume { block_octets, ..Volume::default() };
    let mut maps = Cursor::begin(logical, 440)?;
    let mut metadata = Vec::new();
    for number in 0..u32_at(logical, 268).min(16) {
        let kind = maps.u8()?;
        let length = usize::from(maps.u8()?).checked_sub(2)?;
        let map = maps.take(length)?;
        let begin = |partition: u16| {
            physical.iter().find(|(number, _)| *number == partition).map(|(_, begin)| *begin)
        };
        let partition = match kind {
            1 => begin(u16_at(map, 2)).map(Partition::Physical),
            2 => match map.get(3..26).unwrap_or_default() {
                id if id.starts_with(b"*UDF Sparable Partition") => {
                    begin(u16_at(map, 36)).map(Partition::Physical)
                }
                id if id.starts_with(b"*UDF Metadata Partition") => {
                    metadata.push((number, u16_at(map, 36), u32_at(map, 38)));
                    None
                }
                _ => None,
            },
            _ => None,
        };
        volume.partitions.push(partition.unwrap_or(Partition::Unknown));
    }
    for (number, partition, block) in metadata {
        let begin = physical.iter().find(|(number, _)| *number == partition)?.1;
        let at = begin.checked_add(u64::from(block))?.checked_mul(block_octets)?;
        let own = Volume {
            block_octets,
            partitions: vec![Partition::Physical(begin); volume.partitions.len().max(1)],
            root: Address::default(),
        };
        let entry = read_entry(at, 0, image, &own)?;
        if let Some(place) = volume.partitions.get_mut(number as usize) {
            let runs = entry.runs.filter(|runs| runs.len() <= METADATA_PIECES);
            *place = Partition::Metadata(runs?);
        }
    }
    // The file set descriptor, and in it the root folder (part 4 section 14.1).
    let set = volume.block(image, address(logical, 248))?;
    if tag(set) != 256 {
        return None;
    }
    volume.root = address(set, 400);
    Some(volume)
}

/// The address in a long allocation descriptor (part 4 section 14.14.2).
fn address(octets: &[u8], offset: usize) -> Address {
    Address { block: u32_at(octets, offset + 4), partition: u16_at(octets, offset + 8) }
}

impl Volume {
    /// Where a block lies in the image.
    fn offset(&self, address: Address) -> Option<u64> {
        let within = u64::from(address.block).checked_mul(self.block_octets)?;
        match self.partitions.get(usize::from(address.partition))? {
            Partition::Physical(begin) => begin.checked_mul(self.block_octets)?.checked_add(within),
            Partition::Metadata(runs) => {
                let mut left = within;
                for run in runs {
                    if left < run.octets {
                        return run.offset?.checked_add(left);
                    }
                    left -= run.octets;
                }
                None
            }
            Partition::Unknown => None,
        }
    }

    fn block<'a>(&self, image: &'a [u8], address: Address) -> Option<&'a [u8]> {
        exactly(image, self.offset(address)?, self.block_octets)
    }
}

/// Reads a file entry or an extended one (part 4 sections 14.9 and 14.17).
fn read_entry(offset: u64, partition: u16, image: &[u8], volume: &Volume) -> Option<Entry> {
    let entry = exactly(image, offset, volume.block_octets)?;
    let (attributes_at, lengths_at) = match tag(entry) {
        261 => (176_usize, 168),
        266 => (216_usize, 208),
        _ => return None,
    };
    let mut found = Entry { folder: octet(entry, 27) == 4, octets: u64_at(entry, 56), runs: None };
    let attributes = u32_at(entry, lengths_at) as usize;
    let descriptors = u64::from(u32_at(entry, lengths_at + 4));
    let at = attributes_at.checked_add(attributes)?;
    let area = exactly(entry, at as u64, descriptors)?;
    let kind = u16_at(entry, 34) & 7;
    found.runs = match kind {
        0 | 1 => pieces(area, kind == 1, partition, image, volume),
        // The octets stand where descriptors would.
        3 => Some(vec![Run { offset: Some(offset + at as u64), octets: descriptors }]),
        _ => None,
    };
    if let Some(runs) = &mut found.runs {
        runs::cut_to(runs, found.octets);
        let there = runs.iter().fold(0_u64, |sum, run| sum.saturating_add(run.octets));
        if there < found.octets {
            // The rest lies nowhere, which shows when it is read.
            runs.push(Run { offset: Some(u64::MAX), octets: found.octets - there });
        }
    }
    Some(found)
}

/// Follows allocation descriptors (part 4 sections 14.14.1 and 14.14.2).
fn pieces(
    area: &[u8],
    long: bool,
    partition: u16,
    image: &[u8],
    volume: &Volume,
) -> Option<Vec<Run>> {
    let mut found = Vec::new();
    let mut area = Cursor::new(area);
    let mut steps = 0;
    while let Some(length) = area.u32_le() {
        let block = area.u32_le()?;
        let mut at = Address { block, partition };
        if long {
            at.partition = area.u16_le()?;
            area.skip(6)?;
        }
        let octets = u64::from(length & 0x3fff_ffff);
        steps += 1;
        if octets == 0 || steps > PIECES {
            break;
        }
        match length >> 30 {
            0 => runs::push(&mut found, Run { offset: Some(volume.offset(at)?), octets }),
            // Allocated or not, but never written.
            1 | 2 => runs::push(&mut found, Run { offset: None, octets }),
            // More descriptors (section 14.5): a tag, the one before, their length.
            _ => {
                let next = volume.block(image, at)?;
                let length = u64::from(u32_at(next, 20));
                area = Cursor::new(exactly(next, 24, length.min(next.len() as u64 - 24))?);
            }
        }
    }
    Some(found)
}

fn walk_volume(
    image: &Bytes,
    volume: &Volume,
    seen: &mut Seen,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let mut folders = HashSet::new();
    let mut waiting = VecDeque::from([(String::new(), volume.root)]);
    while let Some((path, at)) = waiting.pop_front() {
        opening.pay_time()?;
        if !folders.insert(at) {
            continue;
        }
        let entry = volume.offset(at);
        let entry = entry.and_then(|offset| read_entry(offset, at.partition, image, volume));
        let Some(runs) = entry.and_then(|entry| entry.runs) else {
            opening.closed(Closed::Damaged, format!("folder {path} cannot be read"));
            continue;
        };
        let folder = runs::whole(&runs, image, FOLDER_OCTETS);
        opening.pay_octets(folder.len() as u64)?;
        let mut cursor = Cursor::new(&folder);
        while let Some(identifier) = identifier(&mut cursor) {
            opening.pay_time()?;
            // Deleted, or the folder above.
            if identifier.characteristics & 0x0c != 0 {
                continue;
            }
            let name = label::within(&path, &identifier.name);
            if identifier.characteristics & 1 != 0 {
                opening.remark("DISK_IMAGE_HIDDEN_FILE", name.clone());
            }
            if identifier.characteristics & 2 != 0 {
                waiting.push_back((name, identifier.at));
                continue;
            }
            walk_file(image, volume, &name, identifier.at, seen, opening)?;
        }
    }
    Ok(())
}

/// A name in a folder (part 4 section 14.4).
struct Identifier {
    name: String,
    characteristics: u8,
    at: Address,
}

fn identifier(cursor: &mut Cursor<'_>) -> Option<Identifier> {
    let head = cursor.take(38)?;
    if tag(head) != 257 {
        return None;
    }
    let name_octets = usize::from(octet(head, 19));
    let own = usize::from(u16_at(head, 36));
    cursor.skip(own as u64)?;
    let name = cursor.take(name_octets)?;
    // Each begins at a multiple of four.
    let padding = (38 + own + name_octets).wrapping_neg() % 4;
    let _ = cursor.take(padding);
    let name = match name.split_first() {
        // Octets or pairs of them (UDF section 2.1.1).
        Some((16 | 255, letters)) => label::of_utf16_be(letters),
        Some((_, letters)) => letters.iter().map(|letter| char::from(*letter)).collect(),
        None => String::new(),
    };
    Some(Identifier { name, characteristics: octet(head, 18), at: address(head, 20) })
}

fn walk_file(
    image: &Bytes,
    volume: &Volume,
    name: &str,
    at: Address,
    seen: &mut Seen,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let entry = volume.offset(at);
    let entry = entry.and_then(|offset| read_entry(offset, at.partition, image, volume));
    let Some(entry) = entry else { return opening.closed_member(name, 0, Closed::Damaged) };
    let Some(runs) = entry.runs.filter(|_| !entry.folder) else {
        return opening.closed_member(name, entry.octets, Closed::Unsupported);
    };
    match seen.is_new(name, &runs) {
        true => runs::member(name, &runs, image, opening),
        false => Ok(()),
    }
}
