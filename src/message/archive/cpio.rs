//! Cpio archives: the new ASCII form with and without checksums, the old ASCII form (odc,
//! POSIX.1-1988) and the old binary form in both orders of octets.
//!
//! In: an archive. Out: its files as members; what follows the trailer is looked at as
//! another archive, as systems do that boot from such.

use bytes::Bytes;

use super::label;
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::cursor::Cursor;

/// The name that ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";

/// What a header says.
struct Head {
    name_octets: u64,
    octets: u64,
    mode: u64,
    /// Name and content begin at multiples of this.
    align: u64,
}

/// Takes a cpio archive apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let mut cursor = Cursor::new(octets);
    let mut ended = false;
    while cursor.left() > 0 {
        opening.pay_time()?;
        // Archives are filled up with NULs.
        let blank = cursor.rest().iter().take_while(|octet| **octet == 0).count();
        let _ = cursor.take(if ended { blank } else { 0 });
        if cursor.left() == 0 {
            return Ok(());
        }
        let Some((head, name)) = entry(&mut cursor) else {
            match ended {
                true => opening.closed(Closed::Damaged, "something follows the end"),
                false => opening.closed(Closed::Damaged, "a header is broken"),
            }
            return Ok(());
        };
        let begin = cursor.at();
        let whole = cursor.skip(head.octets).is_some();
        align(&mut cursor, head.align);
        ended = name == TRAILER;
        // Regular files (mode 0100000); folders and devices have no content.
        if !ended && (head.mode & 0o170_000 == 0o100_000 || head.octets > 0) {
            let name = label::of_octets(name);
            opening.stored_member(&name, octets, begin as u64, head.octets)?;
        }
        if !whole {
            return Ok(());
        }
    }
    if !ended {
        opening.closed(Closed::Damaged, "no end");
    }
    Ok(())
}

fn align(cursor: &mut Cursor<'_>, multiple: u64) {
    let beyond = (cursor.at() as u64) % multiple;
    if beyond > 0 {
        let _ = cursor.skip(multiple - beyond);
    }
}

/// Reads a header and the name behind it.
fn entry<'a>(cursor: &mut Cursor<'a>) -> Option<(Head, &'a [u8])> {
    let rest = cursor.rest();
    let head = match rest.get(..6)? {
        b"070701" | b"070702" => new_ascii(cursor)?,
        b"070707" => old_ascii(cursor)?,
        magic => match magic.get(..2)? {
            [0xc7, 0x71] => old_binary(cursor, Cursor::u16_le)?,
            [0x71, 0xc7] => old_binary(cursor, Cursor::u16_be)?,
            _ => return None,
        },
    };
    let name = cursor.take_u64(head.name_octets)?;
    align(cursor, head.align);
    let end = memchr::memchr(0, name).unwrap_or(name.len());
    Some((head, name.get(..end)?))
}

fn digits(cursor: &mut Cursor<'_>, count: usize, radix: u32) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(cursor.take(count)?).ok()?, radix).ok()
}

fn new_ascii(cursor: &mut Cursor<'_>) -> Option<Head> {
    cursor.skip(6 + 8)?;
    let mode = digits(cursor, 8, 16)?;
    cursor.skip(4 * 8)?;
    let octets = digits(cursor, 8, 16)?;
    cursor.skip(4 * 8)?;
    let name_octets = digits(cursor, 8, 16)?;
    cursor.skip(8)?;
    Some(Head { name_octets, octets, mode, align: 4 })
}

fn old_ascii(cursor: &mut Cursor<'_>) -> Option<Head> {
    cursor.skip(6 + 6 + 6)?;
    let mode = digits(cursor, 6, 8)?;
    cursor.skip(4 * 6 + 11)?;
    let name_octets = digits(cursor, 6, 8)?;
    let octets = digits(cursor, 11, 8)?;
    Some(Head { name_octets, octets, mode, align: 1 })
}

/// Numbers of two octets; those of four have the high half first.
fn old_binary<'a>(
    cursor: &mut Cursor<'a>,
    number: fn(&mut Cursor<'a>) -> Option<u16>,
) -> Option<Head> {
    cursor.skip(2 + 2 + 2)?;
    let mode = u64::from(number(cursor)?);
    // Owner, group, links, device, time.
    cursor.skip(2 + 2 + 2 + 2 + 4)?;
    let name_octets = u64::from(number(cursor)?);
    let high = u64::from(number(cursor)?);
    let octets = high << 16 | u64::from(number(cursor)?);
    Some(Head { name_octets, octets, mode, align: 2 })
}
