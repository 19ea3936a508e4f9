//! Word 97 to 2003 (and, more simply, 6 and 95): text, fields, attached template.
//!
//! In: the stream `WordDocument` and the table stream. Out: the text of the whole document
//! with headers, notes and comments, remarks about fields and template. Standard: MS-DOC.
//! A document that lies about its pieces yields the pieces that lie within the stream.

use bytes::Bytes;

use crate::message::contents::{Exhausted, Opening};
use crate::message::document::code_page;
use crate::message::document::fields::{Load, judge_field, judge_target, tell};
use crate::message::fixed::{le16, le32, place, slice, utf16_le};

/// Section 2.5.1: what stands in the header.
const FLAGS_AT: usize = 10;
const ENCRYPTED: u16 = 0x0100;
const TABLE_1: u16 = 0x0200;
/// Section 2.5.5: places of the template's name and of the table of pieces.
const ASSOCIATED_AT: usize = 0x019a;
const PIECES_AT: usize = 0x01a2;
/// The text that is read of one document.
const TEXT_OCTETS: usize = 16 << 20;

/// Whether the header says that the document is encrypted.
pub(in crate::message::document) fn is_encrypted(document: &[u8]) -> bool {
    is_word(document) && le16(document, FLAGS_AT).is_some_and(|flags| flags & ENCRYPTED != 0)
}

fn is_word(document: &[u8]) -> bool {
    matches!(le16(document, 0), Some(0xa5ec | 0xa5dc | 0xa59b | 0xa59c))
}

/// The name of the stream that holds the tables.
pub(in crate::message::document) fn table_name(document: &[u8]) -> &'static str {
    match le16(document, FLAGS_AT).is_some_and(|flags| flags & TABLE_1 != 0) {
        true => "1Table",
        false => "0Table",
    }
}

/// Reads text, fields and template.
pub(in crate::message::document) fn open(
    document: &Bytes,
    table: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    if !is_word(document) {
        return Ok(());
    }
    if let Some(template) = template(document, table) {
        tell(judge_target(Load::Template, &template), opening);
    }
    let pieces = part_at(document, table, PIECES_AT).and_then(pieces);
    let text = match pieces {
        Some(pieces) => text_of_pieces(document, pieces, opening)?,
        None => plain_text(document),
    };
    opening.pay_octets(text.len() as u64)?;
    for code in field_codes(&text) {
        opening.pay_time()?;
        tell(judge_field(&code), opening);
    }
    opening.text(&readable(&text));
    Ok(())
}

fn part_at<'t>(document: &[u8], table: &'t [u8], at: usize) -> Option<&'t [u8]> {
    let (start, size) = (le32(document, at)?, le32(document, at + 4)?);
    let found = slice(table, place(start), place(size));
    (!found.is_empty()).then_some(found)
}

/// Section 2.9.273: strings that the document is associated with; the second is its template.
fn template(document: &[u8], table: &[u8]) -> Option<String> {
    let strings = part_at(document, table, ASSOCIATED_AT)?;
    let mut at = 6;
    let mut length = usize::from(le16(strings, at)?);
    at += 2 + length * 2;
    length = usize::from(le16(strings, at)?);
    Some(utf16_le(slice(strings, at + 2, length * 2)))
}

/// Section 2.9.38: property changes, then the pieces.
fn pieces(mut table: &[u8]) -> Option<&[u8]> {
    loop {
        match table.first()? {
            1 => {
                let size = usize::from(le16(table, 1)?);
                table = table.get(3 + size..)?;
            }
            2 => return Some(slice(table, 5, place(le32(table, 1)?))),
            _ => return None,
        }
    }
}

/// Section 2.9.177: character positions, one more than pieces, and where each piece lies.
fn text_of_pieces(
    document: &[u8],
    pieces: &[u8],
    opening: &Opening<'_, '_>,
) -> Result<String, Exhausted> {
    let pieces_count = pieces.len().saturating_sub(4) / 12;
    let mut text = String::new();
    for number in 0..pieces_count {
        if number % 256 == 0 {
            opening.pay_time()?;
        }
        let positions = (le32(pieces, number * 4), le32(pieces, number * 4 + 4));
        let at = (pieces_count + 1) * 4 + number * 8;
        let (Some(from), Some(to), Some(begin)) = (positions.0, positions.1, le32(pieces, at + 2))
        else {
            break;
        };
        let letters = place(to.saturating_sub(from));
        let start = place(begin & 0x3fff_ffff);
        // Section 2.9.73: a flag says that each letter takes one octet.
        if begin & 0x4000_0000 != 0 {
            text.push_str(&code_page::decode(slice(document, start / 2, letters), 1252));
        } else {
            let octets = slice(document, start, letters.saturating_mul(2));
            text.push_str(&code_page::decode(octets, 1200));
        }
        if text.len() > TEXT_OCTETS {
            break;
        }
    }
    Ok(text)
}

/// Word 6 and 95: the text lies in one run.
fn plain_text(document: &[u8]) -> String {
    let (Some(start), Some(end)) = (le32(document, 24), le32(document, 28)) else {
        return String::new();
    };
    let text = slice(document, place(start), place(end.saturating_sub(start)));
    code_page::decode(text, 1252).into_owned()
}

/// Section 2.8.25: the code of a field stands between the marks 19 and 20 (or 21).
fn field_codes(text: &str) -> Vec<String> {
    let mut codes: Vec<String> = Vec::new();
    let mut open: Vec<String> = Vec::new();
    for letter in text.chars() {
        match letter {
            '\u{13}' if open.len() < 32 => open.push(String::new()),
            '\u{14}' | '\u{15}' => {
                if let Some(code) = open.pop() {
                    // A field in a field is part of its code.
                    if let Some(outer) = open.last_mut() {
                        outer.push_str(&code);
                    }
                    codes.push(code);
                }
            }
            letter => {
                if let Some(code) = open.last_mut().filter(|code| code.len() < 4_096) {
                    code.push(letter);
                }
            }
        }
        if codes.len() > 10_000 {
            break;
        }
    }
    codes.extend(open);
    codes
}

/// Marks of the format become line ends and spaces.
fn readable(text: &str) -> String {
    text.chars()
        .filter(|letter| !matches!(letter, '\u{13}'..='\u{15}' | '\u{1}' | '\u{8}'))
        .map(|letter| match letter {
            '\r' | '\u{b}' | '\u{c}' | '\u{7}' => '\n',
            '\u{1e}' => '-',
            letter if letter.is_control() && letter != '\n' && letter != '\t' => ' ',
            letter => letter,
        })
        .collect()
}

/// A document of one piece, and its table, as tests need them.
#[cfg(test)]
pub(in crate::message) fn document_of(text: &str, template: &str) -> (Vec<u8>, Vec<u8>) {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut table = b"\xff\xff\x02\0\0\0\0\0".to_vec();
    table.extend_from_slice(&(template.encode_utf16().count() as u16).to_le_bytes());
    table.extend(template.encode_utf16().flat_map(u16::to_le_bytes));
    let pieces_at = table.len() as u32;
    table.extend_from_slice(b"\x02\x14\0\0\0\0\0\0\0");
    table.extend_from_slice(&(text.encode_utf16().count() as u32).to_le_bytes());
    table.extend_from_slice(b"\0\0\0\x04\0\0\0\0\0\0\0\0");
    let mut document = vec![0; 1_024];
    document[..2].copy_from_slice(b"\xec\xa5");
    document[11] = 2;
    let mut put = |at: usize, number: u32| {
        document[at..at + 4].copy_from_slice(&number.to_le_bytes());
    };
    put(ASSOCIATED_AT, 0);
    put(ASSOCIATED_AT + 4, pieces_at);
    put(PIECES_AT, pieces_at);
    put(PIECES_AT + 4, table.len() as u32 - pieces_at);
    document.extend_from_slice(&units);
    (document, table)
}
