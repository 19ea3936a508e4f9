//! The summary of a closed segment as a file.
//!
//! In: a [`Summary`]. Out: the file, written whole or not at all, and [`File`], which reads
//! from it only what is asked for.
//!
//! The head: what it is and the version of the form, which domains were protected, the size of
//! the segment, a length and a checksum for each section, the head's own checksum. Sections, in
//! postcard: groups; steps; names by hours, one section for each kind of names; the same
//! of the whole segment, for spans in which it lies whole.
//!
//! Of each list of names the [`NAMES`] most frequent are kept, and the count of the first that
//! is not. A file of another version, segment or list of protected domains, or with a wrong
//! checksum, is no summary: it is made again.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use serde::Serialize;

use super::{Names, Summary};
use crate::journal::flow::{Tally, Topping, Ways};

const HEAD: [u8; 16] = *b"POSTERNJSUMMY\x00\x00\x02";
const TOPPINGS: usize = Topping::ALL.len();
const GROUPS: usize = 0;
const STEPS: usize = 1;
const HOURS: usize = 2;
const WHOLE: usize = HOURS + TOPPINGS;
const SECTIONS: usize = WHOLE + TOPPINGS;
/// Head, protected domains, size, sections, checksum.
const FIXED_OCTETS: usize = HEAD.len() + 16 + SECTIONS * 8 + 4;
/// No section is larger; a length beyond it is damage.
const SECTION_OCTETS: u32 = 64 << 20;
/// Names of one list that are kept.
pub(in crate::journal) const NAMES: usize = 1_000;

/// Begin of the step, group, and what is not zero by its place.
type Step = (u64, u32, Vec<(u8, u64)>);
/// Begin of the hour (of the first one, for the whole segment), group, the count that is not kept
/// any more, names.
type List<'t> = (u64, u32, u64, Vec<(&'t str, u64)>);

/// Writes the summary of a closed segment, whole or not at all.
pub(in crate::journal) fn write(
    summary: &Summary,
    home: u64,
    segment_octets: u64,
    file: &Path,
) -> io::Result<()> {
    let steps: Vec<Step> =
        summary.steps.iter().map(|((step, group), ways)| (*step, *group, sparse(*ways))).collect();
    let mut sections = vec![section(&summary.groups)?, section(&steps)?];
    for topping in 0..TOPPINGS {
        let lists = summary.hours.iter();
        let lists = lists.map(|((hour, group), lists)| (*hour, *group, lists.get(topping)));
        let lists: Vec<List<'_>> = lists
            .filter_map(|(hour, group, list)| {
                let (floor, names) = frequent(list?.iter().map(|(name, count)| (&**name, *count)));
                (!names.is_empty()).then_some((hour, group, floor, names))
            })
            .collect();
        sections.push(section(&lists)?);
    }
    for topping in 0..TOPPINGS {
        let mut whole: BTreeMap<u32, (u64, Vec<&Names>)> = BTreeMap::new();
        // In the order of the hours.
        for ((hour, group), lists) in &summary.hours {
            let (_, together) = whole.entry(*group).or_insert_with(|| (*hour, Vec::new()));
            together.extend(lists.get(topping));
        }
        let together = whole.iter().map(|(group, (first, lists))| {
            let mut names: BTreeMap<&str, u64> = BTreeMap::new();
            for (name, count) in lists.iter().flat_map(|list| list.iter()) {
                *names.entry(name).or_default() += count;
            }
            let (floor, names) = frequent(names.into_iter());
            (*first, *group, floor, names)
        });
        let together: Vec<List<'_>> = together.filter(|list| !list.3.is_empty()).collect();
        sections.push(section(&together)?);
    }
    let mut head = HEAD.to_vec();
    head.extend(home.to_le_bytes());
    head.extend(segment_octets.to_le_bytes());
    for one in &sections {
        head.extend(u32::try_from(one.len()).unwrap_or(u32::MAX).to_le_bytes());
        head.extend(crc32c::crc32c(one).to_le_bytes());
    }
    head.extend(crc32c::crc32c(&head).to_le_bytes());
    let draft = file.with_extension("sum-draft");
    let mut options = fs::OpenOptions::new();
    let mut open = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    open.write_all(&head)?;
    sections.iter().try_for_each(|one| open.write_all(one))?;
    fs::rename(&draft, file)
}

fn section(value: &impl Serialize) -> io::Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(io::Error::other)
}

/// The most frequent names, and the count of the first that is left out.
fn frequent<'t>(names: impl Iterator<Item = (&'t str, u64)>) -> (u64, Vec<(&'t str, u64)>) {
    let mut names: Vec<(&str, u64)> = names.collect();
    names.sort_unstable_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(other.0)));
    let floor = names.get(NAMES).map_or(0, |(_, count)| *count);
    names.truncate(NAMES);
    (floor, names)
}

fn sparse(mut ways: Ways) -> Vec<(u8, u64)> {
    let tallies = [&mut ways.inbound, &mut ways.outbound, &mut ways.internal, &mut ways.own];
    let counts = tallies.into_iter().flat_map(Tally::places).map(|count| *count);
    (0u8..).zip(counts).filter(|(_, count)| *count > 0).collect()
}

fn full(counts: &[(u8, u64)]) -> Ways {
    let mut ways = Ways::default();
    for (place, count) in counts {
        let tallies = [&mut ways.inbound, &mut ways.outbound, &mut ways.internal, &mut ways.own];
        let mut places = tallies.into_iter().flat_map(Tally::places);
        if let Some(own) = places.nth(usize::from(*place)) {
            *own = *count;
        }
    }
    ways
}

/// A summary that is being read.
#[derive(Debug)]
pub(in crate::journal) struct File {
    open: fs::File,
    /// Where each section begins, its length, its checksum.
    sections: Vec<(u64, u32, u32)>,
    pub(in crate::journal) groups: Vec<Vec<String>>,
}

impl File {
    /// `None` when it is not the undamaged summary of a segment of this size.
    pub(in crate::journal) fn open(
        file: &Path,
        home: u64,
        segment_octets: u64,
    ) -> io::Result<Option<File>> {
        let open = fs::File::open(file)?;
        let mut head = [0; FIXED_OCTETS];
        if open.metadata()?.len() < FIXED_OCTETS as u64 {
            return Ok(None);
        }
        open.read_exact_at(&mut head, 0)?;
        let Some((checked, sum)) = head.split_last_chunk::<4>() else { return Ok(None) };
        let expected = [&HEAD[..], &home.to_le_bytes(), &segment_octets.to_le_bytes()].concat();
        let is_good = crc32c::crc32c(checked) == u32::from_le_bytes(*sum);
        let Some(rest) = checked.strip_prefix(expected.as_slice()).filter(|_| is_good) else {
            return Ok(None);
        };
        let (pairs, _) = rest.as_chunks::<8>();
        let mut at = FIXED_OCTETS as u64;
        let mut sections = Vec::with_capacity(SECTIONS);
        for [a, b, c, d, e, f, g, h] in pairs {
            let length = u32::from_le_bytes([*a, *b, *c, *d]);
            sections.push((at, length, u32::from_le_bytes([*e, *f, *g, *h])));
            at += u64::from(length);
        }
        if open.metadata()?.len() != at {
            return Ok(None);
        }
        let mut file = File { open, sections, groups: Vec::new() };
        let groups = file.octets(GROUPS)?;
        file.groups = postcard::from_bytes(&groups).map_err(io::Error::other)?;
        Ok(Some(file))
    }

    fn octets(&self, section: usize) -> io::Result<Vec<u8>> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "damaged");
        let (at, length, sum) = *self.sections.get(section).ok_or_else(damaged)?;
        if length > SECTION_OCTETS {
            return Err(damaged());
        }
        let mut octets = vec![0; length as usize];
        self.open.read_exact_at(&mut octets, at)?;
        (crc32c::crc32c(&octets) == sum).then_some(octets).ok_or_else(damaged)
    }

    /// Shows each step's beginning, group and counts.
    pub(in crate::journal) fn steps(&self, show: &mut dyn FnMut(u64, u32, Ways)) -> io::Result<()> {
        let octets = self.octets(STEPS)?;
        let steps: Vec<Step> = postcard::from_bytes(&octets).map_err(io::Error::other)?;
        steps.iter().for_each(|(step, group, counts)| show(*step, *group, full(counts)));
        Ok(())
    }

    /// Shows lists of names from an hour on: group, the count that is not kept any more, names.
    /// Those of the whole segment where none is of mail that came before.
    pub(in crate::journal) fn lists(
        &self,
        topping: Topping,
        from_hour: u64,
        show: &mut dyn FnMut(u32, u64, &[(&str, u64)]),
    ) -> io::Result<()> {
        let whole = self.octets(WHOLE + topping as usize)?;
        let lists: Vec<List<'_>> = postcard::from_bytes(&whole).map_err(io::Error::other)?;
        if lists.iter().all(|(first, ..)| *first >= from_hour) {
            lists.iter().for_each(|(_, group, floor, names)| show(*group, *floor, names));
            return Ok(());
        }
        let hours = self.octets(HOURS + topping as usize)?;
        let lists: Vec<List<'_>> = postcard::from_bytes(&hours).map_err(io::Error::other)?;
        for (_, group, floor, names) in lists.iter().filter(|(hour, ..)| *hour >= from_hour) {
            show(*group, *floor, names);
        }
        Ok(())
    }
}
