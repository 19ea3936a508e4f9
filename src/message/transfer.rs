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

/// The other ways in which decoders read a body in quoted-printable that is ambiguous: a CR
/// alone behind `=` ends a line to some; blanks before a line end were added on the way (RFC
/// 2045 section 6.7 (3)), which few decoders heed. Nothing for a body that has neither.
pub(super) fn quoted_printable_otherwise(encoded: &[u8]) -> Vec<Vec<u8>> {
    let breaks =
        memchr::memmem::find_iter(encoded, b"=\r").any(|at| encoded.get(at + 2) != Some(&b'\n'));
    let unpadded = without_padding(encoded);
    let mut found = Vec::new();
    if breaks {
        found.push(decode_quoted_printable(&without_cr_breaks(encoded)).0);
    }
    if unpadded.len() < encoded.len() {
        found.push(decode_quoted_printable(&unpadded).0);
        if breaks {
            found.push(decode_quoted_printable(&without_cr_breaks(&unpadded)).0);
        }
    }
    found
}

/// Without the soft line breaks that a CR alone makes.
fn without_cr_breaks(encoded: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some(at) = memchr::memmem::find(rest, b"=\r") {
        let is_alone = rest.get(at + 2) != Some(&b'\n');
        kept.extend_from_slice(rest.get(..if is_alone { at } else { at + 2 }).unwrap_or_default());
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    kept.extend_from_slice(rest);
    kept
}

/// Without the blanks before line ends and at the end of the body.
fn without_padding(encoded: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(encoded.len());
    for line in encoded.split_inclusive(|octet| *octet == b'\n') {
        let text = super::head::trim_line_end(line);
        let end = line.get(text.len()..).unwrap_or_default();
        let padded = text.iter().rev().take_while(|octet| matches!(octet, b' ' | b'\t')).count();
        kept.extend_from_slice(text.get(..text.len() - padded).unwrap_or_default());
        kept.extend_from_slice(end);
    }
    kept
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

/// What stands behind the first padding of a base64 body that goes on there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// Nothing, or white space: who stops at the padding misses nothing.
    Blank,
    /// A few lines of plain text, as lists of subscribers append them to whatever passes.
    Prose,
    /// More.
    More,
}

/// Tells what stands behind the first padding.
pub(super) fn behind_padding(encoded: &[u8]) -> Behind {
    const BLANK_LETTERS: usize = 64;
    const PROSE_OCTETS: usize = 4 << 10;
    let Some(at) = memchr(b'=', encoded) else { return Behind::Blank };
    let rest = encoded.get(at..).unwrap_or_default();
    let padding = rest.iter().take_while(|octet| **octet == b'=').count();
    let rest = rest.get(padding..).unwrap_or_default();
    let text = rest.trim_ascii();
    let (runs, more) = base64_runs(text);
    let is_blank = |run: &&[u8]| {
        let (octets, flaws) = decode_base64(run);
        flaws.foreign == 0
            && octets.iter().all(|octet| matches!(octet, b' ' | b'\t' | b'\r' | b'\n'))
    };
    if text.len() <= BLANK_LETTERS && !more && runs.iter().all(is_blank) {
        return Behind::Blank;
    }
    let begins_line =
        rest.iter().take_while(|octet| octet.is_ascii_whitespace()).any(|octet| *octet == b'\n');
    let lines = || text.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii);
    let written = lines().filter(|line| !line.is_empty()).count();
    // Words and addresses are full of what base64 has not; a file has lines without.
    let prose = lines().filter(|line| line.iter().any(|octet| is_foreign(*octet))).count();
    let has_file =
        lines().any(|line| line.len() > 24 && !line.iter().any(|octet| is_foreign(*octet)));
    let is_prose = begins_line
        && text.len() <= PROSE_OCTETS
        && prose * 2 >= written
        && !has_file
        && memchr::memmem::find(text, b"==").is_none();
    if is_prose { Behind::Prose } else { Behind::More }
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
    fn what_stands_behind_padding_is_told() {
        let table = [
            ("aGVsbG8=", Behind::Blank),
            ("aGVsbG8=\r\n\r\n", Behind::Blank),
            ("aGVsbG8=\r\n====", Behind::Blank),
            ("aGVsbG8=\r\nDQo=\r\n", Behind::Blank),
            ("aGVsbG8=DQo=", Behind::Blank),
            ("aGVsbG8=aGVs", Behind::More),
            ("aGVsbG8=\r\naGVsbG8=\r\n", Behind::More),
            ("aGVsbG8=\r\n\r\n____\r\nlist mailing list\r\nhttp://x.test/\r\n", Behind::Prose),
            ("aGVsbG8=\r\n-- \r\nRegards\r\na@x.test", Behind::Prose),
            // Not on a line of its own, and lines of a file among others.
            ("aGVsbG8=____\r\nhttp://x.test/", Behind::More),
            ("aGVsbG8=\r\n____\r\nTVqQAAMAAAAEAAAAAAAAAAAAAAA\r\n", Behind::More),
            ("aGVsbG8=\r\nTVqQ\r\nAAMA\r\nAAAE\r\n_", Behind::More),
            ("aGVsbG8=\r\n(TVqQ)\r\n(AAMA==)\r\n", Behind::More),
        ];
        for (encoded, expected) in table {
            assert_eq!(behind_padding(encoded.as_bytes()), expected, "{encoded:?}");
        }
        let long = format!("aGVsbG8=\r\n{}", "a list\r\n".repeat(1_000));
        assert_eq!(behind_padding(long.as_bytes()), Behind::More);
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

    #[test]
    fn ambiguous_quoted_printable_is_read_in_every_way() {
        let table: [(&str, &[&str]); 10] = [
            ("", &[]),
            ("a=3Db\r\nc", &[]),
            ("a=\r\nb", &[]),
            ("a b\r\nc d", &[]),
            ("a=\rb", &["ab"]),
            ("a=\r\nb=\rc", &["abc"]),
            ("a=\r", &["a"]),
            ("a \t\r\nb \n c ", &["a\r\nb\n c"]),
            ("a=20\r\nb", &[]),
            ("a=\rb  \r\n", &["ab  \r\n", "a=\rb\r\n", "ab\r\n"]),
        ];
        for (encoded, expected) in table {
            let found = quoted_printable_otherwise(encoded.as_bytes());
            let expected: Vec<Vec<u8>> = expected.iter().map(|text| (*text).into()).collect();
            assert_eq!(found, expected, "{encoded:?}");
        }
    }
}
