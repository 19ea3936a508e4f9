//! yEnc files in a text (the yEnc draft 1.3 of 2002).
//!
//! In: a text. Out: each file, its pieces joined when they are all in the text; a checksum that
//! does not match, a piece that is absent and a file without an end are remarked. Never fails;
//! linear; a file is at most as long as its text.

use bytes::Bytes;
use flate2::Crc;

use super::intext::{line_at, lines_with};
use crate::message::charset;
use crate::message::contents::{Exhausted, Opening};

/// Where the files of a text begin, at their `=ybegin` lines.
pub(super) fn starts(text: &[u8]) -> impl Iterator<Item = usize> + '_ {
    lines_with(text, b"=ybegin ")
}

/// A piece of a file, or all of it.
struct Piece {
    name: String,
    /// How many pieces the file has, where it says so.
    total: Option<u64>,
    /// Where in the file it belongs.
    offset: u64,
    octets: Vec<u8>,
    /// It has its end, its size and its checksum.
    ended: bool,
    matches: bool,
}

/// Takes the yEnc files out of a text.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let mut pieces: Vec<Piece> = Vec::new();
    let (mut starts, mut end) = (starts(octets), 0);
    while let Some(at) = starts.find(|at| *at >= end) {
        opening.pay_time()?;
        let (piece, next) = read_piece(octets, at);
        end = next;
        opening.remark("TEXT_YENCODED", piece.name.as_str());
        opening.pay_octets(piece.octets.len() as u64)?;
        if !piece.ended {
            opening.remark("TEXT_FILE_CUT", piece.name.as_str());
        } else if !piece.matches {
            opening.remark("TEXT_FILE_MISMATCH", piece.name.as_str());
        }
        match piece.total {
            Some(total) if total > 1 => pieces.push(piece),
            _ => opening.member(&piece.name, piece.octets.into())?,
        }
    }
    join(pieces, opening)
}

/// Joins the pieces of each file in their order.
fn join(mut pieces: Vec<Piece>, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
    pieces.sort_by(|one, other| (&one.name, one.offset).cmp(&(&other.name, other.offset)));
    let mut pieces = pieces.into_iter().peekable();
    while let Some(first) = pieces.next() {
        let Piece { name, total, offset, mut octets, .. } = first;
        let mut count = 1u64;
        let mut complete = offset == 0;
        while let Some(piece) = pieces.next_if(|piece| piece.name == name) {
            opening.pay_time()?;
            complete &= piece.offset == octets.len() as u64;
            octets.extend_from_slice(&piece.octets);
            count += 1;
        }
        if !complete || total != Some(count) {
            opening.remark("TEXT_FILE_CUT", name.as_str());
        }
        opening.pay_octets(octets.len() as u64)?;
        opening.member(&name, octets.into())?;
    }
    Ok(())
}

fn read_piece(text: &[u8], at: usize) -> (Piece, usize) {
    let (line, mut body) = line_at(text, at);
    // The name is the last value and may hold blanks and equals signs.
    let (fields, name) = match memchr::memmem::find(line, b" name=") {
        Some(end) => line.split_at_checked(end).unwrap_or((line, b"")),
        None => (line, &b""[..]),
    };
    let name = name.strip_prefix(b" name=").unwrap_or_default().trim_ascii();
    let name = charset::guess(name.strip_prefix(b"\"").unwrap_or(name));
    let name = name.trim_end_matches('"').to_owned();
    let mut offset = 0;
    let (second, after) = line_at(text, body);
    if second.starts_with(b"=ypart") {
        // Counted from 1.
        offset = number(second, b"begin=").unwrap_or(1).saturating_sub(1);
        body = after;
    }
    // Where another begins, this one has no end.
    let begin = starts(text.get(body..).unwrap_or_default()).next();
    let limit = begin.map_or(text.len(), |begin| body + begin);
    let end = lines_with(text.get(body..limit).unwrap_or_default(), b"=yend").next();
    let encoded = text.get(body..end.map_or(limit, |end| body + end)).unwrap_or_default();
    let mut octets = decode(encoded);
    let (mut matches, mut next) = (true, limit);
    if let Some(end) = end {
        let (last, after) = line_at(text, body + end);
        next = after;
        matches = fits(last, &octets);
        if !matches {
            // As news servers transport it, a dot at the beginning of a line is doubled.
            let single = decode(&without_doubled_dots(encoded));
            if fits(last, &single) {
                (octets, matches) = (single, true);
            }
        }
    }
    let total = number(fields, b"total=").or_else(|| number(fields, b"part=").map(|_| 2));
    (Piece { name, total, offset, octets, ended: end.is_some(), matches }, next)
}

/// Whether size and checksum are as the last line says.
fn fits(last: &[u8], octets: &[u8]) -> bool {
    let size = number(last, b" size=").is_none_or(|size| size == octets.len() as u64);
    // Of a piece, `crc32` is that of the whole file.
    let sum = match memchr::memmem::find(last, b"pcrc32=") {
        Some(_) => checksum(last, b"pcrc32="),
        None => match memchr::memmem::find(last, b" part=") {
            Some(_) => None,
            None => checksum(last, b" crc32="),
        },
    };
    let mut crc = Crc::new();
    crc.update(octets);
    size && sum.is_none_or(|sum| sum == crc.sum())
}

fn value<'l>(line: &'l [u8], key: &[u8]) -> Option<&'l [u8]> {
    let at = memchr::memmem::find(line, key)?;
    line.get(at + key.len()..)?.split(|octet| *octet == b' ').next()
}

fn number(line: &[u8], key: &[u8]) -> Option<u64> {
    std::str::from_utf8(value(line, key)?).ok()?.parse().ok()
}

fn checksum(line: &[u8], key: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(value(line, key)?).ok()?.trim();
    u32::from_str_radix(digits, 16).ok()
}

/// 42 was added to every octet; what would disturb transport is escaped and has 64 more.
fn decode(encoded: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(encoded.len());
    let mut octets = encoded.iter();
    while let Some(octet) = octets.next() {
        match octet {
            b'\r' | b'\n' => {}
            b'=' => out.extend(octets.next().map(|octet| octet.wrapping_sub(64 + 42))),
            octet => out.push(octet.wrapping_sub(42)),
        }
    }
    out
}

fn without_doubled_dots(encoded: &[u8]) -> Vec<u8> {
    let lines = encoded.split_inclusive(|octet| *octet == b'\n');
    let single = lines.map(|line| match line.starts_with(b"..") {
        true => line.get(1..).unwrap_or_default(),
        false => line,
    });
    single.flatten().copied().collect()
}
