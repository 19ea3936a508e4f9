//! The scan of one message: what the engine reports becomes what rules wait for.
//!
//! In: the texts of the message in normal form, zone by zone. Out: [`Hits`]. A report costs
//! constant time, whatever its rule, and memory is bounded for each rule and for all together.
//! Fails only when the engine's memory does; a panic of a validator goes on to the caller.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

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
    failed: Option<String>,
}

/// What a scan works in: to make it anew takes longer than to scan a short message.
pub(super) struct Room {
    /// The engine's own.
    pub(super) scratch: Option<Scratch>,
    /// Empty between two scans.
    sheet: Sheet,
}

impl Room {
    pub(super) fn new(set: &RuleSet) -> Result<Room, RuleError> {
        let scratch = set.database.as_ref().map(|database| database.alloc_scratch()).transpose();
        let scratch = scratch.map_err(|error| RuleError::Engine(error.to_string()))?;
        Ok(Room { scratch, sheet: Sheet::new(set.plan.spots.len()) })
    }
}

/// A room, given back however a scan ends.
struct Lent<'r> {
    set: &'r RuleSet,
    /// There until it is given back.
    room: Option<Room>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(mut room) = self.room.take() {
            room.sheet.clear();
            self.set.idle().push(room);
        }
    }
}

impl std::fmt::Debug for Scan<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let found = self.lent.room.as_ref().map_or(0, |room| room.sheet.found().count());
        write!(out, "Scan({found} hits)")
    }
}

impl<'r> Scan<'r> {
    pub(super) fn new(set: &'r RuleSet, room: Room) -> Scan<'r> {
        Scan { set, lent: Lent { set, room: Some(room) }, failed: None }
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
        if let Some(room) = &mut self.lent.room {
            ask::ask(self.set, &mut room.sheet, zone, text);
        }
    }

    fn pass(&mut self, text: &Text<'_>, reach: Reach) {
        let (set, Some(room)) = (self.set, &mut self.lent.room) else { return };
        let (Some(database), Some(scratch)) = (&set.database, &room.scratch) else { return };
        let sheet = &mut room.sheet;
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
    pub fn finish(mut self, weights: &Weights) -> Result<Hits, RuleError> {
        match (self.failed.take(), &mut self.lent.room) {
            (Some(failed), _) => Err(RuleError::Engine(failed)),
            (None, Some(room)) => Ok(Hits::of(self.set, &mut room.sheet, weights)),
            (None, None) => Ok(Hits::default()),
        }
    }
}
