//! All queued mail in memory: entries in chunks that never move, an index by name, and the
//! schedule: a line of fresh mail and an index of times.
//!
//! Invariant: [`Entry::place`] says in which of the two an entry stands, so that a place in
//! the line that an entry has left means nothing. Counts are kept as entries change.

use std::collections::{BTreeSet, HashMap, VecDeque};

use serde::Serialize;

use super::entry::{Entry, Place};
use crate::mail::MailId;

const CHUNK: usize = 4096;

/// What an administrator sees of a mail's place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum QueueState {
    /// Waits for its first attempt, or is being delivered now.
    Active,
    /// Was tried and waits for the next attempt.
    Deferred,
    /// Waits for an administrator.
    Hold,
    /// Waits to be scanned; is never delivered before.
    Unscanned,
}

/// How many mails are in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct QueueCounts {
    /// [`QueueState::Active`].
    pub active: u64,
    /// Those of the active that a task has now.
    pub in_delivery: u64,
    /// [`QueueState::Deferred`].
    pub deferred: u64,
    /// [`QueueState::Hold`].
    pub hold: u64,
    /// [`QueueState::Unscanned`].
    pub unscanned: u64,
}

impl QueueCounts {
    /// All mail in the queue.
    pub fn total(&self) -> u64 {
        self.active + self.deferred + self.hold + self.unscanned
    }

    fn of(&mut self, state: QueueState) -> &mut u64 {
        match state {
            QueueState::Active => &mut self.active,
            QueueState::Deferred => &mut self.deferred,
            QueueState::Hold => &mut self.hold,
            QueueState::Unscanned => &mut self.unscanned,
        }
    }
}

impl Entry {
    /// What an administrator sees.
    pub(super) fn queue_state(&self) -> QueueState {
        match (self.place, self.flags.unscanned, self.flags.held) {
            (Place::Leased, ..) => QueueState::Active,
            (_, true, _) => QueueState::Unscanned,
            (_, _, true) => QueueState::Hold,
            _ if self.attempts > 0 => QueueState::Deferred,
            _ => QueueState::Active,
        }
    }
}

/// See the head of the file. Places in the table are numbers that are used again.
#[derive(Debug, Default)]
pub(super) struct Table {
    chunks: Vec<Vec<Option<Entry>>>,
    unused: Vec<u32>,
    index: HashMap<MailId, u32>,
    fresh: VecDeque<u32>,
    times: BTreeSet<(u32, u32)>,
    counts: QueueCounts,
}

impl Table {
    /// Takes a mail in; it stands nowhere in the schedule.
    pub(super) fn insert(&mut self, entry: Entry) -> Option<u32> {
        let id = entry.id;
        let slot = match self.unused.pop() {
            Some(slot) => slot,
            None => self.new_slot()?,
        };
        self.tally(&entry, 1);
        *self.slot_mut(slot)? = Some(entry);
        self.index.insert(id, slot);
        Some(slot)
    }

    /// Takes a mail out.
    pub(super) fn remove(&mut self, slot: u32) -> Option<Entry> {
        self.unschedule(slot);
        let entry = self.slot_mut(slot)?.take()?;
        self.tally(&entry, -1);
        self.index.remove(&entry.id);
        self.unused.push(slot);
        Some(entry)
    }

    /// Where a mail stands.
    pub(super) fn slot(&self, id: MailId) -> Option<u32> {
        self.index.get(&id).copied()
    }

    /// The mail at a place.
    pub(super) fn at(&self, slot: u32) -> Option<&Entry> {
        let slot = slot as usize;
        self.chunks.get(slot / CHUNK)?.get(slot % CHUNK)?.as_ref()
    }

    /// A mail by name.
    pub(super) fn by_id(&self, id: MailId) -> Option<&Entry> {
        self.at(self.slot(id)?)
    }

    /// A mail by name, to change where its records are and nothing else.
    pub(super) fn by_id_mut(&mut self, id: MailId) -> Option<&mut Entry> {
        let slot = self.slot(id)?;
        self.slot_mut(slot)?.as_mut()
    }

    /// Changes a mail and keeps the counts right. The schedule is changed by the functions
    /// below only.
    pub(super) fn change<T>(&mut self, slot: u32, how: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let entry = self.slot_mut(slot)?.as_mut()?;
        let before = (entry.queue_state(), entry.place == Place::Leased);
        let done = how(entry);
        let after = (entry.queue_state(), entry.place == Place::Leased);
        if before != after {
            self.add(before, -1);
            self.add(after, 1);
        }
        Some(done)
    }

    /// Puts a mail where it belongs: nowhere when it is held, otherwise under its time.
    pub(super) fn schedule(&mut self, slot: u32) {
        self.unschedule(slot);
        let placed = self.change(slot, |entry| {
            entry.place = if entry.is_held() { Place::Nowhere } else { Place::Timed };
            (entry.place == Place::Timed).then_some(entry.next_attempt_s)
        });
        if let Some(Some(next_attempt_s)) = placed {
            self.times.insert((next_attempt_s, slot));
        }
    }

    /// Puts a mail at the end of the line of fresh mail.
    pub(super) fn schedule_fresh(&mut self, slot: u32) {
        self.unschedule(slot);
        self.change(slot, |entry| entry.place = Place::Fresh);
        self.fresh.push_back(slot);
    }

    /// Takes the next fresh mail out of the line, for a task.
    pub(super) fn lease_fresh(&mut self) -> Option<u32> {
        while let Some(slot) = self.fresh.pop_front() {
            let is_there = self.at(slot).is_some_and(|entry| entry.place == Place::Fresh);
            if is_there {
                self.change(slot, |entry| entry.place = Place::Leased);
                return Some(slot);
            }
        }
        None
    }

    /// Takes the mail whose time came first, if it has come, for a task.
    pub(super) fn lease_timed(&mut self, now_s: u32) -> Option<u32> {
        let (_, slot) = self.times.first().copied().filter(|(at_s, _)| *at_s <= now_s)?;
        self.unschedule(slot);
        self.change(slot, |entry| entry.place = Place::Leased);
        Some(slot)
    }

    /// When the next time comes; at once while there is fresh mail.
    pub(super) fn next_time_s(&self) -> Option<u32> {
        match self.fresh.is_empty() {
            false => Some(0),
            true => self.times.first().map(|(at_s, _)| *at_s),
        }
    }

    /// How many are in which state.
    pub(super) fn counts(&self) -> QueueCounts {
        self.counts
    }

    /// All mail, in no order.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.chunks.iter().flatten().flatten()
    }

    /// Takes a mail out of the schedule.
    pub(super) fn unschedule(&mut self, slot: u32) {
        let Some(entry) = self.at(slot) else { return };
        if entry.place == Place::Timed {
            let key = (entry.next_attempt_s, slot);
            self.times.remove(&key);
        }
        self.change(slot, |entry| entry.place = Place::Nowhere);
    }

    fn slot_mut(&mut self, slot: u32) -> Option<&mut Option<Entry>> {
        let slot = slot as usize;
        self.chunks.get_mut(slot / CHUNK)?.get_mut(slot % CHUNK)
    }

    fn new_slot(&mut self) -> Option<u32> {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let before = (self.chunks.len() - 1) * CHUNK;
        let chunk = self.chunks.last_mut()?;
        let slot = u32::try_from(before + chunk.len()).ok()?;
        chunk.push(None);
        Some(slot)
    }

    fn tally(&mut self, entry: &Entry, by: i64) {
        self.add((entry.queue_state(), entry.place == Place::Leased), by);
    }

    fn add(&mut self, (state, is_leased): (QueueState, bool), by: i64) {
        let count = self.counts.of(state);
        *count = count.saturating_add_signed(by);
        if is_leased {
            self.counts.in_delivery = self.counts.in_delivery.saturating_add_signed(by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Position;

    fn resident_octets() -> u64 {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
        pages * 4096
    }

    /// The bound that the house promises for each queued mail, measured on the process.
    #[test]
    fn a_million_queued_mails_cost_less_than_300_octets_each() {
        const MAILS: u32 = 1_000_000;
        let at = Position::example();
        let before = resident_octets();
        let mut table = Table::default();
        for number in 0..MAILS {
            let mut entry = Entry::new(MailId::mint(), at, 3);
            entry.state = Some(at);
            // Times that come in no order, as after a long outage of many destinations.
            entry.next_attempt_s = number.wrapping_mul(2_654_435_761) % 20_000;
            entry.attempts = 3;
            let slot = table.insert(entry).unwrap();
            table.schedule(slot);
        }
        let each = (resident_octets() - before) / u64::from(MAILS);
        println!("{each} octets a queued mail, of which the entry {}", size_of::<Entry>());
        assert!(each <= 300, "{each}");
        assert_eq!(table.counts().deferred, u64::from(MAILS));
        let started = std::time::Instant::now();
        for _ in 0..100_000 {
            table.lease_timed(u32::MAX).unwrap();
        }
        println!("{} ns to find the next mail", started.elapsed().as_nanos() / 100_000);
        assert_eq!(table.counts().in_delivery, 100_000);
    }

    #[test]
    fn places_are_used_again_and_old_places_in_the_line_mean_nothing() {
        let mut table = Table::default();
        let add = |table: &mut Table| {
            let id = MailId::mint();
            let slot = table.insert(Entry::new(id, Position::example(), 1)).unwrap();
            table.schedule_fresh(slot);
            (id, slot)
        };
        let (first, slot) = add(&mut table);
        table.remove(slot).unwrap();
        assert!(table.by_id(first).is_none());
        let (second, again) = add(&mut table);
        assert_eq!(slot, again);
        assert_eq!(table.lease_fresh(), Some(slot));
        assert_eq!(table.at(slot).unwrap().id, second);
        assert_eq!(table.lease_fresh(), None);
        let counts = QueueCounts { active: 1, in_delivery: 1, ..QueueCounts::default() };
        assert_eq!(table.counts(), counts);
        table.change(slot, |entry| (entry.attempts, entry.next_attempt_s) = (1, 50));
        table.schedule(slot);
        assert_eq!(table.counts(), QueueCounts { deferred: 1, ..QueueCounts::default() });
        assert_eq!((table.lease_timed(49), table.next_time_s()), (None, Some(50)));
        assert_eq!(table.lease_timed(50), Some(slot));
        table.change(slot, |entry| entry.flags.held = true);
        table.schedule(slot);
        assert_eq!(table.counts(), QueueCounts { hold: 1, ..QueueCounts::default() });
        assert_eq!(table.lease_timed(u32::MAX), None);
        table.remove(slot).unwrap();
        assert_eq!(table.counts(), QueueCounts::default());
    }

    #[test]
    fn outcomes_are_kept_for_few_and_many_recipients() {
        for recipients in [1u16, 63, 64, 65, 130, 1000] {
            let mut entry = Entry::new(MailId::mint(), Position::example(), recipients);
            for recipient in (0..recipients).step_by(2) {
                entry.set_done(recipient);
            }
            let odd: Vec<u16> = (0..recipients).filter(|recipient| recipient % 2 == 1).collect();
            assert_eq!(entry.pending().collect::<Vec<_>>(), odd);
            let mut other = Entry::new(entry.id, entry.accept, recipients);
            other.set_done_words(&entry.done_words());
            assert_eq!(other.pending().collect::<Vec<_>>(), odd);
        }
    }
}
