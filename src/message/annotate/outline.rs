//! The tree of parts of a message by their places (RFC 2046), without reading the bodies.
//!
//! In: a content, in memory or in a file. Out: [`Outline`]: every part with its head, its
//! declared type and where it lies. A content in a file is read in windows, of which one is
//! held at a time; nothing is decoded. The tree is that of the usual reading of
//! [`Anatomy`](crate::message::Anatomy), except that messages within are not entered. One pass,
//! linear in the octets, times the multiparts that are open at one place. Fails with the disk.

use std::io;
use std::ops::Range;

use bytes::Bytes;
use memchr::{memchr, memmem};

use crate::mail::Content;
use crate::message::cut;
use crate::message::head::{Head, trim_line_end};
use crate::message::media::{Encoding, Media};
use crate::message::oddity::Oddities;

/// So much of a content in a file is held at once.
const WINDOW_OCTETS: u64 = 256 << 10;
/// A part whose header is longer is not looked into.
const HEAD_OCTETS: u64 = 128 << 10;
/// The header of the message itself may be longer.
const MESSAGE_HEAD_OCTETS: u64 = 1 << 20;
/// A delimiter line with the white space behind it.
const LINE_OCTETS: u64 = 16 << 10;
/// Parts in all.
const PARTS: usize = 1_000;
/// Parts in parts.
const DEPTH: usize = 24;

/// How a header is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Of fields.
    Whole,
    /// Some line is no field: to some readers the body begins there.
    Torn,
    /// It is longer than is looked at, so where the body begins is not known.
    Endless,
}

/// A part by its places in the message.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) parent: Option<usize>,
    pub(super) head: Head,
    pub(super) media: Media,
    /// The fields can be understood in several ways.
    pub(super) ambiguous: bool,
    /// How its header is made.
    pub(super) form: Form,
    /// Where the header begins.
    pub(super) start: u64,
    /// The body without the line end that belongs to the delimiter.
    pub(super) body: Range<u64>,
    pub(super) children: Vec<usize>,
    /// Where the delimiter line before it begins, at its dashes.
    pub(super) opened: u64,
    /// The same of the next delimiter of the multipart that holds it.
    pub(super) closed: Option<u64>,
}

impl Node {
    /// The boundary of a multipart that can be one (RFC 2046 section 5.1.1).
    pub(super) fn delimiter(&self) -> Option<&[u8]> {
        let delimiter = self.media.delimiter.as_deref().map(<[u8]>::trim_ascii_end);
        let is_plain = self.media.main == "multipart" && self.media.encoding == Encoding::Identity;
        delimiter.filter(|octets| is_plain && !octets.is_empty())
    }

    /// Octets of the body.
    pub(super) fn octets(&self) -> u64 {
        self.body.end.saturating_sub(self.body.start)
    }

    /// Whether a blank line ends the header.
    pub(super) fn is_separated(&self) -> bool {
        let octets: &[u8] = self.head.octets();
        matches!(octets, b"\n" | b"\r\n")
            || octets.ends_with(b"\n\r\n")
            || octets.ends_with(b"\n\n")
    }
}

/// All parts; a part stands behind the one that holds it.
#[derive(Debug)]
pub(super) struct Outline {
    pub(super) nodes: Vec<Node>,
    /// There are more parts than were looked for.
    pub(super) overfull: bool,
}

impl Outline {
    /// Finds the parts of a message.
    pub(super) fn of(content: &Content) -> io::Result<Outline> {
        let outline = Outline { nodes: Vec::new(), overfull: false };
        let mut walk = Walk { content, outline, path: Vec::new() };
        let mut at = walk.enter(0, 0)?;
        while walk.is_in_multipart() {
            let Some((start, line)) = walk.next_delimiter(at)? else { break };
            if walk.outline.nodes.len() >= PARTS {
                walk.outline.overfull = true;
                break;
            }
            at = walk.pass(start, &line)?;
        }
        walk.end(0, content.len());
        Ok(walk.outline)
    }

    /// A part by its number.
    pub(super) fn node(&self, number: usize) -> Option<&Node> {
        self.nodes.get(number)
    }

    /// The boundaries of all multiparts that hold a part.
    pub(super) fn delimiters_above(&self, number: usize) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let mut above = self.node(number).and_then(|node| node.parent);
        while let Some(node) = above.and_then(|number| self.node(number)) {
            found.extend(node.delimiter().map(<[u8]>::to_vec));
            above = node.parent;
        }
        found
    }
}

/// Octets of a place: shared when the content is in memory, read otherwise.
pub(super) fn read(content: &Content, place: Range<u64>) -> io::Result<Bytes> {
    let end = place.end.min(content.len());
    let start = place.start.min(end);
    if let Some(octets) = content.in_memory() {
        let offset = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        return Ok(cut(octets, offset(start)..offset(end)));
    }
    let mut window = vec![0; usize::try_from(end - start).map_err(io::Error::other)?];
    let mut filled = 0;
    while let Some(rest) = window.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match content.read_at(start + filled as u64, rest)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            octets => filled += octets,
        }
    }
    Ok(window.into())
}

/// A delimiter line that was found.
struct Line {
    /// Place in the path of the multipart whose it is.
    level: usize,
    closing: bool,
    /// Octets of the line end before it.
    end_before: u64,
    /// Octets with its own line end.
    octets: u64,
}

struct Walk<'c> {
    content: &'c Content,
    outline: Outline,
    /// The part that is being passed and all that hold it, the message first.
    path: Vec<usize>,
}

impl Walk<'_> {
    fn is_in_multipart(&self) -> bool {
        self.path.iter().any(|number| self.delimiter(*number).is_some())
    }

    fn delimiter(&self, number: usize) -> Option<&[u8]> {
        self.outline.node(number).and_then(Node::delimiter)
    }

    /// Reads the header of the part that begins at `start`; returns where to go on.
    fn enter(&mut self, start: u64, opened: u64) -> io::Result<u64> {
        let parent = self.path.last().copied();
        let most = if parent.is_none() { MESSAGE_HEAD_OCTETS } else { HEAD_OCTETS };
        let (mut window, is_cut) = self.read_head(start, most)?;
        // A delimiter within what looks like the header ends the part.
        let ends = self.delimiter_within(&window);
        if let Some(end) = ends {
            window = cut(&window, 0..end);
        }
        let mut odd = Oddities::default();
        let (head, rest) = Head::split(&window, &mut odd);
        let fallback = match parent.and_then(|number| self.outline.node(number)) {
            // RFC 2046 section 5.1.5.
            Some(above) if above.media.is("multipart", "digest") => ("message", "rfc822"),
            _ => ("text", "plain"),
        };
        let mut readings = Media::readings(&head, fallback, &mut odd);
        let is_endless = is_cut && rest.is_empty() && ends.is_none();
        let ambiguous = readings.len() > 1;
        let form = match (is_endless, head.stray()) {
            (true, _) => Form::Endless,
            (false, Some(_)) => Form::Torn,
            (false, None) => Form::Whole,
        };
        let mut media = match readings.is_empty() {
            true => Media::default(),
            false => readings.swap_remove(0),
        };
        if self.path.len() >= DEPTH || form == Form::Endless {
            media = Media::default();
        }
        let body = start + head.octets().len() as u64;
        let number = self.outline.nodes.len();
        let node = Node {
            parent,
            head,
            media,
            ambiguous,
            form,
            start,
            body: body..body,
            children: Vec::new(),
            opened,
            closed: None,
        };
        self.outline.nodes.push(node);
        if let Some(above) = parent.and_then(|number| self.outline.nodes.get_mut(number)) {
            above.children.push(number);
        }
        self.path.push(number);
        Ok(if ends.is_some() { start } else { body })
    }

    /// The octets up to the blank line and perhaps more; whether there would be more of them.
    fn read_head(&self, start: u64, most: u64) -> io::Result<(Bytes, bool)> {
        let mut wanted = 4 << 10;
        loop {
            let window = read(self.content, start..start.saturating_add(wanted))?;
            let is_all = start + window.len() as u64 >= self.content.len();
            let ends = |blank: &[u8]| memmem::find(&window, blank).is_some();
            let is_ended = ends(b"\n\r\n") || ends(b"\n\n") || blank_start(&window);
            if is_all || is_ended || wanted >= most {
                return Ok((window, !is_all));
            }
            wanted = (wanted * 4).min(most);
        }
    }

    /// Where in the header that begins `window` a delimiter of an open multipart stands, with
    /// the line end before it.
    fn delimiter_within(&self, window: &Bytes) -> Option<usize> {
        let (head, _) = Head::split(window, &mut Oddities::default());
        // The line behind the header still matters: its line end may be the separator's.
        let mut at = 0;
        while let Some(line) = window.get(at..).filter(|rest| !rest.is_empty()) {
            if at > head.octets().len() {
                return None;
            }
            if line.starts_with(b"--") && self.delimits(line).is_some() {
                return Some(trim_line_end(window.get(..at).unwrap_or_default()).len());
            }
            at += memchr(b'\n', line)? + 1;
        }
        None
    }

    /// Whose delimiter a line is that begins with dashes; an outer multipart's goes first.
    fn delimits(&self, from_line: &[u8]) -> Option<(usize, bool)> {
        let line = from_line.get(2..)?;
        for (level, number) in self.path.iter().enumerate() {
            let Some(delimiter) = self.delimiter(*number) else { continue };
            let Some(tail) = line.strip_prefix(delimiter) else { continue };
            let end = memchr(b'\n', tail).unwrap_or(tail.len());
            // RFC 2046 section 5.1.1: white space may stand behind it.
            match tail.get(..end).unwrap_or_default().trim_ascii_end() {
                b"" => return Some((level, false)),
                b"--" => return Some((level, true)),
                _ => {}
            }
        }
        None
    }

    /// The next delimiter line of an open multipart, from a line's beginning on.
    fn next_delimiter(&self, from: u64) -> io::Result<Option<(u64, Line)>> {
        let dashes = memmem::Finder::new(b"\n--");
        let mut at = from;
        let before = read(self.content, from.saturating_sub(2)..from)?;
        while at < self.content.len() {
            let window = read(self.content, at..at + WINDOW_OCTETS)?;
            let is_all = at + window.len() as u64 >= self.content.len();
            // What lies nearer to the end may not show its whole line.
            let sure = match is_all {
                true => window.len(),
                false => window.len().saturating_sub(LINE_OCTETS as usize),
            };
            let first = (at == from && window.starts_with(b"--")).then_some(0);
            let later = dashes.find_iter(&window).map(|at| at + 1);
            for start in first.into_iter().chain(later).take_while(|start| *start < sure) {
                let line = window.get(start..).unwrap_or_default();
                let Some((level, closing)) = self.delimits(line) else { continue };
                let passed = match start {
                    0 => before.as_ref(),
                    _ => window.get(..start).unwrap_or_default(),
                };
                let end_before = (passed.len() - trim_line_end(passed).len()) as u64;
                let octets = memchr(b'\n', line).map_or(line.len(), |end| end + 1) as u64;
                let found = Line { level, closing, end_before, octets };
                return Ok(Some((at + start as u64, found)));
            }
            if is_all {
                return Ok(None);
            }
            // The line end before a delimiter must be seen with it.
            let step = sure.saturating_sub(2).max(1);
            at += step as u64;
        }
        Ok(None)
    }

    /// Goes over a delimiter line; returns where to go on.
    fn pass(&mut self, start: u64, line: &Line) -> io::Result<u64> {
        self.end(line.level + 1, start - line.end_before);
        if let Some(child) = self.path.get(line.level + 1)
            && let Some(node) = self.outline.nodes.get_mut(*child)
        {
            node.closed = Some(start);
        }
        self.path.truncate(line.level + 1);
        let next = start + line.octets;
        // A delimiter without a line end at the end of everything begins no part.
        let is_cut = next >= self.content.len() && read(self.content, next - 1..next)? != "\n";
        match line.closing || is_cut {
            true => Ok(next),
            false => self.enter(next, start),
        }
    }

    /// What is open from a level of the path on ends here.
    fn end(&mut self, level: usize, at: u64) {
        for number in self.path.iter().skip(level) {
            if let Some(node) = self.outline.nodes.get_mut(*number) {
                node.body.end = at.max(node.body.start);
            }
        }
    }
}

fn blank_start(window: &[u8]) -> bool {
    window.starts_with(b"\r\n") || window.starts_with(b"\n")
}
