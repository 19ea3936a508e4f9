//! Files that lie in pieces within an image.
//!
//! In: where the pieces of a file lie. Out: a member: a slice of the image when it lies in
//! one piece, otherwise put together within the limits. What lies outside of the image closes
//! the member as damaged, with what came before.

use std::collections::HashSet;

use bytes::Bytes;

use super::guard::{Piece, Pieces};
use crate::message::contents::{Exhausted, Opening};
use crate::message::fixed::exactly;

/// A piece of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Where it lies in the image; nowhere when it is a hole, read as zeros.
    pub(super) offset: Option<u64>,
    pub(super) octets: u64,
}

/// Puts a run behind others; one that follows the last is joined to it.
pub(super) fn push(runs: &mut Vec<Run>, run: Run) {
    if let Some(last) = runs.last_mut() {
        let follows = match (last.offset, run.offset) {
            (Some(last_offset), Some(offset)) => {
                last_offset.checked_add(last.octets) == Some(offset)
            }
            (None, None) => true,
            _ => false,
        };
        if follows {
            last.octets = last.octets.saturating_add(run.octets);
            return;
        }
    }
    runs.push(run);
}

/// Cuts runs after so many octets.
pub(super) fn cut_to(runs: &mut Vec<Run>, octets: u64) {
    let mut left = octets;
    for run in runs.iter_mut() {
        run.octets = run.octets.min(left);
        left -= run.octets;
    }
    runs.retain(|run| run.octets > 0);
}

/// Walks through a file of an image.
pub(super) fn member(
    name: &str,
    runs: &[Run],
    image: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    match runs {
        [] => opening.member(name, Bytes::new()),
        [Run { offset: Some(offset), octets }] if *octets <= opening.member_limit_octets() => {
            opening.stored_member(name, image, *offset, *octets)
        }
        runs => {
            let piece = |run: &Run| match run.offset {
                None => Piece::Zeros(run.octets),
                Some(offset) => {
                    exactly(image, offset, run.octets).map_or(Piece::Missing, Piece::Octets)
                }
            };
            let recorded = runs.iter().filter(|run| run.offset.is_some());
            let packed = recorded.fold(0_u64, |sum, run| sum.saturating_add(run.octets));
            opening.unpack_member(name, Pieces::new(runs.iter().map(piece)), packed)
        }
    }
}

/// The octets of a structure that is read whole, such as a directory; as far as they are
/// there, and no more than `most`.
pub(super) fn whole(runs: &[Run], image: &[u8], most: usize) -> Vec<u8> {
    let mut octets = Vec::new();
    for run in runs {
        let left = (most.saturating_sub(octets.len()) as u64).min(run.octets);
        let Some(offset) = run.offset else {
            octets.resize(octets.len() + usize::try_from(left).unwrap_or_default(), 0);
            continue;
        };
        let there = (image.len() as u64).saturating_sub(offset);
        let piece = exactly(image, offset, left.min(there)).unwrap_or_default();
        octets.extend_from_slice(piece);
        if (piece.len() as u64) < left {
            break;
        }
    }
    octets
}

/// Files that were walked through: an image may list one by several trees and names. The
/// same octets are walked again only under another extension, which may make them another
/// thing.
#[derive(Debug, Default)]
pub(super) struct Seen {
    files: HashSet<(Option<u64>, u64, String)>,
}

impl Seen {
    /// Whether a file is to be walked; notes that it is.
    pub(super) fn is_new(&mut self, name: &str, runs: &[Run]) -> bool {
        let octets = runs.iter().fold(0_u64, |sum, run| sum.saturating_add(run.octets));
        let first = runs.first().and_then(|run| run.offset);
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let extension: String = extension.chars().take(3).flat_map(char::to_lowercase).collect();
        // Files of no octets are told apart by nothing but their names.
        let key = if runs.is_empty() { name.to_lowercase() } else { extension };
        self.files.insert((first, octets, key))
    }
}

#[cfg(test)]
mod tests {
    use super::{Run, cut_to, push, whole};

    #[test]
    fn pieces_are_joined_and_cut() {
        let mut runs = Vec::new();
        for (offset, octets) in [(Some(0), 4), (Some(4), 4), (None, 4), (Some(2), 2)] {
            push(&mut runs, Run { offset, octets });
        }
        assert_eq!(runs.len(), 3);
        assert_eq!(whole(&runs, b"abcdefgh", 99), b"abcdefgh\0\0\0\0cd");
        cut_to(&mut runs, 9);
        assert_eq!(whole(&runs, b"abcdefgh", 99), b"abcdefgh\0");
        let outside = [Run { offset: Some(u64::MAX), octets: u64::MAX }];
        assert_eq!(whole(&outside, b"ab", 9), b"");
    }
}
