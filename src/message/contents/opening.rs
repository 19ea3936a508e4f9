//! What an opener tells of the file that it takes apart.

use std::io::{self, Read};
use std::panic::{self, AssertUnwindSafe};

use bytes::Bytes;

use super::purse::Exhausted;
use super::{File, Walk};
use crate::message::nature::Nature;
use crate::message::text::Zone;
use crate::message::{Part, cut};

/// Why a file cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// A password is needed.
    Encrypted,
    /// By a method that is not known here.
    Unsupported,
    /// It is broken.
    Damaged,
    /// It is larger, or more tightly packed, than is unpacked.
    TooLarge,
    /// It lies too deep.
    TooDeep,
    /// Its rest lies in another volume.
    Elsewhere,
}

impl Closed {
    /// The remark that goes with it.
    pub fn remark(self) -> &'static str {
        match self {
            Closed::Encrypted => "ARCHIVE_ENCRYPTED",
            Closed::Unsupported => "ARCHIVE_UNSUPPORTED",
            Closed::Damaged => "ARCHIVE_DAMAGED",
            Closed::TooLarge => "ARCHIVE_TOO_LARGE",
            Closed::TooDeep => "ARCHIVE_TOO_DEEP",
            Closed::Elsewhere => "ARCHIVE_INCOMPLETE",
        }
    }
}

/// A file that is being taken apart.
#[allow(missing_debug_implementations)] // Lives within one call only.
pub struct Opening<'w, 'r> {
    walk: &'w mut Walk<'r>,
    item: usize,
}

/// Octets read at once; time is asked for after each.
const STEP_OCTETS: usize = 64 << 10;

impl<'w, 'r> Opening<'w, 'r> {
    pub(super) fn new(walk: &'w mut Walk<'r>, item: usize) -> Opening<'w, 'r> {
        Opening { walk, item }
    }

    /// The name of the file, as its reader sees it.
    pub fn name(&self) -> &str {
        self.walk.contents.items.get(self.item).map_or("", |item| item.name.as_str())
    }

    /// Whether it is text of the message: shown, not opened by a click.
    pub fn is_body(&self) -> bool {
        let item = self.walk.contents.items.get(self.item);
        item.is_some_and(|item| item.parent.is_none() && item.is_shown)
    }

    /// Whether it is a web archive: its parts are resources of a page.
    pub fn is_page(&self) -> bool {
        let item = self.walk.contents.items.get(self.item);
        item.is_some_and(|item| item.nature == Nature::Mhtml)
    }

    /// Whether it is a part of the message whose text is read with the message's own texts.
    pub fn is_read_as_part(&self) -> bool {
        const READ: [&str; 6] = [
            "text/",
            "message/",
            "application/json",
            "application/xml",
            "application/xhtml",
            "image/svg",
        ];
        let item = self.walk.contents.items.get(self.item);
        let declared =
            item.filter(|item| item.parent.is_none()).and_then(|item| item.declared.as_deref());
        declared.is_some_and(|declared| READ.iter().any(|known| declared.starts_with(known)))
    }

    /// A file that lies in this one; it is walked through before this returns. Its octets
    /// must have been paid for ([`Opening::unpack`] does), unless they are a slice of this
    /// file's.
    pub fn member(&mut self, name: &str, octets: Bytes) -> Result<(), Exhausted> {
        self.typed_member(name, None, octets)
    }

    /// The same, of which the container says a media type.
    pub fn typed_member(
        &mut self,
        name: &str,
        declared: Option<String>,
        octets: Bytes,
    ) -> Result<(), Exhausted> {
        let part = self.part();
        self.walk.visit(File::named(name, declared, octets), part, Some(self.item))
    }

    /// The same of a part of a message that lies in this file.
    pub fn part_member(&mut self, inner: &Part) -> Result<(), Exhausted> {
        let part = self.part();
        self.walk.visit(File::of(inner), part, Some(self.item))
    }

    /// A file that lies in this one and cannot be read; `octets` is the size that is claimed.
    /// Its remark is made here.
    pub fn closed_member(&mut self, name: &str, octets: u64, why: Closed) -> Result<(), Exhausted> {
        self.walk.purse.pay_member()?;
        let part = self.part();
        let number = self.walk.note(name, None, octets, part, Some(self.item));
        self.walk.close(number, why);
        self.walk.remark(number, why.remark(), String::new());
        Ok(())
    }

    /// This file itself cannot be read, or not to its end.
    pub fn closed(&mut self, why: Closed, detail: impl Into<String>) {
        self.walk.close(self.item, why);
        self.walk.remark(self.item, why.remark(), detail.into());
    }

    /// The same, without the usual remark: the opener makes one that says more.
    pub fn close(&mut self, why: Closed) {
        self.walk.close(self.item, why);
    }

    /// A text of this file, as its reader sees it.
    pub fn text(&mut self, text: &str) {
        (self.walk.reader)(Zone::Attachment, text);
    }

    /// Something remarkable about this file; `name` is a finding that `rules/weights/` knows.
    pub fn remark(&mut self, name: &'static str, detail: impl Into<String>) {
        self.walk.remark(self.item, name, detail.into());
    }

    /// Reads what a decompressor yields to its end, within the limits. `packed_octets` is what
    /// it is made from. A decompressor's error leaves what came before it, and the reason; so
    /// does its panic. One that works long without yielding anything returns
    /// [`io::ErrorKind::Interrupted`] now and then, so that its time can be counted.
    pub fn unpack(
        &mut self,
        mut reader: impl Read,
        packed_octets: u64,
    ) -> Result<Unpacked, Exhausted> {
        let most = self.walk.purse.unpacked_limit_octets(packed_octets);
        let by_ratio = packed_octets.saturating_mul(self.walk.purse.limits().ratio);
        let mut octets = Vec::new();
        // Taken for the time of this call, so that each file in a file does not bring its own.
        let mut step = std::mem::take(&mut self.walk.step);
        step.resize(STEP_OCTETS, 0);
        let trouble = loop {
            let read = panic::catch_unwind(AssertUnwindSafe(|| reader.read(&mut step)));
            let count = match read {
                Ok(Ok(0)) => break None,
                Ok(Ok(count)) => count,
                Ok(Err(error)) => match trouble_of(&error) {
                    Some(trouble) => break Some(trouble),
                    None => 0,
                },
                Err(_) => break Some(Closed::Damaged),
            };
            self.walk.purse.pay_octets(count as u64)?;
            let room = usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(octets.len());
            make_room(&mut octets, count.min(room), room);
            octets.extend_from_slice(step.get(..count.min(room)).unwrap_or_default());
            if count > room {
                if octets.len() as u64 >= by_ratio {
                    self.remark("ARCHIVE_RATIO", format!("{packed_octets} octets unpack to more"));
                }
                break Some(Closed::TooLarge);
            }
        };
        self.walk.step = step;
        Ok(Unpacked { octets: octets.into(), trouble })
    }

    /// Unpacks a member and walks through as much of it as there is; what went wrong is
    /// remarked.
    pub fn unpack_member(
        &mut self,
        name: &str,
        reader: impl Read,
        packed_octets: u64,
    ) -> Result<(), Exhausted> {
        let unpacked = self.unpack(reader, packed_octets)?;
        self.unpacked_member(name, unpacked)
    }

    /// Walks through what was unpacked of a member; what went wrong is remarked.
    pub fn unpacked_member(&mut self, name: &str, unpacked: Unpacked) -> Result<(), Exhausted> {
        self.typed_unpacked_member(name, None, unpacked)
    }

    /// The same, of which the container says a media type.
    pub fn typed_unpacked_member(
        &mut self,
        name: &str,
        declared: Option<String>,
        unpacked: Unpacked,
    ) -> Result<(), Exhausted> {
        let number = self.walk.contents.items.len();
        let walked = self.typed_member(name, declared, unpacked.octets);
        // Also when the purse was emptied within it.
        if let Some(why) = unpacked.trouble
            && number < self.walk.contents.items.len()
        {
            self.walk.close(number, why);
            self.walk.remark(number, why.remark(), String::new());
        }
        walked
    }

    /// A file whose octets stand in this one as they are, as far as they do.
    pub fn stored_member(
        &mut self,
        name: &str,
        archive: &Bytes,
        begin: u64,
        octets: u64,
    ) -> Result<(), Exhausted> {
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let end = begin.saturating_add(octets);
        let is_cut = end > archive.len() as u64;
        let octets = cut(archive, place(begin)..place(end));
        let trouble = is_cut.then_some(Closed::Damaged);
        self.unpacked_member(name, Unpacked { octets, trouble })
    }

    /// A file that lies in this one, of which not all could be read; what there is of it is
    /// walked through.
    pub fn broken_member(
        &mut self,
        name: &str,
        octets: Bytes,
        why: Closed,
    ) -> Result<(), Exhausted> {
        self.unpacked_member(name, Unpacked { octets, trouble: Some(why) })
    }

    /// Pays for octets that were unpacked without [`Opening::unpack`].
    pub fn pay_octets(&mut self, octets: u64) -> Result<(), Exhausted> {
        self.walk.purse.pay_octets(octets)
    }

    /// To be asked in every loop whose length the file decides.
    pub fn pay_time(&self) -> Result<(), Exhausted> {
        self.walk.purse.pay_time()
    }

    /// The most octets that a file may have now that is unpacked from so many.
    pub fn unpacked_limit_octets(&self, packed_octets: u64) -> u64 {
        self.walk.purse.unpacked_limit_octets(packed_octets)
    }

    /// When the time for the whole message ends; for decoders that cannot ask.
    pub fn ends(&self) -> std::time::Instant {
        self.walk.purse.ends()
    }

    /// The most octets that one unpacked file may have.
    pub fn member_limit_octets(&self) -> u64 {
        self.walk.purse.limits().member_octets
    }

    fn part(&self) -> usize {
        self.walk.contents.items.get(self.item).map_or(0, |item| item.part)
    }
}

/// Makes room for more octets, of which at most `room` can come. A large file that grows by
/// doubling lies in memory twice while it is moved; so it is moved once, to where all of it has
/// room. Memory that is never written to costs nothing.
fn make_room(octets: &mut Vec<u8>, count: usize, room: usize) {
    const DOUBLED_OCTETS: usize = 2 << 20;
    if octets.capacity() - octets.len() >= count {
        return;
    }
    let more = match octets.capacity() < DOUBLED_OCTETS {
        true => octets.capacity().max(count),
        false => room,
    };
    octets.reserve_exact(more.min(room).max(count));
}

/// What a decompressor yielded.
#[derive(Debug, Clone)]
pub struct Unpacked {
    /// As far as it came.
    pub octets: Bytes,
    /// Why it came no further, if it did not reach its end.
    pub trouble: Option<Closed>,
}

/// What a decompressor's error says of the file; nothing if it only paused.
fn trouble_of(error: &io::Error) -> Option<Closed> {
    match error.kind() {
        io::ErrorKind::Interrupted => None,
        io::ErrorKind::Unsupported => Some(Closed::Unsupported),
        io::ErrorKind::OutOfMemory => Some(Closed::TooLarge),
        _ => Some(Closed::Damaged),
    }
}
