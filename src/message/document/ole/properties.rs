//! Properties of old documents: title, subject, keywords, and those that people and programs
//! add, such as labels of sensitivity.
//!
//! In: the streams `\5SummaryInformation` and `\5DocumentSummaryInformation` (MS-OLEPS 2.21).
//! Out: lines `name: value`. What lies outside of the stream is left out.

use std::collections::HashMap;

use crate::message::document::code_page;
use crate::message::fixed::{le16, le32, place, slice, utf16_le};

/// Properties of one section; Office writes some dozens.
const PROPERTIES: usize = 2_000;
/// Octets of one value that are shown.
const VALUE_OCTETS: usize = 16 << 10;
/// The first octets of the identifiers of the three sections.
const SUMMARY: &[u8] = b"\xe0\x85\x9f\xf2";
const DOCUMENT: &[u8] = b"\x02\xd5\xcd\xd5";

/// The properties of a stream, a line each.
pub(super) fn lines(stream: &[u8]) -> Vec<String> {
    let sections = le32(stream, 24).map_or(0, place).min(8);
    let mut lines = Vec::new();
    for section in 0..sections {
        let at = 28 + section * 20;
        let format = slice(stream, at, 16);
        let Some(start) = le32(stream, at + 16).map(place) else { break };
        read_section(format, stream.get(start..).unwrap_or_default(), &mut lines);
    }
    lines
}

fn read_section(format: &[u8], section: &[u8], lines: &mut Vec<String>) {
    let properties = le32(section, 4).map_or(0, place).min(PROPERTIES);
    let places: Vec<(u32, usize)> = (0..properties)
        .map_while(|number| {
            let at = 8 + number * 8;
            Some((le32(section, at)?, place(le32(section, at + 4)?)))
        })
        .collect();
    let place = |wanted: u32| places.iter().find(|(id, _)| *id == wanted).map(|(_, at)| *at);
    let code_page = place(1).and_then(|at| le16(section, at.checked_add(4)?)).unwrap_or(1252);
    let code_page = u32::from(code_page);
    let names = place(0).map(|at| dictionary(section, at, code_page)).unwrap_or_default();
    for (id, at) in places.iter().filter(|(id, _)| *id > 1) {
        let name = names.get(id).map(String::as_str).or_else(|| known_name(format, *id));
        let value = value(section, *at, code_page);
        if let (Some(name), Some(value)) = (name, value.filter(|value| !value.trim().is_empty())) {
            lines.push(format!("{name}: {value}"));
        }
    }
}

/// MS-OLEPS 2.17: names of properties that are not known beforehand.
fn dictionary(section: &[u8], at: usize, code_page: u32) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    let entries = le32(section, at).map_or(0, place).min(PROPERTIES);
    let mut at = at.saturating_add(4);
    for _ in 0..entries {
        let (Some(id), Some(length)) = (le32(section, at), le32(section, at + 4)) else {
            break;
        };
        let length = place(length).min(1_024);
        let name = match code_page {
            1200 => utf16_le(slice(section, at + 8, length * 2)),
            _ => code_page::decode(slice(section, at + 8, length), code_page).into_owned(),
        };
        names.insert(id, name.trim_end_matches('\0').to_owned());
        let octets = if code_page == 1200 { (length * 2).next_multiple_of(4) } else { length };
        at += 8 + octets;
    }
    names
}

fn known_name(format: &[u8], id: u32) -> Option<&'static str> {
    let summary = ["Title", "Subject", "Author", "Keywords", "Comments", "Template", "LastAuthor"];
    let at = usize::try_from(id.checked_sub(2)?).ok()?;
    if format.starts_with(SUMMARY) {
        return summary.get(at).copied();
    }
    if !format.starts_with(DOCUMENT) {
        return None;
    }
    match id {
        2 => Some("Category"),
        14 => Some("Manager"),
        15 => Some("Company"),
        26 => Some("ContentType"),
        27 => Some("ContentStatus"),
        _ => None,
    }
}

/// MS-OLEPS 2.15: a value with its type.
fn value(section: &[u8], at: usize, code_page: u32) -> Option<String> {
    let kind = le32(section, at)?;
    let start = at.checked_add(8)?;
    let length = le32(section, at + 4)?;
    match kind {
        0x1e => {
            let text = slice(section, start, place(length).min(VALUE_OCTETS));
            let text = code_page::decode(text, code_page);
            Some(text.trim_end_matches('\0').to_owned())
        }
        0x1f => Some(utf16_le(slice(section, start, place(length).min(VALUE_OCTETS) * 2))),
        2 | 3 => Some(length.to_string()),
        0x0b => Some(if length & 0xffff == 0 { "false".into() } else { "true".into() }),
        _ => None,
    }
}

/// A stream of properties, as tests need it: a section of known ones or of named ones.
#[cfg(test)]
pub(in crate::message) fn stream_of(named: &[(&str, &str)]) -> Vec<u8> {
    let mut dictionary = (named.len() as u32).to_le_bytes().to_vec();
    for (number, (name, _)) in named.iter().enumerate() {
        dictionary.extend_from_slice(&(number as u32 + 2).to_le_bytes());
        dictionary.extend_from_slice(&(name.len() as u32 + 1).to_le_bytes());
        dictionary.extend_from_slice(name.as_bytes());
        dictionary.push(0);
    }
    let mut values = vec![(0u32, dictionary), (1, b"\x02\0\0\0\xe4\x04\0\0".to_vec())];
    for (number, (_, value)) in named.iter().enumerate() {
        let mut octets = 0x1eu32.to_le_bytes().to_vec();
        octets.extend_from_slice(&(value.len() as u32 + 1).to_le_bytes());
        octets.extend_from_slice(value.as_bytes());
        octets.push(0);
        values.push((number as u32 + 2, octets));
    }
    let mut stream = vec![0; 48];
    stream[24] = 1;
    stream[28..32].copy_from_slice(b"\x05\xd5\xcd\xd5");
    stream[44] = 48;
    let mut at = 8 + values.len() * 8;
    let mut section = 0u32.to_le_bytes().to_vec();
    section.extend_from_slice(&(values.len() as u32).to_le_bytes());
    for (id, octets) in &values {
        section.extend_from_slice(&id.to_le_bytes());
        section.extend_from_slice(&(at as u32).to_le_bytes());
        at += octets.len();
    }
    for (_, octets) in values {
        section.extend_from_slice(&octets);
    }
    stream.extend_from_slice(&section);
    stream
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read() {
        let stream = stream_of(&[("MSIP_Label_1_Name", "Secret"), ("Gr\u{e4}", "x")]);
        assert_eq!(lines(&stream).first().map(String::as_str), Some("MSIP_Label_1_Name: Secret"));
        for end in 0..stream.len() {
            lines(&stream[..end]);
        }
        let mut huge = stream.clone();
        huge[52..56].copy_from_slice(&[0xff; 4]);
        lines(&huge);
    }
}
