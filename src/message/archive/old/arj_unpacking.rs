//! The methods of ARJ: 1 to 3 are LZ77 with Huffman codes as in LHA's `-lh6-`, 4 is LZ77 with
//! codes of unary length.
//!
//! In: packed octets. Out: a reader of what they yield, without an end of its own: who asks
//! knows the size. Methods 1 to 3 are read by the crate `delharc` (`-lh6-`: the same codes,
//! with a window of 32 KiB that holds ARJ's of 26 KiB).

use std::io::{self, Read};

use delharc::decode::{Decoder, DecoderAny};
use delharc::header::CompressionMethod;

use super::super::guard::Guarded;

/// Methods 1 to 3.
pub(super) struct Huffman<'a>(Guarded<Lh6<'a>>);

struct Lh6<'a>(DecoderAny<&'a [u8]>);

impl<'a> Huffman<'a> {
    pub(super) fn new(packed: &'a [u8]) -> Huffman<'a> {
        let decoder = DecoderAny::new_from_compression(CompressionMethod::Lh6, packed);
        Huffman(Guarded::new(Lh6(decoder)))
    }
}

impl Read for Lh6<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.fill_buffer(buffer).map_err(io::Error::from)?;
        Ok(buffer.len())
    }
}

impl Read for Huffman<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Little at once, so that little is lost when the codes end too early.
        let count = buffer.len().min(256);
        match buffer.get_mut(..count) {
            Some(room) if count > 0 => self.0.read(room),
            _ => Ok(0),
        }
    }
}

/// Distances reach back no further than this.
const WINDOW_OCTETS: usize = 32 << 10;

/// Method 4.
pub(super) struct Fastest<'a> {
    packed: &'a [u8],
    bit: usize,
    window: Vec<u8>,
    /// Octets of the window that were given out.
    given: usize,
}

impl<'a> Fastest<'a> {
    pub(super) fn new(packed: &'a [u8]) -> Fastest<'a> {
        Fastest { packed, bit: 0, window: Vec::new(), given: 0 }
    }

    /// The next bits, the highest first; nothing at the end.
    fn bits(&mut self, count: u32) -> Option<usize> {
        let mut value = 0;
        for _ in 0..count {
            let octet = *self.packed.get(self.bit / 8)?;
            value = value << 1 | usize::from(octet >> (7 - self.bit % 8) & 1);
            self.bit += 1;
        }
        Some(value)
    }

    /// A number whose width is told by ones before it: from `least` bits on, up to `most`.
    fn number(&mut self, least: u32, most: u32) -> Option<usize> {
        let mut width = least;
        let mut base = 0;
        while width < most && self.bits(1)? == 1 {
            base += 1 << width;
            width += 1;
        }
        Some(base + self.bits(width)?)
    }

    /// Unpacks one octet or one copy.
    fn step(&mut self) -> Option<()> {
        match self.number(0, 7)? {
            0 => {
                let octet = self.bits(8)?;
                self.window.push(octet as u8);
            }
            length => {
                let distance = self.number(9, 13)? + 1;
                let from = self.window.len().checked_sub(distance)?;
                for at in from..from + length + 2 {
                    let octet = *self.window.get(at)?;
                    self.window.push(octet);
                }
            }
        }
        Some(())
    }
}

impl Read for Fastest<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.window.len() {
            if self.window.len() > 2 * WINDOW_OCTETS {
                let old = self.window.len() - WINDOW_OCTETS;
                self.window.drain(..old);
                self.given -= old;
            }
            self.step().ok_or(io::ErrorKind::UnexpectedEof)?;
        }
        let mut ready = self.window.get(self.given..).unwrap_or_default();
        let count = ready.read(buffer)?;
        self.given += count;
        Ok(count)
    }
}
