//! What keys of mailboxes look like, letter by letter.
//!
//! In: letters of a key ([`Address::key`]) in small letters: a local part without its quotes, in
//! which anything may stand, an `@`, and a domain or an address literal. Out: the [`Place`]s that
//! it has reached; several, since only the last `@` ends the local part. Every domain and every
//! IPv4 literal has its way through here; of IPv6 literals only those whose groups are not zero
//! but for one `::`. The others are among [`Literals::AnyLetters`], of which not all are keys.

use crate::mail::Address;

/// Which address literals there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Literals {
    /// None: a pattern ends otherwise.
    None,
    /// Those that are written like one.
    WellFormed,
    /// Any letters of IPv6 literals between their tag and the bracket, and nothing else.
    AnyLetters,
}

/// Where in a key a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Start,
    Local,
    Host,
    LabelStart,
    Label,
    /// Behind a hyphen, which ends no label.
    Hyphen,
    Bracket,
    /// In the octet of this number.
    V4(u8, Octet),
    /// Behind so many letters of `ipv6:`.
    Tag(u8),
    V6(Groups),
    AnyLetters,
    End,
}

/// What of an octet is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Octet {
    Nothing,
    One,
    Two,
    /// 3 to 9.
    More,
    /// Two digits behind which any third may stand.
    Teen,
    TwentyFive,
    /// No digit may follow.
    Full,
}

/// What of the groups of an IPv6 address is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Groups {
    begun: u8,
    digits: u8,
    /// Colons at the end.
    colons: u8,
    /// Whether `::` stands.
    has_gap: bool,
}

const TAG: &[u8] = b"ipv6:";
/// All that stands between brackets, and the last of them.
pub(super) const LITERAL_LETTERS: &str = "0123456789abcdef:.ipv]";

impl Place {
    /// Where one letter more leads.
    pub(super) fn behind(self, letter: char, literals: Literals) -> [Option<Place>; 2] {
        let is_loose = literals == Literals::AnyLetters;
        let next = match self {
            Place::Start => Some(Place::Local).filter(|_| !letter.is_control()),
            Place::Local if letter == '@' => return [Some(Place::Host), Some(Place::Local)],
            Place::Local => Some(Place::Local).filter(|_| !letter.is_control()),
            Place::Host if letter == '[' => {
                Some(Place::Bracket).filter(|_| literals != Literals::None)
            }
            Place::Host if is_loose => None,
            Place::Host | Place::LabelStart => Some(Place::Label).filter(|_| in_label(letter)),
            Place::Label | Place::Hyphen => match letter {
                '-' => Some(Place::Hyphen),
                '.' if self == Place::Label => Some(Place::LabelStart),
                _ => Some(Place::Label).filter(|_| in_label(letter)),
            },
            Place::Bracket if letter == 'i' => Some(Place::Tag(1)),
            Place::Bracket if is_loose => None,
            Place::Bracket => Octet::Nothing.behind(letter).map(|octet| Place::V4(0, octet)),
            Place::V4(number, octet) => octet_of(number, octet, letter),
            Place::Tag(so_far) => match tag_of(so_far, letter) {
                Some(Place::V6(_)) if is_loose => Some(Place::AnyLetters),
                next => next,
            },
            Place::V6(groups) if letter == ']' => Some(Place::End).filter(|_| groups.are_whole()),
            Place::V6(groups) => groups.behind(letter).map(Place::V6),
            Place::AnyLetters if letter == ']' => Some(Place::End),
            Place::AnyLetters => Some(self).filter(|_| LITERAL_LETTERS.contains(letter)),
            Place::End => None,
        };
        [next, None]
    }

    /// Whether a key may end here.
    pub(super) fn is_end(self) -> bool {
        matches!(self, Place::Label | Place::End)
    }

    /// Whether only letters of literals lead on.
    pub(super) fn is_in_literal(self) -> bool {
        use Place::{AnyLetters, Bracket, End, Tag, V4, V6};
        matches!(self, Bracket | V4(..) | Tag(_) | V6(_) | AnyLetters | End)
    }
}

fn in_label(letter: char) -> bool {
    letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_'
}

fn octet_of(number: u8, octet: Octet, letter: char) -> Option<Place> {
    let has_digits = octet != Octet::Nothing;
    match letter {
        '.' => Some(Place::V4(number + 1, Octet::Nothing)).filter(|_| has_digits && number < 3),
        ']' => Some(Place::End).filter(|_| has_digits && number == 3),
        _ => octet.behind(letter).map(|octet| Place::V4(number, octet)),
    }
}

fn tag_of(so_far: u8, letter: char) -> Option<Place> {
    let wanted = TAG.get(usize::from(so_far)).copied().map(char::from);
    let next = match usize::from(so_far) + 1 == TAG.len() {
        true => Place::V6(Groups { begun: 0, digits: 0, colons: 0, has_gap: false }),
        false => Place::Tag(so_far + 1),
    };
    (wanted == Some(letter)).then_some(next)
}

impl Octet {
    fn behind(self, letter: char) -> Option<Octet> {
        let digit = letter.to_digit(10)?;
        match (self, digit) {
            (Octet::Nothing, 0) => Some(Octet::Full),
            (Octet::Nothing, 1) => Some(Octet::One),
            (Octet::Nothing, 2) => Some(Octet::Two),
            (Octet::Nothing, _) => Some(Octet::More),
            (Octet::One, _) | (Octet::Two, 0..=4) => Some(Octet::Teen),
            (Octet::Two, 5) => Some(Octet::TwentyFive),
            (Octet::Two | Octet::More | Octet::Teen, _) => Some(Octet::Full),
            (Octet::TwentyFive, 0..=5) => Some(Octet::Full),
            (Octet::TwentyFive | Octet::Full, _) => None,
        }
    }
}

impl Groups {
    fn most(self) -> u8 {
        // `::` stands for two groups at least.
        if self.has_gap { 6 } else { 8 }
    }

    fn behind(self, letter: char) -> Option<Groups> {
        let is_start = self.begun == 0 && self.colons == 0;
        if letter == ':' {
            let gap = Groups { colons: 2, digits: 0, has_gap: true, ..self };
            return match self.colons {
                0 if is_start => Some(Groups { colons: 1, ..self }),
                0 if self.begun < self.most() => Some(Groups { colons: 1, digits: 0, ..self }),
                1 if !self.has_gap && self.begun <= 6 => Some(gap),
                _ => None,
            };
        }
        let digit = letter.to_digit(16).filter(|_| !letter.is_ascii_uppercase())?;
        match self.digits {
            0 => {
                let may_begin = digit != 0
                    && self.begun < self.most()
                    && (is_start || self.colons == 2 || (self.colons == 1 && self.begun > 0));
                let begun = self.begun + 1;
                may_begin.then_some(Groups { begun, digits: 1, colons: 0, ..self })
            }
            1..=3 => Some(Groups { digits: self.digits + 1, ..self }),
            _ => None,
        }
    }

    fn are_whole(self) -> bool {
        match self.has_gap {
            true => self.colons != 1,
            false => self.begun == 8 && self.digits > 0,
        }
    }
}

/// The mailbox of a key in small letters, if it is one.
pub(super) fn of_key(key: &str) -> Option<Address> {
    let (local, host) = key.rsplit_once('@')?;
    let mut quoted = String::with_capacity(key.len() + 2);
    for letter in local.chars() {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    let address: Address = format!("\"{quoted}\"@{host}").parse().ok()?;
    (address.key().to_lowercase() == key).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_shaped(key: &str, literals: Literals) -> bool {
        let mut places = vec![Place::Start];
        for letter in key.chars() {
            let next = places.iter().flat_map(|place| place.behind(letter, literals)).flatten();
            places = next.collect();
        }
        places.into_iter().any(Place::is_end)
    }

    #[test]
    fn what_has_the_shape_of_a_key_is_one() {
        let table = [
            "ann@a.test",
            "a@b@c.test",
            "@@c",
            ". x\"\\@c-d.test",
            "ann@[192.0.2.1]",
            "ann@[0.25.250.255]",
            "ann@[ipv6:2001:db8::1]",
            "ann@[ipv6:::]",
            "ann@[ipv6:::1]",
            "ann@[ipv6:1:2:3:4:5:6:7:8]",
            "ann@[ipv6:fe80::1:2:3:4]",
        ];
        for key in table {
            assert!(is_shaped(key, Literals::WellFormed), "{key}");
            assert!(of_key(key).is_some(), "{key}");
        }
        let strangers = [
            "ann",
            "@a.test",
            "ann@",
            "ann@a.",
            "ann@a-.test",
            "ann@-a",
            "ann@[192.0.2]",
            "ann@[192.0.2.256]",
            "ann@[192.0.02.1]",
            "ann@[ipv6:1:2:3:4:5:6:7]",
            "ann@[ipv6:1::2::3]",
            "ann@[ipv6:1:2:3:4:5:6:7::]",
            "ann@[ipv6:01::]",
            "ann@[192.0.2.1]x",
        ];
        for key in strangers {
            assert!(!is_shaped(key, Literals::WellFormed), "{key}");
            assert!(of_key(key).is_none(), "{key}");
        }
        // Not walked, but not taken for impossible.
        for key in ["ann@[ipv6:1:0:2::3]", "ann@[ipv6:::ffff:192.0.2.1]"] {
            assert!(of_key(key).is_some() && !is_shaped(key, Literals::WellFormed), "{key}");
            assert!(is_shaped(key, Literals::AnyLetters), "{key}");
        }
    }
}
