//! What is noted of a message while it is scanned.
//!
//! In: reports, spot by spot. Out: what was found where first, and how often. What is already
//! settled costs nothing more: a rule that hit once and does not count, a count at its limit.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;

use super::RuleSet;
use super::near::{Mention, Near, Terms};
use super::plan::{Leads, Part, Start};
use super::seam::Validator;
use super::spot_set::SpotSet;
use super::tally::{Ledger, Tally, VALUES_A_RULE, Value, masked};
use super::text::{Span, Text};
use crate::message::Zone;

/// What was found at a spot, for the first few of a rule; nobody reads more, and a list of
/// thousands of words would make thousands of them.
pub(super) struct Named {
    pub(super) spot: u32,
    pub(super) zone: Zone,
    /// Where it stands in what is [`said`](Sheet::said).
    text: Range<usize>,
}

/// So many hits of a rule say what was found.
pub(super) const NAMED_HITS: u8 = 8;

/// Elements, or octets, for which a sheet keeps memory between messages.
const KEPT: usize = 4_096;

/// Spots are numbers of the box's own, so no sender can make them collide.
type BySpot<T> = HashMap<u32, T, BuildHasherDefault<SpotHasher>>;

/// Spreads small numbers.
#[derive(Default)]
struct SpotHasher(u64);

impl Hasher for SpotHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.write_u32(u32::from(*octet));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}

/// What is noted of a message.
pub(super) struct Sheet {
    pub(super) ledger: Ledger,
    /// Of the spots that count.
    counts: BySpot<u32>,
    /// What was found, one after the other: a text of its own for each would cost more than the
    /// engine takes for a short message.
    said: String,
    /// In the order in which they were found.
    named: Vec<Named>,
    /// By rule, hits that say what was found.
    named_of: BySpot<u8>,
    /// A rule of which enough hits do; what follows of it needs no look.
    fully_named: u32,
    /// Where something was found.
    seen: SpotSet,
    tallies: BySpot<Tally>,
    pairs: BySpot<Box<Near>>,
    /// Spots with something open in the text at hand.
    open: Vec<u32>,
    open_pairs: Vec<u32>,
}

impl Sheet {
    pub(super) fn new(spots: usize) -> Sheet {
        Sheet {
            ledger: Ledger::default(),
            counts: BySpot::default(),
            said: String::new(),
            named: Vec::new(),
            named_of: BySpot::default(),
            fully_named: u32::MAX,
            seen: SpotSet::new(spots),
            tallies: BySpot::default(),
            pairs: BySpot::default(),
            open: Vec::new(),
            open_pairs: Vec::new(),
        }
    }

    /// How often something was found at a spot; 1 where that is not counted.
    pub(super) fn count_of(&self, spot: u32) -> u32 {
        self.counts.get(&spot).copied().unwrap_or(1)
    }

    /// The spots where something was found, ascending.
    pub(super) fn found(&self) -> impl Iterator<Item = u32> {
        self.seen.iter()
    }

    /// Brings what was found into the order of spots.
    pub(super) fn sort_named(&mut self) {
        self.named.sort_unstable_by_key(|one| one.spot);
    }

    /// What was found where.
    pub(super) fn named(&self) -> &[Named] {
        &self.named
    }

    /// Makes it ready for the next message. Memory is kept, unless it is more than an ordinary
    /// message needs.
    pub(super) fn clear(&mut self) {
        self.ledger = Ledger::default();
        self.tallies = BySpot::default();
        self.pairs = BySpot::default();
        self.fully_named = u32::MAX;
        self.seen.clear();
        self.said.clear();
        self.said.shrink_to(KEPT);
        self.named.clear();
        self.named.shrink_to(KEPT);
        for counts in [&mut self.open, &mut self.open_pairs] {
            counts.clear();
            counts.shrink_to(KEPT);
        }
        self.counts.clear();
        self.counts.shrink_to(KEPT);
        self.named_of.clear();
        self.named_of.shrink_to(KEPT);
    }

    /// Whether a report can bring nothing more.
    pub(super) fn is_settled(&self, set: &RuleSet, leads: Leads) -> bool {
        let is_once = |at: u32| {
            set.plan.spots.get(at as usize).is_some_and(|spot| matches!(spot.part, Part::Once))
        };
        match leads {
            Leads::Once { spot, .. } => self.is_seen(spot),
            Leads::Spots { first, end } => {
                let mut spots = set.plan.spots_at(first, end).iter();
                spots.all(|at| self.is_seen(*at) && is_once(*at))
            }
        }
    }

    /// Notes a report.
    pub(super) fn report(&mut self, set: &RuleSet, leads: Leads, text: &Text<'_>, span: Span) {
        match leads {
            Leads::Once { spot, rule } => {
                self.first((rule, spot), text.zone, || text.excerpt(span.end));
            }
            Leads::Spots { first, end } => {
                for spot in set.plan.spots_at(first, end) {
                    self.note(set, *spot, text, span);
                }
            }
        }
    }

    /// Notes one report for one spot.
    fn note(&mut self, set: &RuleSet, at: u32, text: &Text<'_>, span: Span) {
        let Some(spot) = set.plan.spots.get(at as usize) else { return };
        if spot.zones & text.zone.bit() == 0 {
            return;
        }
        match spot.part {
            Part::Told | Part::Pair(_) => {}
            Part::Once => {
                self.first((spot.rule, at), text.zone, || text.excerpt(span.end));
            }
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
                    self.first((spot.rule, at), text.zone, || text.excerpt(span.end));
                }
            }
            Part::Values(_) | Part::Alike(_) => {
                if self.is_full(at, spot.most) {
                    return;
                }
                let validator = spot.part.validator();
                let tally = self.tallies.entry(at).or_default();
                if tally.open() {
                    self.open.push(at);
                }
                if let Some(value) = tally.note(&mut self.ledger, text, span, validator) {
                    self.count(set, at, text, (value, validator));
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
            let validator = spot.part.validator();
            let Some(tally) = self.tallies.get_mut(&at) else { continue };
            for value in tally.close(&mut self.ledger, text, validator).into_iter().flatten() {
                self.count(set, at, text, (value, validator));
            }
        }
        for pair in std::mem::take(&mut self.open_pairs) {
            let Some(mut near) = self.pairs.remove(&pair) else { continue };
            let Some(terms) = terms(set, pair) else { continue };
            let mut found = Vec::new();
            near.close(&mut self.ledger, text, terms, &mut |value| found.push(value));
            self.pair(set, pair, text, found);
        }
    }

    /// Something without a pattern was found at a spot; `number` tells it from others.
    pub(super) fn told(
        &mut self,
        set: &RuleSet,
        (at, zone): (u32, Zone),
        number: u64,
        text: impl FnOnce() -> String,
    ) {
        if !self.is_full(at, VALUES_A_RULE) && self.ledger.is_new(at, number) {
            *self.counts.entry(at).or_default() += 1;
            self.first((set.plan.rule_of(at), at), zone, || text().into());
        }
    }

    fn side(&mut self, set: &RuleSet, pair: u32, text: &Text<'_>, mention: Mention) {
        let Some(terms) = terms(set, pair) else { return };
        if self.is_full(pair, VALUES_A_RULE) || (!terms.counts && self.is_seen(pair)) {
            return;
        }
        let near = self.pairs.entry(pair).or_insert_with(|| {
            self.open_pairs.push(pair);
            Box::default()
        });
        let mut found = Vec::new();
        near.note(&mut self.ledger, text, terms, mention, &mut |value| found.push(value));
        self.pair(set, pair, text, found);
    }

    fn pair(&mut self, set: &RuleSet, pair: u32, text: &Text<'_>, found: Vec<Value>) {
        for value in found {
            let Some(terms) = terms(set, pair) else { return };
            let counted = match terms.counts {
                true => self.ledger.is_new_in(pair, text, value),
                false => !self.is_seen(pair),
            };
            if !counted || self.is_full(pair, VALUES_A_RULE) {
                continue;
            }
            *self.counts.entry(pair).or_default() += 1;
            let rule = set.plan.rule_of(pair);
            self.first((rule, pair), text.zone, || match terms.hides {
                true => masked(text.part(value.start, value.end)).into(),
                false => text.excerpt(value.end),
            });
        }
    }

    fn count(
        &mut self,
        set: &RuleSet,
        at: u32,
        text: &Text<'_>,
        (value, validator): (Value, Option<Validator>),
    ) {
        let most = set.plan.spots.get(at as usize).map_or(0, |spot| spot.most);
        if !self.is_full(at, most) && self.ledger.is_new_in(at, text, value) {
            *self.counts.entry(at).or_default() += 1;
            self.first((set.plan.rule_of(at), at), text.zone, || match validator {
                Some(_) => masked(text.part(value.start, value.end)).into(),
                None => text.excerpt(value.end),
            });
        }
    }

    /// Whether a spot counts no further.
    fn is_full(&self, at: u32, most: u32) -> bool {
        self.counts.get(&at).is_some_and(|count| *count >= most)
    }

    fn is_seen(&self, at: u32) -> bool {
        self.seen.contains(at)
    }

    /// What was found, in words.
    pub(super) fn said(&self, one: &Named) -> &str {
        self.said.get(one.text.clone()).unwrap_or_default()
    }

    fn first<'t>(
        &mut self,
        (rule, at): (u32, u32),
        zone: Zone,
        text: impl FnOnce() -> Cow<'t, str>,
    ) {
        if !self.seen.insert(at) || rule == self.fully_named {
            return;
        }
        let named = self.named_of.entry(rule).or_default();
        if *named == NAMED_HITS {
            self.fully_named = rule;
            return;
        }
        *named += 1;
        let start = self.said.len();
        self.said.push_str(&text());
        self.named.push(Named { spot: at, zone, text: start..self.said.len() });
    }
}

/// What the rule of a pair says.
fn terms(set: &RuleSet, pair: u32) -> Option<Terms> {
    match set.plan.spots.get(pair as usize)?.part {
        Part::Pair(terms) => Some(terms),
        _ => None,
    }
}
