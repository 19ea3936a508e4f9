//! Files that are written as text within scripts and markup: `data:` URIs (RFC 2397), long
//! strings of base64 or hexadecimal digits, lists of numbers, percent escapes.
//!
//! In: a source. Out: the files that such strings decode to, as members; how many were more
//! than pictures. What decodes to nothing known is left away, unless it is long and a
//! downloader stands beside it. Bounded in strings and octets.

use bytes::Bytes;

use crate::mail::Family;
use crate::message::contents::{Exhausted, Opening};
use crate::message::fixed::{rest, slice};
use crate::message::html::attribute_value;
use crate::message::nature::{Nature, recognize};
use crate::message::transfer;

/// Strings that are decoded of one source.
const STRINGS: usize = 128;
/// The shortest string that can be a file.
const LETTERS: usize = 64;
/// The shortest piece of such a string that another line goes on with, or another string.
const LINE_LETTERS: usize = 40;
const JOINED_LETTERS: usize = 4;
/// The shortest list of numbers that can be a file.
const NUMBERS: usize = 32;
/// Unknown octets that are as many as this are an encrypted file, or could be.
const UNKNOWN_OCTETS: usize = 1_024;

/// What was found.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Files of any kind but pictures and fonts.
    pub(super) files: usize,
    /// Those that run.
    pub(super) dangerous: usize,
    /// Those that hold others.
    pub(super) archives: usize,
    /// Long strings that decode to nothing known.
    pub(super) unknown: usize,
}

struct Finder<'f, 'w, 'r> {
    opening: &'f mut Opening<'w, 'r>,
    found: Found,
    strings: usize,
}

/// Finds all files in markup and gives them to the walk. In an address, any letter may be
/// written as a character reference.
pub(super) fn find_in_markup(
    source: &str,
    opening: &mut Opening<'_, '_>,
) -> Result<Found, Exhausted> {
    match source.contains('&') {
        true => find_all(source, &attribute_value(source), opening),
        false => find_all(source, source, opening),
    }
}

/// Finds all files in a source and gives them to the walk.
pub(super) fn find(source: &str, opening: &mut Opening<'_, '_>) -> Result<Found, Exhausted> {
    find_all(source, source, opening)
}

fn find_all(
    source: &str,
    addresses: &str,
    opening: &mut Opening<'_, '_>,
) -> Result<Found, Exhausted> {
    let mut finder = Finder { opening, found: Found::default(), strings: 0 };
    finder.data_uris(addresses)?;
    finder.quoted(source)?;
    finder.lists(source)?;
    finder.escapes(source)?;
    Ok(finder.found)
}

impl Finder<'_, '_, '_> {
    fn take(&mut self, name: &str, octets: Vec<u8>, certain: bool) -> Result<(), Exhausted> {
        if self.strings >= STRINGS || octets.len() < 16 {
            return Ok(());
        }
        let nature = recognize(&octets, name);
        let is_known = !matches!(nature, Nature::Unknown | Nature::Empty);
        if !is_known && !certain {
            self.found.unknown += usize::from(octets.len() >= UNKNOWN_OCTETS);
            return Ok(());
        }
        let family = nature.family();
        if matches!(family, Family::Image | Family::Audio | Family::Video) && nature != Nature::Svg
            || nature == Nature::Font
        {
            return Ok(());
        }
        self.strings += 1;
        if is_known && nature != Nature::Text && nature != Nature::Css && nature != Nature::Json {
            self.found.files += 1;
        }
        let runs = matches!(
            family,
            Family::Executable | Family::Script | Family::Shortcut | Family::DiskImage
        ) || matches!(nature, Nature::OneNote | Nature::WordMacro | Nature::ExcelMacro);
        // Pages that keep everything in one file carry their own scripts so.
        let is_own = matches!(nature, Nature::JavaScript | Nature::WebAssembly | Nature::XslScript);
        let dangerous = runs && !is_own;
        self.found.archives += usize::from(family == Family::Archive);
        self.found.dangerous += usize::from(dangerous);
        self.opening.pay_octets(octets.len() as u64)?;
        self.opening.member(name, Bytes::from(octets))
    }

    fn data_uris(&mut self, source: &str) -> Result<(), Exhausted> {
        let mut after = 0;
        for at in memchr::memmem::find_iter(source.as_bytes(), b"data:") {
            if self.strings >= STRINGS {
                break;
            }
            if at < after {
                continue;
            }
            let uri = source.get(at + 5..).unwrap_or_default();
            let Some(comma) = uri.bytes().take(200).position(|octet| octet == b',') else {
                continue;
            };
            let (head, data) = uri.split_at_checked(comma + 1).unwrap_or_default();
            if head.contains(['"', '\'', '<', '>', '{', ';'])
                && !head.contains('/')
                && !head.contains("base64")
            {
                continue;
            }
            let ends = |octet: u8| {
                matches!(octet, b'"' | b'\'' | b'`' | b'<' | b'>' | b')' | b' ' | b'\\')
            };
            let end = data.bytes().position(ends).unwrap_or(data.len());
            let data = data.get(..end).unwrap_or_default();
            after = at + 5 + comma + end;
            self.opening.pay_time()?;
            let octets = match head.to_ascii_lowercase().contains(";base64") {
                true => transfer::decode_base64(unescape(data).as_slice()).0,
                false => unescape(data),
            };
            let kind =
                head.split([';', ',']).next().unwrap_or_default().trim().to_ascii_lowercase();
            let extension = Nature::all()
                .find(|nature| nature.media_type() == kind)
                .and_then(|nature| nature.extensions().first().copied());
            let name = extension
                .map_or_else(|| "data".to_owned(), |extension| format!("data.{extension}"));
            self.take(&name, octets, true)?;
        }
        Ok(())
    }

    /// Strings in quotes; such that are joined by a plus sign are one.
    fn quoted(&mut self, source: &str) -> Result<(), Exhausted> {
        let octets = source.as_bytes();
        let mut at = 0;
        let mut steps = 0_usize;
        // One for all words, for nearly all are none.
        let mut string = Vec::new();
        while let Some(open) =
            octets.get(at..).and_then(|rest| rest.iter().position(|octet| is_digit(*octet)))
        {
            let start = at + open;
            let word = rest(octets, start).iter().take_while(|octet| is_digit(**octet)).count();
            let behind = slice(octets, start + word, 3);
            let is_joined = behind.len() == 3 && behind.iter().all(|octet| is_between(*octet));
            // So it is nearly everywhere.
            if word < LINE_LETTERS && (word < JOINED_LETTERS || !is_joined) {
                at = start + word;
                continue;
            }
            at = read_joined(octets, start, &mut string).max(start + 1);
            steps += 1;
            if steps.is_multiple_of(1_024) {
                self.opening.pay_time()?;
            }
            if self.strings >= STRINGS {
                break;
            }
            if string.len() >= LETTERS {
                self.take_string(&string)?;
            }
        }
        Ok(())
    }

    fn take_string(&mut self, string: &[u8]) -> Result<(), Exhausted> {
        let is_hex = |octet: &u8| octet.is_ascii_hexdigit();
        if string.iter().all(is_hex) && string.len().is_multiple_of(2) {
            let digit = |octet: &u8| char::from(*octet).to_digit(16).unwrap_or(0) as u8;
            let pair =
                |pair: &[u8]| pair.iter().fold(0_u8, |value, octet| value << 4 | digit(octet));
            return self.take("hexadecimal", string.chunks_exact(2).map(pair).collect(), false);
        }
        let mut letters = string.to_vec();
        // Turned around, so that its padding stands first.
        if letters.starts_with(b"=") {
            letters.reverse();
        }
        for octet in &mut letters {
            match octet {
                b'-' => *octet = b'+',
                b'_' => *octet = b'/',
                _ => {}
            }
        }
        let (octets, _) = transfer::decode_base64(&letters);
        self.take("base64", octets, false)
    }

    /// `[77, 90, 144, …]`, `fromCharCode(60, 104, …)`, `Array(0x4d, …)`.
    fn lists(&mut self, source: &str) -> Result<(), Exhausted> {
        let mut rest = source.as_bytes();
        while let Some(open) = memchr::memchr2(b'[', b'(', rest) {
            let list = rest.get(open + 1..).unwrap_or_default();
            let (octets, length) = numbers(list);
            rest = list.get(length..).unwrap_or_default();
            if octets.len() >= NUMBERS {
                self.opening.pay_time()?;
                self.take("numbers", octets, false)?;
            }
            if self.strings >= STRINGS {
                break;
            }
        }
        Ok(())
    }

    /// `%3Chtml%3E…`, `\x3c\x68…` and `\u003c…`: what the strings of the source become that
    /// are little but escapes.
    fn escapes(&mut self, source: &str) -> Result<(), Exhausted> {
        for (sign, prefix) in [("%", 1), ("\\x", 2), ("\\u00", 4)] {
            if super::source::times(source, sign) < NUMBERS {
                continue;
            }
            let mut decoded = Vec::new();
            for string in source.split(['"', '\'', '`']) {
                if super::source::times(string, sign) * (prefix + 2) * 3 >= string.len() {
                    push_escaped(string.as_bytes(), sign.as_bytes(), prefix, &mut decoded);
                }
            }
            self.opening.pay_time()?;
            if decoded.len() >= NUMBERS {
                self.strings += 1;
                let text = String::from_utf8_lossy(&decoded).into_owned();
                self.opening.pay_octets(text.len() as u64)?;
                self.opening.member("unescaped.html", Bytes::from(text))?;
            }
        }
        Ok(())
    }
}

/// Decodes what begins with `sign` and has two digits behind `prefix` octets.
fn push_escaped(string: &[u8], sign: &[u8], prefix: usize, decoded: &mut Vec<u8>) {
    let mut rest = string;
    while let Some(at) = memchr::memmem::find(rest, sign) {
        decoded.extend_from_slice(rest.get(..at).unwrap_or_default());
        let digits = rest.get(at + prefix..at + prefix + 2);
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let taken = match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(octet) => {
                decoded.push(octet);
                prefix + 2
            }
            None => {
                decoded.extend_from_slice(sign);
                prefix
            }
        };
        rest = rest.get(at + taken..).unwrap_or_default();
    }
    decoded.extend_from_slice(rest);
}

fn is_digit(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/' | b'=' | b'-' | b'_')
}

/// What may stand between two strings that are joined.
fn is_between(octet: u8) -> bool {
    matches!(
        octet,
        b'"' | b'\'' | b'`' | b'+' | b'&' | b' ' | b'\t' | b'\r' | b'\n' | b'_' | b'\\' | b','
    )
}

/// A run of base64 digits from here on, with those that are joined to it; returns where it ends.
fn read_joined(octets: &[u8], start: usize, string: &mut Vec<u8>) -> usize {
    string.clear();
    let mut at = start;
    loop {
        let run = octets.get(at..).unwrap_or_default();
        let length = run.iter().position(|octet| !is_digit(*octet)).unwrap_or(run.len());
        string.extend_from_slice(run.get(..length).unwrap_or_default());
        at += length;
        // `"` white space `+` or `&` or a line end, and another quote.
        let gap = octets.get(at..).unwrap_or_default();
        let between = gap.iter().take(64).take_while(|octet| is_between(**octet)).count();
        let written = gap.get(..between).unwrap_or_default();
        let quotes = written.iter().filter(|octet| matches!(octet, b'"' | b'\'' | b'`')).count();
        let is_line = quotes == 0 && length >= LINE_LETTERS && written.contains(&b'\n');
        let joins = quotes == 2
            && (written.contains(&b'+') || written.contains(&b'&') || written.contains(&b','));
        if between == 0 || !(is_line || joins) || length < JOINED_LETTERS {
            // The plus sign that joins two strings may look like a digit of the first.
            return at;
        }
        at += between;
    }
}

/// Numbers up to 255 with commas, and how many octets they take.
fn numbers(list: &[u8]) -> (Vec<u8>, usize) {
    let mut octets = Vec::new();
    let mut at = 0;
    loop {
        let rest = list.get(at..).unwrap_or_default();
        let blank = rest.iter().take(16).take_while(|octet| octet.is_ascii_whitespace()).count();
        let rest = rest.get(blank..).unwrap_or_default();
        let length = rest
            .iter()
            .take(6)
            .take_while(|octet| octet.is_ascii_hexdigit() || matches!(octet, b'x' | b'X'))
            .count();
        let digits =
            std::str::from_utf8(rest.get(..length).unwrap_or_default()).unwrap_or_default();
        let value = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            Some(digits) => u8::from_str_radix(digits, 16),
            None => digits.parse(),
        };
        let Ok(value) = value else { return (octets, at) };
        octets.push(value);
        at += blank + length;
        let rest = list.get(at..).unwrap_or_default();
        let blank = rest.iter().take(16).take_while(|octet| octet.is_ascii_whitespace()).count();
        if rest.get(blank) != Some(&b',') {
            return (octets, at);
        }
        at += blank + 1;
    }
}

/// Percent escapes of RFC 3986 section 2.1.
pub(super) fn unescape(text: &str) -> Vec<u8> {
    let octets = text.as_bytes();
    let mut out = Vec::with_capacity(octets.len());
    let mut at = 0;
    while let Some(octet) = octets.get(at).copied() {
        let digits = text.get(at + 1..at + 3).filter(|_| octet == b'%');
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(value) => {
                out.push(value);
                at += 3;
            }
            None => {
                out.push(octet);
                at += 1;
            }
        }
    }
    out
}
