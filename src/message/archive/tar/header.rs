//! One header block of a tar archive.
//!
//! In: 512 octets. Out: its fields, or nothing when it is no header. POSIX.1-1988 (ustar),
//! the v7 format before it, and the GNU format.

use std::ops::Range;

use crate::message::fixed::slice;

/// Headers and data begin at multiples of this.
pub(super) const BLOCK: usize = 512;

/// Fields in the header.
const NAME: Range<usize> = 0..100;
const SIZE: Range<usize> = 124..136;
const CHECKSUM: Range<usize> = 148..156;
const KIND: usize = 156;
const LINK: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..263;
const PREFIX: Range<usize> = 345..500;
/// Fields of GNU sparse files: four entries, whether more follow, the whole size.
const SPARSE: usize = 386;
const SPARSE_ENTRIES: usize = 4;
const SPARSE_MORE: usize = 482;
const SPARSE_SIZE: Range<usize> = 483..495;
/// The same in the blocks that follow.
const MORE_ENTRIES: usize = 21;
const MORE_MORE: usize = 504;

/// The fields that matter here.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
    /// The type flag.
    pub(super) kind: u8,
    pub(super) size: u64,
    pub(super) has_right_checksum: bool,
}

/// A run of data in a sparse file: where it goes, and its length.
pub(super) type Run = (u64, u64);

impl Header {
    /// A block that has a header's checksum, or at least a header's magic and a name.
    pub(super) fn read(block: &[u8]) -> Option<Header> {
        let block = block.get(..BLOCK)?;
        let name = text(block, NAME);
        let magic = block.get(MAGIC)?;
        let has_magic = magic.starts_with(b"ustar");
        let has_right_checksum = has_right_checksum(block);
        let looks_like_one = has_magic && !name.is_empty();
        if !has_right_checksum && !looks_like_one {
            return None;
        }
        // The GNU format has other fields where ustar has a prefix of the name.
        let prefix = text(block, PREFIX);
        let is_posix = magic == b"ustar\0";
        let name = match has_magic && is_posix && !prefix.is_empty() {
            true => [prefix, b"/", name].concat(),
            false => name.to_vec(),
        };
        Some(Header {
            name,
            link: text(block, LINK).to_vec(),
            kind: block.get(KIND).copied().unwrap_or_default(),
            size: number(block.get(SIZE)?)?,
            has_right_checksum,
        })
    }
}

/// The runs of a GNU sparse file, the blocks of more runs that follow its header, and its
/// whole size.
pub(super) fn sparse(file: &[u8], at: usize) -> (Vec<Run>, usize, u64) {
    let block = slice(file, at, BLOCK);
    let size = block.get(SPARSE_SIZE).and_then(number).unwrap_or_default();
    let mut runs = entries(block.get(SPARSE..).unwrap_or_default(), SPARSE_ENTRIES);
    let mut has_more = block.get(SPARSE_MORE).is_some_and(|more| *more != 0);
    let mut blocks = 0;
    while has_more && runs.len() < RUNS {
        blocks += 1;
        let block = slice(file, at.saturating_add(blocks * BLOCK), BLOCK);
        runs.extend(entries(block, MORE_ENTRIES));
        has_more = block.get(MORE_MORE).is_some_and(|more| *more != 0);
    }
    (runs, blocks, size)
}

/// Runs that are read of one sparse file.
pub(super) const RUNS: usize = 10_000;

fn entries(block: &[u8], most: usize) -> Vec<Run> {
    let entry = |entry: &[u8]| Some((number(entry.get(..12)?)?, number(entry.get(12..24)?)?));
    let used = |run: &Run| run.0 != 0 || run.1 != 0;
    block.chunks_exact(24).take(most).filter_map(entry).filter(used).collect()
}

/// A field up to its first NUL.
fn text(block: &[u8], place: Range<usize>) -> &[u8] {
    let field = block.get(place).unwrap_or_default();
    field.get(..memchr::memchr(0, field).unwrap_or(field.len())).unwrap_or_default()
}

/// A number in octal digits with blanks or NULs around, or, with the first bit set, in base
/// 256. What is negative or too large for any file is the largest number.
pub(super) fn number(field: &[u8]) -> Option<u64> {
    let first = *field.first()?;
    if first & 0x80 != 0 {
        if first == 0xff {
            return Some(u64::MAX);
        }
        let digits = field.iter().enumerate().map(|(at, octet)| match at {
            0 => octet & 0x7f,
            _ => *octet,
        });
        return digits
            .map(u64::from)
            .try_fold(0_u64, |sum, digit| sum.checked_mul(256)?.checked_add(digit))
            .or(Some(u64::MAX));
    }
    let blank = |octet: &&u8| matches!(octet, b' ' | 0);
    let mut number: u64 = 0;
    for octet in field.iter().skip_while(blank) {
        match octet {
            b'0'..=b'7' => number = number.checked_mul(8)?.checked_add(u64::from(octet - b'0'))?,
            b' ' | 0 => break,
            _ => return None,
        }
    }
    Some(number)
}

/// The sum of all octets, the checksum's own taken as blanks; some old writers took octets as
/// signed.
fn has_right_checksum(block: &[u8]) -> bool {
    let Some(said) = block.get(CHECKSUM).and_then(number) else { return false };
    let (mut sum, mut signed_sum) = (0_i64, 0_i64);
    for (at, octet) in block.iter().enumerate() {
        let octet = if CHECKSUM.contains(&at) { b' ' } else { *octet };
        sum += i64::from(octet);
        signed_sum += i64::from(octet.cast_signed());
    }
    // A block of zeros has no header in it.
    let is_zero = sum == 8 * i64::from(b' ');
    let said = i64::try_from(said).unwrap_or(-1);
    !is_zero && (said == sum || said == signed_sum)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_octal_or_in_base_256() {
        let cases: [(&[u8], Option<u64>); 9] = [
            (b"00000000017\0", Some(15)),
            (b"     17 \0\0\0\0", Some(15)),
            (b"\0\0\0\0\0\0\0\0\0\0\0\0", Some(0)),
            (b"777777777777", Some((1 << 36) - 1)),
            (b"\x80\0\0\0\0\0\0\0\0\0\x01\x02", Some(258)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", Some(u64::MAX)),
            (b"\x8f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", Some(u64::MAX)),
            (b"12x", None),
            (b"", None),
        ];
        for (field, expected) in cases {
            assert_eq!(number(field), expected, "{field:?}");
        }
    }
}
