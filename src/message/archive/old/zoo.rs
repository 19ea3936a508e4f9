//! Zoo archives (the format as read by zoo 2.10).
//!
//! In: an archive. Out: stored files as members, others closed as unsupported with their
//! names. Headers are a chain of offsets, which ends where it would turn back.

use bytes::Bytes;

use super::super::label;
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::cursor::Cursor;
use crate::message::fixed::{exactly, octet, u32_at};

const TAG: u32 = 0xfdc4_a7dc;

/// Takes a zoo archive apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let mut at = u64::from(u32_at(octets, 24));
    loop {
        opening.pay_time()?;
        let Some(head) = exactly(octets, at, 51).filter(|head| u32_at(head, 0) == TAG) else {
            opening.closed(Closed::Damaged, "a header is broken");
            return Ok(());
        };
        let next = u64::from(u32_at(head, 6));
        if next == 0 {
            return Ok(());
        }
        let begin = u64::from(u32_at(head, 10));
        let size = u64::from(u32_at(head, 20));
        let packed = u64::from(u32_at(head, 24));
        let name = name(octets, at, head);
        let deleted = octet(head, 30) == 1;
        match (octet(head, 5), usize::try_from(begin)) {
            // Deleted files are still there, but nobody unpacks them.
            _ if deleted => {}
            (0, Ok(begin)) => opening.stored_member(&name, octets, begin as u64, packed)?,
            _ => opening.closed_member(&name, size, Closed::Unsupported)?,
        }
        if next <= at {
            opening.closed(Closed::Damaged, "headers turn back");
            return Ok(());
        }
        at = next;
    }
}

/// The long name of newer headers, else the short one.
fn name(archive: &[u8], at: u64, head: &[u8]) -> String {
    let short = head.get(38..51).unwrap_or_default();
    let end = memchr::memchr(0, short).unwrap_or(short.len());
    let short = label::of_octets(short.get(..end).unwrap_or_default());
    let long = || {
        // Type 2 headers go on with lengths of name and folder.
        let mut cursor = Cursor::begin(archive, at.checked_add(56)?)?;
        let name_octets = usize::from(cursor.u8()?);
        cursor.skip(1)?;
        let name = cursor.take(name_octets)?;
        let end = memchr::memchr(0, name).unwrap_or(name.len());
        name.get(..end).filter(|name| !name.is_empty()).map(label::of_octets)
    };
    match octet(head, 4) {
        2 => long().unwrap_or(short),
        _ => short,
    }
}
