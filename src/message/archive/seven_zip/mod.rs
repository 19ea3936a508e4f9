//! 7z archives, after 7zFormat.txt of the LZMA SDK.
//!
//! In: an archive. Out: its files as members, solid blocks unpacked once and handed out file
//! by file. Encrypted content and headers are closed, the former with names. What the header
//! lists beyond the streams, and streams that no file is listed for, are walked too. A
//! damaged block closes the rest of its files only.

mod coders;
mod header;

use std::io::Read;

use bytes::Bytes;

use self::header::{Block, Found, Header};
use super::guard::{Exactly, Guarded, guarded};
use super::volume;
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::cursor::Cursor;
use crate::message::fixed::exactly;

/// Offsets in headers count from here.
const SIGNATURE_HEADER_OCTETS: u64 = 32;

/// A header packed in a packed header, and so on: more is nobody's.
const HEADER_DEPTH: usize = 4;

/// Takes a 7z archive apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let Some((offset, size)) = next_header(octets) else {
        opening.closed(Closed::Damaged, "the signature header is broken");
        return Ok(());
    };
    if size == 0 {
        return Ok(());
    }
    let Some(header) = exactly(octets, offset, size) else {
        match volume::is_numbered(opening.name()) {
            true => opening.closed(Closed::Elsewhere, "the header is in the last volume"),
            false => opening.closed(Closed::Damaged, "the header is cut off"),
        }
        return Ok(());
    };
    match unpacked_header(octets, header, opening)? {
        Ok(header) => walk(octets, &header, opening),
        Err(Closed::Encrypted) => {
            opening.closed(Closed::Encrypted, "even the names are encrypted");
            Ok(())
        }
        Err(why) => {
            opening.closed(why, "the header cannot be read");
            Ok(())
        }
    }
}

/// Where the header lies: its offset in the file and its size.
fn next_header(octets: &[u8]) -> Option<(u64, u64)> {
    // Signature, version and checksum come before.
    let mut cursor = Cursor::begin(octets, 12)?;
    let offset = cursor.u64_le()?.checked_add(SIGNATURE_HEADER_OCTETS)?;
    Some((offset, cursor.u64_le()?))
}

fn unpacked_header(
    octets: &Bytes,
    first: &[u8],
    opening: &mut Opening<'_, '_>,
) -> Result<Result<Header, Closed>, Exhausted> {
    let mut unpacked = Bytes::copy_from_slice(first);
    for _ in 0..HEADER_DEPTH {
        let blocks = match header::read(&unpacked) {
            Some(Found::Plain(header)) => return Ok(Ok(header)),
            Some(Found::Packed(blocks)) => blocks,
            None => return Ok(Err(Closed::Damaged)),
        };
        let Some(block) = blocks.first() else { return Ok(Err(Closed::Damaged)) };
        let reader = match block_reader(block, octets) {
            Ok(reader) => reader,
            Err(why) => return Ok(Err(why)),
        };
        let next = opening.unpack(reader, packed_octets(block))?;
        if let Some(why) = next.trouble {
            return Ok(Err(why));
        }
        unpacked = next.octets;
    }
    Ok(Err(Closed::TooDeep))
}

fn block_reader<'a>(block: &Block, octets: &'a [u8]) -> Result<impl Read + use<'a>, Closed> {
    let reader = guarded(|| coders::reader(block, octets)).unwrap_or(Err(Closed::Damaged))?;
    Ok(Guarded::new(reader))
}

fn packed_octets(block: &Block) -> u64 {
    block.places.iter().fold(0, |sum, (_, size)| sum.saturating_add(*size))
}

fn walk(octets: &Bytes, header: &Header, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
    let mut entries = header.entries.iter();
    for block in &header.blocks {
        let mut names = Vec::new();
        for _ in 0..block.files.len() {
            // Entries without a stream stand anywhere among the others.
            for entry in entries.by_ref() {
                opening.pay_time()?;
                if !entry.without_stream {
                    names.push(entry.name.as_str());
                    break;
                }
                if !entry.folder {
                    opening.member(&entry.name, Bytes::new())?;
                }
            }
        }
        walk_block(octets, block, &names, opening)?;
    }
    for entry in entries {
        opening.pay_time()?;
        match (entry.folder, entry.without_stream) {
            (true, _) => {}
            (false, true) => opening.member(&entry.name, Bytes::new())?,
            (false, false) => opening.closed_member(&entry.name, 0, Closed::Damaged)?,
        }
    }
    Ok(())
}

fn walk_block(
    octets: &Bytes,
    block: &Block,
    names: &[&str],
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let name = |at: usize| names.get(at).copied().unwrap_or_default();
    let mut reader = match block_reader(block, octets) {
        Ok(reader) => reader,
        Err(why) => {
            for (at, size) in block.files.iter().enumerate() {
                opening.closed_member(name(at), *size, why)?;
            }
            return Ok(());
        }
    };
    let mut broken = false;
    for (at, size) in block.files.iter().enumerate() {
        if broken {
            opening.closed_member(name(at), *size, Closed::Damaged)?;
            continue;
        }
        let mut file = Exactly::new(&mut reader, *size);
        opening.unpack_member(name(at), &mut file, packed_octets(block))?;
        if file.left() > 0 {
            broken = !pass(file, opening)?;
        }
    }
    Ok(())
}

/// Reads past the rest of a file that was too large; says whether the block goes on.
fn pass(mut file: impl Read, opening: &mut Opening<'_, '_>) -> Result<bool, Exhausted> {
    let mut step = vec![0; 64 << 10];
    loop {
        match file.read(&mut step) {
            Ok(0) => return Ok(true),
            Ok(count) => opening.pay_octets(count as u64)?,
            Err(_) => return Ok(false),
        }
    }
}
