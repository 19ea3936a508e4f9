//! Releases for some of an entry's recipients.
//!
//! A *part* record tells which recipients have their copies by now, and which release of some
//! has begun; each replaces the one before. A release writes what it is about to do and the
//! name of the mail that these copies become, then commits that mail to the spool, then writes
//! that it was done; with the last recipient the entry ends. A crash between any two of these
//! is completed by [`Quarantine::resume`], as for a release to all.

use tokio::sync::oneshot;

use super::change::Left;
use super::record::{self, Begun, End, PartHead};
use super::{Quarantine, QuarantineError};
use crate::log::{LogError, Position, Purpose, Record, Terms};
use crate::mail::{Address, MailId};
use crate::spool::{Origin, OwnMail, Spool};

/// What memory holds of an entry of which some copies were released.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) position: Position,
    pub(super) head: PartHead,
}

/// What a release for some came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parted {
    /// The mail that these copies became.
    pub becomes: MailId,
    /// Recipients whose copies are still kept.
    pub left: usize,
}

impl Quarantine {
    /// Releases the copies of some recipients; the others stay. `None` when there is no such
    /// entry, or it is being released or refused as a whole.
    pub async fn release_some(
        &self,
        spool: &Spool,
        id: MailId,
        forward_paths: &[Address],
        by: &str,
    ) -> Result<Option<Parted>, QuarantineError> {
        let Some(_claim) = self.claim(id)? else { return Ok(None) };
        if self.item(id).is_none_or(|item| item.releasing.is_some()) {
            return Ok(None);
        }
        // What a full spool left undone comes first.
        self.finish_part(spool, id).await?;
        let Some(stored) = self.whole_entry(id).await? else { return Ok(None) };
        let done = self.released(id);
        let wanted: Vec<u16> = (0u16..)
            .zip(&stored.envelope.recipients)
            .filter(|(at, one)| !done.contains(at) && forward_paths.contains(&one.forward_path))
            .map(|(at, _)| at)
            .collect();
        if wanted.is_empty() {
            return Err(QuarantineError::NoRecipient);
        }
        let becomes = MailId::mint();
        let begun = Some(Begun { becomes, recipients: wanted });
        self.write_part(id, PartHead { done, begun, by: by.to_owned() }).await?;
        let left = self.finish_part(spool, id).await?;
        Ok(left.map(|left| Parted { becomes, left }))
    }

    /// Completes the release for some that has begun; how many recipients are left then, or
    /// nothing when none has begun. The caller has the claim.
    pub(super) async fn finish_part(
        &self,
        spool: &Spool,
        id: MailId,
    ) -> Result<Option<usize>, QuarantineError> {
        let part = self.state().parts.get(&id).map(|part| part.head.clone());
        let Some(PartHead { mut done, begun: Some(begun), by }) = part else { return Ok(None) };
        let Some(mut stored) = self.whole_entry(id).await? else { return Ok(None) };
        let all = stored.envelope.recipients.len();
        let pick = |at: &u16| stored.envelope.recipients.get(usize::from(*at)).cloned();
        let recipients: Vec<_> = begun.recipients.iter().filter_map(pick).collect();
        let leaving = Left { mail_id: stored.mail_id, area: &stored.area, becomes: begun.becomes };
        let judgement =
            leaving.judgement(stored.judgement.of_some(&begun.recipients), recipients.len());
        stored.envelope.recipients = recipients;
        spool
            .commit_own(OwnMail {
                id: Some(begun.becomes),
                envelope: stored.envelope,
                content: stored.content,
                facts: stored.facts,
                judgement,
                origin: Origin::Released { held: id },
            })
            .await?;
        done.extend(begun.recipients);
        done.sort_unstable();
        done.dedup();
        let left = all.saturating_sub(done.len());
        match left {
            0 => self.end(id, &End::Released { becomes: begun.becomes }).await.map(drop)?,
            _ => self.write_part(id, PartHead { done, begun: None, by }).await?,
        }
        Ok(Some(left))
    }

    /// Entries of which a release for some was interrupted, and what it makes.
    pub(super) fn parts_begun(&self) -> Vec<(MailId, MailId)> {
        let state = self.state();
        let begun = state
            .parts
            .iter()
            .filter_map(|(id, part)| part.head.begun.as_ref().map(|begun| (*id, begun.becomes)));
        begun.collect()
    }

    /// The numbers, in the entry, of those whose copies were released.
    pub(super) fn released(&self, id: MailId) -> Vec<u16> {
        let state = self.state();
        state.parts.get(&id).map(|part| part.head.done.clone()).unwrap_or_default()
    }

    async fn whole_entry(&self, id: MailId) -> Result<Option<super::Held>, QuarantineError> {
        let Some(me) = self.me.upgrade() else { return Err(LogError::Closed.into()) };
        let loading = tokio::task::spawn_blocking(move || me.load_whole(id));
        loading.await.unwrap_or(Err(LogError::Closed.into()))
    }

    pub(super) async fn write_part(
        &self,
        id: MailId,
        head: PartHead,
    ) -> Result<(), QuarantineError> {
        let octets = record::head_of(&head);
        let record = Record { kind: record::PART, mail_id: id, head: octets, body: None };
        let (sender, receiver) = oneshot::channel();
        let me = self.me.clone();
        self.log.submit(record.seal()?, Terms::plain(Purpose::Outcome), move |done| {
            let done = done.map(|position| {
                if let Some(me) = me.upgrade() {
                    me.part_written(id, Part { position, head });
                }
            });
            let _ = sender.send(done);
        })?;
        Ok(receiver.await.unwrap_or(Err(LogError::Closed))?)
    }

    /// A part record is durable and replaces the one before. Runs on the log's thread.
    fn part_written(&self, id: MailId, part: Part) {
        let mut state = self.state();
        let replaced = match state.items.contains_key(&id) {
            true => state.parts.insert(id, part).map(|old| old.position),
            false => Some(part.position),
        };
        drop(state);
        replaced.into_iter().for_each(|position| self.log.release(position));
    }
}
