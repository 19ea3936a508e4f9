//! Text → octets in a charset, and octets → transfer encodings.
//!
//! In: text or octets. Out: what stands in a body, or nothing where a charset cannot say it so
//! that every reader understands it (RFC 2045 sections 6.7 and 6.8, RFC 2046 section 4.1.2).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use encoding_rs::{EUC_KR, Encoding, GBK, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_874};
use encoding_rs::{WINDOWS_1252, WINDOWS_1254};
use mail_parser::decoders::charsets::map::charset_decoder;

use crate::message::charset;

/// RFC 2045 sections 6.7 and 6.8.
const LINE_OCTETS: usize = 76;

/// `text` in the charset `label`, to stand within other text in it.
pub(super) fn write(label: Option<&str>, text: &str) -> Option<Vec<u8>> {
    let label = bare(label);
    // Every line of ISO-2022 text ends in ASCII (RFC 1468).
    let takes_ascii = !charset::hides_ascii(&label) || label.starts_with("iso-2022");
    if text.is_ascii() && takes_ascii {
        return Some(text.as_bytes().to_vec());
    }
    let encoding = Encoding::for_label_no_replacement(label.as_bytes())?;
    if encoding == UTF_16LE || encoding == UTF_16BE || is_plain_ascii(&label) {
        return None;
    }
    let (octets, _, unmappable) = encoding.encode(text);
    (!unmappable && is_said(encoding, &label, &octets)).then(|| octets.into_owned())
}

/// The text of octets in the charset `label`, when no octet of it is lost or in doubt.
pub(super) fn read_exactly(label: Option<&str>, octets: &[u8]) -> Option<String> {
    let label = bare(label);
    if is_plain_ascii(&label) {
        return octets.is_ascii().then(|| String::from_utf8_lossy(octets).into_owned());
    }
    let Some(encoding) = Encoding::for_label_no_replacement(label.as_bytes()) else {
        let text = charset_decoder(label.as_bytes())?(octets);
        return (!text.contains('\u{fffd}')).then_some(text);
    };
    let mark = Encoding::for_bom(octets);
    if label == "utf-16" && mark.is_none() {
        // Readers differ in the order of the octets (RFC 2781 section 4.3).
        return None;
    }
    let (encoding, bare) = match mark {
        Some((marked, mark)) => (marked, octets.get(mark..).unwrap_or_default()),
        None => (encoding, octets),
    };
    if !is_said(encoding, &label, bare) {
        return None;
    }
    let text = encoding.decode_without_bom_handling_and_without_replacement(bare)?;
    Some(text.into_owned())
}

fn bare(label: Option<&str>) -> String {
    label.unwrap_or_default().trim().trim_matches(['"', '\'']).to_ascii_lowercase()
}

fn is_plain_ascii(label: &str) -> bool {
    matches!(label, "" | "us-ascii" | "ascii" | "ansi_x3.4-1968")
}

/// Whether octets mean the same to readers who take a label at its word: browsers, and the
/// tables used here, read some small charsets as the larger ones of a vendor.
fn is_said(encoding: &'static Encoding, label: &str, octets: &[u8]) -> bool {
    let is_vendor =
        ["windows", "cp", "x-cp", "ms", "uhc"].iter().any(|name| label.starts_with(name));
    if is_vendor {
        return true;
    }
    let is_control = |octet: &u8| (0x80..=0x9f).contains(octet);
    if encoding == WINDOWS_1252 || encoding == WINDOWS_1254 || encoding == WINDOWS_874 {
        return !octets.iter().any(is_control);
    }
    let is_small = label != "gbk" && label != "gb18030";
    if (encoding == GBK && is_small) || encoding == EUC_KR {
        // GB 2312 and KS X 1001: both octets of a letter are beyond 0xa0.
        let mut rest = octets.iter();
        while let Some(lead) = rest.next() {
            if *lead >= 0x80 && (*lead < 0xa1 || rest.next().is_none_or(|trail| *trail < 0xa1)) {
                return false;
            }
        }
    }
    true
}

/// Whether a label is that of UTF-8.
pub(super) fn is_utf8(label: Option<&str>) -> bool {
    Encoding::for_label_no_replacement(bare(label).as_bytes()) == Some(UTF_8)
}

/// RFC 2045 section 6.7: octets with line ends of the kind `eol`.
pub(super) fn quoted_printable(octets: &[u8], eol: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() + octets.len() / 8);
    let mut rest = octets;
    while !rest.is_empty() {
        let end = memchr::memmem::find(rest, eol.as_bytes());
        let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
        push_line(line, eol, &mut out);
        if end.is_some() {
            out.extend_from_slice(eol.as_bytes());
        }
        rest = after.get(eol.len()..).unwrap_or_default();
    }
    out
}

fn push_line(line: &[u8], eol: &str, out: &mut Vec<u8>) {
    let mut column = 0;
    for (at, octet) in line.iter().enumerate() {
        let is_last = at + 1 == line.len();
        let is_plain = match octet {
            b' ' | b'\t' => !is_last,
            // A line must not look like a delimiter, nor like one of an mbox file.
            b'-' => at > 0,
            b'F' => !(at == 0 && line.starts_with(b"From ")),
            b'=' => false,
            octet => octet.is_ascii_graphic(),
        };
        let width = |is_plain: bool| if is_plain { 1 } else { 3 };
        // Room for the `=` of a soft line break.
        if column + width(is_plain) > LINE_OCTETS - 1 {
            out.push(b'=');
            out.extend_from_slice(eol.as_bytes());
            column = 0;
        }
        let is_plain = is_plain && !(column == 0 && *octet == b'-');
        match is_plain {
            true => out.push(*octet),
            false => out.extend_from_slice(format!("={octet:02X}").as_bytes()),
        }
        column += width(is_plain);
    }
}

/// RFC 2045 section 6.8, every line with its end.
pub(in crate::message) fn base64(octets: &[u8], eol: &str) -> Vec<u8> {
    let encoded = BASE64_STANDARD.encode(octets);
    let mut out = Vec::with_capacity(encoded.len() + encoded.len() / 30);
    for line in encoded.as_bytes().chunks(LINE_OCTETS) {
        out.extend_from_slice(line);
        out.extend_from_slice(eol.as_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::transfer::decode_quoted_printable;

    #[test]
    fn charsets_say_what_they_can() {
        let table: [(Option<&str>, &str, Option<&[u8]>); 14] = [
            (None, "plain", Some(b"plain")),
            (None, "grün", None),
            (Some("us-ascii"), "grün", None),
            (Some("UTF-8"), "grün", Some("grün".as_bytes())),
            (Some("iso-8859-1"), "grün", Some(b"gr\xfcn")),
            (Some("iso-8859-1"), "€", None),
            (Some("iso-8859-1"), "\u{2013}", None),
            (Some("windows-1252"), "\u{2013}", Some(b"\x96")),
            (Some("iso-8859-15"), "€", Some(b"\xa4")),
            (Some("gb2312"), "\u{20ac}", None),
            (Some("koi8-r"), "да", Some(b"\xc4\xc1")),
            (Some("iso-2022-jp"), "ハ", Some(b"\x1b$B%O\x1b(B")),
            (Some("utf-16le"), "plain", None),
            (Some("utf-7"), "plain", None),
        ];
        for (label, text, octets) in table {
            assert_eq!(write(label, text).as_deref(), octets, "{label:?} {text}");
        }
        assert_eq!(read_exactly(Some("iso-8859-1"), b"\x93x"), None);
        assert_eq!(read_exactly(Some("utf-8"), b"\xff"), None);
        assert_eq!(read_exactly(Some("utf-16"), b"\xfe\xff\0a").as_deref(), Some("a"));
        assert_eq!(read_exactly(Some("utf-16"), b"\0a"), None);
        assert_eq!(read_exactly(None, b"a").as_deref(), Some("a"));
    }

    #[test]
    fn quoted_printable_is_read_as_it_was() {
        let long = "x".repeat(200) + "= \r\n";
        let dashes = "-".repeat(300);
        let table: [&str; 10] = [
            "",
            "a\r\nb",
            "a \r\n",
            "--b\r\nFrom x",
            "grün",
            "a\rb\nc",
            long.as_str(),
            "\t",
            "- ",
            dashes.as_str(),
        ];
        for text in table {
            for eol in ["\r\n", "\n"] {
                let encoded = quoted_printable(text.as_bytes(), eol);
                assert_eq!(decode_quoted_printable(&encoded).0, text.as_bytes(), "{text:?}");
                let written = String::from_utf8(encoded).unwrap();
                for line in written.split(eol) {
                    assert!(line.len() <= 76 && !line.starts_with("--"), "{line}");
                    assert!(!line.ends_with([' ', '\t']) && line.is_ascii());
                }
            }
        }
    }
}
