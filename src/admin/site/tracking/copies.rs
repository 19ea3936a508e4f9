//! Where each copy of a mail is now, and why the mail was treated as it was, in a sentence.
//!
//! In: the story of a mail. Out: one line a recipient, by the last that happened to that copy.
//! What happens to a mail as a whole happens to all copies that have not come to their end.

use std::collections::HashMap;

use maud::{Markup, html};

use crate::admin::site::pieces;
use crate::journal::{Event, Story};
use crate::mail::MailId;

/// Lines that are shown.
const SHOWN: usize = 100;

/// One recipient's copy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Copy {
    recipient: String,
    kind: &'static str,
    state: &'static str,
    at_ms: u64,
    words: String,
    becomes: Option<MailId>,
    is_at_its_end: bool,
}

/// What happened: class of the badge, state, and more in words.
type Turn = (&'static str, &'static str, String);

/// The copies as they stand on the page, and where each recipient's is: a mail may have
/// thousands, each with many events.
#[derive(Debug, Default)]
struct Copies {
    list: Vec<Copy>,
    place: HashMap<String, usize>,
}

impl Copies {
    fn of(story: &Story) -> Copies {
        let mut copies = Copies::default();
        for path in &story.forward_paths {
            copies.turn(path, 0, ("badge", "on its way", String::new()));
        }
        for (at_ms, event) in &story.events {
            copies.learn(*at_ms, event);
        }
        copies
    }

    fn learn(&mut self, at_ms: u64, event: &Event) {
        let none = String::new;
        match event {
            Event::Delivered { recipient, hop, reply, .. } => {
                let words = format!("{hop} took it and said: {reply}");
                self.end(recipient, at_ms, ("badge good", "delivered", words));
            }
            Event::Deferred { recipient, reply, .. } => {
                let turn = ("badge warn", "waits in the queue", reply.clone());
                self.turn(recipient, at_ms, turn);
            }
            Event::Failed { recipient, reply } => {
                let turn = ("badge bad", "could not be delivered", reply.clone());
                self.end(recipient, at_ms, turn);
            }
            Event::Quarantined { area, recipients } => {
                for one in recipients {
                    let turn = ("badge warn", "in quarantine", format!("area {area}"));
                    self.turn(one, at_ms, turn);
                }
            }
            Event::GoesOn { forward_paths, becomes } => {
                for one in forward_paths {
                    let turn = ("badge good", "released", format!("goes on as mail {becomes}"));
                    self.end(one, at_ms, turn);
                    self.lead(one, *becomes);
                }
            }
            Event::Redirected { recipients, forward_paths, becomes } => {
                for one in recipients {
                    let words = format!("to {}", forward_paths.join(", "));
                    self.end(one, at_ms, ("badge", "sent elsewhere", words));
                    self.lead(one, *becomes);
                }
            }
            Event::TurnedAway { forward_paths, reply, .. } => {
                for one in forward_paths {
                    self.end(one, at_ms, ("badge", "turned away", reply.clone()));
                }
            }
            Event::Refused { reply, .. } => self.all(at_ms, ("badge", "refused", reply.clone())),
            Event::Discarded => {
                self.all(at_ms, ("badge", "dropped", "as policy has it; nobody is told".into()));
            }
            Event::Expired => {
                self.all(
                    at_ms,
                    ("badge bad", "given up", "it was kept for as long as it may be".into()),
                );
            }
            Event::Removed { by } => self.all(at_ms, ("badge bad", "removed", format!("by {by}"))),
            Event::Held { by } => self.pause(at_ms, ("badge warn", "held", format!("by {by}"))),
            Event::Released { by } => {
                let held = self.list.iter_mut().filter(|one| one.state == "held");
                for one in held {
                    (one.kind, one.state, one.at_ms) = ("badge", "on its way", at_ms);
                    one.words = format!("released by {by}");
                }
            }
            Event::Retried { by } => {
                self.pause(at_ms, ("badge", "on its way", format!("tried again for {by}")));
            }
            Event::Committed => self.pause(at_ms, ("badge", "on its way", none())),
            _ => {}
        }
    }

    /// Something happened to a copy.
    fn turn(&mut self, recipient: &str, at_ms: u64, (kind, state, words): Turn) {
        let recipient = recipient.trim_matches(['<', '>']).to_owned();
        let (becomes, is_at_its_end) = (None, false);
        let key = recipient.to_ascii_lowercase();
        let copy = Copy { recipient, kind, state, at_ms, words, becomes, is_at_its_end };
        let at = *self.place.entry(key).or_insert(self.list.len());
        match self.list.get_mut(at) {
            Some(known) => {
                *known = Copy { recipient: std::mem::take(&mut known.recipient), ..copy };
            }
            None => self.list.push(copy),
        }
    }

    /// Nothing more happens to a copy.
    fn end(&mut self, recipient: &str, at_ms: u64, turn: Turn) {
        self.turn(recipient, at_ms, turn);
        if let Some(copy) = self.of_recipient(recipient) {
            copy.is_at_its_end = true;
        }
    }

    fn of_recipient(&mut self, recipient: &str) -> Option<&mut Copy> {
        let key = recipient.trim_matches(['<', '>']).to_ascii_lowercase();
        self.list.get_mut(*self.place.get(&key)?)
    }

    fn lead(&mut self, recipient: &str, becomes: MailId) {
        if let Some(copy) = self.of_recipient(recipient) {
            copy.becomes = Some(becomes);
        }
    }

    /// The end of all that have not come to it.
    fn all(&mut self, at_ms: u64, turn: Turn) {
        self.pause(at_ms, turn);
        self.list.iter_mut().for_each(|one| one.is_at_its_end = true);
    }

    fn pause(&mut self, at_ms: u64, (kind, state, words): Turn) {
        for one in self.list.iter_mut().filter(|one| !one.is_at_its_end) {
            if state == "on its way" && one.state == "in quarantine" {
                continue;
            }
            (one.kind, one.state, one.at_ms) = (kind, state, at_ms);
            one.words.clone_from(&words);
        }
    }
}

/// Where each copy is.
pub(super) fn shown(story: &Story) -> Markup {
    let copies = Copies::of(story).list;
    html! {
        @if !copies.is_empty() {
            h2 { "Where it is" }
            div.scroll { table.stack {
                caption.visually-hidden { "Where each recipient's copy is" }
                thead { tr {
                    th scope="col" { "Recipient" } th scope="col" { "Its copy" }
                    th scope="col" { "Since" } th scope="col" { "More" }
                } }
                tbody { @for copy in copies.iter().take(SHOWN) {
                    tr {
                        td data-name="Recipient" { (pieces::harmless(&copy.recipient)) }
                        td data-name="Its copy" { span class=(copy.kind) { (copy.state) } }
                        td.when data-name="Since" { @if copy.at_ms > 0 { (pieces::time(copy.at_ms)) } }
                        td data-name="More" {
                            @match copy.becomes {
                                Some(other) => a href=(format!("/tracking/{other}")) { (pieces::harmless(&copy.words)) },
                                None => (pieces::harmless(&copy.words)),
                            }
                        }
                    }
                } }
            } }
            @if copies.len() > SHOWN { p.soft { "and " (copies.len() - SHOWN) " more recipients" } }
        }
    }
}

/// Why it was treated so, in a sentence; nothing when nobody asked policy.
pub(super) fn why(story: &Story, meaning: &dyn Fn(&str) -> String) -> Option<String> {
    story.events.iter().rev().find_map(|(_, event)| match event {
        Event::Judged { findings, score, dispositions, .. } => {
            let rules: Vec<&str> = findings
                .iter()
                .filter(|note| super::message::is_of_policy(note))
                .map(|note| note.detail.as_str())
                .collect();
            let heaviest = findings.iter().max_by(|one, other| one.score.total_cmp(&other.score));
            Some(match (rules.as_slice(), heaviest) {
                ([], Some(note)) if note.score > 0.0 => format!(
                    "No rule acted: the score of {score:.1} and the classes of its findings \
                     decided ({dispositions}). What weighs most: {}, {:+.1}.",
                    meaning(&note.name),
                    note.score
                ),
                ([], _) => format!(
                    "No rule acted and nothing speaks against it: score {score:.1} ({dispositions})."
                ),
                (rules, _) => format!("Policy decided: {}.", rules.join("; ")),
            })
        }
        Event::TurnedAway { reply, stage, .. } => {
            Some(format!("It was turned away at {stage}, before its text came: {reply}"))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story(events: Vec<Event>) -> Story {
        Story {
            mail_id: MailId::mint(),
            reverse_path: "ann@sender.test".into(),
            forward_paths: vec!["a@one.test".into(), "b@one.test".into(), "c@one.test".into()],
            subject: String::new(),
            message_id: String::new(),
            events: (1..).zip(events).collect(),
        }
    }

    #[test]
    fn each_copy_is_where_its_last_event_left_it() {
        let becomes = MailId::mint();
        let reply = || "451 later".to_owned();
        let seen = Copies::of(&story(vec![
            Event::Committed,
            Event::Quarantined { area: "spam".into(), recipients: vec!["b@one.test".into()] },
            Event::Delivered {
                recipient: "A@one.test".into(),
                hop: "h".into(),
                reply: "250 ok".into(),
                tls: None,
            },
            Event::Deferred { recipient: "c@one.test".into(), reply: reply(), next_attempt_ms: 0 },
            Event::GoesOn { forward_paths: vec!["b@one.test".into()], becomes },
            Event::Removed { by: "root".into() },
        ]));
        let states: Vec<_> = seen.list.iter().map(|one| (one.state, one.at_ms)).collect();
        assert_eq!(states, [("delivered", 3), ("released", 5), ("removed", 6)]);
        assert_eq!(seen.list[1].becomes, Some(becomes));
        let new = Copies::of(&story(vec![]));
        assert!(new.list.iter().all(|one| one.state == "on its way" && !one.is_at_its_end));
    }

    #[test]
    fn what_strangers_wrote_is_escaped() {
        let mail =
            story(vec![Event::Refused { reply: "<b>no</b>".into(), stage: "policy".into() }]);
        let page = shown(&mail).into_string();
        assert!(page.contains("&lt;b&gt;no") && !page.contains("<b>no"), "{page}");
    }
}
