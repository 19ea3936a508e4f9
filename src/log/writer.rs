//! Writes batches of records and makes them durable; the only one that writes to segments.
//!
//! In: sealed records with their terms. Out: durable records, the ledger brought up to date,
//! everybody told. Single-threaded: the order in which records pass here is the order of the
//! log, and what a record ends or releases happens with it, exactly when it is durable.
//!
//! How it fails: a batch that cannot be written or synced is cut off the segment, durably,
//! before anything else is written; until the cut succeeds nothing is. After an error of the
//! disk (as against a full one) the segment is closed as well, because the kernel may have
//! dropped its pages, and it is marked so that its records are verified and moved. New mail
//! of the batch is refused; records that can wait are handed back to be tried again.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::disk::{Disk, DiskFile};
use super::format::{
    FIRST_RECORD, HEADER_OCTETS, Mark, RecordHeader, SegmentHeader, page_after, segment_name,
};
use super::ledger::{Ledger, Segment};
use super::replay::Recovered;
use super::{
    BODY_OCTETS_MAX, HEAD_OCTETS_MAX, LogError, Position, Purpose, Record, Terms, locked, now_ms,
};
use crate::mail::Content;

/// A batch is not made larger than this, unless one record is.
const BATCH_OCTETS: u64 = 16 << 20;
/// Octets gathered before they are written.
const STAGING_OCTETS: usize = 1 << 20;
/// A body in memory from this size on is written from where it is.
const DIRECT_OCTETS: usize = 128 << 10;

/// A record with its checksums, made on the caller's side.
#[derive(Debug)]
pub struct Sealed {
    record: Record,
    head_crc: u32,
    body_crc: u32,
}

impl Record {
    /// Computes the checksums. Reads the body, and so blocks when it lies in a file.
    pub fn seal(self) -> Result<Sealed, LogError> {
        let body_octets = self.body.as_ref().map_or(0, Content::len);
        if self.head.len() > HEAD_OCTETS_MAX || body_octets > BODY_OCTETS_MAX {
            return Err(LogError::TooLarge);
        }
        let head_crc = crc32c::crc32c(&self.head);
        let mut body_crc = 0;
        if let Some(body) = &self.body {
            each_chunk(body, |chunk| {
                body_crc = crc32c::crc32c_append(body_crc, chunk);
                Ok(())
            })?;
        }
        Ok(Sealed { record: self, head_crc, body_crc })
    }
}

impl Sealed {
    /// A record whose checksums are known already, from its header.
    pub(super) fn known(record: Record, head_crc: u32, body_crc: u32) -> Sealed {
        Sealed { record, head_crc, body_crc }
    }

    /// Header, head and body together.
    pub(super) fn octets(&self) -> u64 {
        let body_octets = self.record.body.as_ref().map_or(0, Content::len);
        HEADER_OCTETS as u64 + self.record.head.len() as u64 + body_octets
    }
}

/// Who is told, and how.
pub(super) enum Reply {
    /// Nobody.
    None,
    /// A waiting task.
    Wake(oneshot::Sender<Result<Position, LogError>>),
    /// A function, called on the log's thread.
    Call(Box<dyn FnOnce(Result<Position, LogError>) + Send>),
}

impl Reply {
    pub(super) fn send(self, result: Result<Position, LogError>) {
        match self {
            Reply::None => {}
            // The task may have gone away; its record stays.
            Reply::Wake(sender) => drop(sender.send(result)),
            Reply::Call(call) => call(result),
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Reply")
    }
}

/// Whether a record may be tried again when the disk does not take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Somebody waits: say no at once.
    Urgent,
    /// Keep it until the disk takes it.
    Later,
}

/// Where a record comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is new.
    New,
    /// It is a copy of an older one, made by compaction.
    Moved {
        /// Where that one is.
        old: Position,
        /// Its sequence number.
        sequence: u64,
        /// The segment that it guards, 0 for none.
        guards: u32,
    },
}

/// A record on its way into the log.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) sealed: Sealed,
    pub(super) terms: Terms,
    pub(super) patience: Patience,
    pub(super) origin: Origin,
    pub(super) reply: Reply,
}

#[cfg(test)]
impl Append {
    pub(super) fn mail_id(&self) -> crate::mail::MailId {
        self.sealed.record.mail_id
    }
}

/// A record that compaction moved.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moved {
    pub(super) kind: u8,
    pub(super) mail_id: crate::mail::MailId,
    pub(super) old: Position,
    pub(super) new: Position,
}

#[derive(Debug)]
struct Active {
    number: u32,
    file: Arc<dyn DiskFile>,
    mark: Mark,
    end: u64,
    /// It was filled with zeros beforehand.
    is_prepared: bool,
}

/// What must be cut off before anything else is written.
#[derive(Debug)]
struct Cut {
    file: Arc<dyn DiskFile>,
    to: u64,
    closes: bool,
}

#[derive(Debug)]
enum Failure {
    /// The body of this record of the batch cannot be read.
    Record(usize, LogError),
    /// Nothing can be written.
    Disk(LogError),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Disk(error.into())
    }
}

/// See the head of the file.
#[derive(Debug)]
pub(super) struct Writer {
    disk: Arc<dyn Disk>,
    ledger: Arc<Mutex<Ledger>>,
    spare: SpareSlot,
    segment_octets: u64,
    active: Option<Active>,
    cut: Option<Cut>,
    next_sequence: u64,
    next_segment: u32,
    previous: Option<(u32, u64)>,
    /// Old and new places of moved records, while somebody may still name the old ones.
    forwards: HashMap<Position, Position>,
    moved: Vec<Moved>,
    staging: Vec<u8>,
}

/// A file filled with zeros, so that writing into it changes no metadata and the sync of a
/// batch needs no commit of the file system's own journal.
#[derive(Debug)]
pub(super) struct Spare {
    pub(super) name: String,
    pub(super) file: Arc<dyn DiskFile>,
}

/// Where the keeper puts the next one and the writer takes it.
pub(super) type SpareSlot = Arc<Mutex<Option<Spare>>>;

impl Writer {
    /// Goes on where replay ended, in a new segment.
    pub(super) fn new(disk: Arc<dyn Disk>, segment_octets: u64, recovered: Recovered) -> Writer {
        Writer {
            disk,
            ledger: Arc::new(Mutex::new(recovered.ledger)),
            spare: SpareSlot::default(),
            segment_octets: segment_octets.max(4 * FIRST_RECORD),
            active: None,
            cut: None,
            next_sequence: recovered.next_sequence,
            next_segment: recovered.next_segment,
            previous: recovered.previous,
            forwards: HashMap::new(),
            moved: Vec::new(),
            staging: Vec::new(),
        }
    }

    /// Writes all records and tells everybody. Gives back what has to be tried again.
    pub(super) fn commit(&mut self, appends: Vec<Append>) -> Vec<Append> {
        let mut rest = VecDeque::from(appends);
        let mut second_chance = true;
        while !rest.is_empty() {
            match self.commit_next(&mut rest) {
                Ok(()) => {}
                Err(Failure::Record(at, error)) => {
                    if let Some(bad) = rest.remove(at) {
                        bad.reply.send(Err(error));
                    }
                }
                Err(Failure::Disk(error)) => {
                    tracing::error!(%error, "a batch could not be made durable");
                    let is_full = matches!(error, LogError::Full);
                    let outcome = |append: &Append| append.terms.purpose == Purpose::Outcome;
                    let mixed = rest.iter().any(outcome) && !rest.iter().all(outcome);
                    // What was too much together may fit without the new mail.
                    let retry = is_full && mixed && std::mem::take(&mut second_chance);
                    let (kept, failed): (VecDeque<_>, VecDeque<_>) =
                        rest.into_iter().partition(|append| match retry {
                            true => outcome(append) || append.patience == Patience::Later,
                            false => append.patience == Patience::Later,
                        });
                    failed.into_iter().for_each(|append| append.reply.send(Err(error.clone())));
                    match retry {
                        true => rest = kept,
                        false => return kept.into(),
                    }
                }
            }
        }
        Vec::new()
    }

    /// What compaction moved since the last call.
    pub(super) fn take_moved(&mut self) -> Vec<Moved> {
        std::mem::take(&mut self.moved)
    }

    /// Nobody names the old places any more but these records, which are brought up to date.
    pub(super) fn forget_old_places(&mut self, waiting: &mut [Append]) {
        for append in waiting {
            append.terms.ends = append.terms.ends.map(|position| self.place(position));
            for position in &mut append.terms.releases {
                *position = self.place(*position);
            }
        }
        self.forwards.clear();
    }

    /// Whether there are old places that somebody may still name.
    pub(super) fn remembers_old_places(&self) -> bool {
        !self.forwards.is_empty()
    }

    /// A record is not needed any more.
    pub(super) fn release(&mut self, position: Position) {
        let position = self.place(position);
        locked(&self.ledger).release(position);
    }

    /// Closes the segment in use, so that it can be compacted.
    #[cfg(test)]
    pub(super) fn rotate(&mut self) -> Result<(), LogError> {
        self.finish_cut()?;
        self.close_active();
        Ok(())
    }

    /// Whether a file should be made ready for the next segment: when this one was not made
    /// ready itself, or is half full.
    pub(super) fn wants_spare(&self) -> bool {
        let is_due = |active: &Active| {
            let used = active.end > FIRST_RECORD;
            used && (!active.is_prepared || active.end > self.segment_octets / 2)
        };
        self.active.as_ref().is_some_and(is_due)
    }

    /// What the writer shares with the keeper and with readers.
    pub(super) fn shares(&self) -> (Arc<Mutex<Ledger>>, SpareSlot) {
        (Arc::clone(&self.ledger), Arc::clone(&self.spare))
    }

    fn place(&self, position: Position) -> Position {
        forwarded(&self.forwards, position)
    }

    /// Commits as many records from the front as fit into the segment.
    fn commit_next(&mut self, rest: &mut VecDeque<Append>) -> Result<(), Failure> {
        self.finish_cut().map_err(Failure::Disk)?;
        let mut count = self.fitting(rest);
        let is_plain = self.active.as_ref().is_some_and(|active| !active.is_prepared);
        if count == 0 || (is_plain && locked(&self.spare).is_some()) {
            self.close_active();
            self.open_next()?;
            count = self.fitting(rest).max(1);
        }
        let Some(active) = &self.active else { return Ok(()) };
        let (number, start, file) = (active.number, active.end, Arc::clone(&active.file));
        let mark = active.mark;
        let mut staging = std::mem::take(&mut self.staging);
        staging.clear();
        let mut sink = Sink { file: file.as_ref(), offset: start, staging };
        let written = self.write(&mut sink, rest, count, number, mark);
        let written = written.and_then(|placed| {
            sink.flush()?;
            Ok((placed, sink.offset))
        });
        let full = matches!(&written, Err(Failure::Disk(LogError::Full)));
        let by_record = matches!(&written, Err(Failure::Record(..)));
        self.staging = sink.staging;
        let done = written.and_then(|done| {
            file.sync()?;
            Ok(done)
        });
        match done {
            Ok((placed, end)) => {
                self.settle(rest, placed, page_after(end));
                Ok(())
            }
            Err(failure) => {
                self.cut = Some(Cut { file, to: start, closes: !full && !by_record });
                // The cut takes the prepared zeros with it.
                self.active.iter_mut().for_each(|active| active.is_prepared = false);
                // If it fails it is tried again before the next batch.
                let _ = self.finish_cut();
                Err(failure)
            }
        }
    }

    /// How many records from the front fit into the segment in use; 0 when a new one is due.
    fn fitting(&self, rest: &VecDeque<Append>) -> usize {
        let Some(active) = &self.active else { return 0 };
        let mut octets = 0u64;
        let mut count = 0;
        for append in rest {
            let more = octets + append.sealed.octets();
            let alone = count == 0 && active.end == FIRST_RECORD;
            let overflows = active.end + more > self.segment_octets;
            if !alone && (overflows || (count > 0 && more > BATCH_OCTETS)) {
                break;
            }
            octets = more;
            count += 1;
        }
        count
    }

    fn write(
        &mut self,
        sink: &mut Sink<'_>,
        rest: &VecDeque<Append>,
        count: usize,
        number: u32,
        mark: Mark,
    ) -> Result<Vec<(Position, RecordHeader)>, Failure> {
        let mut placed = Vec::with_capacity(count);
        let mut sequence = self.next_sequence;
        for (at, append) in rest.iter().take(count).enumerate() {
            let header = self.header(append, &mut sequence);
            let offset = sink.offset + sink.staging.len() as u64;
            let Sealed { record, body_crc, .. } = &append.sealed;
            sink.push(&header.encode(mark))?;
            sink.push(&record.head)?;
            if let Some(body) = &record.body {
                sink.push_body(body, *body_crc).map_err(|failure| match failure {
                    Failure::Record(_, error) => Failure::Record(at, error),
                    disk => disk,
                })?;
            }
            let octets = (header.head_octets, header.body_octets);
            let position = Position::new(number, offset, octets.0, octets.1);
            placed.extend(position.map(|position| (position, header)));
        }
        Ok(placed)
    }

    fn header(&self, append: &Append, sequence: &mut u64) -> RecordHeader {
        let Sealed { record, head_crc, body_crc } = &append.sealed;
        let ends = append.terms.ends.map(|position| self.place(position).segment());
        let exists = |number: &u32| locked(&self.ledger).segment(*number).is_some();
        let (own_sequence, guards, moved_from) = match append.origin {
            Origin::Moved { old, sequence, guards } => (sequence, guards, old.segment()),
            Origin::New => {
                *sequence += 1;
                (*sequence - 1, ends.filter(exists).unwrap_or(0), 0)
            }
        };
        RecordHeader {
            kind: record.kind,
            mail_id: record.mail_id,
            sequence: own_sequence,
            // The length was checked when the record was sealed.
            head_octets: u32::try_from(record.head.len()).unwrap_or(u32::MAX),
            guards,
            body_octets: record.body.as_ref().map_or(0, Content::len),
            moved_from,
            head_crc: *head_crc,
            body_crc: *body_crc,
        }
    }

    /// The records at the front are durable: the ledger learns it, then everybody else.
    fn settle(
        &mut self,
        rest: &mut VecDeque<Append>,
        placed: Vec<(Position, RecordHeader)>,
        end: u64,
    ) {
        let done: Vec<Append> = rest.drain(..placed.len().min(rest.len())).collect();
        let mut ledger = locked(&self.ledger);
        if let Some(active) = &mut self.active {
            active.end = end;
            if let Some(segment) = ledger.segment_mut(active.number) {
                segment.end = end;
                segment.records += placed.len() as u64;
            }
        }
        for (append, (position, header)) in done.iter().zip(&placed) {
            match append.origin {
                Origin::New => self.next_sequence = header.sequence + 1,
                Origin::Moved { old, .. } => {
                    ledger.add_copy(position.segment(), old.segment());
                    self.forwards.insert(old, *position);
                    let (kind, mail_id) = (header.kind, header.mail_id);
                    match header.guards {
                        0 => {
                            ledger.release(old);
                            self.moved.push(Moved { kind, mail_id, old, new: *position });
                        }
                        guarded => ledger.obituary_moved(old, guarded),
                    }
                }
            }
            match header.guards {
                0 if append.terms.ends.is_none() => ledger.add_live(*position),
                0 => {}
                guarded => ledger.add_obituary(*position, guarded),
            }
            for position in append.terms.ends.iter().chain(&append.terms.releases) {
                ledger.release(forwarded(&self.forwards, *position));
            }
        }
        drop(ledger);
        for (append, (position, _)) in done.into_iter().zip(placed) {
            append.reply.send(Ok(position));
        }
    }

    /// Makes the cut that is due, if any.
    fn finish_cut(&mut self) -> Result<(), LogError> {
        let Some(cut) = &self.cut else { return Ok(()) };
        cut.file.cut(cut.to)?;
        let closes = cut.closes;
        self.cut = None;
        if closes && let Some(active) = self.active.take() {
            tracing::warn!(segment = active.number, "the segment is closed after an error");
            self.closed(&active, true);
        }
        Ok(())
    }

    fn close_active(&mut self) {
        let Some(active) = self.active.take() else { return };
        // Gives the zeros at the end back. If that fails they do no harm.
        if active.file.octets().is_ok_and(|octets| octets > active.end)
            && let Err(error) = active.file.cut(active.end)
        {
            tracing::warn!(segment = active.number, %error, "the end of a segment was not cut");
        }
        self.closed(&active, false);
    }

    fn closed(&mut self, active: &Active, is_suspect: bool) {
        if let Some(segment) = locked(&self.ledger).segment_mut(active.number) {
            segment.closed = true;
            segment.suspect = is_suspect;
            self.previous = Some((active.number, segment.records));
        }
    }

    /// Begins a segment; it is in the directory, durably, before a record is in it.
    fn open_next(&mut self) -> Result<(), Failure> {
        let number = self.next_segment;
        let mut mark = Mark::default();
        getrandom::fill(&mut mark).map_err(|error| io::Error::other(error.to_string()))?;
        let header = SegmentHeader {
            number,
            mark,
            created_ms: now_ms(),
            first_sequence: self.next_sequence,
            previous: self.previous.map_or(0, |(number, _)| number),
            previous_records: self.previous.map_or(0, |(_, records)| records),
        };
        let spare = locked(&self.spare).take();
        let is_prepared = spare.is_some();
        let (name, file) = match spare {
            Some(spare) => (spare.name, spare.file),
            None => ("segment.tmp".to_owned(), self.disk.create("segment.tmp")?),
        };
        file.write_at(0, &header.encode())?;
        file.sync()?;
        self.disk.rename(&name, &segment_name(number))?;
        self.disk.sync_names()?;
        let segment = Segment::new(mark, header.created_ms, &file);
        locked(&self.ledger).add_segment(number, segment);
        self.active = Some(Active { number, file, mark, end: FIRST_RECORD, is_prepared });
        self.next_segment = number.saturating_add(1);
        Ok(())
    }
}

/// Where a record is that was at `position`; it may have moved more than once.
fn forwarded(forwards: &HashMap<Position, Position>, mut position: Position) -> Position {
    while let Some(next) = forwards.get(&position) {
        position = *next;
    }
    position
}

/// Gathers small pieces into large writes.
#[derive(Debug)]
struct Sink<'a> {
    file: &'a dyn DiskFile,
    /// Where the staged octets go.
    offset: u64,
    staging: Vec<u8>,
}

impl Sink<'_> {
    fn push(&mut self, octets: &[u8]) -> io::Result<()> {
        if octets.len() >= DIRECT_OCTETS {
            self.flush()?;
            self.file.write_at(self.offset, octets)?;
            self.offset += octets.len() as u64;
            return Ok(());
        }
        self.staging.extend_from_slice(octets);
        match self.staging.len() >= STAGING_OCTETS {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// A body in a file is checked on its way: what is read now must be what was sealed.
    fn push_body(&mut self, body: &Content, body_crc: u32) -> Result<(), Failure> {
        if let Some(octets) = body.in_memory() {
            return Ok(self.push(octets)?);
        }
        let mut crc = 0;
        let mut disk = Ok(());
        let read = each_chunk(body, |chunk| {
            crc = crc32c::crc32c_append(crc, chunk);
            disk = self.push(chunk);
            disk.as_ref().map(|_| ()).map_err(|error| error.kind().into())
        });
        disk?;
        read.map_err(|error| Failure::Record(0, LogError::Io(Arc::new(error))))?;
        match crc == body_crc {
            true => Ok(()),
            false => Err(Failure::Record(0, LogError::Damaged)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.staging.is_empty() {
            self.file.write_at(self.offset, &self.staging)?;
            self.offset += self.staging.len() as u64;
            self.staging.clear();
        }
        Ok(())
    }
}

/// Shows a content piece by piece.
pub(super) fn each_chunk(
    content: &Content,
    mut see: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    if let Some(octets) = content.in_memory() {
        return see(octets);
    }
    let mut chunk = vec![0u8; 256 << 10];
    let mut at = 0;
    while at < content.len() {
        let octets = match content.read_at(at, &mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            done => done?,
        };
        if octets == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        see(chunk.get(..octets).unwrap_or_default())?;
        at += octets as u64;
    }
    Ok(())
}
