//! Gzip members (RFC 1952), one after the other.
//!
//! In: a slice. Out: a reader of what all members hold. A checksum or size that does not match
//! is told, not an error: some readers give the file nevertheless. What follows the last
//! member is left in the slice.

use std::cell::Cell;
use std::io::{self, Read};

use flate2::{Crc, Decompress};

use super::packing::inflate;
use crate::message::fixed::{le16, le32};

const MAGIC: &[u8; 3] = b"\x1f\x8b\x08";

/// Flags, section 2.3.1.
const HEADER_CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;

/// Members without content that are read before the caller is asked whether there is time.
const EMPTY_MEMBERS: u32 = 64;

/// The name in the first member's header.
pub(super) fn stored_name(file: &[u8]) -> Option<&[u8]> {
    let flags = file.get(3)?;
    if flags & NAME == 0 {
        return None;
    }
    let start = extra_end(file, *flags)?;
    let rest = file.get(start..)?;
    rest.get(..memchr::memchr(0, rest)?)
}

fn extra_end(header: &[u8], flags: u8) -> Option<usize> {
    match flags & EXTRA {
        0 => Some(10),
        _ => Some(12 + usize::from(le16(header, 10)?)),
    }
}

/// The octets of a header, section 2.3.
fn header_octets(header: &[u8]) -> Option<usize> {
    let flags = *header.get(3)?;
    let mut at = extra_end(header, flags)?;
    for flag in [NAME, COMMENT] {
        if flags & flag != 0 {
            at += memchr::memchr(0, header.get(at..)?)? + 1;
        }
    }
    at += if flags & HEADER_CRC != 0 { 2 } else { 0 };
    (at <= header.len()).then_some(at)
}

pub(super) struct Members<'s, 'f> {
    source: &'s mut &'f [u8],
    /// The state of the member that is being read.
    member: Option<(Decompress, Crc)>,
    is_first: bool,
    is_unsound: &'s Cell<bool>,
}

impl<'s, 'f> Members<'s, 'f> {
    /// `is_unsound` is set when a checksum or size does not match.
    pub(super) fn new(source: &'s mut &'f [u8], is_unsound: &'s Cell<bool>) -> Members<'s, 'f> {
        Members { source, member: None, is_first: true, is_unsound }
    }

    fn begin(&mut self) -> io::Result<bool> {
        if !self.is_first && !self.source.starts_with(MAGIC) {
            return Ok(false);
        }
        self.is_first = false;
        let octets = header_octets(self.source).ok_or(io::ErrorKind::UnexpectedEof)?;
        *self.source = self.source.get(octets..).unwrap_or_default();
        self.member = Some((Decompress::new(false), Crc::new()));
        Ok(true)
    }

    /// Section 2.3.1: CRC32 and ISIZE.
    fn end(&mut self, crc: &Crc) -> io::Result<()> {
        let trailer = le32(self.source, 0).zip(le32(self.source, 4));
        let trailer = trailer.ok_or(io::ErrorKind::UnexpectedEof)?;
        if trailer != (crc.sum(), crc.amount()) {
            self.is_unsound.set(true);
        }
        *self.source = self.source.get(8..).unwrap_or_default();
        Ok(())
    }
}

impl Read for Members<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        for _ in 0..EMPTY_MEMBERS {
            let Some((state, crc)) = &mut self.member else {
                if !self.begin()? {
                    return Ok(0);
                }
                continue;
            };
            let count = inflate(state, self.source, into)?;
            if count > 0 {
                crc.update(into.get(..count).unwrap_or_default());
                return Ok(count);
            }
            if let Some((_, crc)) = self.member.take() {
                self.end(&crc)?;
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }
}
