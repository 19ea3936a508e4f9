//! An address list cut into entries (RFC 5322 section 3.4, obsolete forms of section 4.4).
//!
//! In: the value of a field on one line. Out: [`List`]: entries between commas, groups
//! opened, each with its name, its comments and the octets of its address. Quoted strings,
//! comments in comments (to a limit) and domain literals are known; what is never closed is
//! text, and a doubt. One pass.

use std::borrow::Cow;

use super::doubt;
use crate::message::words;

/// Comments in comments beyond this are not followed.
const COMMENT_DEPTH: u32 = 16;
/// `[IPv6:…]` in full length is shorter.
const LITERAL_OCTETS: usize = 64;

/// A piece of an entry.
#[derive(Debug)]
pub(super) enum Token<'v> {
    /// What stands outside of all brackets and quotes; no white space.
    Text(&'v [u8]),
    /// A quoted string: as it is written, and without quotes and escapes.
    Quoted(&'v [u8], Cow<'v, [u8]>),
    /// A comment without its outer brackets.
    Comment(&'v [u8]),
    /// What stands between `<` and `>`.
    Angle(&'v [u8]),
    Space,
}

/// What stands between two commas.
#[derive(Debug, Default)]
pub(super) struct Entry<'v> {
    pub(super) tokens: Vec<Token<'v>>,
    /// An address without brackets is cut by spaces or comments, or more than one is there.
    pub(super) scattered: bool,
    /// One of the tokens is an [`Token::Angle`].
    bracketed: bool,
    /// One of the texts holds an `@`.
    holds_at: bool,
}

/// A whole list.
#[derive(Debug, Default)]
pub(super) struct List<'v> {
    pub(super) entries: Vec<Entry<'v>>,
    /// What no author's address should have.
    pub(super) doubt: Option<&'static str>,
}

impl<'v> List<'v> {
    /// Cuts a value, which is on one line, into its entries.
    pub(super) fn read(line: &'v [u8]) -> List<'v> {
        let mut cutter = Cutter {
            line,
            at: 0,
            list: List::default(),
            entry: Entry::default(),
            in_group: false,
            // A colon opens a group only when a semicolon can close it.
            last_semicolon: memchr::memrchr(b';', line),
            no_quote_from: None,
            no_bracket_from: None,
            no_comment_from: None,
        };
        cutter.run();
        cutter.list
    }
}

impl<'v> Entry<'v> {
    /// The octets of the address: between brackets, or all that is no comment.
    pub(super) fn address_text(&self) -> Option<Cow<'v, [u8]>> {
        let angle = self.tokens.iter().find_map(|token| match token {
            Token::Angle(inner) => Some(*inner),
            _ => None,
        });
        if let Some(inner) = angle {
            return Some(Cow::Borrowed(inner)).filter(|inner| !inner.trim_ascii().is_empty());
        }
        if !self.holds_at {
            return None;
        }
        let mut raw = Vec::new();
        for token in &self.tokens {
            match token {
                Token::Text(text) | Token::Quoted(text, _) => raw.extend_from_slice(text),
                Token::Space if !raw.is_empty() => raw.push(b' '),
                Token::Space | Token::Comment(_) | Token::Angle(_) => {}
            }
        }
        Some(Cow::Owned(raw))
    }

    fn push(&mut self, token: Token<'v>) {
        match &token {
            Token::Text(text) => self.holds_at |= text.contains(&b'@'),
            Token::Angle(_) => self.bracketed = true,
            Token::Quoted(..) | Token::Comment(_) | Token::Space => {}
        }
        self.tokens.push(token);
    }

    /// The name as it is written, without quotes and comments, when there is one.
    pub(super) fn name_octets(&self) -> Option<Cow<'v, [u8]>> {
        let mut name = Vec::new();
        for token in &self.tokens {
            match token {
                Token::Text(text) => name.extend_from_slice(text),
                Token::Quoted(_, inner) => name.extend_from_slice(inner),
                Token::Space => name.push(b' '),
                Token::Comment(_) => {}
                // Words behind the address are not its name.
                Token::Angle(_) => break,
            }
        }
        let name = name.trim_ascii();
        (!name.is_empty()).then(|| Cow::Owned(name.to_vec()))
    }

    /// The name that a reader shows, decoded; the first comment when there is none.
    pub(super) fn name(&self) -> String {
        let phrase = match self.bracketed {
            true => self.name_octets(),
            false => None,
        };
        let comment = || {
            self.tokens.iter().find_map(|token| match token {
                Token::Comment(inner) => Some(Cow::Borrowed(*inner)),
                _ => None,
            })
        };
        let name = phrase.or_else(comment).unwrap_or_default();
        words::decode(&name).trim().to_owned()
    }
}

struct Cutter<'v> {
    line: &'v [u8],
    at: usize,
    list: List<'v>,
    entry: Entry<'v>,
    in_group: bool,
    last_semicolon: Option<usize>,
    /// What is never closed from one place on is not closed from a later one either: known
    /// once, so that many openings do not cost a search each.
    no_quote_from: Option<usize>,
    no_bracket_from: Option<usize>,
    no_comment_from: Option<usize>,
}

impl<'v> Cutter<'v> {
    fn run(&mut self) {
        while let Some(octet) = self.line.get(self.at).copied() {
            match octet {
                b' ' | b'\t' => self.space(),
                b'"' => self.quoted(),
                b'(' => self.comment(),
                b'<' => self.angle(),
                b',' => self.end_entry(),
                b';' if self.in_group => {
                    self.in_group = false;
                    self.end_entry();
                }
                b':' if self.opens_group() => {
                    self.in_group = true;
                    self.doubt(doubt::GROUP);
                    self.entry = Entry::default();
                    self.at += 1;
                }
                b'[' if self.after_at() => self.literal(),
                _ => self.text(),
            }
        }
        self.end_entry();
    }

    fn doubt(&mut self, why: &'static str) {
        self.list.doubt.get_or_insert(why);
    }

    /// A group's name, then a colon, and a semicolon somewhere behind.
    fn opens_group(&self) -> bool {
        let closes = self.last_semicolon.is_some_and(|last| last > self.at);
        closes && !self.in_group && !self.entry.holds_at && !self.entry.bracketed
    }

    fn after_at(&self) -> bool {
        self.at > 0 && self.line.get(self.at - 1) == Some(&b'@')
    }

    fn end_entry(&mut self) {
        self.at += 1;
        let mut entry = std::mem::take(&mut self.entry);
        let is_blank = entry.tokens.iter().all(|token| matches!(token, Token::Space));
        if is_blank {
            return;
        }
        entry.scattered = is_scattered(&entry);
        self.list.entries.push(entry);
    }

    fn space(&mut self) {
        if !matches!(self.entry.tokens.last(), Some(Token::Space)) {
            self.entry.push(Token::Space);
        }
        self.at += 1;
    }

    /// Up to the next octet that means something outside of quotes.
    fn text(&mut self) {
        let rest = self.line.get(self.at..).unwrap_or_default();
        let ends = |octet: &u8| {
            matches!(octet, b' ' | b'\t' | b'"' | b'(' | b'<' | b',' | b';' | b':' | b'[')
        };
        // The first octet is text whatever it is.
        let len = rest.iter().skip(1).position(ends).map_or(rest.len(), |len| len + 1);
        let text = rest.get(..len).unwrap_or_default();
        self.entry.push(Token::Text(text));
        self.at += len;
    }

    fn push_text_octet(&mut self) {
        let text = self.line.get(self.at..self.at + 1).unwrap_or_default();
        self.entry.push(Token::Text(text));
        self.at += 1;
    }

    /// RFC 5322 section 3.2.4.
    fn quoted(&mut self) {
        let start = self.at;
        let end = match self.no_quote_from {
            Some(_) => None,
            None => end_of_quoted(self.line, start),
        };
        let Some(end) = end else {
            self.no_quote_from.get_or_insert(start);
            self.doubt(doubt::UNCLOSED);
            self.push_text_octet();
            return;
        };
        let raw = self.line.get(start..end).unwrap_or_default();
        let inner = self.line.get(start + 1..end - 1).unwrap_or_default();
        self.entry.push(Token::Quoted(raw, without_escapes(inner)));
        self.at = end;
    }

    /// RFC 5322 section 3.2.2.
    fn comment(&mut self) {
        let start = self.at;
        let end = match self.no_comment_from {
            Some(_) => None,
            None => end_of_comment(self.line, start),
        };
        match end {
            Some((end, depth)) => {
                if depth > COMMENT_DEPTH {
                    self.doubt(doubt::TOO_DEEP);
                }
                let inner = self.line.get(start + 1..end - 1).unwrap_or_default();
                self.entry.push(Token::Comment(inner));
                self.at = end;
            }
            None => {
                self.no_comment_from.get_or_insert(start);
                self.doubt(doubt::UNCLOSED);
                self.push_text_octet();
            }
        }
    }

    fn angle(&mut self) {
        let start = self.at + 1;
        if self.entry.bracketed {
            self.doubt(doubt::TWO_READINGS);
        }
        let end = match self.no_bracket_from {
            Some(_) => None,
            None => self.end_of_angle(start),
        };
        let Some(end) = end else {
            self.no_bracket_from.get_or_insert(start);
            self.doubt(doubt::UNCLOSED);
            // `Ann <ann@x.test` is an address to a tolerant reader.
            let inner = self.line.get(start..).unwrap_or_default();
            self.entry.push(Token::Angle(inner));
            self.at = self.line.len();
            return;
        };
        let inner = self.line.get(start..end).unwrap_or_default();
        self.entry.push(Token::Angle(inner));
        self.at = end + 1;
    }

    /// Where the `>` stands, quoted strings left aside.
    fn end_of_angle(&mut self, start: usize) -> Option<usize> {
        let mut at = start;
        while let Some(octet) = self.line.get(at) {
            match octet {
                b'>' => return Some(at),
                b'<' => self.doubt(doubt::NESTED_BRACKETS),
                b'"' if self.no_quote_from.is_none() => match end_of_quoted(self.line, at) {
                    Some(end) => {
                        at = end;
                        continue;
                    }
                    None => {
                        self.no_quote_from = Some(at);
                        self.doubt(doubt::UNCLOSED);
                    }
                },
                _ => {}
            }
            at += 1;
        }
        None
    }

    /// `[192.0.2.1]` behind an `@`.
    fn literal(&mut self) {
        let rest = self.line.get(self.at..).unwrap_or_default();
        let ends = |octet: &u8| matches!(octet, b']' | b'<' | b'"' | b'(' | b',');
        let len = rest.iter().take(LITERAL_OCTETS).position(ends);
        match len.filter(|len| rest.get(*len) == Some(&b']')) {
            Some(len) => {
                let text = rest.get(..=len).unwrap_or_default();
                self.entry.push(Token::Text(text));
                self.at += len + 1;
            }
            None => self.push_text_octet(),
        }
    }
}

/// Behind the quote that closes the one at `start`.
fn end_of_quoted(line: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    while let Some(octet) = line.get(at) {
        match octet {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// Behind the bracket that closes the comment at `start`, and how deep it went.
fn end_of_comment(line: &[u8], start: usize) -> Option<(usize, u32)> {
    let (mut depth, mut deepest) = (0_u32, 0_u32);
    let mut at = start;
    while let Some(octet) = line.get(at) {
        match octet {
            b'\\' => at += 1,
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
        at += 1;
        if depth == 0 {
            return Some((at, deepest));
        }
    }
    None
}

/// RFC 5322 section 3.2.1.
fn without_escapes(inner: &[u8]) -> Cow<'_, [u8]> {
    if !inner.contains(&b'\\') {
        return Cow::Borrowed(inner);
    }
    let mut bare = Vec::with_capacity(inner.len());
    let mut octets = inner.iter().copied();
    while let Some(octet) = octets.next() {
        match octet {
            b'\\' => bare.extend(octets.next()),
            _ => bare.push(octet),
        }
    }
    Cow::Owned(bare)
}

/// Whether an address without brackets has spaces or comments between its pieces.
fn is_scattered(entry: &Entry<'_>) -> bool {
    if entry.bracketed {
        return false;
    }
    let is_piece = |token: &Token<'_>| matches!(token, Token::Text(_) | Token::Quoted(..));
    let Some(first) = entry.tokens.iter().position(is_piece) else { return false };
    let Some(last) = entry.tokens.iter().rposition(is_piece) else { return false };
    let between = entry.tokens.get(first..=last).unwrap_or_default();
    !between.iter().all(is_piece)
}
