//! From rules to the patterns that the engine is given, and back from a pattern's report to
//! the places in rules that wait for it.
//!
//! In: checked rules. Out: a [`Plan`]. A pattern that several rules have, such as the terms of
//! a lexicon that a proximity rule names, is given to the engine once. A [`Spot`] is a place
//! where something can be found for a rule; spots are numbered in the order of the rules.

use std::collections::HashMap;

use super::compile;
use super::form::{Expression, Flags, Form, Rule, Side};
use super::near::Terms;
use super::seam::{ExactQuery, Validator};
use super::tally::VALUES_A_RULE;
use super::word::Word;

/// In which scan of a text a pattern counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// In that of the text alone.
    Free,
    /// In that of the text behind the mark of its zone.
    Marked,
}

/// Which reports of a pattern are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reports {
    /// One a text will do.
    Once,
    /// Every end of a match.
    Ends,
    /// Every end with its beginning.
    Spans,
}

/// How the beginning of a match is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Start {
    /// Not at all.
    Unknown,
    /// The engine says it.
    Reported,
    /// So many octets before the end.
    Fixed(u32),
    /// So many characters before it, if it is a whole word.
    Word(Word),
}

/// Which side of a proximity rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    A,
    B,
}

/// What a report means to a spot.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// The first one is all that counts.
    Once,
    /// Distinct values count.
    Values(Option<Validator>),
    /// Distinct values that only look like those of the rule.
    Alike(Validator),
    /// Every place counts.
    Places,
    /// A pair of matches near each other.
    Pair(Terms),
    /// One side of the pair at a spot.
    Side { pair: u32, edge: Edge, validator: Option<Validator>, start: Start },
    /// No pattern: something else tells.
    Told,
}

impl Part {
    /// What judges the values that are counted.
    pub(super) fn validator(self) -> Option<Validator> {
        match self {
            Part::Values(validator) => validator,
            Part::Alike(validator) => Some(validator),
            _ => None,
        }
    }
}

/// A place where something can be found for a rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    pub(super) rule: u32,
    pub(super) zones: u8,
    pub(super) part: Part,
    /// What the first find adds to a lexicon's score.
    pub(super) term_score: f32,
    /// No more than so many count.
    pub(super) most: u32,
}

/// What a report of a pattern leads to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Leads {
    /// To one spot of which the first find is all that counts. Nearly all patterns of large
    /// lists are such; what is needed stands here, for each look elsewhere costs as much as all
    /// the rest.
    Once { spot: u32, rule: u32 },
    /// To these spots, by their places in the plan's `order`.
    Spots { first: u32, end: u32 },
}

/// A pattern of the database.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) leads: Leads,
    /// Bits of the zones where any of its spots looks.
    pub(super) zones: u8,
    pub(super) reach: Reach,
    pub(super) start: Start,
}

/// What the engine is to be given.
pub(super) struct Wanted<'r> {
    pub(super) expression: &'r Expression,
    pub(super) marks: Option<&'r str>,
    pub(super) reports: Reports,
    /// For what to say when it is refused.
    pub(super) rule: usize,
    start: Start,
    spots: Vec<u32>,
}

/// What is asked of lists, fingerprints and markings, and for which spots.
#[derive(Debug, Default)]
pub(super) struct Questions {
    pub(super) exact: Vec<(ExactQuery, Vec<u32>)>,
    pub(super) documents: Vec<(String, Vec<u32>)>,
    pub(super) markings: Vec<u32>,
}

/// Who waits for what.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) spots: Vec<Spot>,
    pub(super) probes: Vec<Probe>,
    pub(super) order: Vec<u32>,
    pub(super) questions: Questions,
}

/// Two rules share a pattern when these are the same.
type Sameness<'r> = (&'r str, Flags, Option<&'r str>, Start);

#[derive(Default)]
struct Planner<'r> {
    plan: Plan,
    wanted: Vec<Wanted<'r>>,
    known: HashMap<Sameness<'r>, usize>,
}

impl Plan {
    /// Gathers the patterns of all rules.
    pub(super) fn of(rules: &[Rule]) -> (Plan, Vec<Wanted<'_>>) {
        let mut planner = Planner::default();
        for (at, rule) in rules.iter().enumerate() {
            planner.add(at, rule);
        }
        let Planner { mut plan, wanted, .. } = planner;
        for one in &wanted {
            let first = plan.order.len();
            plan.order.extend(&one.spots);
            let zones = |spot: &u32| plan.spots.get(*spot as usize).map_or(0, |spot| spot.zones);
            let zones = one.spots.iter().map(zones).fold(0, |all, some| all | some);
            let reach = if one.marks.is_some() { Reach::Marked } else { Reach::Free };
            let leads = plan.once(&one.spots).unwrap_or_else(|| {
                let end = u32::try_from(plan.order.len()).unwrap_or(u32::MAX);
                Leads::Spots { first: u32::try_from(first).unwrap_or(u32::MAX), end }
            });
            plan.probes.push(Probe { leads, zones, reach, start: one.start });
        }
        (plan, wanted)
    }

    fn once(&self, spots: &[u32]) -> Option<Leads> {
        let [spot] = *spots else { return None };
        let of = self.spots.get(spot as usize)?;
        matches!(of.part, Part::Once).then_some(Leads::Once { spot, rule: of.rule })
    }

    pub(super) fn spots_at(&self, first: u32, end: u32) -> &[u32] {
        self.order.get(first as usize..end as usize).unwrap_or_default()
    }

    pub(super) fn rule_of(&self, spot: u32) -> u32 {
        self.spots.get(spot as usize).map_or(u32::MAX, |spot| spot.rule)
    }
}

impl<'r> Planner<'r> {
    fn add(&mut self, at: usize, rule: &'r Rule) {
        let number = u32::try_from(at).unwrap_or(u32::MAX);
        let spot =
            |part, most| Spot { rule: number, zones: rule.zones, part, term_score: 0.0, most };
        match &rule.form {
            Form::Pattern { expression, share } => {
                let counts = rule.count.is_some() || expression.validator.is_some();
                let part = match counts {
                    true => Part::Values(expression.validator),
                    false => Part::Once,
                };
                let own = self.spot(spot(part, VALUES_A_RULE));
                self.want(expression, own);
                if let Some(share) = share {
                    let alike = self.spot(spot(Part::Alike(share.among), VALUES_A_RULE));
                    self.want(expression, alike);
                }
            }
            Form::Lexicon { terms, most_per_term, .. } => {
                for term in terms {
                    let part = match (term.validator, most_per_term) {
                        (Some(validator), _) => Part::Values(Some(validator)),
                        (None, 1) => Part::Once,
                        (None, _) => Part::Places,
                    };
                    let term_score = term.term_score;
                    let spot = self.spot(Spot { term_score, ..spot(part, *most_per_term) });
                    self.want(term, spot);
                }
            }
            Form::Proximity { a, b, within_characters } => {
                let terms = Terms {
                    within_characters: *within_characters,
                    counts: rule.count.is_some() || a.is_validated(),
                    hides: a.is_validated() || b.is_validated(),
                };
                let pair = self.spot(spot(Part::Pair(terms), VALUES_A_RULE));
                for (edge, side) in [(Edge::A, a), (Edge::B, b)] {
                    self.side(spot(Part::Told, 0), pair, edge, side);
                }
            }
            Form::Exact(query) => {
                let spot = self.spot(spot(Part::Told, VALUES_A_RULE));
                let asked = &mut self.plan.questions.exact;
                match asked.iter_mut().find(|(known, _)| known == query) {
                    Some((_, spots)) => spots.push(spot),
                    None => asked.push((query.clone(), vec![spot])),
                }
            }
            Form::Fingerprint { documents, .. } => {
                let spot = self.spot(spot(Part::Told, VALUES_A_RULE));
                let asked = &mut self.plan.questions.documents;
                match asked.iter_mut().find(|(known, _)| known == documents) {
                    Some((_, spots)) => spots.push(spot),
                    None => asked.push((documents.clone(), vec![spot])),
                }
            }
            Form::Marking { .. } => {
                let spot = self.spot(spot(Part::Told, VALUES_A_RULE));
                self.plan.questions.markings.push(spot);
            }
        }
    }

    fn side(&mut self, like: Spot, pair: u32, edge: Edge, side: &'r Side) {
        for expression in side.expressions() {
            let validator = expression.validator;
            let start = start_of(expression, Start::Unknown);
            let part = Part::Side { pair, edge, validator, start };
            let spot = self.spot(Spot { part, ..like });
            self.want(expression, spot);
        }
    }

    fn spot(&mut self, spot: Spot) -> u32 {
        self.plan.spots.push(spot);
        u32::try_from(self.plan.spots.len() - 1).unwrap_or(u32::MAX)
    }

    fn want(&mut self, expression: &'r Expression, spot: u32) {
        let Some(of) = self.plan.spots.get(spot as usize).copied() else { return };
        let needs_start = match of.part {
            Part::Once | Part::Told | Part::Pair(_) | Part::Places | Part::Alike(_) => false,
            Part::Values(validator) | Part::Side { validator, .. } => validator.is_none(),
        };
        let start = match needs_start {
            true => start_of(expression, Start::Reported),
            false => start_of(expression, Start::Unknown),
        };
        let reports = match (of.part, start) {
            // The first place may not be a whole word.
            (_, Start::Word(_)) => Reports::Ends,
            (Part::Once, _) => Reports::Once,
            (_, Start::Reported) => Reports::Spans,
            _ => Reports::Ends,
        };
        // Behind a mark the match begins at the mark.
        let marks = expression.marks.as_deref().filter(|_| !needs_start);
        let sameness = (expression.text.as_str(), expression.flags, marks, start);
        let next = self.wanted.len();
        let at = *self.known.entry(sameness).or_insert(next);
        match self.wanted.get_mut(at) {
            Some(known) => {
                known.spots.push(spot);
                if known.reports == Reports::Once {
                    known.reports = reports;
                }
            }
            None => {
                let spots = vec![spot];
                self.wanted.push(Wanted {
                    expression,
                    marks,
                    reports,
                    rule: of.rule as usize,
                    start,
                    spots,
                });
            }
        }
    }
}

/// How the beginnings of matches are known; `otherwise` when not from their length.
fn start_of(expression: &Expression, otherwise: Start) -> Start {
    match (expression.word, otherwise) {
        (Some(word), _) => Start::Word(word),
        (None, Start::Reported) => {
            compile::fixed_octets(expression).map_or(otherwise, Start::Fixed)
        }
        (None, _) => otherwise,
    }
}
