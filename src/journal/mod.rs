//! The record of what happened to every mail, and the answer to "where is that message, and
//! why?".
//!
//! In: [`Journal::record`] with a MailId and an [`Event`]. Out: one `tracing` event each, and
//! [`Story`]s found by sender, recipient, Message-ID or MailId ([`Journal::track`]).
//!
//! `data_dir/journal` holds append-only segments (`00000001.seg`, [`frame`]) and beside each
//! closed one its index (`00000001.idx`, [`index`]), which is made again from the segment
//! when it is missing or damaged. A background thread writes; segments are not the log of
//! mail in transit, because at start only the newest is read, and because events may be a
//! moment late: `record` returns at once, events are in the file some 20 ms later (a kill of
//! the process loses no more) and on disk within about a second (a power cut loses no more;
//! the spool knows all that matters).
//!
//! Invariants: events are never dropped while they can be written. When more than
//! [`BACKLOG_OCTETS`] wait, `record` blocks until there is room; only when the disk itself
//! refuses them and the backlog is full are events kept in telemetry alone, counted and
//! reported. A torn tail is cut, set aside in `corrupt/` and reported, as is damage in the
//! middle. Segments whose newest event is older than `journal.keep_days` are removed whole.

mod acts;
mod announce;
mod counts;
mod event;
mod flow;
mod frame;
mod index;
mod inspection;
mod live;
mod marks;
mod mend;
mod query;
mod search;
mod segment;
mod story;
mod summary;
mod walk;
mod writer;

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

pub use acts::{Act, ActFound, ActNote, ActQuery, ActsFound};
pub use event::{Continuation, Event, FindingNote};
pub use flow::{Flow, FlowBucket, Span, Tally, Top, TopRow, Topping, Totals, Ways};
pub use inspection::{FileNote, Inspection, RelayNote, Topic};
pub use query::{Direction, State, TrackQuery};
pub use search::Found;
pub use story::Story;
pub use writer::BACKLOG_OCTETS;

use crate::config;
use crate::mail::MailId;
use query::Home;
use segment::Books;
use writer::Writer;

/// A segment is closed when it has grown to this …
const SEGMENT_OCTETS: u64 = 16 << 20;
/// … or when its first event is this old, so that expiry keeps to the day.
const SEGMENT_AGE_MS: u64 = 86_400_000;
/// How long a question waits for events that were recorded just before it.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);

/// What goes wrong with the journal's files.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file or folder cannot be used.
    #[error("{}: {error}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another process writes this journal.
    #[error("the journal is open in another process: the box is running")]
    Busy,
    /// A question can not be understood: whoever asks is to blame.
    #[error("{criterion}: {why}")]
    Query {
        /// Which of the query's fields.
        criterion: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

impl JournalError {
    fn of(file: &Path) -> impl FnOnce(io::Error) -> JournalError {
        let file = file.to_owned();
        move |error| JournalError::File { file, error }
    }
}

/// The open journal. Dropping it closes it.
#[derive(Debug)]
pub struct Journal {
    books: Arc<Books>,
    writer: Writer,
    acting: Mutex<()>,
    mending: Mutex<Option<JoinHandle<()>>>,
}

impl Journal {
    /// Opens `data_dir/journal`, makes it when absent, mends what a crash left behind, and
    /// starts the thread that writes. Blocks while it reads the newest segment.
    pub fn open(settings: &config::Journal, data_dir: &Path) -> Result<Arc<Journal>, JournalError> {
        Journal::open_with(settings, data_dir, SEGMENT_OCTETS)
    }

    fn open_with(
        settings: &config::Journal,
        data_dir: &Path,
        segment_octets: u64,
    ) -> Result<Arc<Journal>, JournalError> {
        let books = Arc::new(Books::open(&data_dir.join("journal"), segment_octets)?);
        let writer = Writer::start(Arc::clone(&books), settings.keep_days)?;
        let journal = Arc::new(Journal {
            books,
            writer,
            acting: Mutex::default(),
            mending: Mutex::default(),
        });
        journal.mend();
        Ok(journal)
    }

    /// Goes through the indexes and summaries of closed segments in a thread of its own, and
    /// makes again what is not as it should be.
    fn mend(&self) {
        let mut mending = self.mending.lock().unwrap_or_else(PoisonError::into_inner);
        let (books, before) = (Arc::clone(&self.books), mending.take());
        let work = move || {
            // One after the other.
            before.map(JoinHandle::join);
            books.mend_all();
        };
        match std::thread::Builder::new().name("journal mender".into()).spawn(work) {
            Ok(thread) => *mending = Some(thread),
            Err(error) => tracing::warn!(%error, "indexes are looked through when they are asked"),
        }
    }

    /// Notes what happened to a mail, now. Does not wait for the disk.
    pub fn record(&self, mail_id: MailId, event: Event) {
        self.writer.push(mail_id, now_ms(), event);
    }

    /// Notes that somebody let kept copies go on: in the story of the mail that was kept, and
    /// in that of the mail that they become, which is found by its own addresses.
    pub fn record_release(&self, on: Continuation<'_>, by: &str) {
        self.record(on.about, Event::Released { by: by.to_owned() });
        self.record(on.about, Event::goes_on(on));
        self.record(on.becomes, Event::continued(on));
    }

    /// Notes what happened to a mail at a time that has passed, for what is told late: by
    /// another box, or by an import.
    pub fn record_at(&self, mail_id: MailId, at_ms: u64, event: Event) {
        self.writer.push(mail_id, at_ms, event);
    }

    /// The stories of the mails that meet every criterion of the query, newest first. Blocks.
    pub fn track(&self, query: &TrackQuery) -> Result<Vec<Story>, JournalError> {
        self.search(query).map(|found| found.stories)
    }

    /// The same, and whether the whole journal was looked through.
    pub fn search(&self, query: &TrackQuery) -> Result<Found, JournalError> {
        self.search_as(query, &Some)
    }

    /// The same for somebody who sees less: criteria are met by what `seen` leaves of a story,
    /// so that no question finds out what is not shown.
    pub fn search_as(
        &self,
        query: &TrackQuery,
        seen: &dyn Fn(Story) -> Option<Story>,
    ) -> Result<Found, JournalError> {
        self.flush();
        search::search(&self.books, query, seen)
    }

    /// Notes what an administrator did: to a mail, or to something else. Returns the act's
    /// name. Does not wait for the disk.
    pub fn record_act(&self, mail_id: Option<MailId>, act: Act) -> MailId {
        // So that acts stand in the journal in the order of their names.
        let _one_at_a_time = self.acting.lock().unwrap_or_else(PoisonError::into_inner);
        let act_id = MailId::mint();
        let note = ActNote { act_id, act };
        self.record(mail_id.unwrap_or(act_id), Event::Administered(Box::new(note)));
        act_id
    }

    /// What administrators did, newest first. Blocks.
    pub fn acts(&self, query: &ActQuery) -> Result<ActsFound, JournalError> {
        self.flush();
        search::acts(&self.books, query)
    }

    /// Says which domains are protected: by them a mail is known to stay in the house, and
    /// counts are kept for each. To be called after opening and when the configuration changes.
    pub fn set_home(&self, domains: &[String]) {
        if self.books.set_home(Home::of(domains)) {
            self.mend();
        }
    }

    /// How much mail went which way: all, or what touches these protected domains. Blocks.
    pub fn flow(&self, span: Span, domains: Option<&[String]>) -> Result<Flow, JournalError> {
        Ok(counts::flow(&self.books, span, domains, now_ms()))
    }

    /// The most frequent names, of all mail or of what touches these protected domains. Blocks.
    pub fn top(
        &self,
        span: Span,
        topping: Topping,
        limit: usize,
        domains: Option<&[String]>,
    ) -> Result<Top, JournalError> {
        Ok(counts::top(&self.books, (span, topping), limit, domains, now_ms()))
    }

    /// Counts since the start, as they change; several times a second at most.
    pub fn watch(&self) -> watch::Receiver<Totals> {
        self.books.shelf().live.subscribe()
    }

    /// Shows every mail that came in at this time or later, the oldest first, with what was
    /// made of it, until `show` says that it is enough. Blocks; holds one segment in memory.
    pub fn walk(
        &self,
        since_ms: u64,
        show: &mut dyn FnMut(Story) -> ControlFlow<()>,
    ) -> Result<(), JournalError> {
        self.flush();
        walk::walk(&self.books, since_ms, show)
    }

    /// Waits, for a short time at most, until what was recorded so far is in the files.
    pub fn flush(&self) {
        self.writer.flush(FLUSH_PATIENCE);
    }

    /// Puts another time of keeping in force, for a reload.
    pub fn set_keep_days(&self, keep_days: u32) {
        self.writer.set_keep_days(keep_days);
    }

    /// Events that the disk refused while the backlog was full: they are in telemetry only.
    pub fn lost(&self) -> u64 {
        self.writer.lost()
    }

    /// Writes what waits, to the disk, and stops the thread. What is recorded afterwards goes
    /// to telemetry only.
    pub fn close(&self) {
        self.books.is_closing.store(true, Ordering::Relaxed);
        self.writer.close();
        let mending = self.mending.lock().unwrap_or_else(PoisonError::into_inner).take();
        mending.map(JoinHandle::join);
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod answers;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;
