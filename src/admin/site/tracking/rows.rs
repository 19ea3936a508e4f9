//! A mail of the journal on one line: verdict, what became of it, for lists and for export.

use maud::{Markup, html};

use crate::journal::{Event, Story};
use crate::mail::Verdict;

/// The last verdict and its score.
pub(super) fn judged(story: &Story) -> Option<(Verdict, f32)> {
    story.events.iter().rev().find_map(|(_, event)| match event {
        Event::Judged { verdict, score, .. } => Some((*verdict, *score)),
        _ => None,
    })
}

/// When it came, milliseconds since 1970.
pub(super) fn began_ms(story: &Story) -> u64 {
    story.events.first().map_or(story.mail_id.minted_at_ms(), |(at_ms, _)| *at_ms)
}

/// Where it came from, when that is known.
pub(super) fn client(story: &Story) -> String {
    let client = story.events.iter().find_map(|(_, event)| match event {
        Event::Received { client, .. }
        | Event::TurnedAway { client, .. }
        | Event::VisitRefused { client, .. } => Some(client.to_string()),
        _ => None,
    });
    client.unwrap_or_default()
}

/// What became of it in the end, in a few words.
pub(super) fn became(story: &Story) -> &'static str {
    let mut words = story.events.iter().rev().filter_map(|(_, event)| word(event));
    // That it was taken may be written just behind what was done with it at once.
    let telling = words.clone().find(|word| *word != ACCEPTED).or_else(|| words.next());
    telling.unwrap_or("on its way")
}

/// The same as a badge.
pub(super) fn became_badge(story: &Story) -> Markup {
    let words = became(story);
    let kind = match words {
        "delivered" | "released" => "badge good",
        "waits" | "quarantined" | "waits for approval" | "held" => "badge warn",
        "could not be delivered" | "expired" | "malware found later" => "badge bad",
        _ => "badge",
    };
    html! { span class=(kind) { (words) } }
}

/// Nothing is known of it but that it was taken.
const ACCEPTED: &str = "accepted";

fn word(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::Delivered { .. } => "delivered",
        Event::Deferred { .. } => "waits",
        Event::Failed { .. } => "could not be delivered",
        Event::Quarantined { .. } => "quarantined",
        Event::Refused { .. } => "refused",
        Event::TurnedAway { .. } => "turned away",
        Event::VisitRefused { .. } => "session refused",
        Event::Discarded => "discarded",
        Event::Expired => "expired",
        Event::Released { .. } | Event::GoesOn { .. } => "released",
        Event::Removed { .. } => "removed",
        Event::Held { .. } => "held",
        Event::Redirected { .. } => "redirected",
        Event::FoundLater { .. } => "malware found later",
        Event::ApprovalAsked { .. } => "waits for approval",
        Event::Committed | Event::Recovered => ACCEPTED,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::MailId;

    #[test]
    fn that_a_mail_was_taken_says_nothing_of_what_became_of_it() {
        let story = |events: &[Event]| Story {
            mail_id: MailId::mint(),
            reverse_path: String::new(),
            forward_paths: Vec::new(),
            subject: String::new(),
            message_id: String::new(),
            events: (1..).zip(events.iter().cloned()).collect(),
        };
        for (events, words) in [
            (&[Event::Committed, Event::Discarded][..], "discarded"),
            (&[Event::Discarded, Event::Committed][..], "discarded"),
            (&[Event::Committed, Event::Recovered][..], "accepted"),
            (&[][..], "on its way"),
        ] {
            assert_eq!(became(&story(events)), words, "{events:?}");
        }
    }
}
