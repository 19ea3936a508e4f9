//! The coders of a 7z block as one reader.
//!
//! In: a block and the octets of the archive. Out: a reader of what the block holds, or why
//! there is none. A coder's memory is what its output can fill, at most
//! [`DICTIONARY_OCTETS`]; what asks for more is refused.

use std::io::{BufReader, Read};

use bzip2::read::BzDecoder;
use deflate64::Deflate64Decoder;
use flate2::read::DeflateDecoder;
use lzma_rust2::filter::bcj::BcjReader;
use lzma_rust2::filter::bcj2::Bcj2Reader;
use lzma_rust2::filter::delta::DeltaReader;
use lzma_rust2::{Lzma2Reader, LzmaReader};
use ppmd_rust::Ppmd7Decoder;

use super::super::guard::Exactly;
use super::header::{Block, Coder};
use crate::message::contents::Closed;
use crate::message::fixed::{exactly, u32_at};

/// The largest dictionary or model that one block may have in memory.
const DICTIONARY_OCTETS: u64 = 48 << 20;

/// AES-256 with SHA-256, the one way in which 7z encrypts.
const AES: u64 = 0x06f1_0701;

type Stream<'a> = Box<dyn Read + 'a>;

/// What a block holds, as a reader.
pub(super) fn reader<'a>(block: &Block, octets: &'a [u8]) -> Result<Stream<'a>, Closed> {
    if block.coders.iter().any(|coder| coder.method == AES) {
        return Err(Closed::Encrypted);
    }
    let last = block.last_coder().ok_or(Closed::Damaged)?;
    output(block, octets, last, 0)
}

/// The output of one coder.
fn output<'a>(
    block: &Block,
    octets: &'a [u8],
    number: usize,
    depth: usize,
) -> Result<Stream<'a>, Closed> {
    if depth > block.coders.len() {
        return Err(Closed::Damaged);
    }
    let coder = block.coders.get(number).ok_or(Closed::Damaged)?;
    let size = block.sizes.get(number).copied().ok_or(Closed::Damaged)?;
    let before: usize = block.coders.iter().take(number).map(|coder| coder.inputs).sum();
    let mut inputs = Vec::new();
    for input in before..before + coder.inputs {
        inputs.push(match block.bonds.iter().find(|(bound, _)| *bound == input) {
            Some((_, from)) => output(block, octets, *from, depth + 1)?,
            None => packed(block, octets, input)?,
        });
    }
    let decoded = decode(coder, inputs, size)?;
    Ok(Box::new(Exactly::new(decoded, size)))
}

/// A packed stream as it lies in the archive; what of it is cut off is missing at its end.
fn packed<'a>(block: &Block, octets: &'a [u8], input: usize) -> Result<Stream<'a>, Closed> {
    let place = block.packed.iter().position(|packed| *packed == input);
    let place = place.and_then(|place| block.places.get(place)).ok_or(Closed::Damaged)?;
    let left = (octets.len() as u64).checked_sub(place.0).ok_or(Closed::Damaged)?;
    let stream = exactly(octets, place.0, place.1.min(left)).ok_or(Closed::Damaged)?;
    Ok(Box::new(stream))
}

fn decode<'a>(coder: &Coder, mut inputs: Vec<Stream<'a>>, size: u64) -> Result<Stream<'a>, Closed> {
    const BCJ2: u64 = 0x0303_011b;
    if coder.method == BCJ2 {
        let reader = Bcj2Reader::try_new(inputs, size).map_err(|_| Closed::Damaged)?;
        return Ok(Box::new(reader));
    }
    let input = inputs.pop().filter(|_| inputs.is_empty()).ok_or(Closed::Damaged)?;
    let settings = coder.properties.as_slice();
    Ok(match coder.method {
        0x00 => input,
        0x03_0101 => lzma(input, settings, size)?,
        0x21 => lzma2(input, settings, size)?,
        0x03_0401 => ppmd(input, settings)?,
        0x04_0202 => Box::new(BzDecoder::new(input)),
        0x04_0108 => Box::new(DeflateDecoder::new(input)),
        0x04_0109 => Box::new(Deflate64Decoder::with_buffer(BufReader::new(input))),
        0x04f7_1101 => zstd(input)?,
        0x03 => {
            let distance = settings.first().map_or(1, |octet| usize::from(*octet) + 1);
            Box::new(DeltaReader::new(input, distance))
        }
        0x04 | 0x0303_0103 => Box::new(BcjReader::new_x86(input, 0)),
        0x05 | 0x0303_0205 => Box::new(BcjReader::new_ppc(input, 0)),
        0x06 | 0x0303_0401 => Box::new(BcjReader::new_ia64(input, 0)),
        0x07 | 0x0303_0501 => Box::new(BcjReader::new_arm(input, 0)),
        0x08 | 0x0303_0701 => Box::new(BcjReader::new_arm_thumb(input, 0)),
        0x09 | 0x0303_0805 => Box::new(BcjReader::new_sparc(input, 0)),
        0x0a => Box::new(BcjReader::new_arm64(input, start(settings))),
        0x0b => Box::new(BcjReader::new_riscv(input, start(settings))),
        _ => return Err(Closed::Unsupported),
    })
}

/// The newer filters may say at which address the program begins.
fn start(settings: &[u8]) -> usize {
    u32_at(settings, 0) as usize
}

/// No more of a dictionary than the output fills; nothing above the limit.
fn dictionary(declared: u32, size: u64) -> Result<u32, Closed> {
    let needed = u64::from(declared).min(size.max(4096));
    match needed > DICTIONARY_OCTETS {
        true => Err(Closed::TooLarge),
        false => u32::try_from(needed).map_err(|_| Closed::TooLarge),
    }
}

fn lzma<'a>(input: Stream<'a>, settings: &[u8], size: u64) -> Result<Stream<'a>, Closed> {
    let (first, rest) = settings.split_first().ok_or(Closed::Damaged)?;
    let octets = rest.first_chunk::<4>().ok_or(Closed::Damaged)?;
    let dictionary = dictionary(u32::from_le_bytes(*octets), size)?;
    let reader = LzmaReader::new_with_props(input, size, *first, dictionary, None);
    Ok(Box::new(reader.map_err(|_| Closed::Damaged)?))
}

fn lzma2<'a>(input: Stream<'a>, settings: &[u8], size: u64) -> Result<Stream<'a>, Closed> {
    let bits = u32::from(*settings.first().ok_or(Closed::Damaged)?);
    let declared = match bits {
        0..=39 => (2 | (bits & 1)) << (bits / 2 + 11),
        40 => u32::MAX,
        _ => return Err(Closed::Damaged),
    };
    Ok(Box::new(Lzma2Reader::new(input, dictionary(declared, size)?, None)))
}

fn ppmd<'a>(input: Stream<'a>, settings: &[u8]) -> Result<Stream<'a>, Closed> {
    let (order, rest) = settings.split_first().ok_or(Closed::Damaged)?;
    let memory = u32::from_le_bytes(*rest.first_chunk::<4>().ok_or(Closed::Damaged)?);
    if u64::from(memory) > DICTIONARY_OCTETS {
        return Err(Closed::TooLarge);
    }
    let reader = Ppmd7Decoder::new(input, u32::from(*order), memory);
    Ok(Box::new(reader.map_err(|_| Closed::Damaged)?))
}

fn zstd(mut input: Stream<'_>) -> Result<Stream<'_>, Closed> {
    // The frame's window is what it allocates; it is known after its header is read, so the
    // header is looked at first.
    let mut head = [0_u8; 18];
    let mut have = 0;
    while let Some(room) = head.get_mut(have..).filter(|room| !room.is_empty()) {
        match input.read(room) {
            Ok(0) => break,
            Ok(count) => have += count,
            Err(_) => return Err(Closed::Damaged),
        }
    }
    let head = head.get(..have).unwrap_or_default().to_vec();
    if zstd_window(&head).is_none_or(|window| window > DICTIONARY_OCTETS) {
        return Err(Closed::TooLarge);
    }
    let input = std::io::Cursor::new(head).chain(input);
    let decoder = ruzstd::decoding::StreamingDecoder::new(input).map_err(|_| Closed::Damaged)?;
    Ok(Box::new(decoder))
}

/// The window of a Zstandard frame (RFC 8878 section 3.1.1.1).
fn zstd_window(head: &[u8]) -> Option<u64> {
    let descriptor = *head.get(4)?;
    let size_octets = match (descriptor >> 6, descriptor & 0x20) {
        (0, 0) => 0,
        (0, _) => 1,
        (size, _) => 1_usize << size,
    };
    if descriptor & 0x20 == 0 {
        let window = *head.get(5)?;
        let base = 1_u64.checked_shl(10 + u32::from(window >> 3))?;
        return Some(base + base / 8 * u64::from(window & 7));
    }
    let dictionary_octets = [0, 1, 2, 4].get(usize::from(descriptor & 3)).copied()?;
    let from = 5 + dictionary_octets;
    let octets = head.get(from..from + size_octets)?;
    Some(octets.iter().rev().fold(0_u64, |size, octet| size << 8 | u64::from(*octet)))
}
