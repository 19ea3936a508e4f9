//! The operator's part of the quarantine.

use super::Desk;
use super::api::{Acted, Detail, QuarantineRow};
use super::desk::{self, DeskError, parse_id, rfc3339};
use super::learning::{Known, parse_label};
use crate::analysis::Speaker;
use crate::journal::Event;

use crate::policy;
use crate::quarantine::{APPROVAL_AREA, HeldEntry, HeldFilter, QuarantineError};

impl Desk {
    /// What is kept, newest first. Blocks.
    pub(super) fn quarantine(&self, limit: usize) -> Result<Vec<QuarantineRow>, DeskError> {
        let entries = self.quarantine.list(&HeldFilter::default(), limit);
        Ok(entries.iter().map(row).collect())
    }

    /// One entry, whole. Blocks.
    pub(super) fn quarantined(&self, id: &str) -> Result<Detail<QuarantineRow>, DeskError> {
        let entry_id = parse_id(id)?;
        let filter = HeldFilter { mail_id: Some(entry_id), ..HeldFilter::default() };
        let listed = self.quarantine.list(&filter, usize::MAX);
        let listed = listed.into_iter().find(|entry| entry.id == entry_id);
        let (Some(entry), Some(held)) = (listed, self.quarantine.load(entry_id)?) else {
            return Err(not_kept(id));
        };
        desk::detail(row(&entry), &held.judgement, &held.facts, &held.content)
    }

    /// Releases or deletes. `learn` is `spam`, `ham` or `nothing`; without it, what was kept
    /// as spam and is released is learned as ham. What is learned goes into the history of the
    /// sender, too.
    pub(super) async fn act_on_quarantine(
        &self,
        id: &str,
        act: &str,
        learn: Option<&str>,
    ) -> Result<Acted, DeskError> {
        let entry_id = parse_id(id)?;
        let fit = |error| match error {
            QuarantineError::Busy => DeskError::Unfit(format!("{id} is being released just now")),
            other => DeskError::Quarantine(other),
        };
        let held = tokio::task::block_in_place(|| self.quarantine.load(entry_id)).ok().flatten();
        let is_asked = held.as_ref().is_some_and(|held| held.area == APPROVAL_AREA);
        if act == "refuse" || (act == "release" && is_asked) {
            return self.decide(id, act).await;
        }
        // The entry's own name when it has gone meanwhile.
        let mail_id = held.as_ref().map_or(entry_id, |held| held.mail_id);
        let was_spam = held.as_ref().is_some_and(|held| policy::looks_like_spam(&held.judgement));
        let label = match (learn, act) {
            (Some("nothing"), _) => None,
            (Some(label), _) => {
                parse_label(label)?;
                Some(label)
            }
            (None, "release") if was_spam => Some("ham"),
            (None, _) => None,
        };
        let (told, event) = match act {
            "release" => {
                let released = self.quarantine.release(&self.spool, entry_id, &self.by).await;
                let becomes = released.map_err(fit)?.ok_or_else(|| not_kept(id))?;
                if let Some(held) = &held {
                    self.journal.record_release(held.continued_as(becomes), &self.by);
                }
                ("released", None)
            }
            "delete" => {
                let deleted = self.quarantine.delete(entry_id, &self.by).await.map_err(fit)?;
                deleted.then_some(()).ok_or_else(|| not_kept(id))?;
                ("deleted", Some(Event::Removed { by: self.by.to_string() }))
            }
            _ => return Err(DeskError::Unknown(format!("no such act: {act}"))),
        };
        if let Some(event) = event {
            self.journal.record(mail_id, event);
        }
        let lesson = match (label, held) {
            (Some(label), Some(held)) => {
                let (known, said) = (Known::of(held), parse_label(label)?);
                tokio::task::block_in_place(|| {
                    self.tell_history(&known, said, Speaker::Operator);
                });
                let taught = self.report(label, None, known.content, Some(mail_id)).await;
                // The mail is on its way, whatever the classifier made of it.
                Some(taught.map_or_else(|error| format!("not learned: {error}"), |row| row.done))
            }
            _ => None,
        };
        Ok(Acted { mail_id: entry_id.to_string(), done: told.into(), lesson })
    }
}

fn not_kept(id: &str) -> DeskError {
    DeskError::Unknown(format!("no mail {id} in quarantine"))
}

pub(super) fn row(entry: &HeldEntry) -> QuarantineRow {
    let recipients = entry.envelope.recipients.iter();
    let summary = &entry.judgement.summary;
    QuarantineRow {
        mail_id: entry.id.to_string(),
        reverse_path: entry.envelope.reverse_path.to_string(),
        forward_paths: recipients.map(|one| one.forward_path.to_string()).collect(),
        subject: summary.subject.clone(),
        message_id: summary.message_id.clone(),
        area: entry.area.clone(),
        held_since: rfc3339(entry.stored_ms),
        verdict: entry.judgement.verdict.to_string(),
        score: entry.judgement.score,
        size_octets: entry.content_octets,
    }
}
