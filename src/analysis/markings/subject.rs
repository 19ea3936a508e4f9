//! Markings in a Subject: in brackets, or at its beginning or end and set off from the rest.
//!
//! In: the decoded Subject. Out: what is marked. "The official opening" is no marking, nor is
//! "Official: the bridge is closed": outside of brackets words of every day are in capitals.

use super::forms::{self, Found, Setting};
use crate::mail::MarkingLevel;

/// Brackets of which the insides are looked at.
const BRACKETS: usize = 8;
/// Characters of a Subject that are looked at.
const SUBJECT_CHARACTERS: usize = 1_000;

/// The markings of a Subject.
pub(super) fn markings(subject: &str) -> Vec<Found> {
    let end = subject.char_indices().nth(SUBJECT_CHARACTERS).map_or(subject.len(), |(at, _)| at);
    let subject = without_replies(subject.get(..end).unwrap_or_default());
    let mut found = in_brackets(subject);
    match forms::of_phrase(subject, Setting::Prominent).filter(|_| is_whole(subject)) {
        Some(whole) => found.push(whole),
        None => {
            found.extend(at_beginning(subject).or_else(|| unseparated(subject)));
            found.extend(at_end(subject).or_else(|| unseparated_end(subject)));
        }
    }
    found
}

/// Whether all of a Subject may be one marking: no bracket ends within it, and what follows
/// words in capitals is in capitals too. "RESTRICTED: Budget" is a marking and a title.
fn is_whole(subject: &str) -> bool {
    let inside = subject.trim_end_matches([']', ')', '}', '>', ' ', '*', '.']);
    let words = forms::words(subject);
    let begins_in_capitals =
        words.first().is_some_and(|word| forms::are_capitals(std::slice::from_ref(word)));
    !inside.contains([']', ')', '}', '>']) && (!begins_in_capitals || forms::are_capitals(&words))
}

/// Without `Re:`, `Fwd:` and what gateways put before.
fn without_replies(subject: &str) -> &str {
    const REPLIES: [&str; 9] = ["re", "fw", "fwd", "aw", "wg", "tr", "rv", "sv", "antw"];
    let mut rest = subject.trim();
    for _ in 0..16 {
        let Some((lead, after)) = rest.split_once(':') else { break };
        let lead = lead.trim().trim_end_matches(|letter: char| "[]()0123456789".contains(letter));
        if !REPLIES.contains(&lead.to_ascii_lowercase().as_str()) {
            break;
        }
        rest = after.trim_start();
    }
    rest
}

fn in_brackets(subject: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut rest = subject;
    for _ in 0..BRACKETS {
        let Some(open) = rest.find(['[', '(', '{', '<']) else { break };
        let inside = rest.get(open + 1..).unwrap_or_default();
        let Some(close) = inside.find([']', ')', '}', '>']) else { break };
        let phrase = inside.get(..close).unwrap_or_default();
        let is_at_edge =
            open == 0 || inside.get(close + 1..).is_some_and(|rest| rest.trim().is_empty());
        // In the middle of a title a word in round brackets is often only an aside.
        let setting = if is_at_edge { Setting::Prominent } else { Setting::Line };
        found.extend(forms::of_phrase(phrase, setting));
        rest = inside.get(close + 1..).unwrap_or_default();
    }
    found
}

/// A marking, descriptors, and a mark that sets it off from what follows.
fn at_beginning(subject: &str) -> Option<Found> {
    let bare = subject.trim_start_matches(['*', '#', '-', '=', ' ', '|']);
    let mut ends: Vec<usize> = Vec::new();
    for (at, letter) in bare.char_indices().take(120) {
        if is_divider(bare, at, letter) {
            ends.push(at);
        }
    }
    // The longest head that is a marking.
    ends.into_iter().rev().find_map(|end| {
        let head = bare.get(..end)?;
        let words = forms::words(head);
        forms::are_capitals(&words).then(|| forms::of_phrase(head, Setting::Line))?
    })
}

/// The same at the end, behind a mark.
fn at_end(subject: &str) -> Option<Found> {
    let bare = subject.trim_end_matches(['*', '#', '-', '=', ' ', '|', '.', '!']);
    let starts = bare.char_indices().filter(|(at, letter)| is_divider(bare, *at, *letter));
    let starts: Vec<usize> = starts.map(|(at, letter)| at + letter.len_utf8()).collect();
    starts.into_iter().find_map(|start| {
        let tail = bare.get(start..)?;
        let words = forms::words(tail);
        forms::are_capitals(&words).then(|| forms::of_phrase(tail, Setting::Line))?
    })
}

/// A marking in capitals before other words: `OFFICIAL-SENSITIVE Minutes`. Among words that
/// are in capitals too it is one of them.
fn unseparated(subject: &str) -> Option<Found> {
    let words = forms::words(subject);
    let form = forms::form_at(&words)?;
    let (taken, rest) = words.split_at_checked(form.length)?;
    let next = rest.first()?;
    let written =
        subject.get(taken.first()?.start..taken.last()?.start + taken.last()?.text.len())?;
    stands_out(form, taken, next.text)
        .then(|| Found { level: form.level, words: forms::shortened(written) })
}

/// The same behind other words: `Minutes OFFICIAL-SENSITIVE`.
fn unseparated_end(subject: &str) -> Option<Found> {
    // Only the last words are of interest.
    let mut start = subject.len().saturating_sub(80);
    while !subject.is_char_boundary(start) {
        start += 1;
    }
    let tail = subject.get(start..)?;
    let words = forms::words(tail);
    (1..words.len()).find_map(|at| {
        let (before, own) = words.split_at_checked(at)?;
        let form = forms::form_at(own).filter(|form| form.length == own.len())?;
        let written = tail.get(own.first()?.start..own.last()?.start + own.last()?.text.len())?;
        stands_out(form, own, before.last()?.text)
            .then(|| Found { level: form.level, words: forms::shortened(written) })
    })
}

/// Whether a form is in capitals and the word beside it is not. Of the words of every day only
/// those that are next to never written so for emphasis.
fn stands_out(form: forms::Match, taken: &[forms::Word<'_>], beside: &str) -> bool {
    let is_rare = !form.is_everyday() || form.level >= MarkingLevel::Restricted;
    let is_shouted = beside.chars().filter(|letter| letter.is_alphabetic()).count() > 1
        && !beside.chars().any(char::is_lowercase);
    is_rare && !is_shouted && forms::are_capitals(taken)
}

/// A colon, a bar, or a dash or slash with space beside it.
fn is_divider(text: &str, at: usize, letter: char) -> bool {
    let next = text.get(at + letter.len_utf8()..).and_then(|rest| rest.chars().next());
    let before = text.get(..at).and_then(|rest| rest.chars().next_back());
    match letter {
        ':' | '|' | ';' | '\u{2013}' | '\u{2014}' => true,
        '-' | '/' | '.' | ',' => next.is_none_or(|own| own == ' ') || before == Some(' '),
        _ => false,
    }
}
