//! The scan of one message: what the engine reports becomes what rules wait for.
//!
//! In: the texts of the message in normal form, zone by zone. Out: [`Hits`]. A report costs
//! constant time, whatever its rule, and memory is bounded for each rule and for all together.
//! Fails only when the engine's memory does; a panic of a validator goes on to the caller.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::PoisonError;

use hyperscan::{Matching, Scratch};

use super::outcome::Hits;
use super::plan::Reach;
use super::sheet::Sheet;
use super::text::Text;
use super::{RuleError, RuleSet, ask, mark};
use crate::analysis::weights::Weights;
use crate::message::Zone;

/// The scan of one message.
pub struct Scan<'r> {
    set: &'r RuleSet,
    lent: Lent<'r>,
    sheet: Sheet,
    failed: Option<String>,
}

/// The engine's room to work in, given back however a scan ends: to make a new one takes longer
/// than to scan a short message.
struct Lent<'r> {
    set: &'r RuleSet,
    scratch: Option<Scratch>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(scratch) = self.scratch.take() {
            self.set.scratches.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        }
    }
}

impl std::fmt::Debug for Scan<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Scan({} hits)", self.sheet.found().count())
    }
}

impl<'r> Scan<'r> {
    pub(super) fn new(set: &'r RuleSet, scratch: Option<Scratch>) -> Scan<'r> {
        let sheet = Sheet::new(set.plan.spots.len());
        Scan { set, lent: Lent { set, scratch }, sheet, failed: None }
    }

    /// Scans one text of the message, in normal form.
    pub fn text(&mut self, zone: Zone, text: &str) {
        self.pass(&Text::new(zone, text, 0), Reach::Free);
        let is_awaited = self.set.marked_zones & zone.bit() != 0;
        if let Some(mark) = mark::before(zone).filter(|_| is_awaited) {
            let mut marked = String::with_capacity(text.len() + mark.len());
            marked.extend(mark);
            marked.push_str(text);
            self.pass(&Text::new(zone, &marked, mark.len()), Reach::Marked);
        }
        ask::ask(self.set, &mut self.sheet, zone, text);
    }

    fn pass(&mut self, text: &Text<'_>, reach: Reach) {
        let (Some(database), Some(scratch)) = (&self.set.database, &self.lent.scratch) else {
            return;
        };
        let (set, sheet) = (self.set, &mut self.sheet);
        let zone = text.zone.bit();
        let mut panicked = None;
        let note = |pattern: u32, start: u64, end: u64, _: u32| {
            let Some(probe) = set.plan.probes.get(pattern as usize) else {
                return Matching::Continue;
            };
            if probe.zones & zone == 0 || probe.reach != reach || sheet.is_settled(set, probe.leads)
            {
                return Matching::Continue;
            }
            let Some(span) = text.span(probe.start, start, end) else {
                return Matching::Continue;
            };
            // The engine cannot be unwound through: a panic waits until it has returned.
            match catch_unwind(AssertUnwindSafe(|| sheet.report(set, probe.leads, text, span))) {
                Ok(()) => Matching::Continue,
                Err(panic) => {
                    panicked = Some(panic);
                    Matching::Terminate
                }
            }
        };
        let scanned = database.scan(text.octets, scratch, note);
        if let Some(panic) = panicked {
            resume_unwind(panic);
        }
        if let Err(error) = scanned {
            self.failed = Some(error.to_string());
        }
        sheet.close(set, text);
    }

    /// What the rules found, in the order of the rules.
    pub fn finish(self, weights: &Weights) -> Result<Hits, RuleError> {
        match self.failed {
            Some(failed) => Err(RuleError::Engine(failed)),
            None => Ok(Hits::of(self.set, self.sheet, weights)),
        }
    }
}
