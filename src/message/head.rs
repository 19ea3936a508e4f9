//! Splits a header into its fields without copying (RFC 5322 sections 2.1, 2.2 and 3.6).
//!
//! In: octets that begin with a header; lines end in CRLF, or in LF as in files. Out:
//! [`Head`] with the place of every field, and the rest. Bounded in octets and fields. A line
//! that is no field does not end the header here; the caller reads it as text besides.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::{memchr, memchr_iter};

use super::cut;
use super::oddity::{Oddities, Oddity};
use super::words;

/// More header than this is not looked at.
const HEAD_OCTETS: usize = 1 << 20;
/// More fields than this are not looked at.
const FIELDS: usize = 2_000;

/// Where a field lies in its head.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    start: usize,
    name_end: usize,
    value: usize,
    end: usize,
}

impl Field {
    /// Where it begins in its head.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Where its value begins in its head.
    pub(super) fn value_start(&self) -> usize {
        self.value
    }

    /// Where it ends in its head.
    pub(super) fn end(&self) -> usize {
        self.end
    }
}

/// A header: its octets and its fields.
#[derive(Debug, Clone, Default)]
pub struct Head {
    octets: Bytes,
    fields: Vec<Field>,
    /// Where the first line lies that is no field.
    stray: Option<usize>,
}

/// What a line of a header is.
enum Line {
    Separator,
    Continuation,
    Field { name_len: usize, colon: usize },
    Mbox,
    Stray,
}

impl Head {
    /// Reads the header at the beginning of `octets`; returns it and what follows.
    pub fn split(octets: &Bytes, oddities: &mut Oddities) -> (Head, Bytes) {
        let mut head = Head::default();
        let mut at = 0;
        while let Some(rest) = octets.get(at..).filter(|rest| !rest.is_empty()) {
            let line_end = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            let line = trim_line_end(rest.get(..line_end).unwrap_or_default());
            let next = at + line_end;
            if at > HEAD_OCTETS || head.fields.len() >= FIELDS {
                oddities.note(Oddity::HeaderTooLarge, format!("after {at} octets"));
                at = skip_head(octets, at);
                break;
            }
            match classify(line, at) {
                Line::Separator => {
                    at = next;
                    break;
                }
                Line::Continuation => head.continue_field(line, next, oddities),
                Line::Field { name_len, colon } => {
                    note_space_before_colon(line, name_len, colon, oddities);
                    let field = Field {
                        start: at,
                        name_end: at + name_len,
                        value: at + colon + 1,
                        end: next,
                    };
                    head.fields.push(field);
                }
                Line::Mbox => oddities.note(Oddity::MboxLine, ""),
                Line::Stray => {
                    head.stray.get_or_insert(at);
                    oddities.note_octets(Oddity::HeaderLine, line);
                }
            }
            at = next;
        }
        head.octets = cut(octets, 0..at);
        note_octets(&head.octets, oddities);
        (head, cut(octets, at..octets.len()))
    }

    fn continue_field(&mut self, line: &[u8], next: usize, oddities: &mut Oddities) {
        if line.iter().all(|octet| matches!(octet, b' ' | b'\t')) {
            oddities.note(Oddity::HeaderBlankFold, "");
        }
        match self.fields.last_mut() {
            Some(field) if self.stray.is_none_or(|stray| stray < field.start) => field.end = next,
            Some(_) => {}
            None => oddities.note_octets(Oddity::HeaderContinuation, line),
        }
    }

    /// The whole header with its separator.
    pub fn octets(&self) -> &Bytes {
        &self.octets
    }

    /// The fields in order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// From the first line that is no field to the end of the header.
    pub fn stray(&self) -> Option<Bytes> {
        self.stray.map(|stray| cut(&self.octets, stray..self.octets.len()))
    }

    /// Where the first line lies that is no field.
    pub(super) fn stray_offset(&self) -> Option<usize> {
        self.stray
    }

    /// The name of a field as it is written.
    pub fn name(&self, field: &Field) -> &[u8] {
        self.octets.get(field.start..field.name_end).unwrap_or_default()
    }

    /// The value of a field as it is written, with its last line end.
    pub fn value(&self, field: &Field) -> &[u8] {
        self.octets.get(field.value..field.end).unwrap_or_default()
    }

    /// The fields of a name, whatever its case.
    pub fn all<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h Field> {
        let named = |field: &&Field| self.name(field).eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(named)
    }

    /// The decoded text of a field, on one line.
    pub fn decoded(&self, field: &Field) -> Cow<'_, str> {
        words::decode(self.value(field))
    }

    /// The decoded text of the first field of a name, on one line.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.first(name).map(words::decode)
    }

    /// The value of the first field of a name.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.all(name).next().map(|field| self.value(field))
    }
}

/// Without CRLF or LF.
pub(super) fn trim_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// `at` is where the line stands in the header.
fn classify(line: &[u8], at: usize) -> Line {
    match line.first() {
        None => return Line::Separator,
        Some(b' ' | b'\t') => return Line::Continuation,
        Some(_) => {}
    }
    let Some(colon) = memchr(b':', line) else {
        return match at == 0 && is_mbox_line(line) {
            true => Line::Mbox,
            false => Line::Stray,
        };
    };
    let name = line.get(..colon).unwrap_or_default();
    let name_len = name.trim_ascii_end().len();
    // RFC 5322 section 2.2: printable US-ASCII except colon.
    let printable =
        name.iter().take(name_len).all(|octet| (33..=126).contains(octet)) && name_len > 0;
    match printable {
        true => Line::Field { name_len, colon },
        false if at == 0 && is_mbox_line(line) => Line::Mbox,
        false => Line::Stray,
    }
}

/// `From ` without a colon behind it, or quoted as in mbox files.
pub(super) fn is_mbox_line(line: &[u8]) -> bool {
    line.starts_with(b"From ") || line.starts_with(b">From ")
}

/// Fields that decide how the message is read.
pub(super) fn decides_reading(name: &[u8]) -> bool {
    is_one_of(name, &["content-type", "content-transfer-encoding", "content-disposition"])
}

/// Fields that show who wrote the message, when, what about, and where answers go.
pub(super) fn is_shown(name: &[u8]) -> bool {
    is_one_of(name, &["from", "sender", "reply-to", "subject", "date"])
}

fn is_one_of(name: &[u8], known: &[&str]) -> bool {
    known.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

fn note_space_before_colon(line: &[u8], name_len: usize, colon: usize, oddities: &mut Oddities) {
    if name_len == colon {
        return;
    }
    let name = line.get(..name_len).unwrap_or_default();
    let oddity = match () {
        () if decides_reading(name) => Oddity::HeaderSpaceColonMime,
        () if is_shown(name) || is_one_of(name, &["to", "cc"]) => Oddity::HeaderSpaceColonShown,
        () => Oddity::HeaderSpaceColon,
    };
    oddities.note_octets(oddity, name);
}

/// To the first empty line after `at`, or the end.
fn skip_head(octets: &[u8], at: usize) -> usize {
    let rest = octets.get(at..).unwrap_or_default();
    for end in memchr_iter(b'\n', rest) {
        let after = rest.get(end + 1..).unwrap_or_default();
        let blank = [&b"\r\n"[..], b"\n"].into_iter().find(|blank| after.starts_with(blank));
        if let Some(blank) = blank {
            return at + end + 1 + blank.len();
        }
    }
    octets.len()
}

fn note_octets(head: &[u8], oddities: &mut Oddities) {
    let is_control =
        |octet: &u8| (*octet < 32 && !matches!(octet, b'\t' | b'\r' | b'\n')) || *octet == 127;
    let controls = head.iter().filter(|octet| is_control(octet)).count();
    if controls > 0 {
        let nuls = memchr_iter(0, head).count();
        if nuls > 0 {
            oddities.note_times(Oddity::HeaderNul, nuls as u32, "");
        }
        if controls > nuls {
            oddities.note_times(Oddity::HeaderControl, (controls - nuls) as u32, "");
        }
    }
    let bare = memchr_iter(b'\r', head).filter(|at| head.get(at + 1) != Some(&b'\n')).count();
    if bare > 0 {
        oddities.note_times(Oddity::HeaderBareCr, bare as u32, "");
    }
    // RFC 6532 section 3.2 allows UTF-8 only.
    if !head.is_ascii() && std::str::from_utf8(head).is_err() {
        oddities.note(Oddity::HeaderOctets, "");
    }
}
