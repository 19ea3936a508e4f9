//! Pairs that stand near each other, in either order.
//!
//! In: the matches of the two sides of a proximity rule in one text, in the order of their
//! ends. Out: pairs between whose parts no more than so many characters stand. Each match is
//! compared with the nearest of the other side that ended before it began, which finds every
//! pair in constant time a match: of each side the last [`ENDS`] ends are kept, as many as
//! can lie within a match of so many characters. A rule that counts counts distinct values of
//! its first side; of these no more than [`WAITING`] wait for a second side at a time.

use std::collections::VecDeque;

use super::plan::Edge;
use super::seam::Validator;
use super::tally::{Growth, Ledger, Value};
use super::text::{Span, Text};

/// Ends of one side that are kept.
const ENDS: usize = 256;
/// Values that wait for their second side.
const WAITING: usize = 1_024;

/// What a rule says of its pairs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) within_characters: u32,
    /// Distinct values of the first side count; otherwise one pair is all.
    pub(super) counts: bool,
    /// What is found must not be shown.
    pub(super) hides: bool,
}

/// A match of one side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mention {
    pub(super) edge: Edge,
    pub(super) span: Span,
    pub(super) validator: Option<Validator>,
    /// Whether it may go on; words do not.
    pub(super) may_grow: bool,
}

#[derive(Debug, Default)]
struct Row {
    growth: Growth,
    validator: Option<Validator>,
    /// Ascending.
    ends: VecDeque<usize>,
}

impl Row {
    fn keep(&mut self, end: usize) {
        let at = self.ends.partition_point(|known| *known < end);
        if self.ends.get(at) == Some(&end) {
            return;
        }
        self.ends.insert(at, end);
        if self.ends.len() > ENDS {
            self.ends.pop_front();
        }
    }

    /// The last end that is not behind `start`.
    fn end_before(&self, start: usize) -> Option<usize> {
        let at = self.ends.partition_point(|end| *end <= start).checked_sub(1)?;
        self.ends.get(at).copied()
    }
}

/// The pairs of one rule in one text.
#[derive(Debug, Default)]
pub(super) struct Near {
    a: Row,
    b: Row,
    /// Values of the first side without a second one yet.
    waiting: VecDeque<Value>,
}

impl Near {
    /// Notes a match; gives the values of pairs that are complete.
    pub(super) fn note(
        &mut self,
        ledger: &mut Ledger,
        text: &Text<'_>,
        terms: Terms,
        mention: Mention,
        paired: &mut dyn FnMut(Value),
    ) {
        let Mention { edge, span, validator, may_grow } = mention;
        let other_edge = match edge {
            Edge::A => Edge::B,
            Edge::B => Edge::A,
        };
        let other = self.row(other_edge);
        let ended = |open: Span| {
            let lies_behind = span.start.is_some_and(|start| start >= open.end);
            lies_behind || (span.end > open.end && !text.is_next(open.end, span.end))
        };
        if other.growth.pending.is_some_and(ended)
            && let Some(open) = other.growth.pending.take()
        {
            let validator = other.validator;
            self.settle(ledger, text, terms, (other_edge, open, validator), paired);
        }
        let row = self.row(edge);
        let ended = match may_grow {
            true => {
                row.validator = validator;
                row.growth.note(text, span)
            }
            false => Some(span),
        };
        if let Some(ended) = ended {
            self.settle(ledger, text, terms, (edge, ended, validator), paired);
        }
    }

    /// The text is at its end.
    pub(super) fn close(
        &mut self,
        ledger: &mut Ledger,
        text: &Text<'_>,
        terms: Terms,
        paired: &mut dyn FnMut(Value),
    ) {
        let mut open = [Edge::A, Edge::B].map(|edge| {
            let row = self.row(edge);
            (edge, row.growth.pending.take(), row.validator)
        });
        open.sort_by_key(|(_, span, _)| span.map(|span| span.end));
        for (edge, span, validator) in open {
            if let Some(span) = span {
                self.settle(ledger, text, terms, (edge, span, validator), paired);
            }
        }
        *self = Near::default();
    }

    fn row(&mut self, edge: Edge) -> &mut Row {
        match edge {
            Edge::A => &mut self.a,
            Edge::B => &mut self.b,
        }
    }

    fn settle(
        &mut self,
        ledger: &mut Ledger,
        text: &Text<'_>,
        terms: Terms,
        (edge, span, validator): (Edge, Span, Option<Validator>),
        paired: &mut dyn FnMut(Value),
    ) {
        let Some(value) = ledger.value(text, span, validator) else { return };
        let Value { start, end, .. } = value;
        let within = terms.within_characters;
        let other = match edge {
            Edge::A => &self.b,
            Edge::B => &self.a,
        };
        let is_near = other.end_before(start).is_some_and(|end| text.is_within(end, start, within));
        match (terms.counts, edge) {
            (false, _) | (true, Edge::A) if is_near => paired(value),
            (true, Edge::A) => {
                self.waiting.push_back(value);
                if self.waiting.len() > WAITING {
                    self.waiting.pop_front();
                }
            }
            (true, Edge::B) => {
                let past = self.waiting.partition_point(|known| known.end <= start);
                let is_far = |known: &Value| !text.is_within(known.end, start, within);
                let first = self.waiting.partition_point(is_far);
                for value in self.waiting.drain(first.min(past)..past) {
                    paired(value);
                }
            }
            (false, _) => {}
        }
        self.row(edge).keep(end);
        // A longer match that ends later may yet have begun a little earlier.
        let slack = 4 * within as usize + ENDS;
        while self.waiting.front().is_some_and(|known| known.end + slack < end) {
            self.waiting.pop_front();
        }
    }
}
