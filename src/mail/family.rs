//! Kinds of files, by what they are used for.
//!
//! The recognition of files says them and rules about attachments speak of them; in
//! configuration they are written `disk-image`.

use serde::{Deserialize, Serialize};

/// What a kind of file is used for: what a rule about attachments speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Runs by itself on some platform.
    Executable,
    /// Text that an interpreter runs.
    Script,
    /// Leads to another file or command when opened.
    Shortcut,
    /// Holds other files.
    Archive,
    /// An image of a disk, which systems mount when it is opened.
    DiskImage,
    /// Text with form, made by an office program.
    Document,
    /// A table of an office program.
    Spreadsheet,
    /// Slides of an office program.
    Presentation,
    /// Another file of an office program.
    Office,
    /// Plain text and markup.
    Text,
    /// Mail, calendars and contacts.
    Message,
    /// A picture.
    Image,
    /// Sound.
    Audio,
    /// Moving pictures.
    Video,
    /// Signed or encrypted by OpenPGP or S/MIME, keys and certificates.
    Cryptographic,
    /// Anything else that is known.
    Data,
    /// Nothing is known of it.
    Unknown,
}
