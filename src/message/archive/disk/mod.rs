//! Images of hard disks and floppies: raw ones and VHD ([MS-VHD]: "Virtual Hard Disk Image
//! Format Specification" 1.0).
//!
//! In: an image. Out: the files of its FAT volumes as members; other file systems are closed
//! as unsupported. Partitions are followed by MBR, with extended ones, and by GPT (UEFI
//! section 5.3). A dynamic VHD is read through its table of blocks; one that only holds what
//! differs from another image is closed as incomplete.

mod fat;
mod partition;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use super::runs::{self, Run};
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::cursor::Cursor;
use crate::message::fixed::{exactly, u16_at};

const SECTOR_OCTETS: u64 = 512;

/// The octets of one reading: a folder, a table.
const READ_OCTETS: u64 = 8 << 20;

/// A disk, or a part of it.
#[derive(Debug, Clone)]
struct Disk<'i> {
    image: &'i Bytes,
    /// Where blocks lie, when they do not lie one after another.
    blocks: Option<&'i Blocks>,
    /// Where this part begins on the disk.
    begins: u64,
    /// Octets of this part.
    octets: u64,
}

/// The blocks of a dynamic disk.
#[derive(Debug)]
struct Blocks {
    /// Offsets of their octets in the image; nothing for one that was never written.
    offsets: Vec<Option<u64>>,
    octets: u64,
}

impl<'i> Disk<'i> {
    /// A part of it.
    fn part(&self, begins: u64, octets: u64) -> Disk<'i> {
        let begins = begins.min(self.octets);
        let octets = octets.min(self.octets - begins);
        Disk { begins: self.begins.saturating_add(begins), octets, ..self.clone() }
    }

    /// Where octets lie in the image, put behind `runs`.
    fn locate(&self, offset: u64, octets: u64, runs: &mut Vec<Run>) {
        let Some(mut at) = self.begins.checked_add(offset) else { return };
        let Some(blocks) = self.blocks else {
            return runs::push(runs, Run { offset: Some(at), octets });
        };
        let mut left = octets;
        while left > 0 {
            let within = at % blocks.octets;
            let piece = left.min(blocks.octets - within);
            let block = usize::try_from(at / blocks.octets).ok();
            let offset = match block.and_then(|block| blocks.offsets.get(block)) {
                Some(Some(offset)) => Some(offset.saturating_add(within)),
                Some(None) => None,
                // Beyond the disk.
                None => Some(u64::MAX),
            };
            let outside = offset == Some(u64::MAX);
            runs::push(runs, Run { offset, octets: piece });
            if outside {
                return;
            }
            at = at.saturating_add(piece);
            left -= piece;
        }
    }

    /// Octets of a structure, as far as they are there.
    fn read(&self, offset: u64, octets: u64) -> Vec<u8> {
        let mut runs = Vec::new();
        let octets = octets.min(READ_OCTETS).min(self.octets.saturating_sub(offset));
        self.locate(offset, octets, &mut runs);
        runs::whole(&runs, self.image, usize::try_from(octets).unwrap_or_default())
    }
}

/// Takes a raw image apart.
pub(in crate::message) fn open_raw(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let disk = Disk { image: octets, blocks: None, begins: 0, octets: octets.len() as u64 };
    partition::walk(&disk, opening)
}

/// Takes a VHD apart.
pub(in crate::message) fn open_vhd(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let footer_at = (octets.len() as u64).saturating_sub(SECTOR_OCTETS);
    // A dynamic disk has a copy of it at its begin.
    let footer = [footer_at, 0, footer_at + 1]
        .into_iter()
        .filter_map(|at| exactly(octets, at, SECTOR_OCTETS - 1))
        .find(|footer| footer.starts_with(b"conectix"));
    let Some(footer) = footer else {
        opening.closed(Closed::Damaged, "no footer");
        return Ok(());
    };
    let mut kind = Cursor::begin(footer, 60);
    match kind.as_mut().and_then(|cursor| cursor.u32_be()) {
        Some(2) => {
            let disk = Disk { image: octets, blocks: None, begins: 0, octets: footer_at };
            partition::walk(&disk, opening)
        }
        Some(3) => {
            let Some(blocks) = read_blocks(octets, footer) else {
                opening.closed(Closed::Damaged, "the table of blocks is broken");
                return Ok(());
            };
            let size = Cursor::begin(footer, 48).and_then(|mut cursor| cursor.u64_be());
            let disk = Disk {
                image: octets,
                blocks: Some(&blocks),
                begins: 0,
                octets: size.unwrap_or_default(),
            };
            partition::walk(&disk, opening)
        }
        Some(4) => {
            opening.closed(Closed::Elsewhere, "holds only what differs from another image");
            Ok(())
        }
        _ => {
            opening.closed(Closed::Unsupported, "unknown kind of disk");
            Ok(())
        }
    }
}

/// The table of blocks of a dynamic disk.
fn read_blocks(image: &[u8], footer: &[u8]) -> Option<Blocks> {
    let header_at = Cursor::begin(footer, 16)?.u64_be()?;
    let header = exactly(image, header_at, 1_024)?;
    if !header.starts_with(b"cxsparse") {
        return None;
    }
    let mut fields = Cursor::begin(header, 16)?;
    let table_at = fields.u64_be()?;
    let _version = fields.u32_be()?;
    let entries = u64::from(fields.u32_be()?);
    let octets = u64::from(fields.u32_be()?);
    if octets < SECTOR_OCTETS {
        return None;
    }
    // Each block has a bitmap of its sectors before it.
    let bitmap = (octets / SECTOR_OCTETS).div_ceil(8).next_multiple_of(SECTOR_OCTETS);
    let table = exactly(image, table_at, entries.checked_mul(4)?)?;
    let offset = |entry: &[u8]| {
        let sector = Cursor::new(entry).u32_be().filter(|sector| *sector != u32::MAX)?;
        Some(u64::from(sector) * SECTOR_OCTETS + bitmap)
    };
    Some(Blocks { offsets: table.chunks_exact(4).map(offset).collect(), octets })
}

/// Walks through a volume by its file system; says whether one is known.
fn walk_volume(disk: &Disk<'_>, opening: &mut Opening<'_, '_>) -> Result<bool, Exhausted> {
    let boot = disk.read(0, 4_096);
    let why = match boot.get(3..11).unwrap_or_default() {
        b"NTFS    " => "NTFS",
        b"EXFAT   " => "exFAT",
        b"-FVE-FS-" => {
            opening.closed(Closed::Encrypted, "BitLocker volume");
            return Ok(true);
        }
        _ => match (fat::Volume::read(&boot, disk.octets), u16_at(&boot, 1_024 + 56)) {
            (Some(volume), _) => {
                fat::walk(disk, &volume, opening)?;
                return Ok(true);
            }
            (None, 0xef53) => "ext",
            (None, _) => match u16_at(&boot, 1_024) {
                0x482b | 0x4858 | 0x2b48 | 0x5848 => "HFS+",
                _ => return Ok(false),
            },
        },
    };
    opening.closed(Closed::Unsupported, format!("{why} volume"));
    Ok(true)
}
