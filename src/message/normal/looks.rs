//! Letters of other scripts that are taken for Latin ones.
//!
//! In: a text. Out: words of letters from several scripts, each behind a space, in Latin.

/// Whether a letter of the scripts is there that have letters like Latin ones: the UTF-8 of
/// Greek, Cyrillic and Armenian begins with these octets.
pub(super) fn has_any(text: &str) -> bool {
    const BLOCK_OCTETS: usize = 1_024;
    let octets = text.as_bytes();
    let begins = |octet: &u8| (0xcd..=0xd6).contains(octet);
    // Without a branch within a block, so that many octets are looked at in one step.
    octets
        .chunks(BLOCK_OCTETS)
        .any(|block| block.iter().fold(false, |any, octet| any | begins(octet)))
        || memchr::memchr2_iter(0xc9, 0xe1, octets).any(|at| {
            let next = octets.get(at + 1).copied().unwrap_or_default();
            // Letters of phonetics, and Cherokee.
            match octets.get(at) {
                Some(0xc9) => matches!(next, 0x91 | 0xa1 | 0xa9 | 0xaa),
                _ => matches!(next, 0x8e | 0x8f),
            }
        })
}

/// Words with Latin letters and letters that look Latin but are not, in Latin.
pub(super) fn push_latin(text: &str, extras: &mut String) -> u32 {
    let mut count = 0;
    for word in text.split(|letter: char| !letter.is_alphanumeric()) {
        let mixed = !word.is_ascii()
            && word.chars().any(|letter| letter.is_ascii_alphabetic())
            && word.chars().any(|letter| latin_look(letter).is_some());
        if mixed {
            count += 1;
            extras.push(' ');
            extras.extend(word.chars().map(|letter| latin_look(letter).unwrap_or(letter)));
        }
    }
    count
}

/// The Latin letter that a Cyrillic, Greek or Armenian one is taken for.
#[rustfmt::skip]
pub fn latin_look(letter: char) -> Option<char> {
    Some(match letter {
        'а' | 'А' | 'α' | 'Α' => 'a', 'В' | 'Β' | 'в' => 'b', 'с' | 'С' | 'ϲ' => 'c', 'ԁ' => 'd',
        'е' | 'Е' | 'Ε' => 'e', 'һ' | 'Н' | 'Η' | 'н' => 'h', 'і' | 'І' | 'ι' | 'Ι' => 'i',
        'ј' | 'Ј' => 'j', 'к' | 'К' | 'κ' | 'Κ' => 'k', 'ӏ' | 'Ӏ' => 'l', 'М' | 'Μ' | 'м' => 'm',
        'Ν' | 'ո' => 'n', 'о' | 'О' | 'ο' | 'Ο' | 'օ' => 'o', 'р' | 'Р' | 'ρ' | 'Ρ' => 'p',
        'ԛ' => 'q', 'ѕ' | 'Ѕ' => 's', 'т' | 'Т' | 'τ' | 'Τ' => 't', 'υ' | 'ս' => 'u',
        'ν' | 'ѵ' => 'v', 'ԝ' | 'ω' => 'w', 'х' | 'Х' | 'χ' | 'Χ' => 'x', 'у' | 'У' | 'Υ' => 'y',
        'Ζ' | 'Ꮓ' => 'z', 'ɑ' | 'Ꭺ' => 'a', 'Ᏼ' | 'Ꮟ' | 'ь' => 'b', 'Ꮯ' => 'c', 'Ꭰ' => 'd',
        'Ꭼ' => 'e', 'ɡ' | 'ց' | 'Ꮐ' => 'g', 'հ' | 'Ꮋ' => 'h', 'ɩ' | 'ɪ' => 'i', 'Ꭻ' => 'j',
        'Ꮶ' => 'k', 'Ꮮ' => 'l', 'Ꮇ' => 'm', 'η' | 'п' => 'n', 'Ꮲ' => 'p', 'զ' => 'q',
        'Ꮪ' | 'Տ' => 's', 'Ꭲ' => 't', 'Ꮩ' => 'v', 'Ꮃ' => 'w', 'γ' | 'Ꭹ' => 'y',
        _ => return None,
    })
}
