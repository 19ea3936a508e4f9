//! The segments in `data_dir/journal`: opening them, mending them, closing and expiring them.
//!
//! In: the folder. Out: [`Books`]: the closed segments with the heads of their indexes, and
//! the one that grows with its index in memory. Only the newest segment is read at start;
//! an older one only when its index is missing or damaged.
//!
//! Fails with a [`JournalError`] that names the file; damage is no failure: it is set aside
//! in `corrupt/` and reported.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::frame::{self, Entry, SEGMENT_HEAD};
use super::index::{self, Growing, Sealed, Token};
use super::{JournalError, SEGMENT_AGE_MS};

/// Read at once when a frame is looked up; most are smaller.
const FRAME_GUESS_OCTETS: usize = 1_024;

/// A closed segment.
#[derive(Debug)]
pub(super) struct Closed {
    number: u32,
    octets: u64,
    index: Sealed,
}

/// The segment that grows.
#[derive(Debug)]
pub(super) struct Open {
    number: u32,
    octets: u64,
    index: Growing,
}

#[derive(Debug)]
struct Shelf {
    /// In order of age.
    closed: Vec<Arc<Closed>>,
    open: Open,
}

/// All segments. The writer changes them, searches read them.
#[derive(Debug)]
pub(super) struct Books {
    folder: PathBuf,
    segment_octets: u64,
    shelf: Mutex<Shelf>,
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

impl Books {
    pub(super) fn open(folder: &Path, segment_octets: u64) -> Result<Books, JournalError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(folder).map_err(JournalError::of(folder))?;
        let lock = lock(&folder.join("lock"))?;
        let mut numbers = segment_numbers(folder)?;
        remove_orphans(folder, &numbers);
        let newest = numbers.pop();
        let mut closed = Vec::with_capacity(numbers.len());
        for number in numbers {
            closed.extend(open_closed(folder, number)?.map(Arc::new));
        }
        let open = match newest {
            Some(number) => open_newest(folder, number)?,
            None => begin(folder, 1)?,
        };
        let shelf = Mutex::new(Shelf { closed, open });
        Ok(Books { folder: folder.to_owned(), segment_octets, shelf, _lock: lock })
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // Changes are made whole under the lock, so what a panic left behind is consistent.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut shelf = self.shelf();
        let base = u32::try_from(shelf.open.octets).unwrap_or(u32::MAX);
        for (offset, entry) in entries {
            shelf.open.index.note(base.saturating_add(*offset), entry);
        }
        shelf.open.octets += octets;
    }

    /// Whether the growing segment is to be closed before more is written to it.
    pub(super) fn is_full(&self, now_ms: u64) -> bool {
        let shelf = self.shelf();
        let index = &shelf.open.index;
        let is_old = now_ms.saturating_sub(index.first_ms) >= SEGMENT_AGE_MS;
        !index.is_empty() && (shelf.open.octets >= self.segment_octets || is_old)
    }

    /// Closes the growing segment and begins the next; changes nothing when that fails.
    /// Searches wait meanwhile, so they never miss the segment.
    pub(super) fn turn_page(&self) -> Result<(), JournalError> {
        let mut shelf = self.shelf();
        let next = begin(&self.folder, shelf.open.number.saturating_add(1))?;
        let closed = close(&self.folder, &mut shelf.open)?;
        shelf.closed.extend(closed.map(Arc::new));
        shelf.open = next;
        Ok(())
    }

    /// Removes closed segments without an event since `horizon_ms`.
    pub(super) fn expire(&self, horizon_ms: u64) {
        let expired: Vec<u32> = {
            let mut shelf = self.shelf();
            let (old, kept): (Vec<_>, Vec<_>) =
                shelf.closed.drain(..).partition(|one| one.index.last_ms < horizon_ms);
            shelf.closed = kept;
            old.iter().map(|one| one.number).collect()
        };
        for number in expired {
            let segment = segment_path(&self.folder, number);
            if let Err(error) = fs::remove_file(&segment) {
                tracing::warn!(file = %segment.display(), %error, "cannot remove expired events");
            }
            let _ = fs::remove_file(index_path(&self.folder, number));
        }
    }

    /// All segments, newest first.
    pub(super) fn views(&self) -> Vec<View> {
        let shelf = self.shelf();
        let closed = shelf.closed.iter().rev().map(|one| View::Closed(Arc::clone(one)));
        std::iter::once(View::Open(shelf.open.number)).chain(closed).collect()
    }

    /// The number of the segment and the offsets in it where a token may occur, newest
    /// first. An expired segment has none.
    pub(super) fn offsets(
        &self,
        view: &View,
        token: &Token<'_>,
    ) -> Result<(u32, Vec<u32>), JournalError> {
        let (number, mut offsets) = match view {
            View::Open(number) => (*number, self.open_offsets(*number, token)?),
            View::Closed(closed) => (closed.number, self.closed_offsets(closed, token)?),
        };
        offsets.sort_unstable_by(|one, other| other.cmp(one));
        offsets.dedup();
        Ok((number, offsets))
    }

    fn open_offsets(&self, number: u32, token: &Token<'_>) -> Result<Vec<u32>, JournalError> {
        let shelf = self.shelf();
        if shelf.open.number == number {
            return Ok(shelf.open.index.offsets(token));
        }
        // Closed since the search began.
        let closed = shelf.closed.iter().find(|one| one.number == number).map(Arc::clone);
        drop(shelf);
        closed.map_or(Ok(Vec::new()), |closed| self.closed_offsets(&closed, token))
    }

    fn closed_offsets(&self, closed: &Closed, token: &Token<'_>) -> Result<Vec<u32>, JournalError> {
        let path = index_path(&self.folder, closed.number);
        let answer = match closed.index.verify(&path) {
            Ok(true) => closed.index.offsets(&path, token).ok(),
            Ok(false) | Err(_) => None,
        };
        if let Some(offsets) = answer {
            return Ok(offsets);
        }
        if !segment_path(&self.folder, closed.number).exists() {
            // Expired meanwhile.
            return Ok(Vec::new());
        }
        // Answered from the segment itself; the file is made again for the next question.
        tracing::warn!(file = %path.display(), "the index cannot be used: making it again");
        let mut index = read_segment(&self.folder, closed.number)?.1;
        let offsets = index.offsets(token);
        if let Err(error) = index::write(&mut index, closed.octets, &path) {
            tracing::warn!(file = %path.display(), %error, "cannot write the index");
        }
        Ok(offsets)
    }

    /// The time of the newest event in a view; the growing one's is open.
    pub(super) fn last_ms(view: &View) -> u64 {
        match view {
            View::Open(_) => u64::MAX,
            View::Closed(closed) => closed.index.last_ms,
        }
    }

    /// Shows the entries of one segment as they lie in it; none of an expired one. What is
    /// damaged, or is being written, is passed over.
    pub(super) fn scan(&self, view: &View, seen: &mut dyn FnMut(Entry)) {
        let number = match view {
            View::Open(number) => *number,
            View::Closed(closed) => closed.number,
        };
        let Ok(octets) = fs::read(segment_path(&self.folder, number)) else { return };
        if octets.starts_with(&SEGMENT_HEAD) {
            frame::scan(&octets, &mut |_, entry| seen(entry));
        }
    }

    /// Reads frames of one segment. What is damaged or expired is passed over.
    pub(super) fn read(&self, number: u32, offsets: &[u32]) -> Vec<Entry> {
        if offsets.is_empty() {
            return Vec::new();
        }
        let Ok(file) = File::open(segment_path(&self.folder, number)) else { return Vec::new() };
        offsets.iter().filter_map(|offset| read_frame(&file, u64::from(*offset))).collect()
    }
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

fn segment_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:08}.seg"))
}

fn index_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:08}.idx"))
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

/// Indexes whose segment a kill left removed, and drafts of indexes.
fn remove_orphans(folder: &Path, numbers: &[u32]) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u32>().ok());
        let is_orphan = match path.extension().and_then(|extension| extension.to_str()) {
            Some("idx") => number.is_some_and(|number| numbers.binary_search(&number).is_err()),
            Some("idx-draft") => true,
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

/// Writes the index of a segment that will not grow any more. An empty segment is removed.
fn close(folder: &Path, open: &mut Open) -> Result<Option<Closed>, JournalError> {
    let path = index_path(folder, open.number);
    if open.index.is_empty() {
        let _ = fs::remove_file(segment_path(folder, open.number));
        return Ok(None);
    }
    index::write(&mut open.index, open.octets, &path).map_err(JournalError::of(&path))?;
    match Sealed::open(&path, open.octets).map_err(JournalError::of(&path))? {
        Some(index) => Ok(Some(Closed { number: open.number, octets: open.octets, index })),
        None => {
            let error = io::Error::new(io::ErrorKind::InvalidData, "not as it was written");
            Err(JournalError::File { file: path, error })
        }
    }
}

/// A segment that was closed before this start. Without a usable index it is read again.
fn open_closed(folder: &Path, number: u32) -> Result<Option<Closed>, JournalError> {
    let path = segment_path(folder, number);
    let octets = fs::metadata(&path).map_err(JournalError::of(&path))?.len();
    if let Ok(Some(index)) = Sealed::open(&index_path(folder, number), octets) {
        return Ok(Some(Closed { number, octets, index }));
    }
    tracing::info!(file = %path.display(), "making the index of a segment again");
    let (octets, index) = read_segment(folder, number)?;
    close(folder, &mut Open { number, octets, index })
}

/// The newest segment of the run before: mended, indexed, and ready to grow.
fn open_newest(folder: &Path, number: u32) -> Result<Open, JournalError> {
    let (octets, index) = read_segment(folder, number)?;
    if octets < SEGMENT_HEAD.len() as u64 {
        // Killed before the head was written, or nothing of it is a journal's.
        return begin(folder, number);
    }
    Ok(Open { number, octets, index })
}

/// Reads a segment whole, reports and sets aside what is damaged, cuts a torn tail.
fn read_segment(folder: &Path, number: u32) -> Result<(u64, Growing), JournalError> {
    let path = segment_path(folder, number);
    let octets = fs::read(&path).map_err(JournalError::of(&path))?;
    if !octets.starts_with(&SEGMENT_HEAD) {
        set_aside(folder, number, &octets, 0..octets.len());
        cut(&path, 0)?;
        return Ok((0, Growing::default()));
    }
    let mut index = Growing::default();
    let scan = frame::scan(&octets, &mut |offset, entry| {
        index.note(u32::try_from(offset).unwrap_or(u32::MAX), &entry);
    });
    for damaged in scan.damaged {
        set_aside(folder, number, &octets, damaged);
    }
    if scan.end < octets.len() {
        set_aside(folder, number, &octets, scan.end..octets.len());
        cut(&path, scan.end as u64)?;
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
