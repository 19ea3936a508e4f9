//! Octets put into an encoded body, so that every other octet of it stays where it can.
//!
//! In: a body as it is written, what it decodes to, and octets with an offset in that. Out:
//! [`Splice`]: octets for a place of the body as it is written. What a body decodes to with it
//! is compared before it is handed out, so a body with flaws yields nothing (RFC 2045 sections
//! 6.7 and 6.8).

use std::ops::Range;

use super::encode;
use crate::message::media::Encoding;
use crate::message::transfer;

/// RFC 5322 section 2.1.1, without the line end.
const LINE_OCTETS: usize = 998;

/// A body that is to take octets in.
pub(super) struct Carrier<'b> {
    pub(super) encoding: Encoding,
    /// As it is written.
    pub(super) encoded: &'b [u8],
    pub(super) decoded: &'b [u8],
    /// How lines of the message end.
    pub(super) eol: &'static str,
}

/// Other octets for a place of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Splice {
    pub(super) place: Range<usize>,
    pub(super) with: Vec<u8>,
}

impl Splice {
    /// What a body is with it.
    pub(super) fn apply(&self, body: &[u8]) -> Vec<u8> {
        let before = body.get(..self.place.start).unwrap_or_default();
        let after = body.get(self.place.end..).unwrap_or_default();
        [before, &self.with, after].concat()
    }
}

impl Carrier<'_> {
    /// The body with `octets` before what is at offset `at` of what it decodes to.
    pub(super) fn insert(&self, at: usize, octets: &[u8]) -> Option<Splice> {
        let splice = match self.encoding {
            Encoding::Identity => self.plainly(at, octets)?,
            Encoding::QuotedPrintable => self.quoted(at, octets),
            Encoding::Base64 => self.in_groups(at, octets)?,
        };
        let written = splice.apply(self.encoded);
        let (read, _) = match self.encoding {
            Encoding::Identity => return Some(splice),
            Encoding::QuotedPrintable => transfer::decode_quoted_printable(&written),
            Encoding::Base64 => transfer::decode_base64(&written),
        };
        let expected = Splice { place: at..at, with: octets.to_vec() }.apply(self.decoded);
        (read == expected).then_some(splice)
    }

    /// RFC 2045 sections 2.7 and 2.8: nothing of eight bits enters a body of seven, and no line
    /// gets too long.
    fn plainly(&self, at: usize, octets: &[u8]) -> Option<Splice> {
        let fits = octets.is_ascii() || !self.decoded.is_ascii();
        let is_short = octets.split(|octet| *octet == b'\n').all(|line| line.len() <= LINE_OCTETS);
        (fits && is_short).then(|| Splice { place: at..at, with: octets.to_vec() })
    }

    fn quoted(&self, at: usize, octets: &[u8]) -> Splice {
        let place = match at >= self.decoded.len() {
            true => self.encoded.len(),
            false => quoted_offset(self.encoded, at),
        };
        let before = self.encoded.get(..place).unwrap_or_default();
        let after = self.encoded.get(place..).unwrap_or_default();
        let is_fresh = before.is_empty() || before.ends_with(b"\n");
        let mut with = Vec::new();
        // White space at the end of a line is lost, so what stands before is led on softly.
        let breaks = octets.starts_with(self.eol.as_bytes());
        let is_dense = before.last().is_some_and(u8::is_ascii_graphic);
        if before.ends_with(b"=") {
            with.extend_from_slice(self.eol.as_bytes());
        } else if !(is_fresh || (breaks && is_dense)) {
            with.push(b'=');
            with.extend_from_slice(self.eol.as_bytes());
        }
        with.extend(encode::quoted_printable(octets, self.eol));
        if !after.is_empty() && !octets.ends_with(b"\n") {
            with.push(b'=');
            with.extend_from_slice(self.eol.as_bytes());
        }
        Splice { place: place..place, with }
    }

    /// Only the group of four that holds the place changes, and the last one where octets are
    /// appended; elsewhere `octets` must be whole groups.
    fn in_groups(&self, at: usize, octets: &[u8]) -> Option<Splice> {
        let at = at.min(self.decoded.len());
        let first = at - at % 3;
        let is_end = at == self.decoded.len();
        // RFC 2045 section 6.8: padding ends the body.
        if !is_end && !octets.len().is_multiple_of(3) {
            return None;
        }
        let rest = if at == first { first } else { (first + 3).min(self.decoded.len()) };
        let letters = Letters::of(self.encoded);
        let start = letters.before(first / 3 * 4)?;
        let end = match at == first {
            true => start,
            false if rest == self.decoded.len() => letters.end(),
            false => letters.before(first / 3 * 4 + 4)?,
        };
        let mut group = self.decoded.get(first..at)?.to_vec();
        group.extend_from_slice(octets);
        group.extend_from_slice(self.decoded.get(at..rest)?);
        let mut with = Vec::new();
        let before = self.encoded.get(..start).unwrap_or_default();
        if !before.is_empty() && !before.ends_with(b"\n") {
            with.extend_from_slice(self.eol.as_bytes());
        }
        with.extend(encode::base64(&group, self.eol));
        let after = self.encoded.get(end..).unwrap_or_default();
        if after.is_empty() || after.starts_with(b"\n") || after.starts_with(b"\r") {
            with.truncate(with.len().saturating_sub(self.eol.len()));
        }
        Some(Splice { place: start..end, with })
    }
}

/// Octets that bring `octets` to whole groups of three, made of `filler`.
pub(super) fn fill_group(octets: &mut Vec<u8>, filler: &[u8]) {
    for _ in 0..2 {
        if !octets.len().is_multiple_of(3) {
            octets.extend_from_slice(filler);
        }
    }
}

/// Where in quoted-printable the octet `at` of what it decodes to is written.
fn quoted_offset(encoded: &[u8], at: usize) -> usize {
    let (mut from, mut decoded) = (0, 0);
    while decoded < at {
        let rest = encoded.get(from..).unwrap_or_default();
        let Some(first) = rest.first() else { break };
        let after = rest.get(1..).unwrap_or_default();
        match (first, transfer::hex_pair(after), transfer::soft_break(after)) {
            (b'=', Some(_), _) => {
                from += 3;
                decoded += 1;
            }
            (b'=', None, Some(behind)) => from += rest.len() - behind.len(),
            _ => {
                from += 1;
                decoded += 1;
            }
        }
    }
    from
}

/// The letters of base64 among line ends.
struct Letters<'e> {
    encoded: &'e [u8],
}

impl<'e> Letters<'e> {
    fn of(encoded: &'e [u8]) -> Letters<'e> {
        Letters { encoded }
    }

    /// Where the letter of a number stands; behind the last letter for the number behind it.
    fn before(&self, number: usize) -> Option<usize> {
        let is_letter = |octet: &u8| !octet.is_ascii_whitespace() && *octet != b'=';
        let mut seen = 0;
        let mut behind_last = 0;
        for (at, octet) in self.encoded.iter().enumerate() {
            if is_letter(octet) {
                if seen == number {
                    return Some(at);
                }
                seen += 1;
                behind_last = at + 1;
            }
        }
        (seen == number).then_some(behind_last)
    }

    /// Behind the last letter and its padding.
    fn end(&self) -> usize {
        self.encoded.trim_ascii_end().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_octets_stay() {
        use Encoding::{Base64, Identity, QuotedPrintable};
        let table: [(Encoding, &str, usize, &str, Option<&str>); 18] = [
            (Identity, "ab", 1, "X", Some("aXb")),
            (Identity, "ab", 1, "ü", None),
            (Identity, "ä", 0, "ü", Some("üä")),
            (QuotedPrintable, "a=3Db", 1, "X\r\n", Some("a=\r\nX\r\n=3Db")),
            (QuotedPrintable, "a=3Db", 2, "X\r\n", Some("a=3D=\r\nX\r\nb")),
            (QuotedPrintable, "a=3Db", 3, "\r\nX=", Some("a=3Db\r\nX=3D")),
            (QuotedPrintable, "a ", 2, "\r\nX", Some("a =\r\n\r\nX")),
            (QuotedPrintable, "a=", 1, "\r\nX", Some("a=\r\n\r\nX")),
            (QuotedPrintable, "a=\r\n", 1, "\r\nX", Some("a=\r\n\r\nX")),
            (QuotedPrintable, "a=\r\nb", 1, "X\r\n", Some("a=\r\nX\r\n=\r\nb")),
            (QuotedPrintable, "a\r\n", 3, "ü\r\n", Some("a\r\n=C3=BC\r\n")),
            (Base64, "YWJj\r\n", 3, "X", Some("YWJj\r\nWA==\r\n")),
            (Base64, "YWI=\r\n", 2, "X", Some("YWJY\r\n")),
            (Base64, "YQ==", 1, "XY", Some("YVhZ")),
            (Base64, "YWJjZGVm", 3, "XYZ", Some("YWJj\r\nWFla\r\nZGVm")),
            (Base64, "YWJjZGVm", 4, "XYZ", Some("YWJj\r\nZFhZWmVm")),
            (Base64, "YWJjZGVm", 4, "XY", None),
            (Base64, "", 0, "XYZ", Some("WFla")),
        ];
        for (encoding, encoded, at, octets, expected) in table {
            let decoded = match encoding {
                Identity => encoded.as_bytes().to_vec(),
                QuotedPrintable => transfer::decode_quoted_printable(encoded.as_bytes()).0,
                Base64 => transfer::decode_base64(encoded.as_bytes()).0,
            };
            let carrier =
                Carrier { encoding, encoded: encoded.as_bytes(), decoded: &decoded, eol: "\r\n" };
            let splice = carrier.insert(at, octets.as_bytes());
            let written =
                splice.map(|one| String::from_utf8(one.apply(encoded.as_bytes())).unwrap());
            assert_eq!(written.as_deref(), expected, "{encoding:?} {encoded:?} {at}");
        }
    }
}
