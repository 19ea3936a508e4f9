//! A directory record of ISO 9660 (ECMA-119 section 9.1) with its Rock Ridge names (SUSP and
//! RRIP 1.12).

use super::super::label;
use crate::message::cursor::Cursor;
use crate::message::fixed::{exactly, octet, u32_at};

/// Octets of a sector.
pub(super) const SECTOR_OCTETS: u64 = 2_048;

/// Continuations of one record that are followed.
const CONTINUATIONS: usize = 16;

/// A file or folder.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) sector: u32,
    pub(super) octets: u32,
    pub(super) folder: bool,
    pub(super) hidden: bool,
    /// It goes on in the next record.
    pub(super) continues: bool,
    /// Packed by zisofs, which only Linux reads.
    pub(super) zisofs: bool,
}

/// Which letters names are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Letters {
    /// One octet a letter.
    Plain,
    /// Two (Joliet).
    Joliet,
}

/// Reads a record; nothing for the folder itself and the one above.
pub(super) fn read(record: &[u8], image: &[u8], letters: Letters) -> Option<Record> {
    let flags = octet(record, 25);
    let name_octets = usize::from(octet(record, 32));
    let name = record.get(33..33 + name_octets)?;
    if matches!(name, [0 | 1]) {
        return None;
    }
    let mut found = Record {
        name: match letters {
            Letters::Plain => label::of_octets(name),
            Letters::Joliet => label::of_utf16_be(name),
        },
        sector: u32_at(record, 2),
        octets: u32_at(record, 10),
        folder: flags & 2 != 0,
        hidden: flags & 1 != 0,
        continues: flags & 0x80 != 0,
        zisofs: false,
    };
    // The name is padded so that what follows begins at an even place.
    let system_use = 33 + name_octets + usize::from(name_octets % 2 == 0);
    if letters == Letters::Plain {
        let mut long = Vec::new();
        read_system_use(record.get(system_use..).unwrap_or_default(), image, &mut found, &mut long);
        if !long.is_empty() {
            found.name = label::of_octets(&long);
        }
    }
    // `;1` is the version, a dot at the end an empty extension (section 7.5.1).
    if let Some((plain, version)) = found.name.rsplit_once(';')
        && version.bytes().all(|letter| letter.is_ascii_digit())
    {
        found.name = plain.trim_end_matches('.').to_owned();
    }
    Some(found)
}

/// Fields of the system use area and its continuations (SUSP section 5).
fn read_system_use(area: &[u8], image: &[u8], record: &mut Record, name: &mut Vec<u8>) {
    let mut area = area;
    for _ in 0..CONTINUATIONS {
        let mut next = None;
        let mut fields = Cursor::new(area);
        while let Some(head) = fields.take(3) {
            let Some(rest) = usize::from(octet(head, 2)).checked_sub(3) else { break };
            let Some(field) = fields.take(rest) else { break };
            match head.get(..2) {
                // After the version: flags, then a piece of the name.
                Some(b"NM") if octet(field, 1) & 6 == 0 => {
                    name.extend_from_slice(field.get(2..).unwrap_or_default());
                }
                Some(b"CE") => {
                    let at = u64::from(u32_at(field, 1)) * SECTOR_OCTETS;
                    let at = at + u64::from(u32_at(field, 9));
                    // A continuation lies within one sector.
                    let length = u64::from(u32_at(field, 17)).min(SECTOR_OCTETS);
                    next = exactly(image, at, length);
                }
                // A folder that was moved because it lay too deep (RRIP section 4.1.5).
                Some(b"CL") => {
                    record.sector = u32_at(field, 1);
                    record.folder = true;
                    record.octets = 0;
                }
                Some(b"ZF") => record.zisofs = true,
                Some(b"ST") => break,
                _ => {}
            }
        }
        match next {
            Some(continued) => area = continued,
            None => return,
        }
    }
}
