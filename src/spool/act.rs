//! What becomes of queued mail: outcomes, later attempts, and the administrator's acts.
//!
//! Each change is made in memory at once and goes to the log behind it. Outcomes and later
//! attempts are not waited for: if a crash swallows them, the mail is tried again. The
//! administrator's acts return when they are durable.
//!
//! All records of one mail are submitted under the lock of the state, so the log has them in
//! the order of the changes, and the positions that they name are the current ones.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::oneshot;

use super::entry::Place;
use super::record::{self, Outcome};
use super::{Spool, SpoolError, State, seconds};
use crate::log::{LogError, Position, Purpose, Record, Terms};
use crate::mail::{Disposition, Judgement, MailId};

/// Whether an attempt at delivery was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// It was, and failed for now.
    Counts,
    /// There was none, for example because the destination had no free connection.
    DoesNotCount,
}

/// What came of an administrator's act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It is done, durably.
    Done,
    /// There is no such mail in the queue.
    Unknown,
    /// The mail is being delivered just now.
    InDelivery,
    /// The act does not fit the mail's state, for example the release of what is not held.
    /// What was not scanned can only be judged again, or removed.
    Unfit,
}

impl Spool {
    /// Recipients without a final outcome; none when the mail is done.
    pub fn pending(&self, id: MailId) -> Vec<u16> {
        let state = self.state();
        state.table.by_id(id).map(|entry| entry.pending().collect()).unwrap_or_default()
    }

    /// Notes the final outcome for a recipient. With the last one the mail is done and leaves
    /// the queue. Never blocks; a second outcome for the same recipient changes nothing.
    pub fn record(&self, id: MailId, recipient: u16, outcome: Outcome) {
        let mut guard = self.state();
        let state = &mut *guard;
        let Some(slot) = state.table.slot(id) else { return };
        let noted = state.table.change(slot, |entry| {
            let counts = recipient < entry.recipients && !entry.is_done(recipient);
            if counts {
                entry.set_done(recipient);
            }
            (counts, entry.pending().next().is_none())
        });
        match noted {
            Some((true, true)) => self.end(state, slot, Some((recipient, outcome)), None),
            Some((true, false)) => {
                self.write_state(state, slot, String::new(), Some((recipient, outcome)));
            }
            _ => {}
        }
    }

    /// Gives a mail back until a later time.
    pub fn postpone(&self, id: MailId, next_attempt: SystemTime, attempt: Attempt, why: String) {
        let mut guard = self.state();
        let state = &mut *guard;
        let Some(slot) = state.table.slot(id) else { return };
        state.leases.remove(&slot);
        state.uncache(slot);
        state.table.change(slot, |entry| {
            entry.attempts = entry.attempts.saturating_add(u32::from(attempt == Attempt::Counts));
        });
        self.reschedule(state, slot, seconds(next_attempt));
        self.write_state(state, slot, why, None);
        drop(guard);
        self.woken.notify_one();
    }

    /// Notes that the sender was told of the delay.
    pub fn mark_warned(&self, id: MailId) {
        let mut guard = self.state();
        let state = &mut *guard;
        let Some(slot) = state.table.slot(id) else { return };
        state.table.change(slot, |entry| entry.flags.warned = true);
        self.write_state(state, slot, String::new(), None);
    }

    /// Notes that what was ordered beside delivery is done.
    pub fn mark_errands_done(&self, id: MailId) {
        let mut guard = self.state();
        let state = &mut *guard;
        let Some(slot) = state.table.slot(id) else { return };
        state.table.change(slot, |entry| entry.flags.errands_done = true);
        self.write_state(state, slot, String::new(), None);
    }

    /// Holds a mail until it is released. What is being delivered just now is held when that
    /// attempt is over, unless it succeeds.
    pub async fn hold(&self, id: MailId) -> Result<Act, SpoolError> {
        self.act(id, |state, slot| {
            state.uncache(slot);
            state.table.change(slot, |entry| entry.flags.held = true);
            if state.table.at(slot).is_some_and(|entry| entry.place != Place::Leased) {
                state.table.schedule(slot);
            }
            Act::Done
        })
        .await
    }

    /// Lets a held mail go on, at once.
    pub async fn release(&self, id: MailId) -> Result<Act, SpoolError> {
        let now_s = seconds(SystemTime::now());
        self.act(id, |state, slot| {
            let Some(entry) = state.table.at(slot) else { return Act::Unknown };
            if !entry.flags.held || entry.flags.unscanned {
                return Act::Unfit;
            }
            state.table.change(slot, |entry| entry.flags.held = false);
            self.reschedule(state, slot, now_s);
            Act::Done
        })
        .await
    }

    /// Makes a waiting mail due at once.
    pub async fn retry_now(&self, id: MailId) -> Result<Act, SpoolError> {
        let now_s = seconds(SystemTime::now());
        self.act(id, |state, slot| match state.table.at(slot) {
            None => Act::Unknown,
            Some(entry) if entry.is_held() => Act::Unfit,
            Some(entry) => match entry.place {
                Place::Leased => Act::InDelivery,
                Place::Fresh => Act::Done,
                Place::Timed | Place::Nowhere => {
                    self.reschedule(state, slot, now_s);
                    Act::Done
                }
            },
        })
        .await
    }

    /// Sends a mail by other next hops than routes and policy say (with spaces between, in
    /// their order), or by those again when none are given. What is not held is due at once;
    /// what is being delivered just now is left alone.
    pub async fn reroute(&self, id: MailId, hops: Option<&str>) -> Result<Act, SpoolError> {
        let (now_s, route) = (seconds(SystemTime::now()), hops.map(Arc::from));
        self.act(id, |state, slot| {
            if state.table.at(slot).is_some_and(|entry| entry.place == Place::Leased) {
                return Act::InDelivery;
            }
            state.uncache(slot);
            state.table.change(slot, |entry| entry.set_route(route));
            self.reschedule(state, slot, now_s);
            Act::Done
        })
        .await
    }

    /// Takes a mail out of the queue for good, whatever its state. An attempt that is under
    /// way cannot be called back.
    pub async fn remove(&self, id: MailId, by: &str) -> Result<Act, SpoolError> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut guard = self.state();
            let state = &mut *guard;
            let Some(slot) = state.table.slot(id) else { return Ok(Act::Unknown) };
            let pending = state.table.at(slot).and_then(|entry| entry.pending().next());
            let outcome = Outcome::Removed { by: by.to_owned() };
            self.end(state, slot, pending.map(|recipient| (recipient, outcome)), Some(sender));
        }
        receiver.await.map_err(|_| LogError::Closed)??;
        Ok(Act::Done)
    }

    /// Replaces the judgement of a mail that was held unscanned. Unless it is to be held
    /// still, the mail is due at once.
    pub async fn rejudge(&self, id: MailId, judgement: Judgement) -> Result<Act, SpoolError> {
        let is_unscanned = judgement.dispositions.contains(&Disposition::HoldUnscanned);
        let head = record::head_of(&judgement);
        let (sender, receiver) = oneshot::channel();
        {
            let state = self.state();
            let Some(entry) = state.table.by_id(id) else { return Ok(Act::Unknown) };
            let whole = judgement.dispositions.len() == usize::from(entry.recipients);
            if !entry.flags.unscanned || !whole {
                return Ok(Act::Unfit);
            }
            let record = Record { kind: record::JUDGEMENT, mail_id: id, head, body: None };
            let me = self.me.clone();
            let terms = Terms::plain(Purpose::Outcome);
            self.log.append_later_then(record, terms, move |done| {
                let done = done.map(|position| {
                    if let Some(me) = me.upgrade() {
                        me.judged_again(id, position);
                    }
                });
                let _ = sender.send(done);
            })?;
        }
        receiver.await.map_err(|_| LogError::Closed)??;
        // The flag is durable before anybody may deliver: replay reads the judgement itself.
        let now_s = seconds(SystemTime::now());
        match is_unscanned {
            true => Ok(Act::Done),
            false => {
                self.act(id, |state, slot| {
                    state.table.change(slot, |entry| entry.flags.unscanned = false);
                    self.reschedule(state, slot, now_s);
                    Act::Done
                })
                .await
            }
        }
    }

    /// The judgement record is durable. Runs on the log's thread.
    fn judged_again(&self, id: MailId, position: Position) {
        let mut state = self.state();
        let replaced = match state.table.by_id_mut(id) {
            Some(entry) => entry.replace_judgement(position),
            None => return self.needed_until_the_end(state, id, position),
        };
        drop(state);
        replaced.into_iter().for_each(|position| self.log.release(position));
    }

    /// Changes a mail and returns when that is durable.
    async fn act(
        &self,
        id: MailId,
        change: impl FnOnce(&mut State, u32) -> Act,
    ) -> Result<Act, SpoolError> {
        // The reason of the last attempt outlives the act.
        let why = self.reason(id).await;
        let (sender, receiver) = oneshot::channel();
        {
            let mut guard = self.state();
            let state = &mut *guard;
            let Some(slot) = state.table.slot(id) else { return Ok(Act::Unknown) };
            let act = change(state, slot);
            if act != Act::Done {
                return Ok(act);
            }
            self.write_state_and(state, slot, why, None, Some(sender));
        }
        self.woken.notify_one();
        receiver.await.map_err(|_| LogError::Closed)??;
        Ok(Act::Done)
    }

    /// Puts a mail under another time, or nowhere when it is held. What a task holds stays
    /// with that task.
    fn reschedule(&self, state: &mut State, slot: u32, next_attempt_s: u32) {
        if state.leases.contains_key(&slot) {
            return;
        }
        state.table.unschedule(slot);
        state.table.change(slot, |entry| entry.next_attempt_s = next_attempt_s);
        state.table.schedule(slot);
    }

    /// Writes the state of a mail behind its change.
    pub(super) fn write_state(
        &self,
        state: &mut State,
        slot: u32,
        why: String,
        outcome: Option<(u16, Outcome)>,
    ) {
        self.write_state_and(state, slot, why, outcome, None);
    }

    fn write_state_and(
        &self,
        state: &mut State,
        slot: u32,
        why: String,
        outcome: Option<(u16, Outcome)>,
        told: Option<oneshot::Sender<Result<(), LogError>>>,
    ) {
        let Some(entry) = state.table.at(slot) else { return };
        let id = entry.id;
        let head = record::state_head(&record::State {
            attempts: entry.attempts,
            next_attempt_s: entry.next_attempt_s,
            held: entry.flags.held,
            unscanned: entry.flags.unscanned,
            warned: entry.flags.warned,
            errands_done: entry.flags.errands_done,
            route: entry.route().map(|route| route.to_string()).unwrap_or_default(),
            done: entry.done_words(),
            why,
            outcome,
        });
        let record = Record { kind: record::STATE, mail_id: id, head, body: None };
        let me = self.me.clone();
        let done = move |done: Result<Position, LogError>| {
            let done = done.map(|position| {
                if let Some(me) = me.upgrade() {
                    me.state_written(id, position);
                }
            });
            told.map(|told| told.send(done));
        };
        let terms = Terms::plain(Purpose::Outcome);
        if let Err(error) = self.log.append_later_then(record, terms, done) {
            tracing::error!(mail_id = %id, %error, "a change was not recorded");
        }
    }

    /// A state record is durable and replaces the one before. Runs on the log's thread.
    fn state_written(&self, id: MailId, position: Position) {
        let mut state = self.state();
        let replaced = match state.table.by_id_mut(id) {
            Some(entry) => entry.state.replace(position),
            None => return self.needed_until_the_end(state, id, position),
        };
        drop(state);
        replaced.into_iter().for_each(|position| self.log.release(position));
    }

    /// A record became durable after the mail had ended in memory. Until the end is durable
    /// too, replay needs it.
    fn needed_until_the_end(
        &self,
        mut state: std::sync::MutexGuard<'_, State>,
        id: MailId,
        position: Position,
    ) {
        match state.ending.get_mut(&id) {
            Some(positions) => positions.push(position),
            None => {
                drop(state);
                self.log.release(position);
            }
        }
    }

    /// Takes a mail out of memory and writes its obituary.
    pub(super) fn end(
        &self,
        state: &mut State,
        slot: u32,
        last: record::End,
        told: Option<oneshot::Sender<Result<(), LogError>>>,
    ) {
        state.uncache(slot);
        state.leases.remove(&slot);
        let Some(entry) = state.table.remove(slot) else { return };
        let id = entry.id;
        state.ending.insert(id, Vec::new());
        let head = record::head_of(&last);
        let record = Record { kind: record::END, mail_id: id, head, body: None };
        let terms = Terms {
            purpose: Purpose::Outcome,
            ends: Some(entry.accept),
            releases: entry.state.into_iter().chain(entry.judgement()).collect(),
        };
        let me = self.me.clone();
        let done = move |done: Result<Position, LogError>| {
            if let Some(me) = me.upgrade() {
                let positions = me.state().ending.remove(&id);
                let is_durable = done.is_ok();
                let released = positions.filter(|_| is_durable).unwrap_or_default();
                released.into_iter().for_each(|position| me.log.release(position));
            }
            told.map(|told| told.send(done.map(|_| ())));
        };
        if let Err(error) = self.log.append_later_then(record, terms, done) {
            state.ending.remove(&id);
            tracing::error!(mail_id = %id, %error, "an end was not recorded; it will be repeated");
        }
    }
}
