//! `[attachments]`: how far what a message carries is unpacked, and which files may pass.
//!
//! ```toml
//! [[attachments.rule]]
//! name = "programs"
//! families = ["executable", "script", "shortcut"]
//! order = "strip"
//!
//! [[attachments.rule]]
//! name = "finance-macros"
//! roles = ["inbound"]
//! for = ["group:finance", "@accounts.example.org"]
//! states = ["macro"]
//! order = "safe-copy"
//! ```
//!
//! All conditions of a rule must hold for one file; of a list, one entry must. Rules are asked
//! in order; for each file the first one that fits counts, `allow` included. A file within an
//! archive counts like any other, and the order befalls the part of the message that it came
//! with.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::group::Party;
use crate::mail::{Family, Role};

/// `[attachments]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attachments {
    /// How far files are unpacked.
    pub limits: UnpackLimits,
    /// Asked in order, before those that the box ships.
    pub rule: Vec<AttachmentRule>,
    /// Whether the shipped rules are asked behind the site's: programs, scripts, shortcuts and
    /// disk images from outside are quarantined; true unless given.
    pub shipped_rules: bool,
    /// The area of the quarantine for what rules keep; `attachments` unless given.
    pub area: String,
    /// Put before the subject by rules that tag; `[ATTACHMENT]` unless given.
    pub tag_subject: String,
}

impl Default for Attachments {
    fn default() -> Attachments {
        Attachments {
            limits: UnpackLimits::default(),
            rule: Vec::new(),
            shipped_rules: true,
            area: "attachments".into(),
            tag_subject: "[ATTACHMENT]".into(),
        }
    }
}

/// `[[attachments.rule]]`: which files, whose, and what becomes of them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachmentRule {
    /// Shown in findings, and to whoever gets the notice in place of a file.
    pub name: String,
    /// By which listeners the mail came; all unless given.
    #[serde(default)]
    pub roles: Vec<Role>,
    /// Whose mail: of inbound mail the recipients, else the sender; all unless given.
    #[serde(default, rename = "for")]
    pub only_for: Vec<Party>,
    /// Whose mail not.
    #[serde(default)]
    pub except: Vec<Party>,
    /// What the file is, by its octets.
    #[serde(default)]
    pub families: Vec<Family>,
    /// What the file is, by its octets, named by an extension that such files honestly have
    /// (`docm`, `one`), whatever its own is.
    #[serde(default)]
    pub types: Vec<String>,
    /// The last extension of its name, without the dot, in small letters.
    #[serde(default)]
    pub extensions: Vec<String>,
    /// How it is.
    #[serde(default)]
    pub states: Vec<FileState>,
    /// Findings that the file has: `MACRO_AUTO_OPEN`.
    #[serde(default)]
    pub findings: Vec<String>,
    /// Files of more octets than this.
    pub larger_octets: Option<u64>,
    /// Messages with more files than this, those within archives not counted.
    pub more_files_than: Option<usize>,
    /// What becomes of the file, or of the mail.
    pub order: AttachmentOrder,
    /// Whether the mail as it came is kept in the quarantine when a file is taken out or made
    /// safe; true unless given.
    #[serde(default = "yes")]
    pub keep_original: bool,
    /// For whoever gets the mail: in the notice in place of the file, or in the refusal.
    #[serde(default)]
    pub text: String,
}

fn yes() -> bool {
    true
}

/// What becomes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttachmentOrder {
    /// It passes, whatever later rules say.
    Allow,
    /// The subject is tagged.
    Tag,
    /// Its text goes out in its place.
    SafeCopy,
    /// A notice goes out in its place.
    Strip,
    /// The mail is kept from the recipient.
    Quarantine,
    /// The mail is refused.
    Block,
}

/// What is the matter with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// It, or what is in it, needs a password.
    Encrypted,
    /// It could not be looked into for another reason: damaged, unknown method, beyond a limit.
    Unscannable,
    /// It has macros.
    Macro,
    /// `invoice.pdf.exe`.
    DoubleExtension,
    /// Its name or declared type says that it is something harmless.
    TypeHidden,
    /// It lies within an archive or another file.
    Inside,
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
