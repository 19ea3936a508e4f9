//! ARJ archives (after "ARJ TECHNICAL INFORMATION", which comes with arj).
//!
//! In: an archive, which may stand behind a program. Out: its files as members; files with a
//! password are closed as encrypted, those that continue in another volume as incomplete.

use bytes::Bytes;

use super::super::guard::Exactly;
use super::super::label;
use super::arj_unpacking::{Fastest, Huffman};
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::cursor::Cursor;
use crate::message::cut;
use crate::message::fixed::{octet, u16_at, u32_at};

/// The largest basic header.
const HEADER_OCTETS: u16 = 2_600;
/// How far the first header is looked for behind a program.
const BEFORE_OCTETS: usize = 500 << 10;

/// The flags and the fields of a header that matter.
struct Head {
    name: String,
    flags: u8,
    method: u8,
    kind: u8,
    packed: u64,
    octets: u64,
}

const GARBLED: u8 = 0x01;
const CONTINUES: u8 = 0x04;
const CONTINUED: u8 = 0x08;

/// Takes an ARJ archive apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let Some(mut cursor) = begin(octets) else {
        opening.closed(Closed::Damaged, "no main header");
        return Ok(());
    };
    // The main header is the archive's own.
    let _ = head(&mut cursor);
    loop {
        opening.pay_time()?;
        // An empty header is the end.
        if cursor.rest().get(..4) == Some(&[0x60, 0xea, 0, 0]) {
            return Ok(());
        }
        let Some(head) = head(&mut cursor) else {
            opening.closed(Closed::Damaged, "a header is broken");
            return Ok(());
        };
        walk_file(octets, cursor.at(), &head, opening)?;
        if cursor.skip(head.packed).is_none() {
            opening.closed(Closed::Damaged, "cut off");
            return Ok(());
        }
    }
}

/// The main header: its mark, a sane size and its type.
fn begin(octets: &[u8]) -> Option<Cursor<'_>> {
    let before = octets.get(..BEFORE_OCTETS).unwrap_or(octets);
    let sane = |at: &usize| {
        let size = u16_at(octets, at + 2);
        (30..=HEADER_OCTETS).contains(&size) && octet(octets, at + 4 + 6) == 2
    };
    let at = memchr::memmem::find_iter(before, &[0x60, 0xea]).find(sane)?;
    Cursor::begin(octets, at as u64)
}

/// Reads a header and its extensions.
fn head(cursor: &mut Cursor<'_>) -> Option<Head> {
    if cursor.take(2)? != [0x60, 0xea] {
        return None;
    }
    let size = cursor.u16_le().filter(|size| *size > 0 && *size <= HEADER_OCTETS)?;
    let basic = cursor.take(usize::from(size))?;
    // Its checksum.
    cursor.skip(4)?;
    loop {
        match cursor.u16_le()? {
            0 => break,
            size => cursor.skip(u64::from(size) + 4)?,
        }
    }
    let mut name = Cursor::begin(basic, u64::from(octet(basic, 0)))?;
    Some(Head {
        name: label::of_octets(name.until_nul()?),
        flags: octet(basic, 4),
        method: octet(basic, 5),
        kind: octet(basic, 6),
        packed: u64::from(u32_at(basic, 12)),
        octets: u64::from(u32_at(basic, 16)),
    })
}

fn walk_file(
    archive: &Bytes,
    begin: usize,
    head: &Head,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    // Folders and labels have no content; types 0 and 1 are binary and text.
    if head.kind > 1 {
        return Ok(());
    }
    if head.flags & GARBLED != 0 {
        return opening.closed_member(&head.name, head.octets, Closed::Encrypted);
    }
    if head.flags & (CONTINUES | CONTINUED) != 0 {
        return opening.closed_member(&head.name, head.octets, Closed::Elsewhere);
    }
    let end = begin.saturating_add(usize::try_from(head.packed).unwrap_or(usize::MAX));
    let packed = cut(archive, begin..end);
    match head.method {
        0 => opening.stored_member(&head.name, archive, begin as u64, head.packed),
        1..=3 => {
            let reader = Exactly::new(Huffman::new(&packed), head.octets);
            opening.unpack_member(&head.name, reader, packed.len() as u64)
        }
        4 => {
            let reader = Exactly::new(Fastest::new(&packed), head.octets);
            opening.unpack_member(&head.name, reader, packed.len() as u64)
        }
        _ => opening.closed_member(&head.name, head.octets, Closed::Unsupported),
    }
}
