//! What the quarantine makes of its log at start.
//!
//! A releasing record may stand before its stored record when compaction moved that one, and
//! a crash may have left two copies of one record, of which the later is kept.

use std::collections::HashMap;
use std::sync::Arc;

use super::part::Part;
use super::record::{self, EntryFacts, PartHead, ReleasingHead};
use super::{Item, QuarantineError, Releasing, State, approval};
use crate::log::{Entry, Liveness, Log, LogOptions, Position, ReplayReport};
use crate::mail::MailId;

#[derive(Debug, Default)]
struct Replay {
    state: State,
    releasing: HashMap<MailId, Releasing>,
    /// The newest of each entry, with its place in the order of writing.
    parts: HashMap<MailId, (u64, Part)>,
    dead: Vec<Position>,
}

/// Opens the log and reads all entries.
pub(super) fn recover(
    options: LogOptions,
) -> Result<(Arc<Log>, State, ReplayReport), QuarantineError> {
    let mut replay = Replay::default();
    let (log, report) = Log::open(options, &mut |entry| replay.see(&entry))?;
    let Replay { mut state, releasing, parts, mut dead } = replay;
    for (id, (_, part)) in parts {
        match state.items.contains_key(&id) {
            true => drop(state.parts.insert(id, part)),
            false => dead.push(part.position),
        }
    }
    for (id, one) in releasing {
        match state.items.get_mut(&id) {
            Some(item) => item.releasing = Some(one),
            None => dead.push(one.position),
        }
    }
    dead.into_iter().for_each(|position| log.release(position));
    Ok((log, state, report))
}

impl Replay {
    fn see(&mut self, entry: &Entry<'_>) -> Liveness {
        let (id, position) = (entry.mail_id, entry.position);
        match entry.kind {
            record::STORED => {
                let facts = record::read::<EntryFacts>(entry.head);
                let asks_until_s =
                    facts.as_ref().and_then(|facts| approval::asks_until_s(facts, entry.head));
                // What cannot be understood is kept and shows in lists as unreadable.
                let (mail_id, stored_s) =
                    facts.map_or((id, u32::MAX), |facts| (facts.mail_id, facts.stored_s));
                let (stored, is_busy) = (position, false);
                let item =
                    Item { stored, mail_id, stored_s, releasing: None, asks_until_s, is_busy };
                self.dead.extend(self.state.insert(id, item).map(|old| old.stored));
            }
            kind @ (record::RELEASING | record::REFUSING) => {
                if let Some(head) = record::read::<ReleasingHead>(entry.head) {
                    let one = Releasing { position, becomes: head.becomes, kind };
                    self.dead.extend(self.releasing.insert(id, one).map(|old| old.position));
                }
            }
            record::PART => self.part(entry),
            record::END => {
                self.dead.extend(self.state.remove(id).map(|item| item.stored));
                self.dead.extend(self.releasing.remove(&id).map(|one| one.position));
                self.dead.extend(self.parts.remove(&id).map(|(_, part)| part.position));
                return Liveness::Dead;
            }
            kind => tracing::error!(mail_id = %id, kind, "a record of unknown kind"),
        }
        Liveness::Live
    }

    fn part(&mut self, entry: &Entry<'_>) {
        let Some(head) = record::read::<PartHead>(entry.head) else { return };
        let part = Part { position: entry.position, head };
        match self.parts.get_mut(&entry.mail_id) {
            Some((newest, _)) if *newest > entry.sequence => self.dead.push(entry.position),
            Some(known) => {
                let (_, old) = std::mem::replace(known, (entry.sequence, part));
                self.dead.push(old.position);
            }
            None => drop(self.parts.insert(entry.mail_id, (entry.sequence, part))),
        }
    }
}
