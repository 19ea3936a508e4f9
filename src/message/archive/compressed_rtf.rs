//! Compressed RTF (MS-OXRTFCP), as Outlook messages and `winmail.dat` hold it.
//!
//! In: the octets of such a property. Out: the RTF in it as a member, as far as it can be read,
//! and a remark when its checksum is wrong. What is broken ends where it breaks.

use std::io::{self, ErrorKind, Read};

use bytes::Bytes;

use crate::message::contents::{Exhausted, Opening};
use crate::message::cursor::Cursor;
use crate::message::fixed::{place, rest, u32_at};

/// What the dictionary holds at first (section 2.1.3.1.4).
const FIRST: &[u8] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \
\\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\
\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";

const DICTIONARY_OCTETS: usize = 4_096;
const HEADER_OCTETS: usize = 16;

/// Packed, or as it is (section 2.1.3.1.1).
const COMPRESSED: u32 = 0x7546_5a4c;
const UNCOMPRESSED: u32 = 0x414c_454d;

/// Unpacks compressed RTF and walks through it.
pub(super) fn open(
    name: &str,
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    // Section 2.1.3.2: only what is compressed has a checksum.
    let body = rest(octets, HEADER_OCTETS);
    if u32_at(octets, 8) == COMPRESSED && u32_at(octets, 12) != plain_crc(body) {
        opening.remark("TNEF_MISMATCH", "compressed RTF");
    }
    let unpacked = opening.unpack(Unpacking::new(octets), octets.len() as u64)?;
    opening.unpacked_member(name, unpacked)
}

/// The usual CRC-32 without its inversions.
fn plain_crc(octets: &[u8]) -> u32 {
    octets.iter().fold(0, |sum: u32, octet| {
        (0..8).fold(sum ^ u32::from(*octet), |sum, _| match sum & 1 {
            0 => sum >> 1,
            _ => (sum >> 1) ^ 0xedb8_8320,
        })
    })
}

struct Unpacking<'a> {
    packed: Cursor<'a>,
    kind: u32,
    /// What is not compressed has so many octets.
    length: usize,
    dictionary: Vec<u8>,
    write_at: usize,
    /// The flags of the tokens that follow, and how many are left.
    flags: (u8, u8),
    ready: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<'a> Unpacking<'a> {
    fn new(octets: &'a [u8]) -> Unpacking<'a> {
        let mut dictionary = vec![b' '; DICTIONARY_OCTETS];
        for (place, octet) in dictionary.iter_mut().zip(FIRST) {
            *place = *octet;
        }
        Unpacking {
            // Two sizes, the kind, a checksum.
            packed: Cursor::new(rest(octets, HEADER_OCTETS)),
            kind: u32_at(octets, 8),
            length: place(u32_at(octets, 4)),
            dictionary,
            write_at: FIRST.len(),
            flags: (0, 0),
            ready: Vec::new(),
            given: 0,
            ended: false,
        }
    }

    fn put(&mut self, octet: u8) {
        if let Some(place) = self.dictionary.get_mut(self.write_at) {
            *place = octet;
        }
        self.write_at = (self.write_at + 1) % DICTIONARY_OCTETS;
        self.ready.push(octet);
    }

    /// Unpacks a token (section 3.1.3.3); nothing when the octets end too early.
    fn step(&mut self) -> Option<()> {
        if self.flags.1 == 0 {
            self.flags = (self.packed.u8()?, 8);
        }
        let is_copy = self.flags.0 & 1 != 0;
        self.flags = (self.flags.0 >> 1, self.flags.1 - 1);
        if !is_copy {
            let octet = self.packed.u8()?;
            self.put(octet);
            return Some(());
        }
        let token = usize::from(self.packed.u16_be()?);
        let from = token >> 4;
        if from == self.write_at {
            self.ended = true;
            return Some(());
        }
        for place in from..from + (token & 0x0f) + 2 {
            let octet = self.dictionary.get(place % DICTIONARY_OCTETS).copied()?;
            self.put(octet);
        }
        Some(())
    }
}

impl Read for Unpacking<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.kind {
            COMPRESSED => {}
            UNCOMPRESSED => {
                let count = buffer.len().min(self.packed.left());
                if count == 0 && self.packed.at() < self.length {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                return self.packed.take(count).unwrap_or_default().read(buffer);
            }
            _ => return Err(ErrorKind::Unsupported.into()),
        }
        while self.given == self.ready.len() && !self.ended {
            self.ready.clear();
            self.given = 0;
            self.step().ok_or(ErrorKind::UnexpectedEof)?;
        }
        let mut ready = self.ready.get(self.given..).unwrap_or_default();
        let count = ready.read(buffer)?;
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// The example of section 4.1.1 of the specification.
    const PACKED: &[u8] = b"\x2d\x00\x00\x00\x2b\x00\x00\x00LZFu\xf1\xc5\xc7\xa7\x03\x00\x0a\x00\
        rcpg125\x42\x32\x0a\xf3\x20hel\x09\x00\x20bw\x05\xb0ld}\x0a\x80\x0f\xa0";

    #[test]
    fn the_example_of_the_specification() {
        assert_eq!(FIRST.len(), 207);
        let mut text = String::new();
        Unpacking::new(PACKED).read_to_string(&mut text).unwrap();
        assert_eq!(text, "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
        assert_eq!(u32_at(PACKED, 12), plain_crc(&PACKED[16..]));
    }

    #[test]
    fn what_ends_early_says_so() {
        let plain = b"\0\0\0\0\x03\0\0\0MELA\0\0\0\0abc";
        for (octets, whole) in [(PACKED, 43), (plain, 3)] {
            for end in 0..=octets.len() {
                let mut read = Vec::new();
                let result = Unpacking::new(&octets[..end]).read_to_end(&mut read);
                assert_eq!(result.is_ok(), end == octets.len(), "{end}");
                assert!(read.len() <= whole);
            }
        }
    }
}
