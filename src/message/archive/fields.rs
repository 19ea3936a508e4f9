//! Numbers at places in a file, which may not be there.

/// Two octets at `at`, the lowest first.
pub(super) fn le16(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk().map(|chunk| u16::from_le_bytes(*chunk))
}

/// Four octets at `at`, the lowest first.
pub(super) fn le32(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

/// Eight octets at `at`, the lowest first.
pub(super) fn le64(octets: &[u8], at: usize) -> Option<u64> {
    octets.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

/// A part of the octets as far as it lies in them.
pub(super) fn within(octets: &[u8], start: usize, length: usize) -> &[u8] {
    let end = start.saturating_add(length).min(octets.len());
    octets.get(start.min(end)..end).unwrap_or_default()
}
