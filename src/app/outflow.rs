//! Joins executor, spool and quarantine, and gives a second look to what was accepted
//! unscanned.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::outbreak;
use super::pipeline::{Judging, Line};
use crate::action::{Executor, Rescan, Rescanned, Settings};
use crate::analysis::{Look, Passage};
use crate::archive::Archive;
use crate::config::Config;
use crate::delivery::Delivery;
use crate::journal::{Event, Journal};
use crate::mail::{Disposition, Judgement, Mail};
use crate::policy;
use crate::quarantine::Quarantine;
use crate::spool::{Spool, Spooled};

/// Between two looks for what the quarantine need not keep any more.
const EXPIRY_PAUSE: Duration = Duration::from_secs(60);
/// Before a scanner that does not answer is asked again.
const SCANNER_PAUSE: Duration = Duration::from_secs(10);

/// The executor with the rooms of this box.
pub(super) type OurExecutor = Executor<Spool, Quarantine, SecondLook, Journal>;

/// Scans and judges what was accepted unscanned.
#[derive(Debug)]
pub(super) struct SecondLook(Arc<Line>);

/// The executor, not running yet.
pub(super) fn executor(
    config: &Config,
    line: &Arc<Line>,
    quarantine: &Arc<Quarantine>,
    delivery: Delivery,
) -> Arc<OurExecutor> {
    Executor::new(
        Arc::clone(&line.spool),
        Arc::clone(quarantine),
        Arc::new(SecondLook(Arc::clone(line))),
        Arc::clone(&line.journal),
        Arc::clone(&line.errands),
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

impl Rescan<Spooled> for SecondLook {
    async fn rescan(&self, mail: Mail<Spooled>) -> Rescanned {
        let not_yet = |why: String| Rescanned::NotYet { why, again_in: SCANNER_PAUSE };
        let judging = self.0.judging.load_full();
        if let Some(left) = outbreak::left(&judging, &mail) {
            return Rescanned::Waits { left };
        }
        let Again { judgement, look, inspected } = match self.judge_again(&judging, &mail).await {
            Ok(judged) => judged,
            Err(why) => return not_yet(why),
        };
        let event = Event::judged(&judgement);
        let delivers = judgement.dispositions.contains(&Disposition::Deliver);
        match self.0.spool.rejudge(mail.id, judgement.clone()).await {
            Ok(_) => {
                self.0.journal.record(mail.id, event);
                if let Some(inspected) = inspected {
                    self.0.journal.record(mail.id, inspected);
                }
                if outbreak::is_held(mail.stage().judgement()) {
                    outbreak::remember(&judging, &mail, &look, &judgement);
                }
                if delivers {
                    self.0.keeper.keep(&judging, mail.id, &mail.envelope, &look);
                }
                match look.held_until_ms {
                    Some(until_ms) => Rescanned::Waits { left: outbreak::until(until_ms) },
                    None => Rescanned::Judged,
                }
            }
            Err(error) => not_yet(error.to_string()),
        }
    }
}

/// What a second look brought.
struct Again {
    judgement: Judgement,
    look: Look,
    /// For the journal.
    inspected: Option<Event>,
}

impl SecondLook {
    /// The new judgement, once every scanner has answered.
    async fn judge_again(&self, judging: &Judging, mail: &Mail<Spooled>) -> Result<Again, String> {
        let passage = Passage { facts: &mail.facts, envelope: &mail.envelope };
        let look = judging.analysis.look_again(&mail.content, Some(passage)).await;
        let look = look.map_err(|error| error.to_string())?;
        if look.unscanned {
            return Err("waits for the virus scanner".into());
        }
        let groups = self.0.groups_of(judging, &mail.envelope).await?;
        let case = policy::Case::of(mail, &groups);
        let mut judgement = policy::judgement_of(&case, &look, &judging.policy);
        policy::hold_outbreak(&look, &mut judgement);
        let filed = self.0.dmarc.file(&look, &judgement, &mail.envelope).await;
        filed.map_err(|error| error.to_string())?;
        judgement.dispositions.iter_mut().for_each(keep_what_cannot_be_refused);
        let inspected = judging.inspected(&case, &look);
        Ok(Again { judgement, look, inspected })
    }
}

/// The sender was told `250` already: what would have been refused is kept from its recipient
/// instead, and nobody is sent a report who may not have written it.
fn keep_what_cannot_be_refused(disposition: &mut Disposition) {
    if matches!(disposition, Disposition::Reject { .. } | Disposition::Defer { .. }) {
        *disposition = Disposition::Quarantine { area: "refused".into() };
    }
}

/// Forgets what quarantine and archive have kept for long enough, at once and then within a
/// minute of the end of its time, until told to stop.
pub(super) async fn expire(
    quarantine: Arc<Quarantine>,
    archive: Arc<Archive>,
    journal: Arc<Journal>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        match quarantine.expire(SystemTime::now()).await {
            Ok(expired) => {
                for (_, mail_id) in expired {
                    journal.record(mail_id, Event::Expired);
                }
            }
            Err(error) => tracing::error!(%error, "the quarantine cannot forget"),
        }
        match archive.expire(SystemTime::now()).await {
            Ok(expired) => {
                for (mail_id, _) in expired {
                    journal.record(mail_id, Event::Expired);
                }
            }
            Err(error) => tracing::error!(%error, "the archive cannot forget"),
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(EXPIRY_PAUSE) => {}
        }
    }
}
