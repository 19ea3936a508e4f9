//! What the box still has of a mail: in the queue, in quarantine, in the archive.
//!
//! In: a mail's name. Out: [`Kept`], with its content and what it was judged to be. Who may
//! see it is checked by its own envelope, not by who asks for it by name.

use crate::admin::Desk;
use crate::admin::site::{Call, Refusal, seen};
use crate::mail::{Content, Envelope, Facts, Judgement, MailId};
use crate::quarantine::{HeldFilter, QuarantineError};

/// Where a mail is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It waits to go on.
    Queue,
    /// Copies are kept from their recipients: the entry.
    Quarantine(MailId),
    /// For good reasons.
    Archive,
}

/// A mail that the box still has.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// Where.
    pub(crate) place: Place,
    /// Whom it is from and for, as far as that place knows.
    pub(crate) envelope: Envelope,
    /// What was observed.
    pub(crate) facts: Facts,
    /// What was made of it.
    pub(crate) judgement: Judgement,
    /// The message.
    pub(crate) content: Content,
}

impl Kept {
    /// Everywhere that a mail is kept; the queue first. Blocks.
    pub(crate) fn all(desk: &Desk, mail_id: MailId) -> Result<Vec<Kept>, Refusal> {
        let broken = |error: &dyn std::fmt::Display| Refusal::Broken(error.to_string());
        let mut all = Vec::new();
        if let Some(mail) = desk.spool.load(mail_id).map_err(|error| broken(&error))? {
            all.push(Kept {
                place: Place::Queue,
                envelope: mail.envelope.as_ref().clone(),
                facts: mail.facts.as_ref().clone(),
                judgement: mail.stage().judgement().as_ref().clone(),
                content: mail.content.clone(),
            });
        }
        let filter = HeldFilter { mail_id: Some(mail_id), ..HeldFilter::default() };
        for entry in desk.quarantine.list(&filter, 100) {
            let held = desk.quarantine.load(entry.id);
            if let Some(held) = held.map_err(|error: QuarantineError| broken(&error))? {
                all.push(Kept {
                    place: Place::Quarantine(held.id),
                    envelope: held.envelope,
                    facts: held.facts,
                    judgement: held.judgement,
                    content: held.content,
                });
            }
        }
        if let Some(kept) = desk.archive.load(mail_id, None).map_err(|error| broken(&error))? {
            all.push(Kept {
                place: Place::Archive,
                envelope: kept.entry.envelope,
                facts: kept.facts,
                judgement: kept.entry.judgement,
                content: kept.content,
            });
        }
        Ok(all)
    }

    /// Those of them that the caller may see; [`Refusal::NotFound`] when there is none.
    pub(crate) async fn seen(call: &Call, mail_id: MailId) -> Result<Vec<Kept>, Refusal> {
        let (desk, scope) = (call.desk(), call.caller.scope.clone());
        let kept = call.blocking(move || Kept::all(&desk, mail_id)).await?;
        Ok(kept.into_iter().filter(|kept| scope.sees(&kept.envelope)).collect())
    }

    /// One whose content may be read.
    pub(crate) async fn one(call: &Call, mail_id: MailId) -> Result<Kept, Refusal> {
        Kept::seen(call, mail_id).await?.into_iter().next().ok_or(Refusal::NotFound)
    }

    /// One all of whose copies are the caller's to act on.
    pub(crate) async fn whole(call: &Call, mail_id: MailId) -> Result<Kept, Refusal> {
        let kept = Kept::one(call, mail_id).await?;
        seen::check_whole(call, &kept.envelope)?;
        Ok(kept)
    }
}
