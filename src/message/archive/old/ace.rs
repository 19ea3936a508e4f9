//! ACE archives: headers only, as no free decoder is kept up (the format as read by unace
//! 1.2).
//!
//! In: an archive, which may stand behind a program. Out: stored files as members, others
//! closed as unsupported or encrypted.

use bytes::Bytes;

use super::super::label;
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::cursor::Cursor;
use crate::message::fixed::octet;

const MARK: &[u8] = b"**ACE**";

/// Takes an ACE archive apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    // The mark stands seven octets into the first header.
    let begin = memchr::memmem::find(octets, MARK).and_then(|at| at.checked_sub(7));
    let Some(mut cursor) = begin.and_then(|at| Cursor::begin(octets, at as u64)) else {
        opening.closed(Closed::Damaged, "no main header");
        return Ok(());
    };
    let mut solid = false;
    while cursor.left() > 0 {
        opening.pay_time()?;
        let Some(mut head) = block(&mut cursor) else {
            opening.closed(Closed::Damaged, "a header is broken");
            return Ok(());
        };
        let begin = cursor.at();
        match head.kind {
            0 => {
                solid |= head.flags & 0x8000 != 0;
                if head.flags & 0x0800 != 0 {
                    opening.closed(Closed::Elsewhere, "one volume of several");
                }
            }
            1 | 5 => {
                let Some((name, size, method)) = file(&mut head.fields) else {
                    opening.closed(Closed::Damaged, "a file's header is broken");
                    return Ok(());
                };
                let why = match head.flags {
                    flags if flags & 0x4000 != 0 => Some(Closed::Encrypted),
                    flags if flags & 0x3000 != 0 => Some(Closed::Elsewhere),
                    _ if method != 0 || solid => Some(Closed::Unsupported),
                    _ => None,
                };
                match why {
                    Some(why) => opening.closed_member(&name, size, why)?,
                    None => opening.stored_member(&name, octets, begin as u64, head.follows)?,
                }
            }
            _ => {}
        }
        if cursor.skip(head.follows).is_none() {
            opening.closed(Closed::Damaged, "cut off");
            return Ok(());
        }
    }
    Ok(())
}

struct Block<'a> {
    kind: u8,
    flags: u16,
    /// Octets that follow the header.
    follows: u64,
    fields: Cursor<'a>,
}

/// A header: checksum, size, type, flags, and for most the octets that follow.
fn block<'a>(cursor: &mut Cursor<'a>) -> Option<Block<'a>> {
    let _checksum = cursor.u16_le()?;
    let size = usize::from(cursor.u16_le()?);
    let mut fields = Cursor::new(cursor.take(size)?);
    let kind = fields.u8()?;
    let flags = fields.u16_le()?;
    let follows = match (kind, flags & 1) {
        // Files beyond 4 GB have their sizes in eight octets.
        (5, _) => fields.u64_le()?,
        (1, _) | (_, 1) => u64::from(fields.u32_le()?),
        _ => 0,
    };
    Some(Block { kind, flags, follows, fields })
}

fn file(fields: &mut Cursor<'_>) -> Option<(String, u64, u8)> {
    let size = u64::from(fields.u32_le()?);
    // Time, attributes, checksum.
    fields.skip(4 + 4 + 4)?;
    let technique = fields.take(4)?;
    fields.skip(2)?;
    let name_octets = usize::from(fields.u16_le()?);
    Some((label::of_octets(fields.take(name_octets)?), size, octet(technique, 0)))
}
