//! ARC archives of System Enhancement Associates and PKARC (the format as read by arc 5.21).
//!
//! In: an archive. Out: stored files and those packed by runs alone as members, others closed
//! as unsupported with their names.

use std::io::{self, Read};

use bytes::Bytes;

use super::super::guard::Exactly;
use super::super::label;
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::cursor::Cursor;
use crate::message::cut;

/// The mark of a repeated octet.
const REPEAT: u8 = 0x90;

/// Takes an ARC archive apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let mut cursor = Cursor::new(octets);
    loop {
        opening.pay_time()?;
        let Some(file) = file(&mut cursor) else {
            opening.closed(Closed::Damaged, "a header is broken");
            return Ok(());
        };
        let Some(file) = file else { return Ok(()) };
        let begin = cursor.at();
        match file.method {
            1 | 2 => opening.stored_member(&file.name, octets, begin as u64, file.packed)?,
            3 => {
                let end = begin.saturating_add(usize::try_from(file.packed).unwrap_or(usize::MAX));
                let packed = cut(octets, begin..end);
                let runs = Repeats { packed: &packed, last: 0, left: 0 };
                let reader = Exactly::new(runs, file.octets);
                opening.unpack_member(&file.name, reader, packed.len() as u64)?;
            }
            _ => opening.closed_member(&file.name, file.octets, Closed::Unsupported)?,
        }
        if cursor.skip(file.packed).is_none() {
            opening.closed(Closed::Damaged, "cut off");
            return Ok(());
        }
    }
}

struct File {
    name: String,
    method: u8,
    packed: u64,
    octets: u64,
}

/// A header; `Some(None)` is the end of the archive.
fn file(cursor: &mut Cursor<'_>) -> Option<Option<File>> {
    if cursor.u8()? != 0x1a {
        return None;
    }
    let method = cursor.u8()?;
    if method == 0 {
        return Some(None);
    }
    let name = cursor.take(13)?;
    let end = memchr::memchr(0, name).unwrap_or(name.len());
    let name = label::of_octets(name.get(..end)?);
    let packed = u64::from(cursor.u32_le()?);
    // Date, time, checksum.
    cursor.skip(2 + 2 + 2)?;
    // The first method has no second size.
    let octets = if method == 1 { packed } else { u64::from(cursor.u32_le()?) };
    Some(Some(File { name, method, packed, octets }))
}

/// Runs of an octet, written as the octet, a mark and how many times; a mark itself is a run
/// of none.
struct Repeats<'a> {
    packed: &'a [u8],
    last: u8,
    left: u8,
}

impl Repeats<'_> {
    fn next(&mut self) -> Option<u8> {
        if self.left > 0 {
            self.left -= 1;
            return Some(self.last);
        }
        let (octet, rest) = self.packed.split_first()?;
        self.packed = rest;
        if *octet != REPEAT {
            self.last = *octet;
            return Some(*octet);
        }
        let (times, rest) = self.packed.split_first()?;
        self.packed = rest;
        match *times {
            0 => {
                self.last = REPEAT;
                Some(REPEAT)
            }
            // The octet stood once before the mark.
            times => {
                self.left = times.saturating_sub(1);
                self.next()
            }
        }
    }
}

impl Read for Repeats<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut count = 0;
        for (room, octet) in buffer.iter_mut().zip(std::iter::from_fn(|| self.next())) {
            *room = octet;
            count += 1;
        }
        Ok(count)
    }
}
