//! One member of a zip archive: its central and its local header held against each other, and
//! its data unpacked by each method and length that a reader could believe in.

use std::ops::Range;

use super::Then;
use super::directory::Reading;
use super::records::{
    CENTRAL, DESCRIPTOR, ENCRYPTED, Header, LOCAL, MASKED, UTF8_NAME, signatures,
};
use crate::message::archive::names::{self, Outside};
use crate::message::archive::packing::{self, Packing};
use crate::message::contents::{Closed, Exhausted, Unpacked};
use crate::message::fixed::{le32, slice};

/// Method numbers [4.4.5].
fn packing_of(method: u16) -> Option<Packing> {
    Some(match method {
        0 => Packing::Stored,
        8 => Packing::Deflate,
        9 => Packing::Deflate64,
        12 => Packing::Bzip2,
        14 => Packing::ZipLzma,
        20 | 93 => Packing::Zstd,
        95 => Packing::Xz,
        98 => Packing::Ppmd,
        _ => return None,
    })
}

/// The type in a Unix mode, and what a symbolic link has there.
const UNIX_TYPE: u16 = 0o170_000;
const UNIX_LINK: u16 = 0o120_000;

/// Names that a header gives its member, the declared one first.
pub(super) fn names_of(file: &[u8], header: &Header) -> Vec<String> {
    let raw = file.get(header.name.clone()).unwrap_or_default();
    let unicode = header.unicode_name.clone().and_then(|place| file.get(place));
    names::readings(raw, header.has(UTF8_NAME), unicode.as_slice())
}

/// A member as one or two headers describe it.
struct Member<'h> {
    name: String,
    /// The central header first, if there is one.
    headers: Vec<&'h Header>,
    /// Where its data begin.
    start: usize,
    /// Its sizes and checksum are not in its header.
    is_open_ended: bool,
    is_link: bool,
}

/// Data of a member as one reading sees them.
#[derive(Debug, Clone, Copy)]
struct Run {
    packing: Packing,
    octets: usize,
    /// A header tells where they end; otherwise the file's end is the bound.
    is_told: bool,
    /// They lie in data of another member.
    overlaps: bool,
}

impl Reading<'_, '_, '_, '_, '_> {
    /// A member that a central directory names.
    pub(super) fn central_member(&mut self, central: &Header, base: i64) -> Result<(), Exhausted> {
        let said = usize::try_from(central.local).ok();
        let shifted = i64::try_from(central.local)
            .ok()
            .and_then(|local| usize::try_from(local.checked_add(base)?).ok());
        let mut places: Vec<usize> = Vec::new();
        for at in [shifted, said].into_iter().flatten() {
            if self.has_local(at) && !places.contains(&at) {
                places.push(at);
            }
        }
        if places.len() > 1 {
            self.mismatch("two local headers for one entry");
        }
        let mut is_found = false;
        for at in places {
            if let Some(local) = Header::local(self.file, at) {
                is_found = true;
                self.covered.add(local.place.clone());
                self.two_headed_member(central, &local)?;
            }
        }
        if is_found {
            return Ok(());
        }
        let names = names_of(self.file, central);
        let (name, _) = names::worst(&names);
        let is_folder = name.ends_with('/') && central.packed == 0;
        match (is_folder, central.disk) {
            (true, _) => self.opening.pay_time(),
            (false, 0) => self.opening.closed_member(name, central.unpacked, Closed::Damaged),
            (false, _) => self.opening.closed_member(name, central.unpacked, Closed::Elsewhere),
        }
    }

    fn two_headed_member(&mut self, central: &Header, local: &Header) -> Result<(), Exhausted> {
        let differences = self.differences(central, local);
        let mut names = names_of(self.file, central);
        for name in names_of(self.file, local) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let (name, differ) = names::worst(&names);
        let name = name.to_owned();
        if let Some(difference) = differences.first() {
            self.mismatch(format!("{name}: {difference}"));
        } else if differ {
            self.mismatch(format!("{}: several names", names.join(", ")));
        }
        let is_open_ended = local.is_open_ended();
        let is_link = central.unix_mode & UNIX_TYPE == UNIX_LINK;
        if differences.is_empty()
            && let Ok(octets) = usize::try_from(central.packed)
        {
            self.agreed.insert(local.place.end, local.place.end.saturating_add(octets));
        }
        // What a local header leaves open it does not say.
        let says_nothing = is_open_ended || local.has(MASKED) || differences.is_empty();
        let same_method = central.method == local.method && central.flags == local.flags;
        let headers = match says_nothing && same_method {
            true => vec![central],
            false => vec![central, local],
        };
        let start = local.place.end;
        self.member(&Member { name, headers, start, is_open_ended, is_link })
    }

    /// A member that only a local header tells of.
    pub(super) fn local_member(
        &mut self,
        local: &Header,
        has_directory: bool,
    ) -> Result<(), Exhausted> {
        let names = names_of(self.file, local);
        let (name, differ) = names::worst(&names);
        let name = name.to_owned();
        if differ && !has_directory {
            self.mismatch(format!("{}: several names", names.join(", ")));
        }
        self.member(&Member {
            name,
            headers: vec![local],
            start: local.place.end,
            is_open_ended: local.is_open_ended(),
            is_link: false,
        })
    }

    /// In what two headers of one member differ that a reader goes by.
    fn differences(&self, central: &Header, local: &Header) -> Vec<&'static str> {
        let mut differences = Vec::new();
        // [4.4.4, bit 13]: the local header is masked where the directory is encrypted.
        if local.has(MASKED) {
            return differences;
        }
        let raw = |header: &Header| self.file.get(header.name.clone());
        let unicode =
            |header: &Header| header.unicode_name.clone().and_then(|place| self.file.get(place));
        if raw(central) != raw(local) {
            differences.push("names differ");
        }
        if let (Some(one), Some(other)) = (unicode(central), unicode(local))
            && one != other
        {
            differences.push("Unicode names differ");
        }
        if central.method != local.method {
            differences.push("methods differ");
        }
        if (central.flags ^ local.flags) & ENCRYPTED != 0 {
            differences.push("encryption differs");
        }
        // Streaming writers leave zeros in the local header [4.4.4, bit 3].
        let says = |number: u64| !(local.is_open_ended() && matches!(number, 0 | 0xffff_ffff));
        if says(local.packed) && local.packed != central.packed {
            differences.push("packed sizes differ");
        }
        if says(local.unpacked) && local.unpacked != central.unpacked {
            differences.push("sizes differ");
        }
        if says(local.crc.into()) && local.crc != central.crc {
            differences.push("checksums differ");
        }
        differences
    }

    fn member(&mut self, member: &Member<'_>) -> Result<(), Exhausted> {
        self.opening.pay_time()?;
        if let Some(outside) = names::outside(&member.name) {
            self.opening.remark(outside.remark(), member.name.clone());
        }
        let octets = member.headers.iter().map(|header| header.unpacked).max().unwrap_or(0);
        let is_empty = octets == 0 && member.headers.iter().all(|header| header.packed == 0);
        if member.name.ends_with(['/', '\\']) && is_empty && !member.is_open_ended {
            return Ok(());
        }
        let mut runs: Vec<Run> = Vec::new();
        let mut why_not = None;
        for header in &member.headers {
            // [7.2.3, 7.1]: AES has a method number of its own.
            let is_encrypted = header.has(ENCRYPTED) || header.method == 99;
            match packing_of(header.method).filter(|_| !is_encrypted) {
                Some(packing) => self.add_run(&mut runs, self.run(member, header, packing)),
                None => {
                    let length = self.up_to_next(member, header);
                    self.covered.add(member.start..member.start.saturating_add(length));
                    let why = if is_encrypted { Closed::Encrypted } else { Closed::Unsupported };
                    why_not.get_or_insert(why);
                }
            }
        }
        if let Some(why) = why_not {
            self.opening.closed_member(&member.name, octets, why)?;
        }
        let longest = runs.iter().filter(|run| run.is_told).map(|run| run.octets).max();
        let place = member.start..member.start.saturating_add(longest.unwrap_or(1));
        let overlaps = self.data.touches(&place);
        for run in runs {
            self.unpack(member, Run { overlaps, ..run })?;
        }
        Ok(())
    }

    fn add_run(&self, runs: &mut Vec<Run>, run: Run) {
        let is_stored = run.packing == Packing::Stored;
        let same = runs.iter_mut().find(|known| {
            known.packing == run.packing && (!is_stored || known.octets == run.octets)
        });
        match same {
            // Compressed data know their end; the longer reading holds the shorter one.
            Some(known) => known.octets = run.octets.max(known.octets),
            None => runs.push(run),
        }
    }

    /// Which data a header leads a reader to.
    fn run(&self, member: &Member<'_>, header: &Header, packing: Packing) -> Run {
        let is_told = header.packed > 0 || !member.is_open_ended;
        let octets = match (is_told, packing) {
            (true, _) | (_, Packing::Stored | Packing::ZipLzma) => self.up_to_next(member, header),
            // The decompressor finds its end.
            (false, _) => self.file.len().saturating_sub(member.start),
        };
        let is_told = is_told || matches!(packing, Packing::Stored | Packing::ZipLzma);
        Run { packing, octets, is_told, overlaps: false }
    }

    fn up_to_next(&self, member: &Member<'_>, header: &Header) -> usize {
        if header.packed == 0 && member.is_open_ended {
            return self.up_to_descriptor(member.start);
        }
        let left = self.file.len().saturating_sub(member.start);
        usize::try_from(header.packed).unwrap_or(usize::MAX).min(left)
    }

    /// Octets of stored data of unknown size: up to the descriptor that tells their size
    /// [4.3.9], or else to the next header.
    fn up_to_descriptor(&self, start: usize) -> usize {
        let rest = start..self.file.len();
        let descriptor = signatures(self.file, rest.clone(), DESCRIPTOR).find(|at| {
            let octets = u32::try_from(at - start).ok();
            le32(self.file, at + 8) == octets || le32(self.file, at + 12) == octets
        });
        let header = || {
            let local = signatures(self.file, rest.clone(), LOCAL).next();
            let central = signatures(self.file, rest.clone(), CENTRAL).next();
            local.into_iter().chain(central).min()
        };
        descriptor.or_else(header).unwrap_or(rest.end) - start
    }

    fn unpack(&mut self, member: &Member<'_>, run: Run) -> Result<(), Exhausted> {
        let Run { packing, octets: length, is_told, overlaps } = run;
        let place = member.start..member.start.saturating_add(length);
        let declared = member.headers.iter().map(|header| header.unpacked).max().unwrap_or(0);
        let stored_length = if packing == Packing::Stored { length } else { 0 };
        let is_again = !self.unpacked.insert((member.start, packing, stored_length));
        let is_dear = (is_again || overlaps) && length > 0;
        if is_dear {
            self.opening.remark("ARCHIVE_OVERLAP", member.name.clone());
            if self.spare_octets == 0 {
                return self.opening.closed_member(&member.name, declared, Closed::TooLarge);
            }
        }
        let (mut unpacked, used) = match packing {
            Packing::Stored => {
                let end = place.end.min(self.file.len());
                let octets = self.file.slice(place.start.min(end)..end);
                (Unpacked { octets, trouble: None }, length)
            }
            _ => match self.inflate(packing, &place, declared)? {
                Ok(inflated) => inflated,
                Err(why) => return self.opening.closed_member(&member.name, declared, why),
            },
        };
        let extent = if is_told { length.max(used) } else { used };
        let extent = member.start..member.start.saturating_add(extent);
        self.data.add(extent);
        // What the data do not need is looked through for headers.
        self.covered.add(member.start..member.start.saturating_add(used));
        let is_cut = is_told && member.headers.iter().all(|header| header.packed > length as u64);
        if is_cut && unpacked.trouble.is_none() {
            unpacked.trouble = Some(Closed::Damaged);
        }
        if is_dear {
            let octets = unpacked.octets.len() as u64;
            self.spare_octets = self.spare_octets.saturating_sub(octets);
        }
        if used > length {
            self.mismatch(format!("{}: more data than declared", member.name));
        }
        let reads_ahead = matches!(packing, Packing::ZipLzma | Packing::Ppmd);
        if is_told && used < length && unpacked.trouble.is_none() && !reads_ahead {
            self.mismatch(format!("{}: {} octets behind its data", member.name, length - used));
        }
        self.check(member, packing, &unpacked);
        self.finish(member, declared, unpacked)
    }

    /// Unpacks compressed data; where what is declared is too short for them, what follows is
    /// read as well, as readers do that go by the data's own end. Also how many packed octets
    /// were used.
    fn inflate(
        &mut self,
        packing: Packing,
        place: &Range<usize>,
        declared: u64,
    ) -> Result<Result<(Unpacked, usize), Closed>, Exhausted> {
        let part = slice(self.file, place.start, place.len());
        let first = match self.inflate_part(packing, part, declared)? {
            Ok((unpacked, used)) if unpacked.trouble != Some(Closed::Damaged) => {
                return Ok(Ok((unpacked, used)));
            }
            first => first,
        };
        let rest = slice(self.file, place.start, usize::MAX);
        if rest.len() > part.len()
            && let Ok((unpacked, used)) = self.inflate_part(packing, rest, declared)?
            && unpacked.trouble.is_none()
            && used > part.len()
        {
            return Ok(Ok((unpacked, used)));
        }
        Ok(first)
    }

    fn inflate_part(
        &mut self,
        packing: Packing,
        part: &[u8],
        declared: u64,
    ) -> Result<Result<(Unpacked, usize), Closed>, Exhausted> {
        let mut source = part;
        let room = self.opening.unpacked_limit_octets(part.len() as u64);
        // LZMA data without an end mark end where they are declared to.
        let size = if packing == Packing::ZipLzma && declared == 0 { u64::MAX } else { declared };
        let unpacked = match packing::reader(packing, &mut source, size, room) {
            Ok(reader) => self.opening.unpack(reader, part.len() as u64)?,
            Err(why) => return Ok(Err(why)),
        };
        Ok(Ok((unpacked, part.len() - source.len())))
    }

    /// Holds what was unpacked against what the headers say of it.
    fn check(&mut self, member: &Member<'_>, packing: Packing, unpacked: &Unpacked) {
        let Some(header) = member.headers.first() else { return };
        if unpacked.trouble.is_some() || header.has(MASKED) {
            return;
        }
        let says_nothing = member.is_open_ended && header.crc == 0 && header.unpacked == 0;
        if says_nothing {
            return;
        }
        let octets = unpacked.octets.len() as u64;
        let sizes: Vec<u64> = member.headers.iter().map(|header| header.unpacked).collect();
        if !sizes.contains(&octets) {
            let declared = header.unpacked;
            self.mismatch(format!("{}: {octets} octets, {declared} declared", member.name));
            return;
        }
        let mut crc = flate2::Crc::new();
        crc.update(&unpacked.octets);
        let is_known = member.headers.iter().any(|header| header.crc == crc.sum());
        if !(is_known || packing == Packing::Stored && sizes.len() > 1) {
            self.opening.remark("ARCHIVE_CHECKSUM", member.name.clone());
        }
    }

    fn finish(
        &mut self,
        member: &Member<'_>,
        declared: u64,
        unpacked: Unpacked,
    ) -> Result<(), Exhausted> {
        if member.is_link {
            let target = String::from_utf8_lossy(slice(&unpacked.octets, 0, 1_024));
            let detail = format!("{} -> {target}", member.name);
            let outside = names::link_outside(&member.name, &target);
            let remark = outside.map_or("ARCHIVE_LINK", Outside::remark);
            self.opening.remark(remark, detail);
        }
        match ((self.visitor)(&member.name, &unpacked, self.opening)?, unpacked.trouble) {
            (Then::Walk, _) => self.opening.unpacked_member(&member.name, unpacked),
            (Then::Done, Some(why)) => self.opening.closed_member(&member.name, declared, why),
            (Then::Done, None) => Ok(()),
        }
    }
}
