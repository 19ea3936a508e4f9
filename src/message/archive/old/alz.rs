//! ALZ archives of ALZip: local headers with files that are stored, deflated or packed by
//! bzip2 (the format as read by unalz).
//!
//! In: an archive. Out: its files as members; encrypted ones are closed.

use bytes::Bytes;
use bzip2::read::BzDecoder;
use flate2::read::DeflateDecoder;

use super::super::guard::Guarded;
use super::super::label;
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::cursor::Cursor;
use crate::message::cut;

/// Takes an ALZ archive apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let mut cursor = Cursor::new(octets);
    loop {
        opening.pay_time()?;
        match cursor.take(4) {
            // The archive's own header.
            Some(b"ALZ\x01") => {
                let _ = cursor.skip(4);
            }
            Some(b"BLZ\x01") => match file(&mut cursor) {
                Some(file) => {
                    let begin = cursor.at();
                    walk_file(octets, begin, &file, opening)?;
                    if cursor.skip(file.packed).is_none() {
                        return Ok(());
                    }
                }
                None => break,
            },
            // The list of files at the end, and the end itself.
            Some(b"CLZ\x01" | b"CLZ\x02") => return Ok(()),
            Some(b"ELZ\x01") => break,
            _ => break,
        }
    }
    opening.closed(Closed::Damaged, "a header is broken");
    Ok(())
}

struct File {
    name: String,
    method: u8,
    flags: u8,
    packed: u64,
    octets: u64,
}

fn file(cursor: &mut Cursor<'_>) -> Option<File> {
    let name_octets = usize::from(cursor.u16_le()?);
    // Attributes and time.
    cursor.skip(1 + 4)?;
    let flags = cursor.u8()?;
    cursor.skip(1)?;
    // Sizes have as many octets as the upper half of the flags says; none for a folder.
    let width = usize::from(flags >> 4);
    let mut found = File { name: String::new(), method: 0, flags, packed: 0, octets: 0 };
    if width > 0 {
        found.method = cursor.u8()?;
        cursor.skip(1 + 4)?;
        found.packed = number(cursor, width)?;
        found.octets = number(cursor, width)?;
    }
    found.name = label::of_octets(cursor.take(name_octets)?);
    if flags & 1 != 0 {
        // The head of what is encrypted.
        cursor.skip(12)?;
    }
    Some(found)
}

fn number(cursor: &mut Cursor<'_>, width: usize) -> Option<u64> {
    let octets = cursor.take(width).filter(|octets| octets.len() <= 8)?;
    Some(octets.iter().rev().fold(0_u64, |value, octet| value << 8 | u64::from(*octet)))
}

fn walk_file(
    archive: &Bytes,
    begin: usize,
    file: &File,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    if file.flags >> 4 == 0 {
        return Ok(());
    }
    if file.flags & 1 != 0 {
        return opening.closed_member(&file.name, file.octets, Closed::Encrypted);
    }
    let end = begin.saturating_add(usize::try_from(file.packed).unwrap_or(usize::MAX));
    let packed = cut(archive, begin..end);
    let packed_octets = packed.len() as u64;
    match file.method {
        0 => opening.stored_member(&file.name, archive, begin as u64, file.packed),
        1 => {
            let reader = Guarded::new(BzDecoder::new(packed.as_ref()));
            opening.unpack_member(&file.name, reader, packed_octets)
        }
        2 => {
            let reader = Guarded::new(DeflateDecoder::new(packed.as_ref()));
            opening.unpack_member(&file.name, reader, packed_octets)
        }
        _ => opening.closed_member(&file.name, file.octets, Closed::Unsupported),
    }
}
