//! What happens to entries: stored, released, deleted, expired. Every function returns when
//! its effect is durable.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;

use super::record::{self, End, EntryFacts, ReleasingHead, Stored};
use super::{Item, Quarantine, QuarantineError, Releasing, State, approval};
use crate::log::{self, LogError, Position, Purpose, Record, Terms};
use crate::mail::{Disposition, Envelope, Judgement, Mail, MailId};
use crate::message::removal;
use crate::spool::{Origin, OwnMail, Spool, Spooled};

impl Quarantine {
    /// Keeps the copies for these recipients (their numbers in the mail's envelope) in an
    /// area, and returns the entry's name. The same copies are kept once, however often this
    /// is called. The entry has the mail's own name if that is free.
    pub async fn store(
        &self,
        mail: &Mail<Spooled>,
        recipients: &[u16],
        area: &str,
    ) -> Result<MailId, QuarantineError> {
        let mut recipients = recipients.to_vec();
        recipients.sort_unstable();
        recipients.dedup();
        let (envelope, judgement) = subset(mail, &recipients);
        if envelope.recipients.is_empty() || envelope.recipients.len() != recipients.len() {
            return Err(QuarantineError::NoRecipient);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let stored_s = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
        let entry = EntryFacts { mail_id: mail.id, stored_s, area: area.to_owned(), recipients };
        if let Some(there) = self.find(&entry).await? {
            return Ok(there);
        }
        let id = match self.state().items.contains_key(&mail.id) {
            true => MailId::mint(),
            false => mail.id,
        };
        let facts = mail.facts.as_ref();
        let (entry_area, asked) = (entry.area.clone(), judgement.dispositions.clone());
        let record = Record {
            kind: record::STORED,
            mail_id: id,
            head: record::stored_head(&Stored { entry, envelope, facts, judgement }),
            body: Some(mail.content.clone()),
        };
        let sealed = log::seal(record).await?;
        let asks_until_s = approval::until_s(&entry_area, stored_s, &asked);
        let (sender, receiver) = oneshot::channel();
        let (me, mail_id) = (self.me.clone(), mail.id);
        self.log.submit(sealed, Terms::plain(Purpose::Intake), move |done| {
            let done = done.map(|stored| {
                let item = Item {
                    stored,
                    mail_id,
                    stored_s,
                    releasing: None,
                    asks_until_s,
                    is_busy: false,
                };
                if let Some(me) = me.upgrade() {
                    me.state().insert(id, item);
                }
            });
            let _ = sender.send(done);
        })?;
        receiver.await.unwrap_or(Err(LogError::Closed))?;
        Ok(id)
    }

    /// The entry that holds exactly these copies.
    async fn find(&self, wanted: &EntryFacts) -> Result<Option<MailId>, QuarantineError> {
        let ids = self.state().of(wanted.mail_id);
        let same =
            |there: &EntryFacts| there.area == wanted.area && there.recipients == wanted.recipients;
        for id in ids {
            let Some(me) = self.me.upgrade() else { return Ok(None) };
            let reading = tokio::task::spawn_blocking(move || me.entry_facts(id));
            let there = reading.await.unwrap_or(Err(LogError::Closed.into()))?;
            if there.as_ref().is_some_and(same) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Releases an entry: it becomes a mail in the spool, to be delivered to its recipients.
    /// Returns that mail's name; `None` when there is no such entry.
    pub async fn release(
        &self,
        spool: &Spool,
        id: MailId,
        by: &str,
    ) -> Result<Option<MailId>, QuarantineError> {
        let Some(_claim) = self.claim(id)? else { return Ok(None) };
        let becomes = match self.item(id).and_then(|item| item.releasing) {
            Some(begun) if begun.kind == record::REFUSING => return Ok(None),
            Some(begun) => begun.becomes,
            None => {
                // What was begun for some of them comes first: the entry may end with it.
                let left = self.finish_part(spool, id).await?;
                if left == Some(0) {
                    return Ok(None);
                }
                self.begin_release(id, by).await?
            }
        };
        let Some(me) = self.me.upgrade() else { return Err(LogError::Closed.into()) };
        let loading = tokio::task::spawn_blocking(move || me.load(id));
        let held = loading.await.unwrap_or(Err(LogError::Closed.into()))?;
        let Some(held) = held else { return Ok(None) };
        let recipients = held.envelope.recipients.len();
        let left = Left { mail_id: held.mail_id, area: &held.area, becomes };
        let judgement = left.judgement(held.judgement, recipients);
        spool
            .commit_own(OwnMail {
                id: Some(becomes),
                envelope: held.envelope,
                content: held.content,
                facts: held.facts,
                judgement,
                origin: Origin::Released { held: id },
            })
            .await?;
        self.end(id, &End::Released { becomes }).await?;
        Ok(Some(becomes))
    }

    /// Completes the releases that a crash interrupted; returns entries and the mails that
    /// they became. Call it once at start, when the spool is open.
    pub async fn resume(&self, spool: &Spool) -> Result<Vec<(MailId, MailId)>, QuarantineError> {
        let begun = |(id, item): (&MailId, &Item)| {
            item.releasing.filter(|one| one.kind == record::RELEASING).map(|_| *id)
        };
        let mut released = Vec::new();
        for (id, becomes) in self.parts_begun() {
            let Some(_claim) = self.claim(id)? else { continue };
            if self.finish_part(spool, id).await?.is_some() {
                released.push((id, becomes));
            }
        }
        let ids: Vec<MailId> = self.state().items.iter().filter_map(begun).collect();
        for id in ids {
            released.extend(self.release(spool, id, "").await?.map(|becomes| (id, becomes)));
        }
        Ok(released)
    }

    /// Deletes an entry; false when there is none.
    pub async fn delete(&self, id: MailId, by: &str) -> Result<bool, QuarantineError> {
        let Some(_claim) = self.claim(id)? else { return Ok(false) };
        self.end(id, &End::Deleted { by: by.to_owned() }).await
    }

    /// Deletes what was kept long enough; returns the entries and the mails that they were in.
    pub async fn expire(&self, now: SystemTime) -> Result<Vec<(MailId, MailId)>, QuarantineError> {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let is_over = |item: &Item| {
            let over = u64::from(item.stored_s).saturating_add(self.keep_s) <= since;
            over && item.releasing.is_none() && item.asks_until_s.is_none()
        };
        let due: Vec<(MailId, MailId)> = {
            let state = self.state();
            let is_going =
                |id: &MailId| state.parts.get(id).is_some_and(|part| part.head.begun.is_some());
            let over = state.items.iter().filter(|(id, item)| is_over(item) && !is_going(id));
            over.map(|(id, item)| (*id, item.mail_id)).collect()
        };
        let mut expired = Vec::new();
        for (id, mail_id) in due {
            match self.claim(id) {
                Ok(Some(_claim)) => {
                    if self.end(id, &End::Expired).await? {
                        expired.push((id, mail_id));
                    }
                }
                Ok(None) | Err(QuarantineError::Busy) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(expired)
    }

    pub(super) fn item(&self, id: MailId) -> Option<Item> {
        self.state().items.get(&id).copied()
    }

    /// Makes the caller the only one who may end the entry.
    pub(super) fn claim(&self, id: MailId) -> Result<Option<Claim>, QuarantineError> {
        let mut state = self.state();
        let Some(item) = state.items.get_mut(&id) else { return Ok(None) };
        if std::mem::replace(&mut item.is_busy, true) {
            return Err(QuarantineError::Busy);
        }
        drop(state);
        Ok(self.me.upgrade().map(|quarantine| Claim { quarantine, id }))
    }

    /// Writes down what the entry is to become.
    pub(super) async fn begin_release(
        &self,
        id: MailId,
        by: &str,
    ) -> Result<MailId, QuarantineError> {
        self.begin(id, by, record::RELEASING).await
    }

    /// The same, and what kind of end it is.
    pub(super) async fn begin(
        &self,
        id: MailId,
        by: &str,
        kind: u8,
    ) -> Result<MailId, QuarantineError> {
        let becomes = MailId::mint();
        let head = record::head_of(&ReleasingHead { becomes, by: by.to_owned() });
        let record = Record { kind, mail_id: id, head, body: None };
        let (sender, receiver) = oneshot::channel();
        let me = self.me.clone();
        self.log.submit(record.seal()?, Terms::plain(Purpose::Outcome), move |done| {
            let done = done.map(|position| {
                if let Some(me) = me.upgrade() {
                    me.release_begun(id, Releasing { position, becomes, kind });
                }
            });
            let _ = sender.send(done);
        })?;
        receiver.await.unwrap_or(Err(LogError::Closed))?;
        Ok(becomes)
    }

    /// The releasing record is durable. Runs on the log's thread.
    fn release_begun(&self, id: MailId, begun: Releasing) {
        let mut state = self.state();
        let replaced = match state.items.get_mut(&id) {
            Some(item) => item.releasing.replace(begun).map(|old| old.position),
            None => Some(begun.position),
        };
        drop(state);
        replaced.into_iter().for_each(|position| self.log.release(position));
    }

    /// Ends an entry. It leaves memory when its end is durable; if the end cannot be
    /// written the entry stays.
    pub(super) async fn end(&self, id: MailId, why: &End) -> Result<bool, QuarantineError> {
        let head = record::head_of(why);
        let record = Record { kind: record::END, mail_id: id, head, body: None };
        let (sender, receiver) = oneshot::channel();
        {
            // The positions are looked up and submitted under one lock.
            let state = self.state();
            let Some(item) = state.items.get(&id) else { return Ok(false) };
            let part = state.parts.get(&id).map(|part| part.position);
            let releases = item.releasing.map(|one| one.position).into_iter().chain(part).collect();
            let terms = Terms { purpose: Purpose::Outcome, ends: Some(item.stored), releases };
            let me = self.me.clone();
            self.log.submit(record.seal()?, terms, move |done: Result<Position, LogError>| {
                if let Some(me) = me.upgrade()
                    && done.is_ok()
                {
                    State::remove(&mut me.state(), id);
                }
                let _ = sender.send(done.map(|_| ()));
            })?;
        }
        receiver.await.unwrap_or(Err(LogError::Closed))?;
        Ok(true)
    }
}

/// What leaves the quarantine.
pub(super) struct Left<'a> {
    /// The mail that it was in.
    pub(super) mail_id: MailId,
    pub(super) area: &'a str,
    /// The mail that it is from now on.
    pub(super) becomes: MailId,
}

impl Left<'_> {
    /// The judgement that it is delivered by.
    pub(super) fn judgement(&self, before: Judgement, recipients: usize) -> Judgement {
        let mut judgement = before;
        judgement.dispositions = vec![Disposition::Deliver; recipients];
        // Archived, copied and told about was it when it was kept.
        judgement.orders.retain(|order| !order.is_errand());
        judgement.release_from(self.area);
        // If something is taken out of it, the original is kept under its new name.
        removal::refer(&mut judgement.orders, self.mail_id, self.becomes);
        judgement
    }
}

/// The right to end an entry; gives it back when dropped.
#[derive(Debug)]
pub(super) struct Claim {
    quarantine: Arc<Quarantine>,
    id: MailId,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(item) = self.quarantine.state().items.get_mut(&self.id) {
            item.is_busy = false;
        }
    }
}

/// The envelope and the judgement of some of the recipients.
fn subset(mail: &Mail<Spooled>, recipients: &[u16]) -> (Envelope, Judgement) {
    let mut envelope = mail.envelope.as_ref().clone();
    let pick = |number: &u16| mail.envelope.recipients.get(usize::from(*number)).cloned();
    envelope.recipients = recipients.iter().filter_map(pick).collect();
    (envelope, mail.stage().judgement().of_some(recipients))
}
