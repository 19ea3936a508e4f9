//! Octets in a declared charset → UTF-8 (encoding_rs; UTF-7 and other old ones by mail-parser).
//!
//! In: octets and the label of RFC 2046 section 4.1.2, which may be absent, unknown or a lie.
//! Out: text, always; borrowed when the octets are ASCII or UTF-8 already.

use std::borrow::Cow;

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, WINDOWS_1252};
use mail_parser::decoders::charsets::map::charset_decoder;

/// Text, and whether its charset was known.
pub(super) struct Decoded<'o> {
    pub(super) text: Cow<'o, str>,
    pub(super) unknown: bool,
}

/// Reads `octets` in the charset `label`; without one as UTF-8, else as windows-1252.
pub(super) fn decode<'o>(octets: &'o [u8], label: Option<&str>) -> Decoded<'o> {
    let label = label.map(|label| label.trim().trim_matches(['"', '\''])).unwrap_or_default();
    if keeps_ascii(label) && octets.is_ascii() {
        return Decoded { text: String::from_utf8_lossy(octets), unknown: false };
    }
    if label.is_empty() || label.eq_ignore_ascii_case("us-ascii") {
        return Decoded { text: guess(octets), unknown: false };
    }
    if let Some(encoding) = Encoding::for_label_no_replacement(label.as_bytes()) {
        // A UTF-8 label on what is not UTF-8 is most often Latin.
        if encoding == UTF_8 {
            return Decoded { text: String::from_utf8_lossy(octets), unknown: false };
        }
        return Decoded { text: encoding.decode(octets).0, unknown: false };
    }
    // Browsers show nothing of what is labelled so; other programs, and people who look for
    // themselves, read what can be read.
    if Encoding::for_label(label.as_bytes()) == Some(REPLACEMENT) {
        return Decoded { text: guess(octets), unknown: true };
    }
    match charset_decoder(label.as_bytes()) {
        Some(decoder) => Decoded { text: Cow::Owned(decoder(octets)), unknown: false },
        None => Decoded { text: guess(octets), unknown: true },
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
    let begins = ["utf-16", "utf-32", "ucs-", "hz-", "iso-2022", "unicode-1", "ibm037", "ebcdic"];
    is_utf7(&label) || begins.iter().any(|start| label.starts_with(start))
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
        for label in ["iso-2022-kr", "csISO2022KR", "hz-gb-2312", "iso-2022-cn", "replacement"] {
            let decoded = decode(b"read me: http://a.test/", Some(label));
            assert!(decoded.unknown && decoded.text.contains("http://a.test/"), "{label}");
        }
    }
}
