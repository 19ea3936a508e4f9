//! Reads all segments at start, shows every good record to the owner and rebuilds the ledger.
//!
//! In: the directory. Out: the ledger, where numbering goes on, and a report. A damaged
//! stretch is copied into `corrupt/` before anything else may happen to it; the end of the
//! last segment is then cut. Nothing is ever appended to a segment of an earlier run, so a
//! segment that could not be cut does no harm.
//!
//! Fails only when the directory cannot be read or the last segment cannot be synced: then
//! it is not known whether what is read will still be there tomorrow.

use std::sync::Arc;
use std::time::Instant;

use super::disk::{Disk, DiskFile, read_full};
use super::format::{
    FIRST_RECORD, HEADER_OCTETS, Mark, PAGE_OCTETS, RecordHeader, SegmentHeader, page_after,
    segment_name, segment_number,
};
use super::ledger::{Ledger, Segment};
use super::walk::{Depth, Step, Walk};
use super::{Damage, Entry, Liveness, LogError, Position, ReplayReport};

/// Octets copied at once when damage is set aside.
const COPY_OCTETS: u64 = 1 << 20;

/// What replay hands to the writer.
#[derive(Debug)]
pub(super) struct Recovered {
    /// All segments, closed.
    pub(super) ledger: Ledger,
    /// For the next record.
    pub(super) next_sequence: u64,
    /// For the next segment.
    pub(super) next_segment: u32,
    /// The last segment and its good records.
    pub(super) previous: Option<(u32, u64)>,
    /// What was found.
    pub(super) report: ReplayReport,
}

/// Reads everything.
pub(super) fn replay(
    disk: &dyn Disk,
    visit: &mut dyn FnMut(Entry<'_>) -> Liveness,
) -> Result<Recovered, LogError> {
    let started = Instant::now();
    let mut numbers = Vec::new();
    for name in disk.list()? {
        match segment_number(&name) {
            Some(number) => numbers.push(number),
            None if name.ends_with(".tmp") => disk.remove(&name)?,
            None => {}
        }
    }
    numbers.sort_unstable();
    let mut reader = Reader {
        disk,
        visit,
        ledger: Ledger::default(),
        report: ReplayReport::default(),
        next_sequence: 1,
        obituaries: Vec::new(),
        copies: Vec::new(),
        expected: Vec::new(),
    };
    for number in &numbers {
        reader.segment(*number, numbers.last() == Some(number))?;
    }
    disk.sync_names()?;
    let next_segment = numbers.last().copied().unwrap_or(0).saturating_add(1);
    let mut recovered = reader.finish(next_segment);
    recovered.report.took = started.elapsed();
    Ok(recovered)
}

struct Reader<'a> {
    disk: &'a dyn Disk,
    visit: &'a mut dyn FnMut(Entry<'_>) -> Liveness,
    ledger: Ledger,
    report: ReplayReport,
    next_sequence: u64,
    /// Obituaries and the segments that they guard.
    obituaries: Vec<(Position, u32)>,
    /// Segments and those that records were copied from.
    copies: Vec<(u32, u32)>,
    /// Segments and how many records they should hold.
    expected: Vec<(u32, u64)>,
}

impl Reader<'_> {
    fn segment(&mut self, number: u32, is_last: bool) -> Result<(), LogError> {
        let name = segment_name(number);
        let file = self.disk.open(&name)?;
        if is_last {
            file.sync()?;
        }
        let file_octets = file.octets()?;
        self.report.segments += 1;
        self.report.octets += file_octets;
        let mark = match self.header(file.as_ref(), number) {
            Some(header) => {
                self.next_sequence = self.next_sequence.max(header.first_sequence);
                if header.previous != 0 {
                    self.expected.push((header.previous, header.previous_records));
                }
                (header.mark, header.created_ms)
            }
            None => match salvaged_mark(file.as_ref()) {
                Some(mark) => (mark, 0),
                None => return self.set_segment_aside(number, file_octets),
            },
        };
        let mut segment = Segment::new(mark.0, mark.1, &file);
        segment.closed = true;
        self.ledger.add_segment(number, segment);
        self.records(number, &file, mark.0, file_octets, is_last);
        Ok(())
    }

    fn header(&self, file: &dyn DiskFile, number: u32) -> Option<SegmentHeader> {
        let mut page = vec![0u8; PAGE_OCTETS as usize];
        read_full(file, 0, &mut page).ok()?;
        SegmentHeader::decode(&page).filter(|header| header.number == number)
    }

    /// A segment whose header is lost twice over: its octets are kept, under another name.
    fn set_segment_aside(&mut self, number: u32, octets: u64) -> Result<(), LogError> {
        let kept = format!("corrupt/{}", segment_name(number));
        self.disk.rename(&segment_name(number), &kept)?;
        self.report.corrupt.push(Damage { segment: number, offset: 0, octets, kept: Some(kept) });
        Ok(())
    }

    fn records(
        &mut self,
        number: u32,
        file: &Arc<dyn DiskFile>,
        mark: Mark,
        file_octets: u64,
        is_last: bool,
    ) {
        let mut walk = Walk::new(file.as_ref(), mark, FIRST_RECORD, file_octets, Depth::Everything);
        let mut damage: Vec<(u64, u64)> = Vec::new();
        let mut good_end = FIRST_RECORD;
        let mut records = 0;
        loop {
            match walk.step() {
                Step::Record(at, header) => {
                    good_end = at + header.octets().unwrap_or(0);
                    records += 1;
                    if let Some(head) = walk.head(at, &header) {
                        self.record(number, at, &header, head);
                    }
                }
                Step::Damage(from, to) => match damage.last_mut() {
                    Some((_, end)) if *end == from => *end = to,
                    _ => damage.push((from, to)),
                },
                Step::End(_) => break,
            }
        }
        self.report.records += records;
        let mut all_kept = true;
        for (from, to) in damage.iter().copied() {
            let kept = self.set_aside(number, file.as_ref(), from, to);
            all_kept &= kept.is_some();
            let found = Damage { segment: number, offset: from, octets: to - from, kept };
            match is_last && from >= good_end {
                true => self.report.torn = Some(found),
                false => self.report.corrupt.push(found),
            }
        }
        let end = page_after(good_end);
        // A cut that fails leaves zeros, or octets that are set aside again at next start.
        let cut = all_kept && (end >= file_octets || file.cut(end).is_ok());
        let last_damage = damage.last().map_or(0, |(_, to)| *to);
        if let Some(segment) = self.ledger.segment_mut(number) {
            segment.records = records;
            segment.end = if cut { end } else { end.max(last_damage) };
            segment.pinned = !all_kept;
            segment.suspect = damage.iter().any(|(from, _)| !cut || *from < good_end);
        }
    }

    fn record(&mut self, number: u32, at: u64, header: &RecordHeader, head: &[u8]) {
        self.next_sequence = self.next_sequence.max(header.sequence.saturating_add(1));
        let place = Position::new(number, at, header.head_octets, header.body_octets);
        let Some(position) = place else { return };
        let entry = Entry {
            position,
            kind: header.kind,
            mail_id: header.mail_id,
            sequence: header.sequence,
            head,
        };
        let liveness = (self.visit)(entry);
        if header.moved_from != 0 {
            self.copies.push((number, header.moved_from));
        }
        match (header.guards, liveness) {
            (0, Liveness::Live) => self.ledger.add_live(position),
            (0, Liveness::Dead) => {}
            (guarded, _) => self.obituaries.push((position, guarded)),
        }
    }

    /// Copies damaged octets into `corrupt/`; `None` when that fails.
    fn set_aside(&self, number: u32, file: &dyn DiskFile, from: u64, to: u64) -> Option<String> {
        let name = format!("corrupt/{number:08x}-{from:x}.bin");
        let done = self.disk.open(&name).and_then(|kept| kept.octets());
        if done.is_ok_and(|octets| octets == to - from) {
            return Some(name);
        }
        let copied = self.disk.create(&name).and_then(|kept| {
            let mut at = from;
            while at < to {
                let octets = (to - at).min(COPY_OCTETS);
                let mut chunk = vec![0u8; octets as usize];
                super::walk::read_patiently(file, at, &mut chunk);
                kept.write_at(at - from, &chunk)?;
                at += octets;
            }
            kept.sync()?;
            self.disk.sync_names()
        });
        if let Err(error) = copied {
            tracing::error!(segment = number, offset = from, %error, "damage not set aside");
            let _ = self.disk.remove(&name);
            return None;
        }
        Some(name)
    }

    fn finish(mut self, next_segment: u32) -> Recovered {
        for (position, guarded) in &self.obituaries {
            self.ledger.add_obituary(*position, *guarded);
        }
        for (number, source) in &self.copies {
            self.ledger.add_copy(*number, *source);
        }
        for (number, records) in &self.expected {
            let there = self.ledger.segment(*number).map(|segment| segment.records);
            if let Some(lost) = there.and_then(|there| records.checked_sub(there))
                && lost > 0
            {
                self.report.missing.push((*number, lost));
            }
        }
        let last = self.ledger.numbers().last().copied();
        let records = |number| self.ledger.segment(number).map(|segment| segment.records);
        let previous = last.and_then(|number| Some((number, records(number)?)));
        Recovered {
            previous,
            ledger: self.ledger,
            next_sequence: self.next_sequence,
            next_segment,
            report: self.report,
        }
    }
}

/// When both copies of a segment's header are damaged the first record still has its mark.
fn salvaged_mark(file: &dyn DiskFile) -> Option<Mark> {
    let mut octets = [0u8; HEADER_OCTETS];
    read_full(file, FIRST_RECORD, &mut octets).ok()?;
    let mark = *octets.first_chunk()?;
    (mark != Mark::default()).then_some(())?;
    RecordHeader::decode(&octets, mark).map(|_| mark)
}
