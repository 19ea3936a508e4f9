//! Links that are written out in a text.
//!
//! In: text. Out: links with a scheme, with `www.`, as bare names, and such as are spelled so
//! that programs do not see them. One pass over words; the end of a link is where mail readers
//! end it: before punctuation that closes a sentence, a bracket that was not opened in it,
//! quotes, angle brackets. In angle brackets a link may go on in the next line (RFC 3986
//! appendix C). Bare names need a suffix of the public list and something that tells them from
//! file names and slips of the pen.

use std::borrow::Cow;

use super::{Links, Place, Spot};
use crate::net::registrable;

/// The longest link that is read.
const LINK_OCTETS: usize = 2_048;
/// Octets in which an angle bracket must close.
const BRACKET_OCTETS: usize = 2_048;

/// Reads the links of a text.
pub(super) fn read(text: &str, spot: Spot, links: &mut Links) {
    if !text.contains(['.', ':']) && !has_spelled_dot(text) {
        return;
    }
    let mut rest = text;
    while let Some(word_at) = rest.find(|letter| !is_gap(letter)) {
        let from_word = rest.get(word_at..).unwrap_or_default();
        let bracketed = rest.get(..word_at).unwrap_or_default().ends_with('<');
        if bracketed && let Some((inner, after)) = wrapped(from_word) {
            links.push(Place::Text, &inner, &inner, spot);
            rest = after;
            continue;
        }
        let end = from_word.find(is_gap).unwrap_or(from_word.len());
        let (word, after) = from_word.split_at_checked(end).unwrap_or((from_word, ""));
        // Cheap: most words are none.
        if word.contains(['.', ':']) || has_spelled_dot(word) {
            read_word(word, spot, links);
        }
        rest = after;
    }
}

/// What no link holds.
fn is_gap(letter: char) -> bool {
    letter <= ' '
        || matches!(letter, '<' | '>' | '"' | '`' | '\u{7f}'..='\u{a0}' | '\u{ab}' | '\u{bb}')
        || matches!(letter, '\u{2000}'..='\u{200a}' | '\u{2028}' | '\u{2029}' | '\u{202f}')
        || matches!(letter, '\u{201c}'..='\u{201f}' | '\u{3000}'..='\u{3001}' | '\u{3008}'..='\u{300f}')
}

/// A link behind an angle bracket that goes on over a line end, without its line ends.
fn wrapped(from_word: &str) -> Option<(String, &str)> {
    let is_link = ["http://", "https://", "ftp://", "HTTP://", "HTTPS://"];
    if !is_link.iter().any(|scheme| from_word.starts_with(scheme)) {
        return None;
    }
    let window = from_word.get(..from_word.floor_char_boundary(BRACKET_OCTETS))?;
    let end = window.find(['>', '<', '"', ' ', '\t'])?;
    let (inner, after) = from_word.split_at_checked(end)?;
    if !after.starts_with('>') || !inner.contains('\n') {
        return None;
    }
    Some((inner.chars().filter(|letter| !matches!(letter, '\r' | '\n')).collect(), after))
}

fn read_word(word: &str, spot: Spot, links: &mut Links) {
    if let Some(at) = memchr::memmem::find(word.as_bytes(), b"://") {
        let before = word.get(..at).unwrap_or_default();
        let letters = before.bytes().rev().take(8).take_while(u8::is_ascii_alphabetic).count();
        let start = at - letters;
        let scheme = before.get(start..).unwrap_or_default().to_ascii_lowercase();
        // Behind other letters: `Nhttp://`, as when a line end was lost.
        let known = ["https", "http", "ftp", "hxxps", "hxxp"]
            .into_iter()
            .find(|known| scheme.ends_with(known));
        if let Some(known) = known {
            let link = word.get(at - known.len()..).unwrap_or_default();
            return push_whole(link, spot, links);
        }
        return;
    }
    let bare = word.trim_start_matches(|letter: char| !letter.is_alphanumeric());
    if bare.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("www.")) {
        return push_whole(bare, spot, links);
    }
    if has_spelled_dot(word) {
        return push_whole(bare, spot, links);
    }
    if !word.contains('@') {
        push_bare(bare, spot, links);
    }
}

fn push_whole(link: &str, spot: Spot, links: &mut Links) {
    let link = link.get(..link.floor_char_boundary(LINK_OCTETS)).unwrap_or_default();
    let link = without_tail(link);
    let plain = respelled(link);
    let place = match plain {
        Cow::Borrowed(_) => Place::Text,
        Cow::Owned(_) => Place::SpelledOut,
    };
    let is_www = plain.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("www."));
    let named = match plain.contains("://") || is_www {
        true => true,
        // A bare name with a dot in brackets.
        false => bare_host(&plain).is_some(),
    };
    if named {
        let target = match plain.contains("://") {
            true => plain,
            false => Cow::Owned(format!("http://{plain}")),
        };
        links.push(place, &target, link, spot);
    }
}

/// How a dot or a scheme is written by those who do not want a link to be one.
const SPELLED_DOTS: [&str; 8] = ["[.]", "(.)", "{.}", "[dot]", "(dot)", "{dot}", "[DOT]", "(DOT)"];

fn has_spelled_dot(word: &str) -> bool {
    word.contains(['[', '(', '{']) && SPELLED_DOTS.iter().any(|dot| word.contains(dot))
}

/// The link with its dots and its scheme as a browser needs them; borrowed when it had them.
fn respelled(link: &str) -> Cow<'_, str> {
    let scheme = ["hxxps://", "hxxp://"].into_iter().find(|scheme| {
        link.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let authority_end = link.find("://").map_or(0, |at| at + 3);
    let authority = link.get(authority_end..).unwrap_or_default();
    let authority = authority.split(['/', '?']).next().unwrap_or_default();
    if scheme.is_none() && !has_spelled_dot(authority) {
        return Cow::Borrowed(link);
    }
    let mut plain = link.to_owned();
    for dot in SPELLED_DOTS {
        plain = plain.replace(dot, ".");
    }
    match scheme {
        Some(scheme) => {
            let after = plain.get(scheme.len()..).unwrap_or_default();
            Cow::Owned(scheme.replace("xx", "tt") + after)
        }
        None => Cow::Owned(plain),
    }
}

/// Without punctuation that belongs to the sentence, and without brackets that close what was
/// opened outside of the link.
fn without_tail(link: &str) -> &str {
    const PAIRS: [(char, char); 3] = [('(', ')'), ('[', ']'), ('{', '}')];
    let mut link = link;
    // How many more of each pair are closed than opened; counted once, so that this is linear.
    let mut surplus = PAIRS.map(|(open, close)| {
        link.matches(close).count() as isize - link.matches(open).count() as isize
    });
    loop {
        let Some(last) = link.chars().next_back() else { return link };
        let pair = PAIRS.iter().zip(&mut surplus).find(|((_, close), _)| *close == last);
        let cut = match (last, pair) {
            (_, Some((_, surplus))) => {
                *surplus -= 1;
                *surplus >= 0
            }
            ('.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '|' | '\\', _) => true,
            ('\u{2026}' | '\u{2018}' | '\u{2019}' | '\u{3002}' | '\u{ff0c}', _) => true,
            _ => false,
        };
        if !cut {
            return link;
        }
        link = link.get(..link.len() - last.len_utf8()).unwrap_or_default();
    }
}

/// A name without scheme, as some mail readers make links of.
fn push_bare(word: &str, spot: Spot, links: &mut Links) {
    let word = word.get(..word.floor_char_boundary(LINK_OCTETS)).unwrap_or_default();
    let word = without_tail(word);
    if bare_host(word).is_some() {
        links.push(Place::BareText, &format!("http://{word}"), word, spot);
    }
}

/// Suffixes under which names are taken for links without a path. Under the others, which
/// are extensions of files or words as well, a path must follow.
const PLAIN_SUFFIXES: [&str; 14] = [
    "com", "net", "org", "info", "biz", "edu", "gov", "co.uk", "org.uk", "gov.uk", "ac.uk",
    "com.au", "com.br", "de",
];

/// The host of a word that may be a bare link.
fn bare_host(word: &str) -> Option<&str> {
    let end = word.find(['/', '?', '#', ':']).unwrap_or(word.len());
    let (host, path) = word.split_at_checked(end)?;
    let first_dot = host.find('.')?;
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'.';
    if first_dot == 0 || host.len() > 253 || !host.bytes().all(allowed) || host.contains("..") {
        return None;
    }
    let lower = host.to_ascii_lowercase();
    let suffix = psl::suffix(lower.as_bytes()).filter(|suffix| suffix.is_known())?;
    let suffix = std::str::from_utf8(suffix.as_bytes()).ok()?;
    registrable::organisational(&lower)?;
    let plain = PLAIN_SUFFIXES.contains(&suffix);
    let has_path = path.len() > 1 && path.starts_with('/');
    // `example.De` ends one sentence and begins the next.
    let last = host.rsplit('.').next().unwrap_or_default();
    let capital = last.starts_with(|letter: char| letter.is_ascii_uppercase())
        && last.bytes().any(|octet| octet.is_ascii_lowercase());
    (!capital && (plain || has_path)).then_some(host)
}

/// Whether a text that stands for a link is itself a name or a link, and then its host in the
/// form of [`super::Host::Name`].
pub(super) fn shown_host(visible: &str) -> Option<String> {
    let visible = visible.trim();
    if visible.len() > LINK_OCTETS || visible.is_empty() {
        return None;
    }
    // One word, or the first of several when it has a scheme.
    let word = visible.split_whitespace().next()?;
    let whole = word.len() == visible.len();
    let lower = word.to_ascii_lowercase();
    let is_link = ["http://", "https://", "www."].iter().any(|start| lower.starts_with(start));
    if !is_link && (!whole || word.contains('@') || shown_bare(word).is_none()) {
        return None;
    }
    let target = match lower.contains("://") {
        true => Cow::Borrowed(word),
        false => Cow::Owned(format!("http://{word}")),
    };
    let parsed = super::Target::parse(without_tail(&target));
    let name = parsed.name()?.to_owned();
    registrable::organisational(&name).is_some().then_some(name)
}

/// A name that is shown alone needs no path to be one, but a suffix that sites have.
fn shown_bare(word: &str) -> Option<&str> {
    let word = without_tail(word);
    let end = word.find(['/', '?', '#', ':']).unwrap_or(word.len());
    let host = word.get(..end)?;
    let lower = host.to_ascii_lowercase();
    let suffix = psl::suffix(lower.as_bytes()).filter(|suffix| suffix.is_known())?;
    let suffix = std::str::from_utf8(suffix.as_bytes()).ok()?;
    let is_file = ["py", "rs", "sh", "md", "pl", "zip", "mov", "ps", "so", "cc", "pm", "js", "ai"];
    let two_labels = host.matches('.').count() == 1;
    (host.contains('.') && !(two_labels && is_file.contains(&suffix))).then_some(host)
}
