//! What the executor needs of the rooms around it. `Queue` stands for the spool, so that the
//! executor can be tested without a disk; `Rescan` is implemented by the composition root.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::delivery::Origin;
use crate::delivery::report::Written;
use crate::journal::{Event, Journal};
use crate::mail::{Durable, Judgement, Mail, MailId};

/// How a recipient ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// A next hop or mailbox has it.
    Delivered {
        /// Where.
        hop: String,
        /// What it said.
        reply: String,
    },
    /// Given up; whoever had to be told was told.
    Failed {
        /// Why.
        reply: String,
    },
    /// Given up because of its age; whoever had to be told was told.
    Expired,
    /// Kept from the recipient.
    Quarantined {
        /// Where.
        area: String,
    },
    /// Dropped by policy.
    Discarded,
}

/// What was done for a mail before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct History {
    /// Attempts that counted.
    pub attempts: u32,
    /// The sender was told of the delay.
    pub warned: bool,
}

/// A mail goes back into the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postponement {
    /// When it is due again.
    pub next_attempt: SystemTime,
    /// Whether this was an attempt.
    pub counts: bool,
    /// A delay warning was sent just now.
    pub warned: bool,
    /// The last reason, for people.
    pub why: String,
}

/// The durable queue of mail.
pub trait Queue: Send + Sync + 'static {
    /// The proof that its mails are durable.
    type Stage: Durable + Clone + std::fmt::Debug + Send + Sync + 'static;

    /// The next mail that is due. It is leased: not given out again until it is postponed or
    /// its last recipient has ended.
    fn due(&self) -> impl Future<Output = Mail<Self::Stage>> + Send;

    /// What policy ordered.
    fn judgement(&self, mail: &Mail<Self::Stage>) -> Arc<Judgement>;

    /// Who wrote it.
    fn origin(&self, mail: &Mail<Self::Stage>) -> Origin;

    /// What was done before.
    fn history(&self, id: MailId) -> History;

    /// Recipients that have not ended.
    fn pending(&self, id: MailId) -> Vec<u16>;

    /// Records a recipient's end. Durable soon, without waiting; with the last recipient the
    /// mail ends.
    fn record(&self, id: MailId, recipient: u16, end: End);

    /// Ends the lease: the mail comes back later.
    fn postpone(&self, id: MailId, postponement: Postponement);

    /// Commits a report about a mail; durable when it returns.
    fn commit_report(
        &self,
        report: Written,
        about: MailId,
    ) -> impl Future<Output = Result<MailId, String>> + Send;
}

/// Keeps copies from their recipients.
pub trait Keep<S>: Send + Sync + 'static {
    /// Durable when it returns; the same copy twice is one copy.
    fn keep(
        &self,
        mail: &Mail<S>,
        recipients: &[u16],
        area: &str,
    ) -> impl Future<Output = Result<(), String>> + Send;
}

/// What came of scanning a mail that was accepted unscanned.
#[derive(Debug)]
pub enum Rescanned<S> {
    /// It is judged, and the judgement is durable.
    Judged(Mail<S>),
    /// It could not be scanned now.
    NotYet {
        /// Why, for people.
        why: String,
        /// When to try again.
        again_in: Duration,
    },
}

/// Scans and judges a mail that was accepted unscanned.
pub trait Rescan<S>: Send + Sync + 'static {
    /// Never delivers.
    fn rescan(&self, mail: &Mail<S>) -> impl Future<Output = Rescanned<S>> + Send;
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
