//! FAT12, FAT16 and FAT32 ("Microsoft Extensible Firmware Initiative FAT32 File System
//! Specification" 1.03).
//!
//! In: a volume. Out: its files with their long names as members. Chains of clusters end
//! after as many as the file's size needs, folders where one was seen before, so that loops
//! cost nothing. Hidden files are remarked.

use std::collections::{HashSet, VecDeque};

use super::super::label;
use super::super::runs::{self, Run};
use super::Disk;
use crate::message::contents::{Exhausted, Opening};
use crate::message::fixed::{octet, u16_at, u32_at};

/// Octets of one folder that are read; the format allows 65 536 entries.
const FOLDER_OCTETS: u64 = 2 << 20;

/// Octets of the table that are held at once.
const TABLE_OCTETS: u64 = 8 << 20;

/// Width of the table's entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    Twelve,
    Sixteen,
    ThirtyTwo,
}

/// What a boot sector says.
#[derive(Debug)]
pub(super) struct Volume {
    width: Width,
    cluster_octets: u64,
    table_at: u64,
    table_octets: u64,
    root_at: u64,
    root_octets: u64,
    root_cluster: u32,
    data_at: u64,
    clusters: u64,
}

impl Volume {
    /// Reads a boot sector (section "Boot Sector and BPB Structure"); nothing when it is not
    /// one of FAT.
    pub(super) fn read(boot: &[u8], disk_octets: u64) -> Option<Volume> {
        let sector = u64::from(u16_at(boot, 11));
        let cluster_sectors = u64::from(octet(boot, 13));
        let reserved = u64::from(u16_at(boot, 14));
        let tables = u64::from(octet(boot, 16));
        let root_entries = u64::from(u16_at(boot, 17));
        let sane = matches!(sector, 512 | 1_024 | 2_048 | 4_096)
            && cluster_sectors.is_power_of_two()
            && reserved > 0
            && (1..=4).contains(&tables)
            && (octet(boot, 21) >= 0xf0 || matches!(octet(boot, 0), 0xeb | 0xe9));
        if !sane {
            return None;
        }
        let either = |short: u64, long: usize| match short {
            0 => u64::from(u32_at(boot, long)),
            short => short,
        };
        let sectors = either(u64::from(u16_at(boot, 19)), 32);
        let table_sectors = either(u64::from(u16_at(boot, 22)), 36);
        let root_sectors = (root_entries * 32).div_ceil(sector);
        let data_sector = reserved + tables * table_sectors + root_sectors;
        // An image may be cut off or say too little; what is there is read.
        let sectors = sectors.max(data_sector).min((disk_octets / sector).max(data_sector));
        let clusters = (sectors - data_sector) / cluster_sectors;
        let table_octets = (table_sectors * sector).min(TABLE_OCTETS);
        if table_octets == 0 {
            return None;
        }
        let width = match (root_entries, u16_at(boot, 22), clusters) {
            (0, 0, _) => Width::ThirtyTwo,
            (_, _, 0..4_085) => Width::Twelve,
            _ => Width::Sixteen,
        };
        Some(Volume {
            width,
            cluster_octets: cluster_sectors * sector,
            table_at: reserved * sector,
            table_octets,
            root_at: (reserved + tables * table_sectors) * sector,
            root_octets: root_entries * 32,
            root_cluster: u32_at(boot, 44),
            data_at: data_sector * sector,
            clusters,
        })
    }

    /// The cluster that follows another one.
    fn next(&self, table: &[u8], cluster: u32) -> Option<u32> {
        let number = cluster as usize;
        let (next, last) = match self.width {
            Width::Twelve => {
                let pair = u32::from(u16_at(table, number + number / 2));
                (if number.is_multiple_of(2) { pair & 0xfff } else { pair >> 4 }, 0xff6)
            }
            Width::Sixteen => (u32::from(u16_at(table, number * 2)), 0xfff6),
            Width::ThirtyTwo => (u32_at(table, number * 4) & 0x0fff_ffff, 0x0fff_fff6),
        };
        (2..=last).contains(&next).then_some(next)
    }

    /// Where the clusters of a chain lie, no more than so many octets of them.
    fn chain(
        &self,
        disk: &Disk<'_>,
        table: &[u8],
        first: u32,
        octets: u64,
        opening: &Opening<'_, '_>,
    ) -> Result<Vec<Run>, Exhausted> {
        let mut found = Vec::new();
        let mut left = octets;
        let mut cluster = (first >= 2).then_some(first);
        let mut steps = 0_u64;
        while let Some(number) = cluster.filter(|_| left > 0) {
            steps += 1;
            if steps.is_multiple_of(64) {
                opening.pay_time()?;
            }
            if u64::from(number) >= self.clusters.saturating_add(2) || steps > self.clusters {
                break;
            }
            let piece = left.min(self.cluster_octets);
            let at = self.data_at + u64::from(number - 2) * self.cluster_octets;
            disk.locate(at, piece, &mut found);
            left -= piece;
            cluster = self.next(table, number);
        }
        Ok(found)
    }
}

/// A folder that waits to be walked: its path and where it lies.
struct Folder {
    path: String,
    runs: Vec<Run>,
}

/// Walks through the files of a volume.
pub(super) fn walk(
    disk: &Disk<'_>,
    volume: &Volume,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let table = disk.read(volume.table_at, volume.table_octets);
    opening.pay_octets(table.len() as u64)?;
    let mut root = Vec::new();
    match volume.width {
        Width::ThirtyTwo => {
            root = volume.chain(disk, &table, volume.root_cluster, FOLDER_OCTETS, opening)?;
        }
        _ => disk.locate(volume.root_at, volume.root_octets, &mut root),
    }
    let mut seen = HashSet::from([volume.root_cluster]);
    let mut waiting = VecDeque::from([Folder { path: String::new(), runs: root }]);
    while let Some(folder) = waiting.pop_front() {
        let octets = runs::whole(&folder.runs, disk.image, FOLDER_OCTETS as usize);
        opening.pay_octets(octets.len() as u64)?;
        let mut long = LongName::default();
        for record in octets.chunks_exact(32) {
            opening.pay_time()?;
            let Some(entry) = long.next(record) else {
                match octet(record, 0) {
                    0 => break,
                    _ => continue,
                }
            };
            let name = label::within(&folder.path, &entry.name);
            if entry.attributes & 2 != 0 {
                opening.remark("DISK_IMAGE_HIDDEN_FILE", name.clone());
            }
            if entry.attributes & 0x10 == 0 {
                // One octet more than is unpacked shows that a file is too large.
                let most = entry.octets.min(opening.member_limit_octets() + 1);
                let runs = volume.chain(disk, &table, entry.cluster, most, opening)?;
                walk_file(disk, &name, runs, entry.octets, opening)?;
            } else if entry.cluster >= 2 && seen.insert(entry.cluster) {
                let runs = volume.chain(disk, &table, entry.cluster, FOLDER_OCTETS, opening)?;
                waiting.push_back(Folder { path: name, runs });
            }
        }
    }
    Ok(())
}

fn walk_file(
    disk: &Disk<'_>,
    name: &str,
    mut runs: Vec<Run>,
    octets: u64,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let there = runs.iter().fold(0_u64, |sum, run| sum.saturating_add(run.octets));
    if there < octets && there <= opening.member_limit_octets() {
        // The chain ends too early; the rest lies nowhere, which shows when it is read.
        runs.push(Run { offset: Some(u64::MAX), octets: octets - there });
    }
    runs::member(name, &runs, disk.image, opening)
}

/// A file or folder in a folder.
struct Entry {
    name: String,
    attributes: u8,
    cluster: u32,
    octets: u64,
}

/// The pieces of a long name, which stand before its entry, the last first (section "FAT Long
/// Directory Entries").
#[derive(Default)]
struct LongName {
    units: Vec<u8>,
}

impl LongName {
    /// Takes a record; gives an entry when it is one.
    fn next(&mut self, record: &[u8]) -> Option<Entry> {
        let first = octet(record, 0);
        let attributes = octet(record, 11);
        if matches!(first, 0 | 0xe5) {
            self.units.clear();
            return None;
        }
        if attributes & 0x3f == 0x0f {
            if first & 0x40 != 0 {
                self.units.clear();
            }
            let mut piece = Vec::with_capacity(26 + self.units.len());
            for part in [1..11, 14..26, 28..32] {
                piece.extend_from_slice(record.get(part).unwrap_or_default());
            }
            // Twenty pieces make the longest name.
            if self.units.len() < 20 * 26 {
                piece.append(&mut self.units);
            }
            self.units = piece;
            return None;
        }
        let long = std::mem::take(&mut self.units);
        // A volume's label is none of its files.
        if attributes & 0x08 != 0 || matches!(record.get(..2), Some(b". " | b"..")) {
            return None;
        }
        let end = long.chunks_exact(2).position(|unit| unit == [0, 0]);
        let long = long.get(..end.map_or(long.len(), |units| units * 2)).unwrap_or_default();
        Some(Entry {
            name: match long.is_empty() {
                true => short_name(record),
                false => label::of_utf16_le(long),
            },
            attributes,
            cluster: u32::from(u16_at(record, 20)) << 16 | u32::from(u16_at(record, 26)),
            octets: u64::from(u32_at(record, 28)),
        })
    }
}

/// A name of eight letters and three.
fn short_name(record: &[u8]) -> String {
    let mut base = record.get(..8).unwrap_or_default().to_vec();
    // 0xE5 as a first letter would mean that the file is deleted.
    if let Some(first) = base.first_mut().filter(|first| **first == 0x05) {
        *first = 0xe5;
    }
    // Windows keeps in two bits that a half is written in small letters.
    let small = octet(record, 12);
    let lettered = |octets: &[u8], bit: u8| match small & bit != 0 {
        true => label::of_octets(octets).to_lowercase(),
        false => label::of_octets(octets),
    };
    let base = lettered(&base, 0x08);
    let extension = lettered(record.get(8..11).unwrap_or_default(), 0x10);
    match extension.trim_end() {
        "" => base.trim_end().to_owned(),
        extension => format!("{}.{extension}", base.trim_end()),
    }
}
