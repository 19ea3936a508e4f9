//! The xz container (The .xz File Format 1.2.1), one or more streams.
//!
//! In: a slice. Out: a reader of what the blocks of all streams hold, each after the other.
//! Sizes, checks and the index are read over: who verifies them sees less than this, not
//! more. What follows the last stream is left in the slice. The window of a block is bounded by what may be unpacked, whatever is declared. What
//! is no xz data is an error of kind `InvalidData`; an unknown filter is `Unsupported`.

use std::io::{self, Read};

use lzma_rust2::Lzma2Reader;
use lzma_rust2::filter::bcj::BcjReader;
use lzma_rust2::filter::delta::DeltaReader;

use super::packing::bounded_window;
use crate::message::fixed::{le32, slice};

/// Section 2.1.1.1.
pub(super) const MAGIC: &[u8; 6] = b"\xfd7zXZ\x00";

const STREAM_HEADER_OCTETS: usize = 12;

/// Blocks and streams without content that are read before the caller is asked whether there
/// is time.
const EMPTY_BLOCKS: u32 = 64;

pub(super) struct Streams<'s, 'f> {
    source: &'s mut &'f [u8],
    room: u64,
    at: At<'f>,
}

enum At<'f> {
    /// Before a stream header or stream padding.
    Between { is_first: bool },
    /// Before a block or the index; octets of the check behind each block.
    Stream { check: usize },
    /// In a block: its filters, the size of its header, and what follows its beginning.
    Block { check: usize, chain: Box<dyn Read + 'f>, rest: Position<'f> },
}

/// How far a chain of filters has read.
type Position<'f> = std::rc::Rc<std::cell::Cell<&'f [u8]>>;

struct Shared<'f>(Position<'f>);

impl Read for Shared<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut rest = self.0.get();
        let count = rest.read(into)?;
        self.0.set(rest);
        Ok(count)
    }
}

impl<'s, 'f> Streams<'s, 'f> {
    pub(super) fn new(source: &'s mut &'f [u8], room: u64) -> Streams<'s, 'f> {
        Streams { source, room, at: At::Between { is_first: true } }
    }

    /// Section 2.1 and 2.2: the next stream, if there is one.
    fn begin_stream(&mut self, is_first: bool) -> io::Result<bool> {
        if !is_first {
            let padding = self.source.iter().take_while(|octet| **octet == 0).count();
            if !slice(self.source, padding, MAGIC.len()).starts_with(MAGIC) {
                return Ok(false);
            }
            skip(self.source, padding)?;
        }
        if !self.source.starts_with(MAGIC) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // Section 2.1.1.2: the size of the check by its type.
        let kind = self.source.get(7).copied().ok_or(io::ErrorKind::UnexpectedEof)? & 15;
        let check = match kind {
            0 => 0,
            kind => 4 << ((kind - 1) / 3),
        };
        skip(self.source, STREAM_HEADER_OCTETS)?;
        self.at = At::Stream { check };
        Ok(true)
    }

    /// Section 3.1: the next block, or the end of the stream.
    fn begin_block(&mut self, check: usize) -> io::Result<()> {
        let size = self.source.first().copied().ok_or(io::ErrorKind::UnexpectedEof)?;
        if size == 0 {
            skip_index(self.source)?;
            self.at = At::Between { is_first: false };
            return Ok(());
        }
        let header_octets = (usize::from(size) + 1) * 4;
        let header = self.source.get(..header_octets).ok_or(io::ErrorKind::UnexpectedEof)?;
        let rest = self.source.get(header_octets..).unwrap_or_default();
        let position = Position::new(std::cell::Cell::new(rest));
        let chain = filters(header, Shared(position.clone()), self.room)?;
        self.at = At::Block { check, chain, rest: position };
        Ok(())
    }

    /// Sections 3.3 and 3.4: padding to a multiple of four, and the check.
    fn end_block(&mut self, check: usize, rest: &'f [u8]) -> io::Result<()> {
        // The header's size is a multiple of four, so the data's decides alone.
        let used = self.source.len().saturating_sub(rest.len());
        *self.source = rest;
        skip(self.source, used.wrapping_neg() & 3)?;
        skip(self.source, check)?;
        self.at = At::Stream { check };
        Ok(())
    }
}

impl Read for Streams<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        for _ in 0..EMPTY_BLOCKS {
            match &mut self.at {
                At::Between { is_first } => {
                    let is_first = *is_first;
                    if !self.begin_stream(is_first)? {
                        return Ok(0);
                    }
                }
                At::Stream { check } => {
                    let check = *check;
                    self.begin_block(check)?;
                }
                At::Block { check, chain, rest } => {
                    let count = chain.read(into)?;
                    if count > 0 {
                        return Ok(count);
                    }
                    let (check, rest) = (*check, rest.get());
                    self.end_block(check, rest)?;
                }
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }
}

/// Section 3.1.2 to 3.1.5: flags, sizes where flagged, and the filters, of which the last
/// must be LZMA2.
fn filters<'f>(header: &[u8], source: Shared<'f>, room: u64) -> io::Result<Box<dyn Read + 'f>> {
    let flags = header.get(1).copied().unwrap_or_default();
    let mut fields = header.get(2..).unwrap_or_default();
    for flag in [0x40, 0x80] {
        if flags & flag != 0 {
            number(&mut fields)?;
        }
    }
    let mut chain = Vec::new();
    for _ in 0..=(flags & 3) {
        let id = number(&mut fields)?;
        let octets = usize::try_from(number(&mut fields)?).unwrap_or(usize::MAX);
        chain.push((id, slice(fields, 0, octets)));
        skip(&mut fields, octets)?;
    }
    let Some((0x21, [window])) = chain.pop() else { return Err(io::ErrorKind::Unsupported.into()) };
    let window = bounded_window(window_octets(*window)?, room);
    let mut reader: Box<dyn Read + 'f> = Box::new(Lzma2Reader::new(source, window, None));
    for (id, properties) in chain.into_iter().rev() {
        let start = usize::try_from(le32(properties, 0).unwrap_or_default()).unwrap_or_default();
        reader = match id {
            0x03 => {
                let distance = properties.first().map_or(1, |less_one| usize::from(*less_one) + 1);
                Box::new(DeltaReader::new(reader, distance))
            }
            0x04 => Box::new(BcjReader::new_x86(reader, start)),
            0x05 => Box::new(BcjReader::new_ppc(reader, start)),
            0x06 => Box::new(BcjReader::new_ia64(reader, start)),
            0x07 => Box::new(BcjReader::new_arm(reader, start)),
            0x08 => Box::new(BcjReader::new_arm_thumb(reader, start)),
            0x09 => Box::new(BcjReader::new_sparc(reader, start)),
            0x0a => Box::new(BcjReader::new_arm64(reader, start)),
            0x0b => Box::new(BcjReader::new_riscv(reader, start)),
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
    }
    Ok(reader)
}

/// Section 5.3.1: two bits of mantissa, the rest exponent.
fn window_octets(bits: u8) -> io::Result<u32> {
    match bits {
        0..=39 => Ok((2 | u32::from(bits & 1)) << (bits / 2 + 11)),
        40 => Ok(u32::MAX),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Section 1.2: seven bits an octet, the lowest first, at most nine octets.
fn number(fields: &mut &[u8]) -> io::Result<u64> {
    let mut number = 0;
    for place in 0..9 {
        let octet = fields.get(place).copied().ok_or(io::ErrorKind::UnexpectedEof)?;
        number |= u64::from(octet & 0x7f) << (7 * place);
        if octet & 0x80 == 0 {
            skip(fields, place + 1)?;
            return Ok(number);
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// Section 4 and 2.1.2: the index, its padding and check, and the stream's footer.
fn skip_index(source: &mut &[u8]) -> io::Result<()> {
    let before = source.len();
    skip(source, 1)?;
    let records = number(source)?;
    // Two octets a record at least: the loop is not longer than the file.
    for _ in 0..records {
        number(source)?;
        number(source)?;
    }
    let used = before - source.len();
    skip(source, used.wrapping_neg() & 3)?;
    skip(source, 4 + STREAM_HEADER_OCTETS)
}

fn skip(source: &mut &[u8], octets: usize) -> io::Result<()> {
    *source = source.get(octets..).ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(())
}
