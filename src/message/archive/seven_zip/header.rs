//! The header of a 7z archive, after 7zFormat.txt of the LZMA SDK.
//!
//! In: the octets of a header, already unpacked. Out: [`Header`]: where the packed streams
//! lie, by which coders blocks are made, and the files. Every count is held against the
//! octets that are left, so that nothing is allocated that the header could not describe.

use super::super::label;
use crate::message::cursor::Cursor;

/// More coders or streams in one block are refused, as 7-Zip does.
const BLOCK_STREAMS: u64 = 32;

/// More files, blocks or streams are refused: a bit may describe a file, so that the octets
/// of the header alone bound too little.
const THINGS: usize = 200_000;

/// A step of unpacking.
#[derive(Debug, Clone)]
pub(super) struct Coder {
    /// Its method id, the first octet highest.
    pub(super) method: u64,
    /// How many streams it reads.
    pub(super) inputs: usize,
    /// Its settings.
    pub(super) properties: Vec<u8>,
}

/// A block: streams packed together.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    pub(super) coders: Vec<Coder>,
    /// Which coder's output each input takes.
    pub(super) bonds: Vec<(usize, usize)>,
    /// The inputs that take packed streams.
    pub(super) packed: Vec<usize>,
    /// Sizes of the coders' outputs.
    pub(super) sizes: Vec<u64>,
    /// Where its packed streams begin in the file, with their sizes.
    pub(super) places: Vec<(u64, u64)>,
    /// Sizes of the files in it.
    pub(super) files: Vec<u64>,
}

impl Block {
    /// The coder whose output nobody takes.
    pub(super) fn last_coder(&self) -> Option<usize> {
        (0..self.coders.len()).find(|coder| !self.bonds.iter().any(|(_, output)| output == coder))
    }

    /// The size of all files in it.
    pub(super) fn octets(&self) -> u64 {
        self.last_coder().and_then(|coder| self.sizes.get(coder).copied()).unwrap_or_default()
    }
}

/// A file or folder that is listed.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    pub(super) name: String,
    /// Takes no part of a block.
    pub(super) without_stream: bool,
    /// A folder (or one that removes a file), not an empty file.
    pub(super) folder: bool,
}

/// What a header says.
#[derive(Debug, Clone, Default)]
pub(super) struct Header {
    pub(super) blocks: Vec<Block>,
    pub(super) entries: Vec<Entry>,
}

/// A header as it is found.
#[derive(Debug)]
pub(super) enum Found {
    /// The header itself.
    Plain(Header),
    /// It is packed by these blocks.
    Packed(Vec<Block>),
}

/// Reads a header; nothing when it is broken.
pub(super) fn read(octets: &[u8]) -> Option<Found> {
    let mut cursor = Cursor::new(octets);
    match cursor.u8()? {
        0x17 => Some(Found::Packed(streams(&mut cursor)?)),
        0x01 => main(&mut cursor).map(Found::Plain),
        _ => None,
    }
}

fn main(cursor: &mut Cursor<'_>) -> Option<Header> {
    let mut header = Header::default();
    loop {
        match cursor.u8()? {
            0x00 => return Some(header),
            0x02 => {
                while cursor.u8()? != 0 {
                    let size = number(cursor)?;
                    cursor.skip(size)?;
                }
            }
            // Streams for external properties; nobody writes them.
            0x03 => drop(streams(cursor)?),
            0x04 => header.blocks = streams(cursor)?,
            0x05 => header.entries = entries(cursor)?,
            _ => return None,
        }
    }
}

/// A number of one to nine octets: leading ones of the first say how many follow.
fn number(cursor: &mut Cursor<'_>) -> Option<u64> {
    let first = cursor.u8()?;
    let more = first.leading_ones();
    let mut value = 0_u64;
    for place in 0..more {
        value |= u64::from(cursor.u8()?) << (8 * place);
    }
    let own = match more {
        0..=6 => u64::from(first) & ((1 << (7 - more)) - 1),
        _ => 0,
    };
    if more < 8 {
        value |= own << (8 * more);
    }
    Some(value)
}

/// A number of things that are described in the octets that are left.
fn count(cursor: &mut Cursor<'_>) -> Option<usize> {
    let value = number(cursor)?;
    // A thing may be described by a bit.
    usize::try_from(value)
        .ok()
        .filter(|count| *count <= THINGS.min(cursor.left().saturating_mul(8)))
}

fn bits(cursor: &mut Cursor<'_>, count: usize) -> Option<Vec<bool>> {
    let octets = cursor.take(count.div_ceil(8))?;
    let bit = |at: usize| octets.get(at / 8).is_some_and(|octet| octet & (0x80 >> (at % 8)) != 0);
    Some((0..count).map(bit).collect())
}

/// Bits that may be given as "all".
fn bits_or_all(cursor: &mut Cursor<'_>, count: usize) -> Option<Vec<bool>> {
    match cursor.u8()? {
        0 => bits(cursor, count),
        _ => Some(vec![true; count]),
    }
}

/// Checksums are passed: what is damaged is looked at all the same.
fn skip_digests(cursor: &mut Cursor<'_>, count: usize) -> Option<()> {
    let defined = bits_or_all(cursor, count)?.into_iter().filter(|bit| *bit).count();
    cursor.skip(defined as u64 * 4)
}

fn streams(cursor: &mut Cursor<'_>) -> Option<Vec<Block>> {
    let mut places = Vec::new();
    let mut blocks: Vec<Block> = Vec::new();
    let mut digests = Vec::new();
    let mut has_files = false;
    loop {
        match cursor.u8()? {
            0x00 => break,
            0x06 => places = pack_places(cursor)?,
            0x07 => (blocks, digests) = read_blocks(cursor)?,
            0x08 => {
                file_sizes(cursor, &mut blocks, &digests)?;
                has_files = true;
            }
            _ => return None,
        }
    }
    let mut places = places.into_iter();
    for block in &mut blocks {
        block.places = places.by_ref().take(block.packed.len()).collect();
        if !has_files {
            block.files = vec![block.octets()];
        }
    }
    Some(blocks)
}

/// Offsets and sizes of the packed streams.
fn pack_places(cursor: &mut Cursor<'_>) -> Option<Vec<(u64, u64)>> {
    // Offsets count from the end of the signature header.
    let mut offset = number(cursor)?.checked_add(super::SIGNATURE_HEADER_OCTETS)?;
    let total = count(cursor)?;
    let mut places = Vec::new();
    loop {
        match cursor.u8()? {
            0x00 => return Some(places),
            0x09 => {
                for _ in 0..total {
                    let size = number(cursor)?;
                    places.push((offset, size));
                    offset = offset.checked_add(size)?;
                }
            }
            0x0a => skip_digests(cursor, total)?,
            _ => return None,
        }
    }
}

fn read_blocks(cursor: &mut Cursor<'_>) -> Option<(Vec<Block>, Vec<bool>)> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut digests = Vec::new();
    loop {
        match cursor.u8()? {
            0x00 => {
                digests.resize(blocks.len(), false);
                return Some((blocks, digests));
            }
            0x0b => {
                let total = count(cursor)?;
                // "External" streams; nobody writes them.
                if cursor.u8()? != 0 {
                    return None;
                }
                for _ in 0..total {
                    blocks.push(read_block(cursor)?);
                }
            }
            0x0c => {
                for block in &mut blocks {
                    for _ in 0..block.coders.len() {
                        block.sizes.push(number(cursor)?);
                    }
                }
            }
            0x0a => {
                digests = bits_or_all(cursor, blocks.len())?;
                let defined = digests.iter().filter(|bit| **bit).count();
                cursor.skip(defined as u64 * 4)?;
            }
            _ => return None,
        }
    }
}

fn read_block(cursor: &mut Cursor<'_>) -> Option<Block> {
    let total = number(cursor)?;
    if total == 0 || total > BLOCK_STREAMS {
        return None;
    }
    let mut block = Block::default();
    let mut inputs = 0;
    for _ in 0..total {
        let coder = read_coder(cursor)?;
        inputs += coder.inputs;
        block.coders.push(coder);
    }
    if inputs as u64 > BLOCK_STREAMS {
        return None;
    }
    let bonds = block.coders.len() - 1;
    for _ in 0..bonds {
        let input = usize::try_from(number(cursor)?).ok().filter(|input| *input < inputs)?;
        let output = usize::try_from(number(cursor)?).ok();
        let output = output.filter(|output| *output < block.coders.len())?;
        // Each stream is used once, so that the coders are a tree (or loops that nothing
        // reaches).
        if block.bonds.iter().any(|(other, coder)| *other == input || *coder == output) {
            return None;
        }
        block.bonds.push((input, output));
    }
    let free = inputs.checked_sub(bonds).filter(|free| *free > 0)?;
    if free == 1 {
        let input = (0..inputs).find(|input| !block.bonds.iter().any(|(bound, _)| bound == input));
        block.packed.push(input?);
        return Some(block);
    }
    for _ in 0..free {
        let input = usize::try_from(number(cursor)?).ok().filter(|input| *input < inputs)?;
        block.packed.push(input);
    }
    Some(block)
}

fn read_coder(cursor: &mut Cursor<'_>) -> Option<Coder> {
    let flags = cursor.u8()?;
    let id = cursor.take(usize::from(flags & 0x0f))?;
    let method = id.iter().fold(0_u64, |id, octet| id << 8 | u64::from(*octet));
    let mut inputs = 1;
    if flags & 0x10 != 0 {
        inputs = number(cursor)?;
        if inputs > BLOCK_STREAMS || number(cursor)? != 1 {
            return None;
        }
    }
    let properties = match flags & 0x20 != 0 {
        true => {
            let size = number(cursor)?;
            cursor.take_u64(size)?.to_vec()
        }
        false => Vec::new(),
    };
    // Alternative methods: nobody writes them.
    let inputs = usize::try_from(inputs).ok()?;
    (flags & 0x80 == 0).then_some(Coder { method, inputs, properties })
}

fn file_sizes(cursor: &mut Cursor<'_>, blocks: &mut [Block], digests: &[bool]) -> Option<()> {
    let mut counts = vec![1_usize; blocks.len()];
    let mut kind = cursor.u8()?;
    if kind == 0x0d {
        let mut total = 0_usize;
        for files in &mut counts {
            *files = count(cursor)?;
            total = total.checked_add(*files)?;
        }
        if total > THINGS {
            return None;
        }
        kind = cursor.u8()?;
    }
    for (block, files) in blocks.iter_mut().zip(&counts) {
        let mut left = block.octets();
        for file in 0..*files {
            let is_last = file + 1 == *files;
            let size = match (is_last, kind) {
                (true, _) => left,
                (false, 0x09) => number(cursor)?,
                (false, _) => 0,
            };
            left = left.checked_sub(size)?;
            block.files.push(size);
        }
    }
    if kind == 0x09 {
        kind = cursor.u8()?;
    }
    while kind != 0 {
        if kind == 0x0a {
            let own_digest = |at: usize| digests.get(at).copied().unwrap_or_default();
            let unknown = counts.iter().enumerate().map(|(at, files)| match files {
                1 if own_digest(at) => 0,
                files => *files,
            });
            skip_digests(cursor, unknown.sum())?;
        } else {
            let size = number(cursor)?;
            cursor.skip(size)?;
        }
        kind = cursor.u8()?;
    }
    Some(())
}

fn entries(cursor: &mut Cursor<'_>) -> Option<Vec<Entry>> {
    let total = count(cursor)?;
    let mut names: Vec<String> = Vec::new();
    let mut without_stream: Vec<bool> = Vec::new();
    let mut empty_file: Vec<bool> = Vec::new();
    loop {
        let kind = cursor.u8()?;
        if kind == 0 {
            break;
        }
        let size = number(cursor)?;
        let mut property = Cursor::new(cursor.take_u64(size)?);
        match kind {
            0x0e => without_stream = bits(&mut property, total)?,
            0x0f => {
                let empty = without_stream.iter().filter(|bit| **bit).count();
                empty_file = bits(&mut property, empty)?;
            }
            0x11 if property.u8()? == 0 => names = read_names(property.rest(), total),
            _ => {}
        }
    }
    let mut names = names.into_iter();
    let mut empty_file = empty_file.into_iter();
    let entry = |at: usize| {
        let without_stream = without_stream.get(at).copied().unwrap_or_default();
        let folder = without_stream && !empty_file.next().unwrap_or_default();
        Entry { name: names.next().unwrap_or_default(), without_stream, folder }
    };
    Some((0..total).map(entry).collect())
}

/// Names in UTF-16, each ended by a NUL.
fn read_names(octets: &[u8], total: usize) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = octets;
    while names.len() < total && !rest.is_empty() {
        let units = rest.chunks_exact(2).position(|unit| unit == [0, 0]);
        let end = units.map_or(rest.len(), |units| units * 2);
        names.push(label::of_utf16_le(rest.get(..end).unwrap_or_default()));
        rest = rest.get(end + 2..).unwrap_or_default();
    }
    names
}
