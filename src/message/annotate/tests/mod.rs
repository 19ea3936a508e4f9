//! Annotations in every structure of a message, seen by this room, by mail-parser and by
//! Python's `email`.

mod corpora;
mod properties;
mod python;
mod structures;

use super::*;
use mail_parser::{MessageParser, PartType};

const ASCII: &str = "This message is confidential to our house.\n\
    If you are not the one that it is meant for, delete it.";
const WIDE: &str = "Diese Nachricht ist vertraulich \u{2013} für Empfänger in Zürich, Łódź und 東京.\n\
    Wer sie zu Unrecht erhält, löscht sie.";

fn said(text: &'static str, place: AnnotationPlace) -> Annotation<'static> {
    Annotation { text, html: None, place, key: "house" }
}

/// The annotated message, with the edits; each is looked at for what it touches.
fn annotated(message: &[u8], annotation: &Annotation<'_>) -> Result<Vec<u8>, Why> {
    let content = Content::from_bytes(message.to_vec());
    let edits = annotate(&content, annotation).unwrap().map_err(|refusal| refusal.why)?;
    assert!(!edits.is_empty());
    let whole = content.spliced(edits.clone()).read_all().unwrap();
    // With the edits taken out, every octet is as it was.
    let mut sorted = edits;
    sorted.sort_by_key(|edit| edit.place.start);
    let (mut at, mut rebuilt, mut passed) = (0, Vec::new(), 0);
    for edit in &sorted {
        assert!(edit.place.start >= passed, "edits overlap");
        let kept = (edit.place.start - passed) as usize;
        rebuilt.extend_from_slice(&whole[at..at + kept]);
        rebuilt.extend_from_slice(&message[edit.place.start as usize..edit.place.end as usize]);
        at += kept + edit.with.len();
        passed = edit.place.end;
    }
    rebuilt.extend_from_slice(&whole[at..]);
    assert_eq!(rebuilt, message);
    Ok(whole.to_vec())
}

fn letters(text: &str) -> String {
    text.chars().filter(|letter| letter.is_alphanumeric()).collect()
}

/// Type and content of each part that holds no others, as mail-parser decodes them.
fn leaves(message: &[u8]) -> Vec<(String, Vec<u8>)> {
    // Some broken messages make it panic; they are compared as if they had no parts.
    let parsed = std::panic::catch_unwind(|| MessageParser::default().parse(message));
    let Ok(Some(parsed)) = parsed else { return Vec::new() };
    let mut found = Vec::new();
    push_leaves(&parsed, &mut found);
    found
}

fn push_leaves(parsed: &mail_parser::Message<'_>, found: &mut Vec<(String, Vec<u8>)>) {
    use mail_parser::MimeHeaders;
    for part in &parsed.parts {
        let kind = part.content_type().map_or_else(String::new, |kind| {
            format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default())
        });
        match &part.body {
            PartType::Text(text) | PartType::Html(text) => {
                found.push((kind, text.as_bytes().to_vec()));
            }
            PartType::Binary(octets) | PartType::InlineBinary(octets) => {
                found.push((kind, octets.to_vec()));
            }
            PartType::Message(inner) => push_leaves(inner, found),
            PartType::Multipart(_) => {}
        }
    }
}

/// How the leaves of an annotated message differ from what they were: those that were not
/// touched, those that took the annotation in, and those that are new.
#[derive(Debug, Default, PartialEq, Eq)]
struct Difference {
    kept: usize,
    changed: Vec<String>,
    fresh: usize,
    wrong: Vec<String>,
}

fn compare(before: &[u8], after: &[u8], needle: &str) -> Difference {
    let (before, after) = (leaves(before), leaves(after));
    let needle = letters(needle);
    let has = |octets: &[u8]| {
        let text = String::from_utf8_lossy(octets);
        letters(&text).contains(&needle)
            || letters(&crate::message::html_to_text(&text)).contains(&needle)
    };
    let mut difference = Difference::default();
    let mut rest = before.iter().peekable();
    for (kind, octets) in &after {
        match rest.peek() {
            Some((_, old)) if old == octets => {
                rest.next();
                difference.kept += 1;
            }
            Some((_, old)) if has(octets) && !has(old) && is_put_in(old, octets) => {
                rest.next();
                difference.changed.push(kind.clone());
            }
            _ if has(octets) && after.len() > before.len() => difference.fresh += 1,
            other => difference.wrong.push(format!(
                "{kind}: {:.200?} was {:.200?}",
                String::from_utf8_lossy(octets),
                other.map(|(_, old)| String::from_utf8_lossy(old))
            )),
        }
    }
    difference.wrong.extend(rest.map(|(kind, _)| format!("{kind} is missing")));
    difference
}

/// Whether `new` is `old` with something put in at one place.
fn is_put_in(old: &[u8], new: &[u8]) -> bool {
    let same = old.iter().zip(new).take_while(|(one, other)| one == other).count();
    let behind = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    new.len() > old.len() && same + behind >= old.len()
}
