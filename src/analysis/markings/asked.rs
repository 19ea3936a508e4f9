//! Markings as content rules ask for them: by name, in one text of one zone.
//!
//! In: a text in the normal form of rules, whose lines are gone. Out: where a marking ends.
//! Without lines a word of every day cannot be told from a marking, so within a text only
//! forms of several words in capitals count; the Subject, header fields, labels and short
//! texts are read as everywhere. All markings of a message, lines and all, are
//! [`Seeker`](super::Seeker)'s.

use super::forms;
use super::{MarkingLevel, fields, of_line, subject};
use crate::analysis::rules::seam::{MarkingHit, Markings};
use crate::message::Zone;

/// Octets behind the first word of a form that are looked at.
const FORM_OCTETS: usize = 64;

/// What the box knows of markings.
#[derive(Debug, Clone, Copy)]
pub struct Asked;

impl Markings for Asked {
    fn knows(&self, name: &str) -> bool {
        MarkingLevel::ALL.iter().any(|level| level.words().eq_ignore_ascii_case(name))
    }

    fn look(&self, zone: Zone, text: &str, found: &mut dyn FnMut(MarkingHit)) {
        let text = &*super::plain::plain(text);
        let mut tell = |level: MarkingLevel, end: usize| {
            found(MarkingHit { name: level.words().to_owned(), end });
        };
        match zone {
            Zone::Subject => {
                subject::markings(text).iter().for_each(|own| tell(own.level, text.len()));
            }
            Zone::Header => look_into_header(text, &mut tell),
            Zone::Body | Zone::Attachment => {
                if text.len() <= super::LINE_OCTETS {
                    of_line(text.trim(), true).iter().for_each(|own| tell(own.level, text.len()));
                }
                if text.contains("MSIP_Label_") {
                    let labels = fields::of_property(text);
                    labels.iter().for_each(|own| tell(own.level, text.len()));
                }
                look_into_text(text, &mut tell);
            }
            _ => {}
        }
    }
}

fn look_into_header(text: &str, tell: &mut dyn FnMut(MarkingLevel, usize)) {
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        end += line.len();
        let Some((name, value)) = line.split_once(':') else { continue };
        if fields::is_field(name.trim()) {
            let own = fields::of_field(name.trim(), value.trim());
            own.iter().for_each(|own| tell(own.level, end));
        }
    }
}

fn look_into_text(text: &str, tell: &mut dyn FnMut(MarkingLevel, usize)) {
    for first in forms::first_words() {
        for at in memchr::memmem::find_iter(text.as_bytes(), first.as_bytes()) {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            if before.is_some_and(char::is_alphanumeric) {
                continue;
            }
            let end = text.floor_char_boundary((at + FORM_OCTETS).min(text.len()));
            let words = forms::words(text.get(at..end).unwrap_or_default());
            let Some(form) = forms::form_at(&words).filter(|form| !form.is_everyday()) else {
                continue;
            };
            let taken = words.get(..form.length).unwrap_or_default();
            if let Some(last) = taken.last().filter(|_| forms::are_capitals(taken)) {
                tell(form.level, at + last.start + last.text.len());
            }
        }
    }
}
