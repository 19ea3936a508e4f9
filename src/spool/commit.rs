//! How mail comes in: a judged mail, or one that the box wrote, becomes a durable one.
//!
//! The entry in memory is made on the log's thread in the same moment in which the record
//! becomes durable. So a session that goes away while it waits leaves no mail that is on the
//! disk and forgotten in memory.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::entry::Entry;
use super::record::{self, Origin, Prefix};
use super::{CommitError, Spool, Spooled, now_ms};
use crate::log::{self, LogError, Position, Purpose, Record, Terms};
use crate::mail::{
    Content, Disposition, Envelope, Facts, Judgement, Mail, MailId, Manners, Role, Summary, Verdict,
};
use crate::policy::Judged;

/// What cached mail is counted with beside its content.
const CACHED_EXTRA_OCTETS: u64 = 1_024;

/// A mail that the box itself sends: a report, a notice, a copy out of quarantine.
#[derive(Debug, Clone)]
pub struct OwnMail {
    /// Given when the same mail may be committed twice after a crash: the second time the
    /// first one is found. Otherwise a new name is minted.
    pub id: Option<MailId>,
    /// Who it is from and for.
    pub envelope: Envelope,
    /// The message.
    pub content: Content,
    /// What stands for the observations of a reception.
    pub facts: Facts,
    /// What is to be done with it.
    pub judgement: Judgement,
    /// Why it exists.
    pub origin: Origin,
}

impl OwnMail {
    /// A report about a mail, or a notice about none, to be delivered as it is.
    pub fn new(
        envelope: Envelope,
        content: Content,
        summary: Summary,
        about: Option<MailId>,
    ) -> OwnMail {
        let judgement = Judgement {
            verdict: Verdict::Clean,
            score: 0.0,
            findings: Vec::new(),
            summary,
            dispositions: vec![Disposition::Deliver; envelope.recipients.len()],
            orders: Vec::new(),
        };
        let facts = Facts {
            role: Role::Outbound,
            client: std::net::Ipv4Addr::LOCALHOST.into(),
            helo: "localhost".into(),
            extended: true,
            tls: None,
            account: None,
            received_ms: now_ms(),
            manners: Manners::default(),
        };
        let origin = Origin::Own { about };
        OwnMail { id: None, envelope, content, facts, judgement, origin }
    }
}

/// All that goes into an accept record.
struct Arrival {
    id: MailId,
    envelope: Arc<Envelope>,
    facts: Arc<Facts>,
    content: Content,
    judgement: Arc<Judgement>,
    judged: Option<Judged>,
    origin: Origin,
}

impl Spool {
    /// Makes a judged mail durable. When it returns, the mail survives a power cut; when it
    /// fails, there is no such mail.
    pub async fn commit(&self, mail: Mail<Judged>) -> Result<Mail<Spooled>, CommitError> {
        let judged = mail.stage().clone();
        self.arrive(Arrival {
            id: mail.id,
            envelope: mail.envelope,
            facts: mail.facts,
            content: mail.content,
            judgement: Arc::clone(judged.judgement()),
            judged: Some(judged),
            origin: Origin::Received,
        })
        .await
    }

    /// Makes a mail of the box's own durable. A mail that is already in the queue under the
    /// same name is returned as it is.
    pub async fn commit_own(&self, own: OwnMail) -> Result<Mail<Spooled>, CommitError> {
        if let Some(id) = own.id
            && let Ok(Some(there)) = self.fetch(id).await
        {
            return Ok(there);
        }
        self.arrive(Arrival {
            id: own.id.unwrap_or_else(MailId::mint),
            envelope: Arc::new(own.envelope),
            facts: Arc::new(own.facts),
            content: own.content,
            judgement: Arc::new(own.judgement),
            judged: None,
            origin: own.origin,
        })
        .await
    }

    async fn arrive(&self, arrival: Arrival) -> Result<Mail<Spooled>, CommitError> {
        let recipients = u16::try_from(arrival.envelope.recipients.len());
        let is_unscanned = arrival.judgement.dispositions.contains(&Disposition::HoldUnscanned);
        let prefix = recipients.map(|recipients| Prefix { recipients, is_unscanned });
        let prefix = prefix.map_err(|_| CommitError::TooLarge)?;
        let Arrival { envelope, facts, judgement, origin, .. } = &arrival;
        let head = record::accept_head(envelope, facts, judgement, *origin, prefix);
        let record = Record {
            kind: record::ACCEPT,
            mail_id: arrival.id,
            head: head.ok_or(CommitError::TooLarge)?,
            body: Some(arrival.content.clone()),
        };
        let sealed = log::seal(record).await?;
        let (sender, receiver) = oneshot::channel();
        let me = self.me.clone();
        self.log.submit(sealed, Terms::plain(Purpose::Intake), move |done| {
            let done = done.and_then(|position| {
                let me = me.upgrade().ok_or(LogError::Closed)?;
                me.arrived(arrival, prefix, position)
            });
            // The session may have gone away: then the mail is here all the same.
            let _ = sender.send(done);
        })?;
        Ok(receiver.await.unwrap_or(Err(LogError::Closed))?)
    }

    /// The accept record is durable. Runs on the log's thread.
    fn arrived(
        &self,
        arrival: Arrival,
        prefix: Prefix,
        position: Position,
    ) -> Result<Mail<Spooled>, LogError> {
        // Either way the octets do not count as mail in reception any more.
        let (content, is_cacheable) = match arrival.content.in_memory() {
            Some(octets) => (Content::from_bytes(octets.clone()), true),
            None => (self.log.body(position)?, false),
        };
        let octets = content.len() + CACHED_EXTRA_OCTETS;
        let stage = Spooled {
            judged: arrival.judged,
            judgement: arrival.judgement,
            origin: arrival.origin,
            attempts: 0,
            queued_ms: arrival.facts.received_ms,
            is_warned: false,
            errands_done: false,
            why: "".into(),
            route: None,
            _lease: None,
        };
        let mail = Mail::new(arrival.id, arrival.envelope, arrival.facts, content, stage);
        let mut entry = Entry::new(arrival.id, position, prefix.recipients);
        entry.flags.unscanned = prefix.is_unscanned;
        let mut guard = self.state();
        let state = &mut *guard;
        if state.table.slot(arrival.id).is_some() {
            // Two tasks committed one mail of the box's own at the same time.
            drop(guard);
            self.log.release(position);
            return Ok(mail);
        }
        let Some(slot) = state.table.insert(entry) else { return Err(LogError::Full) };
        if prefix.is_unscanned {
            state.table.schedule(slot);
            return Ok(mail);
        }
        state.table.schedule_fresh(slot);
        if is_cacheable && state.cached_octets + octets <= self.cache_octets {
            state.cached_octets += octets;
            state.cached.insert(slot, mail.clone());
        }
        drop(guard);
        self.woken.notify_one();
        Ok(mail)
    }
}

impl super::State {
    /// Takes a mail out of the cache.
    pub(super) fn uncache(&mut self, slot: u32) -> Option<Mail<Spooled>> {
        let mail = self.cached.remove(&slot)?;
        let octets = mail.content.len() + CACHED_EXTRA_OCTETS;
        self.cached_octets = self.cached_octets.saturating_sub(octets);
        Some(mail)
    }
}
