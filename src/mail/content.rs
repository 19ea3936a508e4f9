//! The octets of a message: in memory while small, in an unlinked file beyond a limit, in a
//! log segment once durable. All of them share one budget for the box.
//!
//! In: octets as they arrive. Out: [`Content`], cheap to clone, read whole or from an offset.
//! Fails with [`ContentError::OverBudget`] (the peer reads `452`) or an I/O error; a file
//! never outlives the process because it has no name.

use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

/// Why octets could not be held.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The box holds as much unfinished mail as it may.
    #[error("the budget for mail in reception is used up")]
    OverBudget,
    /// The unlinked file failed.
    #[error("content file: {0}")]
    Io(#[from] std::io::Error),
}

/// Octets that may be held at once by all sessions together.
#[derive(Debug)]
pub struct Budget {
    limit_octets: u64,
    used_octets: AtomicU64,
}

impl Budget {
    /// A budget of so many octets.
    pub fn new(limit_octets: u64) -> Arc<Budget> {
        Arc::new(Budget { limit_octets, used_octets: AtomicU64::new(0) })
    }

    /// Octets in use now.
    pub fn used_octets(&self) -> u64 {
        self.used_octets.load(Ordering::Relaxed)
    }

    /// Takes octets out of the budget until the reservation is dropped.
    pub fn reserve(self: &Arc<Budget>, octets: u64) -> Option<Reservation> {
        let mut reservation = Reservation { budget: Arc::clone(self), octets: 0 };
        reservation.grow(octets).then_some(reservation)
    }
}

/// A part of a [`Budget`], given back on drop.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<Budget>,
    octets: u64,
}

impl Reservation {
    /// Takes more; false, and nothing taken, when the budget does not have it.
    pub fn grow(&mut self, octets: u64) -> bool {
        let limit = self.budget.limit_octets;
        let more = |used: u64| used.checked_add(octets).filter(|sum| *sum <= limit);
        let taken = self
            .budget
            .used_octets
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .is_ok();
        if taken {
            self.octets += octets;
        }
        taken
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.used_octets.fetch_sub(self.octets, Ordering::Relaxed);
    }
}

#[derive(Debug, Clone)]
enum Body {
    Memory(Bytes),
    File {
        file: Arc<File>,
        offset: u64,
    },
    /// Pieces of other contents, one behind the other.
    Chain(Arc<[Link]>),
}

/// A piece of a chain.
#[derive(Debug, Clone)]
struct Link {
    /// Where in the chain it begins.
    start: u64,
    len: u64,
    content: Content,
    /// Where in `content` it begins.
    from: u64,
}

/// The octets of a message. Clones share them.
#[derive(Debug, Clone)]
pub struct Content {
    body: Body,
    len: u64,
    /// Held, never read: gives the octets back when the last clone is dropped.
    _reservation: Option<Arc<Reservation>>,
}

impl Content {
    /// Content that is already in memory and outside the budget.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Content {
        let bytes = bytes.into();
        Content { len: bytes.len() as u64, body: Body::Memory(bytes), _reservation: None }
    }

    /// Content that lies in a file, a log segment for example, from `offset` for `len` octets.
    pub fn in_file(file: Arc<File>, offset: u64, len: u64) -> Content {
        Content { body: Body::File { file, offset }, len, _reservation: None }
    }

    /// This content with other octets in some places; nothing is copied but those. Places are
    /// offsets in this content; of places that overlap, the first counts and takes in the
    /// others.
    pub fn spliced(&self, mut edits: Vec<Edit>) -> Content {
        edits.sort_by_key(|edit| edit.place.start);
        let mut chain = Chain::default();
        let mut at = 0;
        for edit in edits {
            let (start, end) = (edit.place.start.min(self.len), edit.place.end.min(self.len));
            if start < at {
                at = at.max(end);
                continue;
            }
            chain.push(self, at, start - at);
            let with = Content::from_bytes(edit.with);
            chain.push(&with, 0, with.len);
            at = end.max(start);
        }
        chain.push(self, at, self.len.saturating_sub(at));
        Content { len: chain.len, body: Body::Chain(chain.links.into()), _reservation: None }
    }

    /// Length in octets.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The octets, when they are in memory.
    pub fn in_memory(&self) -> Option<&Bytes> {
        match &self.body {
            Body::Memory(bytes) => Some(bytes),
            Body::File { .. } | Body::Chain(_) => None,
        }
    }

    /// Reads from `offset` into `buffer`; returns how many octets, 0 at the end. Blocks on
    /// the disk when the content lies in a file.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let rest = self.len.saturating_sub(offset);
        let wanted = buffer.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
        let Some(window) = buffer.get_mut(..wanted).filter(|window| !window.is_empty()) else {
            return Ok(0);
        };
        match &self.body {
            Body::File { file, offset: start } => file.read_at(window, start + offset),
            Body::Chain(links) => {
                let at = links.partition_point(|link| link.start + link.len <= offset);
                let Some(link) = links.get(at) else { return Ok(0) };
                let within = offset.saturating_sub(link.start);
                let most = usize::try_from(link.len - within).unwrap_or(usize::MAX);
                let wanted = window.len().min(most);
                let window = window.get_mut(..wanted).unwrap_or_default();
                link.content.read_at(link.from + within, window)
            }
            Body::Memory(bytes) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX);
                let source = bytes.get(from..from.saturating_add(wanted)).unwrap_or_default();
                window.copy_from_slice(source);
                Ok(source.len())
            }
        }
    }

    /// The whole content: shared when it is in memory, read otherwise. Blocks on the disk.
    pub fn read_all(&self) -> std::io::Result<Bytes> {
        if let Body::Memory(bytes) = &self.body {
            return Ok(bytes.clone());
        }
        let mut whole = vec![0u8; usize::try_from(self.len).map_err(std::io::Error::other)?];
        let mut filled = 0usize;
        while let Some(window) = whole.get_mut(filled..).filter(|window| !window.is_empty()) {
            match self.read_at(filled as u64, window)? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                octets => filled += octets,
            }
        }
        Ok(whole.into())
    }
}

/// Other octets for a place of a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Offsets in the content as it was received; empty to insert.
    pub place: Range<u64>,
    /// What stands there afterwards.
    pub with: Vec<u8>,
}

#[derive(Default)]
struct Chain {
    links: Vec<Link>,
    len: u64,
}

impl Chain {
    fn push(&mut self, content: &Content, from: u64, len: u64) {
        if len > 0 {
            self.links.push(Link { start: self.len, len, content: content.clone(), from });
            self.len += len;
        }
    }
}

/// Takes octets in and decides where they live.
#[derive(Debug)]
pub struct ContentWriter {
    memory: Vec<u8>,
    file: Option<File>,
    len: u64,
    memory_limit_octets: usize,
    reservation: Reservation,
    spill_dir: Arc<Path>,
}

impl ContentWriter {
    /// An empty writer that spills into an unlinked file in `spill_dir` once it holds more
    /// than `memory_limit_octets`.
    pub fn new(
        budget: &Arc<Budget>,
        memory_limit_octets: usize,
        spill_dir: Arc<Path>,
    ) -> Result<ContentWriter, ContentError> {
        let reservation = budget.reserve(0).ok_or(ContentError::OverBudget)?;
        let memory = Vec::new();
        Ok(ContentWriter {
            memory,
            file: None,
            len: 0,
            memory_limit_octets,
            reservation,
            spill_dir,
        })
    }

    /// Octets taken so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was taken yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the next `push` of so many octets writes to the disk and so may block.
    pub fn will_block(&self, octets: usize) -> bool {
        self.file.is_some() || self.memory.len() + octets > self.memory_limit_octets
    }

    /// Appends octets.
    pub fn push(&mut self, octets: &[u8]) -> Result<(), ContentError> {
        if !self.reservation.grow(octets.len() as u64) {
            return Err(ContentError::OverBudget);
        }
        if self.file.is_none() && self.will_block(octets.len()) {
            let mut file = unlinked_file(&self.spill_dir)?;
            file.write_all(&self.memory)?;
            self.memory = Vec::new();
            self.file = Some(file);
        }
        match &mut self.file {
            Some(file) => file.write_all(octets)?,
            None => self.memory.extend_from_slice(octets),
        }
        self.len += octets.len() as u64;
        Ok(())
    }

    /// The finished content, which keeps its part of the budget until the last clone is gone.
    pub fn finish(self) -> Content {
        let body = match self.file {
            Some(file) => Body::File { file: Arc::new(file), offset: 0 },
            None => Body::Memory(self.memory.into()),
        };
        Content { body, len: self.len, _reservation: Some(Arc::new(self.reservation)) }
    }
}

/// A file without a name, which the kernel removes with its last descriptor.
fn unlinked_file(dir: &Path) -> std::io::Result<File> {
    let flags = nix::fcntl::OFlag::O_TMPFILE.bits();
    std::fs::OpenOptions::new().read(true).write(true).mode(0o600).custom_flags(flags).open(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(budget: &Arc<Budget>, dir: &Path) -> ContentWriter {
        ContentWriter::new(budget, 8, Arc::from(dir)).unwrap()
    }

    #[test]
    fn spliced_content_reads_as_one() {
        let content = Content::from_bytes("0123456789");
        let edit = |place: Range<u64>, with: &str| Edit { place, with: with.into() };
        let table: [(Vec<Edit>, &str); 7] = [
            (vec![], "0123456789"),
            (vec![edit(2..4, "ab")], "01ab456789"),
            (vec![edit(8..10, ""), edit(0..1, "x")], "x1234567"),
            (vec![edit(0..10, "")], ""),
            (vec![edit(10..10, "end")], "0123456789end"),
            (vec![edit(2..6, "a"), edit(4..8, "b")], "01a89"),
            (vec![edit(5..99, "a"), edit(0..0, "b")], "b01234a"),
        ];
        for (edits, expected) in table {
            let spliced = content.spliced(edits.clone());
            assert_eq!(spliced.len(), expected.len() as u64, "{edits:?}");
            assert_eq!(spliced.read_all().unwrap(), expected, "{edits:?}");
            for offset in 0..expected.len() {
                let mut octet = [0];
                assert_eq!(spliced.read_at(offset as u64, &mut octet).unwrap(), 1);
                assert_eq!(octet[0], expected.as_bytes()[offset], "{edits:?} at {offset}");
            }
        }
    }

    #[test]
    fn small_content_stays_in_memory_and_large_content_spills() {
        let dir = tempfile::tempdir().unwrap();
        let budget = Budget::new(100);
        for text in ["", "small", "exactly8", "more than eight octets"] {
            let mut writer = writer(&budget, dir.path());
            for chunk in text.as_bytes().chunks(3) {
                writer.push(chunk).unwrap();
            }
            let content = writer.finish();
            assert_eq!(content.in_memory().is_some(), text.len() <= 8);
            assert_eq!(content.read_all().unwrap(), text.as_bytes());
            let mut tail = [0u8; 4];
            let read = content.read_at(3, &mut tail).unwrap();
            assert_eq!(
                &tail[..read],
                text.as_bytes()
                    .get(3..)
                    .unwrap_or_default()
                    .get(..4)
                    .unwrap_or(text.as_bytes().get(3..).unwrap_or_default())
            );
        }
        assert_eq!(budget.used_octets(), 0);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn there_is_nothing_behind_the_end_however_far() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, b"before0123456789").unwrap();
        let file = Arc::new(File::open(&path).unwrap());
        let in_file = Content::in_file(file, 6, 10);
        let chained = in_file.spliced(vec![Edit { place: 5..5, with: b"x".to_vec() }]);
        for content in [in_file, chained, Content::from_bytes("0123456789")] {
            let mut buffer = [0; 4];
            for offset in [content.len(), content.len() + 1, u64::MAX - 3, u64::MAX] {
                assert_eq!(content.read_at(offset, &mut buffer).unwrap(), 0, "{offset}");
            }
            assert_eq!(content.read_at(content.len() - 1, &mut buffer).unwrap(), 1);
        }
    }

    #[test]
    fn the_budget_is_kept_and_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let budget = Budget::new(10);
        let mut first = writer(&budget, dir.path());
        first.push(b"1234567").unwrap();
        let mut second = writer(&budget, dir.path());
        assert!(matches!(second.push(b"1234"), Err(ContentError::OverBudget)));
        let kept = first.finish();
        let clone = kept.clone();
        drop(kept);
        assert!(matches!(second.push(b"1234"), Err(ContentError::OverBudget)));
        drop(clone);
        second.push(b"1234").unwrap();
    }
}
