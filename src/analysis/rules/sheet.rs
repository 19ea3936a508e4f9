//! What is noted of a message while it is scanned.
//!
//! In: reports, spot by spot. Out: what was found where first, and how often. What is already
//! settled costs nothing more: a rule that hit once and does not count, a count at its limit.

use std::collections::HashMap;

use super::RuleSet;
use super::form::Form;
use super::near::{Mention, Near, Terms};
use super::plan::{Edge, Part, Start};
use super::seam::Validator;
use super::tally::{Ledger, Tally, VALUES_A_RULE, Value, masked};
use super::text::{Span, Text};
use crate::message::Zone;

/// Something that was found at a spot, the first time in a message.
pub(super) struct Hit {
    pub(super) spot: u32,
    pub(super) zone: Zone,
    pub(super) text: String,
}

/// What is noted of a message.
pub(super) struct Sheet {
    /// In the order in which they were found.
    pub(super) hits: Vec<Hit>,
    pub(super) ledger: Ledger,
    /// Of the spots that count.
    counts: HashMap<u32, u32>,
    /// One bit a spot: whether it is among the hits.
    seen: Vec<u64>,
    tallies: HashMap<u32, Tally>,
    pairs: HashMap<u32, Near>,
    /// Spots with something open in the text at hand.
    open: Vec<u32>,
    open_pairs: Vec<u32>,
}

impl Sheet {
    pub(super) fn new(spots: usize) -> Sheet {
        Sheet {
            hits: Vec::new(),
            ledger: Ledger::default(),
            counts: HashMap::new(),
            seen: vec![0; spots.div_ceil(64)],
            tallies: HashMap::new(),
            pairs: HashMap::new(),
            open: Vec::new(),
            open_pairs: Vec::new(),
        }
    }

    /// How often something was found at a spot; 1 where that is not counted.
    pub(super) fn count_of(&self, spot: u32) -> u32 {
        self.counts.get(&spot).copied().unwrap_or(1)
    }

    /// Whether nothing more can be found at these spots.
    pub(super) fn is_settled(&self, set: &RuleSet, spots: &[u32]) -> bool {
        let is_once = |at: u32| {
            set.plan.spots.get(at as usize).is_some_and(|spot| matches!(spot.part, Part::Once))
        };
        spots.iter().all(|at| self.is_seen(*at) && is_once(*at))
    }

    /// Notes one report for one spot.
    pub(super) fn note(&mut self, set: &RuleSet, at: u32, text: &Text<'_>, span: Span) {
        let Some(spot) = set.plan.spots.get(at as usize) else { return };
        if spot.zones & text.zone.bit() == 0 {
            return;
        }
        match spot.part {
            Part::Told => {}
            Part::Once => self.first(at, text.zone, || text.excerpt(span.end)),
            Part::Places => {
                if self.is_full(at, spot.most) {
                    return;
                }
                let tally = self.tallies.entry(at).or_default();
                if tally.open() {
                    self.open.push(at);
                }
                if tally.is_elsewhere(span) {
                    *self.counts.entry(at).or_default() += 1;
                    self.first(at, text.zone, || text.excerpt(span.end));
                }
            }
            Part::Values(validator) => {
                if self.is_full(at, spot.most) {
                    return;
                }
                let tally = self.tallies.entry(at).or_default();
                if tally.open() {
                    self.open.push(at);
                }
                if let Some(value) = tally.note(&mut self.ledger, text, span, validator) {
                    self.count(at, spot.most, text, (value, validator));
                }
            }
            Part::Side { pair, edge, validator, start } => {
                let may_grow = !matches!(start, Start::Word(_));
                self.side(set, pair, text, Mention { edge, span, validator, may_grow });
            }
        }
    }

    /// The text is at its end: what is still open counts.
    pub(super) fn close(&mut self, set: &RuleSet, text: &Text<'_>) {
        for at in std::mem::take(&mut self.open) {
            let Some(spot) = set.plan.spots.get(at as usize) else { continue };
            let validator = match spot.part {
                Part::Values(validator) => validator,
                _ => None,
            };
            let Some(tally) = self.tallies.get_mut(&at) else { continue };
            for value in tally.close(&mut self.ledger, text, validator).into_iter().flatten() {
                self.count(at, spot.most, text, (value, validator));
            }
        }
        for pair in std::mem::take(&mut self.open_pairs) {
            let Some(mut near) = self.pairs.remove(&pair) else { continue };
            let Some((terms, _)) = terms(set, pair) else { continue };
            let mut found = Vec::new();
            near.close(&mut self.ledger, text, terms, &mut |value| found.push(value));
            self.pair(set, pair, text, found);
        }
    }

    /// Something without a pattern was found at a spot; `number` tells it from others.
    pub(super) fn told(&mut self, at: u32, zone: Zone, number: u64, text: impl FnOnce() -> String) {
        if !self.is_full(at, VALUES_A_RULE) && self.ledger.is_new(at, number) {
            *self.counts.entry(at).or_default() += 1;
            self.first(at, zone, text);
        }
    }

    fn side(&mut self, set: &RuleSet, pair: u32, text: &Text<'_>, mention: Mention) {
        let Some((terms, _)) = terms(set, pair) else { return };
        if self.is_full(pair, VALUES_A_RULE) || (!terms.counts && self.is_seen(pair)) {
            return;
        }
        let near = self.pairs.entry(pair).or_insert_with(|| {
            self.open_pairs.push(pair);
            Near::default()
        });
        let mut found = Vec::new();
        near.note(&mut self.ledger, text, terms, mention, &mut |value| found.push(value));
        self.pair(set, pair, text, found);
    }

    fn pair(&mut self, set: &RuleSet, pair: u32, text: &Text<'_>, found: Vec<Value>) {
        for value in found {
            let Some((terms, hides)) = terms(set, pair) else { return };
            let counted = match terms.counts {
                true => self.ledger.is_new_in(pair, text, value),
                false => !self.is_seen(pair),
            };
            if !counted || self.is_full(pair, VALUES_A_RULE) {
                continue;
            }
            *self.counts.entry(pair).or_default() += 1;
            self.first(pair, text.zone, || match hides {
                true => masked(text.part(value.start, value.end)),
                false => text.excerpt(value.end),
            });
        }
    }

    fn count(
        &mut self,
        at: u32,
        most: u32,
        text: &Text<'_>,
        (value, validator): (Value, Option<Validator>),
    ) {
        if !self.is_full(at, most) && self.ledger.is_new_in(at, text, value) {
            *self.counts.entry(at).or_default() += 1;
            self.first(at, text.zone, || match validator {
                Some(_) => masked(text.part(value.start, value.end)),
                None => text.excerpt(value.end),
            });
        }
    }

    /// Whether a spot counts no further.
    fn is_full(&self, at: u32, most: u32) -> bool {
        self.counts.get(&at).is_some_and(|count| *count >= most)
    }

    fn is_seen(&self, at: u32) -> bool {
        let word = self.seen.get(at as usize / 64).copied().unwrap_or_default();
        word >> (at % 64) & 1 == 1
    }

    fn first(&mut self, at: u32, zone: Zone, text: impl FnOnce() -> String) {
        let Some(word) = self.seen.get_mut(at as usize / 64) else { return };
        let bit = 1 << (at % 64);
        if *word & bit == 0 {
            *word |= bit;
            self.hits.push(Hit { spot: at, zone, text: text() });
        }
    }
}

/// What the rule of a pair says, and whether what is found must not be shown.
fn terms(set: &RuleSet, pair: u32) -> Option<(Terms, bool)> {
    let spot = set.plan.spots.get(pair as usize)?;
    let rule = set.rules.get(spot.rule)?;
    let Form::Proximity { a, b, within_characters } = &rule.form else { return None };
    let counts = rule.count.is_some() || a.is_validated();
    let terms = Terms { within_characters: *within_characters, counts };
    Some((terms, a.is_validated() || b.is_validated()))
}
