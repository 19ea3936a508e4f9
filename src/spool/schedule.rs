//! Who gets which mail when: leases, the next mail that is due, and what comes back.
//!
//! Fresh mail and mail whose time has come take turns, three to one, so that neither a burst
//! of new mail nor the end of a long outage starves the other. Fresh mail that is still in
//! memory is handed out without touching the disk.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::entry::Place;
use super::stage::Lease;
use super::{Spool, SpoolError, Spooled, State, seconds};
use crate::log::LogError;
use crate::mail::{Mail, MailId};

/// Fresh mails for each one whose time has come.
const FRESH_TURNS: u32 = 3;
/// When a mail comes back that was dropped, or could not be read, or was left undone.
pub(super) const COMES_BACK_S: u32 = 60;
/// Nobody sleeps longer than this: the clock may be set.
const NAP: Duration = Duration::from_secs(30);

enum Next {
    Ready(Box<Mail<Spooled>>),
    OnDisk(MailId, Arc<Lease>),
    Nothing(Duration),
}

/// What came of asking for one mail.
#[derive(Debug)]
pub enum Taken {
    /// The caller holds it.
    Mail(Box<Mail<Spooled>>),
    /// There is no such mail in the queue.
    Unknown,
    /// It is being delivered just now.
    InDelivery,
}

impl Spool {
    /// The next mail that is due and that nobody holds; waits for it. The caller holds it
    /// until it settles, postpones or holds it, or drops the last clone.
    pub async fn due(&self) -> Mail<Spooled> {
        loop {
            match self.next() {
                Next::Ready(mail) => return *mail,
                Next::OnDisk(id, lease) => match self.fetch(id).await {
                    Ok(Some(mail)) => {
                        return mail.advance(|stage| Spooled { _lease: Some(lease), ..stage });
                    }
                    Ok(None) => {}
                    Err(error) => self.unreadable(id, &error),
                },
                Next::Nothing(wait) => {
                    let _ = tokio::time::timeout(wait, self.woken.notified()).await;
                }
            }
        }
    }

    fn next(&self) -> Next {
        let now = SystemTime::now();
        let mut guard = self.state();
        let state = &mut *guard;
        state.turns = state.turns.wrapping_add(1);
        let fresh_first = !state.turns.is_multiple_of(FRESH_TURNS + 1);
        let table = &mut state.table;
        let slot = match fresh_first {
            true => table.lease_fresh().or_else(|| table.lease_timed(seconds(now))),
            false => table.lease_timed(seconds(now)).or_else(|| table.lease_fresh()),
        };
        let next_s = table.next_time_s();
        let Some(slot) = slot else {
            let wait = next_s.map(|at_s| super::time_of(at_s).duration_since(now));
            return Next::Nothing(wait.map_or(NAP, |wait| wait.unwrap_or_default().min(NAP)));
        };
        let lease = self.lease(state, slot);
        let cached = state.uncache(slot);
        let id = state.table.at(slot).map(|entry| entry.id);
        drop(guard);
        if next_s.is_some_and(|at_s| at_s <= seconds(now)) {
            // There is more: one permit may have stood for several mails.
            self.woken.notify_one();
        }
        match (cached, id) {
            (Some(mail), _) => {
                let leased = mail.advance(|stage| Spooled { _lease: Some(lease), ..stage });
                Next::Ready(Box::new(leased))
            }
            (None, Some(id)) => Next::OnDisk(id, lease),
            (None, None) => Next::Nothing(Duration::ZERO),
        }
    }

    /// A mail whatever its state, for somebody who ends it in another way than by delivery;
    /// nobody else gets it until it is dropped.
    pub async fn take(&self, id: MailId) -> Result<Taken, SpoolError> {
        let lease = {
            let mut guard = self.state();
            let state = &mut *guard;
            let Some(slot) = state.table.slot(id) else { return Ok(Taken::Unknown) };
            if state.leases.contains_key(&slot) {
                return Ok(Taken::InDelivery);
            }
            state.uncache(slot);
            state.table.unschedule(slot);
            state.table.change(slot, |entry| entry.place = Place::Leased);
            self.lease(state, slot)
        };
        Ok(match self.fetch(id).await? {
            Some(mail) => Taken::Mail(Box::new(
                mail.advance(|stage| Spooled { _lease: Some(lease), ..stage }),
            )),
            None => Taken::Unknown,
        })
    }

    fn lease(&self, state: &mut State, slot: u32) -> Arc<Lease> {
        let number = state.next_lease;
        state.next_lease += 1;
        state.leases.insert(slot, number);
        let id = state.table.at(slot).map_or(MailId::from_octets([0; 12]), |entry| entry.id);
        Arc::new(Lease { spool: self.me.clone(), id, number })
    }

    /// The holder is done with the mail for now. What is still pending is due again after a
    /// minute; use [`Spool::postpone`] to say when.
    pub fn settle(&self, id: MailId) {
        let again_s = seconds(SystemTime::now()).saturating_add(COMES_BACK_S);
        let mut guard = self.state();
        let state = &mut *guard;
        let Some(slot) = state.table.slot(id) else { return };
        if state.table.at(slot).is_some_and(|entry| entry.pending().next().is_none()) {
            return self.end(state, slot, None, None);
        }
        if state.leases.remove(&slot).is_some() {
            state.table.change(slot, |entry| entry.next_attempt_s = again_s);
            state.table.schedule(slot);
        }
    }

    /// The last clone of a held mail was dropped.
    pub(super) fn lapse(&self, id: MailId, number: u64) {
        let again_s = seconds(SystemTime::now()).saturating_add(COMES_BACK_S);
        let mut state = self.state();
        let Some(slot) = state.table.slot(id) else { return };
        if state.leases.get(&slot) == Some(&number) {
            state.leases.remove(&slot);
            state.table.change(slot, |entry| entry.next_attempt_s = again_s);
            state.table.schedule(slot);
            drop(state);
            tracing::warn!(mail_id = %id, "a mail was dropped without an outcome; it comes back");
        }
    }

    /// A mail that is due cannot be read: nothing is lost, an administrator must look.
    fn unreadable(&self, id: MailId, error: &SpoolError) {
        tracing::error!(mail_id = %id, %error, "a queued mail cannot be read");
        let is_lasting = matches!(
            error,
            SpoolError::Unreadable(_) | SpoolError::Log(LogError::Damaged | LogError::NoRecord)
        );
        let mut guard = self.state();
        let state = &mut *guard;
        let Some(slot) = state.table.slot(id) else { return };
        state.leases.remove(&slot);
        let again_s = seconds(SystemTime::now()).saturating_add(COMES_BACK_S);
        state.table.change(slot, |entry| entry.next_attempt_s = again_s);
        if is_lasting {
            state.table.change(slot, |entry| entry.flags.held = true);
            self.write_state(state, slot, format!("cannot be read: {error}"), None);
        }
        state.table.schedule(slot);
    }
}
