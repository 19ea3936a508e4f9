//! The digests of a message: of what its reader is shown, and of its files.
//!
//! In: [`Anatomy`]. Out: [`Digests`]. The text is that of the HTML parts where there are some,
//! else of the plain ones; pictures are no files, for every firm's logo is in all its mail.
//! Bounded: of each part only the beginning is decoded, of files only so many.

use std::sync::Arc;

use ring::digest::{SHA256, digest};

use super::sketch::Sketch;
use crate::message::{Anatomy, Encoding, Kind, Part, html_to_text};

/// Octets of one body part, as written, that are looked at.
const PART_OCTETS: usize = 512 << 10;
/// Octets of all body parts together.
const TEXT_OCTETS: usize = 1 << 20;
/// Parts that are looked at.
const PARTS: usize = 60;
/// Files that are looked at.
const FILES: usize = 16;
/// Octets of all files together, as written.
const FILES_OCTETS: usize = 64 << 20;
/// Shorter files are a signature's, an empty form's, everybody's.
const FILE_LEAST_OCTETS: usize = 256;

/// What is known of a message's text and files without keeping them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Digests {
    /// Of what the reader is shown; absent when that is too little.
    pub text: Option<Sketch>,
    /// Of attachments.
    pub files: Vec<FileDigest>,
}

/// Of one attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDigest {
    /// Of its octets.
    pub sha256: [u8; 32],
    /// Absent when it is too short.
    pub sketch: Option<Sketch>,
    /// Its name, for the finding only.
    pub name: Arc<str>,
}

impl Digests {
    /// Of a message.
    pub fn of(anatomy: &Anatomy) -> Digests {
        Digests { text: text_of(anatomy), files: files_of(anatomy) }
    }

    /// Of the text alone.
    pub fn without_files(self) -> Digests {
        Digests { files: Vec::new(), ..self }
    }

    /// Whether there is nothing to go by.
    pub fn is_empty(&self) -> bool {
        self.text.is_none() && self.files.is_empty()
    }
}

fn text_of(anatomy: &Anatomy) -> Option<Sketch> {
    let shown = |kind: Kind| {
        let bodies = anatomy.parts.iter().take(PARTS);
        bodies.filter(move |part| part.kind == kind && !part.media.attachment)
    };
    let mut text = String::new();
    for part in shown(Kind::Html) {
        add(&mut text, &html_to_text(&beginning(part).text()));
    }
    if text.trim().is_empty() {
        for part in shown(Kind::Text) {
            add(&mut text, &beginning(part).text());
        }
    }
    Sketch::of_text(&text)
}

fn add(to: &mut String, text: &str) {
    let room = TEXT_OCTETS.saturating_sub(to.len());
    to.push_str(text.get(..text.floor_char_boundary(room)).unwrap_or_default());
    to.push('\n');
}

/// The part with so much of its body as is looked at.
fn beginning(part: &Part) -> std::borrow::Cow<'_, Part> {
    if part.body.len() <= PART_OCTETS {
        return std::borrow::Cow::Borrowed(part);
    }
    let mut cut = part.clone();
    cut.body = part.body.slice(..PART_OCTETS);
    std::borrow::Cow::Owned(cut)
}

fn files_of(anatomy: &Anatomy) -> Vec<FileDigest> {
    let mut left_octets = FILES_OCTETS;
    let mut files = Vec::new();
    for part in anatomy.parts.iter().filter(|part| is_file(part)).take(FILES) {
        if part.body.len() > left_octets {
            break;
        }
        left_octets -= part.body.len();
        files.extend(file_of(part));
    }
    files
}

fn is_file(part: &Part) -> bool {
    let named = part.media.attachment || part.media.filename.is_some();
    let is_picture = part.media.main == "image" && part.media.subtype != "svg+xml";
    let is_key = part.media.is("application", "pgp-signature")
        || part.media.subtype.ends_with("pkcs7-signature");
    match part.kind {
        Kind::Multipart | Kind::Message => false,
        Kind::Other => !is_picture && !is_key,
        Kind::Text | Kind::Html => named && !is_key && !is_picture,
    }
}

fn file_of(part: &Part) -> Option<FileDigest> {
    let octets = match part.media.encoding {
        Encoding::Identity => std::borrow::Cow::Borrowed(&part.body[..]),
        _ => part.decoded(),
    };
    if octets.len() < FILE_LEAST_OCTETS {
        return None;
    }
    let sha256 = digest(&SHA256, &octets).as_ref().try_into().ok()?;
    let sketch = Sketch::of_file(&octets);
    let name = part.media.filename.as_deref().unwrap_or("without a name").into();
    Some(FileDigest { sha256, sketch, name })
}
