//! Lzip members (the lzip format, version 1), one after the other.
//!
//! In: a slice. Out: a reader of what all members hold. Sizes and checksums of the trailer are
//! read over. What follows the last member is left in the slice.

use std::io::{self, Read};

use lzma_rust2::LzmaReader;

use super::packing::bounded_window;

const MAGIC: &[u8; 4] = b"LZIP";
const HEADER_OCTETS: usize = 6;
const TRAILER_OCTETS: usize = 20;

/// Members without content that are read before the caller is asked whether there is time.
const EMPTY_MEMBERS: u32 = 64;

pub(super) struct Members<'s, 'f> {
    source: &'s mut &'f [u8],
    room: u64,
    member: Option<Box<LzmaReader<&'f [u8]>>>,
    is_first: bool,
}

impl<'s, 'f> Members<'s, 'f> {
    pub(super) fn new(source: &'s mut &'f [u8], room: u64) -> Members<'s, 'f> {
        Members { source, room, member: None, is_first: true }
    }

    fn begin(&mut self) -> io::Result<bool> {
        if !self.is_first && !self.source.starts_with(MAGIC) {
            return Ok(false);
        }
        self.is_first = false;
        let coded = self.source.get(5).copied().ok_or(io::ErrorKind::UnexpectedEof)?;
        let data = self.source.get(HEADER_OCTETS..).unwrap_or_default();
        // The window: a power of two, less some sixteenths of it.
        let base = 1_u32.checked_shl(u32::from(coded & 31)).ok_or(io::ErrorKind::InvalidData)?;
        let window = base - base / 16 * u32::from(coded >> 5);
        let window = bounded_window(window, self.room);
        // Literal context bits 3, literal position bits 0, position bits 2; ends by a mark.
        let reader = LzmaReader::new(data, u64::MAX, 3, 0, 2, window, None)?;
        self.member = Some(Box::new(reader));
        Ok(true)
    }
}

impl Read for Members<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        for _ in 0..EMPTY_MEMBERS {
            let Some(member) = &mut self.member else {
                if !self.begin()? {
                    return Ok(0);
                }
                continue;
            };
            let count = member.read(into)?;
            if count > 0 {
                return Ok(count);
            }
            if let Some(member) = self.member.take() {
                let (rest, unused) = member.into_parts();
                let left = rest.len() + unused.len();
                let used = self.source.len().saturating_sub(left).saturating_add(TRAILER_OCTETS);
                *self.source = self.source.get(used..).ok_or(io::ErrorKind::UnexpectedEof)?;
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }
}
