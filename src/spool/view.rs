//! Views of the queue. What memory does not hold is read from the log on demand.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::entry::{Entry, Flags};
use super::record::{self, Origin};
use super::{QueueCounts, QueueState, Spool, SpoolError, Spooled, time_of};
use crate::analysis::antivirus::outbreak::OUTBREAK_HOLD;
use crate::log::{LogError, Position};
use crate::mail::{Content, Envelope, Facts, Judgement, Mail, MailId, Summary, Verdict};

/// How often a read is repeated when compaction moves the record meanwhile.
const READS: usize = 16;

/// What a list is to show; an empty filter shows all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueFilter {
    /// In this state only.
    pub state: Option<QueueState>,
    /// This mail only.
    pub mail_id: Option<MailId>,
    /// Whose reverse-path contains this, whatever the case.
    pub sender: Option<String>,
    /// One of whose forward-paths contains this, whatever the case.
    pub recipient: Option<String>,
}

/// A queued mail in a list.
#[derive(Debug, Clone)]
pub struct QueueEntry {
    /// Its name.
    pub mail_id: MailId,
    /// Where it stands.
    pub state: QueueState,
    /// Whether a task has it now.
    pub is_in_delivery: bool,
    /// When it is due, milliseconds since 1970; 0 for mail that was never tried.
    pub next_attempt_ms: u64,
    /// Attempts so far.
    pub attempts: u32,
    /// Why the last one failed.
    pub last_reason: String,
    /// Who it is from and for.
    pub envelope: Arc<Envelope>,
    /// Recipients without a final outcome.
    pub pending: Vec<u16>,
    /// What the message says of itself.
    pub summary: Summary,
    /// What it is held for until newer signatures may know it, if that is so.
    pub held_for: Option<String>,
    /// What it was judged to be.
    pub verdict: Verdict,
    /// Length of the message.
    pub content_octets: u64,
    /// End of data, milliseconds since 1970.
    pub received_ms: u64,
    /// How it came here.
    pub origin: Origin,
    /// Next hops that an administrator has given, whatever routes and policy say.
    pub route: Option<String>,
}

/// What an entry says, taken out of the lock.
#[derive(Debug, Clone)]
struct Places {
    accept: Position,
    state: Option<Position>,
    judgement: Option<Position>,
    attempts: u32,
    flags: Flags,
    route: Option<Arc<str>>,
}

impl Places {
    fn of(entry: &Entry) -> Places {
        Places {
            accept: entry.accept,
            state: entry.state,
            judgement: entry.judgement(),
            attempts: entry.attempts,
            flags: entry.flags,
            route: entry.route(),
        }
    }
}

/// All that the log holds of a mail.
struct Read {
    envelope: Envelope,
    facts: Facts,
    judgement: Judgement,
    origin: Origin,
    why: String,
    content: Content,
}

impl Spool {
    /// How many mails are in which state.
    pub fn counts(&self) -> QueueCounts {
        self.state().table.counts()
    }

    /// A queued mail, read from the log; the caller does not hold it. Blocks on the disk.
    pub fn load(&self, id: MailId) -> Result<Option<Mail<Spooled>>, SpoolError> {
        for _ in 0..READS {
            let Some(places) = self.state().table.by_id(id).map(Places::of) else {
                return Ok(None);
            };
            let read = match self.read(id, &places) {
                Err(SpoolError::Log(LogError::NoRecord)) => continue,
                read => read?,
            };
            let stage = Spooled {
                judged: None,
                judgement: Arc::new(read.judgement),
                origin: read.origin,
                attempts: places.attempts,
                queued_ms: read.facts.received_ms,
                is_warned: places.flags.warned,
                errands_done: places.flags.errands_done,
                why: read.why.into(),
                route: places.route,
                _lease: None,
            };
            let (envelope, facts) = (Arc::new(read.envelope), Arc::new(read.facts));
            return Ok(Some(Mail::new(id, envelope, facts, read.content, stage)));
        }
        Err(LogError::NoRecord.into())
    }

    /// The same away from the runtime's own threads.
    pub(super) async fn fetch(&self, id: MailId) -> Result<Option<Mail<Spooled>>, SpoolError> {
        let Some(me) = self.me.upgrade() else { return Ok(None) };
        let loading = tokio::task::spawn_blocking(move || me.load(id));
        loading.await.unwrap_or(Err(SpoolError::Log(LogError::Closed)))
    }

    /// Why the last attempt failed; empty when that cannot be told.
    pub(super) async fn reason(&self, id: MailId) -> String {
        let Some(me) = self.me.upgrade() else { return String::new() };
        let reading = tokio::task::spawn_blocking(move || {
            let position = me.state().table.by_id(id)?.state?;
            me.why(position).ok()
        });
        reading.await.ok().flatten().unwrap_or_default()
    }

    /// Mail that waits to be scanned, oldest first.
    pub fn unscanned(&self, limit: usize) -> Vec<MailId> {
        let filter = QueueFilter { state: Some(QueueState::Unscanned), ..QueueFilter::default() };
        let mut ids = self.matching(&filter);
        ids.truncate(limit);
        ids
    }

    /// The mails of the last while before the newest, oldest first: those that a crash may
    /// have kept out of the journal.
    pub fn latest(&self, span: Duration) -> Vec<MailId> {
        let mut ids = self.matching(&QueueFilter::default());
        let newest_ms = ids.last().map_or(0, MailId::minted_at_ms);
        let since_ms = newest_ms.saturating_sub(span.as_millis() as u64);
        ids.retain(|id| id.minted_at_ms() >= since_ms);
        ids
    }

    /// Queued mail, oldest first. Blocks on the disk.
    pub fn list(&self, filter: &QueueFilter, limit: usize) -> Vec<QueueEntry> {
        let ids = self.matching(filter).into_iter();
        let read = ids.filter_map(|id| match self.queue_entry(id) {
            Ok(entry) => entry,
            Err(error) => {
                tracing::error!(mail_id = %id, %error, "a queued mail cannot be listed");
                None
            }
        });
        read.filter(|entry| filter.admits(&entry.envelope)).take(limit).collect()
    }

    pub(super) fn matching(&self, filter: &QueueFilter) -> Vec<MailId> {
        let state = self.state();
        if let Some(id) = filter.mail_id {
            let fits = |entry: &&Entry| filter.state.is_none_or(|want| entry.queue_state() == want);
            return state.table.by_id(id).filter(fits).map(|entry| entry.id).into_iter().collect();
        }
        let fits = |entry: &&Entry| filter.state.is_none_or(|want| entry.queue_state() == want);
        let mut ids: Vec<MailId> =
            state.table.entries().filter(fits).map(|entry| entry.id).collect();
        drop(state);
        ids.sort_unstable();
        ids
    }

    pub(super) fn queue_entry(&self, id: MailId) -> Result<Option<QueueEntry>, SpoolError> {
        let Some(mail) = self.load(id)? else { return Ok(None) };
        let state = self.state();
        let Some(entry) = state.table.by_id(id) else { return Ok(None) };
        let next_attempt = time_of(entry.next_attempt_s).duration_since(UNIX_EPOCH);
        let stage = mail.stage();
        Ok(Some(QueueEntry {
            mail_id: id,
            state: entry.queue_state(),
            is_in_delivery: entry.place == super::entry::Place::Leased,
            next_attempt_ms: next_attempt.unwrap_or(Duration::ZERO).as_millis() as u64,
            attempts: entry.attempts,
            last_reason: stage.last_reason().to_owned(),
            envelope: Arc::clone(&mail.envelope),
            pending: entry.pending().collect(),
            held_for: held_for(stage.judgement()),
            summary: stage.judgement().summary.clone(),
            verdict: stage.judgement().verdict,
            content_octets: mail.content.len(),
            received_ms: mail.facts.received_ms,
            origin: stage.origin(),
            route: stage.route().map(str::to_owned),
        }))
    }

    fn read(&self, id: MailId, places: &Places) -> Result<Read, SpoolError> {
        let unreadable = || SpoolError::Unreadable(id);
        let accepted = record::accepted(&self.log.head(places.accept)?).ok_or_else(unreadable)?;
        let judgement = match places.judgement {
            None => accepted.judgement,
            Some(position) => record::read(&self.log.head(position)?).ok_or_else(unreadable)?,
        };
        let why = places.state.map(|position| self.why(position)).transpose()?;
        Ok(Read {
            envelope: accepted.envelope,
            facts: accepted.facts,
            judgement,
            origin: accepted.origin,
            why: why.unwrap_or_default(),
            content: self.log.body(places.accept)?,
        })
    }

    fn why(&self, position: Position) -> Result<String, SpoolError> {
        let state = record::read_state(&self.log.head(position)?);
        Ok(state.map(|state| state.why).unwrap_or_default())
    }
}

/// What a mail is held for until newer signatures may know it.
fn held_for(judgement: &Judgement) -> Option<String> {
    let held = judgement.findings.iter().find(|finding| finding.name == OUTBREAK_HOLD)?;
    Some(held.detail.clone())
}

impl QueueFilter {
    fn admits(&self, envelope: &Envelope) -> bool {
        let contains =
            |text: String, part: &str| text.to_lowercase().contains(&part.to_lowercase());
        let sender = |part: &String| contains(envelope.reverse_path.to_string(), part);
        let recipient = |part: &String| {
            let mut paths = envelope.recipients.iter().map(|one| one.forward_path.to_string());
            paths.any(|path| contains(path, part))
        };
        self.sender.as_ref().is_none_or(sender) && self.recipient.as_ref().is_none_or(recipient)
    }
}
