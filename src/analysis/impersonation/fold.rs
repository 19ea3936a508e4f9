//! Texts as an eye reads them: the Latin letters that it sees, whatever they are.
//!
//! In: text in any script. Out: small Latin letters, digits and what looks like neither, without
//! accents and invisible characters ([`fold`]); words of it ([`words`]); and a coarser form in
//! which letters and digits that are taken for each other are one ([`skeleton`]). Two names
//! with one skeleton look alike. Linear; nothing fails.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::message::{is_hidden, latin_look};

/// The text in small Latin letters.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    let seen = text.chars().filter(|letter| !is_hidden(*letter));
    for letter in seen.nfkd().filter(|letter| !is_combining_mark(*letter)) {
        for small in letter.to_lowercase().filter(|letter| !is_combining_mark(*letter)) {
            match small {
                'ß' => folded.push_str("ss"),
                'æ' => folded.push_str("ae"),
                'œ' => folded.push_str("oe"),
                'þ' => folded.push_str("th"),
                _ => folded.push(latin_look(small).or_else(|| extended(small)).unwrap_or(small)),
            }
        }
    }
    folded
}

/// Latin letters with strokes, hooks and the like, and letters of phonetics, which have no
/// decomposition.
fn extended(letter: char) -> Option<char> {
    Some(match letter {
        'ɑ' | 'ᴀ' | 'ⱥ' => 'a',
        'ƀ' | 'ɓ' | 'ʙ' | 'ь' => 'b',
        'ƈ' | 'ɕ' | 'ᴄ' | 'ȼ' => 'c',
        'đ' | 'ɗ' | 'ɖ' | 'ð' | 'ᴅ' => 'd',
        'ɇ' | 'ɛ' | 'ҽ' | 'ᴇ' | 'ε' => 'e',
        'ƒ' | 'ꜰ' => 'f',
        'ɡ' | 'ɠ' | 'ǥ' | 'ɢ' | 'ց' => 'g',
        'ħ' | 'ɦ' | 'ʜ' => 'h',
        'ı' | 'ɩ' | 'ɨ' | 'ɪ' => 'i',
        'ȷ' | 'ɉ' | 'ʝ' | 'ᴊ' => 'j',
        'ƙ' | 'ᴋ' => 'k',
        'ł' | 'ɭ' | 'ƚ' | 'ʟ' => 'l',
        'ɱ' | 'ᴍ' => 'm',
        'ɲ' | 'ŋ' | 'ɳ' | 'ɴ' | 'η' | 'п' => 'n',
        'ø' | 'ɵ' | 'ᴏ' | 'σ' => 'o',
        'ƥ' | 'ᴘ' | 'þ' => 'p',
        'ɋ' => 'q',
        'ɍ' | 'ɼ' | 'ʀ' | 'г' => 'r',
        'ʂ' | 'ꜱ' => 's',
        'ŧ' | 'ƭ' | 'ʈ' | 'ᴛ' => 't',
        'ʉ' | 'ʊ' | 'ᴜ' | 'μ' => 'u',
        'ʋ' | 'ᴠ' => 'v',
        'ɯ' | 'ᴡ' | 'ѡ' => 'w',
        'ҳ' => 'x',
        'ʏ' | 'ɏ' | 'γ' | 'ү' => 'y',
        'ƶ' | 'ʐ' | 'ᴢ' => 'z',
        _ => return None,
    })
}

/// Words of letters and digits in a folded text; apostrophes join.
pub fn words(text: &str) -> Vec<String> {
    words_of(&fold(text))
}

/// The same for a text that is folded.
pub fn words_of(folded: &str) -> Vec<String> {
    folded
        .split(|letter: char| !letter.is_alphanumeric() && !matches!(letter, '\'' | '\u{2019}'))
        .map(|word| word.replace(['\'', '\u{2019}'], ""))
        .filter(|word| !word.is_empty())
        .collect()
}

/// A folded word or label with all that is taken for each other made one.
pub fn skeleton(folded: &str) -> String {
    let single: String = folded
        .chars()
        .filter(|letter| !matches!(letter, '-' | '_'))
        .map(|letter| match letter {
            '0' => 'o',
            '1' | 'i' | '|' | '!' | 'j' => 'l',
            '3' => 'e',
            '4' | '@' => 'a',
            '5' | '$' | 'z' | '2' => 's',
            '6' | '9' | 'q' => 'g',
            '7' => 't',
            '8' => 'b',
            'u' => 'v',
            other => other,
        })
        .collect();
    single.replace("rn", "m").replace("nn", "m").replace("vv", "w").replace("cl", "d")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_what_the_eye_sees() {
        let table = [
            ("PayPal", "paypal"),
            ("РауРаl", "paypal"),
            ("Crédit Agricole", "credit agricole"),
            ("𝕀𝕙𝕣 𝕚ℂ𝕝𝕠𝕦𝕕", "ihr icloud"),
            ("Pay\u{200b}Pal", "paypal"),
            ("Größe", "grosse"),
            ("łódź", "lodz"),
            ("ＰａｙＰａｌ", "paypal"),
            ("日本", "日本"),
        ];
        for (text, folded) in table {
            assert_eq!(fold(text), folded);
        }
        assert_eq!(words("Lowe's \u{2013} AT&T, Inc."), ["lowes", "at", "t", "inc"]);
    }

    #[test]
    fn what_looks_alike_has_one_skeleton() {
        for (one, other) in [
            ("paypal", "paypa1"),
            ("paypal", "paypai"),
            ("microsoft", "rnicrosoft"),
            ("walmart", "vvalmart"),
            ("google", "g00gle"),
            ("amazon", "arnazon"),
            ("dropbox", "clropbox"),
            ("wellsfargo", "wells-fargo"),
        ] {
            assert_eq!(skeleton(one), skeleton(other), "{one} {other}");
        }
        assert_ne!(skeleton("paypal"), skeleton("paypol"));
    }
}
