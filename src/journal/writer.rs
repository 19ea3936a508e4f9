//! The thread that takes events from those who record them and puts them into the segment.
//!
//! In: [`Writer::push`] from any thread. Out: `tracing` events and frames in the newest
//! segment, gathered so that many events cost one write.
//!
//! Invariant: events are written in the order in which they were pushed. A write that fails
//! is repeated until it succeeds; meanwhile events wait, up to [`BACKLOG_OCTETS`]. Beyond
//! that `push` blocks while the disk is only slow, and does not while it refuses: mail must
//! go on, so such events go to telemetry alone and are counted.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::announce::announce;
use super::event::Event;
use super::frame::{self, Entry};
use super::segment::Books;
use super::{JournalError, now_ms};
use crate::mail::MailId;
use crate::telemetry::metrics::{Counter, registry};

/// Events that may wait in memory, by their size.
pub const BACKLOG_OCTETS: usize = 64 << 20;
/// How long events are gathered before they are written …
const GATHER: Duration = Duration::from_millis(2);
/// … unless they have grown to this.
const GATHERED_OCTETS: usize = 1 << 20;
/// One write; also what a segment may grow beyond its size.
const CHUNK_OCTETS: usize = 1 << 20;
const SYNC_EVERY: Duration = Duration::from_secs(1);
const RETRY_AFTER: Duration = Duration::from_millis(200);
const EXPIRE_EVERY: Duration = Duration::from_secs(3_600);
const DAY_MS: u64 = 86_400_000;

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Entry>,
    octets: usize,
    /// Counts since the start; `written` follows `pushed`.
    pushed: u64,
    written: u64,
    lost: u64,
    disk: Disk,
    phase: Phase,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Disk {
    #[default]
    Takes,
    Refuses,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Runs,
    Closes,
    Closed,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// The thread waits here for events.
    work: Condvar,
    /// Those who push or flush wait here for the thread.
    progress: Condvar,
    keep_days: AtomicU32,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread and the way to it.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(books: Arc<Books>, keep_days: u32) -> Result<Writer, JournalError> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            work: Condvar::new(),
            progress: Condvar::new(),
            keep_days: AtomicU32::new(keep_days),
        });
        let (file, octets) = books.growing_file()?;
        let mut hand = Hand::new(Arc::clone(&shared), books, file, octets);
        let thread = std::thread::Builder::new().name("journal".into()).spawn(move || hand.run());
        let thread = thread.map_err(JournalError::of("journal thread".as_ref()))?;
        Ok(Writer { shared, thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn push(&self, mail_id: MailId, at_ms: u64, event: Event) {
        let octets = event.weight_octets();
        let mut queue = self.shared.queue();
        while queue.octets > BACKLOG_OCTETS
            && queue.disk == Disk::Takes
            && queue.phase == Phase::Runs
        {
            queue = self.shared.progress.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.octets > BACKLOG_OCTETS || queue.phase != Phase::Runs {
            queue.lost += 1;
            drop(queue);
            announce(mail_id, &event);
            return;
        }
        let was_small = queue.octets < GATHERED_OCTETS;
        queue.octets += octets;
        queue.pushed += 1;
        queue.waiting.push(Entry { mail_id, at_ms, event });
        let is_first = queue.waiting.len() == 1;
        let is_enough = was_small && queue.octets >= GATHERED_OCTETS;
        drop(queue);
        if is_first || is_enough {
            self.shared.work.notify_one();
        }
    }

    pub(super) fn flush(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut queue = self.shared.queue();
        let until = queue.pushed;
        while queue.written < until && queue.phase != Phase::Closed && queue.disk == Disk::Takes {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.shared.progress.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn set_keep_days(&self, keep_days: u32) {
        self.shared.keep_days.store(keep_days, Ordering::Relaxed);
    }

    pub(super) fn lost(&self) -> u64 {
        self.shared.queue().lost
    }

    pub(super) fn close(&self) {
        let mut queue = self.shared.queue();
        if queue.phase == Phase::Runs {
            queue.phase = Phase::Closes;
        }
        drop(queue);
        self.shared.work.notify_one();
        self.shared.progress.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

/// Says that the thread has ended.
struct Bell(Arc<Shared>);

impl Drop for Bell {
    fn drop(&mut self) {
        self.0.queue().phase = Phase::Closed;
        self.0.progress.notify_all();
    }
}

/// What the thread holds.
struct Hand {
    shared: Arc<Shared>,
    books: Arc<Books>,
    file: File,
    octets: u64,
    is_dirty: bool,
    synced_at: Instant,
    expired_at: Option<Instant>,
    reported_lost: u64,
    written: Arc<Counter>,
}

impl Hand {
    fn new(shared: Arc<Shared>, books: Arc<Books>, file: File, octets: u64) -> Hand {
        let help = "Events written to the journal.";
        Hand {
            shared,
            books,
            file,
            octets,
            is_dirty: false,
            synced_at: Instant::now(),
            expired_at: None,
            reported_lost: 0,
            written: registry().counter("postern_journal_events_total", help, &[]),
        }
    }

    fn run(&mut self) {
        // Whatever ends the thread, nobody is left waiting for it.
        let _bell = Bell(Arc::clone(&self.shared));
        loop {
            let (batch, octets, phase) = self.gather();
            let count = batch.len() as u64;
            self.put(batch);
            self.acknowledge(count, octets);
            self.books.shelf().live.publish(Instant::now());
            self.sync_when_due();
            self.expire_when_due();
            if phase != Phase::Runs && self.is_drained() {
                self.sync();
                return;
            }
        }
    }

    /// Waits for events, then a little for more of them.
    fn gather(&self) -> (Vec<Entry>, usize, Phase) {
        let pause = if self.is_dirty { SYNC_EVERY } else { SYNC_EVERY * 60 };
        let mut queue = self.shared.queue();
        if queue.waiting.is_empty() && queue.phase == Phase::Runs {
            let waited = self.shared.work.wait_timeout(queue, pause);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let until = Instant::now() + GATHER;
        while queue.phase == Phase::Runs
            && !queue.waiting.is_empty()
            && queue.octets < GATHERED_OCTETS
        {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.shared.work.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        // They count as waiting until they are written.
        (std::mem::take(&mut queue.waiting), queue.octets, queue.phase)
    }

    fn is_drained(&self) -> bool {
        self.shared.queue().waiting.is_empty()
    }

    /// Makes room for as many as were written.
    fn acknowledge(&mut self, count: u64, octets: usize) {
        let mut queue = self.shared.queue();
        queue.written += count;
        queue.octets = queue.octets.saturating_sub(octets);
        let lost = queue.lost;
        drop(queue);
        self.shared.progress.notify_all();
        self.written.add(count);
        if lost > self.reported_lost {
            let missing = lost - self.reported_lost;
            tracing::error!(missing, "events are missing from the journal");
            self.reported_lost = lost;
        }
    }

    fn put(&mut self, batch: Vec<Entry>) {
        let mut octets = Vec::new();
        let mut entries = Vec::new();
        for mut entry in batch {
            entry.event.limit();
            announce(entry.mail_id, &entry.event);
            let offset = u32::try_from(octets.len()).unwrap_or(u32::MAX);
            match frame::write(&entry, &mut octets) {
                Ok(()) => entries.push((offset, entry)),
                Err(error) => tracing::error!(mail_id = %entry.mail_id, %error, "not journalled"),
            }
            if octets.len() >= CHUNK_OCTETS {
                self.put_chunk(&octets, &entries);
                octets.clear();
                entries.clear();
            }
        }
        if !octets.is_empty() {
            self.put_chunk(&octets, &entries);
        }
    }

    /// Writes one chunk, however often it takes.
    fn put_chunk(&mut self, octets: &[u8], entries: &[(u32, Entry)]) {
        let at_ms = entries.last().map_or_else(now_ms, |(_, entry)| entry.at_ms);
        loop {
            match self.try_put(octets, at_ms) {
                Ok(()) => break,
                Err(error) => {
                    if !self.wait_for_disk(&error) {
                        self.shared.queue().lost += entries.len() as u64;
                        return;
                    }
                }
            }
        }
        if std::mem::take(&mut self.shared.queue().disk) == Disk::Refuses {
            tracing::info!("the journal can be written again");
        }
        self.octets += octets.len() as u64;
        self.is_dirty = true;
        self.books.note(entries, octets.len() as u64);
    }

    fn try_put(&mut self, octets: &[u8], at_ms: u64) -> Result<(), JournalError> {
        self.turn_page_when_due(at_ms)?;
        // At its offset: a repetition overwrites what a failed write left behind.
        self.file.write_all_at(octets, self.octets).map_err(JournalError::of("journal".as_ref()))
    }

    fn turn_page_when_due(&mut self, at_ms: u64) -> Result<(), JournalError> {
        if self.books.is_full(at_ms) {
            self.sync();
            self.books.turn_page()?;
            (self.file, self.octets) = self.books.growing_file()?;
        }
        Ok(())
    }

    /// Returns whether to try again: not when the box is to stop.
    fn wait_for_disk(&mut self, error: &JournalError) -> bool {
        let mut queue = self.shared.queue();
        if queue.disk == Disk::Takes {
            tracing::error!(%error, "the journal cannot be written");
        }
        queue.disk = Disk::Refuses;
        let phase = queue.phase;
        drop(queue);
        self.shared.progress.notify_all();
        if phase != Phase::Runs {
            return false;
        }
        std::thread::sleep(RETRY_AFTER);
        true
    }

    fn sync_when_due(&mut self) {
        if self.is_dirty && self.synced_at.elapsed() >= SYNC_EVERY {
            self.sync();
        }
    }

    fn sync(&mut self) {
        if let Err(error) = self.sync_data() {
            tracing::warn!(%error, "the journal is not on disk yet");
        }
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.synced_at = Instant::now();
        if self.is_dirty {
            self.file.sync_data()?;
            self.is_dirty = false;
        }
        Ok(())
    }

    fn expire_when_due(&mut self) {
        if self.expired_at.is_some_and(|at| at.elapsed() < EXPIRE_EVERY) {
            return;
        }
        self.expired_at = Some(Instant::now());
        if let Err(error) = self.turn_page_when_due(now_ms()) {
            tracing::warn!(%error, "the journal's segment cannot be closed yet");
        }
        let days = u64::from(self.shared.keep_days.load(Ordering::Relaxed).max(1));
        self.books.expire(now_ms().saturating_sub(days * DAY_MS));
    }
}
