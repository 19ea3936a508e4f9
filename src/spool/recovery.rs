//! What the spool makes of its log at start.
//!
//! Records come in the order of their places, which compaction changes: a state record may
//! stand before its accept record, and a crash may have left two copies of one record. The
//! sequence numbers say which state is the newest; of two copies the later is kept. An end
//! record stands behind all that it ends, always.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::entry::Entry;
use super::record::{self, ACCEPT, END, JUDGEMENT, STATE};
use super::table::Table;
use super::{QueueCounts, SpoolError, seconds};
use crate::log::{self, Liveness, Log, LogOptions, Position, ReplayReport};
use crate::mail::{Disposition, Judgement, MailId};

/// What was found at start.
#[derive(Debug, Clone, Default)]
pub struct Recovery {
    /// What the log found.
    pub replay: ReplayReport,
    /// The queue as it is now.
    pub counts: QueueCounts,
    /// Mail of which a record cannot be understood; it is held.
    pub unreadable: Vec<MailId>,
}

/// A state or judgement that is the newest so far.
#[derive(Debug)]
struct Newest<T> {
    sequence: u64,
    position: Position,
    value: T,
}

#[derive(Debug, Default)]
struct Replay {
    table: Table,
    /// States and judgements of mail that has not been seen yet.
    states: HashMap<MailId, Newest<record::State>>,
    judgements: HashMap<MailId, Newest<bool>>,
    /// Sequence numbers of the state that each entry has, by place in the table.
    sequences: Vec<u64>,
    dead: Vec<Position>,
    unreadable: Vec<MailId>,
}

/// Opens the log and fills the table from it.
pub(super) fn recover(options: LogOptions) -> Result<(Arc<Log>, Table, Recovery), SpoolError> {
    let mut replay = Replay::default();
    let (log, report) = Log::open(options, &mut |entry| replay.see(&entry))?;
    let (table, dead, unreadable) = replay.finish();
    dead.into_iter().for_each(|position| log.release(position));
    let recovery = Recovery { replay: report, counts: table.counts(), unreadable };
    Ok((log, table, recovery))
}

impl Replay {
    fn see(&mut self, entry: &log::Entry<'_>) -> Liveness {
        match entry.kind {
            ACCEPT => self.accept(entry),
            STATE => self.state(entry),
            JUDGEMENT => self.judgement(entry),
            END => {
                self.end(entry.mail_id);
                return Liveness::Dead;
            }
            kind => {
                // Of another version: kept, because it is not known what it means.
                tracing::error!(mail_id = %entry.mail_id, kind, "a record of unknown kind");
            }
        }
        Liveness::Live
    }

    fn accept(&mut self, entry: &log::Entry<'_>) {
        if let Some(known) = self.table.by_id_mut(entry.mail_id) {
            self.dead.push(std::mem::replace(&mut known.accept, entry.position));
            return;
        }
        let prefix = record::prefix(entry.head);
        let recipients = prefix.map_or(1, |prefix| prefix.recipients);
        let mut mail = Entry::new(entry.mail_id, entry.position, recipients);
        mail.flags.unscanned = prefix.is_some_and(|prefix| prefix.is_unscanned);
        if prefix.is_none() {
            mail.flags.held = true;
            self.unreadable.push(entry.mail_id);
        }
        let Some(slot) = self.table.insert(mail) else { return };
        if self.sequences.len() <= slot as usize {
            self.sequences.resize(slot as usize + 1, 0);
        }
        self.set_sequence(slot, 0);
        if let Some(state) = self.states.remove(&entry.mail_id) {
            self.apply(slot, state);
        }
    }

    fn state(&mut self, entry: &log::Entry<'_>) {
        let Some(value) = record::read_state(entry.head) else {
            self.unreadable.push(entry.mail_id);
            return;
        };
        let (sequence, position) = (entry.sequence, entry.position);
        let found = Newest { sequence, position, value };
        if let Some(slot) = self.table.slot(entry.mail_id) {
            return self.apply(slot, found);
        }
        match self.states.get_mut(&entry.mail_id) {
            Some(known) if known.sequence > sequence => self.dead.push(position),
            Some(known) => self.dead.push(std::mem::replace(known, found).position),
            None => drop(self.states.insert(entry.mail_id, found)),
        }
    }

    fn apply(&mut self, slot: u32, found: Newest<record::State>) {
        let newest = self.sequences.get(slot as usize).copied().unwrap_or(0);
        if newest > found.sequence {
            self.dead.push(found.position);
            return;
        }
        self.set_sequence(slot, found.sequence);
        let state = found.value;
        let replaced = self.table.change(slot, |entry| {
            entry.attempts = state.attempts;
            entry.next_attempt_s = state.next_attempt_s;
            entry.flags.held = state.held;
            entry.flags.unscanned = state.unscanned;
            entry.flags.warned = state.warned;
            entry.flags.errands_done = state.errands_done;
            entry.set_done_words(&state.done);
            entry.set_route((!state.route.is_empty()).then(|| state.route.as_str().into()));
            entry.state.replace(found.position)
        });
        self.dead.extend(replaced.flatten());
    }

    fn judgement(&mut self, entry: &log::Entry<'_>) {
        let judgement = record::read::<Judgement>(entry.head);
        let Some(judgement) = judgement else {
            self.unreadable.push(entry.mail_id);
            return;
        };
        let value = judgement.dispositions.contains(&Disposition::HoldUnscanned);
        let (sequence, position) = (entry.sequence, entry.position);
        match self.judgements.get_mut(&entry.mail_id) {
            Some(known) if known.sequence > sequence => self.dead.push(position),
            Some(known) => {
                let found = Newest { sequence, position, value };
                self.dead.push(std::mem::replace(known, found).position);
            }
            None => {
                let found = Newest { sequence, position, value };
                self.judgements.insert(entry.mail_id, found);
            }
        }
    }

    fn end(&mut self, id: MailId) {
        let slot = self.table.slot(id);
        if let Some(entry) = slot.and_then(|slot| self.table.remove(slot)) {
            self.dead.push(entry.accept);
            self.dead.extend(entry.state);
        }
        self.dead.extend(self.states.remove(&id).map(|state| state.position));
        self.dead.extend(self.judgements.remove(&id).map(|judgement| judgement.position));
    }

    fn set_sequence(&mut self, slot: u32, sequence: u64) {
        if let Some(known) = self.sequences.get_mut(slot as usize) {
            *known = sequence;
        }
    }

    /// Everything was seen: joins what belongs together and fills the schedule.
    fn finish(mut self) -> (Table, Vec<Position>, Vec<MailId>) {
        for (id, judgement) in std::mem::take(&mut self.judgements) {
            let Some(slot) = self.table.slot(id) else {
                self.dead.push(judgement.position);
                continue;
            };
            self.table.change(slot, |entry| {
                entry.set_judgement(judgement.position);
                entry.flags.unscanned = judgement.value;
            });
        }
        // States of mail whose accept record is gone: it ended, and they were not reached
        // by compaction yet.
        self.dead.extend(std::mem::take(&mut self.states).into_values().map(|one| one.position));
        let now_s = seconds(SystemTime::now());
        let ids: Vec<(MailId, bool, u32)> = {
            let fact = |entry: &Entry| (entry.id, entry.pending().next().is_none(), entry.attempts);
            self.table.entries().map(fact).collect()
        };
        for (id, is_done, attempts) in ids {
            let Some(slot) = self.table.slot(id) else { continue };
            if self.unreadable.contains(&id) {
                self.table.change(slot, |entry| entry.flags.held = true);
            }
            if attempts == 0 || is_done {
                self.table.change(slot, |entry| entry.next_attempt_s = now_s);
            }
            self.table.schedule(slot);
        }
        (self.table, self.dead, self.unreadable)
    }
}
