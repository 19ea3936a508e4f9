//! Numbers of fixed width at fixed places in octets, and searches in them.
//!
//! In: octets and a place. Out: the number, or nothing where the octets end; a slice, shorter
//! or empty where they end. Never fails.

/// The octets from `at` on, at most `count`.
pub(super) fn slice(octets: &[u8], at: usize, count: usize) -> &[u8] {
    let end = at.saturating_add(count).min(octets.len());
    octets.get(at.min(end)..end).unwrap_or_default()
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

/// Big-endian, four octets.
pub(super) fn be32(octets: &[u8], at: usize) -> Option<u32> {
    array(octets, at).map(u32::from_be_bytes)
}

/// A number of four octets as a place; beyond every file where it does not fit.
pub(super) fn place(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Where `wanted` first stands.
pub(super) fn find(octets: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(octets, wanted)
}

/// UTF-16 in little-endian order up to its first NUL.
pub(super) fn utf16_le(octets: &[u8]) -> String {
    let units = octets
        .chunks_exact(2)
        .map(|pair| {
            u16::from_le_bytes([
                pair.first().copied().unwrap_or(0),
                pair.get(1).copied().unwrap_or(0),
            ])
        })
        .take_while(|unit| *unit != 0);
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
