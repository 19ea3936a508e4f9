//! A text as it is scanned: where it is cut, and how its octets are counted in characters.
//!
//! In: a text and offsets that the engine reports, which may lie within a character. Out: parts
//! of the text, and numbers of characters in constant time.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};

use super::plan::Start;
use super::word::Word;
use crate::message::Zone;

/// Octets of an excerpt.
const EXCERPT_OCTETS: usize = 60;
/// Characters are counted up to every so many octets, once it is worth it; fewer than fit into
/// an octet.
const BLOCK_OCTETS: usize = 128;
/// Octets whose characters are counted one by one before that.
const COUNTED_OCTETS: usize = 64 << 10;

/// A text as the engine sees it.
pub(super) struct Text<'t> {
    pub(super) zone: Zone,
    pub(super) octets: &'t str,
    /// Where the text itself begins, behind a mark.
    pub(super) origin: usize,
    blocks: OnceCell<Vec<u32>>,
    counted_left: Cell<usize>,
}

/// A match; its beginning is not always known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: Option<usize>,
    pub(super) end: usize,
}

impl<'t> Text<'t> {
    pub(super) fn new(zone: Zone, octets: &'t str, origin: usize) -> Text<'t> {
        Text {
            zone,
            octets,
            origin,
            blocks: OnceCell::new(),
            counted_left: Cell::new(COUNTED_OCTETS),
        }
    }

    /// What a report means, in whole characters; nothing for what is only part of a word.
    pub(super) fn span(&self, start: Start, reported: u64, end: u64) -> Option<Span> {
        let end = self.octets.floor_char_boundary(usize::try_from(end).unwrap_or(usize::MAX));
        let start = match start {
            Start::Unknown => None,
            Start::Reported => {
                let start = usize::try_from(reported).unwrap_or(usize::MAX).min(end);
                Some(self.octets.floor_char_boundary(start))
            }
            Start::Fixed(octets) => {
                let start = end.saturating_sub(octets as usize).max(self.origin);
                Some(self.octets.floor_char_boundary(start))
            }
            Start::Word(word) => Some(self.word(word, end)?),
        };
        Some(Span { start, end })
    }

    /// Where a word begins that ends here, when it stands alone. Letters of either case can
    /// differ in octets, so these are counted only where all is ASCII.
    fn word(&self, word: Word, end: usize) -> Option<usize> {
        let octets = self.octets.as_bytes();
        let plain = end.checked_sub(word.characters as usize)?;
        let start = match octets.get(plain..end)?.is_ascii() {
            true => plain,
            false => {
                let last = (word.characters as usize).checked_sub(1)?;
                self.octets.get(..end)?.char_indices().rev().nth(last)?.0
            }
        };
        let before = self.part(self.origin, start).chars().next_back();
        let behind = self.octets.get(end..)?.chars().next();
        (word.before.allows(before) && word.behind.allows(behind)).then_some(start)
    }

    /// A part of the text.
    pub(super) fn part(&self, start: usize, end: usize) -> &'t str {
        self.octets.get(start.max(self.origin)..end).unwrap_or_default()
    }

    /// What stands before an offset, so many octets at most, and where that begins.
    pub(super) fn tail(&self, end: usize, octets: usize) -> (usize, &'t str) {
        let start = end.saturating_sub(octets).max(self.origin);
        let start = self.octets.ceil_char_boundary(start);
        (start, self.part(start, end))
    }

    /// Whether one character lies between two offsets.
    pub(super) fn is_next(&self, end: usize, next: usize) -> bool {
        next > end
            && next - end <= 4
            && self.octets.get(end..next).is_some_and(|part| part.chars().nth(1).is_none())
    }

    /// Whether no more than so many characters stand between two offsets.
    pub(super) fn is_within(&self, from: usize, to: usize, characters: u32) -> bool {
        let (gap, most) = (to.saturating_sub(from), characters as usize);
        if gap <= most || gap > 4 * most {
            return gap <= most;
        }
        match self.counted_left.get().checked_sub(gap) {
            Some(left) => {
                self.counted_left.set(left);
                let between = self.octets.as_bytes().get(from..to).unwrap_or_default();
                between.chunks(BLOCK_OCTETS).map(beginnings).sum::<u32>() <= characters
            }
            None => self.characters(to) - self.characters(from) <= characters,
        }
    }

    /// Characters before an offset.
    fn characters(&self, at: usize) -> u32 {
        let blocks = self.blocks.get_or_init(|| {
            let mut sum = 0;
            let counted = self.octets.as_bytes().chunks(BLOCK_OCTETS).map(|block| {
                let before = sum;
                sum += beginnings(block);
                before
            });
            counted.collect()
        });
        let block = at / BLOCK_OCTETS;
        let octets = self.octets.as_bytes();
        let rest = octets.get(block * BLOCK_OCTETS..at.min(octets.len())).unwrap_or_default();
        let last = blocks.last().copied().unwrap_or_default();
        blocks.get(block).copied().unwrap_or(last) + beginnings(rest)
    }

    /// What stands before the end of a match, on one line.
    pub(super) fn excerpt(&self, end: usize) -> Cow<'t, str> {
        let (_, cut) = self.tail(end, EXCERPT_OCTETS);
        // Without an early end, so that the compiler looks at many octets at once.
        if cut.bytes().fold(true, |plain, octet| plain & (b' '..=b'~').contains(&octet)) {
            return match cut.trim().is_empty() {
                true => Cow::Borrowed(""),
                false => Cow::Borrowed(cut),
            };
        }
        let cut = cut.rsplit('\n').find(|line| !line.trim().is_empty()).unwrap_or_default();
        cut.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
    }
}

/// Characters that begin in a block of no more than [`BLOCK_OCTETS`].
fn beginnings(block: &[u8]) -> u32 {
    let count = |sum: u8, octet: &u8| sum.wrapping_add(u8::from(octet & 0xc0 != 0x80));
    u32::from(block.iter().fold(0, count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::rules::word::Boundary;

    #[test]
    fn characters_are_counted_in_any_script() {
        let octets = "aé€😀 ".repeat(200);
        let text = Text::new(Zone::Body, &octets, 0);
        for (count, (at, _)) in octets.char_indices().enumerate() {
            assert_eq!(text.characters(at) as usize, count);
        }
        assert_eq!(text.characters(octets.len()), 1_000);
        for (count, (at, _)) in octets.char_indices().enumerate() {
            assert!(text.is_within(0, at, count as u32), "{at}");
            assert!(count == 0 || !text.is_within(0, at, count as u32 - 1), "{at}");
        }
        assert_eq!(Text::new(Zone::Body, "", 0).characters(0), 0);
    }

    #[test]
    fn offsets_within_characters_do_no_harm() {
        let text = Text::new(Zone::Body, "é€", 0);
        for end in 0..9 {
            for start in 0..9 {
                let span = text.span(Start::Reported, start, end).unwrap();
                assert!(span.start.is_some_and(|start| start <= span.end));
                text.excerpt(span.end);
                text.span(Start::Fixed(7), start, end);
                for characters in 0..4 {
                    let (before, behind) = (Boundary::Ascii, Boundary::AnyScript);
                    text.span(Start::Word(Word { characters, before, behind }), start, end);
                }
            }
        }
        assert!(text.is_next(0, 2) && !text.is_next(0, 5) && !text.is_next(1, 2));
        assert!(!text.is_next(2, 2));
    }
}
