//! Charsets of seven bits in which marks say that plain letters stand for others: HZ (RFC
//! 1843), ISO-2022-KR (RFC 1557), ISO-2022-CN (RFC 1922) and the later kinds of ISO-2022-JP
//! (RFC 1554, RFC 2237).
//!
//! In: octets and a label. Out: text, and whether all of it could be read. Letters between
//! marks become those of EUC, which encoding_rs reads. Linear; never fails.

use encoding_rs::{EUC_KR, Encoding, GBK, ISO_2022_JP};

const ESCAPE: u8 = 0x1b;
const SHIFT_OUT: u8 = 0x0e;
const SHIFT_IN: u8 = 0x0f;

/// Text, and whether something of it is written with a set that is not known here.
pub(super) struct Shifted {
    pub(super) text: String,
    pub(super) unread: bool,
}

/// The text in one of these charsets; nothing when the label names none.
pub(super) fn decode(octets: &[u8], label: &str) -> Option<Shifted> {
    let label = label.to_ascii_lowercase();
    let japanese = ["iso-2022-jp-", "csiso2022jp2"].iter().any(|start| label.starts_with(start));
    match label.as_str() {
        "hz-gb-2312" | "hz" | "x-hz" => Some(hz(octets)),
        "iso-2022-kr" | "csiso2022kr" | "iso-2022-cn" | "iso-2022-cn-ext" | "x-cp50227" => {
            Some(two_sets(octets))
        }
        _ if japanese => {
            let (text, _, unread) = ISO_2022_JP.decode(octets);
            Some(Shifted { text: text.into_owned(), unread })
        }
        _ => None,
    }
}

/// Pieces of text, each in the set that was called for.
#[derive(Default)]
struct Pieces {
    text: String,
    unread: bool,
    plain: Vec<u8>,
    wide: Vec<u8>,
}

impl Pieces {
    fn end_plain(&mut self) {
        self.text.push_str(&super::guess(&self.plain));
        self.plain.clear();
    }

    fn end_wide(&mut self, set: Option<&'static Encoding>) {
        if self.wide.is_empty() {
            return;
        }
        match set {
            Some(set) => {
                let (text, damaged) = set.decode_without_bom_handling(&self.wide);
                self.text.push_str(&text);
                self.unread |= damaged;
            }
            None => {
                self.unread = true;
                self.text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        self.wide.clear();
    }
}

/// `~{` and `~}` around letters of GB 2312, `~~` for a tilde, and a tilde at the end of a line.
fn hz(octets: &[u8]) -> Shifted {
    let mut pieces = Pieces::default();
    let mut rest = octets;
    let mut is_wide = false;
    while let Some((octet, after)) = rest.split_first() {
        rest = after;
        match (is_wide, *octet, after.first()) {
            (false, b'~', Some(b'{')) => {
                pieces.end_plain();
                (is_wide, rest) = (true, after.get(1..).unwrap_or_default());
            }
            (false, b'~', Some(b'~')) => {
                pieces.plain.push(b'~');
                rest = after.get(1..).unwrap_or_default();
            }
            (false, b'~', Some(b'\n')) => rest = after.get(1..).unwrap_or_default(),
            (true, b'~', Some(b'}')) => {
                pieces.end_wide(Some(GBK));
                (is_wide, rest) = (false, after.get(1..).unwrap_or_default());
            }
            // A line ends what was not ended.
            (true, b'\n', _) => {
                pieces.end_wide(Some(GBK));
                pieces.plain.push(b'\n');
                is_wide = false;
            }
            (true, octet, _) => pieces.wide.push(octet | 0x80),
            (false, octet, _) => pieces.plain.push(octet),
        }
    }
    pieces.end_plain();
    pieces.end_wide(Some(GBK));
    Shifted { text: pieces.text, unread: pieces.unread }
}

/// An escape sequence says what set shift-out calls for; shift-in ends it, and so does a line.
fn two_sets(octets: &[u8]) -> Shifted {
    let mut pieces = Pieces::default();
    let mut rest = octets;
    let mut set = None;
    let mut is_wide = false;
    while let Some((octet, after)) = rest.split_first() {
        rest = after;
        match *octet {
            ESCAPE if after.starts_with(b"$") => {
                pieces.end_wide(set);
                let length =
                    if after.get(1).is_some_and(|octet| matches!(octet, b')' | b'*' | b'+')) {
                        3
                    } else {
                        2
                    };
                set = match after.get(1..length) {
                    Some(b")C") => Some(EUC_KR),
                    Some(b")A") => Some(GBK),
                    _ => None,
                };
                rest = after.get(length..).unwrap_or_default();
            }
            // One letter of another set.
            ESCAPE => pieces.unread |= !after.is_empty(),
            SHIFT_OUT => {
                pieces.end_plain();
                is_wide = true;
            }
            SHIFT_IN | b'\n' if is_wide => {
                pieces.end_wide(set);
                is_wide = false;
                if *octet == b'\n' {
                    pieces.plain.push(b'\n');
                }
            }
            SHIFT_IN => {}
            octet if is_wide && octet > b' ' => pieces.wide.push(octet | 0x80),
            octet if is_wide => {
                pieces.end_wide(set);
                pieces.text.push(char::from(octet));
            }
            octet => pieces.plain.push(octet),
        }
    }
    pieces.end_plain();
    pieces.end_wide(set);
    Shifted { text: pieces.text, unread: pieces.unread }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifted_letters_are_read() {
        let table: [(&[u8], &str, &str, bool); 15] = [
            (b"plain http://a.test/", "hz-gb-2312", "plain http://a.test/", false),
            (b"a ~{<:Ky2;~} b", "HZ-GB-2312", "a \u{5df1}\u{6240}\u{4e0d} b", false),
            (b"a ~~ b ~\nc", "hz", "a ~ b c", false),
            (b"~{<:\nplain", "hz", "\u{5df1}\nplain", false),
            (b"~{<:", "hz", "\u{5df1}", false),
            (b"plain", "iso-2022-kr", "plain", false),
            (b"\x1b$)C\n\x0eGQ1[\x0f!", "ISO-2022-KR", "\n\u{d55c}\u{ae00}!", false),
            (b"\x0eGQ\x0f!", "iso-2022-kr", "\u{fffd}!", true),
            (b"\x1b$)A\x0e<:\x0f.", "iso-2022-cn", "\u{5df1}.", false),
            (b"\x1b$)G\x0e<:\x0f.", "iso-2022-cn", "\u{fffd}.", true),
            (b"\x1b$)A\x0e<:\nplain", "iso-2022-cn", "\u{5df1}\nplain", false),
            (b"\x1b$B%O%m\x1b(B", "iso-2022-jp-2", "\u{30cf}\u{30ed}", false),
            (b"", "hz", "", false),
            (b"\x1b$", "iso-2022-kr", "", false),
            (b"~", "hz", "~", false),
        ];
        for (octets, label, text, unread) in table {
            let decoded = decode(octets, label).unwrap();
            assert_eq!((decoded.text.as_str(), decoded.unread), (text, unread), "{octets:?}");
        }
        assert!(decode(b"", "utf-8").is_none() && decode(b"", "iso-2022-jp").is_none());
    }
}
