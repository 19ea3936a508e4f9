//! Partitions of a disk: MBR with extended ones, GPT (UEFI 2.10 section 5), or none.

use std::collections::HashSet;

use super::{Disk, SECTOR_OCTETS, walk_volume};
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::fixed::{octet, u32_at, u64_at};

/// Partitions that are followed.
const PARTITIONS: usize = 128;

/// Walks through the volumes of a disk. A volume may take the whole of it, and partitions may
/// be told beside: both are read.
pub(super) fn walk(disk: &Disk<'_>, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
    let mut known = walk_volume(disk, opening)?;
    let mut parts = gpt(disk);
    let mut begins: HashSet<u64> = parts.iter().map(|part| part.0).collect();
    for part in mbr(disk, opening)? {
        if begins.insert(part.0) {
            parts.push(part);
        }
    }
    let mut strange = false;
    for (begin, octets) in parts.into_iter().take(PARTITIONS) {
        opening.pay_time()?;
        let part = disk.part(begin, octets);
        if begin == 0 || is_blank(&part) {
            continue;
        }
        match walk_volume(&part, opening)? {
            true => known = true,
            false => strange = true,
        }
    }
    if !known || strange {
        opening.closed(Closed::Unsupported, "no file system that is known");
    }
    Ok(())
}

/// Whether a partition was never written; Windows reserves one on every GPT disk.
fn is_blank(part: &Disk<'_>) -> bool {
    part.read(0, 64 << 10).iter().all(|octet| *octet == 0)
}

/// Begin and length of the partitions of a GUID partition table.
fn gpt(disk: &Disk<'_>) -> Vec<(u64, u64)> {
    for sector in [SECTOR_OCTETS, 4_096] {
        let header = disk.read(sector, 512);
        if !header.starts_with(b"EFI PART") {
            continue;
        }
        let size = u64::from(u32_at(&header, 84)).clamp(128, 4_096);
        let count = u64::from(u32_at(&header, 80)).min(PARTITIONS as u64);
        let table = disk.read(u64_at(&header, 72).saturating_mul(sector), count * size);
        let part = |entry: &[u8]| {
            let first = u64_at(entry, 32);
            let sectors = u64_at(entry, 40).saturating_sub(first).saturating_add(1);
            (first.saturating_mul(sector), sectors.saturating_mul(sector))
        };
        let used = |entry: &&[u8]| entry.iter().take(16).any(|octet| *octet != 0);
        return table.chunks_exact(size as usize).filter(used).map(part).collect();
    }
    Vec::new()
}

/// Begin and length of the partitions of a master boot record; extended ones are a chain.
fn mbr(disk: &Disk<'_>, opening: &Opening<'_, '_>) -> Result<Vec<(u64, u64)>, Exhausted> {
    let mut parts = Vec::new();
    let mut seen = HashSet::new();
    // Records to be read, and what their numbers count from.
    let mut waiting = vec![(0_u64, 0_u64)];
    while let Some((record_at, chain_at)) = waiting.pop() {
        opening.pay_time()?;
        if !seen.insert(record_at) || seen.len() > PARTITIONS {
            continue;
        }
        let record = disk.read(record_at, SECTOR_OCTETS);
        if record.get(510..) != Some(&[0x55, 0xaa]) {
            continue;
        }
        for entry in record.get(446..510).unwrap_or_default().chunks_exact(16) {
            let begin = u64::from(u32_at(entry, 8)) * SECTOR_OCTETS;
            let octets = u64::from(u32_at(entry, 12)) * SECTOR_OCTETS;
            match octet(entry, 4) {
                0 | 0xee => {}
                // Extended: numbers in the chain count from its first record.
                0x05 | 0x0f | 0x85 => {
                    let first = if record_at == 0 { begin } else { chain_at };
                    let next = if record_at == 0 { begin } else { chain_at.saturating_add(begin) };
                    waiting.push((next, first));
                }
                _ => parts.push((record_at.saturating_add(begin), octets)),
            }
        }
    }
    Ok(parts)
}
