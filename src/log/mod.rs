//! The durable log: segment files of append-only records, written in batches that share one
//! `fdatasync`. Spool, quarantine, archive and journal stand on it.
//!
//! In: [`Record`]s. Out: [`Position`]s, given only when the record is durable; at start all
//! records again, in order of their place. `format.rs` says how records look, `ledger.rs`
//! states the rule by which segments may be deleted, `walk.rs` how damage is survived.
//!
//! Invariants: what was acknowledged is replayed after any crash until its owner released it
//! or ended it; nothing is ever replayed in part; damaged octets are kept in `corrupt/` and
//! reported; after a failed write or sync nothing further is acknowledged in that segment.
//!
//! Fails with [`LogError`]: `Full` while the disk is short (the peer reads `452`), `Io` when
//! it fails (`451`). Records that state outcomes use the reserve, and are kept in memory and
//! tried again until the disk takes them.

mod committer;
mod disk;
mod format;
mod keeper;
mod ledger;
mod replay;
mod space;
mod walk;
mod writer;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;

use std::io;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::mail::{Content, MailId};

pub(crate) use committer::seal;
pub use committer::{Committed, LATER_MS, Log};
pub use writer::Sealed;

/// The largest body of one record.
pub const BODY_OCTETS_MAX: u64 = 4 << 30;
/// The largest head of one record.
pub const HEAD_OCTETS_MAX: usize = 64 << 20;

/// Where a log lies and how it grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// Its directory, which no other log shares.
    pub dir: PathBuf,
    /// A segment is closed when it has grown to this.
    pub segment_octets: u64,
    /// Free space below which records of new mail are refused.
    pub reserve_octets: u64,
}

/// What is to be kept: payload is head and then body.
#[derive(Debug, Clone)]
pub struct Record {
    /// The owner's word for what this is.
    pub kind: u8,
    /// The mail that it speaks of.
    pub mail_id: MailId,
    /// Read as a whole at replay.
    pub head: Vec<u8>,
    /// Left on the disk until it is asked for.
    pub body: Option<Content>,
}

/// How important a record is when the disk is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// New mail: refused below the reserve.
    #[default]
    Intake,
    /// What is told of mail, such as journal entries: may use half of the reserve.
    Account,
    /// What became of mail that is already here: may use all of it.
    Outcome,
}

/// What else comes true at the moment in which a record becomes durable.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// How important it is.
    pub purpose: Purpose,
    /// The record is the obituary of this one: it ends its life and is itself kept, without
    /// being live, exactly as long as a copy of the other could be replayed. The owner must
    /// look the position up and submit under the lock that [`Relocate::moved`] takes.
    pub ends: Option<Position>,
    /// These are no longer needed. The same holds for their positions.
    pub releases: Vec<Position>,
}

impl Terms {
    /// Terms of a record that ends or replaces nothing.
    pub fn plain(purpose: Purpose) -> Terms {
        Terms { purpose, ends: None, releases: Vec::new() }
    }
}

/// Where a record is. Compaction changes it and tells the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    segment: NonZeroU32,
    head_octets: u32,
    offset: u64,
    body_octets: u64,
}

impl Position {
    fn new(segment: u32, offset: u64, head_octets: u32, body_octets: u64) -> Option<Position> {
        Some(Position { segment: NonZeroU32::new(segment)?, head_octets, offset, body_octets })
    }

    /// Number of the segment.
    pub fn segment(&self) -> u32 {
        self.segment.get()
    }

    /// Offset of the record in it.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Octets of the head.
    pub fn head_octets(&self) -> u32 {
        self.head_octets
    }

    /// Octets of the body.
    pub fn body_octets(&self) -> u64 {
        self.body_octets
    }

    /// All octets of the record.
    fn octets(&self) -> u64 {
        format::HEADER_OCTETS as u64 + u64::from(self.head_octets) + self.body_octets
    }

    fn head_offset(&self) -> u64 {
        self.offset + format::HEADER_OCTETS as u64
    }

    fn body_offset(&self) -> u64 {
        self.head_offset() + u64::from(self.head_octets)
    }
}

/// A record as replay shows it.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Where it is.
    pub position: Position,
    /// The owner's word for what it is.
    pub kind: u8,
    /// The mail that it speaks of.
    pub mail_id: MailId,
    /// Order of writing. Compaction changes a record's place but not its sequence number,
    /// and a crash may leave two copies that share it; the later in replay counts, and the
    /// owner releases the earlier.
    pub sequence: u64,
    /// The head.
    pub head: &'a [u8],
}

/// What replay is told of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// Needed until it is released or ended.
    Live,
    /// Not needed. Obituaries are not live by themselves; the log knows how long to keep them.
    Dead,
}

/// The owner of the records, asked by compaction.
pub trait Relocate: Send + Sync {
    /// Whether the record is needed. When in doubt, say yes.
    fn is_live(&self, kind: u8, mail_id: MailId, position: Position) -> bool;
    /// The record is now elsewhere. Called on the log's own thread: must not wait for it.
    fn moved(&self, kind: u8, mail_id: MailId, old: Position, new: Position);
}

/// One segment, for owners and operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentFacts {
    /// Its number.
    pub number: u32,
    /// When it was begun, milliseconds since 1970.
    pub created_ms: u64,
    /// Its durable octets.
    pub octets: u64,
    /// Records that are needed.
    pub live_records: u64,
    /// Their octets.
    pub live_octets: u64,
    /// Whether it takes no further records.
    pub closed: bool,
}

/// Octets that are not a record where one should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// In which segment.
    pub segment: u32,
    /// Where.
    pub offset: u64,
    /// How many.
    pub octets: u64,
    /// The file below the log's directory that keeps them; `None` when they could not be
    /// set aside, and then the segment is left as it is.
    pub kept: Option<String>,
}

/// What replay found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayReport {
    /// Segments read.
    pub segments: u64,
    /// Good records.
    pub records: u64,
    /// Octets read.
    pub octets: u64,
    /// The end of the last segment, cut off: a batch that was being written.
    pub torn: Option<Damage>,
    /// Damage elsewhere, set aside.
    pub corrupt: Vec<Damage>,
    /// Segments and how many records they held once and do not any more, the damaged ones
    /// included.
    pub missing: Vec<(u32, u64)>,
    /// How long it took.
    pub took: Duration,
}

/// Why the log could not do what it was asked; the disk is to blame, or who fills it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// Free space is below the reserve, or the disk said so itself.
    #[error("the disk is full")]
    Full,
    /// The disk failed.
    #[error("disk: {0}")]
    Io(Arc<io::Error>),
    /// Another process has this log open.
    #[error("the log in {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The record is larger than a record may be.
    #[error("a record of this size cannot be kept")]
    TooLarge,
    /// There is no such record, or not there any more.
    #[error("no record at this position")]
    NoRecord,
    /// The record is there but its octets are not those that were written.
    #[error("the record is damaged")]
    Damaged,
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}

impl From<io::Error> for LogError {
    fn from(error: io::Error) -> LogError {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => LogError::Full,
            _ => LogError::Io(Arc::new(error)),
        }
    }
}

/// A lock whose data is whole even when a thread panicked under it: no code here panics
/// half-way through a change, and stopping all mail would be worse.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
impl Position {
    /// A position for tests of owners.
    pub fn example() -> Position {
        Position::new(1, 4096, 300, 5_000).unwrap()
    }
}
