//! StuffIt archives, old (SIT!) and new (StuffIt 5, StuffIt X): recognised and closed, as no
//! free decoder is kept up. Old ones are listed.

use bytes::Bytes;

use super::super::label;
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::cursor::Cursor;
use crate::message::fixed::octet;

/// Octets of the archive's header and of each file's.
const ARCHIVE_HEAD_OCTETS: usize = 22;
const FILE_HEAD_OCTETS: usize = 112;

/// Lists a StuffIt archive.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    opening.closed(Closed::Unsupported, "StuffIt");
    if octets.get(10..14) != Some(b"rLau") {
        return Ok(());
    }
    let mut cursor = Cursor::new(octets);
    let _ = cursor.take(ARCHIVE_HEAD_OCTETS);
    while let Some(head) = cursor.take(FILE_HEAD_OCTETS) {
        opening.pay_time()?;
        let name = head.get(3..3 + usize::from(octet(head, 2)).min(63)).unwrap_or_default();
        let number = |at: usize| {
            Cursor::begin(head, at as u64).and_then(|mut cursor| cursor.u32_be()).unwrap_or(0)
        };
        let sizes = (u64::from(number(84)), u64::from(number(88)));
        let packed = u64::from(number(92)) + u64::from(number(96));
        // 32 and 33 begin and end a folder; the files in it follow.
        let method = octet(head, 1) & 0x6f;
        if matches!(method, 32 | 33) {
            continue;
        }
        let why = match octet(head, 1) & 0x10 != 0 {
            true => Closed::Encrypted,
            false => Closed::Unsupported,
        };
        opening.closed_member(&label::of_octets(name), sizes.0 + sizes.1, why)?;
        if cursor.skip(packed).is_none() {
            return Ok(());
        }
    }
    Ok(())
}
