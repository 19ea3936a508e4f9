//! Keeps the log small: empties sparse segments, deletes empty ones, and has a zero-filled
//! file ready for the next segment.
//!
//! In: the ledger and the owner's word. Out: copies of what is needed, sent through the
//! committing thread; segments deleted by the rule in `ledger.rs`. Before a segment is
//! deleted every record in it is shown to the owner once more, so that a mistake in the
//! accounts cannot lose mail: what the owner claims is copied whatever the accounts say.
//!
//! A live record that turns out damaged is left where it is and reported, and its segment is
//! never deleted in this run; replay sets it aside at the next start.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::committer::{Shared, Submission};
use super::disk::{Disk, DiskFile};
use super::format::{FIRST_RECORD, RecordHeader, segment_name};
use super::walk::{Depth, Step, Walk};
use super::writer::{Append, Origin, Patience, Reply, Sealed, Spare, each_chunk};
use super::{LogError, Position, Purpose, Record, Relocate, Terms, locked};

/// Copies are sent in groups of about this size.
const GROUP_OCTETS: u64 = 2 << 20;
/// Segments of which less is needed are emptied.
const SPARSE_PERCENT: u64 = 25;
/// The same while the disk is short.
const SHORT_SPARSE_PERCENT: u64 = 75;
/// How often the ledger is looked at without being called.
const ROUND: Duration = Duration::from_millis(500);
/// Zeros written, and synced, at once.
const FILL_OCTETS: usize = 512 << 10;
/// No pause is longer than three of these.
const PAUSE_MAX: Duration = Duration::from_millis(10);
/// Tells the files made ready apart: the writer may be renaming one while the next is made.
static SPARES: AtomicU64 = AtomicU64::new(0);

/// The keeping thread.
pub(super) fn run(shared: &Arc<Shared>) {
    while !shared.closing.load(Ordering::Acquire) {
        let worked = round(shared).unwrap_or_else(|error| {
            tracing::error!(%error, "the log could not be tidied");
            false
        });
        if worked {
            continue;
        }
        let (called, bell) = &shared.keeper_bell;
        let mut called = locked(called);
        if !*called && !shared.closing.load(Ordering::Acquire) {
            let waited = bell.wait_timeout(called, ROUND);
            called = waited.map_or_else(|error| error.into_inner().0, |(called, _)| called);
        }
        *called = false;
    }
}

/// Does one thing, if there is one to do.
fn round(shared: &Arc<Shared>) -> Result<bool, LogError> {
    if shared.wants_spare.load(Ordering::Acquire) && locked(&shared.spare).is_none() {
        make_spare(shared);
    }
    let is_short = shared.space.room_octets(Purpose::Intake) == 0;
    let percent = if is_short { SHORT_SPARSE_PERCENT } else { SPARSE_PERCENT };
    let Some(number) = locked(&shared.ledger).candidate(percent, Instant::now()) else {
        return Ok(false);
    };
    let owner = shared.owner();
    let ownerless = {
        let ledger = locked(&shared.ledger);
        ledger.segment(number).is_some_and(|segment| segment.dropped || segment.records == 0)
    };
    if owner.is_none() && !ownerless {
        locked(&shared.ledger).rest(number, Instant::now());
        return Ok(false);
    }
    let mut send = |group: Vec<Append>| {
        let (sender, receiver) = oneshot::channel();
        shared.submit(Submission::Move(group, sender))?;
        receiver.blocking_recv().unwrap_or(Err(LogError::Closed))
    };
    let emptied = empty(shared, number, owner.as_deref(), &mut send);
    if emptied.is_err() || !delete_if_free(shared, number)? {
        locked(&shared.ledger).rest(number, Instant::now());
    }
    emptied.map(|()| true)
}

/// Copies everything needed out of a segment.
pub(super) fn empty(
    shared: &Shared,
    number: u32,
    owner: Option<&dyn Relocate>,
    send: &mut dyn FnMut(Vec<Append>) -> Result<(), LogError>,
) -> Result<(), LogError> {
    let (file, mark, end) = shared.segment_file(number)?;
    {
        let mut ledger = locked(&shared.ledger);
        // From here on the writer notes what is released here, so that what the owner
        // claims now and gives up a moment later is not copied.
        ledger.watch(number);
        if ledger.segment(number).is_some_and(|segment| segment.dropped) {
            return Ok(());
        }
    }
    let mut walk = Walk::new(file.as_ref(), mark, FIRST_RECORD, end, Depth::Heads);
    let mut group = Vec::new();
    let mut group_octets = 0;
    let mut damaged = false;
    loop {
        let (at, header) = match walk.step() {
            Step::Record(at, header) => (at, header),
            // Replay set this aside, or it happened since: then the accounts do not come
            // out even and the segment stays.
            Step::Damage(..) => continue,
            Step::End(_) => break,
        };
        let place = Position::new(number, at, header.head_octets, header.body_octets);
        let Some(position) = place else { continue };
        if !is_needed(shared, owner, &header, position) {
            continue;
        }
        let head = walk.head(at, &header).map(<[u8]>::to_vec);
        match copy(file.as_ref(), position, &header, head) {
            Ok(append) => {
                group_octets += append.sealed.octets();
                group.push(append);
            }
            Err(error) => {
                tracing::error!(segment = number, offset = at, mail_id = %header.mail_id, %error,
                    "a record that is needed cannot be read");
                damaged = true;
            }
        }
        if group_octets >= GROUP_OCTETS {
            send(std::mem::take(&mut group))?;
            group_octets = 0;
        }
    }
    if !group.is_empty() {
        send(group)?;
    }
    if damaged && let Some(segment) = locked(&shared.ledger).segment_mut(number) {
        segment.pinned = true;
    }
    Ok(())
}

fn is_needed(
    shared: &Shared,
    owner: Option<&dyn Relocate>,
    header: &RecordHeader,
    position: Position,
) -> bool {
    match header.guards {
        0 => owner.is_some_and(|owner| owner.is_live(header.kind, header.mail_id, position)),
        guarded => locked(&shared.ledger).is_guard(position.segment(), guarded),
    }
}

/// A record as it is to be written again, its body checked.
fn copy(
    file: &dyn DiskFile,
    position: Position,
    header: &RecordHeader,
    head: Option<Vec<u8>>,
) -> Result<Append, LogError> {
    let head = head.ok_or(LogError::Damaged)?;
    let body = match header.body_octets {
        0 => None,
        octets => Some(file.content(position.body_offset(), octets)?),
    };
    if let Some(body) = &body {
        let mut crc = 0;
        each_chunk(body, |chunk| {
            crc = crc32c::crc32c_append(crc, chunk);
            Ok(())
        })?;
        (crc == header.body_crc).then_some(()).ok_or(LogError::Damaged)?;
    }
    let record = Record { kind: header.kind, mail_id: header.mail_id, head, body };
    let (sequence, guards) = (header.sequence, header.guards);
    Ok(Append {
        sealed: Sealed::known(record, header.head_crc, header.body_crc),
        terms: Terms::plain(Purpose::Outcome),
        patience: Patience::Urgent,
        origin: Origin::Moved { old: position, sequence, guards },
        reply: Reply::None,
    })
}

/// Deletes a segment if the rule allows it. The ledger forgets it only when its name is
/// durably gone.
pub(super) fn delete_if_free(shared: &Shared, number: u32) -> Result<bool, LogError> {
    if !locked(&shared.ledger).is_deletable(number) {
        return Ok(false);
    }
    match shared.disk.remove(&segment_name(number)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => shared.disk.sync_names()?,
    }
    locked(&shared.ledger).gone(number);
    Ok(true)
}

fn make_spare(shared: &Shared) {
    let octets = shared.options.segment_octets;
    // Only from plenty: the file takes its room for good.
    if shared.space.room_octets(Purpose::Intake) < octets.saturating_mul(4) {
        return;
    }
    let ends = || shared.closing.load(Ordering::Acquire);
    let made = fill(shared.disk.as_ref(), octets, &ends);
    match made {
        Ok(spare) => {
            *locked(&shared.spare) = Some(spare);
            shared.wants_spare.store(false, Ordering::Release);
        }
        Err(error) => tracing::warn!(%error, "no file could be made ready for the next segment"),
    }
}

/// A durable file of zeros.
pub(super) fn fill(
    disk: &dyn Disk,
    octets: u64,
    ends: &dyn Fn() -> bool,
) -> std::io::Result<Spare> {
    let name = format!("spare-{}.tmp", SPARES.fetch_add(1, Ordering::Relaxed));
    let file = disk.create(&name)?;
    let filled = fill_with_zeros(file.as_ref(), octets, ends);
    if filled.is_err() {
        // Otherwise replay removes it.
        let _ = disk.remove(&name);
    }
    filled.map(|()| Spare { name, file })
}

fn fill_with_zeros(
    file: &dyn DiskFile,
    octets: u64,
    ends: &dyn Fn() -> bool,
) -> std::io::Result<()> {
    let zeros = vec![0u8; FILL_OCTETS];
    let mut at = 0;
    while at < octets {
        if ends() {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let begun = Instant::now();
        let chunk = zeros.len().min(usize::try_from(octets - at).unwrap_or(usize::MAX));
        file.write_at(at, zeros.get(..chunk).unwrap_or_default())?;
        file.sync()?;
        at += chunk as u64;
        // Mail goes first: the disk is left to it for most of the time.
        std::thread::sleep(begun.elapsed().min(PAUSE_MAX) * 3);
    }
    file.sync()
}
