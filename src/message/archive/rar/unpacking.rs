//! Packed files of a RAR archive, through the crate `rars`.
//!
//! In: an archive and the files of it that are packed. Out: each as a member, or closed. The
//! crate runs under limits on its memory, under a ceiling on each file and on time that its
//! output is held against, and behind a guard against panics; what it leaves out is closed
//! with the name that the headers gave.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use rars::{
    Archive, ArchiveMember, ArchiveMemberRef, ArchiveReadOptions, ArchiveReader, Error, ErrorKind,
    ExtractionDecision, ExtractionErrorAction,
};

use super::super::guard::guarded;
use super::super::label;
use super::listing::Entry;
use crate::message::contents::{Closed, Exhausted, Opening, Unpacked};

/// The largest dictionary that is unpacked; WinRAR's own choice is 32 MiB.
const DICTIONARY_OCTETS: u64 = 64 << 20;
/// What the crate may have in memory at once.
const WORKSPACE_OCTETS: u64 = 80 << 20;
/// Headers that the crate reads.
const HEADERS: u64 = 100_000;
/// Octets of headers that the crate reads.
const HEADER_OCTETS: u64 = 16 << 20;

/// Walks through the packed files; without a listing, through all that the crate lists.
pub(super) fn walk(
    archive: &Bytes,
    packed: &[&Entry],
    solid: bool,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let options = options();
    let reader = io::Cursor::new(archive.clone());
    let parsed = guarded(|| ArchiveReader::read_reader_with_options(reader, options));
    let parsed = match parsed {
        Some(Ok(parsed)) => parsed,
        failed => {
            let why = match failed {
                Some(Err(error)) => reason(&error),
                _ => Closed::Damaged,
            };
            opening.closed(why, "the archive cannot be unpacked");
            return close_all(packed.iter().copied(), why, opening);
        }
    };
    let mut job = Job {
        parsed: &parsed,
        packed,
        places: packed.iter().enumerate().map(|(at, entry)| (entry.packed.start, at)).collect(),
        solid: solid || matches!(parsed, Archive::Rar13(_)),
        done: vec![false; packed.len()],
        open: None,
        exhausted: None,
        too_large: false,
        panic: None,
        opening,
    };
    let why = job.run(options);
    let Job { done, exhausted, panic, opening, .. } = job;
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
    if let Some(exhausted) = exhausted {
        return Err(exhausted);
    }
    // The oldest archives have no end but that of their last file.
    if let Archive::Rar13(oldest) = &parsed {
        let end = oldest.entries.last().map_or(0, |entry| entry.packed_range.end);
        if end != archive.len() {
            opening.closed(Closed::Damaged, "something else follows the last file");
        }
    }
    if packed.is_empty() && why.is_some() {
        opening.closed(why.unwrap_or(Closed::Damaged), "not read to its end");
    }
    let left = packed.iter().zip(done).filter(|(_, done)| !done).map(|(entry, _)| *entry);
    close_all(left, why.unwrap_or(Closed::Damaged), opening)
}

fn close_all<'e>(
    entries: impl Iterator<Item = &'e Entry>,
    why: Closed,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    for entry in entries {
        opening.closed_member(&entry.name, entry.octets, why)?;
    }
    Ok(())
}

fn options<'o>() -> ArchiveReadOptions<'o> {
    let mut options = ArchiveReadOptions::new();
    options.max_header_count = Some(HEADERS);
    options.max_header_bytes = Some(HEADER_OCTETS);
    options.rar50_buffered_decode_limit = Some(4 << 20);
    options.rar50_dictionary_size_limit = Some(DICTIONARY_OCTETS);
    options.max_reader_workspace_bytes = Some(WORKSPACE_OCTETS);
    options
}

fn reason(error: &Error) -> Closed {
    match error.kind() {
        ErrorKind::UnsupportedFormat | ErrorKind::UnsupportedFeature => Closed::Unsupported,
        ErrorKind::PasswordRequired | ErrorKind::BadPassword => Closed::Encrypted,
        ErrorKind::ResourceLimit => Closed::TooLarge,
        _ => Closed::Damaged,
    }
}

/// What the crate has written of the file that it unpacks now.
struct Written {
    octets: Vec<u8>,
    most: u64,
    ends: Instant,
    trouble: Option<Closed>,
}

struct Sink(Rc<RefCell<Written>>);

impl Write for Sink {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let mut written = self.0.borrow_mut();
        if Instant::now() >= written.ends {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if (written.octets.len() + buffer.len()) as u64 > written.most {
            written.trouble = Some(Closed::TooLarge);
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        written.octets.extend_from_slice(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that is being unpacked.
struct Open {
    name: String,
    written: Rc<RefCell<Written>>,
    /// Its content was walked before, as a stored file.
    unseen: bool,
}

struct Job<'j, 'w, 'r> {
    parsed: &'j Archive,
    packed: &'j [&'j Entry],
    /// The numbers of the packed files by where they lie.
    places: HashMap<usize, usize>,
    solid: bool,
    done: Vec<bool>,
    open: Option<Open>,
    exhausted: Option<Exhausted>,
    /// A file was too large to be begun.
    too_large: bool,
    panic: Option<Box<dyn Any + Send>>,
    opening: &'j mut Opening<'w, 'r>,
}

impl Job<'_, '_, '_> {
    /// Unpacks all; says why it ended early, if so.
    fn run(&mut self, options: ArchiveReadOptions<'_>) -> Option<Closed> {
        let parsed = self.parsed;
        let trouble = Rc::new(RefCell::new(None));
        let noted = Rc::clone(&trouble);
        let mut members = parsed.member_refs();
        let result = guarded(|| {
            parsed.extract_with_control_and_errors(
                options,
                |member| {
                    self.finish(noted.borrow_mut().take());
                    let at = place(members.next());
                    Ok(self.decide(member, at))
                },
                |_, error| {
                    *trouble.borrow_mut() = Some(reason(error));
                    Ok(ExtractionErrorAction::Continue)
                },
            )
        });
        let why = match result {
            Some(Ok(_)) if self.too_large => Some(Closed::TooLarge),
            Some(Ok(_)) => trouble.borrow_mut().take(),
            Some(Err(error)) => Some(reason(&error)),
            None => Some(Closed::Damaged),
        };
        self.finish(why);
        why
    }

    fn decide(&mut self, member: &ArchiveMember, at: Option<usize>) -> ExtractionDecision {
        if self.exhausted.is_some() || self.panic.is_some() {
            return ExtractionDecision::Stop;
        }
        let meta = &member.meta;
        if meta.is_directory || meta.is_redirection {
            return ExtractionDecision::Skip;
        }
        let ours = at.and_then(|at| self.places.get(&at)).copied();
        if let Err(exhausted) = self.opening.pay_time() {
            self.exhausted = Some(exhausted);
            return ExtractionDecision::Stop;
        }
        let unseen = ours.is_some() || self.packed.is_empty();
        if !unseen && !self.solid {
            return ExtractionDecision::Skip;
        }
        // Archives that are not listed here say it only now.
        if meta.is_encrypted && self.packed.is_empty() {
            self.close(None, &meta.name, meta.unpacked_size, Closed::Encrypted);
            return ExtractionDecision::Stop;
        }
        let mut most = self.opening.unpacked_limit_octets(meta.packed_size);
        if matches!(self.parsed, Archive::Rar13(_)) {
            // The oldest method packs no tighter, and its decoder is slow beyond its input.
            most = most.min(meta.packed_size.saturating_mul(64).saturating_add(64 << 10));
        }
        // What is too large by its own words is not begun; a solid archive cannot go on
        // without it.
        if meta.unpacked_size > most {
            let rest = self.packed.get(ours.unwrap_or_default()).filter(|_| ours.is_some());
            self.close(rest.copied(), &meta.name, meta.unpacked_size, Closed::TooLarge);
            if let Some(done) = ours.and_then(|ours| self.done.get_mut(ours)) {
                *done = true;
            }
            self.too_large = true;
            return match self.solid {
                true => ExtractionDecision::Stop,
                false => ExtractionDecision::Skip,
            };
        }
        if let Some(done) = ours.and_then(|ours| self.done.get_mut(ours)) {
            *done = true;
        }
        let name = match ours.and_then(|ours| self.packed.get(ours)) {
            Some(entry) => entry.name.clone(),
            None => label::of_octets(&meta.name),
        };
        let written = Rc::new(RefCell::new(Written {
            octets: Vec::new(),
            most,
            ends: self.opening.ends(),
            trouble: None,
        }));
        self.open = Some(Open { name, written: Rc::clone(&written), unseen });
        ExtractionDecision::Extract(Box::new(Sink(written)))
    }

    fn close(&mut self, entry: Option<&Entry>, name: &[u8], octets: u64, why: Closed) {
        let name = entry.map_or_else(|| label::of_octets(name), |entry| entry.name.clone());
        let closed = self.opening.closed_member(&name, octets, why);
        self.exhausted = self.exhausted.or(closed.err());
    }

    /// Walks through the file that was unpacked last.
    fn finish(&mut self, trouble: Option<Closed>) {
        let Some(open) = self.open.take() else { return };
        let (octets, own) = {
            let mut written = open.written.borrow_mut();
            (Bytes::from(std::mem::take(&mut written.octets)), written.trouble)
        };
        let why = own.or(trouble);
        // A panic of who reads the texts is not the crate's, and goes on to the caller.
        let walked = catch_unwind(AssertUnwindSafe(|| {
            self.opening.pay_octets(octets.len() as u64)?;
            match open.unseen {
                false => Ok(()),
                true => {
                    let unpacked = Unpacked { octets, trouble: why };
                    self.opening.unpacked_member(&open.name, unpacked)
                }
            }
        }));
        match walked {
            Ok(Ok(())) => {}
            Ok(Err(exhausted)) => self.exhausted = Some(exhausted),
            Err(panic) => self.panic = Some(panic),
        }
    }
}

/// Where a member's packed octets lie.
fn place(member: Option<ArchiveMemberRef<'_>>) -> Option<usize> {
    match member? {
        ArchiveMemberRef::Rar13(entry) => Some(entry.packed_range.start),
        ArchiveMemberRef::Rar15To40(file) => Some(file.packed_range.start),
        ArchiveMemberRef::Rar50Plus(file) => Some(file.block.data_range.start),
        _ => None,
    }
}
