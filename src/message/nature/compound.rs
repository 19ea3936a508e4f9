//! What a compound file (MS-CFB) is, by the names and class of its entries.
//!
//! In: octets that begin with its signature. Out: a nature; [`Nature::Compound`] where nothing
//! is known. The chain of the directory's sectors is followed through the allocation table, as
//! far as 109 sectors of it reach, and never longer than the bound: a loop ends there.

use super::Nature;
use crate::message::fixed::{le16, le32, place, slice, utf16_le};

/// Sectors of the directory that are looked at.
const SECTORS: usize = 256;

struct Entries {
    /// In lower case.
    names: Vec<String>,
    class: [u8; 16],
}

fn entries(octets: &[u8]) -> Entries {
    let mut found = Entries { names: Vec::new(), class: [0; 16] };
    // MS-CFB section 2.2.
    let shift = match le16(octets, 30) {
        Some(12) => 12,
        _ => 9,
    };
    let size = 1_usize << shift;
    let start = |sector: u32| place(sector).saturating_add(1).saturating_mul(size);
    let mut sector = le32(octets, 48).unwrap_or(u32::MAX);
    for _ in 0..SECTORS {
        let chunk = slice(octets, start(sector), size);
        if chunk.len() < 128 {
            break;
        }
        for entry in chunk.chunks_exact(128) {
            read_entry(entry, &mut found);
        }
        let per_sector = size / 4;
        let table = le32(octets, 76 + 4 * (place(sector) / per_sector).min(108));
        let next = table.and_then(|table| {
            le32(octets, start(table).saturating_add(4 * (place(sector) % per_sector)))
        });
        match next {
            Some(next) if next < 0xffff_fffa => sector = next,
            _ => break,
        }
    }
    found
}

/// MS-CFB section 2.6.1.
fn read_entry(entry: &[u8], found: &mut Entries) {
    match entry.get(66) {
        Some(5) => {
            if let Ok(class) = slice(entry, 80, 16).try_into() {
                found.class = class;
            }
        }
        Some(1 | 2) => {
            let name = utf16_le(slice(entry, 0, 64));
            found.names.push(name.to_lowercase());
        }
        _ => {}
    }
}

/// The natures of a compound file, by streams first: they are what programs look for.
pub(super) fn refine(octets: &[u8]) -> Nature {
    let entries = entries(octets);
    let has = |name: &str| entries.names.iter().any(|known| known == name);
    let begins = |prefix: &str| entries.names.iter().any(|known| known.starts_with(prefix));
    match () {
        () if has("encryptedpackage") || has("encryptioninfo") || begins("\u{6}dataspaces") => {
            Nature::OfficeEncrypted
        }
        () if has("worddocument") => Nature::OldWord,
        () if has("workbook") || has("book") => Nature::OldExcel,
        () if has("powerpoint document") || has("pp40") => Nature::OldPowerPoint,
        () if begins("__properties_version1.0") || begins("__substg1.0_") => Nature::OutlookMessage,
        () if has("quill") || begins("escher") && has("contents") => Nature::Publisher,
        () => of_class(&entries).unwrap_or(Nature::Compound),
    }
}

fn of_class(entries: &Entries) -> Option<Nature> {
    // All classes here but Outlook's end in the same ten octets.
    let number = u32::from_le_bytes(entries.class.first_chunk().copied()?);
    match number {
        // Packages, transforms and patches of the installer.
        0x000c_1084 | 0x000c_1082 | 0x000c_1086 => Some(Nature::Msi),
        0x0002_0900 | 0x0002_0906 | 0x0002_0901 => Some(Nature::OldWord),
        0x0002_0820 | 0x0002_0810 => Some(Nature::OldExcel),
        0x6481_8d10 | 0x6481_8d11 => Some(Nature::OldPowerPoint),
        0x0002_1201 | 0x0002_1202 => Some(Nature::Publisher),
        0x0002_0d0b | 0x0006_f046 => Some(Nature::OutlookMessage),
        _ => {
            // The names of an installer's tables are packed into one range of letters.
            let packed = |name: &String| {
                name.chars().any(|letter| ('\u{3800}'..='\u{4840}').contains(&letter))
            };
            (entries.names.iter().filter(|name| packed(name)).count() > 2).then_some(Nature::Msi)
        }
    }
}
