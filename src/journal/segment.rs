//! The segments in `data_dir/journal`: opening, closing, expiring and reading them.
//!
//! In: the folder. Out: [`Books`]: the closed segments with the heads of their indexes, and
//! the one that grows with its index in memory. Only the newest segment is read at start;
//! an older one only when its index is missing or damaged ([`mend`](super::mend)).
//!
//! Fails with a [`JournalError`] that names the file; damage is no failure: it is set aside
//! in `corrupt/` and reported.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::frame::{self, Entry, SEGMENT_HEAD};
use super::index::{self, Earlier, Growing, Sealed};
use super::live::Live;
use super::mend::{self, Tail};
use super::query::Home;
use super::summary;
use super::{JournalError, SEGMENT_AGE_MS};
use crate::mail::MailId;

/// Read at once when a frame is looked up; most are smaller.
const FRAME_GUESS_OCTETS: usize = 1_024;

/// A closed segment.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) number: u32,
    pub(super) octets: u64,
    /// Another one when it was made again.
    pub(super) index: ArcSwap<Sealed>,
}

/// The segment that grows.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) number: u32,
    pub(super) octets: u64,
    pub(super) index: Growing,
}

#[derive(Debug)]
pub(super) struct Shelf {
    /// In order of age.
    pub(super) closed: Vec<Arc<Closed>>,
    pub(super) open: Open,
    pub(super) live: Live,
}

/// All segments. The writer changes them, searches read them.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) folder: PathBuf,
    segment_octets: u64,
    shelf: Mutex<Shelf>,
    pub(super) home: ArcSwap<Home>,
    pub(super) is_closing: AtomicBool,
    _lock: File,
}

/// One segment as a search sees it.
#[derive(Debug, Clone)]
pub(super) enum View {
    /// The one that grew when the search began, by its number.
    Open(u32),
    /// A closed one.
    Closed(Arc<Closed>),
}

impl View {
    pub(super) fn number(&self) -> u32 {
        match self {
            View::Open(number) => *number,
            View::Closed(closed) => closed.number,
        }
    }
}

impl Books {
    pub(super) fn open(folder: &Path, segment_octets: u64) -> Result<Books, JournalError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(folder).map_err(JournalError::of(folder))?;
        let lock = lock(&folder.join("lock"))?;
        let mut numbers = segment_numbers(folder)?;
        remove_orphans(folder, &numbers);
        let newest = numbers.pop();
        let home = Home::default();
        let mut closed: Vec<Arc<Closed>> = Vec::with_capacity(numbers.len());
        for number in numbers {
            let one = open_closed(folder, number, &closed, &home)?;
            closed.extend(one.map(Arc::new));
        }
        let open = match newest {
            Some(number) => open_newest(folder, number, &closed, &home)?,
            None => begin(folder, 1)?,
        };
        Ok(Books {
            folder: folder.to_owned(),
            segment_octets,
            shelf: Mutex::new(Shelf { closed, open, live: Live::default() }),
            home: ArcSwap::default(),
            is_closing: AtomicBool::new(false),
            _lock: lock,
        })
    }

    pub(super) fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // Changes are made whole under the lock, so what a panic left behind is consistent.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts other protected domains in force; the growing segment is counted again by them.
    /// Returns whether they are others.
    pub(super) fn set_home(&self, home: Home) -> bool {
        let mut shelf = self.shelf();
        if **self.home.load() == home {
            return false;
        }
        let (number, octets) = (shelf.open.number, shelf.open.octets);
        match mend::read(&self.folder, number, &shelf.closed, &home, Tail::EndsAt(octets)) {
            Ok((_, index)) => shelf.open.index = index,
            Err(error) => tracing::warn!(%error, "counts by domain begin with what comes next"),
        }
        self.home.store(Arc::new(home));
        true
    }

    /// The file that grows and how long it is.
    pub(super) fn growing_file(&self) -> Result<(File, u64), JournalError> {
        let (number, octets) = {
            let shelf = self.shelf();
            (shelf.open.number, shelf.open.octets)
        };
        let path = segment_path(&self.folder, number);
        let file = OpenOptions::new().read(true).write(true).open(&path);
        Ok((file.map_err(JournalError::of(&path))?, octets))
    }

    /// Notes frames that have been written at the end of the growing segment.
    pub(super) fn note(&self, entries: &[(u32, Entry)], octets: u64) {
        let mut earlier = self.earlier(entries);
        let mut shelf = self.shelf();
        let home = self.home.load();
        let Shelf { open, live, .. } = &mut *shelf;
        let base = u32::try_from(open.octets).unwrap_or(u32::MAX);
        for (offset, entry) in entries {
            let earlier = |mail_id| earlier.remove(&mail_id);
            let counted = open.index.note(base.saturating_add(*offset), entry, &home, earlier);
            live.happened();
            for one in counted {
                live.add(entry.mail_id, open.index.summary.domains(one.group), one.ways);
            }
        }
        open.octets += octets;
    }

    /// What closed segments know of mails that the growing one has not had yet.
    fn earlier(&self, entries: &[(u32, Entry)]) -> HashMap<MailId, Earlier> {
        let (unknown, closed) = {
            let shelf = self.shelf();
            let newest = shelf.closed.iter().filter_map(|one| one.index.load().newest).max();
            let is_unknown = |id: &MailId| newest >= Some(*id) && !shelf.open.index.knows(*id);
            let ids = entries.iter().map(|(_, entry)| entry.mail_id);
            let unknown: Vec<MailId> = ids.filter(is_unknown).collect();
            if unknown.is_empty() {
                return HashMap::new();
            }
            (unknown, shelf.closed.clone())
        };
        let mut earlier = HashMap::new();
        for mail_id in unknown {
            earlier.entry(mail_id).or_insert_with(|| {
                let known = mend::recall_soundly(&self.folder, &closed, &self.home.load(), mail_id);
                known.unwrap_or_default()
            });
        }
        earlier
    }

    /// Whether the growing segment is to be closed before what happens at this time is written.
    pub(super) fn is_full(&self, at_ms: u64) -> bool {
        let shelf = self.shelf();
        let index = &shelf.open.index;
        let is_old = at_ms.saturating_sub(index.first_ms) >= SEGMENT_AGE_MS;
        !index.is_empty() && (shelf.open.octets >= self.segment_octets || is_old)
    }

    /// Closes the growing segment and begins the next; changes nothing when that fails.
    /// Searches wait meanwhile, so they never miss the segment.
    pub(super) fn turn_page(&self) -> Result<(), JournalError> {
        let mut shelf = self.shelf();
        let next = begin(&self.folder, shelf.open.number.saturating_add(1))?;
        let closed = close(&self.folder, &shelf.open, &self.home.load())?;
        shelf.closed.extend(closed.map(Arc::new));
        shelf.open = next;
        Ok(())
    }

    /// Removes closed segments without an event since `horizon_ms`, and what belongs to them.
    pub(super) fn expire(&self, horizon_ms: u64) {
        let expired: Vec<u32> = {
            let mut shelf = self.shelf();
            let is_old = |one: &Arc<Closed>| one.index.load().last_ms < horizon_ms;
            let (old, kept): (Vec<_>, Vec<_>) = shelf.closed.drain(..).partition(is_old);
            shelf.closed = kept;
            old.iter().map(|one| one.number).collect()
        };
        for number in expired {
            let segment = segment_path(&self.folder, number);
            if let Err(error) = fs::remove_file(&segment) {
                tracing::warn!(file = %segment.display(), %error, "cannot remove expired events");
            }
            let _ = fs::remove_file(index_path(&self.folder, number));
            let _ = fs::remove_file(summary_path(&self.folder, number));
        }
    }

    /// All segments, newest first.
    pub(super) fn views(&self) -> Vec<View> {
        let shelf = self.shelf();
        let closed = shelf.closed.iter().rev().map(|one| View::Closed(Arc::clone(one)));
        std::iter::once(View::Open(shelf.open.number)).chain(closed).collect()
    }

    /// The times of the oldest and of the newest event in a view; the growing one's are open.
    pub(super) fn times_ms(view: &View) -> (u64, u64) {
        match view {
            View::Open(_) => (0, u64::MAX),
            View::Closed(closed) => {
                let index = closed.index.load();
                (index.first_ms, index.last_ms)
            }
        }
    }

    /// Shows the entries of one segment as they lie in it; none of an expired one. What is
    /// damaged, or is being written, is passed over.
    pub(super) fn scan(&self, view: &View, seen: &mut dyn FnMut(Entry)) {
        let Ok(octets) = fs::read(segment_path(&self.folder, view.number())) else { return };
        if octets.starts_with(&SEGMENT_HEAD) {
            frame::scan(&octets, &mut |_, entry| seen(entry));
        }
    }

    /// Reads frames of one segment. What is damaged or expired is passed over.
    pub(super) fn read(&self, number: u32, offsets: &[u32]) -> Vec<Entry> {
        read_frames(&self.folder, number, offsets)
    }
}

/// Reads frames of one segment. What is damaged or expired is passed over.
pub(super) fn read_frames(folder: &Path, number: u32, offsets: &[u32]) -> Vec<Entry> {
    if offsets.is_empty() {
        return Vec::new();
    }
    let Ok(file) = File::open(segment_path(folder, number)) else { return Vec::new() };
    offsets.iter().filter_map(|offset| read_frame(&file, u64::from(*offset))).collect()
}

fn read_frame(file: &File, offset: u64) -> Option<Entry> {
    let mut octets = vec![0; FRAME_GUESS_OCTETS];
    let mut count = read_up_to(file, &mut octets, offset).ok()?;
    let whole = frame::promised_octets(octets.get(..count)?)?;
    if whole > count {
        octets.resize(whole, 0);
        count = read_up_to(file, &mut octets, offset).ok()?;
    }
    frame::read(octets.get(..count)?)
}

fn read_up_to(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut count = 0;
    while let Some(rest) = buffer.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + count as u64) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

pub(super) fn segment_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:08}.seg"))
}

pub(super) fn index_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:08}.idx"))
}

pub(super) fn summary_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:08}.sum"))
}

fn lock(path: &Path) -> Result<File, JournalError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(path).map_err(JournalError::of(path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(JournalError::Busy),
        Err(fs::TryLockError::Error(error)) => Err(JournalError::of(path)(error)),
    }
}

/// In ascending order; other files are left alone.
fn segment_numbers(folder: &Path) -> Result<Vec<u32>, JournalError> {
    let entries = fs::read_dir(folder).map_err(JournalError::of(folder))?;
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry.map_err(JournalError::of(folder))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".seg"));
        numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Indexes and summaries whose segment a kill left removed, and drafts of them.
fn remove_orphans(folder: &Path, numbers: &[u32]) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u32>().ok());
        let is_orphan = match path.extension().and_then(|extension| extension.to_str()) {
            Some("idx" | "sum") => {
                number.is_some_and(|number| numbers.binary_search(&number).is_err())
            }
            Some("idx-draft" | "sum-draft") => true,
            _ => false,
        };
        if is_orphan {
            let _ = fs::remove_file(path);
        }
    }
}

fn begin(folder: &Path, number: u32) -> Result<Open, JournalError> {
    let path = segment_path(folder, number);
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
    let write = |mut file: File| file.write_all(&SEGMENT_HEAD);
    file.and_then(write).map_err(JournalError::of(&path))?;
    File::open(folder).and_then(|open| open.sync_all()).map_err(JournalError::of(folder))?;
    Ok(Open { number, octets: SEGMENT_HEAD.len() as u64, index: Growing::default() })
}

/// Writes the index and the summary of a segment that will not grow any more. An empty segment
/// is removed.
fn close(folder: &Path, open: &Open, home: &Home) -> Result<Option<Closed>, JournalError> {
    if open.index.is_empty() {
        let _ = fs::remove_file(segment_path(folder, open.number));
        return Ok(None);
    }
    let index = seal(folder, open.number, open.octets, &open.index)?;
    let path = summary_path(folder, open.number);
    let summary = &open.index.summary;
    if let Err(error) = summary::file::write(summary, home.print(), open.octets, &path) {
        // It is made again when it is asked for.
        tracing::warn!(file = %path.display(), %error, "cannot write the summary of a segment");
    }
    let index = ArcSwap::from_pointee(index);
    Ok(Some(Closed { number: open.number, octets: open.octets, index }))
}

/// Writes the index of a closed segment, and reads its head back.
pub(super) fn seal(
    folder: &Path,
    number: u32,
    octets: u64,
    index: &Growing,
) -> Result<Sealed, JournalError> {
    let path = index_path(folder, number);
    index::write(index, octets, &path).map_err(JournalError::of(&path))?;
    let sealed = Sealed::open(&path, octets).map_err(JournalError::of(&path))?;
    sealed.ok_or_else(|| {
        let error = io::Error::new(io::ErrorKind::InvalidData, "not as it was written");
        JournalError::File { file: path, error }
    })
}

/// A segment that was closed before this start. Without a usable index it is read again.
fn open_closed(
    folder: &Path,
    number: u32,
    older: &[Arc<Closed>],
    home: &Home,
) -> Result<Option<Closed>, JournalError> {
    let path = segment_path(folder, number);
    let octets = fs::metadata(&path).map_err(JournalError::of(&path))?.len();
    if let Ok(Some(index)) = Sealed::open(&index_path(folder, number), octets) {
        return Ok(Some(Closed { number, octets, index: ArcSwap::from_pointee(index) }));
    }
    tracing::info!(file = %path.display(), "making the index of a segment again");
    let (octets, index) = mend::read(folder, number, older, home, Tail::Torn)?;
    close(folder, &Open { number, octets, index }, home)
}

/// The newest segment of the run before: mended, indexed, and ready to grow.
fn open_newest(
    folder: &Path,
    number: u32,
    older: &[Arc<Closed>],
    home: &Home,
) -> Result<Open, JournalError> {
    let (octets, index) = mend::read(folder, number, older, home, Tail::Torn)?;
    if octets < SEGMENT_HEAD.len() as u64 {
        // Killed before the head was written, or nothing of it is a journal's.
        return begin(folder, number);
    }
    Ok(Open { number, octets, index })
}
