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
        books.views().into_iter().filter(|view| Books::times_ms(view).1 >= since_ms).collect();
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
    let frames = books.ask(view, &mut |index| index.frames(mail_id))?.flatten();
    let Some((mut offsets, _)) = frames else { return Ok(()) };
    offsets.truncate(EVENTS);
    for entry in books.read(view.number(), &offsets) {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config;
    use crate::journal::{Inspection, Journal};
    use crate::mail::{Role, Verdict};

    fn received(number: usize) -> Event {
        Event::Received {
            role: Role::Inbound,
            client: "192.0.2.1".parse().unwrap(),
            helo: "client.test".into(),
            reverse_path: format!("s{number}@sender.test"),
            forward_paths: vec!["bob@own.test".into()],
            size_octets: 1,
            tls: None,
            account: None,
        }
    }

    fn judged(dispositions: &str) -> Event {
        Event::Judged {
            verdict: Verdict::Clean,
            score: 0.0,
            findings: Vec::new(),
            subject: "x".repeat(200),
            message_id: String::new(),
            dispositions: dispositions.into(),
        }
    }

    fn inspected(score: f32) -> Event {
        Event::Inspected(Box::new(Inspection::at(1, score)))
    }

    fn journal(dir: &tempfile::TempDir) -> Arc<Journal> {
        Journal::open_with(&config::Journal::default(), dir.path(), 4_096).unwrap()
    }

    fn all(journal: &Journal, since_ms: u64, most: usize) -> Vec<Story> {
        let mut stories = Vec::new();
        let show = &mut |story| {
            stories.push(story);
            match stories.len() < most {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        };
        journal.walk(since_ms, show).unwrap();
        stories
    }

    #[test]
    fn every_mail_is_shown_once_with_its_last_judgement() {
        let dir = tempfile::tempdir().unwrap();
        let journal = journal(&dir);
        let waiting = MailId::mint();
        journal.record(waiting, received(0));
        journal.record(waiting, judged("hold 1"));
        journal.record(waiting, inspected(1.0));
        let ids: Vec<MailId> = (0..100).map(|_| MailId::mint()).collect();
        for (number, id) in ids.iter().enumerate() {
            journal.record(*id, received(number));
            journal.record(*id, judged("deliver 1"));
            journal.record(*id, inspected(number as f32));
            journal.record(*id, Event::Committed);
            journal.flush();
        }
        journal.record(waiting, judged("deliver 1"));
        journal.record(waiting, inspected(9.0));
        let shown = all(&journal, 0, usize::MAX);
        let names: Vec<MailId> = shown.iter().map(|story| story.mail_id).collect();
        let expected: Vec<MailId> = [waiting].into_iter().chain(ids).collect();
        assert_eq!(names, expected);
        for (number, story) in shown.iter().skip(1).enumerate() {
            let [(_, Event::Received { .. }), (_, Event::Judged { .. }), (_, last)] =
                &*story.events
            else {
                panic!("{story:?}");
            };
            assert_eq!(*last, inspected(number as f32));
        }
        // Judged again many segments later.
        assert_eq!(shown[0].events.last().unwrap().1, inspected(9.0));
        assert_eq!(shown[0].events.len(), 3, "{:?}", shown[0]);
        assert_eq!(all(&journal, 0, 5).len(), 5);
        assert_eq!(all(&journal, u64::MAX, usize::MAX).len(), 0);
        journal.close();
        drop(journal);
        let again = self::journal(&dir);
        assert_eq!(all(&again, 0, usize::MAX), shown);
    }
}
