//! Windows code pages, by which old office formats name the charset of their texts.
//!
//! In: the number of a code page. Out: text; a number that is not known reads as windows-1252,
//! in which every octet has a meaning.

use std::borrow::Cow;

use encoding_rs::{Encoding, WINDOWS_1252};

/// The charset of a code page.
pub(super) fn encoding(code_page: u32) -> &'static Encoding {
    let label = match code_page {
        866 => "ibm866",
        874 => "windows-874",
        932 => "shift_jis",
        936 => "gbk",
        949 | 1361 => "euc-kr",
        950 => "big5",
        1200 => "utf-16le",
        1201 => "utf-16be",
        1250..=1258 => return windows(code_page),
        10000 => "macintosh",
        10007 => "x-mac-cyrillic",
        20866 => "koi8-r",
        20932 | 51932 => "euc-jp",
        21866 => "koi8-u",
        28592..=28606 => return latin(code_page),
        50220..=50222 => "iso-2022-jp",
        51949 => "euc-kr",
        54936 => "gb18030",
        65001 => "utf-8",
        _ => "windows-1252",
    };
    Encoding::for_label(label.as_bytes()).unwrap_or(WINDOWS_1252)
}

fn windows(code_page: u32) -> &'static Encoding {
    Encoding::for_label(format!("windows-{code_page}").as_bytes()).unwrap_or(WINDOWS_1252)
}

fn latin(code_page: u32) -> &'static Encoding {
    let label = format!("iso-8859-{}", code_page.saturating_sub(28590));
    Encoding::for_label(label.as_bytes()).unwrap_or(WINDOWS_1252)
}

/// Text in a code page.
pub(super) fn decode(octets: &[u8], code_page: u32) -> Cow<'_, str> {
    encoding(code_page).decode_without_bom_handling(octets).0
}

#[cfg(test)]
mod tests {
    #[test]
    fn code_pages_are_read() {
        let table: [(&[u8], u32, &str); 6] = [
            (b"gr\xfcn", 1252, "grün"),
            (b"\xcf\xf0", 1251, "Пр"),
            (b"\x83n\x83\x8d", 932, "ハロ"),
            (b"h\0i\0", 1200, "hi"),
            (b"gr\xc3\xbcn", 65001, "grün"),
            (b"gr\xfcn", 4_000_000, "grün"),
        ];
        for (octets, code_page, text) in table {
            assert_eq!(super::decode(octets, code_page), text, "{code_page}");
        }
    }
}
