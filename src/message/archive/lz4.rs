//! LZ4 frames (LZ4 Frame Format 1.6.4 and LZ4 Block Format), one after the other, and those of
//! the legacy format.
//!
//! In: a slice. Out: a reader of what all frames hold. Checksums and declared sizes are read
//! over. At most one block and the window before it lie in memory. What follows the last frame
//! is left in the slice.

use std::io::{self, Read};

use crate::message::fixed::le32;

const MAGIC: u32 = 0x184d_2204;
const LEGACY_MAGIC: u32 = 0x184c_2102;
/// Frames to be skipped: the magic number's last four bits are the user's.
const SKIPPABLE_MAGIC: u32 = 0x184d_2a50;

/// How far back a match may reach.
const WINDOW_OCTETS: usize = 64 << 10;
/// Octets of an unpacked block of a legacy frame.
const LEGACY_BLOCK_OCTETS: usize = 8 << 20;

/// Blocks and frames without content that are read before the caller is asked whether there is
/// time.
const EMPTY_BLOCKS: u32 = 64;

pub(super) struct Frames<'s, 'f> {
    source: &'s mut &'f [u8],
    frame: Option<Frame>,
    is_first: bool,
    /// The window, and behind it the block that is being given out.
    made: Vec<u8>,
    /// How far it has been given out.
    given: usize,
}

/// What a frame's header says.
#[derive(Debug, Clone, Copy)]
struct Frame {
    is_legacy: bool,
    block_octets: usize,
    has_block_checksums: bool,
    has_checksum: bool,
}

impl<'s, 'f> Frames<'s, 'f> {
    pub(super) fn new(source: &'s mut &'f [u8]) -> Frames<'s, 'f> {
        Frames { source, frame: None, is_first: true, made: Vec::new(), given: 0 }
    }

    fn skip(&mut self, octets: usize) -> io::Result<()> {
        *self.source = self.source.get(octets..).ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(())
    }

    /// Goes to the next frame; nothing when there is none.
    fn begin(&mut self) -> io::Result<bool> {
        let magic = le32(self.source, 0);
        let is_first = std::mem::take(&mut self.is_first);
        match magic {
            Some(magic) if magic & !15 == SKIPPABLE_MAGIC => {
                let octets = le32(self.source, 4).ok_or(io::ErrorKind::UnexpectedEof)?;
                self.skip(usize::try_from(octets).unwrap_or(usize::MAX).saturating_add(8))?;
            }
            Some(LEGACY_MAGIC) => {
                self.skip(4)?;
                self.frame = Some(Frame {
                    is_legacy: true,
                    block_octets: LEGACY_BLOCK_OCTETS,
                    has_block_checksums: false,
                    has_checksum: false,
                });
            }
            Some(MAGIC) => self.begin_frame()?,
            _ if is_first => return Err(io::ErrorKind::InvalidData.into()),
            _ => return Ok(false),
        }
        self.made.clear();
        self.given = 0;
        Ok(true)
    }

    /// Frame descriptor: flags, block size, content size, dictionary, header checksum.
    fn begin_frame(&mut self) -> io::Result<()> {
        let flags = self.source.get(4).copied().ok_or(io::ErrorKind::UnexpectedEof)?;
        let block = self.source.get(5).copied().ok_or(io::ErrorKind::UnexpectedEof)?;
        if flags >> 6 != 1 {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let content_size = if flags & 8 != 0 { 8 } else { 0 };
        let dictionary = if flags & 1 != 0 { 4 } else { 0 };
        self.skip(4 + 2 + content_size + dictionary + 1)?;
        self.frame = Some(Frame {
            is_legacy: false,
            // 4 to 7: 64 KB, 256 KB, 1 MB, 4 MB.
            block_octets: 1 << (8 + 2 * usize::from((block >> 4 & 7).max(4))),
            has_block_checksums: flags & 16 != 0,
            has_checksum: flags & 4 != 0,
        });
        Ok(())
    }

    /// The next block of a frame, or its end mark.
    fn read_block(&mut self, frame: Frame) -> io::Result<()> {
        let window_start = self.made.len().saturating_sub(WINDOW_OCTETS);
        self.made.drain(..window_start);
        self.given = self.made.len();
        let Some(word) = le32(self.source, 0) else {
            // A legacy frame ends with the file.
            self.frame = None;
            return match frame.is_legacy && self.source.is_empty() {
                true => Ok(()),
                false => Err(io::ErrorKind::UnexpectedEof.into()),
            };
        };
        if frame.is_legacy && matches!(word, MAGIC | LEGACY_MAGIC) {
            self.frame = None;
            return Ok(());
        }
        self.skip(4)?;
        if word == 0 && !frame.is_legacy {
            self.frame = None;
            return self.skip(if frame.has_checksum { 4 } else { 0 });
        }
        let is_stored = !frame.is_legacy && word >> 31 == 1;
        let mask = if frame.is_legacy { u32::MAX } else { u32::MAX >> 1 };
        let octets = usize::try_from(word & mask).unwrap_or(usize::MAX);
        let block = self.source.get(..octets).ok_or(io::ErrorKind::UnexpectedEof)?;
        if is_stored {
            if octets > frame.block_octets {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.made.extend_from_slice(block);
        } else {
            let most = self.made.len() + frame.block_octets;
            unpack_block(block, &mut self.made, most).ok_or(io::ErrorKind::InvalidData)?;
        }
        self.skip(octets)?;
        self.skip(if frame.has_block_checksums { 4 } else { 0 })
    }
}

impl Read for Frames<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        for _ in 0..EMPTY_BLOCKS {
            let mut ready = self.made.get(self.given..).unwrap_or_default();
            let count = ready.read(into)?;
            if count > 0 {
                self.given += count;
                return Ok(count);
            }
            match self.frame {
                Some(frame) => self.read_block(frame)?,
                None => {
                    if !self.begin()? {
                        return Ok(0);
                    }
                }
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }
}

/// LZ4 Block Format: sequences of literals and a match, behind what was made before. Nothing
/// if it is not well formed or makes more than `most` octets in all.
fn unpack_block(mut block: &[u8], made: &mut Vec<u8>, most: usize) -> Option<()> {
    loop {
        let (token, rest) = block.split_first()?;
        block = rest;
        let literals = length(usize::from(token >> 4), &mut block)?;
        let (octets, rest) = block.split_at_checked(literals)?;
        if made.len().checked_add(literals)? > most {
            return None;
        }
        made.extend_from_slice(octets);
        block = rest;
        // The last sequence has no match.
        if block.is_empty() {
            return Some(());
        }
        let (distance, rest) = block.split_first_chunk::<2>()?;
        block = rest;
        let distance = usize::from(u16::from_le_bytes(*distance));
        let octets = length(usize::from(token & 15), &mut block)?.checked_add(4)?;
        let start = made.len().checked_sub(distance).filter(|_| distance > 0)?;
        if made.len().checked_add(octets)? > most {
            return None;
        }
        // A match may reach into what it makes.
        let mut left = octets;
        while left > 0 {
            let step = left.min(made.len() - start);
            made.extend_from_within(start..start + step);
            left -= step;
        }
    }
}

/// A length of four bits, which goes on in octets when they are all ones.
fn length(bits: usize, block: &mut &[u8]) -> Option<usize> {
    let mut length = bits;
    if bits == 15 {
        loop {
            let (octet, rest) = block.split_first()?;
            *block = rest;
            length = length.checked_add(usize::from(*octet))?;
            if *octet != 255 {
                break;
            }
        }
    }
    Some(length)
}
