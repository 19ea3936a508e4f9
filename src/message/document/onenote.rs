//! OneNote sections (MS-ONESTORE): the files that lie in them, and their text.
//!
//! In: octets. Out: each file data object as a member, with its name where one can be found;
//! text by its letters. Objects are looked for by their mark (section 2.6.13) rather than by
//! the tables that lead to them, so that a broken or lying table hides nothing.

use bytes::Bytes;

use crate::mail::Family;
use crate::message::contents::{Exhausted, Opening};
use crate::message::fixed::{le64, slice};
use crate::message::nature::{Nature, extension, recognize};

/// {BDE316E7-2665-4511-A4C4-8D4D0B7A9EAC}
const FILE_DATA: &[u8] = b"\xe7\x16\xe3\xbd\x65\x26\x11\x45\xa4\xc4\x8d\x4d\x0b\x7a\x9e\xac";
/// The same mark's footer, {71FBA722-0F79-4A0B-BB13-899256426B24}.
const FOOTER: &[u8] = b"\x22\xa7\xfb\x71\x79\x0f\x0b\x4a\xbb\x13\x89\x92\x56\x42\x6b\x24";
/// Mark, length, and reserved fields.
const HEADER_OCTETS: usize = 36;
/// Shorter runs of letters are an accident.
const RUN_LETTERS: usize = 5;
/// Letters of text that are read.
const TEXT_LETTERS: usize = 4 << 20;

/// Takes a section apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let objects = objects(octets);
    let outside = outside(octets, &objects);
    let text = letters(&outside);
    let mut names = names(&text).into_iter();
    if !text.is_empty() {
        opening.text(&text);
    }
    for (start, end) in objects {
        let file = octets.slice(start..end);
        let nature = recognize(&file, "");
        if matches!(nature.family(), Family::Image) && nature != Nature::Svg {
            // Pictures of the page; a file may hide behind one all the same.
            opening.member("picture", file)?;
            continue;
        }
        let name = names
            .next()
            .unwrap_or_else(|| format!("file.{}", nature.extensions().first().unwrap_or(&"bin")));
        opening.remark("ONENOTE_EMBEDDED_FILE", name.clone());
        opening.member(&name, file)?;
    }
    Ok(())
}

/// Where the octets of each object stand. A length that lies is held against the footer.
fn objects(octets: &[u8]) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for at in memchr::memmem::find_iter(octets, FILE_DATA).take(10_000) {
        let start = at + HEADER_OCTETS;
        if start > octets.len() || found.last().is_some_and(|(_, end)| at < *end) {
            continue;
        }
        let length = le64(octets, at + 16)
            .and_then(|length| usize::try_from(length).ok())
            .unwrap_or(usize::MAX);
        let end = match start.checked_add(length).filter(|end| *end <= octets.len()) {
            Some(end) => end,
            None => {
                let body = slice(octets, start, octets.len());
                start + memchr::memmem::find(body, FOOTER).unwrap_or(body.len())
            }
        };
        found.push((start, end));
    }
    found
}

fn outside(octets: &[u8], objects: &[(usize, usize)]) -> Vec<u8> {
    let mut outside = Vec::new();
    let mut at = 0;
    for (start, end) in objects.iter().chain([&(octets.len(), octets.len())]) {
        outside.extend_from_slice(octets.get(at..*start).unwrap_or_default());
        // Runs must not join over a file.
        outside.extend_from_slice(&[0, 0, 0, 0]);
        at = *end;
    }
    outside
}

/// Runs of letters in UTF-16, at even and odd places, and in ASCII.
fn letters(octets: &[u8]) -> String {
    let mut text = String::new();
    let mut run = String::new();
    let mut at = 0;
    while text.len() < TEXT_LETTERS && at < octets.len() {
        let start = at;
        while let [low, high] = slice(octets, at, 2) {
            let unit = u16::from_le_bytes([*low, *high]);
            let is_letter = matches!(unit, 9 | 10 | 13 | 32..=126 | 0xa0..=0x24f | 0x370..=0x5ff | 0x2010..=0x2044);
            let Some(letter) = char::from_u32(u32::from(unit)).filter(|_| is_letter) else { break };
            run.push(letter);
            at += 2;
        }
        if run.chars().count() >= RUN_LETTERS {
            text.push_str(&run);
            text.push('\n');
        } else {
            at = start;
            let ascii = octets
                .get(at..)
                .unwrap_or_default()
                .iter()
                .take_while(|octet| matches!(octet, 9 | 10 | 13 | 32..=126));
            let length = ascii.count();
            if length > RUN_LETTERS {
                text.push_str(&String::from_utf8_lossy(slice(octets, at, length)));
                text.push('\n');
            }
            at += length.max(1);
        }
        run.clear();
    }
    text
}

/// Lines that are names of files: of more than pictures, since those are not named.
fn names(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| line.len() < 260 && !line.contains("://"))
    {
        let file = line.rsplit(['\\', '/']).next().unwrap_or_default();
        let known = extension(file);
        let is_name = !known.is_empty()
            && Nature::of_extension(&known).any(|nature| nature.family() != Family::Image)
            && !file.contains(['<', '>', '"', '|', '?', '*'])
            && !names.iter().any(|name| name == file);
        if is_name && names.len() < 1_000 {
            names.push(file.to_owned());
        }
    }
    names
}
