//! Views of the archive, read from the log on demand.

use super::record;
use super::{Archive, ArchiveError, DAY_S};
use crate::log::{LogError, Position};
use crate::mail::{Content, Envelope, Facts, Judgement, MailId};

/// How often a read is repeated when compaction moves the record meanwhile.
const READS: usize = 16;

/// What a list is to show; an empty filter shows all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArchiveFilter {
    /// This class only.
    pub class: Option<String>,
    /// This mail only.
    pub mail_id: Option<MailId>,
    /// Whose reverse-path contains this, whatever the case.
    pub sender: Option<String>,
    /// One of whose forward-paths contains this, whatever the case.
    pub recipient: Option<String>,
    /// Stored at this time or later, milliseconds since 1970.
    pub since_ms: Option<u64>,
}

/// An archived mail in a list.
#[derive(Debug, Clone)]
pub struct ArchivedEntry {
    /// Its name.
    pub mail_id: MailId,
    /// Its class.
    pub class: String,
    /// Since when, milliseconds since 1970.
    pub stored_ms: u64,
    /// Until when at least, milliseconds since 1970.
    pub keep_until_ms: u64,
    /// Who it is from and for.
    pub envelope: Envelope,
    /// What was found and what became of it.
    pub judgement: Judgement,
    /// Length of the message.
    pub content_octets: u64,
}

/// An archived mail with its content.
#[derive(Debug, Clone)]
pub struct Archived {
    /// As in the list.
    pub entry: ArchivedEntry,
    /// What the box observed.
    pub facts: Facts,
    /// As it came.
    pub content: Content,
}

impl Archive {
    /// A mail with its content, from this class or the first that has it. Blocks on the disk.
    pub fn load(&self, id: MailId, class: Option<&str>) -> Result<Option<Archived>, ArchiveError> {
        for _ in 0..READS {
            let found = {
                let state = self.state();
                let items = state.items.get(&id).map(Vec::as_slice).unwrap_or_default();
                let fits = |name: &str| class.is_none_or(|class| class == name);
                items.iter().find(|item| fits(&item.class)).cloned()
            };
            let Some(item) = found else { return Ok(None) };
            match self.read(id, item.position) {
                Err(ArchiveError::Log(LogError::NoRecord)) => continue,
                read => return read.map(Some),
            }
        }
        Err(LogError::NoRecord.into())
    }

    /// The mails and classes of what was stored at this time or later, oldest first.
    pub fn names(&self, since_ms: u64) -> Vec<(MailId, String)> {
        let state = self.state();
        let items = state.items.iter().flat_map(|(id, items)| items.iter().map(|it| (*id, it)));
        let recent = items.filter(|(_, item)| u64::from(item.stored_s) * 1_000 >= since_ms);
        recent.map(|(id, item)| (id, item.class.to_string())).collect()
    }

    /// Archived mail, newest first. Blocks on the disk.
    pub fn list(&self, filter: &ArchiveFilter, limit: usize) -> Vec<ArchivedEntry> {
        let mut found: Vec<(u32, MailId, Position)> = {
            let state = self.state();
            let items = state
                .items
                .iter()
                .filter(|(id, _)| filter.mail_id.is_none_or(|wanted| wanted == **id));
            let all = items.flat_map(|(id, items)| items.iter().map(|item| (*id, item)));
            let fits = |class: &str| filter.class.as_deref().is_none_or(|wanted| wanted == class);
            let since = |stored_s: u32| {
                filter.since_ms.is_none_or(|since| u64::from(stored_s) * 1_000 >= since)
            };
            all.filter(|(_, item)| fits(&item.class) && since(item.stored_s))
                .map(|(id, item)| (item.stored_s, id, item.position))
                .collect()
        };
        found.sort_unstable_by(|one, other| other.cmp(one));
        let read = found.into_iter().filter_map(|(_, id, position)| {
            match self.read(id, position) {
                Ok(archived) => Some(archived.entry),
                // Compaction may move it while the list is read.
                Err(ArchiveError::Log(LogError::NoRecord)) => {
                    self.load(id, filter.class.as_deref()).ok().flatten().map(|it| it.entry)
                }
                Err(error) => {
                    tracing::error!(mail_id = %id, %error, "an archived mail cannot be listed");
                    None
                }
            }
        });
        read.filter(|entry| filter.admits(&entry.envelope)).take(limit).collect()
    }

    fn read(&self, id: MailId, position: Position) -> Result<Archived, ArchiveError> {
        let head = self.log.head(position)?;
        let stored = record::read_stored(&head).ok_or(ArchiveError::Unreadable(id))?;
        let content = self.log.body(position)?;
        let keep_s = u64::from(self.settings.load().days_of(&stored.entry.class)) * DAY_S;
        let stored_ms = u64::from(stored.entry.stored_s) * 1_000;
        let entry = ArchivedEntry {
            mail_id: id,
            class: stored.entry.class,
            stored_ms,
            keep_until_ms: stored_ms.saturating_add(keep_s * 1_000),
            envelope: stored.envelope,
            judgement: stored.judgement,
            content_octets: content.len(),
        };
        Ok(Archived { entry, facts: stored.facts, content })
    }
}

impl ArchiveFilter {
    fn admits(&self, envelope: &Envelope) -> bool {
        let contains =
            |text: String, part: &str| text.to_lowercase().contains(&part.to_lowercase());
        let sender = |part: &String| contains(envelope.reverse_path.to_string(), part);
        let recipient = |part: &String| {
            let mut paths = envelope.recipients.iter().map(|one| one.forward_path.to_string());
            paths.any(|path| contains(path, part))
        };
        self.sender.as_ref().is_none_or(sender) && self.recipient.as_ref().is_none_or(recipient)
    }
}
