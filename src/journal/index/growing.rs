//! The index of the segment that still grows, or that is being made again.
//!
//! In: entries with the offsets of their frames, and what earlier segments know of their mails.
//! Out: rows by terms and names, and a [`Summary`] of the same entries. Memory is bounded by
//! the segment's size.

use std::collections::HashMap;
use std::io;

use super::{Earlier, KINDS, Kind, Lookup, Mark, RowSet, Wanted, act_marks, fingerprint, marks};
use crate::journal::frame::Entry;
use crate::journal::query::Home;
use crate::journal::summary::{Context, Counted, Summary};
use crate::mail::MailId;

#[derive(Debug)]
pub(super) struct Row {
    pub(super) mail_id: MailId,
    /// The segment in which it occurred before; 0 is none.
    pub(super) previous: u32,
    pub(super) frames: Vec<u32>,
    context: Context,
}

/// See the head of the file.
#[derive(Debug, Default)]
pub(in crate::journal) struct Growing {
    pub(super) rows: Vec<Row>,
    by_id: HashMap<MailId, u32>,
    /// Rows in ascending order, but for some that occur again.
    pub(super) terms: HashMap<u64, Vec<u32>>,
    pub(super) names: [HashMap<Box<str>, Vec<u32>>; KINDS],
    pub(in crate::journal) summary: Summary,
    pub(in crate::journal) first_ms: u64,
    pub(in crate::journal) last_ms: u64,
    /// The greatest name of a mail in it.
    pub(in crate::journal) newest: Option<MailId>,
}

impl Growing {
    pub(in crate::journal) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(in crate::journal) fn knows(&self, mail_id: MailId) -> bool {
        self.by_id.contains_key(&mail_id)
    }

    /// Notes an entry and the offset of its frame. `earlier` is asked for when the segment has
    /// not had this mail yet. Returns what was counted.
    pub(in crate::journal) fn note(
        &mut self,
        offset: u32,
        entry: &Entry,
        home: &Home,
        earlier: impl FnOnce(MailId) -> Option<Earlier>,
    ) -> Vec<Counted> {
        if self.rows.is_empty() {
            self.first_ms = entry.at_ms;
        }
        self.first_ms = self.first_ms.min(entry.at_ms);
        self.last_ms = self.last_ms.max(entry.at_ms);
        self.newest = self.newest.max(Some(entry.mail_id));
        let row = match self.by_id.get(&entry.mail_id) {
            Some(row) => *row,
            None => self.begin(entry.mail_id, home, earlier(entry.mail_id)),
        };
        marks(entry, &mut |mark| put(&mut self.terms, &mut self.names, mark, row));
        act_marks(entry, &mut |mark| put(&mut self.terms, &mut self.names, mark, offset));
        let Some(of_row) = self.rows.get_mut(row as usize) else { return Vec::new() };
        of_row.frames.push(offset);
        self.summary.count(&mut of_row.context, entry, home)
    }

    fn begin(&mut self, mail_id: MailId, home: &Home, earlier: Option<Earlier>) -> u32 {
        let row = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        let earlier = earlier.unwrap_or_default();
        let mut context = Context::default();
        for entry in &earlier.entries {
            marks(entry, &mut |mark| put(&mut self.terms, &mut self.names, mark, row));
            self.summary.recall(&mut context, &entry.event, home);
        }
        self.rows.push(Row { mail_id, previous: earlier.segment, frames: Vec::new(), context });
        self.by_id.insert(mail_id, row);
        row
    }
}

fn put(
    terms: &mut HashMap<u64, Vec<u32>>,
    names: &mut [HashMap<Box<str>, Vec<u32>>; KINDS],
    mark: Mark<'_>,
    place: u32,
) {
    let list = match mark {
        Mark::Term(kind, text) => terms.entry(fingerprint(kind, text)).or_default(),
        Mark::Name(kind, text) => {
            let Some(names) = names.get_mut(kind as usize) else { return };
            if !names.contains_key(text) {
                names.insert(text.into(), Vec::new());
            }
            let Some(list) = names.get_mut(text) else { return };
            list
        }
    };
    if list.last() != Some(&place) {
        list.push(place);
    }
}

impl Lookup for Growing {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn between(&self, low: Option<MailId>, high: Option<MailId>) -> io::Result<RowSet> {
        let mut set = RowSet::empty(self.rows.len());
        for (row, one) in (0..).zip(&self.rows) {
            if low.is_none_or(|low| one.mail_id >= low) && high.is_none_or(|end| one.mail_id < end)
            {
                set.put(row);
            }
        }
        Ok(set)
    }

    fn term(&self, print: u64) -> io::Result<Vec<u32>> {
        Ok(self.terms.get(&print).cloned().unwrap_or_default())
    }

    fn named(&self, kind: Kind, wanted: Wanted<'_>) -> io::Result<Vec<u32>> {
        let names = self.names.get(kind as usize).into_iter().flatten();
        let lists = names.filter(|(name, _)| wanted.holds(name)).map(|(_, list)| list);
        Ok(lists.flatten().copied().collect())
    }

    fn is_ordered(&self) -> bool {
        false
    }

    fn ids(&self, rows: &[u32]) -> io::Result<Vec<MailId>> {
        let rows = rows.iter().filter_map(|row| self.rows.get(*row as usize));
        Ok(rows.map(|row| row.mail_id).collect())
    }

    fn frames(&self, mail_id: MailId) -> io::Result<Option<(Vec<u32>, u32)>> {
        let row = self.by_id.get(&mail_id).and_then(|row| self.rows.get(*row as usize));
        Ok(row.map(|row| (row.frames.clone(), row.previous)))
    }
}
