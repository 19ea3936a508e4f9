//! Reads numbers and slices from octets that nobody vouches for.
//!
//! In: a slice. Out: numbers and sub-slices, or nothing where the octets end: a reader of a
//! format says what that means. Nothing is copied, nothing is allocated, and a position never
//! leaves the slice.

/// A place in a slice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the begin of a slice.
    pub(super) fn new(octets: &'a [u8]) -> Cursor<'a> {
        Cursor { octets, at: 0 }
    }

    /// At an offset of a slice; nothing when it lies outside.
    pub(super) fn begin(octets: &'a [u8], offset: u64) -> Option<Cursor<'a>> {
        let at = usize::try_from(offset).ok().filter(|at| *at <= octets.len())?;
        Some(Cursor { octets, at })
    }

    /// The offset from the begin of the slice.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Octets that are left.
    pub(super) fn left(&self) -> usize {
        self.octets.len().saturating_sub(self.at)
    }

    /// All that is left, without moving on.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.octets.get(self.at..).unwrap_or_default()
    }

    /// The next octets.
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.octets.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    /// The next octets, as many as a file says.
    pub(super) fn take_u64(&mut self, count: u64) -> Option<&'a [u8]> {
        self.take(usize::try_from(count).ok()?)
    }

    /// Moves on; nothing when the octets end before.
    pub(super) fn skip(&mut self, count: u64) -> Option<()> {
        self.take_u64(count).map(|_| ())
    }

    /// Text up to a NUL, which is passed.
    pub(super) fn until_nul(&mut self) -> Option<&'a [u8]> {
        let length = memchr::memchr(0, self.rest())?;
        let text = self.take(length)?;
        self.take(1)?;
        Some(text)
    }

    /// The next octets as an array.
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(u8::from_le_bytes)
    }

    pub(super) fn u16_le(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32_le(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64_le(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn u16_be(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32_be(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64_be(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn a_cursor_stays_within_its_slice() {
        let mut cursor = Cursor::new(b"\x01\x02\x03ab\0c");
        assert_eq!(cursor.u16_le(), Some(0x0201));
        assert_eq!(cursor.u32_be(), Some(0x0361_6200));
        assert_eq!(cursor.u16_le(), None);
        assert_eq!(cursor.u8(), Some(b'c'));
        assert_eq!(cursor.until_nul(), None);
    }
}
