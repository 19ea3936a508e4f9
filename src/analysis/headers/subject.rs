//! The Subject: capitals, padding, letters in disguise, answers to nothing.

use unicode_normalization::UnicodeNormalization;

use super::{Context, Sighting};

/// Of a subject, in characters.
const LOOKED_AT: usize = 400;
/// Blanks in a row that push the rest out of sight.
const PADDING: usize = 8;

pub(super) fn look(context: &Context<'_>, seen: &mut Vec<Sighting>) {
    let Some(raw) = context.head.first("subject") else {
        seen.push(Sighting::new("SUBJECT_ABSENT", ""));
        return;
    };
    let whole = context.text("subject").unwrap_or_default();
    let subject: String = whole.chars().take(LOOKED_AT).collect();
    let mut see = |name: &'static str| {
        let shown: String = subject.chars().take(80).collect();
        seen.push(Sighting::new(name, shown));
    };
    if subject.trim().is_empty() {
        see("SUBJECT_EMPTY");
        return;
    }
    if is_capitals(&subject) {
        see("SUBJECT_CAPITALS");
    }
    if subject.contains(&" ".repeat(PADDING)) {
        see("SUBJECT_PADDED");
    }
    if decorated(&subject) >= 4 {
        see("SUBJECT_DECORATED");
    }
    if invisible(&subject) >= 2 {
        see("SUBJECT_INVISIBLE");
    }
    if is_answer(&subject) && !context.has("references") && !context.has("in-reply-to") {
        see("SUBJECT_ANSWER_TO_NOTHING");
    }
    if subject.contains(['\n', '\r', '\0']) {
        see("SUBJECT_CONTROL");
    }
    if raw.len() > 20 && whole.is_ascii() && is_hidden_in_base64(raw) {
        see("SUBJECT_BASE64_NEEDLESS");
    }
    if subject.matches(['!', '?', '$', '€', '£']).count() >= 4 {
        see("SUBJECT_EXCITED");
    }
    if names_recipient(context, &subject) {
        see("SUBJECT_NAMES_RECIPIENT");
    }
}

/// Nearly all letters, and enough of them for several words.
fn is_capitals(subject: &str) -> bool {
    let (mut upper, mut lower) = (0, 0);
    for letter in subject.chars() {
        upper += usize::from(letter.is_uppercase());
        lower += usize::from(letter.is_lowercase());
    }
    upper >= 12 && lower * 10 <= upper && subject.split_whitespace().count() >= 3
}

/// Letters and digits of the mathematical, full-width and circled alphabets.
fn decorated(subject: &str) -> usize {
    let is_decorated = |letter: &char| {
        matches!(letter, '\u{1d400}'..='\u{1d7ff}' | '\u{ff21}'..='\u{ff5a}' | '\u{24b6}'..='\u{24e9}'
            | '\u{1f130}'..='\u{1f189}' | '\u{2100}'..='\u{214f}')
            && letter.nfkc().all(|plain| plain.is_ascii_alphanumeric())
    };
    subject.chars().filter(is_decorated).count()
}

/// Characters without a shape, emoji's joiners and selectors left aside.
fn invisible(subject: &str) -> usize {
    let is_invisible = |letter: &char| {
        matches!(letter, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{115f}' | '\u{1160}' | '\u{3164}')
    };
    subject.chars().filter(is_invisible).count()
}

fn is_answer(subject: &str) -> bool {
    let start = subject.trim_start();
    ["re:", "re[", "aw:", "sv:"]
        .iter()
        .any(|mark| start.get(..mark.len()).is_some_and(|found| found.eq_ignore_ascii_case(mark)))
}

fn is_hidden_in_base64(raw: &[u8]) -> bool {
    let raw = raw.to_ascii_lowercase();
    memchr::memmem::find(&raw, b"?b?").is_some() && memchr::memmem::find(&raw, b"=?").is_some()
}

/// A recipient's address or its local part, which is no greeting that people use.
fn names_recipient(context: &Context<'_>, subject: &str) -> bool {
    let subject = subject.to_lowercase();
    let named = context.anatomy.mailboxes("to");
    let of_envelope = context.passage.iter().flat_map(|passage| &passage.envelope.recipients);
    let addresses = of_envelope.take(5).map(|recipient| recipient.forward_path.key());
    addresses
        .chain(named.iter().take(5).map(|mailbox| mailbox.address.key()))
        .any(|key| subject.contains(&key))
}
