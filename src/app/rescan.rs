//! Mail that was accepted unscanned: looked into again until the scanner answers, then judged
//! like any other. Until then it waits in the spool and nobody can deliver it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::pipeline::Line;
use crate::action::Rescanned;
use crate::journal::Event;
use crate::mail::{Judgement, Mail, MailId};
use crate::policy;
use crate::spool::{SpoolError, Spooled};

/// Between rounds.
const PAUSE: Duration = Duration::from_secs(10);
/// Mails of one round.
const ROUND: usize = 1_000;

/// Looks into waiting mail until told to stop.
pub(super) async fn run(line: Arc<Line>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = round(&line) => {}
        }
    }
}

/// One round ends at the first mail that the scanner does not answer for.
async fn round(line: &Line) {
    for id in line.spool.unscanned(ROUND) {
        match look_again(line, id).await {
            Ok(Outcome::Judged | Outcome::Gone) => {}
            Ok(Outcome::NotYet) => return,
            Err(error) => tracing::error!(mail_id = %id, %error, "cannot look again"),
        }
    }
}

enum Outcome {
    Judged,
    /// Removed meanwhile.
    Gone,
    NotYet,
}

async fn look_again(line: &Line, id: MailId) -> Result<Outcome, SpoolError> {
    let spool = Arc::clone(&line.spool);
    let loaded = tokio::task::spawn_blocking(move || spool.load(id)).await;
    let Ok(loaded) = loaded else { return Ok(Outcome::NotYet) };
    let Some(mail) = loaded? else { return Ok(Outcome::Gone) };
    judge_again(line, &mail).await
}

async fn judge_again(line: &Line, mail: &Mail<Spooled>) -> Result<Outcome, SpoolError> {
    let Some(judgement) = judged_again(line, mail).await else { return Ok(Outcome::NotYet) };
    line.spool.rejudge(mail.id, judgement).await?;
    Ok(Outcome::Judged)
}

/// For the executor, should it ever meet a mail that is due and not scanned.
pub(super) async fn now(line: &Line, mail: &Mail<Spooled>) -> Rescanned<Spooled> {
    let not_yet = |why: String| Rescanned::NotYet { why, again_in: PAUSE };
    match judge_again(line, mail).await {
        Ok(Outcome::Judged) => {}
        Ok(_) => return not_yet("waits for the virus scanner".into()),
        Err(error) => return not_yet(error.to_string()),
    }
    let (spool, id) = (Arc::clone(&line.spool), mail.id);
    match tokio::task::spawn_blocking(move || spool.load(id)).await {
        Ok(Ok(Some(judged))) => Rescanned::Judged(judged),
        _ => not_yet("cannot be read again".into()),
    }
}

/// The new judgement, once every scanner has answered.
async fn judged_again(line: &Line, mail: &Mail<Spooled>) -> Option<Judgement> {
    let judging = line.judging.load_full();
    let look = match judging.analysis.look(&mail.content).await {
        Ok(look) if !look.unscanned => look,
        Ok(_) | Err(_) => return None,
    };
    let judgement = policy::judgement_of(
        &mail.envelope,
        mail.facts.role,
        mail.id,
        &look.findings,
        &look.summary,
        &judging.policy,
    );
    line.journal.record(mail.id, Event::judged(&judgement));
    Some(judgement)
}
