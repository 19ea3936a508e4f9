//! `[attachments]`: how far what a message carries is unpacked.

use std::time::Duration;

use serde::Deserialize;

/// `[attachments]`.
#[derive(Debug, Clone, PartialEq, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Attachments {
    /// How far files are unpacked.
    pub limits: UnpackLimits,
}

/// `[attachments.limits]`: for one message. What lies beyond a limit was not looked into, and
/// the message is unscannable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UnpackLimits {
    /// Files in files; 16 unless given.
    pub depth: u8,
    /// Files in all; 10,000 unless given.
    pub members: usize,
    /// Octets that all unpacked files together may have; 256 MiB unless given.
    pub octets: u64,
    /// Octets of one unpacked file; 40 MiB unless given. A few of them lie in memory at once.
    pub member_octets: u64,
    /// How many times its packed size a file of more than 4 MiB may have; 250 unless given.
    pub ratio: u64,
    /// Milliseconds of work; 1,500 unless given.
    pub time_ms: u64,
}

impl Default for UnpackLimits {
    fn default() -> UnpackLimits {
        UnpackLimits {
            depth: 16,
            members: 10_000,
            octets: 256 << 20,
            member_octets: 40 << 20,
            ratio: 250,
            time_ms: 1_500,
        }
    }
}

impl UnpackLimits {
    /// As a duration.
    pub fn time(&self) -> Duration {
        Duration::from_millis(self.time_ms)
    }
}
