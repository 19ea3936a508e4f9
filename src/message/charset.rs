//! Octets in a declared charset → UTF-8 (encoding_rs; UTF-7 and other old ones by mail-parser;
//! EBCDIC and those of seven bits with shifts by tables and rules here).
//!
//! In: octets and the label of RFC 2046 section 4.1.2, which may be absent, unknown or a lie.
//! Out: text, always; borrowed when the octets are ASCII or UTF-8 already.

mod ebcdic;
mod shifted;

use std::borrow::Cow;

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, WINDOWS_1252};
use mail_parser::decoders::charsets::map::charset_decoder;

use ebcdic::Page;

/// Text, and whether its charset was known.
pub(super) struct Decoded<'o> {
    pub(super) text: Cow<'o, str>,
    pub(super) unknown: bool,
    /// Some programs show another text there, of which not all can be read here.
    pub(super) unread: bool,
}

impl<'o> Decoded<'o> {
    fn known(text: impl Into<Cow<'o, str>>) -> Decoded<'o> {
        Decoded { text: text.into(), unknown: false, unread: false }
    }
}

/// Nearly all of it is well-formed, which the plain check finds many times faster.
fn utf8(octets: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(octets).map_or_else(|_| String::from_utf8_lossy(octets), Cow::Borrowed)
}

/// Reads `octets` in the charset `label`; without one as UTF-8, else as windows-1252.
pub(super) fn decode<'o>(octets: &'o [u8], label: Option<&str>) -> Decoded<'o> {
    let label = label.map(|label| label.trim().trim_matches(['"', '\''])).unwrap_or_default();
    if keeps_ascii(label) && octets.is_ascii() {
        return Decoded::known(utf8(octets));
    }
    if label.is_empty() || label.eq_ignore_ascii_case("us-ascii") {
        return Decoded::known(guess(octets));
    }
    if let Some(shifted) = shifted::decode(octets, label) {
        return Decoded { unread: shifted.unread, ..Decoded::known(shifted.text) };
    }
    if let Some(encoding) = Encoding::for_label_no_replacement(label.as_bytes()) {
        // A UTF-8 label on what is not UTF-8 is most often Latin.
        if encoding == UTF_8 {
            return Decoded::known(utf8(octets));
        }
        return Decoded::known(encoding.decode(octets).0);
    }
    // Browsers show nothing of what is labelled so; other programs, and people who look for
    // themselves, read what can be read.
    if Encoding::for_label(label.as_bytes()) == Some(REPLACEMENT) {
        return Decoded { unknown: true, ..Decoded::known(guess(octets)) };
    }
    if let Some(page) = Page::of_label(label) {
        return Decoded { unread: !page.is_whole(), ..Decoded::known(page.decode(octets)) };
    }
    let known = if is_utf7(label) { "utf-7" } else { label };
    match charset_decoder(known.as_bytes()) {
        Some(decoder) => Decoded::known(decoder(octets)),
        None => Decoded { unknown: true, ..Decoded::known(guess(octets)) },
    }
}

/// Charsets in which seven-bit octets are what ASCII says, by far the most frequent ones.
fn keeps_ascii(label: &str) -> bool {
    let starts = |prefix: &str| {
        label.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    label.is_empty()
        || ["utf-8", "us-ascii", "iso-8859-", "windows-125", "koi8", "gb", "big5"]
            .into_iter()
            .any(starts)
}

/// Whether a label names UTF-7, in which plain letters may stand for others.
pub(super) fn is_utf7(label: &str) -> bool {
    let letters: String =
        label.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    matches!(
        letters.as_str(),
        "utf7" | "unicode11utf7" | "xunicode20utf7" | "csunicode11utf7" | "xutf7" | "utf7imap"
    )
}

/// Whether octets below 128 may be other letters than those of ASCII in a charset.
pub(super) fn hides_ascii(label: &str) -> bool {
    let label = label.to_ascii_lowercase();
    let begins = ["utf-16", "utf-32", "ucs-", "hz", "iso-2022", "csiso2022", "unicode-1"];
    begins.iter().any(|start| label.starts_with(start)) || reads_twice(&label)
}

/// Whether some programs read a charset in which plain letters stand for others, and some show
/// the plain letters.
pub(super) fn reads_twice(label: &str) -> bool {
    is_utf7(label) || Page::of_label(label).is_some() || shifted::decode(b"", label).is_some()
}

/// The charset that a byte order mark tells of; browsers and editors believe it before any
/// label.
pub(super) fn marked(octets: &[u8]) -> Option<&'static Encoding> {
    Encoding::for_bom(octets).map(|(encoding, _)| encoding)
}

/// UTF-8 when it is, windows-1252 otherwise: every octet has a meaning there.
pub(super) fn guess(octets: &[u8]) -> Cow<'_, str> {
    if let Some(encoding) = marked(octets).filter(|encoding| *encoding != UTF_8) {
        return encoding.decode_with_bom_removal(octets).0;
    }
    match std::str::from_utf8(octets) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(octets).0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charsets_are_read() {
        let table: [(&[u8], Option<&str>, &str); 10] = [
            (b"plain", None, "plain"),
            (b"plain", Some("UTF-8"), "plain"),
            ("grün".as_bytes(), None, "grün"),
            (b"gr\xfcn", None, "grün"),
            (b"gr\xfcn", Some("iso-8859-1"), "grün"),
            (b"gr\xfcn", Some("\"ISO-8859-15\""), "grün"),
            (b"\xc3\xbc", Some("no-such"), "ü"),
            (b"gr+APw-n", Some("utf-7"), "grün"),
            (b"\x1b$B%O%m\x1b(B", Some("iso-2022-jp"), "ハロ"),
            (b"h\0i\0", Some("utf-16le"), "hi"),
        ];
        for (octets, label, text) in table {
            assert_eq!(decode(octets, label).text, text, "{label:?}");
        }
        assert!(decode(b"\xff", Some("no-such")).unknown);
        let table = [
            ("iso-2022-kr", false, false),
            ("csISO2022KR", false, false),
            ("hz-gb-2312", false, false),
            ("iso-2022-cn", false, false),
            ("replacement", true, false),
            ("ibm437", true, false),
        ];
        for (label, unknown, unread) in table {
            let decoded = decode(b"read me: http://a.test/", Some(label));
            assert_eq!((decoded.unknown, decoded.unread), (unknown, unread), "{label}");
            assert_eq!(decoded.text, "read me: http://a.test/", "{label}");
        }
        let table: [(&[u8], &str, &str, bool); 5] = [
            (b"\x88\x89", "IBM037", "hi", false),
            (b"\x88\x89", "\"cp500\"", "hi", false),
            (b"\x88\x89", "x-EBCDIC-Greek", "hi", true),
            (b"gr+APw-n", "unicode-1-1-utf-7", "gr\u{fc}n", false),
            (b"\x1b$)G\x0e<:\x0f", "iso-2022-cn", "\u{fffd}", true),
        ];
        for (octets, label, text, unread) in table {
            let decoded = decode(octets, Some(label));
            assert_eq!((&*decoded.text, decoded.unread), (text, unread), "{label}");
            assert!(reads_twice(label.trim_matches('"')), "{label}");
        }
    }
}
