//! Segments read again, and indexes and summaries made again from them.
//!
//! In: the segments, and indexes or summaries that are missing, damaged, of an older version or
//! by other protected domains. Out: the same as if they had been made while the segment grew;
//! what had to be made again is reported.
//!
//! A segment's index holds what earlier ones know of its mails, so the earlier ones are made
//! good first. When some have expired, what they knew is gone with them.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::JournalError;
use super::flow::{Topping, Ways};
use super::frame::{self, Entry, SEGMENT_HEAD};
use super::index::{Earlier, Growing, Lookup, Sealed};
use super::query::Home;
use super::segment::{
    Books, Closed, View, index_path, read_frames, seal, segment_path, summary_path,
};
use super::summary::{self, Summary};
use crate::mail::MailId;

/// Events of one mail that are looked at; what happened after so many is left out.
pub(super) const STORY_EVENTS: usize = 20_000;
/// How often an index is made again before a question is answered without it.
const ATTEMPTS: usize = 3;

/// How a segment ends that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// Perhaps torn: what is damaged is set aside and reported, a torn tail cut.
    Torn,
    /// Here, because it is being written: nothing is changed.
    EndsAt(u64),
}

/// Indexes are made again one after the other: they are drafted under one name each.
static MENDING: Mutex<()> = Mutex::new(());

/// Reads a segment whole. Indexes of older ones that it needs are made good before.
pub(super) fn read(
    folder: &Path,
    number: u32,
    older: &[Arc<Closed>],
    home: &Home,
    tail: Tail,
) -> Result<(u64, Growing), JournalError> {
    read_with(folder, (number, tail), older, home, &|mail_id| {
        recall_soundly(folder, older, home, mail_id)
    })
}

fn read_with(
    folder: &Path,
    (number, tail): (u32, Tail),
    older: &[Arc<Closed>],
    home: &Home,
    recall: &dyn Fn(MailId) -> Option<Earlier>,
) -> Result<(u64, Growing), JournalError> {
    let path = segment_path(folder, number);
    let mut octets = fs::read(&path).map_err(JournalError::of(&path))?;
    if let Tail::EndsAt(end) = tail {
        octets.truncate(usize::try_from(end).unwrap_or(usize::MAX));
    }
    if !octets.starts_with(&SEGMENT_HEAD) {
        if tail == Tail::Torn {
            set_aside(folder, number, &octets, 0..octets.len());
            cut(&path, 0)?;
        }
        return Ok((0, Growing::default()));
    }
    let mut index = Growing::default();
    let newest = older.iter().filter_map(|one| one.index.load().newest).max();
    let scan = frame::scan(&octets, &mut |offset, entry| {
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        index.note(offset, &entry, home, |mail_id| {
            (newest >= Some(mail_id)).then(|| recall(mail_id)).flatten()
        });
    });
    if tail == Tail::Torn {
        for damaged in scan.damaged {
            set_aside(folder, number, &octets, damaged);
        }
        if scan.end < octets.len() {
            set_aside(folder, number, &octets, scan.end..octets.len());
            cut(&path, scan.end as u64)?;
        }
    }
    Ok((scan.end as u64, index))
}

fn cut(path: &Path, octets: u64) -> Result<(), JournalError> {
    let file = OpenOptions::new().write(true).open(path);
    file.and_then(|file| file.set_len(octets)).map_err(JournalError::of(path))
}

fn set_aside(folder: &Path, number: u32, octets: &[u8], range: Range<usize>) {
    let damaged = octets.get(range.clone()).unwrap_or_default();
    if damaged.is_empty() {
        return;
    }
    let corrupt = folder.join("corrupt");
    let file = corrupt.join(format!("{number:08}-{}.bin", range.start));
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&corrupt);
    let kept = made.and_then(|()| fs::write(&file, damaged));
    let file = file.display().to_string();
    match kept {
        Ok(()) => tracing::warn!(file, octets = damaged.len(), "damaged events were set aside"),
        Err(error) => tracing::error!(file, %error, "damaged events could not be set aside"),
    }
}

/// What closed segments know of a mail: the last of them that has it, and from there back to
/// where the mail begins. Indexes that can not be read are passed over.
fn recall(folder: &Path, closed: &[Arc<Closed>], mail_id: MailId) -> Option<Earlier> {
    let frames = |one: &Closed| -> Option<(Vec<u32>, u32)> {
        let sealed = one.index.load_full();
        let reading = sealed.reading(&index_path(folder, one.number)).ok()?;
        reading.frames(mail_id).ok()?
    };
    let may_have = |one: &&Arc<Closed>| one.index.load().newest >= Some(mail_id);
    let mut found = closed
        .iter()
        .rev()
        .filter(may_have)
        .find_map(|one| frames(one).map(|(frames, previous)| (one.number, frames, previous)));
    let segment = found.as_ref().map(|(number, ..)| *number)?;
    let mut parts: Vec<Vec<Entry>> = Vec::new();
    let mut room = STORY_EVENTS;
    while let Some((number, mut offsets, previous)) = found.take() {
        offsets.truncate(room);
        room -= offsets.len();
        parts.push(read_frames(folder, number, &offsets));
        let at = closed.binary_search_by_key(&previous, |one| one.number);
        // Only ever further back, whatever an index says.
        let one = at.ok().and_then(|at| closed.get(at)).filter(|one| one.number < number);
        found =
            one.and_then(|one| frames(one).map(|(frames, before)| (one.number, frames, before)));
    }
    let entries = parts.into_iter().rev().flatten().filter(|entry| entry.mail_id == mail_id);
    Some(Earlier { segment, entries: entries.collect() })
}

/// [`recall`] with indexes that were verified, and made again where they had to be.
pub(super) fn recall_soundly(
    folder: &Path,
    closed: &[Arc<Closed>],
    home: &Home,
    mail_id: MailId,
) -> Option<Earlier> {
    for (at, one) in closed.iter().enumerate() {
        if one.index.load().newest >= Some(mail_id) && !is_sound(folder, one) {
            make_good(folder, closed, at, home);
        }
    }
    recall(folder, closed, mail_id)
}

fn is_sound(folder: &Path, closed: &Closed) -> bool {
    let path = index_path(folder, closed.number);
    matches!(closed.index.load().verify(&path), Ok(true))
}

/// Makes the index of a closed segment good, and before it those of the earlier ones.
fn make_good(folder: &Path, closed: &[Arc<Closed>], last: usize, home: &Home) {
    let _one_at_a_time = MENDING.lock().unwrap_or_else(PoisonError::into_inner);
    for (at, one) in closed.iter().enumerate().take(last + 1) {
        let older = closed.get(..at).unwrap_or_default();
        if is_sound(folder, one) || !segment_path(folder, one.number).exists() {
            continue;
        }
        let path = index_path(folder, one.number);
        tracing::warn!(file = %path.display(), "the index cannot be used: making it again");
        let which = (one.number, Tail::EndsAt(one.octets));
        // Those before it are good by now, as far as they can be.
        let again = read_with(folder, which, older, home, &|id| recall(folder, older, id));
        let sealed = again.and_then(|(_, index)| seal(folder, one.number, one.octets, &index));
        match sealed {
            Ok(sealed) => one.index.store(Arc::new(sealed)),
            Err(error) => tracing::warn!(%error, "an index cannot be made again"),
        }
    }
}

/// A summary, wherever it is.
pub(super) enum Source<'s> {
    /// Of the segment that grows, or just made again.
    Memory(&'s Summary),
    /// Of a closed segment.
    File(&'s summary::file::File),
}

impl Source<'_> {
    pub(super) fn groups(&self) -> &[Vec<String>] {
        match self {
            Source::Memory(summary) => &summary.groups,
            Source::File(file) => &file.groups,
        }
    }

    /// Shows steps: all that begin at `since_ms` or later, and perhaps others.
    pub(super) fn steps(
        &self,
        since_ms: u64,
        show: &mut dyn FnMut(u64, u32, Ways),
    ) -> io::Result<()> {
        match self {
            Source::Memory(summary) => {
                let steps = summary.steps.range((since_ms, 0)..);
                steps.for_each(|((step, group), ways)| show(*step, *group, *ways));
                Ok(())
            }
            Source::File(file) => file.steps(show),
        }
    }

    /// Shows the lists of names from an hour on: group, what a count may lack, names.
    pub(super) fn lists(
        &self,
        topping: Topping,
        from_hour: u64,
        show: &mut dyn FnMut(u32, u64, &[(&str, u64)]),
    ) -> io::Result<()> {
        match self {
            Source::Memory(summary) => {
                for ((_, group), lists) in summary.hours.range((from_hour, 0)..) {
                    let names = lists.get(topping as usize).into_iter().flatten();
                    let names: Vec<(&str, u64)> =
                        names.map(|(name, count)| (&**name, *count)).collect();
                    show(*group, 0, &names);
                }
                Ok(())
            }
            Source::File(file) => file.lists(topping, from_hour, show),
        }
    }
}

impl Books {
    fn older(&self, number: u32) -> Vec<Arc<Closed>> {
        let shelf = self.shelf();
        shelf.closed.iter().filter(|one| one.number <= number).map(Arc::clone).collect()
    }

    /// Asks the index of one segment. None when the segment has expired.
    pub(super) fn ask<T>(
        &self,
        view: &View,
        question: &mut dyn FnMut(&dyn Lookup) -> io::Result<T>,
    ) -> Result<Option<T>, JournalError> {
        let closed = match view {
            View::Closed(closed) => Arc::clone(closed),
            View::Open(number) => {
                let shelf = self.shelf();
                if shelf.open.number == *number {
                    return question(&shelf.open.index)
                        .map(Some)
                        .map_err(JournalError::of(&segment_path(&self.folder, *number)));
                }
                // Closed since the search began.
                match shelf.closed.iter().find(|one| one.number == *number) {
                    Some(closed) => Arc::clone(closed),
                    None => return Ok(None),
                }
            }
        };
        let path = index_path(&self.folder, closed.number);
        for _ in 0..ATTEMPTS {
            let sealed: Arc<Sealed> = closed.index.load_full();
            if matches!(sealed.verify(&path), Ok(true)) {
                let reading = sealed.reading(&path);
                if let Ok(answer) = reading.and_then(|reading| question(&reading)) {
                    return Ok(Some(answer));
                }
                sealed.doubt();
            }
            if !segment_path(&self.folder, closed.number).exists() {
                return Ok(None);
            }
            let older = self.older(closed.number);
            match older.iter().position(|one| one.number == closed.number) {
                Some(at) => make_good(&self.folder, &older, at, &self.home.load()),
                None => return Ok(None),
            }
        }
        // The disk takes no index: answered from the segment itself.
        let older = self.older(closed.number.saturating_sub(1));
        let tail = Tail::EndsAt(closed.octets);
        let (_, index) = read(&self.folder, closed.number, &older, &self.home.load(), tail)?;
        question(&index).map(Some).map_err(JournalError::of(&path))
    }

    /// Shows the summaries of all segments with something since a time. Returns whether that
    /// were all; what is missing is made again, until the deadline.
    pub(super) fn summaries(
        &self,
        since_ms: u64,
        deadline: Instant,
        show: &mut dyn FnMut(Source<'_>) -> io::Result<()>,
    ) -> bool {
        let closed = {
            let shelf = self.shelf();
            let shown = show(Source::Memory(&shelf.open.index.summary));
            debug_assert!(shown.is_ok(), "memory can be read");
            shelf.closed.clone()
        };
        let mut is_complete = true;
        for (at, one) in closed.iter().enumerate().rev() {
            let sealed = one.index.load_full();
            if sealed.last_ms < since_ms {
                continue;
            }
            let shown = match self.summary_file(one) {
                Some(file) => show(Source::File(&file)).is_ok(),
                None => false,
            };
            if shown || !segment_path(&self.folder, one.number).exists() {
                continue;
            }
            if Instant::now() > deadline {
                is_complete = false;
                continue;
            }
            let older = closed.get(..at).unwrap_or_default();
            is_complete &= match self.summarise(one, older) {
                Ok(summary) => show(Source::Memory(&summary)).is_ok(),
                Err(_) => false,
            };
        }
        is_complete
    }

    fn summary_file(&self, closed: &Closed) -> Option<summary::file::File> {
        let path = summary_path(&self.folder, closed.number);
        summary::file::File::open(&path, self.home.load().print(), closed.octets).ok().flatten()
    }

    /// Makes the summary of a closed segment again.
    fn summarise(&self, closed: &Closed, older: &[Arc<Closed>]) -> Result<Summary, JournalError> {
        let path = summary_path(&self.folder, closed.number);
        tracing::info!(file = %path.display(), "making the summary of a segment again");
        let home = self.home.load_full();
        let tail = Tail::EndsAt(closed.octets);
        let (_, index) = read(&self.folder, closed.number, older, &home, tail)?;
        let written = summary::file::write(&index.summary, home.print(), closed.octets, &path);
        if let Err(error) = written {
            tracing::warn!(file = %path.display(), %error, "cannot write the summary");
        }
        Ok(index.summary)
    }

    /// Goes through all closed segments and makes good what is not, until the journal closes.
    pub(super) fn mend_all(&self) {
        let closed = self.shelf().closed.clone();
        for (at, one) in closed.iter().enumerate() {
            if self.is_closing.load(Ordering::Relaxed) {
                return;
            }
            if !is_sound(&self.folder, one) {
                make_good(&self.folder, &closed, at, &self.home.load());
            }
            let is_summed = self.summary_file(one).is_some();
            if is_summed || !segment_path(&self.folder, one.number).exists() {
                continue;
            }
            if let Err(error) = self.summarise(one, closed.get(..at).unwrap_or_default()) {
                tracing::warn!(%error, "a summary cannot be made again");
            }
        }
    }
}
