//! Little-endian numbers and bounded pieces out of hostile octets: everything an office file
//! holds is read through these, so that an offset beyond the end is `None` and never a panic.

/// Two octets at an offset.
pub(super) fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk().map(|octets| u16::from_le_bytes(*octets))
}

/// Four octets at an offset.
pub(super) fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk().map(|octets| u32::from_le_bytes(*octets))
}

/// Eight octets at an offset.
pub(super) fn u64_at(octets: &[u8], at: usize) -> Option<u64> {
    octets.get(at..)?.first_chunk().map(|octets| u64::from_le_bytes(*octets))
}

/// As many of `count` octets from an offset as there are.
pub(super) fn piece(octets: &[u8], at: usize, count: usize) -> &[u8] {
    let at = at.min(octets.len());
    octets.get(at..at.saturating_add(count).min(octets.len())).unwrap_or_default()
}

/// A size or offset that a file claims, as this machine counts.
pub(super) fn count(claimed: u32) -> usize {
    usize::try_from(claimed).unwrap_or(usize::MAX)
}

/// UTF-16LE, up to the first NUL.
pub(super) fn utf16(octets: &[u8]) -> String {
    let units = octets.chunks_exact(2).map(|pair| match pair {
        [low, high] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    });
    char::decode_utf16(units.take_while(|unit| *unit != 0))
        .map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// Where a short sequence first stands, from an offset on.
pub(super) fn find(octets: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let rest = octets.get(from..)?;
    memchr::memmem::find(rest, needle).map(|at| from + at)
}

/// The octets between two zero octets: text in one of the Windows code pages.
pub(super) fn zero_ended(octets: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = octets.get(at..)?;
    let end = memchr::memchr(0, rest)?;
    Some((rest.get(..end)?, at + end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside_is_nothing() {
        assert_eq!(u16_at(b"\x01\x02", 0), Some(0x201));
        assert_eq!(u16_at(b"\x01\x02", 1), None);
        assert_eq!(u32_at(b"\x01\x02\x03\x04", usize::MAX), None);
        assert_eq!(piece(b"abc", 1, usize::MAX), b"bc");
        assert_eq!(piece(b"abc", 9, 1), b"");
        assert_eq!(utf16(b"h\0i\0\0\0x\0"), "hi");
        assert_eq!(zero_ended(b"ab\0c", 0), Some((&b"ab"[..], 3)));
        assert_eq!(zero_ended(b"ab", 0), None);
    }
}
