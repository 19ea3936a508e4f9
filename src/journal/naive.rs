//! The answers of indexes and summaries, found by reading every event: what those must agree
//! with.
//!
//! In: all segments. Out: [`Found`], [`Flow`], [`Top`], [`ActsFound`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::acts::{ActCriteria, ActFound, ActQuery, ActsFound};
use super::event::Event;
use super::flow::{Flow, FlowBucket, HOUR_MS, Span, Tally, Top, TopRow, Topping, Ways};
use super::frame::Entry;
use super::marks::{domain_of, folded};
use super::query::{
    Criteria, Direction, Home, TrackQuery, first_id_at, rules_of, scope_of, viruses_of,
};
use super::search::Found;
use super::segment::Books;
use super::story::Story;
use crate::mail::MailId;

fn all(books: &Books) -> Vec<Entry> {
    let mut entries = Vec::new();
    for view in books.views().iter().rev() {
        books.scan(view, &mut |entry| entries.push(entry));
    }
    entries
}

pub(super) fn search(books: &Books, query: &TrackQuery) -> Found {
    let criteria = Criteria::of(query).unwrap();
    let limit = if query.limit == 0 { 100 } else { query.limit };
    let mut mails: BTreeMap<MailId, Vec<(u64, Event)>> = BTreeMap::new();
    for entry in all(books) {
        mails.entry(entry.mail_id).or_default().push((entry.at_ms, entry.event));
    }
    let mut stories = Vec::new();
    for (mail_id, mut events) in mails.into_iter().rev() {
        events.sort_by_key(|(at_ms, _)| *at_ms);
        let story = Story::new(mail_id, events).unwrap();
        if criteria.are_met(&story, &books.home.load()) {
            stories.push(story);
        }
    }
    let is_complete = stories.len() <= limit;
    stories.truncate(limit);
    Found { stories, is_complete, older_than: None }
}

pub(super) fn acts(books: &Books, query: &ActQuery) -> ActsFound {
    let criteria = ActCriteria::of(query);
    let limit = if query.limit == 0 { 100 } else { query.limit };
    let mut acts: Vec<ActFound> = Vec::new();
    for Entry { mail_id, at_ms, event } in all(books) {
        let Event::Administered(note) = event else { continue };
        let is_within = query.since_ms.is_none_or(|since| note.act_id >= first_id_at(since))
            && query.until_ms.is_none_or(|until| note.act_id < first_id_at(until))
            && query.before.is_none_or(|before| note.act_id < before);
        if is_within && criteria.are_met(mail_id, &note) {
            let mail_id = (mail_id != note.act_id).then_some(mail_id);
            acts.push(ActFound { at_ms, mail_id, note: *note });
        }
    }
    acts.sort_by_key(|one| std::cmp::Reverse(one.note.act_id));
    let is_more = acts.len() > limit;
    acts.truncate(limit);
    let older_than = acts.last().filter(|_| is_more).map(|one| one.note.act_id);
    ActsFound { acts, older_than }
}

/// What is known of a mail by some event of it.
#[derive(Default)]
struct Known {
    direction: Option<Direction>,
    reverse_path: String,
    forward_paths: Vec<String>,
}

impl Known {
    fn learn(&mut self, event: &Event, home: &Home) {
        self.direction = home.direction(event).or(self.direction);
        let Some((reverse_path, forward_paths)) = event.envelope() else { return };
        let is_away = matches!(event, Event::TurnedAway { .. });
        if !is_away || self.reverse_path.is_empty() {
            reverse_path.clone_into(&mut self.reverse_path);
        }
        if !is_away {
            self.forward_paths.clear();
        }
        self.forward_paths.extend_from_slice(forward_paths);
    }
}

/// Whether one of these paths is in one of the domains, of those that are protected.
fn is_within<'p>(
    scope: Option<&Vec<String>>,
    home: &Home,
    mut paths: impl Iterator<Item = &'p String>,
) -> bool {
    scope.is_none_or(|scope| {
        paths
            .any(|path| domain_of(path).is_some_and(|one| scope.contains(&one) && home.holds(&one)))
    })
}

/// Shows each event with what is known of its mail when it happened.
fn events(books: &Books, show: &mut dyn FnMut(&Entry, &Known)) {
    let mut known: HashMap<MailId, Known> = HashMap::new();
    for entry in all(books) {
        let one = known.entry(entry.mail_id).or_default();
        one.learn(&entry.event, &books.home.load());
        show(&entry, one);
    }
}

/// What a mail counts for, its copies aside, and whom it concerns.
fn mail_in(story: &Story, known: &Known, scope: Option<&Vec<String>>, home: &Home) -> Ways {
    let sender = std::iter::once(&known.reverse_path);
    let mut ways = Ways::default();
    if !is_within(scope, home, sender.clone().chain(&known.forward_paths)) {
        return ways;
    }
    let tally = ways.place(known.direction.unwrap_or_default());
    for (_, event) in &story.events {
        match event {
            Event::Received { size_octets, .. } | Event::Originated { size_octets, .. } => {
                (tally.received, tally.octets) = (1, *size_octets);
            }
            Event::Refused { .. } => tally.refused = 1,
            Event::Released { .. } => tally.released = 1,
            Event::Discarded => tally.discarded = 1,
            _ => {}
        }
    }
    let verdict = story.events.iter().rev().find_map(|(_, event)| match event {
        Event::Judged { verdict, .. } => Some(*verdict),
        _ => None,
    });
    verdict.into_iter().for_each(|verdict| *tally.place(verdict) = 1);
    let is_theirs = story.events.iter().any(|(_, event)| match event {
        Event::TurnedAway { forward_paths, .. } => {
            let known = known.forward_paths.iter().map(|path| domain_of(path));
            let known: Vec<Option<String>> = known.collect();
            let paths = forward_paths.iter().filter(|path| known.contains(&domain_of(path)));
            is_within(scope, home, sender.clone().chain(paths))
        }
        _ => false,
    });
    ways.inbound.turned_away = u64::from(is_theirs);
    ways
}

pub(super) fn flow(books: &Books, span: Span, domains: Option<&[String]>, now_ms: u64) -> Flow {
    let since_ms = span.since_ms(now_ms);
    let start =
        |step| FlowBucket { start_ms: since_ms + step * span.step_ms(), ways: Ways::default() };
    let mut buckets: Vec<FlowBucket> = (0..span.steps()).map(start).collect();
    let mut total = Ways::default();
    let mut add = |mail_id: MailId, ways: Ways| {
        let Some(at) = mail_id.minted_at_ms().checked_sub(since_ms) else { return };
        let Some(bucket) = buckets.get_mut((at / span.step_ms()) as usize) else { return };
        bucket.ways += ways;
        total += ways;
    };
    let (home, scope) = (books.home.load_full(), domains.map(scope_of));
    let mut mails: BTreeMap<MailId, (Known, Vec<(u64, Event)>)> = BTreeMap::new();
    events(books, &mut |entry, known| {
        let paths = [&known.reverse_path];
        let mut tally = Tally::default();
        let mut count = |recipient: &String, one: Tally| {
            if is_within(scope.as_ref(), &home, paths.into_iter().chain([recipient])) {
                tally += one;
            }
        };
        let one = Tally::default();
        match &entry.event {
            Event::Delivered { recipient, .. } => count(recipient, Tally { delivered: 1, ..one }),
            Event::Deferred { recipient, .. } => count(recipient, Tally { deferred: 1, ..one }),
            Event::Failed { recipient, .. } => count(recipient, Tally { failed: 1, ..one }),
            Event::Quarantined { recipients, .. } => {
                recipients.iter().for_each(|path| count(path, Tally { quarantined: 1, ..one }));
            }
            Event::VisitRefused { .. } => {
                let mut paths = paths.into_iter().chain(&known.forward_paths);
                if is_within(scope.as_ref(), &home, &mut paths) {
                    tally.visits_refused = 1;
                }
            }
            _ => {}
        }
        let mut ways = Ways::default();
        *ways.place(known.direction.unwrap_or_default()) = tally;
        add(entry.mail_id, ways);
        let mail = mails.entry(entry.mail_id).or_default();
        mail.0.learn(&entry.event, &home);
        mail.1.push((entry.at_ms, entry.event.clone()));
    });
    for (mail_id, (known, events)) in mails {
        let story = Story::new(mail_id, events).unwrap();
        assert_eq!(story.reverse_path, known.reverse_path);
        add(mail_id, mail_in(&story, &known, scope.as_ref(), &home));
    }
    Flow { span, step_ms: span.step_ms(), buckets, total, is_complete: true }
}

pub(super) fn top(
    books: &Books,
    (span, topping): (Span, Topping),
    limit: usize,
    domains: Option<&[String]>,
    now_ms: u64,
) -> Top {
    let since_ms = span.since_ms(now_ms) / HOUR_MS * HOUR_MS;
    let (home, scope) = (books.home.load_full(), domains.map(scope_of));
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut seen: BTreeSet<(MailId, String)> = BTreeSet::new();
    events(books, &mut |entry, known| {
        let mut names: BTreeSet<String> = match (topping, &entry.event) {
            (Topping::Senders, Event::Received { reverse_path, .. }) => {
                let name = if reverse_path.is_empty() { "<>" } else { reverse_path };
                BTreeSet::from([folded(name)])
            }
            (Topping::Recipients, Event::Received { forward_paths, .. }) => {
                let is_theirs = |path: &&String| {
                    let domain = domain_of(path).unwrap_or_default();
                    scope.as_ref().is_none_or(|scope| scope.contains(&domain))
                };
                forward_paths.iter().filter(is_theirs).map(|path| folded(path)).collect()
            }
            (Topping::Rules, event) => rules_of(event).into_iter().collect(),
            (Topping::Viruses, event) => viruses_of(event).map(str::to_owned).collect(),
            (Topping::Findings, Event::Judged { findings, .. }) => {
                findings.iter().map(|note| note.name.clone()).collect()
            }
            _ => BTreeSet::new(),
        };
        // Each once a mail.
        names.retain(|name| seen.insert((entry.mail_id, name.clone())));
        let paths = std::iter::once(&known.reverse_path).chain(&known.forward_paths);
        if entry.mail_id.minted_at_ms() < since_ms || !is_within(scope.as_ref(), &home, paths) {
            return;
        }
        for name in names {
            *counts.entry(name).or_default() += 1;
        }
    });
    let mut rows: Vec<TopRow> =
        counts.into_iter().map(|(name, count)| TopRow { name, count }).collect();
    rows.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.name.cmp(&other.name)));
    rows.truncate(limit);
    Top { topping, since_ms, rows, short_by: 0, is_complete: true }
}
