//! The archive: mails as they came, kept for as long as their class is to be kept.
//!
//! In: a mail's parts and a class. Out: lists, the message for whoever may look at it, and
//! what became too old. Stands on its own durable log in `data_dir/archive`. There is no
//! search yet beyond sender, recipient, class and time.
//!
//! Records: one *stored* record a mail and class, with the mail's content; one *end* record
//! when its time is over.
//!
//! Invariants: what [`Archive::store`] has returned for survives a power cut; one mail is
//! kept once in a class however often it is stored; nothing leaves before the days of its
//! class are over. Days are those in force when the time is asked for, so that a longer
//! retention counts for what is there already.
//!
//! Fails with [`ArchiveError`].

mod record;
mod view;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use tokio::sync::oneshot;

use crate::config;
use crate::log::{
    self, Entry, Liveness, Log, LogError, LogOptions, Position, Purpose, Record, Relocate,
    ReplayReport, Terms,
};
use crate::mail::{About, MailId};
use record::{EntryFacts, Stored};

pub use view::{ArchiveFilter, Archived, ArchivedEntry};

/// A segment of the archive's log is closed when it has grown to this.
const SEGMENT_OCTETS: u64 = 128 << 20;
/// Free space that the archive leaves to the spool and to what is on its way.
const RESERVE_OCTETS: u64 = 64 << 20;
const DAY_S: u64 = 86_400;

/// Why the archive could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The log failed, or the disk is full.
    #[error("archive: {0}")]
    Log(#[from] LogError),
    /// The record was written by another version, or is not ours.
    #[error("the record of mail {0} in the archive cannot be understood")]
    Unreadable(MailId),
}

/// Whether a mail was in its class before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filed {
    /// It is there now.
    New,
    /// It was there.
    Known,
}

/// What memory holds of one mail in one class.
#[derive(Debug, Clone)]
struct Item {
    position: Position,
    class: Arc<str>,
    /// Seconds since 1970.
    stored_s: u32,
}

#[derive(Debug, Default)]
struct State {
    /// A mail may be in several classes.
    items: BTreeMap<MailId, Vec<Item>>,
    count: usize,
}

impl State {
    fn find(&self, id: MailId, class: &str) -> Option<&Item> {
        self.items.get(&id)?.iter().find(|item| &*item.class == class)
    }

    fn insert(&mut self, id: MailId, item: Item) -> Option<Item> {
        let items = self.items.entry(id).or_default();
        match items.iter_mut().find(|there| there.class == item.class) {
            Some(there) => Some(std::mem::replace(there, item)),
            None => {
                items.push(item);
                self.count += 1;
                None
            }
        }
    }

    fn remove(&mut self, id: MailId, class: &str) -> Option<Item> {
        let items = self.items.get_mut(&id)?;
        let at = items.iter().position(|item| &*item.class == class)?;
        let item = items.swap_remove(at);
        if items.is_empty() {
            self.items.remove(&id);
        }
        self.count = self.count.saturating_sub(1);
        Some(item)
    }
}

/// See the head of the room.
#[derive(Debug)]
pub struct Archive {
    log: Arc<Log>,
    settings: ArcSwap<config::Archive>,
    state: Mutex<State>,
    me: Weak<Archive>,
}

impl Archive {
    /// Opens the archive below `data_dir` and reads what is in it. Blocks.
    pub fn open(
        settings: &config::Archive,
        data_dir: &Path,
    ) -> Result<(Arc<Archive>, ReplayReport), ArchiveError> {
        let options = LogOptions {
            dir: data_dir.join("archive"),
            segment_octets: SEGMENT_OCTETS,
            reserve_octets: RESERVE_OCTETS,
        };
        Archive::open_with(options, settings)
    }

    fn open_with(
        options: LogOptions,
        settings: &config::Archive,
    ) -> Result<(Arc<Archive>, ReplayReport), ArchiveError> {
        let mut state = State::default();
        let mut dead = Vec::new();
        let (log, report) = Log::open(options, &mut |entry| see(&mut state, &mut dead, &entry))?;
        dead.into_iter().for_each(|position| log.release(position));
        let archive = Arc::new_cyclic(|me| Archive {
            log: Arc::clone(&log),
            settings: ArcSwap::from_pointee(settings.clone()),
            state: Mutex::new(state),
            me: me.clone(),
        });
        log.attend(&archive);
        Ok((archive, report))
    }

    /// Takes over other days.
    pub fn reload(&self, settings: &config::Archive) {
        self.settings.store(Arc::new(settings.clone()));
    }

    /// How many there are; a mail counts once in each of its classes.
    pub fn count(&self) -> usize {
        self.state().count
    }

    /// Keeps a mail in a class; durable when it returns.
    pub async fn store(&self, about: About<'_>, class: &str) -> Result<Filed, ArchiveError> {
        if self.state().find(about.id, class).is_some() {
            return Ok(Filed::Known);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let stored_s = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
        let entry = EntryFacts { class: class.to_owned(), stored_s };
        let About { id, envelope, facts, judgement, content } = about;
        let record = Record {
            kind: record::STORED,
            mail_id: id,
            head: record::stored_head(&Stored { entry, envelope, facts, judgement }),
            body: Some(content.clone()),
        };
        let sealed = log::seal(record).await?;
        let (sender, receiver) = oneshot::channel();
        let (me, class) = (self.me.clone(), Arc::<str>::from(class));
        self.log.submit(sealed, Terms::plain(Purpose::Intake), move |done| {
            let done = done.map(|position| {
                if let Some(me) = me.upgrade() {
                    let twice = me.state().insert(id, Item { position, class, stored_s });
                    // Two tasks stored it at the same time.
                    twice.into_iter().for_each(|item| me.log.release(item.position));
                }
            });
            let _ = sender.send(done);
        })?;
        receiver.await.unwrap_or(Err(LogError::Closed))?;
        Ok(Filed::New)
    }

    /// Forgets what was kept long enough; returns mails and classes.
    pub async fn expire(&self, now: SystemTime) -> Result<Vec<(MailId, String)>, ArchiveError> {
        let now_s = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let settings = self.settings.load_full();
        let is_over = |item: &Item| {
            let keep_s = u64::from(settings.days_of(&item.class)).saturating_mul(DAY_S);
            u64::from(item.stored_s).saturating_add(keep_s) <= now_s
        };
        let due: Vec<(MailId, Arc<str>)> = {
            let state = self.state();
            let all = state.items.iter().flat_map(|(id, items)| items.iter().map(|it| (*id, it)));
            all.filter(|(_, item)| is_over(item))
                .map(|(id, item)| (id, Arc::clone(&item.class)))
                .collect()
        };
        let mut expired = Vec::new();
        for (id, class) in due {
            if self.end(id, &class).await? {
                expired.push((id, class.to_string()));
            }
        }
        Ok(expired)
    }

    /// It leaves memory when its end is durable; if the end cannot be written it stays.
    async fn end(&self, id: MailId, class: &Arc<str>) -> Result<bool, ArchiveError> {
        let head = record::head_of(&EntryFacts { class: class.to_string(), stored_s: 0 });
        let record = Record { kind: record::END, mail_id: id, head, body: None };
        let (sender, receiver) = oneshot::channel();
        {
            // The position is looked up and submitted under one lock.
            let state = self.state();
            let Some(item) = state.find(id, class) else { return Ok(false) };
            let terms = Terms {
                purpose: Purpose::Outcome,
                ends: Some(item.position),
                releases: Vec::new(),
            };
            let (me, class) = (self.me.clone(), Arc::clone(class));
            self.log.submit(record.seal()?, terms, move |done: Result<Position, LogError>| {
                if let Some(me) = me.upgrade()
                    && done.is_ok()
                {
                    me.state().remove(id, &class);
                }
                let _ = sender.send(done.map(|_| ()));
            })?;
        }
        receiver.await.unwrap_or(Err(LogError::Closed))?;
        Ok(true)
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

/// What replay makes of one record.
fn see(state: &mut State, dead: &mut Vec<Position>, entry: &Entry<'_>) -> Liveness {
    let (id, position) = (entry.mail_id, entry.position);
    match entry.kind {
        record::STORED => {
            // What cannot be understood is kept, and shows in lists as an error.
            let facts = record::read::<EntryFacts>(entry.head);
            let (class, stored_s) =
                facts.map_or((String::new(), u32::MAX), |facts| (facts.class, facts.stored_s));
            let item = Item { position, class: class.into(), stored_s };
            dead.extend(state.insert(id, item).map(|old| old.position));
            Liveness::Live
        }
        record::END => {
            if let Some(facts) = record::read::<EntryFacts>(entry.head) {
                dead.extend(state.remove(id, &facts.class).map(|item| item.position));
            }
            Liveness::Dead
        }
        kind => {
            tracing::error!(mail_id = %id, kind, "a record of unknown kind in the archive");
            Liveness::Live
        }
    }
}

impl Relocate for Archive {
    fn is_live(&self, kind: u8, mail_id: MailId, position: Position) -> bool {
        let state = self.state();
        let items = state.items.get(&mail_id);
        // A record of unknown kind is kept.
        kind > record::END
            || items.is_some_and(|items| items.iter().any(|item| item.position == position))
    }

    fn moved(&self, _kind: u8, mail_id: MailId, old: Position, new: Position) {
        let mut state = self.state();
        let items = state.items.get_mut(&mail_id).into_iter().flatten();
        items.filter(|item| item.position == old).for_each(|item| item.position = new);
    }
}
