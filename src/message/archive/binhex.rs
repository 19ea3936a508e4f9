//! BinHex 4.0 files in a text (RFC 1741 and the description of Yves Lempereur).
//!
//! In: a text. Out: the data fork of each file under its name, the resource fork beside it.
//! Checksums that do not match and forks that are cut are remarked. Repetitions are unpacked
//! through the purse, for two octets may stand for 255.

use std::io::{self, Read};

use bytes::Bytes;
use memchr::memmem;

use super::intext::line_at;
use crate::message::charset;
use crate::message::contents::{Exhausted, Opening};

/// RFC 1741 section 2: the text before the file.
const SENTENCE: &[u8] = b"(This file must be converted with BinHex";

/// The characters for 0 to 63.
const ALPHABET: &[u8; 64] = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";

/// Announces a repetition.
const REPEAT: u8 = 0x90;

/// Where the encoded files of a text begin, at the line after the sentence.
pub(super) fn starts(text: &[u8]) -> impl Iterator<Item = usize> + '_ {
    memmem::find_iter(text, SENTENCE).map(|at| line_at(text, at).1)
}

/// Takes the BinHex files out of a text.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let (mut starts, mut end) = (starts(octets), 0);
    while let Some(start) = starts.find(|start| *start >= end) {
        opening.pay_time()?;
        let text = octets.get(start..).unwrap_or_default();
        let Some(colon) = memchr::memchr(b':', text) else { return Ok(()) };
        let encoded = text.get(colon + 1..).unwrap_or_default();
        let length = memchr::memchr(b':', encoded);
        end = start + colon + 1 + length.unwrap_or(encoded.len());
        if length.is_none() {
            opening.remark("TEXT_FILE_CUT", "");
        }
        let encoded = encoded.get(..length.unwrap_or(encoded.len())).unwrap_or_default();
        let packed = sextets(encoded);
        let packed_octets = packed.len() as u64;
        let unpacked = opening.unpack(Repeater::new(packed), packed_octets)?;
        give(&unpacked.octets, opening)?;
        if let Some(why) = unpacked.trouble {
            opening.closed(why, "BinHex");
        }
    }
    Ok(())
}

/// Four characters are three octets; others are white space.
fn sextets(encoded: &[u8]) -> Vec<u8> {
    let mut values = [None; 256];
    for (value, letter) in (0u8..).zip(ALPHABET) {
        if let Some(slot) = values.get_mut(usize::from(*letter)) {
            *slot = Some(value);
        }
    }
    let mut out = Vec::with_capacity(encoded.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0u32, 0);
    for octet in encoded {
        let Some(value) = values.get(usize::from(*octet)).copied().flatten() else { continue };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}

/// Header, forks and their checksums.
fn give(file: &Bytes, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
    let Some(header) = Header::read(file) else {
        opening.remark("TEXT_FILE_CUT", "");
        return Ok(());
    };
    opening.remark("TEXT_BINHEXED", header.name.as_str());
    let data_end = header.end.saturating_add(header.data);
    let resource = data_end.saturating_add(2);
    let resource_end = resource.saturating_add(header.resource);
    let forks = [
        (header.end, data_end, header.name.clone()),
        (resource, resource_end, format!("{}.rsrc", header.name)),
    ];
    for (start, end, name) in forks {
        if start >= end || start >= file.len() {
            continue;
        }
        let octets = crate::message::cut(file, start..end);
        match file.get(end..end.saturating_add(2)) {
            Some(sum) if sum == checksum(&octets).to_be_bytes() => {}
            Some(_) => opening.remark("TEXT_FILE_MISMATCH", name.as_str()),
            None => opening.remark("TEXT_FILE_CUT", name.as_str()),
        }
        opening.member(&name, octets)?;
    }
    Ok(())
}

struct Header {
    name: String,
    data: usize,
    resource: usize,
    end: usize,
}

impl Header {
    fn read(file: &[u8]) -> Option<Header> {
        let name_octets = usize::from(*file.first()?);
        let name = file.get(1..1 + name_octets)?;
        // A version, type, creator and flags stand between the name and the lengths.
        let lengths = 1 + name_octets + 1 + 4 + 4 + 2;
        let long = |at: usize| {
            let octets = file.get(at..at + 4)?.try_into().ok()?;
            usize::try_from(u32::from_be_bytes(octets)).ok()
        };
        Some(Header {
            name: charset::guess(name).into_owned(),
            data: long(lengths)?,
            resource: long(lengths + 4)?,
            end: lengths + 8 + 2,
        })
    }
}

/// CRC with the polynomial of CCITT, begun with 0.
fn checksum(octets: &[u8]) -> u16 {
    let mut sum = 0u16;
    for octet in octets {
        sum ^= u16::from(*octet) << 8;
        for _ in 0..8 {
            sum = match sum & 0x8000 {
                0 => sum << 1,
                _ => (sum << 1) ^ 0x1021,
            };
        }
    }
    sum
}

/// Unpacks repetitions: after [`REPEAT`] stands how often the octet before it occurs in all;
/// 0 means the octet [`REPEAT`] itself.
struct Repeater {
    packed: std::vec::IntoIter<u8>,
    last: u8,
    again: usize,
}

impl Repeater {
    fn new(packed: Vec<u8>) -> Repeater {
        Repeater { packed: packed.into_iter(), last: 0, again: 0 }
    }

    fn next(&mut self) -> Option<u8> {
        loop {
            if self.again > 0 {
                self.again -= 1;
                return Some(self.last);
            }
            let octet = self.packed.next()?;
            if octet != REPEAT {
                self.last = octet;
                return Some(octet);
            }
            match self.packed.next()? {
                0 => {
                    self.last = REPEAT;
                    return Some(REPEAT);
                }
                times => self.again = usize::from(times) - 1,
            }
        }
    }
}

impl Read for Repeater {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let mut count = 0;
        for slot in room {
            let Some(octet) = self.next() else { break };
            *slot = octet;
            count += 1;
        }
        Ok(count)
    }
}
