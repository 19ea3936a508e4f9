//! Every mail of some days, one after the other, with what was made of it.
//!
//! In: a time. Out: a [`Story`] for each mail that came in since, the oldest first, with its
//! reception, its last judgement and what rules could ask ([`Event::Inspected`]); other events
//! are left out. Each segment is read once, whole; what became of a mail after its segment was
//! closed is looked up.
//!
//! Bounded by one segment in memory. Segments that expire meanwhile have no mail.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use super::JournalError;
use super::event::Event;
use super::index::Token;
use super::segment::{Books, View};
use super::story::Story;
use crate::mail::MailId;

/// Judgements of one mail that are looked at; a mail that waits is judged again and again.
const EVENTS: usize = 1_000;

pub(super) fn walk(
    books: &Books,
    since_ms: u64,
    show: &mut dyn FnMut(Story) -> ControlFlow<()>,
) -> Result<(), JournalError> {
    let mut views: Vec<View> =
        books.views().into_iter().filter(|view| Books::last_ms(view) >= since_ms).collect();
    views.reverse();
    // In memory for the mails of one segment only: a mail comes in once.
    for (at, view) in views.iter().enumerate() {
        let (order, mut mails) = gather(books, view, since_ms);
        let later = views.get(at + 1..).unwrap_or_default();
        for mail_id in order {
            let Some(mut events) = mails.remove(&mail_id) else { continue };
            for (number, view) in later.iter().enumerate() {
                // Soon after it came it was judged, and again only if it had to wait.
                if is_settled(&events) || (number > 0 && !waits(&events)) {
                    break;
                }
                look_up(books, view, mail_id, &mut events)?;
            }
            only_last(&mut events);
            let Some(story) = Story::new(mail_id, events) else { continue };
            if show(story).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

type Events = Vec<(u64, Event)>;

/// The mails that came in in a segment, in their order, and what it knows of them.
fn gather(books: &Books, view: &View, since_ms: u64) -> (Vec<MailId>, BTreeMap<MailId, Events>) {
    let mut mails: BTreeMap<MailId, Events> = BTreeMap::new();
    let mut order = Vec::new();
    let mut received: HashSet<MailId> = HashSet::new();
    books.scan(view, &mut |entry| {
        let is_beginning = matches!(entry.event, Event::Received { .. });
        if is_beginning && entry.at_ms >= since_ms && received.insert(entry.mail_id) {
            order.push(entry.mail_id);
        } else if is_beginning || !received.contains(&entry.mail_id) || !is_told(&entry.event) {
            return;
        }
        add(mails.entry(entry.mail_id).or_default(), entry.at_ms, entry.event);
    });
    (order, mails)
}

fn look_up(
    books: &Books,
    view: &View,
    mail_id: MailId,
    events: &mut Events,
) -> Result<(), JournalError> {
    let (number, mut offsets) = books.offsets(view, &Token::Mail(mail_id))?;
    offsets.reverse();
    offsets.truncate(EVENTS);
    for entry in books.read(number, &offsets) {
        // A fingerprint may be another mail's as well.
        if entry.mail_id == mail_id && is_told(&entry.event) {
            add(events, entry.at_ms, entry.event);
        }
    }
    Ok(())
}

fn is_told(event: &Event) -> bool {
    matches!(event, Event::Judged { .. } | Event::Inspected(_))
}

fn add(events: &mut Events, at_ms: u64, event: Event) {
    if events.len() >= EVENTS {
        only_last(events);
    }
    events.push((at_ms, event));
}

fn last_judged(events: &Events) -> Option<usize> {
    events.iter().rposition(|(_, event)| matches!(event, Event::Judged { .. }))
}

/// Whether it waits to be judged again.
fn waits(events: &Events) -> bool {
    let judged = last_judged(events).and_then(|at| events.get(at));
    judged.is_some_and(|(_, event)| {
        matches!(event, Event::Judged { dispositions, .. } if dispositions.contains("hold"))
    })
}

/// Whether nothing more is to be expected.
fn is_settled(events: &Events) -> bool {
    let Some(judged) = last_judged(events) else { return false };
    let last = events.get(judged..).unwrap_or_default();
    !waits(events) && last.iter().any(|(_, event)| matches!(event, Event::Inspected(_)))
}

/// Leaves the reception, the last judgement and what was kept after it.
fn only_last(events: &mut Events) {
    let Some(judged) = last_judged(events) else { return };
    let mut at = 0;
    events.retain(|(_, event)| {
        at += 1;
        at > judged || matches!(event, Event::Received { .. })
    });
}
