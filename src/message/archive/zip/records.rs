//! The records of a zip file: end of central directory, central and local headers.
//!
//! In: the file and an offset. Out: a record's fields as they stand there, zip64 fields put in
//! their place, nothing checked against anything; or nothing, when no such record begins there
//! or it is cut. APPNOTE.TXT 6.3.10 (section numbers in brackets).

use std::ops::Range;

use crate::message::fixed::{le16, le32, le64, slice};

/// Signatures [4.3.7, 4.3.12, 4.3.16, 4.3.14, 4.3.15, 4.3.9.3].
pub(super) const LOCAL: &[u8; 4] = b"PK\x03\x04";
pub(super) const CENTRAL: &[u8; 4] = b"PK\x01\x02";
pub(super) const END: &[u8; 4] = b"PK\x05\x06";
pub(super) const END64: &[u8; 4] = b"PK\x06\x06";
pub(super) const LOCATOR64: &[u8; 4] = b"PK\x06\x07";
pub(super) const DESCRIPTOR: &[u8; 4] = b"PK\x07\x08";

/// Octets of the end record before its comment [4.3.16], and of the others' fixed parts.
pub(super) const END_OCTETS: usize = 22;
const LOCATOR64_OCTETS: usize = 20;
const END64_OCTETS: usize = 56;
const CENTRAL_OCTETS: usize = 46;
const LOCAL_OCTETS: usize = 30;

/// General purpose bits [4.4.4].
pub(super) const ENCRYPTED: u16 = 1;
pub(super) const DESCRIPTOR_FOLLOWS: u16 = 1 << 3;
pub(super) const UTF8_NAME: u16 = 1 << 11;
pub(super) const MASKED: u16 = 1 << 13;

/// A central or local header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// Where it lies, name, extra fields and comment included.
    pub(super) place: Range<usize>,
    /// Where its name lies.
    pub(super) name: Range<usize>,
    /// The name of the Unicode path extra field, as it stands.
    pub(super) unicode_name: Option<Range<usize>>,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) packed: u64,
    pub(super) unpacked: u64,
    /// Of a central header: where its local one lies, counted from the archive's beginning.
    pub(super) local: u64,
    /// Of a central header: the Unix type and permissions, if it was made so.
    pub(super) unix_mode: u16,
    /// Of a central header: the number of the volume.
    pub(super) disk: u32,
}

impl Header {
    /// The central header at an offset [4.3.12].
    pub(super) fn central(file: &[u8], at: usize) -> Option<Header> {
        let fixed = fixed_part(file, at, CENTRAL, CENTRAL_OCTETS)?;
        let name_octets = usize::from(le16(fixed, 28)?);
        let extra_octets = usize::from(le16(fixed, 30)?);
        let comment_octets = usize::from(le16(fixed, 32)?);
        let name = at + CENTRAL_OCTETS..at + CENTRAL_OCTETS + name_octets;
        file.get(name.clone())?;
        let extra = name.end..name.end + extra_octets;
        let end = extra.end + comment_octets;
        let made_on_unix = matches!(fixed.get(5), Some(3 | 19));
        let mut header = Header {
            place: at..end.min(file.len()),
            name,
            unicode_name: None,
            flags: le16(fixed, 8)?,
            method: le16(fixed, 10)?,
            crc: le32(fixed, 16)?,
            packed: le32(fixed, 20)?.into(),
            unpacked: le32(fixed, 24)?.into(),
            local: le32(fixed, 42)?.into(),
            unix_mode: if made_on_unix { le16(fixed, 40)? } else { 0 },
            disk: le16(fixed, 34)?.into(),
        };
        header.read_extra(file, extra);
        Some(header)
    }

    /// The local header at an offset [4.3.7].
    pub(super) fn local(file: &[u8], at: usize) -> Option<Header> {
        let fixed = fixed_part(file, at, LOCAL, LOCAL_OCTETS)?;
        let name_octets = usize::from(le16(fixed, 26)?);
        let extra_octets = usize::from(le16(fixed, 28)?);
        let name = at + LOCAL_OCTETS..at + LOCAL_OCTETS + name_octets;
        file.get(name.clone())?;
        let extra = name.end..name.end + extra_octets;
        let mut header = Header {
            place: at..extra.end.min(file.len()),
            name,
            unicode_name: None,
            flags: le16(fixed, 6)?,
            method: le16(fixed, 8)?,
            crc: le32(fixed, 14)?,
            packed: le32(fixed, 18)?.into(),
            unpacked: le32(fixed, 22)?.into(),
            local: at as u64,
            unix_mode: 0,
            disk: 0,
        };
        header.read_extra(file, extra);
        Some(header)
    }

    /// Extra fields [4.5]: the zip64 sizes [4.5.3], which stand for what is all ones, the
    /// Unicode path [4.6.9], and the method beneath AES encryption stays 99.
    fn read_extra(&mut self, file: &[u8], place: Range<usize>) {
        let end = place.end.min(file.len());
        let mut at = place.start;
        while let (Some(kind), Some(octets)) = (le16(file, at), le16(file, at + 2)) {
            let start = at + 4;
            at = start + usize::from(octets);
            if at > end {
                break;
            }
            match kind {
                0x0001 => self.read_zip64(slice(file, start, at - start)),
                0x7075 if octets > 5 => self.unicode_name = Some(start + 5..at),
                _ => {}
            }
        }
    }

    fn read_zip64(&mut self, mut field: &[u8]) {
        let all_ones = u64::from(u32::MAX);
        for number in [&mut self.unpacked, &mut self.packed, &mut self.local] {
            if *number == all_ones
                && let Some(large) = le64(field, 0)
            {
                *number = large;
                field = field.get(8..).unwrap_or_default();
            }
        }
    }

    pub(super) fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// Whether its sizes are only told behind the data.
    pub(super) fn is_open_ended(&self) -> bool {
        self.has(DESCRIPTOR_FOLLOWS)
    }
}

fn fixed_part<'f>(
    file: &'f [u8],
    at: usize,
    signature: &[u8; 4],
    octets: usize,
) -> Option<&'f [u8]> {
    file.get(at..at.checked_add(octets)?).filter(|fixed| fixed.starts_with(signature))
}

/// An end record, with its zip64 companion.
#[derive(Debug, Clone, Default)]
pub(super) struct End {
    /// Where it begins.
    pub(super) at: usize,
    /// Where it and its comment end, as it says.
    pub(super) end: usize,
    /// What it says of the directory, then what its zip64 companions say.
    pub(super) claims: Vec<Claim>,
    /// The number of this volume is not the first.
    pub(super) is_later_volume: bool,
}

/// What an end record says of the central directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    /// Where the record that says it begins: the directory ends there, as a rule.
    pub(super) record: usize,
    pub(super) entries: u64,
    pub(super) octets: u64,
    pub(super) offset: u64,
}

impl End {
    /// The end record at an offset [4.3.16], and what stands before it for zip64.
    pub(super) fn read(file: &[u8], at: usize) -> Option<End> {
        let fixed = fixed_part(file, at, END, END_OCTETS)?;
        let disk = le16(fixed, 4)?;
        let plain = Claim {
            record: at,
            entries: le16(fixed, 10)?.into(),
            octets: le32(fixed, 12)?.into(),
            offset: le32(fixed, 16)?.into(),
        };
        let mut claims = Vec::new();
        let locator = at
            .checked_sub(LOCATOR64_OCTETS)
            .filter(|&at| file.get(at..).is_some_and(|rest| rest.starts_with(LOCATOR64)));
        if let Some(locator) = locator {
            let said = le64(file, locator + 8).and_then(|offset| usize::try_from(offset).ok());
            let beside = locator.checked_sub(END64_OCTETS);
            for record in [said, beside].into_iter().flatten() {
                claims.extend(claim64(file, record).filter(|claim| !claims.contains(claim)));
            }
        }
        let is_placeholder = plain.entries == u64::from(u16::MAX)
            || plain.octets == u64::from(u32::MAX)
            || plain.offset == u64::from(u32::MAX);
        if claims.is_empty() || !is_placeholder {
            claims.push(plain);
        }
        let comment_octets = usize::from(le16(fixed, 20)?);
        Some(End {
            at,
            end: at + END_OCTETS + comment_octets,
            claims,
            is_later_volume: disk != 0 && disk != u16::MAX,
        })
    }
}

/// The zip64 end record at an offset [4.3.14].
fn claim64(file: &[u8], at: usize) -> Option<Claim> {
    let fixed = fixed_part(file, at, END64, END64_OCTETS)?;
    Some(Claim {
        record: at,
        entries: le64(fixed, 32)?,
        octets: le64(fixed, 40)?,
        offset: le64(fixed, 48)?,
    })
}

/// The offsets of a signature in a part of the file.
pub(super) fn signatures<'f>(
    file: &'f [u8],
    place: Range<usize>,
    signature: &'f [u8; 4],
) -> impl Iterator<Item = usize> + 'f {
    let end = place.end.min(file.len());
    let start = place.start.min(end);
    let part = file.get(start..end).unwrap_or_default();
    memchr::memmem::find_iter(part, signature).map(move |at| start + at)
}
