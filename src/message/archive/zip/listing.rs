//! The members of a zip archive by name, cheaply and without a purse: for recognition.
//!
//! In: the octets of a file. Out: whether a central directory lies at their end, at most so
//! many members, and the beginnings of members. The first directory that is found is believed;
//! where there is none, local headers are, wherever they stand.

use std::io::Read;

use flate2::read::DeflateDecoder;

use super::directory::{starts, tail_ends};
use super::records::{CENTRAL, Header, LOCAL};
use crate::message::fixed::rest;

/// A member as it is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::message) struct Listed<'o> {
    /// As it is written.
    pub(in crate::message) name: &'o [u8],
    /// Where its local header should be.
    at: usize,
}

/// Whether a central directory ends within reach of the end of the octets.
pub(in crate::message) fn has_directory(octets: &[u8]) -> bool {
    directory(octets).is_some()
}

/// Where the first central directory begins, and what is to be added to the offsets in it.
fn directory(octets: &[u8]) -> Option<(usize, i64)> {
    let ends = tail_ends(octets);
    let mut starts = ends.iter().flat_map(|end| starts(octets, end));
    starts
        .find(|start| rest(octets, start.at).starts_with(CENTRAL))
        .map(|start| (start.at, start.base))
}

/// At most `most` members.
pub(in crate::message) fn list(octets: &[u8], most: usize) -> Vec<Listed<'_>> {
    let mut found = Vec::new();
    if let Some((mut at, base)) = directory(octets) {
        while let Some(header) = Header::central(octets, at).filter(|_| found.len() < most) {
            let local = i64::try_from(header.local).ok().and_then(|local| local.checked_add(base));
            let local = local.and_then(|local| usize::try_from(local).ok());
            let name = octets.get(header.name).unwrap_or_default();
            found.push(Listed { name, at: local.unwrap_or(usize::MAX) });
            at = header.place.end;
        }
    }
    if found.is_empty() {
        let places = memchr::memmem::find_iter(octets, LOCAL).take(most);
        found.extend(places.filter_map(|at| {
            let name = octets.get(Header::local(octets, at)?.name)?;
            Some(Listed { name, at })
        }));
    }
    found
}

/// The beginning of a member, as far as it can be read.
pub(in crate::message) fn beginning(
    octets: &[u8],
    member: &Listed<'_>,
    most_octets: u64,
) -> Option<Vec<u8>> {
    let header = Header::local(octets, member.at)?;
    let data = rest(octets, header.place.end);
    let mut beginning = Vec::new();
    // A broken end does not hide the beginning.
    let _ = match header.method {
        0 => data.take(header.packed.min(most_octets)).read_to_end(&mut beginning),
        8 => DeflateDecoder::new(data).take(most_octets).read_to_end(&mut beginning),
        _ => return None,
    };
    Some(beginning)
}
