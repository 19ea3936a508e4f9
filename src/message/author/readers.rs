//! The careless ways of reading a From field that are in use, to find what they would show.
//!
//! In: a header; a value and what the strict reader made of it. Out: doubts. A careless
//! reader takes a bare CR or another control as a line end, cuts at NUL, lets quotes and
//! comments not count, takes the first or the last pair of angle brackets, takes the first
//! word with an `@`, decodes encoded words before it looks for addresses. None of them sees
//! an address that is not written somewhere in the field, decoded or not; so a value with a
//! single `@` needs no further look.

use memchr::{memchr, memchr_iter, memmem};

use super::doubt;
use super::list::{List, Token};
use super::{Mailbox, spec};
use crate::message::head::Head;
use crate::message::words;

/// What careless readers make of a header's From fields.
#[derive(Debug, Default)]
pub(super) struct AuthorFields {
    /// More of them than there are to a careful reader.
    pub(super) hidden: bool,
    /// One of them has white space before its colon.
    pub(super) spaced: bool,
    /// One of them stands behind the end of the header, to some.
    pub(super) behind_stray: bool,
}

/// Counts From fields as careless readers do.
pub(super) fn author_fields(head: &Head) -> AuthorFields {
    let octets = head.octets();
    let mut seen = AuthorFields::default();
    let mut known = 0;
    for field in head.all("from") {
        known += 1;
        let name_end = field.start() + head.name(field).len();
        seen.spaced |= octets.get(name_end) != Some(&b':');
    }
    if let Some(stray) = head.stray_offset() {
        seen.behind_stray = head.all("from").any(|field| field.start() > stray);
    }
    let mut shown = 0;
    let mut named_alone = false;
    for line in careless_lines(octets) {
        let is_continuation = line.first().is_some_and(|octet| matches!(octet, b' ' | b'\t'));
        // A fold or a control before the colon.
        seen.hidden |= named_alone && line.trim_ascii().starts_with(b":");
        named_alone = false;
        // White space before the very first field is overlooked by some.
        let at_start = std::ptr::eq(line.as_ptr(), octets.as_ptr());
        if is_continuation && !at_start {
            continue;
        }
        match memchr(b':', line) {
            Some(colon) => shown += usize::from(is_from(line.get(..colon).unwrap_or_default())),
            None => named_alone = is_from(line),
        }
    }
    seen.hidden |= shown > known;
    seen
}

/// Lines to a reader for whom every control ends one.
fn careless_lines(octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    octets.split(|octet| *octet < b' ' && *octet != b'\t').filter(|line| !line.is_empty())
}

/// Whether a name is From when white space and what is not ASCII are overlooked.
fn is_from(name: &[u8]) -> bool {
    let letters = || name.iter().filter(|octet| octet.is_ascii_graphic());
    // Cheap first: nearly no name begins so.
    name.len() >= 4
        && letters().take(5).count() == 4
        && letters().zip(b"from").all(|(octet, letter)| octet.eq_ignore_ascii_case(letter))
}

/// Octets that cut a value where its reader does not expect it.
pub(super) fn doubt_of_octets(value: &[u8]) -> Option<&'static str> {
    let value = value.trim_ascii();
    let is_control =
        |octet: &u8| (*octet < 32 && !matches!(octet, b'\t' | b'\r' | b'\n')) || *octet == 127;
    let bare_cr = || memchr_iter(b'\r', value).any(|at| value.get(at + 1) != Some(&b'\n'));
    if value.iter().any(is_control) || bare_cr() {
        return Some(doubt::CONTROL);
    }
    let mut lines = value.split(|octet| *octet == b'\n');
    match lines.any(|line| line.trim_ascii().is_empty()) && !value.is_empty() {
        true => Some(doubt::BLANK_FOLD),
        false => None,
    }
}

/// Whether any reader could find an address.
pub(super) fn shows_address(line: &[u8]) -> bool {
    line.contains(&b'@') || words::decode(line).contains('@')
}

/// Why careless readers would see somebody else than `mailboxes`, if they would.
pub(super) fn dissent(line: &[u8], list: &List<'_>, mailboxes: &[Mailbox]) -> Option<&'static str> {
    let known = |claim: &[u8]| is_one_of(claim, mailboxes);
    if memchr_iter(b'@', line).nth(1).is_some() {
        let words = list.entries.iter().flat_map(|entry| words_with_at(&entry.tokens));
        if angles(line).chain(pieces(line)).chain(words).any(|claim| !known(claim)) {
            return Some(doubt::TWO_READINGS);
        }
    }
    memmem::find(line, b"=?")?;
    let decoded = words::decode(line);
    // Old East Asian charsets shift with these; a tab is white space.
    let is_shift = |letter: char| matches!(letter, '\t' | '\u{e}' | '\u{f}' | '\u{1b}');
    if decoded.contains(|letter: char| letter.is_control() && !is_shift(letter)) {
        return Some(doubt::ENCODED_CONTROL);
    }
    let decoded = decoded.as_bytes();
    if memchr_iter(b'@', decoded).nth(1).is_some()
        && angles(decoded).chain(pieces(decoded)).any(|claim| !known(claim))
    {
        return Some(doubt::ENCODED_SYNTAX);
    }
    None
}

/// What every pair of angle brackets holds, quotes and comments not counting.
fn angles(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|octet| *octet == b'<').skip(1).filter_map(|rest| {
        let inner = rest.split(|octet| *octet == b'>').next()?;
        inner.contains(&b'@').then_some(inner)
    })
}

/// The first word with an `@` of every piece between commas that has no angle brackets,
/// quotes and comments not counting.
fn pieces(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|octet| matches!(octet, b',' | b';')).filter_map(|piece| {
        if piece.contains(&b'<') || piece.contains(&b'>') {
            return None;
        }
        piece.split(u8::is_ascii_whitespace).find(|word| word.contains(&b'@'))
    })
}

/// Words with an `@` beside angle brackets: the address to readers that stop at the first.
fn words_with_at<'t>(tokens: &'t [Token<'_>]) -> impl Iterator<Item = &'t [u8]> {
    let bracketed = tokens.iter().any(|token| matches!(token, Token::Angle(_)));
    tokens.iter().enumerate().filter_map(move |(at, token)| match token {
        Token::Text(text) if bracketed && text.contains(&b'@') => {
            // A literal is a token of its own.
            let next = tokens.get(at + 1);
            let literal = matches!(next, Some(Token::Text(next)) if next.starts_with(b"["));
            (could_be_address(text) || (literal && text.ends_with(b"@"))).then_some(*text)
        }
        _ => None,
    })
}

/// Something before an `@` and a dot behind it. `Twitter @goodco` and
/// `Info@Goodco` are an address to nobody when the real one stands in brackets behind them.
fn could_be_address(text: &[u8]) -> bool {
    memchr_iter(b'@', text).any(|at| {
        let behind = text.get(at + 1..).unwrap_or_default();
        let inner = behind.strip_suffix(b".").unwrap_or(behind);
        at > 0 && inner.contains(&b'.')
    })
}

/// Whether a claim is the address of one of the mailboxes.
fn is_one_of(claim: &[u8], mailboxes: &[Mailbox]) -> bool {
    let outer = |octet: &u8| {
        octet.is_ascii_whitespace() || matches!(octet, b'"' | b'\'' | b'(' | b')' | b'[' | b']')
    };
    let is_known = |raw: &[u8]| {
        spec::read_tolerantly(raw).is_some_and(|address| {
            let key = address.key();
            mailboxes.iter().any(|mailbox| mailbox.address.key() == key)
        })
    };
    let start = claim.iter().position(|octet| !outer(octet)).unwrap_or(claim.len());
    let end = claim.iter().rposition(|octet| !outer(octet)).map_or(start, |end| end + 1);
    is_known(claim) || is_known(claim.get(start..end).unwrap_or_default())
}
