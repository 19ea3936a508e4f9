//! Views of the quarantine, read from the log on demand.

use std::collections::BTreeMap;

use super::record::{self, EntryFacts};
use super::{Item, Quarantine, QuarantineError};
use crate::journal::Continuation;
use crate::log::LogError;
use crate::mail::{Content, Envelope, Facts, Judgement, MailId};

/// How often a read is repeated when compaction moves the record meanwhile.
const READS: usize = 16;

/// What a list is to show; an empty filter shows all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeldFilter {
    /// In this area only.
    pub area: Option<String>,
    /// Entries of this mail, or this entry.
    pub mail_id: Option<MailId>,
    /// Whose reverse-path contains this, whatever the case.
    pub sender: Option<String>,
    /// One of whose forward-paths contains this, whatever the case.
    pub recipient: Option<String>,
}

/// An entry in a list.
#[derive(Debug, Clone)]
pub struct HeldEntry {
    /// The entry's name.
    pub id: MailId,
    /// The mail that it was in; usually the same.
    pub mail_id: MailId,
    /// Where it is kept.
    pub area: String,
    /// Since when, milliseconds since 1970.
    pub stored_ms: u64,
    /// Until when, milliseconds since 1970.
    pub expires_ms: u64,
    /// Who it is from, and those whose copies are kept.
    pub envelope: Envelope,
    /// Why.
    pub judgement: Judgement,
    /// Length of the message.
    pub content_octets: u64,
}

/// An entry with its content.
#[derive(Debug, Clone)]
pub struct Held {
    /// The entry's name.
    pub id: MailId,
    /// The mail that it was in.
    pub mail_id: MailId,
    /// Where it is kept.
    pub area: String,
    /// The numbers, in that mail, of those whose copies are kept.
    pub recipients: Vec<u16>,
    /// Since when, milliseconds since 1970.
    pub stored_ms: u64,
    /// Who it is from, and those whose copies are kept.
    pub envelope: Envelope,
    /// What the box observed.
    pub facts: Facts,
    /// Why it is here.
    pub judgement: Judgement,
    /// The message.
    pub content: Content,
}

impl Held {
    /// What the journal is told when it goes on under this name.
    pub fn continued_as(&self, becomes: MailId) -> Continuation<'_> {
        Continuation {
            about: self.mail_id,
            becomes,
            envelope: &self.envelope,
            facts: &self.facts,
            judgement: &self.judgement,
            size_octets: self.content.len(),
        }
    }
}

impl Quarantine {
    /// An entry with its content, for those whose copies are still kept; `None` when there is
    /// none. Blocks on the disk.
    pub fn load(&self, id: MailId) -> Result<Option<Held>, QuarantineError> {
        let Some(mut held) = self.load_whole(id)? else { return Ok(None) };
        let released = self.released(id);
        if !released.is_empty() {
            let all = u16::try_from(held.envelope.recipients.len()).unwrap_or(u16::MAX);
            let kept: Vec<u16> = (0..all).filter(|at| !released.contains(at)).collect();
            let is_kept = |at: usize| !released.iter().any(|gone| usize::from(*gone) == at);
            held.judgement = held.judgement.of_some(&kept);
            let mut at = 0..;
            held.envelope.recipients.retain(|_| at.next().is_some_and(is_kept));
            let mut at = 0..;
            held.recipients.retain(|_| at.next().is_some_and(is_kept));
        }
        Ok(Some(held))
    }

    /// The same as it was stored.
    pub(super) fn load_whole(&self, id: MailId) -> Result<Option<Held>, QuarantineError> {
        let read = self.read(id, |head, item| {
            let stored = record::read_stored(&head);
            let stored = stored.ok_or(QuarantineError::Unreadable(id))?;
            Ok((stored, self.log.body(item.stored)?))
        })?;
        let Some((stored, content)) = read else { return Ok(None) };
        Ok(Some(Held {
            id,
            mail_id: stored.entry.mail_id,
            area: stored.entry.area,
            recipients: stored.entry.recipients,
            stored_ms: u64::from(stored.entry.stored_s) * 1_000,
            envelope: stored.envelope,
            facts: stored.facts,
            judgement: stored.judgement,
            content,
        }))
    }

    /// What distinguishes the entry from others.
    pub(super) fn entry_facts(&self, id: MailId) -> Result<Option<EntryFacts>, QuarantineError> {
        self.read(id, |head, _| record::read(&head).ok_or(QuarantineError::Unreadable(id)))
    }

    /// The entries that were stored at this time or later, oldest first.
    pub fn names(&self, since_ms: u64) -> Vec<MailId> {
        let state = self.state();
        let recent = |item: &Item| u64::from(item.stored_s) * 1_000 >= since_ms;
        state.items.iter().filter(|(_, item)| recent(item)).map(|(id, _)| *id).collect()
    }

    /// Entries, newest first. Blocks on the disk.
    pub fn list(&self, filter: &HeldFilter, limit: usize) -> Vec<HeldEntry> {
        let mut ids: Vec<(u32, MailId)> = {
            let state = self.state();
            let fits = |(id, item): &(&MailId, &Item)| {
                filter.mail_id.is_none_or(|wanted| wanted == **id || wanted == item.mail_id)
            };
            let items: &BTreeMap<MailId, Item> = &state.items;
            items.iter().filter(fits).map(|(id, item)| (item.stored_s, *id)).collect()
        };
        ids.sort_unstable_by(|one, other| other.cmp(one));
        let read = ids.into_iter().filter_map(|(_, id)| match self.load(id) {
            Ok(held) => held,
            Err(error) => {
                tracing::error!(mail_id = %id, %error, "a quarantined mail cannot be listed");
                None
            }
        });
        read.filter(|held| filter.admits(held)).take(limit).map(|held| self.listed(held)).collect()
    }

    pub(super) fn listed(&self, held: Held) -> HeldEntry {
        HeldEntry {
            id: held.id,
            mail_id: held.mail_id,
            area: held.area,
            stored_ms: held.stored_ms,
            expires_ms: held.stored_ms.saturating_add(self.keep_s.saturating_mul(1_000)),
            envelope: held.envelope,
            judgement: held.judgement,
            content_octets: held.content.len(),
        }
    }

    fn read<T>(
        &self,
        id: MailId,
        how: impl Fn(Vec<u8>, &Item) -> Result<T, QuarantineError>,
    ) -> Result<Option<T>, QuarantineError> {
        for _ in 0..READS {
            let Some(item) = self.state().items.get(&id).copied() else { return Ok(None) };
            let read = self.log.head(item.stored).map_err(QuarantineError::from);
            match read.and_then(|head| how(head, &item)) {
                Err(QuarantineError::Log(LogError::NoRecord)) => continue,
                read => return read.map(Some),
            }
        }
        Err(LogError::NoRecord.into())
    }
}

impl HeldFilter {
    fn admits(&self, held: &Held) -> bool {
        let contains =
            |text: String, part: &str| text.to_lowercase().contains(&part.to_lowercase());
        let sender = |part: &String| contains(held.envelope.reverse_path.to_string(), part);
        let recipient = |part: &String| {
            let mut paths = held.envelope.recipients.iter().map(|one| one.forward_path.to_string());
            paths.any(|path| contains(path, part))
        };
        self.area.as_ref().is_none_or(|area| *area == held.area)
            && self.sender.as_ref().is_none_or(sender)
            && self.recipient.as_ref().is_none_or(recipient)
    }
}
