//! Approvals carried out: what somebody, or the end of the time, decides about a mail that
//! waits in the quarantine.
//!
//! In: a link's secret or the name of an entry, and a decision. Out: the mail delivered, or
//! refused and somebody told. Own senders, who are known, get a delivery report; of mail from
//! outside its recipients are told instead, since the reverse-path may be anybody's.
//!
//! Every decision is durable before it is carried out, and what a crash interrupts is
//! completed by [`Approvals::resume`]: a mail that was refused is never delivered, one that
//! was released is never lost, and who was told is told once more at most. The end of the
//! time is looked for every second, against the clock: what fell due while the box was off is
//! carried out when it is on again.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

use super::errands::{Decision, Errands, derived_id, harmless, letter_to, mark_of, now_ms};
use super::secret::Secret;
use super::tickets::Tickets;
use crate::delivery::outcome::ms_since_1970;
use crate::delivery::report::{self, Action, Author, Entry, Kind, Subject, Times};
use crate::journal::{Event, Journal};
use crate::mail::{Address, Content, EnhancedCode, Expiry, MailId, Role, Summary};
use crate::quarantine::{Quarantine, QuarantineError, Refusing, Waiting};
use crate::spool::{CommitError, OwnMail, Spool};
use crate::store::StoreError;

/// Between two looks for those whose time is over.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// After trouble with the disk.
const TROUBLE_PAUSE: Duration = Duration::from_secs(30);
/// Between two looks for links whose time is over.
const SWEEP_PAUSE: Duration = Duration::from_secs(3_600);
/// Who decides when nobody does.
const BY_EXPIRY: &str = "expiry";

/// Why a decision is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// There is none such, it was used, or its time is over: nobody is told which.
    #[error("the link is not good, or not any more")]
    BadLink,
    /// Somebody has answered, or there never was such a question.
    #[error("{0} does not wait for an approval")]
    NotWaiting(MailId),
    /// The quarantine fails.
    #[error(transparent)]
    Quarantine(#[from] QuarantineError),
    /// Nobody can be told; the decision stands and is completed later.
    #[error("the decision is written down and will be completed: {0}")]
    Commit(#[from] CommitError),
    /// The message cannot be read for a report.
    #[error("the message cannot be read: {0}")]
    Content(#[from] std::io::Error),
    /// The store of links fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Decides about what waits.
#[derive(Debug)]
pub struct Approvals {
    quarantine: Arc<Quarantine>,
    spool: Arc<Spool>,
    journal: Arc<Journal>,
    errands: Arc<Errands>,
    secret: Arc<Secret>,
    tickets: Tickets,
}

impl Approvals {
    /// Puts the parts together; nothing runs yet.
    pub fn new(
        quarantine: Arc<Quarantine>,
        spool: Arc<Spool>,
        journal: Arc<Journal>,
        errands: Arc<Errands>,
        secret: Arc<Secret>,
        tickets: Tickets,
    ) -> Arc<Approvals> {
        Arc::new(Approvals { quarantine, spool, journal, errands, secret, tickets })
    }

    /// What waits, the next to expire first. Blocks on the disk.
    pub fn list(&self, limit: usize) -> Vec<Waiting> {
        self.quarantine.all_waiting(limit)
    }

    /// What a link is about; changes nothing. Blocks on the disk.
    pub fn asked_by(&self, secret: &str) -> Result<Waiting, ApprovalError> {
        let ticket = self.tickets.find(secret)?.ok_or(ApprovalError::BadLink)?;
        let entry = ticket.entry().ok_or(ApprovalError::BadLink)?;
        let waiting = self.quarantine.waiting(entry)?.ok_or(ApprovalError::BadLink)?;
        match u64::from(waiting.until_s.min(ticket.until_s)) * 1_000 <= now_ms() {
            true => Err(ApprovalError::BadLink),
            false => Ok(waiting),
        }
    }

    /// Follows a link: what its holder decides is carried out in the approver's name. Good once,
    /// and in time. What was decided about.
    pub async fn answer(
        self: &Arc<Self>,
        secret: &str,
        decision: Decision,
    ) -> Result<Waiting, ApprovalError> {
        let (me, secret) = (Arc::clone(self), secret.to_owned());
        let reading = tokio::task::spawn_blocking(move || me.asked_by(&secret)).await;
        let waiting = reading.map_err(|error| std::io::Error::other(error.to_string()))??;
        match self.decide(waiting.held.id, decision, &waiting.approver.to_string()).await {
            Ok(()) => Ok(waiting),
            // Somebody was faster, or is about to be.
            Err(ApprovalError::NotWaiting(_))
            | Err(ApprovalError::Quarantine(QuarantineError::Busy)) => Err(ApprovalError::BadLink),
            Err(error) => Err(error),
        }
    }

    /// Carries out a decision about an entry, whoever has made it.
    pub async fn decide(
        &self,
        entry: MailId,
        decision: Decision,
        by: &str,
    ) -> Result<(), ApprovalError> {
        let waiting = self.waiting(entry).await?;
        let mail_id = waiting.held.mail_id;
        match decision {
            Decision::Release => {
                let released = self.quarantine.release(&self.spool, entry, by).await?;
                let becomes = released.ok_or(ApprovalError::NotWaiting(entry))?;
                tracing::info!(%entry, %becomes, by, "approved");
                self.decided(mail_id, entry, decision, by);
                self.journal.record_release(waiting.held.continued_as(becomes), by);
            }
            Decision::Refuse => {
                let refusing = self.quarantine.refuse(entry, by).await?;
                let refusing = refusing.ok_or(ApprovalError::NotWaiting(entry))?;
                self.complete(refusing, by).await?;
            }
        }
        Ok(())
    }

    /// Completes the refusals that a crash interrupted. Call it at start, when the spool is
    /// open; releases are the quarantine's own to complete.
    pub async fn resume(&self) -> Result<usize, ApprovalError> {
        let mut completed = 0;
        for entry in self.quarantine.refusing() {
            if let Some(refusing) = self.quarantine.refuse(entry, "").await? {
                self.complete(refusing, "").await?;
                completed += 1;
            }
        }
        Ok(completed)
    }

    /// Decides about all whose time is over; how many.
    pub async fn expire(&self, now: SystemTime) -> Result<usize, ApprovalError> {
        let now_s = u32::try_from(ms_since_1970(now) / 1_000).unwrap_or(u32::MAX);
        let mut decided = 0;
        for entry in self.quarantine.overdue(now_s) {
            let waiting = match self.waiting(entry).await {
                Err(ApprovalError::NotWaiting(_)) => continue,
                waiting => waiting?,
            };
            let decision = match waiting.on_expiry {
                Expiry::Refuse => Decision::Refuse,
                Expiry::Release => Decision::Release,
            };
            match self.decide(entry, decision, BY_EXPIRY).await {
                Ok(()) => decided += 1,
                // Somebody answers in this moment.
                Err(ApprovalError::NotWaiting(_))
                | Err(ApprovalError::Quarantine(QuarantineError::Busy)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(decided)
    }

    /// Forgets links whose time is over.
    async fn sweep(&self) {
        let now_s = u32::try_from(now_ms() / 1_000).unwrap_or(u32::MAX);
        let tickets = self.tickets.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || tickets.sweep(now_s)).await {
            tracing::warn!(%error, "links of approvals that are over cannot be forgotten yet");
        }
    }

    /// Looks after the time of every question until told to stop.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut swept: Option<Instant> = None;
        loop {
            if swept.is_none_or(|at| at.elapsed() >= SWEEP_PAUSE) {
                self.sweep().await;
                swept = Some(Instant::now());
            }
            let done = async {
                self.resume().await?;
                self.expire(SystemTime::now()).await
            };
            let pause = match done.await {
                Ok(_) => LOOK_PAUSE,
                Err(error) => {
                    tracing::error!(%error, "an approval cannot be carried out yet");
                    TROUBLE_PAUSE
                }
            };
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn waiting(&self, entry: MailId) -> Result<Waiting, ApprovalError> {
        let quarantine = Arc::clone(&self.quarantine);
        let reading = tokio::task::spawn_blocking(move || quarantine.waiting(entry)).await;
        let read = reading.map_err(|error| std::io::Error::other(error.to_string()))?;
        read?.ok_or(ApprovalError::NotWaiting(entry))
    }

    fn decided(&self, mail_id: MailId, entry: MailId, decision: Decision, by: &str) {
        let (by, decision) = (by.to_owned(), decision.word().to_owned());
        self.journal.record(mail_id, Event::ApprovalDecided { entry, by, decision });
    }

    /// Tells who is to be told, then ends the entry.
    async fn complete(&self, refusing: Refusing, by: &str) -> Result<(), ApprovalError> {
        let (mail_id, entry) = (refusing.waiting.held.mail_id, refusing.waiting.held.id);
        let own = self.news(&refusing.waiting, refusing.report).await?;
        let is_report = is_own_sender(&refusing.waiting);
        for own in own {
            let readers: Vec<String> =
                own.envelope.recipients.iter().map(|it| it.forward_path.to_string()).collect();
            let subject = own.judgement.summary.subject.clone();
            let event =
                Event::originated(&own.envelope, Some(mail_id), &subject, own.content.len());
            let id = self.spool.commit_own(own).await?.id;
            self.journal.record(id, event);
            match is_report {
                true => self.journal.record(mail_id, Event::Reported { report: id }),
                false => {
                    let forward_path = readers.join(", ");
                    self.journal.record(mail_id, Event::Notified { forward_path, notice: id });
                }
            }
        }
        self.quarantine.end_refused(refusing, by).await?;
        self.decided(mail_id, entry, Decision::Refuse, by);
        Ok(())
    }

    /// The mails that tell of a refusal.
    async fn news(&self, waiting: &Waiting, id: MailId) -> Result<Vec<OwnMail>, ApprovalError> {
        let held = &waiting.held;
        let terms = self.errands.terms();
        let settings = &terms.settings;
        let sender = held.envelope.reverse_path.address().filter(|_| is_own_sender(waiting));
        let Some(sender) = sender else {
            let recipients = held.envelope.recipients.iter().map(|it| it.forward_path.clone());
            let readers: Vec<Address> = match held.facts.role {
                Role::Inbound => recipients.collect(),
                // The box's own people, who send with a null reverse-path, read no report.
                _ => vec![settings.postmaster.clone()],
            };
            return Ok(self.told(waiting, id, &readers));
        };
        // NOTIFY of RFC 3461 counts here as for any other failure.
        let asked = |at: &usize| {
            let named = held.envelope.recipients.get(*at).and_then(|named| named.notify);
            named.is_none_or(|notify| notify.failure)
        };
        let words = format!(
            "the message was held by rule {:?} and not approved; reference {}",
            waiting.rule, held.mail_id
        );
        let entry = |at: usize| Entry {
            recipient: u16::try_from(at).unwrap_or(u16::MAX),
            action: Action::Failed,
            // RFC 3463: delivery not authorized, message refused.
            status: EnhancedCode(5, 7, 1),
            remote: None,
            words: words.clone(),
        };
        let entries: Vec<Entry> =
            (0..held.envelope.recipients.len()).filter(asked).map(entry).collect();
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let now_ms = now_ms();
        let (held, terms, reader) = (held.clone(), Arc::clone(&terms), sender.clone());
        let write = move || {
            let settings = &terms.settings;
            let author = Author { hostname: &settings.hostname, postmaster: &settings.postmaster };
            let subject = Subject {
                id: held.mail_id,
                envelope: &held.envelope,
                facts: &held.facts,
                content: &held.content,
                message_id: &held.judgement.summary.message_id,
            };
            let times = Times { now_ms, expires_ms: now_ms };
            report::write(author, &reader, Kind::Failure, subject, &entries, times)
        };
        let written = tokio::task::spawn_blocking(write).await;
        let written = written.map_err(|error| std::io::Error::other(error.to_string()))??;
        let summary = Summary {
            subject: written.subject,
            message_id: written.message_id,
            author: "Mail delivery system".into(),
        };
        let content = Content::from_bytes(written.text);
        let own = OwnMail::new(written.envelope, content, summary, Some(waiting.held.mail_id));
        Ok(vec![OwnMail { id: Some(id), ..own }])
    }

    fn told(&self, waiting: &Waiting, id: MailId, readers: &[Address]) -> Vec<OwnMail> {
        let held = &waiting.held;
        let terms = self.errands.terms();
        let subject = format!("A message was not approved: {}", held.judgement.summary.subject);
        let sender = held.envelope.reverse_path.to_string();
        let text = format!(
            "A message was held and not approved; it is not delivered.\n\n\
             From       {}\nSubject    {}\nRule       {}\nReference  {}\n",
            if sender.is_empty() { "<>" } else { &sender },
            held.judgement.summary.subject,
            waiting.rule,
            held.mail_id,
        );
        let text: Vec<String> = text.lines().map(harmless).collect();
        let text = text.join("\n");
        let letter = |(at, reader): (usize, &Address)| {
            let id = match at {
                0 => id,
                _ => derived_id(id, "refusal", &[reader.key().as_bytes()]),
            };
            let message_id = format!("{id}@{}", terms.settings.hostname);
            let mark = mark_of(&self.secret, "refusal", reader, &message_id);
            letter_to(&terms.settings, reader, id, held.mail_id, (&subject, &text), &mark)
        };
        readers.iter().enumerate().map(letter).collect()
    }
}

/// Whether the sender is known and can be sent a report.
fn is_own_sender(waiting: &Waiting) -> bool {
    let held = &waiting.held;
    held.facts.role != Role::Inbound && held.envelope.reverse_path.address().is_some()
}

#[cfg(test)]
mod tests;
