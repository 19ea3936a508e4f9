//! Joins executor, spool and quarantine.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::pipeline::Line;
use super::rescan;
use crate::action::{
    End, Executor, History, Keep, Postponement, Queue, Rescan, Rescanned, Settings,
};
use crate::config::Config;
use crate::delivery::report::Written;
use crate::delivery::{Delivery, Origin};
use crate::journal::{Event, Journal};
use crate::mail::{Content, Judgement, Mail, MailId, Summary};
use crate::quarantine::Quarantine;
use crate::spool::{self, Attempt, Outcome, OwnMail, Spool, Spooled};

/// Between two looks for what the quarantine need not keep any more.
const EXPIRY_PAUSE: Duration = Duration::from_secs(600);

/// The executor with the rooms of this box.
pub(super) type OurExecutor = Executor<SpoolQueue, QuarantineKeep, Again, Journal>;

/// The spool as the executor sees it.
#[derive(Debug)]
pub(super) struct SpoolQueue {
    spool: Arc<Spool>,
    journal: Arc<Journal>,
}

/// The quarantine as the executor sees it.
#[derive(Debug)]
pub(super) struct QuarantineKeep(Arc<Quarantine>);

/// A second look at what was accepted unscanned.
#[derive(Debug)]
pub(super) struct Again(Arc<Line>);

/// The executor, not running yet.
pub(super) fn executor(
    config: &Config,
    line: &Arc<Line>,
    quarantine: &Arc<Quarantine>,
    delivery: Delivery,
) -> Arc<OurExecutor> {
    let (spool, journal) = (Arc::clone(&line.spool), Arc::clone(&line.journal));
    Executor::new(
        Arc::new(SpoolQueue { spool, journal: Arc::clone(&journal) }),
        Arc::new(QuarantineKeep(Arc::clone(quarantine))),
        Arc::new(Again(Arc::clone(line))),
        journal,
        delivery,
        Settings::new(config),
    )
}

/// Runs it until `stop`.
pub(super) fn start(
    config: &Config,
    executor: &Arc<OurExecutor>,
    stop: watch::Receiver<bool>,
) -> JoinHandle<()> {
    let drain = Duration::from_secs(config.limits.drain_timeout_s);
    tokio::spawn(Arc::clone(executor).run(stop, drain))
}

impl Queue for SpoolQueue {
    type Stage = Spooled;

    async fn due(&self) -> Mail<Spooled> {
        self.spool.due().await
    }

    fn judgement(&self, mail: &Mail<Spooled>) -> Arc<Judgement> {
        Arc::clone(mail.stage().judgement())
    }

    fn origin(&self, mail: &Mail<Spooled>) -> Origin {
        match mail.stage().origin() {
            spool::Origin::Own { .. } => Origin::Box,
            spool::Origin::Received | spool::Origin::Released { .. } => Origin::Session,
        }
    }

    fn history(&self, mail: &Mail<Spooled>) -> History {
        History { attempts: mail.stage().attempts(), warned: mail.stage().is_warned() }
    }

    fn pending(&self, id: MailId) -> Vec<u16> {
        self.spool.pending(id)
    }

    fn record(&self, id: MailId, recipient: u16, end: End) {
        let outcome = match end {
            End::Delivered { hop, reply } => Outcome::Delivered { hop, reply },
            End::Failed { reply } => Outcome::Failed { reply },
            End::Expired => Outcome::Expired,
            End::Quarantined { area } => Outcome::Quarantined { area },
            End::Discarded => Outcome::Discarded,
        };
        self.spool.record(id, recipient, outcome);
    }

    fn postpone(&self, id: MailId, postponement: Postponement) {
        let Postponement { next_attempt, counts, warned, why } = postponement;
        if warned {
            self.spool.mark_warned(id);
        }
        let attempt = if counts { Attempt::Counts } else { Attempt::DoesNotCount };
        self.spool.postpone(id, next_attempt, attempt, why);
    }

    async fn commit_report(&self, report: Written, about: MailId) -> Result<MailId, String> {
        let Written { envelope, text, subject } = report;
        let octets = text.len() as u64;
        let originated = Event::originated(&envelope, Some(about), &subject, octets);
        let summary = Summary { subject, ..Summary::default() };
        let own = OwnMail::new(envelope, Content::from_bytes(text), summary, Some(about));
        let spooled = self.spool.commit_own(own).await.map_err(|error| error.to_string())?;
        self.journal.record(spooled.id, originated);
        Ok(spooled.id)
    }
}

impl Keep<Spooled> for QuarantineKeep {
    async fn keep(
        &self,
        mail: &Mail<Spooled>,
        recipients: &[u16],
        area: &str,
    ) -> Result<(), String> {
        let stored = self.0.store(mail, recipients, area).await;
        stored.map(drop).map_err(|error| error.to_string())
    }
}

impl Rescan<Spooled> for Again {
    async fn rescan(&self, mail: &Mail<Spooled>) -> Rescanned<Spooled> {
        rescan::now(&self.0, mail).await
    }
}

/// Forgets what the quarantine has kept for long enough, until told to stop.
pub(super) async fn expire(
    quarantine: Arc<Quarantine>,
    journal: Arc<Journal>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(EXPIRY_PAUSE) => {}
        }
        match quarantine.expire(SystemTime::now()).await {
            Ok(expired) => {
                for (_, mail_id) in expired {
                    journal.record(mail_id, Event::Expired);
                }
            }
            Err(error) => tracing::error!(%error, "the quarantine cannot forget"),
        }
    }
}
