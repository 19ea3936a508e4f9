//! The XML files that are attached to a message, out of gzip (RFC 1952) or ZIP (APPNOTE 6.3,
//! one file, stored or deflated) or as they are.
//!
//! In: the parts of a message. Out: octets, one file after the other, each within
//! [`XML_OCTETS`]; what is packed larger, in several files or with a password is
//! [`Broken`]. What a file is, its first octets say: senders name types as they like.

use std::borrow::Cow;
use std::io::Read;

use flate2::Crc;
use flate2::read::{DeflateDecoder, GzDecoder};
use memchr::memmem;

use super::Broken;
use crate::message::{Anatomy, Kind, Media, Part};

/// Of XML. The largest senders' reports stay below a tenth of it.
pub(super) const XML_OCTETS: u64 = 20 << 20;
/// Packed files that are looked at in one message.
const ATTACHMENTS: usize = 4;
/// Reports pack to a tenth or a fiftieth; what packs better is made for it.
const RATIO: u64 = 250;
/// Below it no ratio is odd.
const RATIO_FROM_OCTETS: u64 = 1 << 20;

const GZIP: &str = "gzip file";
const ZIP: &str = "ZIP archive";

/// What is attached and may be a report, in the order of the message, unpacked when asked for.
pub(super) fn attachments(anatomy: &Anatomy) -> impl Iterator<Item = Result<Vec<u8>, Broken>> {
    let packed = anatomy.parts.iter().filter_map(|part| {
        let is_leaf = !matches!(part.kind, Kind::Multipart | Kind::Message);
        (is_leaf && may_be_report(&part.media)).then(|| attachment(part)).flatten()
    });
    packed.take(ATTACHMENTS)
}

/// By its declared type or the end of its name.
fn may_be_report(media: &Media) -> bool {
    let subtype = media.subtype.as_str();
    let by_type = matches!(
        subtype,
        "gzip"
            | "x-gzip"
            | "gzip-compressed"
            | "zip"
            | "x-zip"
            | "x-zip-compressed"
            | "xml"
            | "octet-stream"
    ) || subtype.ends_with("+xml");
    let by_name = matches!(media.extension().as_deref(), Some("gz" | "gzip" | "zip" | "xml"));
    by_type || by_name
}

fn attachment(part: &Part) -> Option<Result<Vec<u8>, Broken>> {
    let octets = part.decoded();
    match octets.as_ref() {
        [0x1f, 0x8b, ..] => Some(gunzip(&octets)),
        [b'P', b'K', ..] => Some(unzip(&octets)),
        plain if looks_like_xml(plain) => Some(as_it_is(octets)),
        _ => None,
    }
}

/// A byte order mark, white space, `<`; in UTF-16 with a zero before or behind it.
fn looks_like_xml(octets: &[u8]) -> bool {
    let start = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets).trim_ascii_start();
    start.starts_with(b"<")
        || octets.starts_with(b"\xff\xfe<\0")
        || octets.starts_with(b"\xfe\xff\0<")
}

fn as_it_is(octets: Cow<'_, [u8]>) -> Result<Vec<u8>, Broken> {
    match octets.len() as u64 > XML_OCTETS {
        true => Err(Broken::Bomb("file", XML_OCTETS)),
        false => Ok(octets.into_owned()),
    }
}

fn gunzip(octets: &[u8]) -> Result<Vec<u8>, Broken> {
    inflate(GzDecoder::new(octets), octets.len() as u64, GZIP)
}

/// Everything that comes out, as long as it stays within the limits.
fn inflate(packed: impl Read, packed_octets: u64, what: &'static str) -> Result<Vec<u8>, Broken> {
    let by_ratio = packed_octets.saturating_mul(RATIO).max(RATIO_FROM_OCTETS);
    let limit = XML_OCTETS.min(by_ratio);
    let mut out = Vec::new();
    let read = packed.take(limit + 1).read_to_end(&mut out);
    read.map_err(|error| Broken::Packed(what, error.to_string()))?;
    match out.len() as u64 > limit {
        true => Err(Broken::Bomb(what, limit)),
        false => Ok(out),
    }
}

/// The one file of an archive. Its place and size stand in the directory at the end.
fn unzip(archive: &[u8]) -> Result<Vec<u8>, Broken> {
    let entry = directory(archive).ok_or_else(|| unusable("its directory cannot be read"))?;
    if entry.files != 1 {
        return Err(unusable("it does not hold one file"));
    }
    if entry.flags & 1 != 0 {
        return Err(unusable("it is encrypted"));
    }
    let packed = packed_octets(archive, &entry).ok_or_else(|| unusable("it is cut off"))?;
    let out = match entry.method {
        0 => as_it_is(Cow::Borrowed(packed))?,
        8 => inflate(DeflateDecoder::new(packed), packed.len() as u64, ZIP)?,
        _ => return Err(unusable("it is packed in a way that reports are not")),
    };
    let mut crc = Crc::new();
    crc.update(&out);
    match crc.sum() == entry.crc {
        true => Ok(out),
        false => Err(unusable("its checksum is wrong")),
    }
}

fn unusable(why: &str) -> Broken {
    Broken::Packed(ZIP, why.to_owned())
}

/// An entry of the central directory.
struct Entry {
    files: u16,
    flags: u16,
    method: u16,
    crc: u32,
    packed_octets: usize,
    header_at: usize,
}

/// The end record lies in the last 64 KiB and names the directory. ZIP64, which archives of
/// more than 4 GiB need, is not read: its places do not lie in the message.
fn directory(archive: &[u8]) -> Option<Entry> {
    let tail_at = archive.len().saturating_sub(22 + 65_535);
    let tail = archive.get(tail_at..)?;
    let end = tail.get(memmem::rfind(tail, b"PK\x05\x06")?..)?;
    let files = half(end, 10)?;
    let entry = archive.get(word(end, 16)? as usize..)?;
    entry.starts_with(b"PK\x01\x02").then_some(())?;
    Some(Entry {
        files,
        flags: half(entry, 8)?,
        method: half(entry, 10)?,
        crc: word(entry, 16)?,
        packed_octets: word(entry, 20)? as usize,
        header_at: word(entry, 42)? as usize,
    })
}

fn packed_octets<'a>(archive: &'a [u8], entry: &Entry) -> Option<&'a [u8]> {
    let header = archive.get(entry.header_at..)?;
    header.starts_with(b"PK\x03\x04").then_some(())?;
    let names = usize::from(half(header, 26)?) + usize::from(half(header, 28)?);
    header.get(30 + names..)?.get(..entry.packed_octets)
}

fn half(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(octets.get(at..at + 2)?.try_into().ok()?))
}

fn word(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(octets.get(at..at + 4)?.try_into().ok()?))
}
