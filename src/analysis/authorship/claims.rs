//! What the name beside an address claims: other addresses, in whatever dress.
//!
//! In: a decoded display name. Out: the addresses that a reader would see in it, and whether
//! the name is nothing else; whether it holds characters that turn or hide what is read.

use unicode_normalization::UnicodeNormalization;

use crate::mail::Address;

/// Names beyond this are cut: nobody reads on.
const NAME_CHARS: usize = 400;
/// Words of a person's name.
const NAME_WORDS: usize = 4;
/// More addresses than this in a name are not looked for.
const ADDRESSES: usize = 8;

/// Addresses that a name shows.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    pub(super) found: Vec<Address>,
    /// There is nothing beside one address but quotes and brackets.
    pub(super) is_whole: bool,
    /// There is nothing beside one address but a name before it, or a label such as `From:`:
    /// what programs show of somebody's mailbox.
    pub(super) is_mailbox: bool,
}

/// The addresses that a reader sees in a name; full-width forms, invisible characters, spaces
/// around the at sign and letters turned round deceive nobody here.
pub(super) fn addresses_in(name: &str) -> Claimed {
    let start: String = name.chars().take(NAME_CHARS).collect();
    let seen = as_seen(&start).map(|seen| addresses_in_text(&seen));
    seen.filter(|seen| !seen.found.is_empty()).unwrap_or_else(|| addresses_in_text(&start))
}

fn addresses_in_text(text: &str) -> Claimed {
    let plain: String = text.nfkc().filter(|c| !is_hidden(*c)).collect();
    let mut claimed = Claimed::default();
    if !plain.contains('@') {
        return claimed;
    }
    let plain = closed_up(&plain);
    let outer = |letter: char| !letter.is_alphanumeric();
    let (mut words, mut names, mut ends) = (0, 0, false);
    for word in plain.split(|letter: char| letter.is_whitespace() || "<>(),;:\"|/".contains(letter))
    {
        let bare = word.trim_matches(outer);
        if bare.is_empty() {
            continue;
        }
        words += 1;
        names += usize::from(is_of_a_name(bare));
        let address = bare.parse::<Address>().ok().filter(is_public);
        ends = address.is_some();
        if claimed.found.len() < ADDRESSES {
            claimed.found.extend(address);
        }
    }
    claimed.is_whole = words == 1 && claimed.found.len() == 1;
    claimed.is_mailbox =
        ends && claimed.found.len() == 1 && words <= NAME_WORDS + 1 && names + 1 == words;
    claimed
}

/// `Ann` or `VAN`, or the label before an address; not `for` or `via`.
fn is_of_a_name(word: &str) -> bool {
    const LABELS: [&str; 5] = ["from", "mailto", "e-mail", "email", "mail"];
    let begins_large = word.chars().next().is_some_and(char::is_uppercase);
    !word.contains('@') && (begins_large || LABELS.contains(&word))
}

/// Without the white space around at signs, and around single dots: `ann @ x . test`.
fn closed_up(text: &str) -> String {
    let mut closed = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        let joins = |text: &str, edge: Option<char>| edge == Some('@') || text == ".";
        let before = closed.rsplit(' ').next().unwrap_or_default();
        let is_joined = joins(word, word.chars().next())
            || joins(before, before.chars().next_back())
            || (before.ends_with('.') && before.contains('@'));
        if !closed.is_empty() && !is_joined {
            closed.push(' ');
        }
        closed.push_str(word);
    }
    closed
}

/// What the eye sees where an override turns letters round (Unicode TR 9, RLO).
fn as_seen(text: &str) -> Option<String> {
    const OVERRIDE: char = '\u{202e}';
    let (before, turned) = text.split_once(OVERRIDE)?;
    let (turned, after) = turned.split_once('\u{202c}').unwrap_or((turned, ""));
    let round: String = turned.chars().rev().collect();
    Some(format!("{before}{round}{after}"))
}

/// With a domain that could be somebody's: `sales@head office` and `me@home` are words.
fn is_public(address: &Address) -> bool {
    let Some(domain) = address.domain() else { return false };
    domain.as_str().rsplit_once('.').is_some_and(|(_, top)| {
        top.len() >= 2
            && (top.starts_with("xn--") || top.bytes().all(|octet| octet.is_ascii_alphabetic()))
    })
}

/// Characters that turn the direction of what follows, or that are nothing to the eye between
/// letters. Joiners are part of some scripts and of emoji.
pub(super) fn is_deceptive(name: &str) -> bool {
    let turns = |letter: char| matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut before = None;
    let mut hidden = 0;
    for letter in name.chars().take(NAME_CHARS) {
        if turns(letter) {
            return true;
        }
        let invisible = is_hidden(letter)
            && !matches!(
                letter,
                '\u{200c}' | '\u{200d}' | '\u{200e}' | '\u{200f}' | '\u{fe00}'..='\u{fe0f}'
            );
        hidden += usize::from(invisible && before.is_some_and(char::is_alphanumeric));
        before = Some(letter);
    }
    hidden > 0
}

fn is_hidden(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{e0000}'..='\u{e0fff}')
}
