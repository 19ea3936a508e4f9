//! `postern track`: a message's story.

use super::arguments::TrackOrder;
use super::control::{Control, encoded};
use super::exit::{Exit, Trouble};
use super::render;
use crate::journal::Story;
use crate::mail::MailId;

pub(super) fn track(order: &TrackOrder) -> Result<Exit, Trouble> {
    let control = Control::of(&order.listing.config)?;
    let mut stories: Vec<Story> = Vec::new();
    for question in questions(order)? {
        let found = control.found::<Story>(&question)?;
        if !found.is_complete {
            aside!("there may be more: the search ended at its limit of number or time");
        }
        for story in found.rows {
            if !stories.iter().any(|known| known.mail_id == story.mail_id) {
                stories.push(story);
            }
        }
    }
    if stories.is_empty() {
        aside!("no message is known by that");
        // A program that asks for a list gets an empty one.
        return Ok(if order.listing.json { Exit::Ok } else { Exit::No });
    }
    stories.truncate(order.limit);
    render::rows(&stories, order.listing.json, Story::in_plain_words)
}

/// What to ask the box. A bare word is a MailId when it looks like one; otherwise it is asked
/// for as Message-ID, sender and recipient.
fn questions(order: &TrackOrder) -> Result<Vec<String>, Trouble> {
    let mut named = Vec::new();
    for (name, value) in [
        ("sender", &order.sender),
        ("recipient", &order.recipient),
        ("message_id", &order.message_id),
        ("mail_id", &order.mail_id),
    ] {
        named.extend(value.iter().map(|value| format!("&{name}={}", encoded(value))));
    }
    let path = |terms: &str| format!("/v1/track?limit={}{terms}", order.limit);
    let by = |name: &str, what: &str| path(&format!("&{name}={}", encoded(what)));
    match (&order.what, named.is_empty()) {
        (Some(_), false) => {
            Err(Trouble::Usage("say what with an option or without, not both".into()))
        }
        (Some(what), true) if what.parse::<MailId>().is_ok() => Ok(vec![by("mail_id", what)]),
        (Some(what), true) => {
            Ok(["message_id", "sender", "recipient"].map(|name| by(name, what)).into())
        }
        (None, false) => Ok(vec![path(&named.concat())]),
        (None, true) => Err(Trouble::Usage(
            "say which message: --sender, --recipient, --message-id or --mail-id".into(),
        )),
    }
}
