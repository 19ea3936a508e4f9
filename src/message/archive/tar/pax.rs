//! Records of pax extended headers (POSIX.1-2001, "pax Extended Header"), and sparse maps.
//!
//! In: the data of a header of type `x` or `g`. Out: what they say of the next member. A
//! record that is not well formed ends the reading of the others, as it does for their
//! readers.

use super::header::{RUNS, Run};

/// What extended headers say of a member.
#[derive(Debug, Clone, Default)]
pub(super) struct Extended {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// The runs of a sparse file, and its whole size.
    pub(super) runs: Vec<Run>,
    pub(super) whole_size: Option<u64>,
    /// The map of the sparse file stands before its data.
    pub(super) has_map_in_data: bool,
}

impl Extended {
    /// Adds records, `length key=value\n` each, the length in decimal digits and of the whole
    /// record.
    pub(super) fn add(&mut self, mut records: &[u8]) {
        let mut run_offset = 0;
        while let Some((octets, digits)) = decimal(records) {
            let Ok(octets) = usize::try_from(octets) else { return };
            let Some(record) = records.get(digits..octets) else { return };
            let record = record.strip_prefix(b" ").unwrap_or(record);
            let record = record.strip_suffix(b"\n").unwrap_or(record);
            let Some(equals) = memchr::memchr(b'=', record) else { return };
            let (key, value) = record.split_at(equals);
            let value = value.get(1..).unwrap_or_default();
            let number = || decimal(value).map(|(number, _)| number);
            match key {
                b"path" | b"GNU.sparse.name" => self.path = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = number(),
                b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.whole_size = number(),
                b"GNU.sparse.major" => self.has_map_in_data = number() == Some(1),
                b"GNU.sparse.offset" => run_offset = number().unwrap_or_default(),
                b"GNU.sparse.numbytes" if self.runs.len() < RUNS => {
                    self.runs.push((run_offset, number().unwrap_or_default()));
                }
                b"GNU.sparse.map" => self.runs = map(value, b',').0,
                _ => {}
            }
            records = records.get(octets.max(1)..).unwrap_or_default();
        }
    }
}

/// Runs by the map that stands before the data (GNU sparse format 1.0): how many there are,
/// then offset and length of each, a line each; and the octets of the map with its padding.
pub(super) fn map_in_data(data: &[u8]) -> (Vec<Run>, usize) {
    let Some((count, digits)) = decimal(data) else { return (Vec::new(), 0) };
    let rest = data.get(digits + 1..).unwrap_or_default();
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(RUNS);
    let mut runs = Vec::new();
    let mut used = digits + 1;
    let mut rest = rest;
    while runs.len() < count {
        let (Some((offset, first)), true) = (decimal(rest), true) else { break };
        let behind = rest.get(first + 1..).unwrap_or_default();
        let Some((octets, second)) = decimal(behind) else { break };
        runs.push((offset, octets));
        used += first + second + 2;
        rest = behind.get(second + 1..).unwrap_or_default();
    }
    (runs, used.next_multiple_of(super::header::BLOCK))
}

/// Numbers in pairs.
fn map(value: &[u8], separator: u8) -> (Vec<Run>, usize) {
    let mut numbers = value
        .split(|octet| *octet == separator)
        .map(|digits| decimal(digits).map_or(0, |(number, _)| number));
    let mut runs = Vec::new();
    while let (Some(offset), Some(octets)) = (numbers.next(), numbers.next()) {
        if runs.len() == RUNS {
            break;
        }
        runs.push((offset, octets));
    }
    (runs, value.len())
}

/// The number at the beginning, and how many digits it has.
fn decimal(text: &[u8]) -> Option<(u64, usize)> {
    let digits = text.iter().take(20).take_while(|octet| octet.is_ascii_digit()).count();
    let number = std::str::from_utf8(text.get(..digits)?).ok()?.parse().ok()?;
    Some((number, digits))
}

#[cfg(test)]
mod tests {
    use super::{Extended, map_in_data};

    #[test]
    fn records_are_read() {
        let mut extended = Extended::default();
        extended.add(b"14 path=a/b.c\n11 size=77\n22 GNU.sparse.major=1\nrubbish");
        assert_eq!(extended.path.as_deref(), Some(&b"a/b.c"[..]));
        assert_eq!(extended.size, Some(77));
        assert!(extended.has_map_in_data);
        for hostile in [&b"0 a=b\n"[..], b"99999999999999999999 a=b", b"5 a\n", b"", b"3 =\n4"] {
            Extended::default().add(hostile);
        }
        let mut sparse = Extended::default();
        sparse.add(b"26 GNU.sparse.map=0,5,9,2\n");
        assert_eq!(sparse.runs, [(0, 5), (9, 2)]);
    }

    #[test]
    fn maps_stand_before_data() {
        let (runs, octets) = map_in_data(b"2\n0\n5\n9\n2\n\0\0\0");
        assert_eq!((runs, octets), (vec![(0, 5), (9, 2)], 512));
        assert_eq!(map_in_data(b"").1, 0);
        assert_eq!(map_in_data(b"99999\n1").0, []);
    }
}
