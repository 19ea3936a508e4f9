//! The file of a list: what it holds, then its tables, then a checksum.
//!
//! In and out: `PSTNEXA1`, the length of the head and the head (postcard), the lengths of the
//! tables, the tables as numbers in little-endian order, CRC-32C (RFC 3720) of all that. A file that is cut, damaged or made by
//! hand is refused: every length is held against the file's own before memory is taken. The key
//! is in another file; the head holds a digest by which it is known that the key is the right one.

use std::io::{self, Read};

use serde::{Deserialize, Serialize};

use super::keyed::Key;
use super::table::{Parts, Sieve, Table};
use super::words::Accents;

const MAGIC: &[u8; 8] = b"PSTNEXA1";
const MOST_HEAD_OCTETS: usize = 16 << 20;
/// Read at once.
const CHUNK_OCTETS: usize = 1 << 20;

/// What a list is, beside its values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// When it was imported, in seconds since 1970.
    pub imported_s: u64,
    /// The rows of the table that it was made from, those that were left out included.
    pub rows: u32,
    /// Rows that are in it.
    pub used_rows: u32,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Accents are kept.
    pub(super) keeps_accents: bool,
    /// Bit n: there are codes of n + 1 octets.
    pub(super) code_octets: u64,
    /// Bit n: there are values of n + 1 words.
    pub(super) word_counts: u32,
    /// Known under the right key only.
    pub(super) key_check: u64,
}

/// A column of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Column {
    /// As the table's header has it.
    pub name: String,
    /// Cells with a value.
    pub values: u32,
    /// Different values among them.
    pub distinct: u32,
    /// Values that count only beside another one, because they are short or everyday words.
    pub weak: u32,
}

impl Head {
    /// What becomes of accents.
    pub fn accents(&self) -> Accents {
        if self.keeps_accents { Accents::Kept } else { Accents::Folded }
    }
}

/// By this a key is known.
pub(super) fn key_check(key: &Key) -> u64 {
    key.purpose("exact check").hash(b"")
}

/// Why a file is no list.
#[derive(Debug, thiserror::Error)]
pub(in crate::analysis) enum Unfit {
    #[error(transparent)]
    Unreadable(#[from] io::Error),
    #[error("{0}")]
    Damaged(&'static str),
    #[error("its key is another one")]
    OtherKey,
}

/// The octets of a list's file.
pub(super) fn write(head: &Head, parts: &Parts) -> Result<Vec<u8>, Unfit> {
    let about = postcard::to_stdvec(head).map_err(|_| Unfit::Damaged("its head"))?;
    Ok(seal(MAGIC, &about, parts))
}

/// Puts tables into a file, behind what there is to say about them.
pub(in crate::analysis) fn seal(magic: &[u8; 8], about: &[u8], parts: &Parts) -> Vec<u8> {
    let Parts { digests, starts, cells, weak, beginnings, sieve } = parts;
    let all = 8 * (digests.len() + weak.len() + sieve.0.len()) + 4 * (starts.len() + cells.len());
    let mut out = Vec::with_capacity(all + beginnings.len() + about.len() + 64);
    out.extend(magic);
    out.extend(u32::try_from(about.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend(about);
    let lengths = [digests.len(), cells.len(), beginnings.len(), sieve.0.len()];
    out.extend(lengths.iter().flat_map(|length| (*length as u64).to_le_bytes()));
    out.extend(digests.iter().flat_map(|number| number.to_le_bytes()));
    out.extend(starts.iter().flat_map(|number| number.to_le_bytes()));
    out.extend(cells.iter().flat_map(|number| number.to_le_bytes()));
    out.extend(weak.iter().flat_map(|number| number.to_le_bytes()));
    out.extend(beginnings);
    out.extend(sieve.0.iter().flat_map(|number| number.to_le_bytes()));
    out.extend(crc32c::crc32c(&out).to_le_bytes());
    out
}

/// Reads with a running checksum, never more than there is.
struct Input<R> {
    inner: R,
    left: u64,
    crc: u32,
}

impl<R: Read> Input<R> {
    fn fill(&mut self, octets: &mut [u8]) -> Result<(), Unfit> {
        self.left =
            self.left.checked_sub(octets.len() as u64).ok_or(Unfit::Damaged("it is cut off"))?;
        self.inner.read_exact(octets)?;
        self.crc = crc32c::crc32c_append(self.crc, octets);
        Ok(())
    }

    fn take<const COUNT: usize>(&mut self) -> Result<[u8; COUNT], Unfit> {
        let mut octets = [0; COUNT];
        self.fill(&mut octets)?;
        Ok(octets)
    }

    fn octets(&mut self, count: u64) -> Result<Vec<u8>, Unfit> {
        let mut octets = vec![0; self.length(count, 1)?];
        self.fill(&mut octets)?;
        Ok(octets)
    }

    /// A length that the file can hold.
    fn length(&self, count: u64, octets_each: u64) -> Result<usize, Unfit> {
        match count.checked_mul(octets_each).is_some_and(|octets| octets <= self.left) {
            true => usize::try_from(count).map_err(|_| Unfit::Damaged("it is too large")),
            false => Err(Unfit::Damaged("it is cut off")),
        }
    }

    fn numbers<T, const OCTETS: usize>(
        &mut self,
        count: u64,
        number: fn([u8; OCTETS]) -> T,
    ) -> Result<Vec<T>, Unfit> {
        let mut left = self.length(count, OCTETS as u64)?;
        let mut numbers = Vec::with_capacity(left);
        let mut chunk = vec![0; CHUNK_OCTETS.min(left.saturating_mul(OCTETS))];
        while left > 0 {
            let now = left.min(CHUNK_OCTETS / OCTETS);
            let piece = chunk.get_mut(..now * OCTETS).unwrap_or_default();
            self.fill(piece)?;
            numbers.extend(piece.as_chunks::<OCTETS>().0.iter().map(|octets| number(*octets)));
            left -= now;
        }
        Ok(numbers)
    }
}

/// Takes a file of so many octets apart: what is said about the tables, and the tables.
pub(in crate::analysis) fn unseal(
    magic: &[u8; 8],
    inner: impl Read,
    octets: u64,
) -> Result<(Vec<u8>, Parts), Unfit> {
    let mut input = Input { inner, left: octets, crc: 0 };
    if &input.take::<8>()? != magic {
        return Err(Unfit::Damaged("it is not of this kind"));
    }
    let about = u32::from_le_bytes(input.take()?);
    if about as usize > MOST_HEAD_OCTETS {
        return Err(Unfit::Damaged("its head"));
    }
    let about = input.octets(u64::from(about))?;
    let mut length = || Ok::<u64, Unfit>(u64::from_le_bytes(input.take()?));
    let (digests, cells, beginnings, sieve) = (length()?, length()?, length()?, length()?);
    let parts = Parts {
        digests: input.numbers(digests, u64::from_le_bytes)?,
        starts: input.numbers(digests.saturating_add(1), u32::from_le_bytes)?,
        cells: input.numbers(cells, u32::from_le_bytes)?,
        weak: input.numbers(digests.div_ceil(64), u64::from_le_bytes)?,
        beginnings: input.octets(beginnings)?,
        sieve: Sieve(input.numbers(sieve, u64::from_le_bytes)?),
    };
    let crc = input.crc;
    if u32::from_le_bytes(input.take()?) != crc || input.left > 0 {
        return Err(Unfit::Damaged("its checksum is wrong"));
    }
    Ok((about, parts))
}

/// Reads a list of so many octets.
pub(super) fn read(inner: impl Read, octets: u64, key: &Key) -> Result<(Head, Table), Unfit> {
    let (about, parts) = unseal(MAGIC, inner, octets)?;
    let head: Head = postcard::from_bytes(&about).map_err(|_| Unfit::Damaged("its head"))?;
    if head.columns.is_empty() {
        return Err(Unfit::Damaged("it has no columns"));
    }
    // A damaged file is not taken for one with a wrong key.
    if head.key_check != key_check(key) {
        return Err(Unfit::OtherKey);
    }
    let cells = u64::from(head.rows) * head.columns.len() as u64;
    let table = Table::of(parts, cells).ok_or(Unfit::Damaged("its tables"))?;
    Ok((head, table))
}
