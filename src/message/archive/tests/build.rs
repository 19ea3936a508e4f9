//! Archives octet by octet, right and wrong.

use std::io::Write;

use crate::message::contents::{Contents, Limits};
use crate::message::fuzz;
use crate::message::tests::walked;

/// What is found in a file that is attached to a message, however slow the machine.
pub(in crate::message::archive) fn walk_file(name: &str, octets: &[u8]) -> Contents {
    let time = std::time::Duration::from_secs(60);
    walk_file_within(name, octets, Limits { time, ..Limits::default() })
}

pub(in crate::message::archive) fn walk_file_within(
    name: &str,
    octets: &[u8],
    limits: Limits,
) -> Contents {
    walked::walk(fuzz::attached(name, octets), limits).0
}

/// A member of a zip archive, each field of which can be made wrong.
#[derive(Debug, Clone)]
pub(in crate::message::archive) struct Entry {
    pub name: Vec<u8>,
    pub central_name: Option<Vec<u8>>,
    pub method: u16,
    pub central_method: Option<u16>,
    pub flags: u16,
    pub central_flags: Option<u16>,
    pub crc: u32,
    pub data: Vec<u8>,
    pub unpacked: u32,
    /// Sizes as the local and the central header tell them: packed, unpacked.
    pub local_sizes: Option<(u32, u32)>,
    pub central_sizes: Option<(u32, u32)>,
    pub local_extra: Vec<u8>,
    pub central_extra: Vec<u8>,
    pub descriptor: bool,
    pub mode: u16,
    pub offset: Option<u32>,
    pub in_directory: bool,
    pub has_local: bool,
}

impl Entry {
    pub fn packed(name: &str, method: u16, content: &[u8], data: Vec<u8>) -> Entry {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        Entry {
            name: name.into(),
            central_name: None,
            method,
            central_method: None,
            flags: 0,
            central_flags: None,
            crc: crc.sum(),
            data,
            unpacked: content.len() as u32,
            local_sizes: None,
            central_sizes: None,
            local_extra: Vec::new(),
            central_extra: Vec::new(),
            descriptor: false,
            mode: 0o100_644,
            offset: None,
            in_directory: true,
            has_local: true,
        }
    }

    pub fn stored(name: &str, content: &[u8]) -> Entry {
        Entry::packed(name, 0, content, content.to_vec())
    }

    pub fn deflated(name: &str, content: &[u8]) -> Entry {
        Entry::packed(name, 8, content, deflate(content))
    }

    /// Sizes and checksum behind the data.
    pub fn streamed(mut self) -> Entry {
        self.flags |= 8;
        self.local_sizes = Some((0, 0));
        self.descriptor = true;
        self
    }

    fn sizes(&self) -> (u32, u32) {
        (self.data.len() as u32, self.unpacked)
    }

    pub fn local(&self) -> Vec<u8> {
        let (packed, unpacked) = self.local_sizes.unwrap_or(self.sizes());
        let crc = if self.descriptor { 0 } else { self.crc };
        let mut out = b"PK\x03\x04\x14\x00".to_vec();
        out.extend(self.flags.to_le_bytes());
        out.extend(self.method.to_le_bytes());
        out.extend([0, 0, 0x21, 0x5a]);
        for number in [crc, packed, unpacked] {
            out.extend(number.to_le_bytes());
        }
        out.extend((self.name.len() as u16).to_le_bytes());
        out.extend((self.local_extra.len() as u16).to_le_bytes());
        out.extend(&self.name);
        out.extend(&self.local_extra);
        out
    }

    pub fn central(&self, offset: u32) -> Vec<u8> {
        let name = self.central_name.as_ref().unwrap_or(&self.name);
        let (packed, unpacked) = self.central_sizes.unwrap_or(self.sizes());
        let mut out = b"PK\x01\x02\x14\x03\x14\x00".to_vec();
        out.extend(self.central_flags.unwrap_or(self.flags).to_le_bytes());
        out.extend(self.central_method.unwrap_or(self.method).to_le_bytes());
        out.extend([0, 0, 0x21, 0x5a]);
        for number in [self.crc, packed, unpacked] {
            out.extend(number.to_le_bytes());
        }
        out.extend((name.len() as u16).to_le_bytes());
        out.extend((self.central_extra.len() as u16).to_le_bytes());
        out.extend([0; 6]);
        out.extend((u32::from(self.mode) << 16).to_le_bytes());
        out.extend(self.offset.unwrap_or(offset).to_le_bytes());
        out.extend(name);
        out.extend(&self.central_extra);
        out
    }
}

/// An archive that is told in full: what stands before it, its members, its comment.
pub(in crate::message::archive) fn zip_of(entries: &[Entry]) -> Vec<u8> {
    zip_with(entries, b"", b"")
}

/// Offsets in it count from the beginning of the archive, not of what stands before.
pub(in crate::message::archive) fn zip_with(
    entries: &[Entry],
    before: &[u8],
    comment: &[u8],
) -> Vec<u8> {
    let mut out = before.to_vec();
    let mut directory = Vec::new();
    let mut count = 0;
    for entry in entries {
        let offset = (out.len() - before.len()) as u32;
        if entry.has_local {
            out.extend(entry.local());
            out.extend(&entry.data);
        }
        if entry.descriptor {
            out.extend(b"PK\x07\x08");
            for number in [entry.crc, entry.data.len() as u32, entry.unpacked] {
                out.extend(number.to_le_bytes());
            }
        }
        if entry.in_directory {
            directory.extend(entry.central(offset));
            count += 1;
        }
    }
    let offset = (out.len() - before.len()) as u32;
    out.extend(&directory);
    out.extend(end_record(count, directory.len() as u32, offset, comment));
    out
}

pub(in crate::message::archive) fn end_record(
    entries: u16,
    octets: u32,
    offset: u32,
    comment: &[u8],
) -> Vec<u8> {
    let mut out = b"PK\x05\x06\0\0\0\0".to_vec();
    out.extend(entries.to_le_bytes());
    out.extend(entries.to_le_bytes());
    out.extend(octets.to_le_bytes());
    out.extend(offset.to_le_bytes());
    out.extend((comment.len() as u16).to_le_bytes());
    out.extend(comment);
    out
}

pub(in crate::message::archive) fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder =
        flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(in crate::message::archive) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(in crate::message::archive) fn bzip2(content: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// LZMA data of literals only: properties 3, 0, 2 (octet 0x5d), with an end mark.
pub(in crate::message::archive) fn lzma(content: &[u8]) -> Vec<u8> {
    let mut coder = RangeEncoder { low: 0, range: u32::MAX, cache: 0, pending: 1, out: Vec::new() };
    // After literals only, the state is 0 all the way; four position states.
    let mut is_match = [1_024_u16; 4];
    let mut literals = vec![[1_024_u16; 0x300]; 8];
    let mut before = 0_u8;
    for (at, octet) in content.iter().enumerate() {
        coder.bit(&mut is_match[at & 3], 0);
        let literal = &mut literals[usize::from(before >> 5)];
        let mut symbol = 1_usize;
        for place in (0..8).rev() {
            let bit = octet >> place & 1;
            coder.bit(&mut literal[symbol], bit.into());
            symbol = symbol << 1 | usize::from(bit);
        }
        before = *octet;
    }
    // The end mark: a match at the largest distance, of the shortest length.
    coder.bit(&mut is_match[content.len() & 3], 1);
    coder.bit(&mut 1_024, 0);
    for _ in 0..4 {
        coder.bit(&mut 1_024, 0);
    }
    for _ in 0..6 {
        coder.bit(&mut 1_024, 1);
    }
    for _ in 0..26 {
        coder.direct_one();
    }
    for _ in 0..4 {
        coder.bit(&mut 1_024, 1);
    }
    for _ in 0..5 {
        coder.shift();
    }
    coder.out
}

struct RangeEncoder {
    low: u64,
    range: u32,
    cache: u8,
    pending: u64,
    out: Vec<u8>,
}

impl RangeEncoder {
    fn bit(&mut self, probability: &mut u16, bit: u32) {
        let bound = (self.range >> 11) * u32::from(*probability);
        if bit == 0 {
            self.range = bound;
            *probability += (2_048 - *probability) >> 5;
        } else {
            self.low += u64::from(bound);
            self.range -= bound;
            *probability -= *probability >> 5;
        }
        self.fill();
    }

    fn direct_one(&mut self) {
        self.range >>= 1;
        self.low += u64::from(self.range);
        self.fill();
    }

    fn fill(&mut self) {
        while self.range < 1 << 24 {
            self.range <<= 8;
            self.shift();
        }
    }

    fn shift(&mut self) {
        if self.low < 0xff00_0000 || self.low > 0xffff_ffff {
            let carry = (self.low >> 32) as u8;
            let mut octet = self.cache;
            while self.pending > 0 {
                self.out.push(octet.wrapping_add(carry));
                octet = 0xff;
                self.pending -= 1;
            }
            self.cache = (self.low >> 24) as u8;
        }
        self.pending += 1;
        self.low = (self.low & 0x00ff_ffff) << 8;
    }
}

/// A .lzma file.
pub(in crate::message::archive) fn lzma_alone(content: &[u8]) -> Vec<u8> {
    [&b"\x5d\x00\x00\x80\x00"[..], &[0xff; 8], &lzma(content)].concat()
}

pub(in crate::message::archive) fn lzip(content: &[u8]) -> Vec<u8> {
    let data = lzma(content);
    let mut crc = flate2::Crc::new();
    crc.update(content);
    let mut out = b"LZIP\x01\x17".to_vec();
    out.extend(&data);
    out.extend(crc.sum().to_le_bytes());
    out.extend((content.len() as u64).to_le_bytes());
    out.extend((data.len() as u64 + 26).to_le_bytes());
    out
}

/// What zip puts before LZMA data.
pub(in crate::message::archive) fn zip_lzma(content: &[u8]) -> Vec<u8> {
    [&b"\x13\x00\x05\x00\x5d\x00\x00\x80\x00"[..], &lzma(content)].concat()
}

/// A stream of one block of one chunk, which is not compressed.
pub(in crate::message::archive) fn xz(content: &[u8]) -> Vec<u8> {
    let crc = |octets: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(octets);
        crc.sum().to_le_bytes()
    };
    let mut out = b"\xfd7zXZ\x00\x00\x00".to_vec();
    out.extend(crc(b"\x00\x00"));
    // Block header: size, flags, LZMA2 with one octet for its window, padding.
    let header = b"\x02\x00\x21\x01\x16\x00\x00\x00";
    out.extend(header);
    out.extend(crc(header));
    let mut data = vec![1];
    data.extend((content.len() as u16 - 1).to_be_bytes());
    data.extend(content);
    data.push(0);
    let unpadded = data.len() + header.len() + 4;
    data.resize(data.len().next_multiple_of(4), 0);
    out.extend(&data);
    // Index: one record.
    let mut index = vec![0, 1];
    for number in [unpadded, content.len()] {
        match number {
            0..128 => index.push(number as u8),
            _ => index.extend([(number & 127 | 128) as u8, (number >> 7) as u8]),
        }
    }
    index.resize(index.len().next_multiple_of(4), 0);
    out.extend(&index);
    out.extend(crc(&index));
    let back = ((index.len() as u32 + 4) / 4 - 1).to_le_bytes();
    let footer = [&back[..], b"\x00\x00"].concat();
    out.extend(crc(&footer));
    out.extend(&footer);
    out.extend(b"YZ");
    out
}

/// A frame of one raw block.
pub(in crate::message::archive) fn zstd(content: &[u8]) -> Vec<u8> {
    let header = ((content.len() as u32) << 3 | 1).to_le_bytes();
    [&b"\x28\xb5\x2f\xfd\x00\x58"[..], &header[..3], content].concat()
}

/// A frame of one block of literals.
pub(in crate::message::archive) fn lz4(content: &[u8]) -> Vec<u8> {
    let mut block = vec![0xf0];
    let mut left = content.len() - 15;
    while left >= 255 {
        block.push(255);
        left -= 255;
    }
    block.push(left as u8);
    block.extend(content);
    let octets = (block.len() as u32).to_le_bytes();
    [&b"\x04\x22\x4d\x18\x60\x40\x82"[..], &octets, &block, &[0; 4]].concat()
}

/// What compress would make, had it not compressed.
pub(in crate::message::archive) fn compress(content: &[u8]) -> Vec<u8> {
    let mut out = b"\x1f\x9d\x90".to_vec();
    let (mut word, mut bits) = (0_u32, 0);
    for octet in content {
        word |= u32::from(*octet) << bits;
        bits += 9;
        while bits >= 8 {
            out.push(word as u8);
            word >>= 8;
            bits -= 8;
        }
    }
    out.push(word as u8);
    out
}

pub(in crate::message::archive) fn ppmd(content: &[u8]) -> Vec<u8> {
    let restoration = ppmd_rust::RestoreMethod::Restart;
    let mut encoder = ppmd_rust::Ppmd8Encoder::new(Vec::new(), 8, 1 << 20, restoration).unwrap();
    encoder.write_all(content).unwrap();
    // Order less one, megabytes less one, restoration.
    [&7_u16.to_le_bytes()[..], &encoder.finish(true).unwrap()].concat()
}

/// A tar header with its right checksum.
pub(in crate::message::archive) fn tar_header(name: &str, kind: u8, size: u64) -> [u8; 512] {
    let mut block = [0; 512];
    let mut put = |at: usize, octets: &[u8]| {
        block[at..at + octets.len()].copy_from_slice(octets);
    };
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    checksummed(block)
}

pub(in crate::message::archive) fn checksummed(mut block: [u8; 512]) -> [u8; 512] {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|octet| u32::from(*octet)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// A header and its data, padded.
pub(in crate::message::archive) fn tar_member(name: &str, kind: u8, data: &[u8]) -> Vec<u8> {
    let mut out = tar_header(name, kind, data.len() as u64).to_vec();
    out.extend(data);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

pub(in crate::message::archive) fn tar_of(members: &[Vec<u8>]) -> Vec<u8> {
    [members.concat(), vec![0; 1_024]].concat()
}

/// One record of a pax header.
pub(in crate::message::archive) fn pax(key: &str, value: &str) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let octets = (1..).find(|digits: &usize| (rest + digits).to_string().len() == *digits).unwrap();
    format!("{} {key}={value}\n", rest + octets).into_bytes()
}
