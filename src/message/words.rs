//! The text of a header field: unfolded, encoded words decoded (RFC 2047, RFC 2231 section 5).
//!
//! In: the value of a field as it is written. Out: text on one line, always. Encoded words
//! are decoded wherever they stand, in quoted strings too, and neighbours of one charset are
//! joined before their charset is read, because both is what mail readers do.

use std::borrow::Cow;

use memchr::memmem;

use super::charset;
use super::transfer::{decode_base64, hex_pair};

/// The decoded text of a field's value, without white space around it.
pub(super) fn decode(value: &[u8]) -> Cow<'_, str> {
    let value = value.trim_ascii();
    let folded = memchr::memchr2(b'\n', b'\r', value).is_some();
    let encoded = memmem::find(value, b"=?").is_some();
    if !folded && !encoded {
        return charset::guess(value);
    }
    let line = unfolded(value);
    match encoded {
        true => Cow::Owned(decode_words(&line)),
        false => Cow::Owned(match charset::guess(&line) {
            Cow::Owned(text) => text,
            // It is UTF-8, and need not be copied.
            Cow::Borrowed(_) => String::from_utf8(line).unwrap_or_default(),
        }),
    }
}

/// The octets of a field's value on one line.
pub(super) fn unfolded(value: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(value.len());
    let mut from = 0;
    for end in memchr::memchr2_iter(b'\n', b'\r', value) {
        line.extend_from_slice(value.get(from..end).unwrap_or_default());
        from = end + 1;
    }
    line.extend_from_slice(value.get(from..).unwrap_or_default());
    line
}

/// Octets of neighbouring words in one charset.
#[derive(Default)]
struct Pending {
    charset: String,
    octets: Vec<u8>,
}

impl Pending {
    fn flush(&mut self, text: &mut String) {
        if !self.octets.is_empty() {
            text.push_str(&charset::decode(&self.octets, Some(&self.charset)).text);
            self.octets.clear();
        }
    }
}

fn decode_words(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    let mut pending = Pending::default();
    let mut after_word = false;
    let mut rest = line;
    while let Some(at) = memmem::find(rest, b"=?") {
        let (before, from_word) = rest.split_at(at);
        // RFC 2047 section 6.2: white space between encoded words is not shown.
        if !(after_word && before.trim_ascii().is_empty()) {
            pending.flush(&mut text);
            text.push_str(&charset::guess(before));
        }
        match read_word(from_word) {
            Some(word) => {
                if !word.charset.eq_ignore_ascii_case(&pending.charset) {
                    pending.flush(&mut text);
                    pending.charset = word.charset.into_owned();
                }
                pending.octets.extend_from_slice(&word.octets);
                rest = word.rest;
                after_word = true;
            }
            None => {
                pending.flush(&mut text);
                text.push_str("=?");
                rest = from_word.get(2..).unwrap_or_default();
                after_word = false;
            }
        }
    }
    pending.flush(&mut text);
    text.push_str(&charset::guess(rest));
    text
}

struct Word<'l> {
    charset: Cow<'l, str>,
    octets: Vec<u8>,
    rest: &'l [u8],
}

/// `=?charset?encoding?text?=`. Spaces in the text are against RFC 2047 section 2 but seen.
fn read_word(from_word: &[u8]) -> Option<Word<'_>> {
    /// RFC 2047 section 2 allows 75 octets for a whole word; what is seen is longer.
    const WORD_OCTETS: usize = 4_096;
    let window = from_word.get(2..from_word.len().min(WORD_OCTETS))?;
    let charset_end = memchr::memchr(b'?', window)?;
    let label = window.get(..charset_end)?;
    if label.is_empty() || !label.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    let encoding = *window.get(charset_end + 1)?;
    if window.get(charset_end + 2) != Some(&b'?') {
        return None;
    }
    let text = window.get(charset_end + 3..)?;
    let text_end = memmem::find(text, b"?=")?;
    let encoded = text.get(..text_end)?;
    let octets = match encoding {
        b'b' | b'B' => decode_base64(encoded).0,
        b'q' | b'Q' => decode_q(encoded),
        _ => return None,
    };
    // RFC 2231 section 5: a language may follow the charset.
    let label = label.split(|octet| *octet == b'*').next().unwrap_or_default();
    let rest = from_word.get(2 + charset_end + 3 + text_end + 2..)?;
    Some(Word { charset: String::from_utf8_lossy(label), octets, rest })
}

/// The "Q" encoding, RFC 2047 section 4.2.
fn decode_q(encoded: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, hex_pair(after)) {
            (b'_', _) => octets.push(b' '),
            (b'=', Some(octet)) => {
                octets.push(octet);
                rest = after.get(2..).unwrap_or_default();
            }
            (octet, _) => octets.push(*octet),
        }
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded() {
        let table: [(&[u8], &str); 15] = [
            (b" plain \r\n", "plain"),
            (b" two\r\n lines\r\n", "two lines"),
            (b" =?utf-8?q?gr=C3=BCn?=\r\n", "grün"),
            (b"=?UTF-8?B?Z3LDvG4=?= x", "grün x"),
            (b"=?utf-8?q?a_?= =?utf-8?q?b?=", "a b"),
            (b"=?utf-8?q?gr=C3?=\r\n =?utf-8?q?=BCn?=", "grün"),
            (b"=?utf-8?b?Z3LD?= =?utf-8?b?vG4=?=", "grün"),
            (b"=?iso-8859-1?q?gr=FCn?= =?utf-8?q?_gr=C3=BCn?=", "grün grün"),
            (b"\"=?utf-8?q?Bank?=\" <a@b>", "\"Bank\" <a@b>"),
            (b"x=?utf-8*en?q?y?=z", "xyz"),
            (b"=?broken", "=?broken"),
            (b"=?utf-8?x?y?=", "=?utf-8?x?y?="),
            (b"=?utf-8?q?a b?=", "a b"),
            (b"gr\xfcn", "grün"),
            (b"=?us-ascii?Q?a?= =?us-ascii?Q?b?= c", "ab c"),
        ];
        for (value, text) in table {
            assert_eq!(decode(value), text, "{}", String::from_utf8_lossy(value));
        }
    }
}
