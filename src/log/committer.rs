//! The log as its owners see it, and the thread that commits.
//!
//! In: records from any task or thread. Out: one write and one sync for all that wait, then
//! everybody is woken. Records that nobody waits for go with the next batch, at the latest
//! after [`LATER_MS`]. A second thread, `keeper.rs`, compacts and deletes.
//!
//! When the committing thread ends, for whatever reason, the log counts as closed: whoever
//! waits or comes later is told so.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::disk::{Disk, DiskFile, RealDisk, read_full};
use super::format::{FIRST_RECORD, HEADER_OCTETS, RecordHeader, segment_name};
use super::ledger::Ledger;
use super::replay::replay;
use super::space::Space;
use super::walk::{Depth, Step, Walk};
use super::writer::{Append, Origin, Patience, Reply, Sealed, SpareSlot, Writer};
use super::{
    Entry, Liveness, LogError, LogOptions, Position, Purpose, Record, Relocate, ReplayReport,
    SegmentFacts, Terms, keeper, locked,
};
use crate::mail::Content;

/// How long a record that nobody waits for may wait for company.
pub const LATER_MS: u64 = 25;
/// How long until records that the disk did not take are tried again.
const RETRY: Duration = Duration::from_millis(250);

/// What comes to the committing thread.
#[derive(Debug)]
pub(super) enum Submission {
    Append(Append),
    /// Copies made by compaction, and whom to tell that they are durable.
    Move(Vec<Append>, oneshot::Sender<Result<(), LogError>>),
    Release(Position),
    /// The owner does not need this segment any more.
    Drop(u32),
    /// Everything before this is to be durable.
    Flush(oneshot::Sender<()>),
}

#[derive(Debug, Default)]
struct Queue {
    submissions: VecDeque<Submission>,
    /// How many there ever were.
    tickets: u64,
    is_urgent: bool,
    later_since: Option<Instant>,
    is_closing: bool,
    is_closed: bool,
}

/// What the threads and the owners share.
pub(super) struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) ledger: Arc<Mutex<Ledger>>,
    pub(super) spare: SpareSlot,
    pub(super) space: Space,
    pub(super) options: LogOptions,
    pub(super) closing: AtomicBool,
    pub(super) wants_spare: AtomicBool,
    /// Rung when the keeper may find work.
    pub(super) keeper_bell: (Mutex<bool>, Condvar),
    owner: Mutex<Option<Weak<dyn Relocate>>>,
    queue: Mutex<Queue>,
    bell: Condvar,
}

impl fmt::Debug for Shared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Shared").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Shared {
    /// Takes a submission, unless the log is closed.
    pub(super) fn submit(&self, submission: Submission) -> Result<(), LogError> {
        let mut queue = locked(&self.queue);
        if queue.is_closed || queue.is_closing {
            return Err(LogError::Closed);
        }
        let is_urgent = match &submission {
            Submission::Append(append) => append.patience == Patience::Urgent,
            Submission::Move(..) | Submission::Flush(_) => true,
            Submission::Release(_) | Submission::Drop(_) => false,
        };
        let was_urgent = queue.is_urgent;
        queue.is_urgent |= is_urgent;
        let begins_waiting = queue.later_since.is_none();
        queue.later_since.get_or_insert_with(Instant::now);
        queue.submissions.push_back(submission);
        queue.tickets += 1;
        drop(queue);
        if (is_urgent && !was_urgent) || begins_waiting {
            self.bell.notify_one();
        }
        Ok(())
    }

    /// The owner, while there is one.
    pub(super) fn owner(&self) -> Option<Arc<dyn Relocate>> {
        locked(&self.owner).as_ref().and_then(Weak::upgrade)
    }

    /// Waits for work. True with the last of it.
    fn take(&self, has_stalled: bool) -> (VecDeque<Submission>, u64, bool) {
        let later = Duration::from_millis(LATER_MS);
        let retry_at = has_stalled.then(|| Instant::now() + RETRY);
        let mut queue = locked(&self.queue);
        loop {
            let now = Instant::now();
            let due_at = queue.later_since.map(|since| since + later);
            let wake_at = due_at.into_iter().chain(retry_at).min();
            let is_due = wake_at.is_some_and(|at| at <= now);
            if queue.is_urgent || queue.is_closing || is_due {
                queue.is_urgent = false;
                queue.later_since = None;
                let taken = std::mem::take(&mut queue.submissions);
                return (taken, queue.tickets, queue.is_closing);
            }
            queue = match wake_at {
                None => self.bell.wait(queue).unwrap_or_else(|error| error.into_inner()),
                Some(at) => {
                    let waited = self.bell.wait_timeout(queue, at - now);
                    waited.map_or_else(|error| error.into_inner().0, |(queue, _)| queue)
                }
            };
        }
    }

    fn ring_keeper(&self) {
        *locked(&self.keeper_bell.0) = true;
        self.keeper_bell.1.notify_one();
    }
}

/// Makes the log count as closed when the committing thread is gone.
struct Closes(Arc<Shared>);

impl Drop for Closes {
    fn drop(&mut self) {
        let mut queue = locked(&self.0.queue);
        queue.is_closed = true;
        let left = std::mem::take(&mut queue.submissions);
        drop(queue);
        for submission in left {
            if let Submission::Append(append) = submission {
                append.reply.send(Err(LogError::Closed));
            }
        }
        self.0.closing.store(true, Ordering::Release);
        self.0.ring_keeper();
    }
}

/// The committing thread.
fn run(shared: &Arc<Shared>, mut writer: Writer) {
    let _closes = Closes(Arc::clone(shared));
    let mut stalled: Vec<Append> = Vec::new();
    let mut forget_at = None;
    loop {
        let (submissions, tickets, is_last) = shared.take(!stalled.is_empty());
        let mut appends = std::mem::take(&mut stalled);
        for submission in submissions {
            process(shared, &mut writer, submission, &mut appends);
        }
        stalled = writer.commit(appends);
        // Whoever named an old place did so before it was told of the new one, so it is in
        // the queue by now at the latest.
        match forget_at {
            Some(at) if tickets >= at => {
                writer.forget_old_places(&mut stalled);
                forget_at = None;
            }
            None if writer.remembers_old_places() => {
                forget_at = Some(locked(&shared.queue).tickets)
            }
            _ => {}
        }
        if writer.wants_spare() && !shared.wants_spare.swap(true, Ordering::AcqRel) {
            shared.ring_keeper();
        }
        if is_last {
            let lost = stalled.len();
            if lost > 0 {
                tracing::error!(records = lost, "records could not be written before the end");
            }
            stalled.into_iter().for_each(|append| append.reply.send(Err(LogError::Closed)));
            return;
        }
    }
}

fn process(
    shared: &Shared,
    writer: &mut Writer,
    submission: Submission,
    appends: &mut Vec<Append>,
) {
    // What the disk did not take stays at the front: two states of one mail must not change
    // places.
    match submission {
        Submission::Append(append) => appends.push(append),
        Submission::Release(position) => writer.release(position),
        Submission::Drop(number) => {
            if let Some(segment) = locked(&shared.ledger).segment_mut(number) {
                segment.dropped = true;
            }
            shared.ring_keeper();
        }
        Submission::Flush(done) => {
            *appends = writer.commit(std::mem::take(appends));
            let _ = done.send(());
        }
        Submission::Move(copies, done) => {
            *appends = writer.commit(std::mem::take(appends));
            let owner = shared.owner();
            let _ = done.send(commit_copies(&shared.ledger, writer, copies, owner.as_deref()));
        }
    }
}

/// Writes copies of those records that are still needed and tells the owner where they are.
pub(super) fn commit_copies(
    ledger: &Mutex<Ledger>,
    writer: &mut Writer,
    mut copies: Vec<Append>,
    owner: Option<&dyn Relocate>,
) -> Result<(), LogError> {
    let guard = locked(ledger);
    copies.retain(|copy| match copy.origin {
        Origin::Moved { old, .. } => !guard.was_released(old),
        Origin::New => false,
    });
    drop(guard);
    let result = Arc::new(Mutex::new(Ok(())));
    for copy in &mut copies {
        let result = Arc::clone(&result);
        copy.reply = Reply::Call(Box::new(move |done| {
            if let Err(error) = done {
                *locked(&result) = Err(error);
            }
        }));
    }
    writer.commit(copies);
    for moved in writer.take_moved() {
        if let Some(owner) = owner {
            owner.moved(moved.kind, moved.mail_id, moved.old, moved.new);
        }
    }
    Arc::into_inner(result)
        .map_or(Ok(()), |result| result.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Replays and makes everything ready for the threads.
pub(super) fn recover(
    disk: Arc<dyn Disk>,
    options: LogOptions,
    visit: &mut dyn FnMut(Entry<'_>) -> Liveness,
) -> Result<(Arc<Shared>, Writer, ReplayReport), LogError> {
    let recovered = replay(disk.as_ref(), visit)?;
    let report = recovered.report.clone();
    tell(&options, &report);
    let writer = Writer::new(Arc::clone(&disk), options.segment_octets, recovered);
    let (ledger, spare) = writer.shares();
    let shared = Arc::new(Shared {
        space: Space::new(Arc::clone(&disk), options.reserve_octets),
        disk,
        ledger,
        spare,
        options,
        closing: AtomicBool::new(false),
        wants_spare: AtomicBool::new(false),
        keeper_bell: (Mutex::new(false), Condvar::new()),
        owner: Mutex::new(None),
        queue: Mutex::new(Queue::default()),
        bell: Condvar::new(),
    });
    Ok((shared, writer, report))
}

/// An open log. Dropping it closes it.
#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Held as long as the log is open, so that no second process opens it.
    _lock: Option<std::fs::File>,
}

/// The coming position of a record that was submitted. Need not be waited for.
#[derive(Debug)]
pub struct Committed(oneshot::Receiver<Result<Position, LogError>>);

impl Future for Committed {
    type Output = Result<Position, LogError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|done| done.unwrap_or(Err(LogError::Closed)))
    }
}

impl Log {
    /// Opens the log in a directory, which is made if need be, and shows every record that
    /// it holds to `visit`. Blocks while it reads.
    pub fn open(
        options: LogOptions,
        visit: &mut dyn FnMut(Entry<'_>) -> Liveness,
    ) -> Result<(Arc<Log>, ReplayReport), LogError> {
        let disk = RealDisk::new(&options.dir)?;
        let lock = std::fs::File::create(options.dir.join("lock"))?;
        lock.try_lock().map_err(|_| LogError::InUse(options.dir.clone()))?;
        Log::open_on(Arc::new(disk), options, Some(lock), visit)
    }

    pub(super) fn open_on(
        disk: Arc<dyn Disk>,
        options: LogOptions,
        lock: Option<std::fs::File>,
        visit: &mut dyn FnMut(Entry<'_>) -> Liveness,
    ) -> Result<(Arc<Log>, ReplayReport), LogError> {
        let (shared, writer, report) = recover(disk, options, visit)?;
        let (committing, keeping) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            std::thread::Builder::new()
                .name("log-commit".into())
                .spawn(move || run(&committing, writer))?,
            std::thread::Builder::new()
                .name("log-keep".into())
                .spawn(move || keeper::run(&keeping))?,
        ];
        let log = Log { shared, threads: Mutex::new(threads), _lock: lock };
        Ok((Arc::new(log), report))
    }

    /// Names the owner. Before that nothing is compacted.
    pub fn attend(&self, owner: &Arc<impl Relocate + 'static>) {
        let owner: Arc<dyn Relocate> = Arc::clone(owner) as Arc<dyn Relocate>;
        *locked(&self.shared.owner) = Some(Arc::downgrade(&owner));
        self.shared.ring_keeper();
    }

    /// Keeps a record of new mail; durable when it returns.
    pub async fn append(&self, record: Record) -> Result<Position, LogError> {
        self.append_with(record, Terms::default()).await
    }

    /// Keeps a record; durable when it returns, and then its terms have come true.
    pub async fn append_with(&self, record: Record, terms: Terms) -> Result<Position, LogError> {
        let (sender, receiver) = oneshot::channel();
        let sealed = seal(record).await?;
        self.enter(sealed, terms, Patience::Urgent, Reply::Wake(sender))?;
        Committed(receiver).await
    }

    /// Keeps a record that nobody waits for: durable with the next batch, and tried again
    /// until the disk takes it. The returned future gives the position and may be dropped.
    /// Never blocks, unless the body lies in a file.
    pub fn append_later(&self, record: Record) -> Result<Committed, LogError> {
        let (sender, receiver) = oneshot::channel();
        let terms = Terms::plain(Purpose::Account);
        self.enter(record.seal()?, terms, Patience::Later, Reply::Wake(sender))?;
        Ok(Committed(receiver))
    }

    /// The same with terms and a function that is called, on the log's own thread, when the
    /// record is durable. It must not wait for the log.
    pub fn append_later_then(
        &self,
        record: Record,
        terms: Terms,
        done: impl FnOnce(Result<Position, LogError>) + Send + 'static,
    ) -> Result<(), LogError> {
        self.enter(record.seal()?, terms, Patience::Later, Reply::Call(Box::new(done)))
    }

    /// Keeps a sealed record as soon as possible and calls a function, on the log's own
    /// thread, when it is durable or refused. It must not wait for the log.
    pub fn submit(
        &self,
        sealed: Sealed,
        terms: Terms,
        done: impl FnOnce(Result<Position, LogError>) + Send + 'static,
    ) -> Result<(), LogError> {
        self.enter(sealed, terms, Patience::Urgent, Reply::Call(Box::new(done)))
    }

    fn enter(
        &self,
        sealed: Sealed,
        terms: Terms,
        patience: Patience,
        reply: Reply,
    ) -> Result<(), LogError> {
        if !self.shared.space.admits(terms.purpose, sealed.octets()) {
            return Err(LogError::Full);
        }
        let append = Append { sealed, terms, patience, origin: Origin::New, reply };
        self.shared.submit(Submission::Append(append))
    }

    /// The record is not needed any more.
    pub fn release(&self, position: Position) {
        // A closed log forgets the release; the owner releases again after replay.
        let _ = self.shared.submit(Submission::Release(position));
    }

    /// The whole segment is not needed any more, live or not.
    pub fn drop_segment(&self, number: u32) {
        let _ = self.shared.submit(Submission::Drop(number));
    }

    /// Returns when everything that was submitted before is durable, or has been refused.
    pub async fn flush(&self) -> Result<(), LogError> {
        let (sender, receiver) = oneshot::channel();
        self.shared.submit(Submission::Flush(sender))?;
        receiver.await.map_err(|_| LogError::Closed)
    }

    /// The head of a record, checked. Blocks on the disk.
    pub fn head(&self, position: Position) -> Result<Vec<u8>, LogError> {
        let (file, header) = self.record_at(position)?;
        let mut head = vec![0u8; header.head_octets as usize];
        let read = read_full(file.as_ref(), position.head_offset(), &mut head)?;
        match read == head.len() && crc32c::crc32c(&head) == header.head_crc {
            true => Ok(head),
            false => Err(LogError::Damaged),
        }
    }

    /// The body of a record, left on the disk. It stays readable as long as somebody has it,
    /// even when the segment is deleted.
    pub fn body(&self, position: Position) -> Result<Content, LogError> {
        let (file, header) = self.record_at(position)?;
        Ok(file.content(position.body_offset(), header.body_octets)?)
    }

    /// Whether the body on the disk is what was written. Reads it all; blocks.
    pub fn verify(&self, position: Position) -> Result<(), LogError> {
        let (file, header) = self.record_at(position)?;
        let body = file.content(position.body_offset(), header.body_octets)?;
        let mut crc = 0;
        super::writer::each_chunk(&body, |chunk| {
            crc = crc32c::crc32c_append(crc, chunk);
            Ok(())
        })?;
        (crc == header.body_crc).then_some(()).ok_or(LogError::Damaged)
    }

    fn record_at(&self, position: Position) -> Result<(Arc<dyn DiskFile>, RecordHeader), LogError> {
        let (file, mark, _) = self.shared.segment_file(position.segment())?;
        let mut octets = [0u8; HEADER_OCTETS];
        read_full(file.as_ref(), position.offset(), &mut octets)?;
        let header = RecordHeader::decode(&octets, mark).ok_or(LogError::NoRecord)?;
        let is_it = header.head_octets == position.head_octets()
            && header.body_octets == position.body_octets();
        is_it.then_some((file, header)).ok_or(LogError::NoRecord)
    }

    /// Shows the durable records of all segments from number `first` on, oldest first, until
    /// `visit` breaks off. Bodies are not read. Blocks on the disk.
    pub fn scan(
        &self,
        first: u32,
        visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), LogError> {
        let numbers = locked(&self.shared.ledger).numbers();
        for number in numbers.into_iter().filter(|number| *number >= first) {
            let (file, mark, end) = match self.shared.segment_file(number) {
                Err(LogError::NoRecord) => continue,
                found => found?,
            };
            let mut walk = Walk::new(file.as_ref(), mark, FIRST_RECORD, end, Depth::Heads);
            loop {
                let (at, header) = match walk.step() {
                    Step::Record(at, header) => (at, header),
                    Step::Damage(..) => continue,
                    Step::End(_) => break,
                };
                let place = Position::new(number, at, header.head_octets, header.body_octets);
                let Some((position, head)) = place.zip(walk.head(at, &header)) else { continue };
                let (kind, mail_id, sequence) = (header.kind, header.mail_id, header.sequence);
                if visit(Entry { position, kind, mail_id, sequence, head }).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// All segments, oldest first.
    pub fn segments(&self) -> Vec<SegmentFacts> {
        locked(&self.shared.ledger).facts()
    }

    /// Whether new mail would be refused now.
    pub fn is_full(&self) -> bool {
        self.shared.space.room_octets(Purpose::Intake) == 0
    }

    /// Makes everything durable that was submitted and ends the threads. Blocks. Further
    /// records are refused.
    pub fn close(&self) {
        locked(&self.shared.queue).is_closing = true;
        self.shared.bell.notify_one();
        self.shared.closing.store(true, Ordering::Release);
        self.shared.ring_keeper();
        let own = std::thread::current().id();
        for thread in std::mem::take(&mut *locked(&self.threads)) {
            // The last owner may be dropped by a call-back on one of these threads.
            if thread.thread().id() != own && thread.join().is_err() {
                tracing::error!("a thread of the log ended in panic");
            }
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// A segment's file, its mark and its durable end.
    pub(super) fn segment_file(
        &self,
        number: u32,
    ) -> Result<(Arc<dyn DiskFile>, super::format::Mark, u64), LogError> {
        let mut ledger = locked(&self.ledger);
        let segment = ledger.segment_mut(number).ok_or(LogError::NoRecord)?;
        let file = match segment.file.upgrade() {
            Some(file) => file,
            None => {
                let opened = self.disk.open(&segment_name(number));
                let file = opened.map_err(|error| match error.kind() {
                    std::io::ErrorKind::NotFound => LogError::NoRecord,
                    _ => error.into(),
                })?;
                segment.file = Arc::downgrade(&file);
                file
            }
        };
        Ok((file, segment.mark, segment.end))
    }
}

/// Computes checksums where it does no harm: away from the runtime's own threads when the
/// body has to be read from a file.
pub(crate) async fn seal(record: Record) -> Result<Sealed, LogError> {
    let in_file = record.body.as_ref().is_some_and(|body| body.in_memory().is_none());
    if !in_file {
        return record.seal();
    }
    let sealing = tokio::task::spawn_blocking(move || record.seal());
    sealing.await.unwrap_or(Err(LogError::Closed))
}

/// What replay found is said at once, whoever the owner is.
fn tell(options: &LogOptions, report: &ReplayReport) {
    let log = options.dir.display();
    if let Some(torn) = &report.torn {
        let (segment, offset, octets) = (torn.segment, torn.offset, torn.octets);
        tracing::warn!(%log, segment, offset, octets, "an unfinished batch was cut off");
    }
    for damage in &report.corrupt {
        let (segment, offset, octets) = (damage.segment, damage.offset, damage.octets);
        let kept = damage.kept.as_deref().unwrap_or("the segment itself");
        tracing::error!(%log, segment, offset, octets, kept, "damaged octets were set aside");
    }
    for (segment, records) in &report.missing {
        tracing::error!(%log, segment, records, "records are missing from a segment");
    }
}
