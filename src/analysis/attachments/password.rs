//! A password told in the mail that brings the file it opens: what keeps scanners out, and
//! nobody else.

use crate::message::{Anatomy, Kind, html_to_text};

/// Words for it, in small letters.
const WORDS: [&str; 16] = [
    "password",
    "passcode",
    "passwort",
    "kennwort",
    "mot de passe",
    "contraseña",
    "clave:",
    "wachtwoord",
    "parola",
    "senha",
    "hasło",
    "пароль",
    "lösenord",
    "adgangskode",
    "salasana",
    "密码",
];
/// Octets of text that are looked through.
const TEXT_OCTETS: usize = 64 << 10;
/// Characters that are shown.
const SHOWN_CHARS: usize = 60;

/// The words around the first mention.
pub(super) fn told_in_text(anatomy: &Anatomy) -> Option<String> {
    let mut left = TEXT_OCTETS;
    let texts = anatomy.parts.iter().filter(|part| matches!(part.kind, Kind::Text | Kind::Html));
    for part in texts.filter(|part| !part.media.attachment) {
        let text = match part.kind {
            Kind::Html => html_to_text(&part.text()),
            _ => part.text(),
        };
        let end = text.floor_char_boundary(left.min(text.len()));
        let text = text.get(..end).unwrap_or_default().to_lowercase();
        left -= end;
        let Some(at) = WORDS.iter().filter_map(|word| text.find(word)).min() else { continue };
        let words: String = text.get(at..).unwrap_or_default().chars().take(SHOWN_CHARS).collect();
        return Some(words.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    None
}
