//! What the Unix program compress makes: LZW with codes that grow from 9 to at most 16 bits.
//!
//! In: a slice. Out: a reader. The octets end where whole codes do; a code that is not in the
//! table is an error of kind `InvalidData`. There is no end mark and no checksum, so cut data
//! cannot be told from whole ones, by anyone.

use std::io::{self, Read};

const MAGIC: &[u8; 2] = b"\x1f\x9d";
const FIRST_BITS: u32 = 9;
const MOST_BITS: u32 = 16;
/// In block mode this code empties the table.
const CLEAR: usize = 256;

pub(super) struct Codes<'s, 'f> {
    source: &'s mut &'f [u8],
    most_bits: u32,
    has_clear: bool,
    bits: u32,
    /// Bits of the present group of eight codes that have been read.
    group_bit: usize,
    /// For each code from 256 on: the code before its last octet, and that octet.
    table: Vec<(u16, u8)>,
    previous: Option<(usize, u8)>,
    /// Octets of the present code that have not been given out, the first one last.
    ready: Vec<u8>,
}

impl<'s, 'f> Codes<'s, 'f> {
    pub(super) fn new(source: &'s mut &'f [u8]) -> Option<Codes<'s, 'f>> {
        let flags = *source.get(2).filter(|_| source.starts_with(MAGIC))?;
        let most_bits = u32::from(flags & 31);
        if !(FIRST_BITS..=MOST_BITS).contains(&most_bits) {
            return None;
        }
        *source = source.get(3..)?;
        let has_clear = flags & 0x80 != 0;
        let mut codes = Codes {
            source,
            most_bits,
            has_clear,
            bits: FIRST_BITS,
            group_bit: 0,
            table: Vec::new(),
            previous: None,
            ready: Vec::new(),
        };
        codes.clear();
        Some(codes)
    }

    fn clear(&mut self) {
        self.table.clear();
        if self.has_clear {
            self.table.push((0, 0));
        }
        self.previous = None;
    }

    /// Codes are written in groups of eight; a change of their size leaves the rest of a group
    /// unused.
    fn end_group(&mut self) {
        if self.group_bit > 0 {
            let group = usize::try_from(self.bits).unwrap_or_default();
            *self.source = self.source.get(group..).unwrap_or_default();
            self.group_bit = 0;
        }
    }

    fn code(&mut self) -> Option<usize> {
        let bits = usize::try_from(self.bits).ok()?;
        let at = self.group_bit / 8;
        let mut word: u32 = 0;
        for place in 0..3 {
            // The third octet may not be needed.
            let octet = self.source.get(at + place).copied();
            word |= u32::from(octet.unwrap_or_default()) << (8 * place);
        }
        if (self.group_bit + bits).div_ceil(8) > self.source.len() {
            return None;
        }
        let code = word >> (self.group_bit % 8) & ((1 << self.bits) - 1);
        self.group_bit += bits;
        if self.group_bit == bits * 8 {
            self.end_group();
        }
        usize::try_from(code).ok()
    }

    /// Puts what a code stands for into `ready`, the last octet first; returns the first octet.
    fn spell(&mut self, code: usize) -> Option<u8> {
        let mut code = code;
        // A code's table entry names an older code, so this ends.
        while let Some(at) = code.checked_sub(256) {
            let (before, octet) = *self.table.get(at)?;
            self.ready.push(octet);
            code = usize::from(before);
        }
        let octet = u8::try_from(code).ok()?;
        self.ready.push(octet);
        Some(octet)
    }

    /// Reads codes until there is something to give out; false at the end.
    fn step(&mut self) -> io::Result<bool> {
        let next = 256 + self.table.len();
        if next >= 1 << self.bits && self.bits < self.most_bits {
            self.end_group();
            self.bits += 1;
        }
        let Some(code) = self.code() else {
            *self.source = &[];
            return Ok(false);
        };
        if code == CLEAR && self.has_clear {
            self.end_group();
            self.bits = FIRST_BITS;
            self.clear();
            return Ok(true);
        }
        let Some((previous, previous_first)) = self.previous else {
            let octet = u8::try_from(code).map_err(|_| io::ErrorKind::InvalidData)?;
            self.ready.push(octet);
            self.previous = Some((code, octet));
            return Ok(true);
        };
        let first = if code == next {
            // The code that is about to be made: the previous one and its own first octet.
            self.ready.push(previous_first);
            self.spell(previous)
        } else {
            self.spell(code)
        };
        let first = first.ok_or(io::ErrorKind::InvalidData)?;
        if next < 1 << self.most_bits {
            let before = u16::try_from(previous).map_err(|_| io::ErrorKind::InvalidData)?;
            self.table.push((before, first));
        }
        self.previous = Some((code, first));
        Ok(true)
    }
}

impl Read for Codes<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut count = 0;
        for place in into {
            while self.ready.is_empty() {
                if !self.step()? {
                    return Ok(count);
                }
            }
            if let Some(octet) = self.ready.pop() {
                *place = octet;
                count += 1;
            }
        }
        Ok(count)
    }
}
