//! Names in archives: which letters their octets mean.
//!
//! Old archives say no charset. UTF-8 is tried first; otherwise each octet becomes a letter,
//! which keeps the extension right whatever the code page was.

use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Longer names are cut; no file system has them.
const NAME_OCTETS: usize = 4_096;

/// A name in UTF-8, or in a code page that nothing is known of.
pub(super) fn of_octets(octets: &[u8]) -> String {
    let octets = octets.get(..NAME_OCTETS).unwrap_or(octets);
    match std::str::from_utf8(octets) {
        Ok(name) => name.to_owned(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(octets).0.into_owned(),
    }
}

/// A name in UTF-16, the low octet first.
pub(super) fn of_utf16_le(octets: &[u8]) -> String {
    let octets = octets.get(..NAME_OCTETS).unwrap_or(octets);
    UTF_16LE.decode_without_bom_handling(octets).0.into_owned()
}

/// A name in UTF-16, the high octet first.
pub(super) fn of_utf16_be(octets: &[u8]) -> String {
    let octets = octets.get(..NAME_OCTETS).unwrap_or(octets);
    UTF_16BE.decode_without_bom_handling(octets).0.into_owned()
}

/// A text in UTF-8, or in a code page that nothing is known of, whatever its length.
pub(super) fn of_octets_whole(octets: &[u8]) -> String {
    match std::str::from_utf8(octets) {
        Ok(text) => text.to_owned(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(octets).0.into_owned(),
    }
}

/// A text in UTF-16, the low octet first, whatever its length.
pub(super) fn of_utf16_le_whole(octets: &[u8]) -> String {
    UTF_16LE.decode_without_bom_handling(octets).0.into_owned()
}

/// A name with its folder before it.
pub(super) fn within(folder: &str, name: &str) -> String {
    // A path is not longer than a name may be, so that many deep ones cost little.
    let mut end = folder.len().min(NAME_OCTETS);
    while !folder.is_char_boundary(end) {
        end -= 1;
    }
    match folder.get(..end).unwrap_or_default() {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    }
}
