//! What the name beside an address claims: other addresses, in whatever dress.
//!
//! In: a decoded display name. Out: the addresses that a reader would see in it, and whether
//! the name is nothing else; whether it holds characters that turn or hide what is read.

use unicode_normalization::UnicodeNormalization;

use crate::mail::Address;

/// Names beyond this are cut: nobody reads on.
const NAME_CHARS: usize = 400;
/// More addresses than this in a name are not looked for.
const ADDRESSES: usize = 8;

/// Addresses that a name shows.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    pub(super) found: Vec<Address>,
    /// There is nothing beside one address but quotes and brackets.
    pub(super) is_whole: bool,
}

/// The addresses that a reader sees in a name; full-width forms and invisible characters
/// deceive nobody here.
pub(super) fn addresses_in(name: &str) -> Claimed {
    let plain: String = name.chars().take(NAME_CHARS).nfkc().filter(|c| !is_hidden(*c)).collect();
    let mut claimed = Claimed::default();
    if !plain.contains('@') {
        return claimed;
    }
    let outer = |letter: char| !letter.is_alphanumeric();
    let mut words = 0;
    for word in plain.split(|letter: char| letter.is_whitespace() || "<>(),;:\"|/".contains(letter))
    {
        let bare = word.trim_matches(outer);
        words += usize::from(!bare.is_empty());
        let address = bare.parse::<Address>().ok().filter(is_public);
        if claimed.found.len() < ADDRESSES {
            claimed.found.extend(address);
        }
    }
    claimed.is_whole = words == 1 && claimed.found.len() == 1;
    claimed
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
