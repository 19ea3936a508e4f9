//! The model: a table of cells that features point into, and three members over it.
//!
//! In: [`Features`]. Out: log-odds. Each cell counts the spam and ham that had a feature and
//! holds one weight for each linear member. The *sharp* member scales every feature by its
//! Bayesian log-ratio (Wang and Manning 2012), so that what was never seen weighs nothing; the
//! *broad* one takes features as they are, without the Received hosts, and holds better on mail
//! of other times and places; the *Bayesian* one has no weights: it adds the log-ratios of
//! words, sparse bigrams and letters of the text, each by its confidence. Their margins, each
//! divided by its spread, are added and calibrated (Platt 1999).
//!
//! A side that was trained from mail of one kind only knows little of the others: what is unlike
//! it is not yet like the other side. So odds against a uniform side count in full only where
//! the message is also better known to the side that they speak for.
//!
//! Cells are atomic: one writer may learn while any number of scans read. A scan during a
//! lesson sees some cells before it and some after, which moves its score by less than the
//! lesson does. Memory: 12 octets a cell, 48 MiB. Never fails.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use super::features::{Features, VIEWS, View};
use super::record::Record;
use super::school::Standing;
use super::score::Score;
use super::tokens::TABLE_BITS;

/// Cells of a model.
pub(super) const CELLS: usize = 1 << TABLE_BITS;
/// Counted messages a side; after that counts stay and only weights move.
const MOST_COUNTED: u32 = 60_000;
/// Weight of the bias against a unit row.
pub(super) const BIAS: f64 = 0.05;

/// A message so much better known to one side is like it. Chosen, with the two below, with
/// models of two mailing lists' ham, on letters of every other kind and on phish that was kept
/// from them; models of varied mail are the same with and without.
const CLEAR_LEAN: f64 = 0.25;
/// How much of the odds against a wholly uniform side is taken away, and what is left at least.
const DISTRUST: f64 = 1.3;
const LEAST_TRUST: f64 = 0.1;

/// One of the two linear members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    Sharp,
    Broad,
}

impl Member {
    /// How much each view weighs, in the order of [`View::ALL`].
    pub(super) const fn views(self) -> [f32; VIEWS] {
        match self {
            Member::Sharp => [1.0; VIEWS],
            Member::Broad => [1.5, 1.5, 1.5, 1.0, 1.0, 0.7, 0.7, 0.0, 1.0],
        }
    }

    /// What the features of each view are multiplied by: the view's weight shared among its
    /// features, all views of the message together of length one.
    pub(super) fn scales(self, features: &Features) -> [f32; VIEWS] {
        let mut scales = self.views();
        let mut total = 0.0;
        for (scale, view) in scales.iter_mut().zip(View::ALL) {
            let count = features.view(view).len();
            match count {
                0 => *scale = 0.0,
                _ => {
                    total += *scale * *scale;
                    *scale /= (count as f32).sqrt();
                }
            }
        }
        let length = f32::max(total.sqrt(), f32::MIN_POSITIVE);
        scales.map(|scale| scale / length)
    }
}

/// What a message's label says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// Unwanted.
    Spam,
    /// Wanted.
    Ham,
}

impl Label {
    pub(super) fn sign(self) -> f64 {
        match self {
            Label::Spam => 1.0,
            Label::Ham => -1.0,
        }
    }

    pub(super) fn other(self) -> Label {
        match self {
            Label::Spam => Label::Ham,
            Label::Ham => Label::Spam,
        }
    }
}

/// From margins to log-odds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Calibration {
    pub(super) sharp_spread: f32,
    pub(super) broad_spread: f32,
    pub(super) bayes_spread: f32,
    pub(super) slope: f32,
    pub(super) offset: f32,
}

impl Calibration {
    /// For a model that was never trained in batch.
    pub(super) const UNTRAINED: Calibration = Calibration {
        sharp_spread: 1.0,
        broad_spread: 1.0,
        bayes_spread: 60.0,
        slope: 1.0,
        offset: 0.0,
    };

    /// Weighs the members. The weights were chosen by cross-validation in several foldings and
    /// with tables of several sizes, and on mail of another time; they matter little.
    pub(super) fn join(&self, margins: &Margins) -> f64 {
        margins.sharp / f64::from(self.sharp_spread)
            + 0.2 * margins.broad / f64::from(self.broad_spread)
            + 1.25 * margins.bayes / f64::from(self.bayes_spread)
    }
}

/// What the members say: above 0 for spam.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Margins {
    /// The linear member with Bayesian factors.
    pub sharp: f64,
    /// The plain linear member.
    pub broad: f64,
    /// The Bayesian member.
    pub bayes: f64,
    /// The length that the sharp member's row was divided by.
    pub(super) length: f64,
    /// Share of the features that spam has shown, less the share that ham has.
    pub(super) lean: f64,
}

/// Counts and weights of one feature.
#[derive(Debug, Default)]
pub(super) struct Cell {
    counts: AtomicU32,
    sharp: AtomicU32,
    broad: AtomicU32,
}

/// A cell's values at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct CellValues {
    pub(super) spam: u16,
    pub(super) ham: u16,
    pub(super) sharp: f32,
    pub(super) broad: f32,
}

impl Cell {
    pub(super) fn of(values: CellValues) -> Cell {
        Cell {
            counts: AtomicU32::new(u32::from(values.spam) << 16 | u32::from(values.ham)),
            sharp: AtomicU32::new(values.sharp.to_bits()),
            broad: AtomicU32::new(values.broad.to_bits()),
        }
    }

    pub(super) fn values(&self) -> CellValues {
        let counts = self.counts.load(Relaxed);
        CellValues {
            spam: (counts >> 16) as u16,
            ham: (counts & 0xffff) as u16,
            sharp: f32::from_bits(self.sharp.load(Relaxed)),
            broad: f32::from_bits(self.broad.load(Relaxed)),
        }
    }

    fn count(&self, label: Label, step: impl Fn(u16) -> u16) {
        let CellValues { mut spam, mut ham, .. } = self.values();
        match label {
            Label::Spam => spam = step(spam),
            Label::Ham => ham = step(ham),
        }
        self.counts.store(u32::from(spam) << 16 | u32::from(ham), Relaxed);
    }
}

fn logarithms_of(count: u16) -> [f32; 2] {
    let count = f32::from(count);
    [(count + 1.0).ln(), (count + 0.1).ln()]
}

fn add(to: &AtomicU32, what: f64) {
    let now = f64::from(f32::from_bits(to.load(Relaxed)));
    to.store(((now + what) as f32).to_bits(), Relaxed);
}

/// A model.
#[derive(Debug)]
pub struct Model {
    pub(super) cells: Box<[Cell]>,
    pub(super) spam: AtomicU32,
    pub(super) ham: AtomicU32,
    pub(super) sharp_bias: AtomicU32,
    pub(super) broad_bias: AtomicU32,
    pub(super) calibration: Calibration,
    /// How uniform the spam and the ham were that it was trained from, from 0 to 1.
    pub(super) uniformity: [f32; 2],
    record: Mutex<Record>,
    /// Natural logarithms of small counts and one, and of small counts and a tenth.
    logarithms: Box<[[f32; 2]]>,
}

impl Model {
    pub(super) fn of(
        cells: Box<[Cell]>,
        [spam, ham]: [u32; 2],
        [sharp_bias, broad_bias]: [f32; 2],
        calibration: Calibration,
    ) -> Model {
        Model {
            cells,
            spam: AtomicU32::new(spam),
            ham: AtomicU32::new(ham),
            sharp_bias: AtomicU32::new(sharp_bias.to_bits()),
            broad_bias: AtomicU32::new(broad_bias.to_bits()),
            calibration,
            uniformity: [0.0; 2],
            record: Mutex::default(),
            logarithms: (0..1024u16).map(logarithms_of).collect(),
        }
    }

    /// A model that knows nothing.
    pub(super) fn blank() -> Model {
        let cells = std::iter::repeat_with(Cell::default).take(CELLS).collect();
        Model::of(cells, [0; 2], [0.0; 2], Calibration::UNTRAINED)
    }

    /// Spam and ham counted.
    pub fn counted(&self) -> (u32, u32) {
        (self.spam.load(Relaxed), self.ham.load(Relaxed))
    }

    /// Where it comes from.
    pub(super) fn record(&self) -> Record {
        *self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets where it comes from.
    pub(super) fn begin(&mut self, record: Record) {
        *self.record.get_mut().unwrap_or_else(PoisonError::into_inner) = record;
    }

    /// Writes down a lesson.
    pub(super) fn note(&self, label: Label, standing: Standing, now_s: u64) {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).note(label, standing, now_s);
    }

    fn logarithms(&self, count: u16) -> [f32; 2] {
        let known = self.logarithms.get(usize::from(count)).copied();
        known.unwrap_or_else(|| logarithms_of(count))
    }

    /// What one side's messages weigh against the other's in the ratio of a feature.
    pub(super) fn prior(&self) -> f32 {
        let (spam, ham) = self.counted();
        ((ham as f32 + 2.0) / (spam as f32 + 2.0)).ln()
    }

    /// The Bayesian log-ratio of a feature; 0 for one that was never seen.
    pub(super) fn ratio(&self, values: CellValues, prior: f32) -> f32 {
        match (values.spam, values.ham) {
            (0, 0) => 0.0,
            (spam, ham) => {
                let ([spam, _], [ham, _]) = (self.logarithms(spam), self.logarithms(ham));
                spam - ham + prior
            }
        }
    }

    /// The log-ratio of a feature by its confidence, as CRM114 weighs sparse bigrams: by how
    /// clearly it parts the two kinds, and by how often it was seen. None if it never was.
    fn confident_ratio(&self, values: CellValues, sides: (f32, f32), prior: f32) -> Option<f32> {
        let CellValues { spam, ham, .. } = values;
        let seen = f32::from(spam) + f32::from(ham);
        if seen == 0.0 {
            return None;
        }
        let ([_, spam_log], [_, ham_log]) = (self.logarithms(spam), self.logarithms(ham));
        let (in_spam, in_ham) = (f32::from(spam) / sides.0, f32::from(ham) / sides.1);
        let clear = (in_spam - in_ham) / (in_spam + in_ham);
        Some((spam_log - ham_log + prior) * clear * clear * (1.0 - 1.0 / (1.0 + seen)))
    }

    /// Margin of the Bayesian member.
    fn bayes_margin(&self, features: &Features) -> f64 {
        let (spam, ham) = self.counted();
        if spam.min(ham) == 0 {
            return 0.0;
        }
        let (spam, ham) = (spam as f32, ham as f32);
        let prior = ((ham + 0.2) / (spam + 0.2)).ln();
        let of_view = |view| {
            let (mut sum, mut known) = (0.0f64, 0u32);
            for slot in features.view(view) {
                let Some(cell) = self.cells.get(*slot as usize) else { continue };
                if let Some(ratio) = self.confident_ratio(cell.values(), (spam, ham), prior) {
                    sum += f64::from(ratio);
                    known += 1;
                }
            }
            sum / f64::from(known.max(1)).sqrt()
        };
        of_view(View::Words) + of_view(View::Letters)
    }

    /// From how many messages of each side on a feature is known to it. The side of which more
    /// was learned has seen more of everything, by that alone.
    fn familiar_from(&self) -> [u16; 2] {
        let (spam, ham) = self.counted();
        let from = |own: u32, other: u32| (own / (2 * other.max(1))).clamp(1, 1000) as u16;
        [from(spam, ham), from(ham, spam)]
    }

    /// Margins of all members.
    pub(super) fn margins(&self, features: &Features) -> Margins {
        let [spam_from, ham_from] = self.familiar_from();
        let mut lean = 0i64;
        let prior = self.prior();
        let (mut sharp, mut square, mut broad) = (0.0f64, 0.0f64, 0.0f64);
        let sharp_scales = Member::Sharp.scales(features);
        let broad_scales = Member::Broad.scales(features);
        for ((view, sharp_scale), broad_scale) in
            View::ALL.into_iter().zip(sharp_scales).zip(broad_scales)
        {
            let (mut view_sharp, mut view_square, mut view_broad) = (0.0f32, 0.0f32, 0.0f32);
            for slot in features.view(view) {
                let Some(cell) = self.cells.get(*slot as usize) else { continue };
                let values = cell.values();
                let ratio = self.ratio(values, prior);
                view_sharp += ratio * values.sharp;
                view_square += ratio * ratio;
                view_broad += values.broad;
                lean += i64::from(values.spam >= spam_from) - i64::from(values.ham >= ham_from);
            }
            sharp += f64::from(view_sharp * sharp_scale);
            square += f64::from(view_square * sharp_scale * sharp_scale);
            broad += f64::from(view_broad * broad_scale);
        }
        let length = square.sqrt();
        let sharp = if length > 0.0 { sharp / length } else { 0.0 };
        let bias = |bias: &AtomicU32| f64::from(f32::from_bits(bias.load(Relaxed)));
        Margins {
            sharp: sharp + bias(&self.sharp_bias),
            broad: broad + bias(&self.broad_bias),
            bayes: self.bayes_margin(features),
            length,
            lean: lean as f64 / features.len().max(1) as f64,
        }
    }

    /// Log-odds that a message with these features is spam, both kinds taken as equally
    /// frequent.
    pub(super) fn log_odds(&self, features: &Features) -> f64 {
        let margins = self.margins(features);
        let slope = f64::from(self.calibration.slope);
        let log_odds = slope * self.calibration.join(&margins) + f64::from(self.calibration.offset);
        (log_odds * self.trust(log_odds, margins.lean)).clamp(-Score::FARTHEST, Score::FARTHEST)
    }

    /// How far odds are believed, from 0 to 1.
    fn trust(&self, log_odds: f64, lean: f64) -> f64 {
        let [spam, ham] = self.uniformity.map(f64::from);
        let (uniform, lean) = if log_odds > 0.0 { (ham, lean) } else { (spam, -lean) };
        let clear = (lean / CLEAR_LEAN).clamp(0.0, 1.0);
        (1.0 - DISTRUST * uniform * (1.0 - clear)).clamp(LEAST_TRUST, 1.0)
    }

    /// Takes back what a lesson of the other kind counted. Weights stay: the lesson that
    /// corrects moves them as far as needed. Only one caller at a time.
    pub(super) fn uncount(&self, features: &Features, label: Label) {
        let counter = match label {
            Label::Spam => &self.spam,
            Label::Ham => &self.ham,
        };
        let seen = counter.load(Relaxed);
        if seen == 0 || seen >= MOST_COUNTED {
            return;
        }
        counter.store(seen - 1, Relaxed);
        for slot in View::ALL.into_iter().flat_map(|view| features.view(view)) {
            if let Some(cell) = self.cells.get(*slot as usize) {
                cell.count(label, |count| count.saturating_sub(1));
            }
        }
    }

    /// Learns one message. Each linear member moves towards the right margin by the passive-aggressive
    /// rule (Crammer and others 2006): just as far as needed, and by `most_step` at most. Rows
    /// are of length one, so no message's margin moves by more than the step (and the bias).
    /// The Bayesian member follows the counts, which rise by one. Returns the larger of the two
    /// steps. Only one caller at a time.
    pub(super) fn learn(&self, features: &Features, label: Label, most_step: f64) -> f64 {
        let (seen, counter) = match label {
            Label::Spam => (self.spam.load(Relaxed), &self.spam),
            Label::Ham => (self.ham.load(Relaxed), &self.ham),
        };
        if seen < MOST_COUNTED {
            counter.store(seen + 1, Relaxed);
            for slot in View::ALL.into_iter().flat_map(|view| features.view(view)) {
                if let Some(cell) = self.cells.get(*slot as usize) {
                    cell.count(label, |count| count.saturating_add(1));
                }
            }
        }
        let Margins { sharp, broad, length, .. } = self.margins(features);
        let step = |margin: f64| (1.0 - label.sign() * margin).clamp(0.0, most_step);
        let (sharp_step, broad_step) = (step(sharp), step(broad));
        let prior = self.prior();
        let moves = [
            (Member::Sharp, sharp_step * label.sign() / f64::max(length, 1e-6), &self.sharp_bias),
            (Member::Broad, broad_step * label.sign(), &self.broad_bias),
        ];
        for (member, move_by, bias) in moves {
            for (view, scale) in View::ALL.into_iter().zip(member.scales(features)) {
                for slot in features.view(view) {
                    let Some(cell) = self.cells.get(*slot as usize) else { continue };
                    match member {
                        Member::Sharp => {
                            let ratio = f64::from(self.ratio(cell.values(), prior));
                            add(&cell.sharp, move_by * ratio * f64::from(scale));
                        }
                        Member::Broad => add(&cell.broad, move_by * f64::from(scale)),
                    }
                }
            }
            let step = if member == Member::Sharp { sharp_step } else { broad_step };
            add(bias, step * label.sign() * BIAS);
        }
        sharp_step.max(broad_step)
    }
}
