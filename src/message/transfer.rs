//! Transfer encodings: base64 and quoted-printable (RFC 2045 sections 6.7 and 6.8).
//!
//! In: encoded octets. Out: decoded octets and what was wrong with them. Lenient as mail
//! readers are: foreign characters are skipped, decoding goes on after padding.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use memchr::memchr;

/// What was wrong with an encoded body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Flaws {
    /// Characters outside the base64 alphabet, white space not counted.
    pub(super) foreign: u32,
    /// base64 that went on after its padding.
    pub(super) after_padding: bool,
    /// base64 that ended in the middle of an octet or without its padding.
    pub(super) cut: bool,
    /// `=` that escapes nothing.
    pub(super) bad_escapes: u32,
}

/// Value of a base64 character, or one of the marks below.
const VALUES: [u8; 256] = values();
const FOREIGN: u8 = 0xff;
const PADDING: u8 = 0xfe;
const SPACE: u8 = 0xfd;

const fn values() -> [u8; 256] {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut values = [FOREIGN; 256];
    let mut at = 0;
    while at < 64 {
        #[expect(clippy::indexing_slicing, reason = "constant evaluation; a u8 indexes 256")]
        {
            values[alphabet[at] as usize] = at as u8;
        }
        at += 1;
    }
    #[expect(clippy::indexing_slicing, reason = "constant evaluation; a u8 indexes 256")]
    {
        values[b'=' as usize] = PADDING;
        values[b' ' as usize] = SPACE;
        values[b'\t' as usize] = SPACE;
        values[b'\r' as usize] = SPACE;
        values[b'\n' as usize] = SPACE;
    }
    values
}

/// Decodes base64 line by line; a clean line takes the fast way.
pub(super) fn decode_base64(encoded: &[u8]) -> (Vec<u8>, Flaws) {
    let mut decoder = Base64 { out: vec![0; encoded.len() / 4 * 3 + 3], ..Base64::default() };
    let mut rest = encoded;
    while !rest.is_empty() {
        let line_end = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        let (line, next) = rest.split_at(line_end);
        let text = super::head::trim_line_end(line);
        if !decoder.take_clean(text) {
            decoder.take(text);
        }
        rest = next;
    }
    decoder.finish()
}

#[derive(Default)]
struct Base64 {
    out: Vec<u8>,
    filled: usize,
    bits: u32,
    letters: u8,
    padded: bool,
    flaws: Flaws,
}

impl Base64 {
    /// Takes a line of whole groups without padding; false, and nothing taken, otherwise.
    fn take_clean(&mut self, line: &[u8]) -> bool {
        if self.letters != 0
            || self.padded
            || !line.len().is_multiple_of(4)
            || line.last() == Some(&b'=')
        {
            return false;
        }
        let Some(room) = self.out.get_mut(self.filled..) else { return false };
        match STANDARD_NO_PAD.decode_slice(line, room) {
            Ok(octets) => {
                self.filled += octets;
                true
            }
            Err(_) => false,
        }
    }

    fn take(&mut self, line: &[u8]) {
        for octet in line {
            match VALUES.get(usize::from(*octet)).copied().unwrap_or(FOREIGN) {
                FOREIGN => self.flaws.foreign += 1,
                PADDING => self.pad(),
                SPACE => {}
                value => {
                    self.flaws.after_padding |= self.padded;
                    self.bits = (self.bits << 6) | u32::from(value);
                    self.letters += 1;
                    if self.letters == 4 {
                        let [_, octets @ ..] = self.bits.to_be_bytes();
                        self.push(&octets);
                        self.letters = 0;
                    }
                }
            }
        }
    }

    fn pad(&mut self) {
        self.padded = true;
        match self.letters {
            2 => self.push(&[(self.bits >> 4) as u8]),
            3 => self.push(&[(self.bits >> 10) as u8, (self.bits >> 2) as u8]),
            1 => self.flaws.cut = true,
            _ => {}
        }
        self.letters = 0;
    }

    fn push(&mut self, octets: &[u8]) {
        let window = self.out.get_mut(self.filled..self.filled + octets.len());
        if let Some(window) = window {
            window.copy_from_slice(octets);
            self.filled += octets.len();
        }
    }

    fn finish(mut self) -> (Vec<u8>, Flaws) {
        if self.letters != 0 {
            self.flaws.cut = true;
            self.pad();
        }
        self.out.truncate(self.filled);
        (self.out, self.flaws)
    }
}

/// Decodes quoted-printable; what escapes nothing stays as it is.
pub(super) fn decode_quoted_printable(encoded: &[u8]) -> (Vec<u8>, Flaws) {
    let mut out = Vec::with_capacity(encoded.len());
    let mut flaws = Flaws::default();
    let mut rest = encoded;
    while let Some(at) = memchr(b'=', rest) {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        if let Some(octet) = hex_pair(rest) {
            out.push(octet);
            rest = rest.get(2..).unwrap_or_default();
        } else if let Some(after) = soft_break(rest) {
            rest = after;
        } else {
            flaws.bad_escapes += 1;
            out.push(b'=');
        }
    }
    out.extend_from_slice(rest);
    (out, flaws)
}

/// What follows a soft line break; white space before the line end is transport padding.
pub(super) fn soft_break(rest: &[u8]) -> Option<&[u8]> {
    let blank = rest.iter().take_while(|octet| matches!(octet, b' ' | b'\t')).count();
    let rest = rest.get(blank..).unwrap_or_default();
    match rest {
        [] => Some(rest),
        [b'\n', after @ ..] | [b'\r', b'\n', after @ ..] => Some(after),
        _ => None,
    }
}

/// The same, but what escapes nothing is left away.
pub(super) fn decode_quoted_printable_dropping(encoded: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some(at) = memchr(b'=', rest) {
        let (before, from) = rest.split_at(at);
        kept.extend_from_slice(before);
        let after = from.get(1..).unwrap_or_default();
        if hex_pair(after).is_some() || soft_break(after).is_some() {
            kept.push(b'=');
        }
        rest = after;
    }
    kept.extend_from_slice(rest);
    decode_quoted_printable(&kept).0
}

/// So many padded runs are read one by one.
const RUNS: usize = 8;

/// The runs of base64 that each end in padding, and whether there are more of them.
pub(super) fn base64_runs(encoded: &[u8]) -> (Vec<&[u8]>, bool) {
    let mut runs = Vec::new();
    let mut rest = encoded;
    while let Some(at) = memchr(b'=', rest) {
        if runs.len() == RUNS {
            return (runs, true);
        }
        let after = rest.get(at..).unwrap_or_default();
        let padding = after.iter().take_while(|octet| **octet == b'=').count();
        let (run, next) = rest.split_at(at + padding);
        if !run.trim_ascii().is_empty() {
            runs.push(run);
        }
        rest = next;
    }
    if !rest.trim_ascii().is_empty() {
        runs.push(rest);
    }
    (runs, false)
}

/// What stands before the first character that base64 does not have.
pub(super) fn base64_start(encoded: &[u8]) -> &[u8] {
    let end = encoded.iter().position(|octet| is_foreign(*octet)).unwrap_or(encoded.len());
    encoded.get(..end).unwrap_or_default()
}

/// Without the lines that have a character that base64 does not have.
pub(super) fn clean_base64_lines(encoded: &[u8]) -> Vec<u8> {
    let lines = encoded.split_inclusive(|octet| *octet == b'\n');
    lines.filter(|line| !line.iter().any(|octet| is_foreign(*octet))).flatten().copied().collect()
}

/// RFC 4648 section 5: other characters for 62 and 63.
pub(super) fn from_url_alphabet(encoded: &[u8]) -> Vec<u8> {
    let plain = |octet: &u8| match octet {
        b'-' => b'+',
        b'_' => b'/',
        octet => *octet,
    };
    encoded.iter().map(plain).collect()
}

fn is_foreign(octet: u8) -> bool {
    VALUES.get(usize::from(octet)).copied().unwrap_or(FOREIGN) == FOREIGN
}

/// Two hexadecimal digits, in either case as readers accept them.
pub(super) fn hex_pair(octets: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*octets.get(at)?).to_digit(16);
    Some((digit(0)? * 16 + digit(1)?) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_readers_read_it() {
        let flaws =
            |foreign, after_padding, cut| Flaws { foreign, after_padding, cut, bad_escapes: 0 };
        let table: [(&str, &str, Flaws); 10] = [
            ("", "", Flaws::default()),
            ("aGVsbG8=", "hello", Flaws::default()),
            ("aGVs\r\nbG8=\r\n", "hello", Flaws::default()),
            ("aG Vs\r\n bG\t8=\n", "hello", Flaws::default()),
            ("aGVsb\r\nG8=", "hello", Flaws::default()),
            ("aGVsbG8", "hello", flaws(0, false, true)),
            ("aGVs*bG8=", "hello", flaws(1, false, false)),
            ("aGk=aGk=", "hihi", flaws(0, true, false)),
            ("aGk=\r\naGlo", "hihih", flaws(0, true, false)),
            ("a", "", flaws(0, false, true)),
        ];
        for (encoded, decoded, wrong) in table {
            assert_eq!(decode_base64(encoded.as_bytes()), (decoded.into(), wrong), "{encoded}");
        }
    }

    #[test]
    fn quoted_printable_is_read_as_readers_read_it() {
        let table = [
            ("", "", 0),
            ("a=3Db", "a=b", 0),
            ("a=3db", "a=b", 0),
            ("a=\r\nb", "ab", 0),
            ("a= \t\nb", "ab", 0),
            ("a=", "a", 0),
            ("a=zb", "a=zb", 1),
            ("a==3D", "a==", 1),
        ];
        for (encoded, decoded, bad) in table {
            let (octets, flaws) = decode_quoted_printable(encoded.as_bytes());
            assert_eq!((octets.as_slice(), flaws.bad_escapes), (decoded.as_bytes(), bad));
        }
    }
}
