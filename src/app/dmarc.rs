//! DMARC aggregate reports in the running box: what mail shows is counted, what others report
//! is stored, and once a day what was counted is sent to those who ask for it.
//!
//! In: judged mail, the clock. Out: entries in the store, mails in the spool. A store that
//! fails costs a count, or makes a sender try again when his report would otherwise be lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::analysis::Look;
use crate::delivery::aggregate::{ReportError, Reporter};
use crate::mail::{Disposition, Envelope, Judgement};
use crate::store::dmarc::{Asked, DAY_MS, Day, Observing, Receipt};
use crate::store::{Store, StoreError};

/// Between two looks for what is due.
const PAUSE: Duration = Duration::from_secs(600);
/// After midnight boxes everywhere begin; each waits a part of this of its own.
const SPREAD_MS: u64 = 3 * 60 * 60 * 1_000;

/// The clerk who counts and files.
#[derive(Debug)]
pub(super) struct Clerk {
    store: Arc<Store>,
    reporter: Arc<Reporter>,
}

impl Clerk {
    pub(super) fn new(store: Arc<Store>, reporter: Arc<Reporter>) -> Clerk {
        Clerk { store, reporter }
    }

    /// Counts a mail for its author's domain, whatever became of it (RFC 9990 section 3:
    /// refused mail counts too). A mail that is to come again is counted then.
    pub(super) fn observe(&self, look: &Look, judgement: &Judgement, envelope: &Envelope) {
        let Some(observation) = look.observation.clone() else { return };
        let Some(done) = done(judgement) else { return };
        // Reports on reports would go to and fro for ever.
        if look.report.is_some() || self.is_about_reports(envelope) {
            return;
        }
        match self.store.dmarc().observed().record(observation.concluded(done), now_ms()) {
            Ok(Observing::Counted | Observing::Unasked) => {}
            Ok(Observing::Full) => tracing::debug!("no room for another DMARC observation"),
            Err(error) => tracing::error!(%error, "a DMARC observation cannot be kept"),
        }
    }

    /// Mail to the address for reports, or from the author of our own.
    fn is_about_reports(&self, envelope: &Envelope) -> bool {
        let terms = self.reporter.terms();
        let reports = &terms.reports;
        let ours = |key: &String| {
            [&reports.address, &reports.from].into_iter().flatten().any(|own| own.key() == *key)
        };
        let to: Vec<String> =
            envelope.recipients.iter().map(|recipient| recipient.forward_path.key()).collect();
        let from = envelope.reverse_path.address().map(|address| address.key());
        (!to.is_empty() && to.iter().all(ours)) || from.as_ref().is_some_and(ours)
    }

    /// Stores the report that a mail brought, when the mail is let through; returns when it is
    /// on the disk. Fails only when the report would be lost with the mail.
    pub(super) async fn file(
        &self,
        look: &Look,
        judgement: &Judgement,
        envelope: &Envelope,
    ) -> Result<(), StoreError> {
        let Some(incoming) = &look.report else { return Ok(()) };
        let Some(report) = incoming.take() else { return Ok(()) };
        let inbox = incoming.inbox.key();
        let copies = envelope.recipients.iter().zip(&judgement.dispositions);
        let mut its_own = copies.filter(|(copy, _)| copy.forward_path.key() == inbox);
        let Some((_, disposition)) = its_own.next() else { return Ok(()) };
        if !matches!(disposition, Disposition::Deliver | Disposition::Discard) {
            return Ok(());
        }
        let (store, authenticated) = (Arc::clone(&self.store), look.authenticated.clone());
        let (org_name, report_id) = (report.org_name.clone(), report.report_id.clone());
        let work = move || {
            let (report, rows) = report.into_stored(now_ms(), &authenticated);
            let receipt = store.dmarc().received().store(report, rows)?;
            store.flush()?;
            Ok(receipt)
        };
        let stored = tokio::task::spawn_blocking(work).await;
        match stored.unwrap_or(Err(StoreError::Damaged("DMARC report"))) {
            Ok(Receipt::Stored) => {
                tracing::info!(org_name, report_id, "a DMARC report was received");
            }
            Ok(Receipt::Known) => {
                tracing::info!(org_name, report_id, "a DMARC report came again");
            }
            Err(error) => {
                tracing::error!(%error, org_name, report_id, "a DMARC report cannot be stored");
                if *disposition == Disposition::Discard {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Sends what is due and forgets what is old, until told to stop.
    pub(super) async fn run(self: Arc<Clerk>, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
            let clerk = Arc::clone(&self);
            let expired = tokio::task::spawn_blocking(move || clerk.expire(now_ms())).await;
            match expired {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "old DMARC entries cannot be forgotten"),
                Err(error) => tracing::error!(%error, "forgetting old DMARC entries broke off"),
            }
            let now_ms = now_ms();
            if !self.reporter.terms().reports.send || !self.is_time(now_ms) {
                continue;
            }
            // Dropped in the middle, it goes on after the next start.
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                sent = self.reporter.send_due(now_ms) => match sent {
                    Ok(_) | Err(ReportError::Unwanted) => {}
                    Err(error) => tracing::error!(%error, "DMARC reports cannot be sent now"),
                }
            }
        }
    }

    /// Whether this box's hour of the day has come.
    fn is_time(&self, now_ms: u64) -> bool {
        let terms = self.reporter.terms();
        let drawn = crc32c::crc32c(terms.hostname.as_str().as_bytes());
        now_ms % DAY_MS >= u64::from(drawn) % SPREAD_MS
    }

    fn expire(&self, now_ms: u64) -> Result<(), StoreError> {
        let keep_days = self.reporter.terms().reports.keep_days;
        let (dmarc, today) = (self.store.dmarc(), Day::of_ms(now_ms));
        let gone = dmarc.observed().expire(today)?
            + dmarc.sent().expire(today)?
            + dmarc.received().expire(now_ms, keep_days)?;
        if gone > 0 {
            tracing::info!(entries = gone, "old DMARC entries were forgotten");
        }
        Ok(())
    }
}

/// The strictest that any copy met with; nothing when the mail is to come again.
fn done(judgement: &Judgement) -> Option<Asked> {
    let mut strictest = Asked::None;
    for disposition in &judgement.dispositions {
        strictest = strictest.max(match disposition {
            Disposition::Deliver | Disposition::HoldUnscanned => Asked::None,
            Disposition::Quarantine { .. } | Disposition::Approval { .. } => Asked::Quarantine,
            Disposition::Reject { .. } | Disposition::Discard => Asked::Reject,
            Disposition::Defer { .. } => return None,
        });
    }
    Some(strictest)
}

fn now_ms() -> u64 {
    crate::delivery::outcome::ms_since_1970(std::time::SystemTime::now())
}
