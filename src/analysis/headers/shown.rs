//! What a reader is shown of the bodies: text that is hidden, pictures only, alternatives that
//! say different things, charsets and encodings that only disguise.

use std::collections::HashSet;

use super::visible::{self, View};
use super::{Context, Sighting};
use crate::message::{Anatomy, Encoding, Kind, Part};

/// Octets of HTML that are looked at, over all parts.
const HTML_OCTETS: usize = 512 << 10;
/// So many letters that are not displayed are found in honest newsletters too.
const SPARE_LETTERS: usize = 200;
/// Letters that are there and cannot be seen: up to this they are marks of the sender's program.
const SLY_LETTERS: usize = 100;
/// Letters beside which a picture is not alone.
const FEW_LETTERS: usize = 60;
/// Words of an alternative that are compared.
const WORDS: usize = 2_000;

pub(super) fn look(context: &Context<'_>, seen: &mut Vec<Sighting>) {
    let anatomy = context.anatomy;
    let mut whole = View::default();
    let mut left = HTML_OCTETS;
    let mut html_parts = 0;
    for part in bodies(anatomy).filter(|part| part.kind == Kind::Html) {
        let text = part.text();
        let end = text.floor_char_boundary(left.min(text.len()));
        left -= end;
        whole.add(text.get(..end).unwrap_or_default());
        html_parts += 1;
        if left == 0 {
            break;
        }
    }
    if html_parts > 0 {
        look_at_html(&whole, seen);
        look_at_pictures(anatomy, &whole, seen);
        if bodies(anatomy).all(|part| part.kind == Kind::Html) {
            seen.push(Sighting::new("HTML_ONLY", ""));
        }
    }
    look_at_alternatives(anatomy, seen);
    look_at_charsets(anatomy, seen);
}

/// Parts that are shown at once.
fn bodies(anatomy: &Anatomy) -> impl Iterator<Item = &Part> {
    anatomy
        .parts
        .iter()
        .filter(|part| matches!(part.kind, Kind::Text | Kind::Html) && !part.media.attachment)
        .take(50)
}

fn look_at_html(view: &View, seen: &mut Vec<Sighting>) {
    let counts = &view.counts;
    let sly = counts.same_colour + counts.tiny + counts.off_screen + counts.transparent;
    for (name, letters) in [
        ("HTML_SAME_COLOUR", counts.same_colour),
        ("HTML_TINY_TEXT", counts.tiny),
        ("HTML_OFF_SCREEN", counts.off_screen + counts.transparent),
    ] {
        if letters > SLY_LETTERS {
            let strength = if letters > SPARE_LETTERS { 1.0 } else { 0.5 };
            seen.push(Sighting::strong(name, strength, format!("{letters} letters")));
        }
    }
    if counts.not_displayed > SPARE_LETTERS && counts.not_displayed > counts.visible / 2 {
        let detail = format!("{} letters hidden, {} shown", counts.not_displayed, counts.visible);
        seen.push(Sighting::new("HTML_NOT_DISPLAYED", detail));
    }
    let hidden = sly + counts.not_displayed;
    if hidden > SPARE_LETTERS && hidden > counts.visible {
        let detail = format!("{hidden} letters hidden, {} shown", counts.visible);
        seen.push(Sighting::new("HTML_MOSTLY_HIDDEN", detail));
    }
    if view.comment_splits >= 8 {
        seen.push(Sighting::new("HTML_WORDS_SPLIT", format!("{} times", view.comment_splits)));
    }
}

fn look_at_pictures(anatomy: &Anatomy, view: &View, seen: &mut Vec<Sighting>) {
    let letters = view.counts.visible;
    if view.pictures > 0 && letters < FEW_LETTERS {
        let plain: usize = bodies(anatomy)
            .filter(|part| part.kind == Kind::Text)
            .map(|part| visible::letters(&part.text()))
            .sum();
        let name = match plain < FEW_LETTERS {
            true => "PICTURE_ONLY",
            false => "PICTURE_BESIDE_PLAIN_TEXT",
        };
        seen.push(Sighting::new(
            name,
            format!("{letters} letters beside {} pictures", view.pictures),
        ));
    }
}

/// RFC 2046 section 5.1.4: alternatives say the same.
fn look_at_alternatives(anatomy: &Anatomy, seen: &mut Vec<Sighting>) {
    for (number, _) in anatomy
        .parts
        .iter()
        .enumerate()
        .filter(|(_, part)| part.media.is("multipart", "alternative"))
        .take(4)
    {
        let child = |kind: Kind| {
            anatomy.parts.iter().find(|part| part.parent == Some(number) && part.kind == kind)
        };
        let (Some(plain), Some(html)) = (child(Kind::Text), child(Kind::Html)) else { continue };
        if !plain.media.is("text", "plain") {
            continue;
        }
        let html_text = html.text();
        let shown = crate::message::html_to_text(
            html_text
                .get(..html_text.floor_char_boundary(HTML_OCTETS.min(html_text.len())))
                .unwrap_or_default(),
        );
        let plain = words(&plain.text());
        let html = words(&shown);
        if plain.len() < 15 || html.len() < 15 {
            continue;
        }
        let common = plain.intersection(&html).count();
        if common * 5 < plain.len().min(html.len()) {
            let detail = format!("{common} words in common of {} and {}", plain.len(), html.len());
            seen.push(Sighting::new("ALTERNATIVES_DIFFER", detail));
            return;
        }
    }
}

fn words(text: &str) -> HashSet<String> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| word.len() >= 4)
        .take(WORDS)
        .map(str::to_lowercase)
        .collect()
}

fn look_at_charsets(anatomy: &Anatomy, seen: &mut Vec<Sighting>) {
    for part in bodies(anatomy) {
        let charset = part.media.charset.as_deref().unwrap_or_default().to_ascii_lowercase();
        if charset.contains("utf-7") {
            seen.push(Sighting::new("CHARSET_UTF_7", ""));
        }
        let octets = part.decoded();
        let is_foreign = [
            "windows-1251",
            "koi8-r",
            "gb2312",
            "gbk",
            "big5",
            "euc-kr",
            "iso-2022-jp",
            "windows-1255",
            "windows-1256",
        ]
        .contains(&charset.as_str());
        if is_foreign && octets.is_ascii() && octets.len() > 200 && !octets.contains(&0x1b) {
            seen.push(Sighting::new("CHARSET_FOREIGN_FOR_ASCII", charset.clone()));
        }
        if part.media.encoding == Encoding::Base64 && octets.is_ascii() && octets.len() > 100 {
            seen.push(Sighting::new("TEXT_BASE64_NEEDLESS", part.media.subtype.clone()));
        }
        if charset == "us-ascii" && !octets.is_ascii() {
            seen.push(Sighting::new("CHARSET_DENIED", ""));
        }
    }
    seen.dedup_by(|one, other| one.name == other.name);
}
