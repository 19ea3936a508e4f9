//! Links of PDF attachments (ISO 32000-1), as far as they can be read without a renderer.
//!
//! In: the octets of a document. Out: targets of URI actions (section 12.6.4.7) and links in
//! the text that is written as literal strings (section 9.4.3), from the file itself and from
//! its Flate streams (section 7.4.4). Documents that are encrypted, or whose fonts number
//! their letters anew, show their actions only, or nothing. Bounded in streams and octets.

use std::io::Read;

use mail_auth::flate2::read::ZlibDecoder;
use memchr::memmem;

use super::{Links, Place, Spot, written};
use crate::message::Part;

/// Streams that are inflated.
const STREAMS: usize = 128;
/// What one stream may become: pages are far smaller, pictures are of no use.
const STREAM_OCTETS: usize = 512 << 10;
/// What all streams of a document may become.
const INFLATED_OCTETS: usize = 2 << 20;
/// Octets of a document that are looked into.
const DOCUMENT_OCTETS: usize = 8 << 20;
/// The longest target.
const TARGET_OCTETS: usize = 2_048;
/// Actions read of one document.
const ACTIONS: usize = 200;

/// Whether a part is a PDF by its type, its name or its first octets.
pub(super) fn is_pdf(part: &Part) -> bool {
    part.media.is("application", "pdf")
        || part.media.extension().as_deref() == Some("pdf")
        || part.body.starts_with(b"%PDF-")
        || part.body.starts_with(b"JVBERi")
}

/// Reads the links of a document.
pub(super) fn read(document: &[u8], spot: Spot, links: &mut Links) {
    let document = document.get(..document.len().min(DOCUMENT_OCTETS)).unwrap_or_default();
    let spot = Spot { attached: true, ..spot };
    let mut left = Left { octets: INFLATED_OCTETS, actions: ACTIONS };
    read_actions(document, spot, links, &mut left);
    let mut streams = 0;
    let mut at = 0;
    while let Some(found) = document.get(at..).and_then(|rest| memmem::find(rest, b"stream")) {
        let start = at + found;
        at = start + b"stream".len();
        let ends = document.get(..start).unwrap_or_default().ends_with(b"end");
        if ends || streams >= STREAMS || left.octets == 0 {
            continue;
        }
        let body = document.get(at..).unwrap_or_default();
        let body = body.strip_prefix(b"\r").unwrap_or(body);
        let body = body.strip_prefix(b"\n").unwrap_or(body);
        if !looks_deflated(body) {
            continue;
        }
        streams += 1;
        let inflated = inflate(body, left.octets.min(STREAM_OCTETS));
        left.octets -= inflated.len();
        read_actions(&inflated, spot, links, &mut left);
        read_strings(&inflated, spot, links);
    }
}

/// What may still be read of a document.
struct Left {
    octets: usize,
    actions: usize,
}

/// RFC 1950 section 2.2: method 8, and the check of the first two octets.
fn looks_deflated(body: &[u8]) -> bool {
    match body {
        [method, flags, ..] => {
            method & 0x0f == 8 && (u16::from(*method) * 256 + u16::from(*flags)) % 31 == 0
        }
        _ => false,
    }
}

/// As far as it goes: a broken end does not hide the beginning.
fn inflate(body: &[u8], most_octets: usize) -> Vec<u8> {
    let mut inflated = Vec::new();
    let mut reader = ZlibDecoder::new(body).take(most_octets as u64);
    let mut chunk = [0; 8 << 10];
    while let Ok(octets @ 1..) = reader.read(&mut chunk) {
        inflated.extend_from_slice(chunk.get(..octets).unwrap_or_default());
    }
    inflated
}

/// `/URI (http://…)` and `/URI <687474…>`.
fn read_actions(octets: &[u8], spot: Spot, links: &mut Links, left: &mut Left) {
    for at in memmem::find_iter(octets, b"/URI") {
        if left.actions == 0 {
            return;
        }
        let after = octets.get(at + 4..).unwrap_or_default().trim_ascii_start();
        let target = match after.first() {
            Some(b'(') => literal(after.get(1..).unwrap_or_default()).0,
            Some(b'<') => hexadecimal(after.get(1..).unwrap_or_default()),
            _ => continue,
        };
        let target = String::from_utf8_lossy(&target);
        if !target.trim().is_empty() {
            left.actions -= 1;
            links.push(Place::Pdf, &target, "", spot);
        }
    }
}

/// Section 7.3.4.2: a literal string, and how many octets it took.
fn literal(octets: &[u8]) -> (Vec<u8>, usize) {
    let mut text = Vec::new();
    let mut depth = 0_u32;
    let mut at = 0;
    while let Some(octet) = octets.get(at).copied().filter(|_| text.len() < TARGET_OCTETS) {
        at += 1;
        match octet {
            b'\\' => {
                let escaped = octets.get(at).copied().unwrap_or_default();
                at += 1;
                match escaped {
                    b'n' | b'r' | b't' | b'b' | b'f' | b'\n' | b'\r' => {}
                    b'0'..=b'7' => {
                        let mut code = u32::from(escaped - b'0');
                        while let Some(digit) = octets.get(at).filter(|o| (b'0'..=b'7').contains(o))
                        {
                            if code > 0o37 {
                                break;
                            }
                            code = code * 8 + u32::from(*digit - b'0');
                            at += 1;
                        }
                        text.push(code as u8);
                    }
                    other => text.push(other),
                }
            }
            b')' if depth == 0 => break,
            b')' => {
                depth -= 1;
                text.push(octet);
            }
            b'(' => {
                depth += 1;
                text.push(octet);
            }
            _ => text.push(octet),
        }
    }
    (text, at)
}

/// Section 7.3.4.3.
fn hexadecimal(octets: &[u8]) -> Vec<u8> {
    let digits: Vec<u32> = octets
        .iter()
        .take(2 * TARGET_OCTETS)
        .take_while(|octet| **octet != b'>')
        .filter_map(|octet| char::from(*octet).to_digit(16))
        .collect();
    let pair = |pair: &[u32]| match pair {
        [high, low] => (high * 16 + low) as u8,
        [high] => (high * 16) as u8,
        _ => 0,
    };
    digits.chunks(2).map(pair).collect()
}

/// Links in the text of a content stream. The strings of one `TJ` belong together; `Tj`, `Td`
/// and the like end a word.
fn read_strings(octets: &[u8], spot: Spot, links: &mut Links) {
    let mut text = Vec::new();
    let mut in_array = false;
    let mut at = 0;
    while let Some(octet) = octets.get(at).copied() {
        at += 1;
        match octet {
            b'[' => in_array = true,
            b']' => {
                in_array = false;
                text.push(b'\n');
            }
            b'(' => {
                let (string, taken) = literal(octets.get(at..).unwrap_or_default());
                text.extend_from_slice(&string);
                at += taken;
                if !in_array {
                    text.push(b'\n');
                }
            }
            _ => {}
        }
    }
    let text = String::from_utf8_lossy(&text);
    let before = links.all.len();
    written::read(&text, spot, links);
    for link in links.all.iter_mut().skip(before) {
        link.place = Place::Pdf;
    }
}
