//! The Subject: capitals, padding, letters in disguise.

use unicode_normalization::UnicodeNormalization;

use super::{Context, Sighting};

/// Of a subject, in characters.
const LOOKED_AT: usize = 400;
/// Blanks in a row that push the rest out of sight.
const PADDING: usize = 8;

pub(super) fn look(context: &Context<'_>, seen: &mut Vec<Sighting>) {
    let Some(raw) = context.head.first("subject") else { return };
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
