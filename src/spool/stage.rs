//! The proof that a mail is durable.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use super::Spool;
use super::record::Origin;
use crate::mail::{Durable, Judgement, MailId};
use crate::policy::Judged;

/// A mail that survives a power cut, and what the spool knows of it. Whoever got it from
/// [`Spool::due`] holds it until it says what became of it; if it is dropped without a word
/// it comes back after a minute.
#[derive(Debug, Clone)]
pub struct Spooled {
    pub(super) judged: Option<Judged>,
    pub(super) judgement: Arc<Judgement>,
    pub(super) origin: Origin,
    pub(super) attempts: u32,
    pub(super) queued_ms: u64,
    pub(super) is_warned: bool,
    pub(super) errands_done: bool,
    pub(super) why: Arc<str>,
    pub(super) route: Option<Arc<str>>,
    /// Held, not read: gives the mail back when the last clone is dropped.
    pub(super) _lease: Option<Arc<Lease>>,
}

impl Durable for Spooled {}

impl Spooled {
    /// Verdict, dispositions and orders.
    pub fn judgement(&self) -> &Arc<Judgement> {
        &self.judgement
    }

    /// The stage before; absent after a restart and for mail of the box's own.
    pub fn judged(&self) -> Option<&Judged> {
        self.judged.as_ref()
    }

    /// How it came into the spool.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Attempts at delivery so far.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Since when it is in the queue.
    pub fn queued_since(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.queued_ms)
    }

    /// Whether the sender was told of the delay.
    pub fn is_warned(&self) -> bool {
        self.is_warned
    }

    /// Whether what was ordered beside delivery is done.
    pub fn errands_done(&self) -> bool {
        self.errands_done
    }

    /// Next hops that an administrator has given, whatever routes and policy say.
    pub fn route(&self) -> Option<&str> {
        self.route.as_deref()
    }

    /// Why the last attempt failed; empty when there was none.
    pub fn last_reason(&self) -> &str {
        &self.why
    }
}

/// The right of one task to work on a mail.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) spool: Weak<Spool>,
    pub(super) id: MailId,
    pub(super) number: u64,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(spool) = self.spool.upgrade() {
            spool.lapse(self.id, self.number);
        }
    }
}
