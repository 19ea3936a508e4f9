//! Zstandard frames (RFC 8878), one after the other.
//!
//! In: a slice. Out: a reader of what all frames hold; skippable frames are skipped
//! (section 3.1.2). A frame whose window is larger than [`WINDOW_OCTETS`] is an error of kind
//! `OutOfMemory`, one with a dictionary `Unsupported`. What follows the last frame is left in
//! the slice.

use std::io::{self, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::message::fixed::le32;

const MAGIC: u32 = 0xfd2f_b528;
/// Section 3.1.2: the last four bits are the user's.
const SKIPPABLE_MAGIC: u32 = 0x184d_2a50;

/// The largest window; RFC 8878 section 3.1.1.1.2 asks for 8 MB.
const WINDOW_OCTETS: u64 = 16 << 20;

/// Octets decoded at once.
const STEP_OCTETS: usize = 64 << 10;

/// Frames without content that are read before the caller is asked whether there is time.
const EMPTY_FRAMES: u32 = 64;

pub(super) struct Frames<'s, 'f> {
    source: &'s mut &'f [u8],
    decoder: FrameDecoder,
    is_in_frame: bool,
    is_first: bool,
}

impl<'s, 'f> Frames<'s, 'f> {
    pub(super) fn new(source: &'s mut &'f [u8]) -> Frames<'s, 'f> {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW_OCTETS);
        Frames { source, decoder, is_in_frame: false, is_first: true }
    }

    /// Goes to the next frame with content, if there is one.
    fn begin(&mut self) -> io::Result<bool> {
        let is_first = std::mem::take(&mut self.is_first);
        let begins = le32(self.source, 0)
            .is_some_and(|magic| magic == MAGIC || magic & !15 == SKIPPABLE_MAGIC);
        if !begins && !is_first {
            return Ok(false);
        }
        match self.decoder.init(&mut *self.source) {
            Ok(()) => self.is_in_frame = true,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                let octets = usize::try_from(length).unwrap_or(usize::MAX);
                let rest = self.source.get(octets..);
                *self.source = rest.ok_or(io::ErrorKind::UnexpectedEof)?;
            }
            Err(FrameDecoderError::WindowSizeTooBig { .. }) => {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            Err(FrameDecoderError::DictNotProvided { .. }) => {
                return Err(io::ErrorKind::Unsupported.into());
            }
            Err(_) => return Err(io::ErrorKind::InvalidData.into()),
        }
        Ok(true)
    }
}

impl Read for Frames<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        for _ in 0..EMPTY_FRAMES {
            if !self.is_in_frame {
                if !self.begin()? {
                    return Ok(0);
                }
                continue;
            }
            let count = self.decoder.read(into)?;
            if count > 0 {
                return Ok(count);
            }
            if self.decoder.is_finished() {
                self.is_in_frame = false;
                continue;
            }
            self.decoder
                .decode_blocks(&mut *self.source, BlockDecodingStrategy::UptoBytes(STEP_OCTETS))
                .map_err(|_| io::ErrorKind::InvalidData)?;
        }
        Err(io::ErrorKind::Interrupted.into())
    }
}
