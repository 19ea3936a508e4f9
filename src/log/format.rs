//! How segments and records look on the disk. Values in, octets out, and back.
//!
//! A segment begins with a header page that holds its header twice, 2048 octets apart, so
//! that one bad sector does not take the segment. Records follow. Each batch of records
//! begins on a page boundary: a write that was not acknowledged never touches a page that
//! holds something acknowledged.
//!
//! Every record header carries the segment's mark, eight random octets. After damage the
//! mark is what replay looks for, and because nobody outside can know it, no mail can hold
//! text that replay would take for a record. Header, head and body have a CRC-32C each.

use crate::mail::MailId;

/// Unit in which batches are laid out: the page size of file systems and page caches.
pub(super) const PAGE_OCTETS: u64 = 4096;
/// Where the first record stands.
pub(super) const FIRST_RECORD: u64 = PAGE_OCTETS;
/// A record's header.
pub(super) const HEADER_OCTETS: usize = 64;
/// Where the second copy of the segment's header stands.
const SECOND_COPY: usize = 2048;
const MAGIC: [u8; 8] = *b"POSTLOG\n";
const VERSION: u32 = 1;

/// Eight random octets that all records of a segment share.
pub(super) type Mark = [u8; 8];

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// Never used twice in a log.
    pub(super) number: u32,
    /// See [`Mark`].
    pub(super) mark: Mark,
    /// When the segment was begun.
    pub(super) created_ms: u64,
    /// Every sequence number in this log so far is smaller.
    pub(super) first_sequence: u64,
    /// The segment written before this one, 0 for none.
    pub(super) previous: u32,
    /// How many good records that one held when this one was begun.
    pub(super) previous_records: u64,
}

/// What a record says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHeader {
    /// The owner's word.
    pub(super) kind: u8,
    /// The mail that the record speaks of.
    pub(super) mail_id: MailId,
    /// Order of first writing; a copy made by compaction keeps it.
    pub(super) sequence: u64,
    /// Octets of the head.
    pub(super) head_octets: u32,
    /// The segment of the record whose end this one states, 0 for none.
    pub(super) guards: u32,
    /// Octets of the body.
    pub(super) body_octets: u64,
    /// The segment that this copy was made from, 0 for an original.
    pub(super) moved_from: u32,
    /// Of the head.
    pub(super) head_crc: u32,
    /// Of the body.
    pub(super) body_crc: u32,
}

impl RecordHeader {
    /// Header, head and body together; `None` for a nonsensical length.
    pub(super) fn octets(&self) -> Option<u64> {
        let fixed = HEADER_OCTETS as u64 + u64::from(self.head_octets);
        fixed.checked_add(self.body_octets)
    }

    /// On the disk.
    pub(super) fn encode(&self, mark: Mark) -> Vec<u8> {
        let mut octets = Vec::with_capacity(HEADER_OCTETS);
        octets.extend_from_slice(&mark);
        octets.extend_from_slice(&[self.kind, 0, 0, 0]);
        octets.extend_from_slice(self.mail_id.octets());
        octets.extend_from_slice(&self.sequence.to_le_bytes());
        octets.extend_from_slice(&self.head_octets.to_le_bytes());
        octets.extend_from_slice(&self.guards.to_le_bytes());
        octets.extend_from_slice(&self.body_octets.to_le_bytes());
        octets.extend_from_slice(&self.moved_from.to_le_bytes());
        octets.extend_from_slice(&self.head_crc.to_le_bytes());
        octets.extend_from_slice(&self.body_crc.to_le_bytes());
        octets.extend_from_slice(&crc32c::crc32c(&octets).to_le_bytes());
        octets
    }

    /// From the disk; `None` when the octets are not a header of this segment.
    pub(super) fn decode(octets: &[u8], mark: Mark) -> Option<RecordHeader> {
        let mut rest = checked(octets)?;
        let found: Mark = take(&mut rest)?;
        let [kind, _, _, _] = take(&mut rest)?;
        (found == mark).then_some(())?;
        Some(RecordHeader {
            kind,
            mail_id: MailId::from_octets(take(&mut rest)?),
            sequence: u64::from_le_bytes(take(&mut rest)?),
            head_octets: u32::from_le_bytes(take(&mut rest)?),
            guards: u32::from_le_bytes(take(&mut rest)?),
            body_octets: u64::from_le_bytes(take(&mut rest)?),
            moved_from: u32::from_le_bytes(take(&mut rest)?),
            head_crc: u32::from_le_bytes(take(&mut rest)?),
            body_crc: u32::from_le_bytes(take(&mut rest)?),
        })
    }
}

impl SegmentHeader {
    /// The header page.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut copy = Vec::with_capacity(HEADER_OCTETS);
        copy.extend_from_slice(&MAGIC);
        copy.extend_from_slice(&VERSION.to_le_bytes());
        copy.extend_from_slice(&self.number.to_le_bytes());
        copy.extend_from_slice(&self.mark);
        copy.extend_from_slice(&self.created_ms.to_le_bytes());
        copy.extend_from_slice(&self.first_sequence.to_le_bytes());
        copy.extend_from_slice(&self.previous_records.to_le_bytes());
        copy.extend_from_slice(&self.previous.to_le_bytes());
        copy.resize(HEADER_OCTETS - 4, 0);
        copy.extend_from_slice(&crc32c::crc32c(&copy).to_le_bytes());
        let mut page = copy.clone();
        page.resize(SECOND_COPY, 0);
        page.extend_from_slice(&copy);
        page.resize(PAGE_OCTETS as usize, 0);
        page
    }

    /// From the header page, whichever copy is good.
    pub(super) fn decode(page: &[u8]) -> Option<SegmentHeader> {
        let second = page.get(SECOND_COPY..).unwrap_or_default();
        SegmentHeader::decode_copy(page).or_else(|| SegmentHeader::decode_copy(second))
    }

    fn decode_copy(octets: &[u8]) -> Option<SegmentHeader> {
        let mut rest = checked(octets)?;
        let magic: [u8; 8] = take(&mut rest)?;
        let version = u32::from_le_bytes(take(&mut rest)?);
        (magic == MAGIC && version == VERSION).then_some(())?;
        Some(SegmentHeader {
            number: u32::from_le_bytes(take(&mut rest)?),
            mark: take(&mut rest)?,
            created_ms: u64::from_le_bytes(take(&mut rest)?),
            first_sequence: u64::from_le_bytes(take(&mut rest)?),
            previous_records: u64::from_le_bytes(take(&mut rest)?),
            previous: u32::from_le_bytes(take(&mut rest)?),
        })
    }
}

/// The first 60 octets, when the CRC in the next four is theirs.
fn checked(octets: &[u8]) -> Option<&[u8]> {
    let (covered, rest) = octets.split_at_checked(HEADER_OCTETS - 4)?;
    let crc = u32::from_le_bytes(*rest.first_chunk::<4>()?);
    (crc32c::crc32c(covered) == crc).then_some(covered)
}

fn take<const N: usize>(octets: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = octets.split_first_chunk::<N>()?;
    *octets = rest;
    Some(*first)
}

/// The next page boundary at or after `offset`.
pub(super) fn page_after(offset: u64) -> u64 {
    offset.next_multiple_of(PAGE_OCTETS)
}

/// The file name of a segment.
pub(super) fn segment_name(number: u32) -> String {
    format!("{number:08x}.log")
}

/// The segment that a file name stands for.
pub(super) fn segment_number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".log").filter(|digits| digits.len() == 8)?;
    u32::from_str_radix(digits, 16).ok().filter(|number| segment_name(*number) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> RecordHeader {
        RecordHeader {
            kind: 7,
            mail_id: MailId::from_octets([9; 12]),
            sequence: 1 << 40,
            head_octets: 300,
            guards: 3,
            body_octets: 5 << 30,
            moved_from: 2,
            head_crc: 11,
            body_crc: 12,
        }
    }

    #[test]
    fn headers_are_read_as_written_and_any_flipped_bit_is_seen() {
        let mark = *b"\x01\x02\x03\x04\x05\x06\x07\x08";
        let octets = record().encode(mark);
        assert_eq!(octets.len(), HEADER_OCTETS);
        assert_eq!(RecordHeader::decode(&octets, mark), Some(record()));
        assert_eq!(RecordHeader::decode(&octets, [0; 8]), None);
        for bit in 0..HEADER_OCTETS * 8 {
            let mut bad = octets.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(RecordHeader::decode(&bad, mark), None, "bit {bit}");
        }
        for short in 0..HEADER_OCTETS {
            assert_eq!(RecordHeader::decode(&octets[..short], mark), None);
        }
        let huge = RecordHeader { body_octets: u64::MAX, ..record() };
        assert_eq!(huge.octets(), None);
    }

    #[test]
    fn either_copy_of_a_segment_header_will_do() {
        let header = SegmentHeader {
            number: 4,
            mark: [5; 8],
            created_ms: 6,
            first_sequence: 7,
            previous: 3,
            previous_records: 8,
        };
        let page = header.encode();
        assert_eq!(page.len() as u64, PAGE_OCTETS);
        for (first, second, readable) in [(0, 0, true), (1, 0, true), (0, 1, true), (1, 1, false)] {
            let mut bad = page.clone();
            bad[20] ^= first;
            bad[SECOND_COPY + 20] ^= second;
            assert_eq!(SegmentHeader::decode(&bad), readable.then_some(header));
        }
    }

    #[test]
    fn only_segment_names_name_segments() {
        assert_eq!(segment_number(&segment_name(0xab)), Some(0xab));
        for name in ["", "lock", "1.log", "0000000G.log", "000000AB.log", "00000001.log.tmp"] {
            assert_eq!(segment_number(name), None, "{name}");
        }
    }
}
