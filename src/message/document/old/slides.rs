//! PowerPoint 97 to 2003: text, and the objects and macros that it embeds packed.
//!
//! In: the stream `PowerPoint Document`. Out: its texts; embedded objects, of which each is a
//! compound file, as members. Standard: MS-PPT 2.3.1 (records), 2.9 (text), 2.10.34 (objects).

use std::io::Read;

use bytes::Bytes;
use flate2::read::ZlibDecoder;

use crate::message::contents::{Exhausted, Opening};
use crate::message::document::code_page;
use crate::message::fixed::{le16, le32, place};

const TEXT_UNITS: u16 = 0x0fa0;
const TEXT_OCTETS: u16 = 0x0fa8;
const STRING: u16 = 0x0fba;
const OBJECT: u16 = 0x1011;
const CRYPT_SESSION: u16 = 0x2f14;

/// Reads texts and objects. True: it is encrypted.
pub(in crate::message::document) fn open(
    stream: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<bool, Exhausted> {
    let mut texts = String::new();
    let mut at = 0;
    let mut steps = 0u32;
    let mut is_encrypted = false;
    while let (Some(head), Some(kind), Some(size)) =
        (le16(stream, at), le16(stream, at + 2), le32(stream, at + 4))
    {
        steps = steps.wrapping_add(1);
        if steps.is_multiple_of(1_024) {
            opening.pay_time()?;
        }
        at += 8;
        // A container's records follow as if they stood alone.
        if head & 0x000f == 0x000f {
            is_encrypted |= kind == CRYPT_SESSION;
            continue;
        }
        let end = at.saturating_add(place(size)).min(stream.len());
        let data = stream.slice(at.min(end)..end);
        match kind {
            TEXT_UNITS | STRING => push(&code_page::decode(&data, 1200), &mut texts),
            TEXT_OCTETS => push(&code_page::decode(&data, 1252), &mut texts),
            CRYPT_SESSION => is_encrypted = true,
            OBJECT if head >> 4 == 1 => {
                let packed = data.get(4..).unwrap_or_default();
                opening.unpack_member("object", ZlibDecoder::new(packed), packed.len() as u64)?;
            }
            OBJECT => opening.member("object", data)?,
            _ => {}
        }
        at = end;
    }
    opening.text(&texts);
    Ok(is_encrypted)
}

/// ActiveMime: a compound file packed in a small envelope, as Word writes beside web pages.
pub(in crate::message) fn open_active_mime(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    // Where the packed data begin differs between versions; they say so themselves.
    let mut found = None;
    for at in
        memchr::memmem::find_iter(octets.get(..256.min(octets.len())).unwrap_or_default(), b"\x78")
    {
        let packed = octets.get(at..).unwrap_or_default();
        let mut first = [0; 8];
        if ZlibDecoder::new(packed).read_exact(&mut first).is_ok() {
            found = Some(octets.slice(at..));
            break;
        }
    }
    match found {
        Some(packed) => {
            let size = packed.len() as u64;
            opening.unpack_member("vbaProject.bin", ZlibDecoder::new(packed.as_ref()), size)
        }
        None => {
            opening.closed(crate::message::contents::Closed::Damaged, "ActiveMime");
            Ok(())
        }
    }
}

fn push(text: &str, texts: &mut String) {
    let line = text.replace(['\r', '\u{b}'], "\n");
    texts.push_str(line.trim_end_matches('\0'));
    texts.push('\n');
}
