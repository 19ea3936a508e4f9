//! What the executor needs of the rooms around it. `Queue` stands for the spool, so that the
//! executor can be tested without a disk; `Rescan` is implemented by the composition root.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::archive::{Archive, Filed};
use crate::delivery::Origin;
use crate::delivery::outcome::Warned;
use crate::delivery::report::Written;
use crate::journal::{Event, Journal};
use crate::mail::{About, Content, Durable, Judgement, Mail, MailId, Order, Summary};
use crate::quarantine::Quarantine;
use crate::spool::{self, Attempt, Outcome, OwnMail, Spool, Spooled};

/// What was done for a mail before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// Since when it is in the queue.
    pub queued: SystemTime,
    /// Attempts that counted.
    pub attempts: u32,
    /// Whether the sender was told of the delay.
    pub warned: Warned,
    /// Whether what was ordered beside delivery was done.
    pub errands: Done,
}

/// Whether something was done before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It was.
    Yes,
    /// It was not, or nobody knows.
    No,
}

/// A mail goes back into the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postponement {
    /// When it is due again.
    pub next_attempt: SystemTime,
    /// Whether this was an attempt.
    pub attempt: Attempt,
    /// The last reason, for people.
    pub why: String,
}

/// The durable queue of mail.
pub trait Queue: Send + Sync + 'static {
    /// The proof that its mails are durable.
    type Stage: Durable + Clone + std::fmt::Debug + Send + Sync + 'static;

    /// The next mail that is due. It is not given out again until it is postponed, its last
    /// recipient has ended, or a while after its last clone was dropped. Safe to drop.
    fn due(&self) -> impl Future<Output = Mail<Self::Stage>> + Send;

    /// What policy ordered.
    fn judgement(&self, mail: &Mail<Self::Stage>) -> Arc<Judgement>;

    /// Who wrote it.
    fn origin(&self, mail: &Mail<Self::Stage>) -> Origin;

    /// What was done before.
    fn history(&self, mail: &Mail<Self::Stage>) -> History;

    /// Recipients that have not ended.
    fn pending(&self, id: MailId) -> Vec<u16>;

    /// Records a recipient's end. Durable soon, without waiting; with the last recipient the
    /// mail ends.
    fn record(&self, id: MailId, recipient: u16, outcome: Outcome);

    /// Notes that the sender was told of the delay.
    fn mark_warned(&self, id: MailId);

    /// Notes that what was ordered beside delivery was done.
    fn mark_errands_done(&self, id: MailId);

    /// Gives the mail back until later.
    fn postpone(&self, id: MailId, postponement: Postponement);

    /// Commits a report about a mail; durable when it returns.
    fn commit_report(
        &self,
        report: Written,
        about: MailId,
    ) -> impl Future<Output = Result<MailId, String>> + Send;

    /// Mails that must be scanned before they are due, oldest first.
    fn unscanned(&self, limit: usize) -> Vec<MailId>;

    /// A mail by its id, without holding it.
    fn load(self: &Arc<Self>, id: MailId)
    -> impl Future<Output = Option<Mail<Self::Stage>>> + Send;
}

/// Keeps copies from their recipients.
pub trait Keep<S>: Send + Sync + 'static {
    /// Durable when it returns; the same copy twice is one copy.
    fn keep(
        &self,
        mail: &Mail<S>,
        recipients: &[u16],
        area: &str,
    ) -> impl Future<Output = Result<Kept, String>> + Send;
}

/// Copies that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The entry's name.
    pub entry: MailId,
    /// Until when somebody is asked about it, seconds since 1970.
    pub asks_until_s: Option<u32>,
}

/// What will be.
pub type Soon<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Takes mails of the box's own, and copies.
pub trait Outbox: Send + Sync + 'static {
    /// Durable when it returns. One that is there under the same name is found.
    fn commit(&self, own: OwnMail) -> Soon<'_, Result<MailId, String>>;
}

/// Takes mails for the archive.
pub trait Shelf: Send + Sync + 'static {
    /// Durable when it returns; the same mail twice in one class is one.
    fn shelve<'a>(&'a self, about: About<'a>, class: &'a str) -> Soon<'a, Result<Filed, String>>;
}

/// What came of scanning a mail that was accepted unscanned.
#[derive(Debug)]
pub enum Rescanned {
    /// It is judged, and the judgement is durable; the queue makes the mail due.
    Judged,
    /// It could not be scanned now.
    NotYet {
        /// Why, for people.
        why: String,
        /// When to try again.
        again_in: Duration,
    },
    /// Its time has not come: it is held until newer signatures may know it.
    Waits {
        /// For so long.
        left: Duration,
    },
}

/// Scans and judges a mail that was accepted unscanned. The composition root implements it.
pub trait Rescan<S>: Send + Sync + 'static {
    /// Never delivers.
    fn rescan(&self, mail: Mail<S>) -> impl Future<Output = Rescanned> + Send;
}

/// Where transitions are written down.
pub trait Chronicle: Send + Sync + 'static {
    /// Never waits.
    fn note(&self, id: MailId, event: Event);
}

impl Chronicle for Journal {
    fn note(&self, id: MailId, event: Event) {
        self.record(id, event);
    }
}

impl Queue for Spool {
    type Stage = Spooled;

    async fn due(&self) -> Mail<Spooled> {
        Spool::due(self).await
    }

    fn judgement(&self, mail: &Mail<Spooled>) -> Arc<Judgement> {
        let judgement = mail.stage().judgement();
        match mail.stage().route() {
            None => Arc::clone(judgement),
            // The first order of its kind counts, whoever it is for.
            Some(hops) => {
                let mut steered = (**judgement).clone();
                steered.orders.insert(0, Order::RouteVia(hops.to_owned()));
                Arc::new(steered)
            }
        }
    }

    fn origin(&self, mail: &Mail<Spooled>) -> Origin {
        match mail.stage().origin() {
            spool::Origin::Own { .. } => Origin::Box,
            spool::Origin::Copied { .. } => Origin::Copy,
            spool::Origin::Received
            | spool::Origin::Released { .. }
            | spool::Origin::Redirected { .. } => Origin::Session,
        }
    }

    fn history(&self, mail: &Mail<Spooled>) -> History {
        let stage = mail.stage();
        // What was released from quarantine is as old as its name, not as its reception.
        let minted = UNIX_EPOCH + Duration::from_millis(mail.id.minted_at_ms());
        History {
            queued: stage.queued_since().max(minted),
            attempts: stage.attempts(),
            warned: if stage.is_warned() { Warned::Yes } else { Warned::No },
            errands: if stage.errands_done() { Done::Yes } else { Done::No },
        }
    }

    fn pending(&self, id: MailId) -> Vec<u16> {
        Spool::pending(self, id)
    }

    fn record(&self, id: MailId, recipient: u16, outcome: Outcome) {
        Spool::record(self, id, recipient, outcome);
    }

    fn mark_warned(&self, id: MailId) {
        Spool::mark_warned(self, id);
    }

    fn mark_errands_done(&self, id: MailId) {
        Spool::mark_errands_done(self, id);
    }

    fn postpone(&self, id: MailId, postponement: Postponement) {
        let Postponement { next_attempt, attempt, why } = postponement;
        Spool::postpone(self, id, next_attempt, attempt, why);
    }

    async fn commit_report(&self, report: Written, about: MailId) -> Result<MailId, String> {
        let summary = Summary {
            subject: report.subject,
            message_id: report.message_id,
            author: "Mail delivery system".into(),
        };
        let content = Content::from_bytes(report.text);
        let own = OwnMail::new(report.envelope, content, summary, Some(about));
        let committed = self.commit_own(own).await.map_err(|error| error.to_string())?;
        Ok(committed.id)
    }

    fn unscanned(&self, limit: usize) -> Vec<MailId> {
        Spool::unscanned(self, limit)
    }

    async fn load(self: &Arc<Self>, id: MailId) -> Option<Mail<Spooled>> {
        let spool = Arc::clone(self);
        let loading = tokio::task::spawn_blocking(move || Spool::load(&spool, id));
        match loading.await {
            Ok(Ok(mail)) => mail,
            Ok(Err(error)) => {
                tracing::error!(mail_id = %id, %error, "a queued mail cannot be read");
                None
            }
            Err(_) => None,
        }
    }
}

impl Keep<Spooled> for Quarantine {
    async fn keep(
        &self,
        mail: &Mail<Spooled>,
        recipients: &[u16],
        area: &str,
    ) -> Result<Kept, String> {
        let entry = self.store(mail, recipients, area).await.map_err(|error| error.to_string())?;
        Ok(Kept { entry, asks_until_s: self.asks_until_s(entry) })
    }
}

impl Outbox for Spool {
    fn commit(&self, own: OwnMail) -> Soon<'_, Result<MailId, String>> {
        Box::pin(async move {
            let committed = self.commit_own(own).await.map_err(|error| error.to_string())?;
            Ok(committed.id)
        })
    }
}

impl Shelf for Archive {
    fn shelve<'a>(&'a self, about: About<'a>, class: &'a str) -> Soon<'a, Result<Filed, String>> {
        Box::pin(async move { self.store(about, class).await.map_err(|error| error.to_string()) })
    }
}
