//! What the unpacking of one message may cost: one purse for the whole message, from which
//! every opener pays, so that a thousand small bombs cost no more than a large one.

use std::time::{Duration, Instant};

/// How far the contents of a message are unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Files in files; the leaves of the message's own parts are 0.
    pub depth: u8,
    /// Files in all, listed ones that cannot be read included.
    pub members: usize,
    /// Octets that all unpacked files together may have.
    pub octets: u64,
    /// Octets of one unpacked file.
    pub member_octets: u64,
    /// Octets of unpacked files that may lie in memory at once: those that are being walked
    /// through, one in the other, and those that are kept.
    pub held_octets: u64,
    /// How many times its packed size an unpacked file may have, once it is larger than
    /// [`RATIO_FREE_OCTETS`].
    pub ratio: u64,
    /// Wall-clock time for the whole message.
    pub time: Duration,
    /// Octets of unpacked files that are kept for the virus scanner and for later stages.
    pub kept_octets: usize,
}

/// Smaller files may have any ratio: they cost nothing.
pub const RATIO_FREE_OCTETS: u64 = 4 << 20;

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            depth: 16,
            members: 10_000,
            octets: 256 << 20,
            member_octets: 32 << 20,
            held_octets: 64 << 20,
            ratio: 250,
            time: Duration::from_millis(1_500),
            kept_octets: 32 << 20,
        }
    }
}

/// A limit that was reached; unpacking of the message ends, and the message is not clean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exhausted {
    /// More files than allowed.
    #[error("more than {0} files")]
    Members(usize),
    /// More octets than allowed.
    #[error("more than {0} octets unpacked")]
    Octets(u64),
    /// More time than allowed.
    #[error("more than {} ms of work", .0.as_millis())]
    Time(Duration),
}

/// What is left of the limits.
#[derive(Debug)]
pub struct Purse {
    limits: Limits,
    members: usize,
    octets: u64,
    kept_octets: usize,
    walked_octets: u64,
    ends: Instant,
}

impl Purse {
    /// A full purse; its time begins now.
    pub fn new(limits: Limits) -> Purse {
        let ends = Instant::now() + limits.time;
        Purse { limits, members: 0, octets: 0, kept_octets: 0, walked_octets: 0, ends }
    }

    /// The limits that it was filled with.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// When its time ends.
    pub fn ends(&self) -> Instant {
        self.ends
    }

    /// Pays for a file that was listed.
    pub fn pay_member(&mut self) -> Result<(), Exhausted> {
        self.members += 1;
        match self.members > self.limits.members {
            true => Err(Exhausted::Members(self.limits.members)),
            false => self.pay_time(),
        }
    }

    /// Pays for octets that were unpacked.
    pub fn pay_octets(&mut self, octets: u64) -> Result<(), Exhausted> {
        self.octets = self.octets.saturating_add(octets);
        match self.octets > self.limits.octets {
            true => Err(Exhausted::Octets(self.limits.octets)),
            false => self.pay_time(),
        }
    }

    /// Asks whether there is time left; cheap enough for every few kilobytes of work.
    pub fn pay_time(&self) -> Result<(), Exhausted> {
        match Instant::now() >= self.ends {
            true => Err(Exhausted::Time(self.limits.time)),
            false => Ok(()),
        }
    }

    /// Whether so many octets may be kept beyond the walk, and counts them if so.
    pub fn keep(&mut self, octets: usize) -> bool {
        let fits = self.kept_octets.saturating_add(octets) <= self.limits.kept_octets;
        if fits {
            self.kept_octets += octets;
        }
        fits
    }

    /// Notes octets that lie in memory while a file is walked through.
    pub(super) fn hold(&mut self, octets: u64) {
        self.walked_octets = self.walked_octets.saturating_add(octets);
    }

    /// Notes that they are gone.
    pub(super) fn release(&mut self, octets: u64) {
        self.walked_octets = self.walked_octets.saturating_sub(octets);
    }

    /// How many octets one more file may have, made from so many packed ones.
    pub fn unpacked_limit_octets(&self, packed_octets: u64) -> u64 {
        let by_ratio = packed_octets.saturating_mul(self.limits.ratio).max(RATIO_FREE_OCTETS);
        let held = self.walked_octets.saturating_add(self.kept_octets as u64);
        let left = self.limits.held_octets.saturating_sub(held);
        self.limits.member_octets.min(by_ratio).min(left)
    }
}
