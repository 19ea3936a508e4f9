//! Files that are one packed file: gzip, bzip2, xz, lzma, lzip, zstd, lz4, compress.
//!
//! In: the octets of a file. Out: the file that it holds, under the name that its reader gives
//! it: its own without the extension, or the one within it. Where a format lets packed files
//! follow each other, all of them are one file, as its tools have it. What follows the last
//! one is a file of its own, since other readers may begin there.

use std::cell::Cell;
use std::io::Read;

use bytes::Bytes;

use super::packing;
use super::{bzip2, compress, gzip, lz4, lzip, names, xz, zstd};
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::fixed::{le32, le64};

/// Octets behind the last packed file that may be padding.
const TRAILER_OCTETS: usize = 16;

type Result = std::result::Result<(), Exhausted>;

/// RFC 1952.
pub(in crate::message) fn open_gzip(octets: &Bytes, opening: &mut Opening<'_, '_>) -> Result {
    let mut candidates = vec![names::unpacked_name(opening.name(), &["gz", "z"])];
    if let Some(stored) = gzip::stored_name(octets) {
        // Section 2.3.1: the name is in ISO 8859-1; most writers use UTF-8.
        candidates.extend(names::readings(stored, false, &[]));
    }
    let (name, _) = names::worst(&candidates);
    if let Some(outside) = candidates.iter().find_map(|name| names::outside(name)) {
        opening.remark(outside.remark(), name);
    }
    let is_unsound = Cell::new(false);
    let unpacked = open(octets, opening, name, |source, _| {
        Ok(Box::new(gzip::Members::new(source, &is_unsound)))
    });
    if is_unsound.get() {
        opening.remark("ARCHIVE_CHECKSUM", "");
    }
    unpacked
}

/// One or more bzip2 streams.
pub(in crate::message) fn open_bzip2(octets: &Bytes, opening: &mut Opening<'_, '_>) -> Result {
    let name = names::unpacked_name(opening.name(), &["bz2", "bz"]);
    open(octets, opening, &name, |source, _| Ok(Box::new(bzip2::Streams::new(source))))
}

/// The .xz format.
pub(in crate::message) fn open_xz(octets: &Bytes, opening: &mut Opening<'_, '_>) -> Result {
    let name = names::unpacked_name(opening.name(), &["xz"]);
    open(octets, opening, &name, |source, room| Ok(Box::new(xz::Streams::new(source, room))))
}

/// LZMA behind a header of 13 octets: properties, window, size.
pub(in crate::message) fn open_lzma(octets: &Bytes, opening: &mut Opening<'_, '_>) -> Result {
    let name = names::unpacked_name(opening.name(), &["lzma"]);
    open(octets, opening, &name, |source, room| {
        let properties = source.first().copied().ok_or(Closed::Damaged)?;
        let window = le32(source, 1).ok_or(Closed::Damaged)?;
        let size = le64(source, 5).ok_or(Closed::Damaged)?;
        let data = source.get(13..).unwrap_or_default();
        *source = &[];
        packing::lzma(data, size, properties, window, room)
    })
}

/// One or more lzip members.
pub(in crate::message) fn open_lzip(octets: &Bytes, opening: &mut Opening<'_, '_>) -> Result {
    let name = names::unpacked_name(opening.name(), &["lz"]);
    open(octets, opening, &name, |source, room| Ok(Box::new(lzip::Members::new(source, room))))
}

/// RFC 8878.
pub(in crate::message) fn open_zstd(octets: &Bytes, opening: &mut Opening<'_, '_>) -> Result {
    let name = names::unpacked_name(opening.name(), &["zst", "zstd"]);
    open(octets, opening, &name, |source, _| Ok(Box::new(zstd::Frames::new(source))))
}

/// LZ4 frames.
pub(in crate::message) fn open_lz4(octets: &Bytes, opening: &mut Opening<'_, '_>) -> Result {
    let name = names::unpacked_name(opening.name(), &["lz4"]);
    open(octets, opening, &name, |source, _| Ok(Box::new(lz4::Frames::new(source))))
}

/// What the program compress makes.
pub(in crate::message) fn open_compress(octets: &Bytes, opening: &mut Opening<'_, '_>) -> Result {
    let name = names::unpacked_name(opening.name(), &["z"]);
    open(octets, opening, &name, |source, _| {
        Ok(Box::new(compress::Codes::new(source).ok_or(Closed::Damaged)?))
    })
}

fn open<'f>(
    octets: &'f Bytes,
    opening: &mut Opening<'_, '_>,
    name: &str,
    reader: impl for<'s> FnOnce(
        &'s mut &'f [u8],
        u64,
    ) -> std::result::Result<Box<dyn Read + 's>, Closed>,
) -> Result {
    let mut source: &'f [u8] = octets;
    let room = opening.unpacked_limit_octets(octets.len() as u64);
    let unpacked = match reader(&mut source, room) {
        Ok(reader) => opening.unpack(reader, octets.len() as u64)?,
        Err(why) => {
            opening.closed(why, "");
            return Ok(());
        }
    };
    let is_whole = unpacked.trouble.is_none();
    let rest = source.len();
    opening.unpacked_member(name, unpacked)?;
    let is_padding = source.iter().all(|octet| matches!(octet, 0 | b'\r' | b'\n'));
    if is_whole && !is_padding {
        opening.remark("ARCHIVE_TRAILING_DATA", format!("{rest} octets"));
        if rest >= TRAILER_OCTETS {
            opening.member("behind the packed file", octets.slice(octets.len() - rest..))?;
        }
    }
    Ok(())
}
