//! The quarantine: copies that are kept from their recipients until somebody releases them
//! or they expire.
//!
//! In: spooled mail and the recipients whose copies are to be kept. Out: lists, the message
//! for whoever may look at it, and released mail, which goes back into the spool under a new
//! name to be delivered. Stands on its own durable log in `data_dir/quarantine`.
//!
//! Records: one *stored* record an entry with its content; a *releasing* record, which names
//! the mail that the entry becomes; one *end* record, the obituary.
//!
//! Invariants: an entry is there from the moment [`Quarantine::store`] returns until it was
//! released, deleted or expired. A release writes the new name first, then commits the mail
//! to the spool, then the end: a crash between any two of them is completed by
//! [`Quarantine::resume`], and the spool finds the mail by its name if it still has it. Only
//! when the crash falls between the commit and the end, and the mail was delivered in that
//! moment, is it delivered twice.
//!
//! A release for some of the recipients is written down likewise (see [`part`]); the entry is
//! then one of the others.
//!
//! A copy that waits for an approval is an entry of area [`APPROVAL_AREA`] whose judgement
//! says who is asked and until when. It does not expire with the others: whoever carries out
//! approvals asks for those whose time is over. A refusal is written first too, with the name
//! of the mail that tells of it.
//!
//! Fails with [`QuarantineError`].

mod approval;
mod change;
mod page;
mod part;
mod record;
mod recovery;
mod view;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::config;
use crate::log::{Log, LogError, LogOptions, Position, Relocate, ReplayReport};
use crate::mail::MailId;
use crate::spool::CommitError;

pub use approval::{Refusing, Waiting};
pub use page::HeldPage;
pub use part::Parted;
pub use view::{Held, HeldEntry, HeldFilter};

/// Where copies wait for somebody's approval.
pub const APPROVAL_AREA: &str = "approval";

/// A segment of the quarantine's log is closed when it has grown to this.
const SEGMENT_OCTETS: u64 = 64 << 20;
/// Free space that the quarantine leaves alone. Less than the spool's: what comes here was
/// accepted already, and leaves the spool.
const RESERVE_OCTETS: u64 = 16 << 20;

/// Why the quarantine could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    /// The log failed, or the disk is full.
    #[error("quarantine: {0}")]
    Log(#[from] LogError),
    /// The released mail could not be committed to the spool; the entry is still there.
    #[error("the released mail could not be queued: {0}")]
    Commit(#[from] CommitError),
    /// The record was written by another version, or is not ours.
    #[error("the record of entry {0} cannot be understood")]
    Unreadable(MailId),
    /// None of the recipients is one of the mail.
    #[error("no such recipient")]
    NoRecipient,
    /// Somebody is releasing the entry just now.
    #[error("the entry is being released")]
    Busy,
}

/// What memory holds of an entry.
#[derive(Debug, Clone, Copy)]
struct Item {
    stored: Position,
    /// The mail that it was in.
    mail_id: MailId,
    /// Seconds since 1970.
    stored_s: u32,
    releasing: Option<Releasing>,
    /// Until when somebody is asked for approval, seconds since 1970.
    asks_until_s: Option<u32>,
    is_busy: bool,
}

/// A release that has begun, or a refusal.
#[derive(Debug, Clone, Copy)]
struct Releasing {
    position: Position,
    /// The mail that the entry becomes, or the one that tells of the refusal.
    becomes: MailId,
    kind: u8,
}

#[derive(Debug, Default)]
struct State {
    items: BTreeMap<MailId, Item>,
    /// Mails and their entries.
    of_mail: BTreeSet<(MailId, MailId)>,
    /// Entries that somebody is asked about, by the end of their time.
    asked: BTreeSet<(u32, MailId)>,
    /// Entries of which some copies were released.
    parts: HashMap<MailId, part::Part>,
}

impl State {
    fn insert(&mut self, id: MailId, item: Item) -> Option<Item> {
        self.of_mail.insert((item.mail_id, id));
        self.asked.extend(item.asks_until_s.map(|until_s| (until_s, id)));
        self.items.insert(id, item)
    }

    fn remove(&mut self, id: MailId) -> Option<Item> {
        let item = self.items.remove(&id)?;
        self.parts.remove(&id);
        self.of_mail.remove(&(item.mail_id, id));
        if let Some(until_s) = item.asks_until_s {
            self.asked.remove(&(until_s, id));
        }
        Some(item)
    }

    /// The entries of a mail.
    fn of(&self, mail_id: MailId) -> Vec<MailId> {
        let all =
            (mail_id, MailId::from_octets([0; 12]))..=(mail_id, MailId::from_octets([255; 12]));
        self.of_mail.range(all).map(|(_, id)| *id).collect()
    }
}

/// See the head of the room.
#[derive(Debug)]
pub struct Quarantine {
    log: Arc<Log>,
    keep_s: u64,
    state: Mutex<State>,
    me: Weak<Quarantine>,
}

impl Quarantine {
    /// Opens the quarantine below `data_dir` and reads what is in it. Blocks. Releases that
    /// a crash interrupted are completed by [`Quarantine::resume`].
    pub fn open(
        settings: &config::Quarantine,
        data_dir: &Path,
    ) -> Result<(Arc<Quarantine>, ReplayReport), QuarantineError> {
        let options = LogOptions {
            dir: data_dir.join("quarantine"),
            segment_octets: SEGMENT_OCTETS,
            reserve_octets: RESERVE_OCTETS,
        };
        Quarantine::open_with(options, settings)
    }

    fn open_with(
        options: LogOptions,
        settings: &config::Quarantine,
    ) -> Result<(Arc<Quarantine>, ReplayReport), QuarantineError> {
        let (log, state, report) = recovery::recover(options)?;
        let quarantine = Arc::new_cyclic(|me| Quarantine {
            log: Arc::clone(&log),
            keep_s: u64::from(settings.keep_days) * 86_400,
            state: Mutex::new(state),
            me: me.clone(),
        });
        log.attend(&quarantine);
        Ok((quarantine, report))
    }

    /// How many entries there are.
    pub fn count(&self) -> usize {
        self.state().items.len()
    }

    /// Makes everything durable and ends the threads. Blocks.
    pub fn close(&self) {
        self.log.close();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics half-way through a change of the state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Relocate for Quarantine {
    fn is_live(&self, kind: u8, mail_id: MailId, position: Position) -> bool {
        let state = self.state();
        let Some(item) = state.items.get(&mail_id) else { return false };
        match kind {
            record::STORED => item.stored == position,
            record::RELEASING | record::REFUSING => {
                item.releasing.is_some_and(|one| one.position == position)
            }
            record::PART => state.parts.get(&mail_id).is_some_and(|part| part.position == position),
            _ => false,
        }
    }

    fn moved(&self, kind: u8, mail_id: MailId, old: Position, new: Position) {
        let mut state = self.state();
        if kind == record::PART
            && let Some(part) = state.parts.get_mut(&mail_id)
            && part.position == old
        {
            part.position = new;
        }
        let Some(item) = state.items.get_mut(&mail_id) else { return };
        match (kind, &mut item.releasing) {
            (record::STORED, _) if item.stored == old => item.stored = new,
            (record::RELEASING | record::REFUSING, Some(one)) if one.position == old => {
                one.position = new;
            }
            _ => {}
        }
    }
}
