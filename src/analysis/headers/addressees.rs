//! To and Cc: whom a message says it is for.

use super::{Context, Sighting};
use crate::message::Authorship;

pub(super) fn look(context: &Context<'_>, seen: &mut Vec<Sighting>) {
    let shown =
        |name: &str| context.head.first(name).is_some_and(|value| !value.trim_ascii().is_empty());
    let named = context.anatomy.mailboxes("to");
    let copied = context.anatomy.mailboxes("cc");
    let text = context.text("to").unwrap_or_default().to_lowercase();
    match () {
        () if text.contains("undisclosed")
            || (text.contains(':') && text.trim_end().ends_with(';') && named.is_empty()) =>
        {
            seen.push(Sighting::new("TO_UNDISCLOSED", ""));
        }
        () if shown("to") && named.is_empty() && copied.is_empty() => {
            let start: String = text.chars().take(60).collect();
            seen.push(Sighting::new("TO_UNREADABLE", start));
        }
        () => {}
    }
    if let Authorship::One(author) = context.author
        && named.len() == 1
        && copied.is_empty()
        && named.iter().all(|mailbox| mailbox.address.key() == author.address.key())
    {
        seen.push(Sighting::new("TO_IS_AUTHOR", author.address.to_string()));
    }
    if let Some(mailbox) = named.iter().find(|mailbox| {
        let name = mailbox.display_name.trim_matches(['\'', '"', ' ']).to_lowercase();
        !name.is_empty() && name == mailbox.address.key()
    }) {
        seen.push(Sighting::new("TO_NAME_IS_ADDRESS", mailbox.address.to_string()));
    }
    look_at_envelope(context, &named, &copied, seen);
}

/// Whether any recipient of the envelope is shown; blind copies and lists are honest.
fn look_at_envelope(
    context: &Context<'_>,
    named: &[crate::message::Mailbox],
    copied: &[crate::message::Mailbox],
    seen: &mut Vec<Sighting>,
) {
    let Some(passage) = context.passage.filter(|_| !context.is_own() && !context.is_list) else {
        return;
    };
    let keys: Vec<String> =
        named.iter().chain(copied).map(|mailbox| mailbox.address.key()).collect();
    let is_shown = passage
        .envelope
        .recipients
        .iter()
        .any(|recipient| keys.contains(&recipient.forward_path.key()));
    if !is_shown && !keys.is_empty() {
        seen.push(Sighting::new("RECIPIENT_NOT_NAMED", ""));
    }
}
