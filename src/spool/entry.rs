//! What memory holds of one queued mail: where its records are, when its time comes, and
//! which recipients are done. Everything else is read from the log when it is asked for.

use std::sync::Arc;

use crate::log::Position;
use crate::mail::MailId;

/// Recipients whose outcomes fit into the entry itself.
const INLINE_RECIPIENTS: u16 = 64;

/// The entry of one mail; its size is what a million queued mails cost.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: MailId,
    pub(super) accept: Position,
    /// The newest durable state record.
    pub(super) state: Option<Position>,
    /// What few mails need.
    rare: Option<Box<Rare>>,
    done: u64,
    /// Seconds since 1970.
    pub(super) next_attempt_s: u32,
    pub(super) attempts: u32,
    pub(super) recipients: u16,
    pub(super) flags: Flags,
    pub(super) place: Place,
}

#[derive(Debug, Default)]
struct Rare {
    judgement: Option<Position>,
    /// Recipients beyond the first 64.
    done: Vec<u64>,
    /// Next hops that an administrator has given, whatever routes and policy say.
    route: Option<Arc<str>>,
}

/// What is so of a mail and stays so over a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flags {
    /// An administrator holds it.
    pub(super) held: bool,
    /// Nobody has looked into it yet.
    pub(super) unscanned: bool,
    /// The sender was told of the delay.
    pub(super) warned: bool,
    /// What was ordered beside delivery is done.
    pub(super) errands_done: bool,
}

/// Where the schedule has the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere: held.
    Nowhere,
    /// In the line of fresh mail.
    Fresh,
    /// In the index of times, under its next attempt.
    Timed,
    /// With a task.
    Leased,
}

impl Entry {
    /// A mail that nothing has happened to yet.
    pub(super) fn new(id: MailId, accept: Position, recipients: u16) -> Entry {
        Entry {
            id,
            accept,
            state: None,
            rare: None,
            done: 0,
            next_attempt_s: 0,
            attempts: 0,
            recipients,
            flags: Flags::default(),
            place: Place::Nowhere,
        }
    }

    /// Whether nothing may be done with it for now.
    pub(super) fn is_held(&self) -> bool {
        self.flags.held || self.flags.unscanned
    }

    /// Whether a recipient has a final outcome.
    pub(super) fn is_done(&self, recipient: u16) -> bool {
        let word = match recipient.checked_sub(INLINE_RECIPIENTS) {
            None => self.done,
            Some(beyond) => {
                let words = self.rare.as_deref().map(|rare| rare.done.as_slice());
                words.unwrap_or_default().get(usize::from(beyond / 64)).copied().unwrap_or(0)
            }
        };
        word >> (recipient % 64) & 1 == 1
    }

    /// Notes a final outcome.
    pub(super) fn set_done(&mut self, recipient: u16) {
        let bit = 1 << (recipient % 64);
        let Some(beyond) = recipient.checked_sub(INLINE_RECIPIENTS) else {
            self.done |= bit;
            return;
        };
        let words = &mut self.rare.get_or_insert_default().done;
        let at = usize::from(beyond / 64);
        if words.len() <= at {
            words.resize(at + 1, 0);
        }
        if let Some(word) = words.get_mut(at) {
            *word |= bit;
        }
    }

    /// Recipients without a final outcome.
    pub(super) fn pending(&self) -> impl Iterator<Item = u16> {
        (0..self.recipients).filter(|recipient| !self.is_done(*recipient))
    }

    /// All outcomes, 64 recipients a word, as a state record has them.
    pub(super) fn done_words(&self) -> Vec<u64> {
        let beyond = self.rare.as_deref().map(|rare| rare.done.as_slice()).unwrap_or_default();
        std::iter::once(self.done).chain(beyond.iter().copied()).collect()
    }

    /// The same way back.
    pub(super) fn set_done_words(&mut self, words: &[u64]) {
        let (first, beyond) = words.split_first().unwrap_or((&0, &[]));
        self.done = *first;
        if beyond.iter().any(|word| *word != 0) {
            self.rare.get_or_insert_default().done = beyond.to_vec();
        }
    }

    /// Next hops that an administrator has given.
    pub(super) fn route(&self) -> Option<Arc<str>> {
        self.rare.as_deref().and_then(|rare| rare.route.clone())
    }

    /// It goes by these from now on, or as everything else does.
    pub(super) fn set_route(&mut self, route: Option<Arc<str>>) {
        if route.is_some() || self.rare.is_some() {
            self.rare.get_or_insert_default().route = route;
        }
    }

    /// The record that replaces the judgement of the accept record.
    pub(super) fn judgement(&self) -> Option<Position> {
        self.rare.as_deref().and_then(|rare| rare.judgement)
    }

    /// There is such a record now; returns the one that it replaces.
    pub(super) fn replace_judgement(&mut self, position: Position) -> Option<Position> {
        self.rare.get_or_insert_default().judgement.replace(position)
    }

    /// That record is now elsewhere.
    pub(super) fn set_judgement(&mut self, position: Position) {
        self.rare.get_or_insert_default().judgement = Some(position);
    }
}
