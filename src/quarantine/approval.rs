//! Entries that wait for somebody's approval.
//!
//! In: stored entries of area [`APPROVAL_AREA`]. Out: which wait, whose time is over, and the
//! two steps of a refusal: what it is called is durable before anybody is told of it, and the
//! entry ends when it was told. A crash between the two is completed from [`Quarantine::refusing`].

use super::change::Claim;
use super::record::{self, End, EntryFacts};
use super::{APPROVAL_AREA, Held, Quarantine, QuarantineError};
use crate::mail::{Address, Disposition, Expiry, MailId};

const HOUR_S: u32 = 3_600;

/// An entry that somebody is asked about.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The entry.
    pub held: Held,
    /// Who is asked.
    pub approver: Address,
    /// Until when, seconds since 1970.
    pub until_s: u32,
    /// What becomes of it then.
    pub on_expiry: Expiry,
    /// The rule that asks.
    pub rule: String,
}

/// A refusal that has begun; nobody else can end the entry until it is dropped.
#[derive(Debug)]
pub struct Refusing {
    /// The entry.
    pub waiting: Waiting,
    /// The name of the mail that tells of it.
    pub report: MailId,
    _claim: Claim,
}

/// Until when somebody is asked; nothing for an entry that waits for nobody.
pub(super) fn until_s(area: &str, stored_s: u32, dispositions: &[Disposition]) -> Option<u32> {
    if area != APPROVAL_AREA {
        return None;
    }
    dispositions.iter().find_map(|disposition| match disposition {
        Disposition::Approval { expires_hours, .. } => {
            Some(stored_s.saturating_add(expires_hours.saturating_mul(HOUR_S)))
        }
        _ => None,
    })
}

/// The same of a stored record's head.
pub(super) fn asks_until_s(facts: &EntryFacts, head: &[u8]) -> Option<u32> {
    if facts.area != APPROVAL_AREA {
        return None;
    }
    let stored = record::read_stored(head)?;
    until_s(&facts.area, facts.stored_s, &stored.judgement.dispositions)
}

/// What an entry says of the one who is asked.
fn asked(held: Held, until_s: u32) -> Option<Waiting> {
    let (approver, on_expiry, rule) =
        held.judgement.dispositions.iter().find_map(|disposition| match disposition {
            Disposition::Approval { approver, on_expiry, rule, .. } => {
                Some((approver.clone(), *on_expiry, rule.clone()))
            }
            _ => None,
        })?;
    Some(Waiting { held, approver, until_s, on_expiry, rule })
}

impl Quarantine {
    /// An entry that waits and that nobody has decided about. Blocks on the disk.
    pub fn waiting(&self, id: MailId) -> Result<Option<Waiting>, QuarantineError> {
        let Some(item) = self.item(id).filter(|item| item.releasing.is_none()) else {
            return Ok(None);
        };
        let Some(until_s) = item.asks_until_s else { return Ok(None) };
        Ok(self.load(id)?.and_then(|held| asked(held, until_s)))
    }

    /// Every entry that waits, the next to expire first. Blocks on the disk.
    pub fn all_waiting(&self, limit: usize) -> Vec<Waiting> {
        let ids: Vec<MailId> = self.state().asked.iter().map(|(_, id)| *id).collect();
        let read = ids.into_iter().filter_map(|id| match self.waiting(id) {
            Ok(waiting) => waiting,
            Err(error) => {
                tracing::error!(mail_id = %id, %error, "an approval cannot be listed");
                None
            }
        });
        read.take(limit).collect()
    }

    /// Entries whose time is over at `now_s`, the first to expire first.
    pub fn overdue(&self, now_s: u32) -> Vec<MailId> {
        let state = self.state();
        let over = state.asked.iter().take_while(|(until_s, _)| *until_s <= now_s);
        let undecided = |id: &MailId| {
            state.items.get(id).is_some_and(|item| item.releasing.is_none() && !item.is_busy)
        };
        over.map(|(_, id)| *id).filter(undecided).collect()
    }

    /// Refusals that a crash interrupted.
    pub fn refusing(&self) -> Vec<MailId> {
        let state = self.state();
        let begun = state
            .items
            .iter()
            .filter(|(_, item)| item.releasing.is_some_and(|one| one.kind == record::REFUSING));
        begun.map(|(id, _)| *id).collect()
    }

    /// Begins a refusal, or goes on with one that was begun; nothing when there is no such
    /// entry, or it waits for nobody, or it was released.
    pub async fn refuse(&self, id: MailId, by: &str) -> Result<Option<Refusing>, QuarantineError> {
        let Some(claim) = self.claim(id)? else { return Ok(None) };
        let Some(item) = self.item(id) else { return Ok(None) };
        let Some(until_s) = item.asks_until_s else { return Ok(None) };
        let report = match item.releasing {
            Some(begun) if begun.kind == record::REFUSING => begun.becomes,
            Some(_) => return Ok(None),
            None => self.begin(id, by, record::REFUSING).await?,
        };
        let Some(me) = self.me.upgrade() else { return Ok(None) };
        let loading = tokio::task::spawn_blocking(move || me.load(id));
        let held = loading.await.unwrap_or(Err(crate::log::LogError::Closed.into()))?;
        let waiting = held.and_then(|held| asked(held, until_s));
        Ok(waiting.map(|waiting| Refusing { waiting, report, _claim: claim }))
    }

    /// Ends a refused entry, when everybody was told who is to be told.
    pub async fn end_refused(&self, refusing: Refusing, by: &str) -> Result<(), QuarantineError> {
        self.end(refusing.waiting.held.id, &End::Refused { by: by.to_owned() }).await.map(drop)
    }

    /// Until when somebody is asked about an entry, seconds since 1970.
    pub fn asks_until_s(&self, id: MailId) -> Option<u32> {
        self.item(id)?.asks_until_s
    }

    /// How many wait.
    pub fn waiting_count(&self) -> usize {
        self.state().asked.len()
    }
}
