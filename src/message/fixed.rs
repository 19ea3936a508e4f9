//! Numbers of fixed width at fixed places in octets, and searches in them.
//!
//! In: octets and a place. Out: the number, or nothing where the octets end; a slice, shorter
//! or empty where they end. Never fails.

/// The octets from `at` on, at most `count`.
pub(super) fn slice(octets: &[u8], at: usize, count: usize) -> &[u8] {
    let end = at.saturating_add(count).min(octets.len());
    octets.get(at.min(end)..end).unwrap_or_default()
}

/// So many octets from `at` on, as a file tells them; nothing unless all are there.
pub(super) fn exactly(octets: &[u8], at: u64, count: u64) -> Option<&[u8]> {
    let (at, count) = (usize::try_from(at).ok()?, usize::try_from(count).ok()?);
    octets.get(at..at.checked_add(count)?)
}

/// Everything from `at` on.
pub(super) fn rest(octets: &[u8], at: usize) -> &[u8] {
    octets.get(at..).unwrap_or_default()
}

fn array<const N: usize>(octets: &[u8], at: usize) -> Option<[u8; N]> {
    octets.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// Little-endian, two octets.
pub(super) fn le16(octets: &[u8], at: usize) -> Option<u16> {
    array(octets, at).map(u16::from_le_bytes)
}

/// Little-endian, four octets.
pub(super) fn le32(octets: &[u8], at: usize) -> Option<u32> {
    array(octets, at).map(u32::from_le_bytes)
}

/// Little-endian, eight octets.
pub(super) fn le64(octets: &[u8], at: usize) -> Option<u64> {
    array(octets, at).map(u64::from_le_bytes)
}

/// Big-endian, two octets.
pub(super) fn be16(octets: &[u8], at: usize) -> Option<u16> {
    array(octets, at).map(u16::from_be_bytes)
}

/// Big-endian, four octets.
pub(super) fn be32(octets: &[u8], at: usize) -> Option<u32> {
    array(octets, at).map(u32::from_be_bytes)
}

/// An octet; 0 where the octets end.
pub(super) fn octet(octets: &[u8], at: usize) -> u8 {
    octets.get(at).copied().unwrap_or_default()
}

/// Little-endian, two octets; 0 where the octets end.
pub(super) fn u16_at(octets: &[u8], at: usize) -> u16 {
    le16(octets, at).unwrap_or_default()
}

/// Little-endian, four octets; 0 where the octets end.
pub(super) fn u32_at(octets: &[u8], at: usize) -> u32 {
    le32(octets, at).unwrap_or_default()
}

/// Little-endian, eight octets; 0 where the octets end.
pub(super) fn u64_at(octets: &[u8], at: usize) -> u64 {
    le64(octets, at).unwrap_or_default()
}

/// A number of four octets as a place; beyond every file where it does not fit.
pub(super) fn place(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Where `wanted` first stands.
pub(super) fn find(octets: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(octets, wanted)
}

/// Where `wanted` first stands, from a place on.
pub(super) fn find_from(octets: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    find(octets.get(from..)?, wanted).map(|at| from + at)
}

/// The octets before the next NUL, and where what follows it begins.
pub(super) fn zero_ended(octets: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = octets.get(at..)?;
    let end = memchr::memchr(0, rest)?;
    Some((rest.get(..end)?, at + end + 1))
}

/// UTF-16 in little-endian order up to its first NUL.
pub(super) fn utf16_le(octets: &[u8]) -> String {
    let units = octets.chunks_exact(2).map(|pair| u16_at(pair, 0)).take_while(|unit| *unit != 0);
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// How many octets from the first are ASCII.
pub(super) fn ascii_octets(octets: &[u8]) -> usize {
    const STEP: usize = 32;
    let steps = octets.chunks_exact(STEP).take_while(|step| step.is_ascii()).count();
    let last = rest(octets, steps * STEP);
    steps * STEP + last.iter().take_while(|octet| octet.is_ascii()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside_is_nothing() {
        assert_eq!(le16(b"\x01\x02", 0), Some(0x201));
        assert_eq!(le16(b"\x01\x02", 1), None);
        assert_eq!(u16_at(b"\x01\x02", 1), 0);
        assert_eq!(le32(b"\x01\x02\x03\x04", usize::MAX), None);
        assert_eq!(be32(b"\x01\x02\x03\x04", 0), Some(0x0102_0304));
        assert_eq!(slice(b"abc", 1, usize::MAX), b"bc");
        assert_eq!(slice(b"abc", 9, 1), b"");
        assert_eq!(exactly(b"abc", 1, 2), Some(&b"bc"[..]));
        assert_eq!(exactly(b"abc", 1, u64::MAX), None);
        assert_eq!(exactly(b"abc", u64::MAX, 1), None);
        assert_eq!(utf16_le(b"h\0i\0\0\0x\0"), "hi");
        assert_eq!(zero_ended(b"ab\0c", 0), Some((&b"ab"[..], 3)));
        assert_eq!(zero_ended(b"ab", 0), None);
        assert_eq!(find_from(b"abab", b"ab", 1), Some(2));
        assert_eq!(find_from(b"ab", b"ab", 9), None);
    }
}
