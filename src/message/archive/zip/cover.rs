//! Parts of a file that something is known to lie in.
//!
//! In: ranges, in any order and overlapping. Out: the gaps between them. Ranges that touch are
//! one, so that a lookup costs the same however many were added.

use std::collections::BTreeMap;
use std::ops::Range;

/// Ranges that do not touch each other, beginning to end.
#[derive(Debug, Default)]
pub(super) struct Cover(BTreeMap<usize, usize>);

impl Cover {
    pub(super) fn add(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        let (mut start, mut end) = (range.start, range.end);
        if let Some((&before, &reach)) = self.0.range(..=start).next_back()
            && reach >= start
        {
            start = before;
            end = end.max(reach);
        }
        while let Some((&next, &reach)) = self.0.range(start..=end).next() {
            self.0.remove(&next);
            end = end.max(reach);
        }
        self.0.insert(start, end);
    }

    pub(super) fn touches(&self, range: &Range<usize>) -> bool {
        let before = self.0.range(..range.end).next_back();
        !range.is_empty() && before.is_some_and(|(_, reach)| *reach > range.start)
    }

    /// The first part from an offset on that nothing covers, up to the end of the file.
    pub(super) fn gap_from(&self, at: usize, file_end: usize) -> Option<Range<usize>> {
        let reach = self.0.range(..=at).next_back().map_or(at, |(_, reach)| *reach);
        let mut start = at.max(reach);
        // Ranges do not touch, so the next one leaves a gap.
        let mut next = self.0.range(start..).next();
        if let Some((&first, &reach)) = next
            && first == start
        {
            start = reach;
            next = self.0.range(start..).next();
        }
        let end = next.map_or(file_end, |(first, _)| *first).min(file_end);
        (start < end).then_some(start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::Cover;

    #[test]
    fn gaps_lie_between_what_is_covered() {
        let mut cover = Cover::default();
        for range in [10..20, 30..40, 15..25, 40..45, 5..6, 50..50] {
            cover.add(range);
        }
        let mut gaps = Vec::new();
        let mut at = 0;
        while let Some(gap) = cover.gap_from(at, 60) {
            at = gap.end;
            gaps.push(gap);
        }
        assert_eq!(gaps, [0..5, 6..10, 25..30, 45..60]);
        assert!(cover.touches(&(24..30)) && cover.touches(&(0..100)) && cover.touches(&(12..13)));
        assert!(!cover.touches(&(25..30)) && !cover.touches(&(12..12)));
    }

    #[test]
    fn everything_and_nothing() {
        let mut cover = Cover::default();
        assert_eq!(cover.gap_from(0, 9), Some(0..9));
        cover.add(0..usize::MAX);
        assert_eq!(cover.gap_from(3, 9), None);
        assert_eq!(Cover::default().gap_from(9, 9), None);
    }
}
