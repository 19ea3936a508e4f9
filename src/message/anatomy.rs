//! The tree of parts of a message (RFC 2046), walked within limits.
//!
//! In: a whole message. Out: [`Anatomy`]: every part with its head, its declared type and its
//! encoded body, all of them slices of the message; what lies outside of any part but could
//! be shown by some reader (preamble, epilogue, header lines that are none); what was odd.
//! Time is linear in octets times depth; nothing is skipped without a finding.

use std::borrow::Cow;
use std::collections::VecDeque;

use bytes::Bytes;
use memchr::memmem::Finder;

use super::charset;
use super::cut;
use super::head::{Head, decides_reading, is_shown, trim_line_end};
use super::media::{Encoding, Media};
use super::oddity::{Oddities, Oddity};
use super::transfer;

/// How far the walk goes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Parts in parts.
    pub depth: u8,
    /// Parts in all.
    pub parts: usize,
    /// Decoded text that is read, in octets.
    pub text_octets: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { depth: 24, parts: 1_000, text_octets: 64 << 20 }
    }
}

/// What a part is to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Holds parts.
    Multipart,
    /// Holds a message, which is the next part down.
    Message,
    /// Text that is no HTML.
    Text,
    /// HTML, by its type or by the name of its file.
    Html,
    /// Anything else.
    Other,
}

/// A part of a message; the message itself is the first.
#[derive(Debug, Clone)]
pub struct Part {
    /// Number of the part that holds this one.
    pub parent: Option<usize>,
    /// How deep it lies; the message itself is 0.
    pub depth: u8,
    /// Its header fields.
    pub head: Head,
    /// What it says of itself.
    pub media: Media,
    /// What it is to its reader.
    pub kind: Kind,
    /// Its body as it is written.
    pub body: Bytes,
}

impl Part {
    /// The body without its transfer encoding.
    pub fn decoded(&self) -> Cow<'_, [u8]> {
        self.decode_body().0
    }

    /// The same, shared: a slice of the message where nothing is encoded.
    pub fn content(&self) -> Bytes {
        match self.decoded() {
            Cow::Borrowed(_) => self.body.clone(),
            Cow::Owned(octets) => octets.into(),
        }
    }

    /// The body as text, without transfer encoding and charset.
    pub fn text(&self) -> String {
        charset::decode(&self.decoded(), self.media.charset.as_deref()).text.into_owned()
    }

    pub(super) fn decode_body(&self) -> (Cow<'_, [u8]>, transfer::Flaws) {
        let (octets, flaws) = match self.media.encoding {
            Encoding::Identity => return (Cow::Borrowed(&self.body), transfer::Flaws::default()),
            Encoding::Base64 => transfer::decode_base64(&self.body),
            Encoding::QuotedPrintable => transfer::decode_quoted_printable(&self.body),
        };
        (Cow::Owned(octets), flaws)
    }
}

/// A message taken apart.
#[derive(Debug, Clone)]
pub struct Anatomy {
    /// All parts; a part stands behind the one that holds it.
    pub parts: Vec<Part>,
    /// Octets outside of any part that some reader may show as text.
    pub strays: Vec<Bytes>,
    /// What was odd about the form.
    pub oddities: Oddities,
    pub(super) limits: Limits,
}

impl Anatomy {
    /// Takes a message apart. Anything is a message, if an odd one.
    pub fn of(message: &Bytes, limits: Limits) -> Anatomy {
        let anatomy = Anatomy {
            parts: Vec::new(),
            strays: Vec::new(),
            oddities: Oddities::default(),
            limits,
        };
        let mut walk =
            Walk { anatomy, waiting: VecDeque::new(), boundaries: Boundaries::default() };
        let whole = Waiting {
            octets: message.clone(),
            parent: None,
            depth: 0,
            fallback: ("text", "plain"),
        };
        walk.waiting.push_back(whole);
        walk.run();
        walk.anatomy
    }

    /// Whether any part is a file, or holds one as text may.
    pub fn carries_files(&self) -> bool {
        let is_composite = |part: &&Part| matches!(part.kind, Kind::Multipart | Kind::Message);
        self.parts.iter().filter(|part| !is_composite(part)).any(|part| {
            part.kind == Kind::Other
                || part.media.attachment
                || part.media.filename.is_some()
                || may_hold_file(&part.body)
        })
    }

    /// The header of the message.
    pub fn head(&self) -> Option<&Head> {
        self.parts.first().map(|part| &part.head)
    }
}

/// Whether a text has the first word of a uuencoded, yEnc or BinHex file, or of a message.
fn may_hold_file(text: &[u8]) -> bool {
    const MARKS: [&[u8]; 4] = [b"begin ", b"=ybegin ", b"BinHex", b"base64"];
    MARKS.iter().any(|mark| memchr::memmem::find(text, mark).is_some())
}

/// Octets that are a part still to be read.
struct Waiting {
    octets: Bytes,
    parent: Option<usize>,
    depth: u8,
    fallback: (&'static str, &'static str),
}

/// Boundaries that were declared, and lines that only begin like one.
#[derive(Default)]
struct Boundaries {
    declared: Vec<Vec<u8>>,
    suspects: Vec<Bytes>,
}

struct Walk {
    anatomy: Anatomy,
    waiting: VecDeque<Waiting>,
    boundaries: Boundaries,
}

impl Walk {
    fn run(&mut self) {
        while let Some(next) = self.waiting.pop_front() {
            if self.anatomy.parts.len() >= self.anatomy.limits.parts {
                self.anatomy.oddities.note(Oddity::TooManyParts, "");
                self.anatomy.strays.push(next.octets);
                self.anatomy.strays.extend(self.waiting.drain(..).map(|rest| rest.octets));
                break;
            }
            self.read(next);
        }
        let declared = &self.boundaries.declared;
        for line in &self.boundaries.suspects {
            let bare = line.strip_suffix(b"--").unwrap_or(line);
            if !declared.iter().any(|known| known == bare || known == line) {
                self.anatomy.oddities.note_octets(Oddity::BoundaryPrefix, line);
            }
        }
    }

    fn read(&mut self, waiting: Waiting) {
        let oddities = &mut self.anatomy.oddities;
        let (head, body) = match waiting.parent {
            None => {
                let (head, body) = Head::split(&waiting.octets, oddities);
                note_message_head(&head, oddities);
                (head, body)
            }
            Some(_) => {
                let mut inner = Oddities::default();
                let (head, body) = Head::split(&waiting.octets, &mut inner);
                note_repeated(&head, &mut inner);
                oddities.absorb_inner(inner);
                (head, body)
            }
        };
        self.anatomy.strays.extend(head.stray());
        let media = Media::read(&head, waiting.fallback, oddities);
        if media.is("message", "partial") {
            oddities.note(Oddity::Partial, "");
        }
        let kind = kind_of(&media);
        let part = Part { parent: waiting.parent, depth: waiting.depth, head, media, kind, body };
        let number = self.anatomy.parts.len();
        if matches!(kind, Kind::Multipart | Kind::Message) {
            self.open(&part, number);
        }
        self.anatomy.parts.push(part);
    }

    /// Queues what a multipart or message holds.
    fn open(&mut self, part: &Part, number: usize) {
        let mut inner = part.body.clone();
        if part.media.encoding != Encoding::Identity {
            // RFC 2046 sections 5 and 5.2.1 forbid it, and some readers decode it.
            self.anatomy.oddities.note(Oddity::CompositeEncoded, &part.media.subtype);
            inner = part.decoded().into_owned().into();
        }
        if part.depth >= self.anatomy.limits.depth {
            self.anatomy.oddities.note(Oddity::TooDeep, "");
            self.anatomy.strays.push(inner);
            return;
        }
        let depth = part.depth + 1;
        let parent = Some(number);
        if part.kind == Kind::Message {
            let fallback = ("text", "plain");
            self.waiting.push_back(Waiting { octets: inner, parent, depth, fallback });
            return;
        }
        // RFC 2046 section 5.1.5.
        let fallback = match part.media.subtype.as_str() {
            "digest" => ("message", "rfc822"),
            _ => ("text", "plain"),
        };
        for octets in self.split(part, &inner, number) {
            self.waiting.push_back(Waiting { octets, parent, depth, fallback });
        }
    }

    /// The parts of a multipart, RFC 2046 section 5.1.1.
    fn split(&mut self, part: &Part, body: &Bytes, number: usize) -> Vec<Bytes> {
        let Some(boundary) = part.media.boundary.as_deref() else {
            self.anatomy.oddities.note(Oddity::BoundaryAbsent, &part.media.subtype);
            self.anatomy.strays.push(body.clone());
            return Vec::new();
        };
        let boundary = boundary.as_bytes().to_vec();
        if self.is_open_above(number, part.parent, &boundary) {
            self.anatomy.oddities.note_octets(Oddity::BoundaryReused, &boundary);
        }
        let cuts = find_delimiters(body, &boundary, &mut self.boundaries.suspects);
        self.boundaries.declared.push(boundary);
        let Some(first) = cuts.first() else {
            // Closed by an outer boundary before its first part, or empty.
            if !body.trim_ascii().is_empty() || part.parent.is_none() {
                self.anatomy.oddities.note(Oddity::BoundaryUnused, &part.media.subtype);
            }
            self.anatomy.strays.push(body.clone());
            return Vec::new();
        };
        self.stray(cut(body, 0..first.start));
        self.between(body, &cuts)
    }

    fn between(&mut self, body: &Bytes, cuts: &[Delimiter]) -> Vec<Bytes> {
        let mut parts = Vec::new();
        let mut closed = false;
        for (at, delimiter) in cuts.iter().enumerate() {
            let end = cuts.get(at + 1).map_or(body.len(), |next| next.start);
            let octets = cut(body, delimiter.end..end);
            let is_last = at + 1 == cuts.len();
            match delimiter.closing {
                true => self.stray(octets),
                false => {
                    if closed {
                        self.anatomy.oddities.note(Oddity::BoundaryAfterClose, "");
                    }
                    if is_last {
                        self.anatomy.oddities.note(Oddity::BoundaryUnclosed, "");
                    }
                    parts.push(octets);
                }
            }
            closed |= delimiter.closing;
        }
        parts
    }

    fn is_open_above(&self, number: usize, parent: Option<usize>, boundary: &[u8]) -> bool {
        let mut above = parent;
        while let Some(part) =
            above.filter(|at| *at < number).and_then(|at| self.anatomy.parts.get(at))
        {
            if part.media.boundary.as_deref().map(str::as_bytes) == Some(boundary) {
                return true;
            }
            above = part.parent;
        }
        false
    }

    fn stray(&mut self, octets: Bytes) {
        if !octets.trim_ascii().is_empty() {
            self.anatomy.strays.push(octets);
        }
    }
}

/// A delimiter line: where it begins with the line end before it, where it ends with its own.
struct Delimiter {
    start: usize,
    end: usize,
    closing: bool,
}

/// Suspects beyond this are left away: one is enough for the finding.
const SUSPECTS: usize = 64;

fn find_delimiters(body: &Bytes, boundary: &[u8], suspects: &mut Vec<Bytes>) -> Vec<Delimiter> {
    let mut dashed = b"--".to_vec();
    dashed.extend_from_slice(boundary);
    let mut found = Vec::new();
    for at in Finder::new(&dashed).find_iter(body) {
        let before = body.get(..at).unwrap_or_default();
        if !before.is_empty() && !before.ends_with(b"\n") {
            continue;
        }
        let rest = body.get(at..).unwrap_or_default();
        let line_end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        let line = rest.get(..line_end).unwrap_or_default().trim_ascii_end();
        let tail = line.get(dashed.len()..).unwrap_or_default();
        let closing = match tail {
            b"" => false,
            b"--" => true,
            _ => {
                if suspects.len() < SUSPECTS {
                    suspects.push(cut(body, at + 2..at + line.len()));
                }
                continue;
            }
        };
        // The line end before the delimiter belongs to the delimiter.
        let start = trim_line_end(before).len();
        found.push(Delimiter { start, end: at + line_end, closing });
    }
    found
}

fn kind_of(media: &Media) -> Kind {
    match (media.main.as_str(), media.subtype.as_str()) {
        ("multipart", _) => Kind::Multipart,
        ("message", "rfc822" | "global" | "news") => Kind::Message,
        ("text", "html") | ("application", "xhtml+xml") | ("image", "svg+xml") => Kind::Html,
        _ if is_html_name(media) => Kind::Html,
        ("text", _) | ("message", _) | ("application", "json" | "xml" | "pgp-encrypted") => {
            Kind::Text
        }
        _ => match media.extension().as_deref() {
            Some("txt" | "csv" | "ics" | "eml" | "xml" | "json" | "md" | "log") => Kind::Text,
            _ => Kind::Other,
        },
    }
}

fn is_html_name(media: &Media) -> bool {
    let extension = media.extension();
    matches!(extension.as_deref(), Some("htm" | "html" | "shtml" | "xhtml" | "xht" | "mht" | "svg"))
}

/// RFC 5322 section 3.6: fields that occur at most once.
const ONCE: [&str; 14] = [
    "date",
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "message-id",
    "in-reply-to",
    "references",
    "subject",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "content-disposition",
];

fn note_message_head(head: &Head, oddities: &mut Oddities) {
    if head.fields().is_empty() {
        oddities.note(Oddity::NoHeader, "");
        return;
    }
    note_repeated(head, oddities);
    if head.first("from").is_none() {
        oddities.note(Oddity::NoAuthor, "");
    }
    if head.first("date").is_none() {
        oddities.note(Oddity::NoDate, "");
    }
}

fn note_repeated(head: &Head, oddities: &mut Oddities) {
    for name in ONCE {
        let mut same_name = head.all(name).map(|field| head.value(field).trim_ascii());
        let Some(first) = same_name.next() else { continue };
        let (mut echoed, mut differs) = (false, false);
        for other in same_name {
            echoed |= other == first;
            differs |= other != first;
        }
        let oddity = match (differs, echoed) {
            (true, _) if decides_reading(name.as_bytes()) => Oddity::HeaderRepeatedMime,
            // Two dates mislead nobody about who writes what.
            (true, _) if is_shown(name.as_bytes()) && name != "date" => Oddity::HeaderRepeatedShown,
            (true, _) => Oddity::HeaderRepeated,
            (false, true) => Oddity::HeaderEchoed,
            (false, false) => continue,
        };
        oddities.note(oddity, name);
    }
}
