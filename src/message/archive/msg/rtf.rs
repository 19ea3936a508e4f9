//! Compressed RTF ([MS-OXRTFCP]).
//!
//! In: the octets of such a property. Out: a reader of the RTF in it.

use std::io::{self, ErrorKind, Read};

use crate::message::cursor::Cursor;
use crate::message::fixed::u32_at;

/// What the dictionary holds at first (section 2.1.3.1.4).
const FIRST: &[u8] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \
\\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\
\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";

const DICTIONARY_OCTETS: usize = 4_096;

/// Packed, or as it is (section 2.1.3.1.1).
const COMPRESSED: u32 = 0x7546_5a4c;
const UNCOMPRESSED: u32 = 0x414c_454d;

/// Unpacks compressed RTF.
pub(super) struct Unpacking<'a> {
    packed: Cursor<'a>,
    kind: u32,
    dictionary: Vec<u8>,
    write_at: usize,
    /// The flags of the tokens that follow, and how many are left.
    flags: (u8, u8),
    ready: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<'a> Unpacking<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Unpacking<'a> {
        let mut dictionary = vec![b' '; DICTIONARY_OCTETS];
        for (place, octet) in dictionary.iter_mut().zip(FIRST) {
            *place = *octet;
        }
        let mut packed = Cursor::new(octets);
        // Two sizes, the kind, a checksum.
        let _ = packed.take(16);
        Unpacking {
            packed,
            kind: u32_at(octets, 8),
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
                return self.packed.take(count).unwrap_or_default().read(buffer);
            }
            _ => return Err(ErrorKind::InvalidData.into()),
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

    use super::Unpacking;

    /// The example of section 4.1.1 of the specification.
    #[test]
    fn the_example_of_the_specification() {
        let packed = [
            0x2d, 0x00, 0x00, 0x00, 0x2b, 0x00, 0x00, 0x00, 0x4c, 0x5a, 0x46, 0x75, 0xf1, 0xc5,
            0xc7, 0xa7, 0x03, 0x00, 0x0a, 0x00, 0x72, 0x63, 0x70, 0x67, 0x31, 0x32, 0x35, 0x42,
            0x32, 0x0a, 0xf3, 0x20, 0x68, 0x65, 0x6c, 0x09, 0x00, 0x20, 0x62, 0x77, 0x05, 0xb0,
            0x6c, 0x64, 0x7d, 0x0a, 0x80, 0x0f, 0xa0,
        ];
        let mut text = String::new();
        Unpacking::new(&packed).read_to_string(&mut text).unwrap();
        assert_eq!(text, "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
    }
}
