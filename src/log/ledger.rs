//! Which segments exist, how much of each is still needed, and which may go.
//!
//! The rule that makes deletion safe. A record is *live* until its owner releases it. A
//! record that states the end of another one (an *obituary*) is needed as long as a copy of
//! the other could be replayed, for without it the dead would rise. So each segment keeps
//! two lists of segments that it must outlive:
//! - `guards`: segments with a dead record whose obituary stands here. Only the segment of
//!   the newest copy is named in the obituary, because of the second list.
//! - `copied_from`: segments out of which compaction copied records to here. An older copy
//!   therefore always goes before a newer one.
//!
//! A segment may be deleted when nothing in it is live and both lists are empty; compaction
//! carries obituaries that still guard something along with the live records. Both lists
//! name older segments only (an obituary is written after what it ends, a copy after its
//! source, and a record whose obituary is written is never copied again), so there are no
//! circles, and by induction every copy of a record is gone from the disk, the directory
//! synced, before its obituary goes. A crash between any two steps leaves a state that the
//! same rule describes, because both lists are rebuilt from the record headers.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::disk::DiskFile;
use super::format::{FIRST_RECORD, Mark};
use super::{Position, SegmentFacts};

/// A segment whose emptying failed is left alone for so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is known of one segment.
#[derive(Debug)]
pub(super) struct Segment {
    /// Its records' mark.
    pub(super) mark: Mark,
    /// When it was begun.
    pub(super) created_ms: u64,
    /// Everything before this is durable.
    pub(super) end: u64,
    /// Good records of any kind.
    pub(super) records: u64,
    /// Nothing is appended any more.
    pub(super) closed: bool,
    /// The disk failed here, or replay found damage: its records move as soon as may be.
    pub(super) suspect: bool,
    /// Must not be deleted: damaged octets in it could not be set aside.
    pub(super) pinned: bool,
    /// The owner gave up the whole segment.
    pub(super) dropped: bool,
    /// The open file, while somebody has it.
    pub(super) file: Weak<dyn DiskFile>,
    live_records: u64,
    live_octets: u64,
    guards: BTreeMap<u32, u64>,
    copied_from: BTreeSet<u32>,
    rest_until: Option<Instant>,
}

impl Segment {
    /// A segment without records.
    pub(super) fn new(mark: Mark, created_ms: u64, file: &Arc<dyn DiskFile>) -> Segment {
        Segment {
            mark,
            created_ms,
            end: FIRST_RECORD,
            records: 0,
            closed: false,
            suspect: false,
            pinned: false,
            dropped: false,
            file: Arc::downgrade(file),
            live_records: 0,
            live_octets: 0,
            guards: BTreeMap::new(),
            copied_from: BTreeSet::new(),
            rest_until: None,
        }
    }

    /// Octets that compaction would have to copy.
    fn needed_octets(&self) -> u64 {
        self.live_octets + self.guards.values().sum::<u64>()
    }
}

/// All segments of a log.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    segments: BTreeMap<u32, Segment>,
    /// The segment being emptied and what was released in it meanwhile.
    watch: Option<(u32, HashSet<u64>)>,
}

impl Ledger {
    /// Takes a segment in.
    pub(super) fn add_segment(&mut self, number: u32, segment: Segment) {
        self.segments.insert(number, segment);
    }

    /// One segment.
    pub(super) fn segment(&self, number: u32) -> Option<&Segment> {
        self.segments.get(&number)
    }

    /// One segment, to change.
    pub(super) fn segment_mut(&mut self, number: u32) -> Option<&mut Segment> {
        self.segments.get_mut(&number)
    }

    /// Numbers of all segments, oldest first.
    pub(super) fn numbers(&self) -> Vec<u32> {
        self.segments.keys().copied().collect()
    }

    /// A record is there and live.
    pub(super) fn add_live(&mut self, position: Position) {
        if let Some(segment) = self.segments.get_mut(&position.segment()) {
            segment.live_records += 1;
            segment.live_octets += position.octets();
        }
    }

    /// An obituary is there for a record in segment `guarded`. In the same segment it needs
    /// no care: both go together.
    pub(super) fn add_obituary(&mut self, position: Position, guarded: u32) {
        if guarded == position.segment() || !self.segments.contains_key(&guarded) {
            return;
        }
        if let Some(segment) = self.segments.get_mut(&position.segment()) {
            *segment.guards.entry(guarded).or_default() += position.octets();
        }
    }

    /// Whether an obituary in `segment` for a record in `guarded` is still needed.
    pub(super) fn is_guard(&self, segment: u32, guarded: u32) -> bool {
        guarded != 0 && guarded != segment && self.segments.contains_key(&guarded)
    }

    /// A record of segment `source` was copied into `segment`.
    pub(super) fn add_copy(&mut self, segment: u32, source: u32) {
        if source != segment && self.segments.contains_key(&source) {
            self.segments.entry(segment).and_modify(|segment| {
                segment.copied_from.insert(source);
            });
        }
    }

    /// An obituary was carried to another segment.
    pub(super) fn obituary_moved(&mut self, old: Position, guarded: u32) {
        let Some(segment) = self.segments.get_mut(&old.segment()) else { return };
        if let Some(octets) = segment.guards.get_mut(&guarded) {
            *octets = octets.saturating_sub(old.octets());
            if *octets == 0 {
                segment.guards.remove(&guarded);
            }
        }
    }

    /// A record is not needed any more.
    pub(super) fn release(&mut self, position: Position) {
        if let Some((watched, released)) = &mut self.watch
            && *watched == position.segment()
        {
            released.insert(position.offset());
        }
        if let Some(segment) = self.segments.get_mut(&position.segment()) {
            segment.live_records = segment.live_records.saturating_sub(1);
            segment.live_octets = segment.live_octets.saturating_sub(position.octets());
        }
    }

    /// From now on releases in this segment are noted.
    pub(super) fn watch(&mut self, number: u32) {
        self.watch = Some((number, HashSet::new()));
    }

    /// Whether a record was released since the watch began.
    pub(super) fn was_released(&self, position: Position) -> bool {
        let watched = |(number, released): &(u32, HashSet<u64>)| {
            *number == position.segment() && released.contains(&position.offset())
        };
        self.watch.as_ref().is_some_and(watched)
    }

    /// Whether nothing stands against deleting the segment.
    pub(super) fn is_deletable(&self, number: u32) -> bool {
        let free = |segment: &Segment| {
            let empty = segment.live_records == 0 || segment.dropped;
            let last = segment.guards.is_empty() && segment.copied_from.is_empty();
            segment.closed && !segment.pinned && empty && last
        };
        self.segments.get(&number).is_some_and(free)
    }

    /// The segment is gone and the directory synced.
    pub(super) fn gone(&mut self, number: u32) {
        self.segments.remove(&number);
        for segment in self.segments.values_mut() {
            segment.guards.remove(&number);
            segment.copied_from.remove(&number);
        }
    }

    /// Emptying did not come to its end: try again later.
    pub(super) fn rest(&mut self, number: u32, now: Instant) {
        if let Some(segment) = self.segments.get_mut(&number) {
            segment.rest_until = Some(now + PATIENCE);
        }
    }

    /// The next segment worth emptying: one that is suspect or of which less than
    /// `needed_percent` is needed. Oldest first, because others may wait for it to go.
    pub(super) fn candidate(&self, needed_percent: u64, now: Instant) -> Option<u32> {
        let worthwhile = |(number, segment): (&u32, &Segment)| {
            let resting = segment.rest_until.is_some_and(|until| until > now);
            let sparse = segment.needed_octets().saturating_mul(100)
                < segment.end.saturating_mul(needed_percent);
            let fit = segment.closed && !segment.pinned && !resting;
            let wanted = sparse || segment.suspect || segment.dropped;
            (fit && wanted && segment.copied_from.is_empty()).then_some(*number)
        };
        self.segments.iter().find_map(worthwhile)
    }

    /// For owners and operators.
    pub(super) fn facts(&self) -> Vec<SegmentFacts> {
        let fact = |(number, segment): (&u32, &Segment)| SegmentFacts {
            number: *number,
            created_ms: segment.created_ms,
            octets: segment.end,
            live_records: segment.live_records,
            live_octets: segment.live_octets,
            closed: segment.closed,
        };
        self.segments.iter().map(fact).collect()
    }
}
