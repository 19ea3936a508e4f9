//! Signed and encrypted files: OpenPGP (RFC 9580), CMS (RFC 5652), S/MIME (RFC 8551).
//!
//! In: octets, binary or in armor. Out: what is only signed or compressed, as a member; what
//! is encrypted is closed. Certificates, keys and stores hold nothing that is looked for.

use bytes::Bytes;
use bzip2::read::BzDecoder;
use flate2::read::{DeflateDecoder, ZlibDecoder};

use super::source::decode;
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::fixed::{be32, find, rest, slice};
use crate::message::transfer;

/// Packets or elements of one file.
const PIECES: usize = 4_096;

/// Takes an OpenPGP message apart.
pub(in crate::message) fn open_pgp(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let binary = match octets.first() {
        Some(first) if first & 0x80 != 0 => octets.clone(),
        _ => match dearmored(octets) {
            Some(binary) => binary,
            None => return Ok(()),
        },
    };
    let mut at = 0;
    for _ in 0..PIECES {
        opening.pay_time()?;
        let Some(packet) = packet(&binary, at) else { break };
        at = packet.end;
        match packet.tag {
            // Session keys, and the three forms of encrypted data.
            1 | 3 | 9 | 18 | 20 => {
                opening.remark("MESSAGE_ENCRYPTED", "OpenPGP");
                opening.close(Closed::Encrypted);
                return Ok(());
            }
            8 => decompress(packet.body, opening)?,
            11 => literal(&packet.body, opening)?,
            _ => {}
        }
    }
    Ok(())
}

struct Packet {
    tag: u8,
    body: Bytes,
    end: usize,
}

/// RFC 9580 section 4.2. Partial lengths are joined.
fn packet(octets: &Bytes, at: usize) -> Option<Packet> {
    let first = *octets.get(at)?;
    if first & 0x80 == 0 {
        return None;
    }
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let part = |start: usize, length: usize| {
        let end = start.saturating_add(length).min(octets.len());
        (octets.slice(start.min(end)..end), end)
    };
    if first & 0x40 == 0 {
        let (start, length) = match first & 3 {
            0 => (at + 2, usize::from(*octets.get(at + 1)?)),
            1 => {
                (at + 3, usize::from(*octets.get(at + 1)?) << 8 | usize::from(*octets.get(at + 2)?))
            }
            2 => (at + 5, size(be32(octets, at + 1)?)),
            _ => (at + 1, octets.len()),
        };
        let (body, end) = part(start, length);
        return Some(Packet { tag: first >> 2 & 15, body, end });
    }
    let mut joined: Vec<u8> = Vec::new();
    let mut at = at + 1;
    loop {
        let length = usize::from(*octets.get(at)?);
        let (start, length, partial) = match length {
            0..=191 => (at + 1, length, false),
            192..=223 => {
                (at + 2, ((length - 192) << 8) + usize::from(*octets.get(at + 1)?) + 192, false)
            }
            255 => (at + 5, size(be32(octets, at + 1)?), false),
            _ => (at + 1, 1 << (length & 31), true),
        };
        let (body, end) = part(start, length);
        let tag = first & 63;
        if !partial && joined.is_empty() {
            return Some(Packet { tag, body, end });
        }
        joined.extend_from_slice(&body);
        at = end;
        if !partial || at >= octets.len() {
            return Some(Packet { tag, body: joined.into(), end });
        }
    }
}

/// Section 5.6: what is inside is an OpenPGP message again.
fn decompress(body: Bytes, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
    let packed = body.len() as u64;
    let data = rest(&body, 1);
    match body.first() {
        Some(0) => opening.member("data.pgp", body.slice(1..)),
        Some(1) => opening.unpack_member("data.pgp", DeflateDecoder::new(data), packed),
        Some(2) => opening.unpack_member("data.pgp", ZlibDecoder::new(data), packed),
        Some(3) => opening.unpack_member("data.pgp", BzDecoder::new(data), packed),
        _ => {
            opening.closed(Closed::Unsupported, "compression");
            Ok(())
        }
    }
}

/// Section 5.9: a format, a name, a date, the data.
fn literal(body: &Bytes, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
    let length = body.get(1).map_or(0, |length| usize::from(*length));
    let name = String::from_utf8_lossy(slice(body, 2, length)).into_owned();
    let start = (2 + length + 4).min(body.len());
    opening.member(&name, body.slice(start..))
}

/// RFC 9580 section 6.2, RFC 7468: base64 between dashes, header lines left away.
fn dearmored(octets: &[u8]) -> Option<Bytes> {
    let source = decode(octets);
    let start = source.find("-----BEGIN ")?;
    let block = source.get(start..)?;
    let mut body = String::new();
    for line in block.lines().skip(1) {
        let line = line.trim();
        if line.starts_with("-----END") {
            break;
        }
        let is_checksum = line.len() == 5 && line.starts_with('=');
        if !line.contains(": ") && !is_checksum {
            body.push_str(line);
        }
    }
    let (binary, _) = transfer::decode_base64(body.as_bytes());
    (!binary.is_empty()).then(|| binary.into())
}

/// Takes a CMS file apart.
pub(in crate::message) fn open_cms(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let binary = match octets.first() {
        Some(0x30) => octets.clone(),
        Some(b'-') => match dearmored(octets) {
            Some(binary) => binary,
            None => return Ok(()),
        },
        // Some send the base64 without any armor.
        _ => {
            let (binary, _) = transfer::decode_base64(octets);
            binary.into()
        }
    };
    const CONTENT: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07";
    const SMIME_TYPE: &[u8] = b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01";
    let head = slice(&binary, 0, 32);
    if let Some(at) = find(head, SMIME_TYPE) {
        return match binary.get(at + SMIME_TYPE.len()) {
            // RFC 3274: compressed data; RFC 5083: authenticated and enveloped.
            Some(9) => compressed(&binary, opening),
            Some(23) => {
                encrypted(opening);
                Ok(())
            }
            _ => Ok(()),
        };
    }
    match find(head, CONTENT).and_then(|at| binary.get(at + CONTENT.len())) {
        Some(2) => signed(&binary, opening),
        Some(3 | 4 | 6) => {
            encrypted(opening);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn encrypted(opening: &mut Opening<'_, '_>) {
    opening.remark("MESSAGE_ENCRYPTED", "S/MIME");
    opening.close(Closed::Encrypted);
}

/// RFC 5652 section 5.2: the content behind its type, [0], in one or many octet strings.
fn signed(binary: &Bytes, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
    const DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
    let Some(at) = find(binary, DATA) else { return Ok(()) };
    if let Some(content) = octet_string(binary, at + DATA.len(), opening)? {
        opening.pay_octets(content.len() as u64)?;
        opening.member("signed.eml", content.into())?;
    }
    Ok(())
}

fn compressed(binary: &Bytes, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
    const DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
    let Some(at) = find(binary, DATA) else { return Ok(()) };
    match octet_string(binary, at + DATA.len(), opening)? {
        Some(packed) => {
            let octets = packed.len() as u64;
            opening.unpack_member("compressed.eml", ZlibDecoder::new(packed.as_slice()), octets)
        }
        None => Ok(()),
    }
}

/// X.690: an octet string, primitive or made of others, within its explicit tag.
fn octet_string(
    octets: &[u8],
    at: usize,
    opening: &mut Opening<'_, '_>,
) -> Result<Option<Vec<u8>>, Exhausted> {
    let mut content: Option<Vec<u8>> = None;
    let mut at = at;
    for count in 0.. {
        if count % 256 == 0 {
            opening.pay_time()?;
        }
        let Some((tag, start, length)) = element(octets, at) else { break };
        match (tag, length) {
            (0xa0 | 0x24, _) if content.is_none() || tag == 0x24 => at = start,
            (4, Some(length)) => {
                content.get_or_insert_default().extend_from_slice(slice(octets, start, length));
                at = start.saturating_add(length);
            }
            // The end of contents of indefinite length, or what follows the content.
            (0, _) if content.is_some() => at = start,
            _ => break,
        }
    }
    Ok(content)
}

/// Tag, where its contents begin, and their length where it is told.
fn element(octets: &[u8], at: usize) -> Option<(u8, usize, Option<usize>)> {
    let tag = *octets.get(at)?;
    let length = *octets.get(at + 1)?;
    match length {
        0..=0x7f => Some((tag, at + 2, Some(usize::from(length)))),
        0x80 => Some((tag, at + 2, None)),
        _ => {
            let count = usize::from(length & 0x7f);
            let digits = octets.get(at + 2..at.checked_add(2 + count)?)?;
            let number = digits.iter().try_fold(0_usize, |number, octet| {
                number.checked_mul(256)?.checked_add(usize::from(*octet))
            })?;
            Some((tag, at + 2 + count, Some(number)))
        }
    }
}
