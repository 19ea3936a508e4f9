//! The tree of parts of a message (RFC 2046), walked within limits.
//!
//! In: a whole message. Out: [`Anatomy`]: every part with its head, its declared type and its
//! encoded body, all of them slices of the message; what lies outside of any part but could
//! be shown by some reader (preamble, epilogue, header lines that are none); what was odd.
//!
//! Where two readers could read the message differently, the other readings follow behind the
//! parts of the usual one, as further parts ([`Reading::Alternative`]), unless what they hold
//! was there before. Ordinary mail has none. Their number and octets are bounded; what is left
//! out for that is noted, never silent. Time is linear in octets times depth times readings.

mod notes;

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::sync::OnceLock;

use bytes::Bytes;

use super::alternatives::Ledger;
use super::boundary::{self, BOUNDARY_OCTETS, Delimiter, Strictness};
use super::charset;
use super::cut;
use super::head::Head;
use super::media::{Encoding, Media};
use super::nature;
use super::oddity::{Oddities, Oddity};
use super::reading::{self, Sniffed};
use super::transfer;
use notes::{note_flaws, note_media, note_message_head, note_repeated};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

/// Who reads the message so that it has this part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reading {
    /// Most readers: what the fields say, read by the standards and leniently.
    #[default]
    Main,
    /// Some other reader, stricter, older or more lenient. Such a part stands behind all of the
    /// usual reading and holds something that none of these holds.
    Alternative,
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
    /// Its body as it is written; in some alternative readings as it is decoded there.
    pub body: Bytes,
    /// Who reads it so.
    pub reading: Reading,
    decoded: Once,
}

/// The decoded body, made when it is first asked for. A copy of the part begins without it,
/// for it may get another body.
#[derive(Debug, Default)]
struct Once(OnceLock<(Bytes, transfer::Flaws)>);

impl Clone for Once {
    fn clone(&self) -> Once {
        Once::default()
    }
}

impl Part {
    /// The body without its transfer encoding; decoded once.
    pub fn decoded(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.decode_body().0)
    }

    /// The same, shared: a slice of the message where nothing is encoded.
    pub fn content(&self) -> Bytes {
        self.decode_body().0.clone()
    }

    /// The body as text, without transfer encoding and charset.
    pub fn text(&self) -> String {
        charset::decode(&self.decoded(), self.media.charset.as_deref()).text.into_owned()
    }

    /// Its text where the octets do not show it, since plain letters stand for others in its
    /// charset; nothing where they do.
    pub(super) fn hidden_text(&self) -> Option<String> {
        let label = self.media.charset.as_deref()?;
        let is_text = matches!(self.kind, Kind::Text | Kind::Html);
        let text = (is_text && charset::hides_ascii(label)).then(|| self.text())?;
        (text.as_bytes() != &self.decoded()[..]).then_some(text)
    }

    /// Whether it belongs to the usual reading of the message.
    pub fn is_main(&self) -> bool {
        self.reading == Reading::Main
    }

    /// Whether it holds no other parts.
    pub fn is_leaf(&self) -> bool {
        !matches!(self.kind, Kind::Multipart | Kind::Message)
    }

    /// Whether it is a text that is shown, and no file.
    pub(super) fn is_shown_text(&self) -> bool {
        matches!(self.kind, Kind::Text | Kind::Html)
            && !self.media.attachment
            && self.media.filename.is_none()
    }

    /// The type that it declares.
    pub(super) fn declared(&self) -> String {
        format!("{}/{}", self.media.main, self.media.subtype)
    }

    /// Whether it has no name and is no attachment.
    pub(super) fn is_nameless(&self) -> bool {
        !self.media.attachment && self.media.names.is_empty()
    }

    /// Whether it is text of its message that mail programs show, so that nobody opens it.
    pub(super) fn is_shown(&self) -> bool {
        self.is_nameless() && nature::is_shown_inline(&self.declared())
    }

    pub(super) fn decode_body(&self) -> &(Bytes, transfer::Flaws) {
        self.decoded.0.get_or_init(|| {
            let (octets, flaws) = match self.media.encoding {
                Encoding::Identity => return (self.body.clone(), transfer::Flaws::default()),
                Encoding::Base64 => transfer::decode_base64(&self.body),
                Encoding::QuotedPrintable => transfer::decode_quoted_printable(&self.body),
            };
            (octets.into(), flaws)
        })
    }
}

/// A message taken apart.
#[derive(Debug, Clone)]
pub struct Anatomy {
    /// All parts; a part stands behind the one that holds it, those of alternative readings
    /// behind all others.
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
        Anatomy::walked(message, limits, Standing::Sent)
    }

    /// The same of a message that another one carries. Of such a one often nothing is left but
    /// the header: reports quote it so.
    pub(super) fn of_carried(message: &Bytes, limits: Limits) -> Anatomy {
        Anatomy::walked(message, limits, Standing::Carried)
    }

    fn walked(message: &Bytes, limits: Limits, standing: Standing) -> Anatomy {
        let anatomy = Anatomy {
            parts: Vec::new(),
            strays: Vec::new(),
            oddities: Oddities::default(),
            limits,
        };
        let mut walk = Walk {
            anatomy,
            waiting: VecDeque::new(),
            ledger: Ledger::default(),
            boundaries: Boundaries::default(),
            standing,
        };
        walk.waiting.push_back(Waiting {
            source: Source::Entity { octets: message.clone(), beyond: Bytes::new() },
            parent: None,
            depth: 0,
            fallback: PLAIN,
            generation: 0,
            strictness: Strictness::Usual,
        });
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

    /// Lets go of what was decoded of files and of other readings; asked for again, it is
    /// decoded again. The texts of the usual reading stay.
    pub fn forget_files(&mut self) {
        let is_text = |part: &Part| matches!(part.kind, Kind::Text | Kind::Html);
        for part in self.parts.iter_mut().filter(|part| !part.is_main() || !is_text(part)) {
            part.decoded = Once::default();
        }
    }

    /// The header of the message.
    pub fn head(&self) -> Option<&Head> {
        self.parts.first().map(|part| &part.head)
    }

    /// The parts of the usual reading.
    pub fn main_parts(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().take_while(|part| part.is_main())
    }
}

/// Whether a text has the first word of a uuencoded, yEnc or BinHex file, or of a message.
fn may_hold_file(text: &[u8]) -> bool {
    const MARKS: [&[u8]; 4] = [b"begin ", b"=ybegin ", b"BinHex", b"base64"];
    MARKS.iter().any(|mark| memchr::memmem::find(text, mark).is_some())
}

/// RFC 2045 section 5.2.
const PLAIN: (&str, &str) = ("text", "plain");

/// Something that is a part still to be read.
#[derive(Clone)]
pub(super) struct Waiting {
    pub(super) source: Source,
    pub(super) parent: Option<usize>,
    pub(super) depth: u8,
    pub(super) fallback: (&'static str, &'static str),
    /// 0 in the usual reading, 1 in a reading other than that, 2 in another reading of this.
    pub(super) generation: u8,
    pub(super) strictness: Strictness,
}

/// How much of a part is known.
#[derive(Clone)]
pub(super) enum Source {
    /// Header and body; `beyond` is what follows in the multipart that holds it.
    Entity { octets: Bytes, beyond: Bytes },
    /// The same, separated.
    Parted { head: Head, body: Bytes },
    /// The same, and what it is.
    Typed { media: Box<Media>, head: Head, body: Bytes },
}

/// Boundaries that were declared, and lines that only begin like one.
#[derive(Default)]
struct Boundaries {
    declared: HashSet<Vec<u8>>,
    /// With the reading that takes such lines for boundaries.
    suspects: Vec<(Vec<Bytes>, Waiting)>,
}

/// What a message is to the one who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The mail itself.
    Sent,
    /// A file in a mail.
    Carried,
}

struct Walk {
    anatomy: Anatomy,
    waiting: VecDeque<Waiting>,
    ledger: Ledger,
    boundaries: Boundaries,
    standing: Standing,
}

impl Walk {
    fn run(&mut self) {
        self.drain();
        self.settle_suspects();
        if self.ledger.is_idle() {
            return;
        }
        // What is odd about the form of another reading is no oddity of the message.
        let main = std::mem::take(&mut self.anatomy.oddities);
        self.ledger.begin(&self.anatomy.parts);
        while let Some(next) = self.ledger.next() {
            self.waiting.push_back(next);
            self.drain();
            self.settle_suspects();
        }
        let alternative = std::mem::replace(&mut self.anatomy.oddities, main);
        self.anatomy.oddities.absorb_alternative(alternative);
        if self.ledger.left_out {
            self.anatomy.oddities.note(Oddity::ReadingsLeftOut, "");
        }
    }

    fn drain(&mut self) {
        while let Some(next) = self.waiting.pop_front() {
            if next.generation == 0 && self.anatomy.parts.len() >= self.anatomy.limits.parts {
                self.anatomy.oddities.note(Oddity::TooManyParts, "");
                let rest = std::iter::once(next).chain(self.waiting.drain(..));
                self.anatomy.strays.extend(rest.filter_map(|rest| match rest.source {
                    Source::Entity { octets, .. } => Some(octets),
                    _ => None,
                }));
                break;
            }
            if next.generation > 0 && self.ledger.is_full() {
                self.ledger.left_out = true;
                self.waiting.clear();
                break;
            }
            self.read(next);
        }
    }

    /// Lines that begin like a boundary are one to some readers, unless they are another's.
    fn settle_suspects(&mut self) {
        for (lines, waiting) in std::mem::take(&mut self.boundaries.suspects) {
            let declared = &self.boundaries.declared;
            let is_other = |line: &Bytes| {
                let bare = line.strip_suffix(b"--").unwrap_or(line);
                declared.contains(bare) || declared.contains(&line[..])
            };
            if let Some(line) = lines.iter().find(|line| !is_other(line)) {
                self.anatomy.oddities.note_octets(Oddity::BoundaryPrefix, line);
                self.ledger.add(waiting);
            }
        }
    }

    fn read(&mut self, waiting: Waiting) {
        let (head, body, beyond) = match &waiting.source {
            Source::Entity { octets, beyond } => {
                let mut odd = Oddities::default();
                let (head, body) = Head::split(octets, &mut odd);
                match waiting.parent {
                    None => note_message_head(&head, &mut odd),
                    Some(_) => note_repeated(&head, &mut odd),
                }
                self.read_headers_otherwise(octets, &head, &body, &odd, &waiting);
                match waiting.parent {
                    None => self.anatomy.oddities.absorb(odd),
                    Some(_) => self.anatomy.oddities.absorb_inner(odd),
                }
                if waiting.generation == 0 {
                    self.anatomy.strays.extend(head.stray());
                }
                (head, body, beyond.clone())
            }
            Source::Parted { head, body } => (head.clone(), body.clone(), Bytes::new()),
            Source::Typed { media, head, body } => {
                let (media, head, body) = ((**media).clone(), head.clone(), body.clone());
                return self.place(media, head, body, &Bytes::new(), &waiting);
            }
        };
        let oddities = &mut self.anatomy.oddities;
        let mut readings = Media::readings(&head, waiting.fallback, oddities).into_iter();
        let Some(usual) = readings.next() else { return };
        note_media(&usual, &head, waiting.parent.is_none(), oddities);
        for media in readings {
            let source =
                Source::Typed { media: Box::new(media), head: head.clone(), body: body.clone() };
            self.ledger.add(other(source, &waiting));
        }
        self.place(usual, head, body, &beyond, &waiting);
    }

    /// Queues the other ways in which an entity falls into header and body.
    fn read_headers_otherwise(
        &mut self,
        octets: &Bytes,
        head: &Head,
        body: &Bytes,
        odd: &Oddities,
        waiting: &Waiting,
    ) {
        for parted in reading::headers(octets, head, body, odd) {
            let source = Source::Parted { head: parted.head, body: parted.body };
            self.ledger.add(other(source, waiting));
        }
        if waiting.parent.is_some() && reading::is_unended(head, body) {
            // RFC 5322 section 3.5: a message may end with its header.
            if !self.is_message(waiting.parent) {
                self.anatomy.oddities.note(Oddity::HeaderUnended, "");
            }
            self.ledger.add(other(plain(Head::default(), octets.clone()), waiting));
        }
    }

    fn is_message(&self, number: Option<usize>) -> bool {
        let part = number.and_then(|number| self.anatomy.parts.get(number));
        part.is_some_and(|part| part.kind == Kind::Message)
    }

    /// Makes a part of what is known of it, and goes on into what it holds.
    fn place(&mut self, media: Media, head: Head, body: Bytes, beyond: &Bytes, waiting: &Waiting) {
        let kind = kind_of(&media);
        let reading = match waiting.generation {
            0 => Reading::Main,
            _ => Reading::Alternative,
        };
        let (parent, depth) = (waiting.parent, waiting.depth);
        let decoded = Once::default();
        let part = Part { parent, depth, head, media, kind, body, reading, decoded };
        if part.is_leaf() {
            if reading == Reading::Alternative && !self.ledger.is_new(&part) {
                return;
            }
            self.read_leaf_otherwise(&part, waiting);
            self.anatomy.parts.push(part);
            return;
        }
        if reading == Reading::Alternative && !self.ledger.is_new_composite(&part, waiting) {
            return;
        }
        let number = self.anatomy.parts.len();
        self.open(&part, number, beyond, waiting);
        self.anatomy.parts.push(part);
    }

    /// Queues what other readers make of a part that holds no others.
    fn read_leaf_otherwise(&mut self, part: &Part, waiting: &Waiting) {
        let (decoded, flaws) = part.decode_body();
        note_flaws(*flaws, part, &mut self.anatomy.oddities);
        let (octets, more) = reading::decodings(part, decoded, flaws);
        self.ledger.left_out |= more;
        for octets in octets {
            let media = Media { encoding: Encoding::Identity, ..part.media.clone() };
            self.ledger.add(other(typed(media, part.head.clone(), octets), waiting));
        }
        if part.media.main == "message" && part.kind == Kind::Text {
            self.read_message_otherwise(part, waiting);
        }
        let may_hold_parts = part.kind == Kind::Text && !reading::is_header_alone(part);
        if may_hold_parts && part.media.encoding == Encoding::Identity {
            let found = self.sniff(&part.body, waiting);
            if found && !part.media.is("message", "external-body") {
                self.anatomy.oddities.note(Oddity::MimeInText, &part.media.subtype);
            }
        }
    }

    /// `message/` and something: a message to some readers if it looks like one.
    fn read_message_otherwise(&mut self, part: &Part, waiting: &Waiting) {
        // These consist of fields and are no messages.
        const REPORTS: [&str; 6] = [
            "delivery-status",
            "disposition-notification",
            "feedback-report",
            "global-delivery-status",
            "global-disposition-notification",
            "tracking-status",
        ];
        let is_report =
            REPORTS.contains(&part.media.subtype.as_str()) || reading::is_header_alone(part);
        if is_report || !(part.media.subtype == "partial" || reading::looks_like_message(part)) {
            return;
        }
        let media = Media { subtype: "rfc822".into(), ..part.media.clone() };
        let source = typed(media, part.head.clone(), part.body.clone());
        self.ledger.add(other(source, waiting));
    }

    /// Queues what a text looks like that looks like parts; tells whether it does.
    fn sniff(&mut self, text: &Bytes, waiting: &Waiting) -> bool {
        let sniffed = reading::sniff(text);
        let found = !sniffed.is_empty();
        for sniffed in sniffed {
            let source = match sniffed {
                Sniffed::Part(start) => {
                    Source::Entity { octets: cut(text, start..text.len()), beyond: Bytes::new() }
                }
                Sniffed::Multipart(boundary) => {
                    typed(multipart(boundary), Head::default(), text.clone())
                }
            };
            self.ledger.add(other(source, waiting));
        }
        found
    }

    /// Queues what a multipart or message holds.
    fn open(&mut self, part: &Part, number: usize, beyond: &Bytes, waiting: &Waiting) {
        let mut inner = part.body.clone();
        if part.media.encoding != Encoding::Identity {
            // RFC 2046 sections 5 and 5.2.1 forbid it, and some readers decode it.
            self.anatomy.oddities.note(Oddity::CompositeEncoded, &part.media.subtype);
            inner = part.content();
            let media = Media { encoding: Encoding::Identity, ..part.media.clone() };
            let source = typed(media, part.head.clone(), part.body.clone());
            self.ledger.add(other(source, waiting));
        }
        if part.depth >= self.anatomy.limits.depth {
            self.anatomy.oddities.note(Oddity::TooDeep, "");
            self.anatomy.strays.push(inner);
            return;
        }
        let below = Waiting {
            source: Source::Entity { octets: inner.clone(), beyond: Bytes::new() },
            parent: Some(number),
            depth: part.depth + 1,
            fallback: PLAIN,
            generation: waiting.generation,
            strictness: Strictness::Usual,
        };
        if part.kind == Kind::Message {
            if !reading::begins_like_field(&inner) {
                // To some readers a text after all.
                self.ledger.add(other(plain(part.head.clone(), inner), &below));
            }
            self.waiting.push_back(below);
            return;
        }
        // RFC 2046 section 5.1.5.
        let fallback = match part.media.subtype.as_str() {
            "digest" => ("message", "rfc822"),
            _ => PLAIN,
        };
        let below = Waiting { fallback, ..below };
        for (octets, beyond) in self.split(part, &inner, number, beyond, waiting) {
            let source = Source::Entity { octets, beyond };
            self.waiting.push_back(Waiting { source, ..below.clone() });
        }
    }

    /// The parts of a multipart, RFC 2046 section 5.1.1, each with what follows it.
    fn split(
        &mut self,
        part: &Part,
        body: &Bytes,
        number: usize,
        beyond: &Bytes,
        waiting: &Waiting,
    ) -> Vec<(Bytes, Bytes)> {
        let Some(boundary) = part.media.delimiter.clone() else {
            self.anatomy.oddities.note(Oddity::BoundaryAbsent, &part.media.subtype);
            self.read_as_text(part, body, waiting);
            return Vec::new();
        };
        if boundary.is_empty() && waiting.generation == 0 {
            self.anatomy.oddities.note(Oddity::BoundaryAbsent, &part.media.subtype);
        }
        if self.is_open_above(number, part.parent, &boundary) {
            self.anatomy.oddities.note_octets(Oddity::BoundaryReused, &boundary);
        }
        // One more than there may be parts, so that too many are noticed.
        let most_lines = self.anatomy.limits.parts.saturating_add(1);
        let found = boundary::find(body, &boundary, waiting.strictness, most_lines);
        if waiting.strictness == Strictness::Usual {
            self.split_otherwise(part, &boundary, &found, waiting);
        }
        self.boundaries.declared.insert(boundary.trim_ascii_end().to_vec());
        let is_closed = found.lines.iter().any(|line| line.closing);
        if !is_closed {
            self.look_beyond(part, body, &boundary, beyond, waiting);
        }
        let Some(first) = found.lines.first() else {
            // Closed by an outer boundary before its first part, or empty; the mail itself, as
            // most read it, has nothing that could close it.
            let is_mail =
                part.parent.is_none() && waiting.generation == 0 && self.standing == Standing::Sent;
            if !boundary.is_empty() && (!body.trim_ascii().is_empty() || is_mail) {
                self.anatomy.oddities.note(Oddity::BoundaryUnused, &part.media.subtype);
            }
            self.read_as_text(part, body, waiting);
            return Vec::new();
        };
        self.stray(cut(body, 0..first.start), waiting);
        self.between(body, &found.lines, waiting)
    }

    /// Queues the readings of those who see more or fewer boundaries.
    fn split_otherwise(
        &mut self,
        part: &Part,
        boundary: &[u8],
        found: &boundary::Delimiters,
        waiting: &Waiting,
    ) {
        let oddities = &mut self.anatomy.oddities;
        let with = |media: Media, strictness| {
            let source = typed(media, part.head.clone(), part.body.clone());
            Waiting { strictness, ..other(source, waiting) }
        };
        if boundary::is_odd(boundary) {
            oddities.note_octets(Oddity::BoundaryOdd, boundary);
        }
        if let Some(start) =
            boundary.get(..BOUNDARY_OCTETS).filter(|_| boundary.len() > BOUNDARY_OCTETS)
        {
            oddities.note_octets(Oddity::BoundaryLong, boundary);
            let media = Media { delimiter: Some(start.to_vec()), ..part.media.clone() };
            self.ledger.add(with(media, Strictness::Prefix));
        }
        if found.any_line {
            oddities.note_octets(Oddity::BoundaryLine, boundary);
            self.ledger.add(with(part.media.clone(), Strictness::AnyLine));
            if !found.suspects.is_empty() {
                self.ledger.add(with(part.media.clone(), Strictness::AnyLinePrefix));
            }
        }
        if found.blank_behind || boundary.ends_with(b" ") || boundary.ends_with(b"\t") {
            oddities.note_octets(Oddity::BoundarySpace, boundary);
            self.ledger.add(with(part.media.clone(), Strictness::Strict));
        }
        if !found.suspects.is_empty() && !boundary.is_empty() {
            let waiting = with(part.media.clone(), Strictness::Prefix);
            self.boundaries.suspects.push((found.suspects.clone(), waiting));
        }
    }

    /// A multipart that no boundary of its own closes ends with the outer one; to readers who
    /// look for its own only, it goes on.
    fn look_beyond(
        &mut self,
        part: &Part,
        body: &Bytes,
        boundary: &[u8],
        beyond: &Bytes,
        waiting: &Waiting,
    ) {
        if beyond.is_empty() || boundary.is_empty() || waiting.strictness != Strictness::Usual {
            return;
        }
        if !self.ledger.pay_search() {
            return;
        }
        let is_elsewhere = !boundary::find(beyond, boundary, Strictness::Usual, 1).lines.is_empty();
        if !is_elsewhere || self.is_open_above(self.anatomy.parts.len(), part.parent, boundary) {
            return;
        }
        self.anatomy.oddities.note_octets(Oddity::BoundaryOutside, boundary);
        let mut whole = body.to_vec();
        whole.extend_from_slice(beyond);
        let source = typed(part.media.clone(), part.head.clone(), whole.into());
        self.ledger.add(other(source, waiting));
    }

    fn between(
        &mut self,
        body: &Bytes,
        lines: &[Delimiter],
        waiting: &Waiting,
    ) -> Vec<(Bytes, Bytes)> {
        let mut parts = Vec::new();
        let mut closed = false;
        for (at, delimiter) in lines.iter().enumerate() {
            let end = lines.get(at + 1).map_or(body.len(), |next| next.start);
            let octets = cut(body, delimiter.end..end);
            let is_last = at + 1 == lines.len();
            match delimiter.closing {
                true => self.stray(octets, waiting),
                false => {
                    if closed {
                        self.anatomy.oddities.note(Oddity::BoundaryAfterClose, "");
                    }
                    if is_last {
                        self.anatomy.oddities.note(Oddity::BoundaryUnclosed, "");
                    }
                    parts.push((octets, cut(body, end..body.len())));
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
            if part.media.delimiter.as_deref() == Some(boundary) {
                return true;
            }
            above = part.parent;
        }
        false
    }

    /// A multipart that has no parts: its body is shown, by itself or as what it looks like.
    fn read_as_text(&mut self, part: &Part, body: &Bytes, waiting: &Waiting) {
        if body.trim_ascii().is_empty() {
            return;
        }
        if waiting.generation == 0 {
            self.anatomy.strays.push(body.clone());
        }
        self.sniff(body, waiting);
        self.ledger.add(other(plain(part.head.clone(), body.clone()), waiting));
    }

    /// What stands before the first boundary or behind the last.
    fn stray(&mut self, octets: Bytes, waiting: &Waiting) {
        if octets.trim_ascii().is_empty() {
            return;
        }
        if self.sniff(&octets, waiting) {
            self.anatomy.oddities.note(Oddity::PartOutside, "");
        }
        if super::archive::holds_text_files(&octets) {
            self.ledger.add(other(plain(Head::default(), octets.clone()), waiting));
        }
        if waiting.generation == 0 {
            self.anatomy.strays.push(octets);
        }
    }
}

/// Another reading of what is being read.
fn other(source: Source, waiting: &Waiting) -> Waiting {
    Waiting {
        source,
        generation: waiting.generation.saturating_add(1),
        strictness: Strictness::Usual,
        ..waiting.clone()
    }
}

fn typed(media: Media, head: Head, body: Bytes) -> Source {
    Source::Typed { media: Box::new(media), head, body }
}

/// A body as it is written, without any type.
fn plain(head: Head, body: Bytes) -> Source {
    let media = Media { main: PLAIN.0.into(), subtype: PLAIN.1.into(), ..Media::default() };
    typed(media, head, body)
}

fn multipart(boundary: Vec<u8>) -> Media {
    Media {
        main: "multipart".into(),
        subtype: "mixed".into(),
        boundary: Some(String::from_utf8_lossy(&boundary).into_owned()),
        delimiter: Some(boundary),
        ..Media::default()
    }
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
