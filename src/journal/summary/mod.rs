//! What one segment counts: how much mail went which way, and which names stood out.
//!
//! In: its entries in their order, and what is known of their mails. Out: [`Summary`], in
//! memory for the segment that grows, and a file beside each closed one ([`file`]).
//!
//! Counts are kept by steps of five minutes, names by hours, of the time when the mail came, so
//! that a search for mails of that time finds those that were counted; and by group: the
//! protected domains that a mail touches, as far as is known when the event happens. Since a
//! mail is in one group, adding groups counts it once, whichever domains somebody may see. A
//! copy is in the group of its recipient and of the sender: others' copies of the same mail do
//! not concern whoever answers for one of them. Unprotected domains make no groups, so there are
//! few.
//!
//! A mail whose verdict, group or direction becomes another one is taken back where it was
//! counted and counted where it is now. That may be another segment: counts wrap, and their sum
//! is right where all of them are there.

pub(super) mod file;

use std::collections::{BTreeMap, HashMap, HashSet};

use super::event::Event;
use super::flow::{HOUR_MS, STEP_MS, Tally, Topping, Ways};
use super::frame::Entry;
use super::index::fingerprint;
use super::marks::{domain_of, folded};
use super::query::{Direction, Home, rules_of, viruses_of};
use crate::mail::Verdict;

const TOPPINGS: usize = Topping::ALL.len();
/// Groups of one segment; what touches yet another set of domains counts with those that
/// touch none, and the summary says so.
const GROUPS: usize = 10_000;

/// What counting needs to know of a mail.
#[derive(Debug, Clone, Default)]
pub(super) struct Context {
    direction: Option<Direction>,
    has_sender: bool,
    /// The sender's protected domain.
    sender: u32,
    /// Those of the recipients.
    recipients: u32,
    /// Both.
    group: u32,
    /// Whom it concerns that it was turned away.
    away: Option<u32>,
    /// Those of recipients that were turned away.
    refused: u32,
    /// What it counts for itself, its copies aside.
    tally: Tally,
    /// What was counted of it by name.
    named: Vec<u64>,
}

impl Context {
    /// Where it counts, and for what.
    fn places(&self) -> [(u32, Ways); 2] {
        let (mut mail, mut away) = (Ways::default(), Ways::default());
        *mail.place(self.direction.unwrap_or_default()) = self.tally;
        // Who is turned away has no direction yet.
        away.place(Direction::default()).turned_away = u64::from(self.away.is_some());
        [(self.group, mail), (self.away.unwrap_or_default(), away)]
    }

    /// Whether a name is to be counted: once a mail.
    fn is_first(&mut self, topping: Topping, name: &str) -> bool {
        if matches!(topping, Topping::Senders | Topping::Recipients) {
            return true;
        }
        let print = fingerprint(topping as u8, name.as_bytes());
        let is_first = !self.named.contains(&print);
        if is_first {
            self.named.push(print);
        }
        is_first
    }
}

/// What one event added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) group: u32,
    pub(super) ways: Ways,
}

/// Names and how often they occurred.
pub(super) type Names = HashMap<Box<str>, u64>;

/// See the head of the file.
#[derive(Debug)]
pub(super) struct Summary {
    /// Sets of protected domains; the first one is empty.
    pub(super) groups: Vec<Vec<String>>,
    by_domains: HashMap<Vec<String>, u32>,
    /// By the beginning of the step and the group.
    pub(super) steps: BTreeMap<(u64, u32), Ways>,
    /// By the beginning of the hour and the group.
    pub(super) hours: BTreeMap<(u64, u32), [Names; TOPPINGS]>,
}

impl Default for Summary {
    fn default() -> Summary {
        Summary {
            groups: vec![Vec::new()],
            by_domains: HashMap::from([(Vec::new(), 0)]),
            steps: BTreeMap::new(),
            hours: BTreeMap::new(),
        }
    }
}

impl Summary {
    /// Notes what an event told of its mail in an earlier segment, where it was counted.
    pub(super) fn recall(&mut self, context: &mut Context, event: &Event, home: &Home) {
        self.learn(context, event, home);
        names_in(event, &mut |topping, name| {
            context.is_first(topping, name);
        });
    }

    /// Notes what an event tells of its mail; as [`Story`](super::story::Story) does.
    fn learn(&mut self, context: &mut Context, event: &Event, home: &Home) {
        context.direction = home.direction(event).or(context.direction);
        context.tally.learn(event);
        let Some((reverse_path, forward_paths)) = event.envelope() else { return };
        let recipients = forward_paths.iter().map(String::as_str);
        match event {
            Event::TurnedAway { .. } => {
                let refused = self.group_of(recipients, home);
                if !context.has_sender {
                    context.has_sender = !reverse_path.is_empty();
                    context.sender = self.group_of([reverse_path].into_iter(), home);
                }
                context.recipients = self.union(context.recipients, refused);
                context.refused = self.union(context.refused, refused);
                context.away = Some(0);
            }
            _ => {
                context.has_sender = !reverse_path.is_empty();
                context.sender = self.group_of([reverse_path].into_iter(), home);
                context.recipients = self.group_of(recipients, home);
            }
        }
        context.group = self.union(context.sender, context.recipients);
        if context.away.is_some() {
            let seen = self.common(context.refused, context.recipients);
            context.away = Some(self.union(seen, context.sender));
        }
    }

    /// The group of the protected ones among the domains of these paths.
    fn group_of<'p>(&mut self, paths: impl Iterator<Item = &'p str>, home: &Home) -> u32 {
        let mut domains: Vec<String> =
            paths.filter_map(domain_of).filter(|one| home.holds(one)).collect();
        domains.sort_unstable();
        domains.dedup();
        self.group(domains)
    }

    fn union(&mut self, one: u32, other: u32) -> u32 {
        if one == other || other == 0 {
            return one;
        }
        let mut domains = [self.domains(one), self.domains(other)].concat();
        domains.sort_unstable();
        domains.dedup();
        self.group(domains)
    }

    fn common(&mut self, one: u32, other: u32) -> u32 {
        let others = self.domains(other);
        let is_common = |domain: &&String| others.contains(domain);
        let domains = self.domains(one).iter().filter(is_common).cloned().collect();
        self.group(domains)
    }

    fn group(&mut self, domains: Vec<String>) -> u32 {
        if let Some(group) = self.by_domains.get(&domains) {
            return *group;
        }
        if self.groups.len() >= GROUPS {
            return 0;
        }
        let group = u32::try_from(self.groups.len()).unwrap_or(0);
        self.groups.push(domains.clone());
        self.by_domains.insert(domains, group);
        group
    }

    /// The protected domains of a group.
    pub(super) fn domains(&self, group: u32) -> &[String] {
        self.groups.get(group as usize).map_or(&[], Vec::as_slice)
    }

    /// Counts an event of a mail; what that added, and took back, for which groups.
    pub(super) fn count(
        &mut self,
        context: &mut Context,
        entry: &Entry,
        home: &Home,
    ) -> Vec<Counted> {
        let before = context.places();
        self.learn(context, &entry.event, home);
        let after = context.places();
        let mut changes = Vec::new();
        if before != after {
            let old = before.map(|(group, ways)| Counted { group, ways: ways.taken_back() });
            let new = after.map(|(group, ways)| Counted { group, ways });
            changes.extend(old.into_iter().chain(new));
        }
        self.copies(context, &entry.event, home, &mut changes);
        changes.retain(|one| one.ways != Ways::default());
        let came_ms = entry.mail_id.minted_at_ms();
        let step = came_ms - came_ms % STEP_MS;
        for one in &changes {
            *self.steps.entry((step, one.group)).or_default() += one.ways;
        }
        let hour = came_ms - came_ms % HOUR_MS;
        let hours = &mut self.hours;
        names_in(&entry.event, &mut |topping, name| {
            if !context.is_first(topping, name) {
                return;
            }
            let lists = hours.entry((hour, context.group)).or_default();
            let Some(list) = lists.get_mut(topping as usize) else { return };
            match list.get_mut(name) {
                Some(count) => *count += 1,
                None => {
                    list.insert(name.into(), 1);
                }
            }
        });
        changes
    }

    /// What an event counts for by itself: copies, attempts, visits.
    fn copies(
        &mut self,
        context: &Context,
        event: &Event,
        home: &Home,
        changes: &mut Vec<Counted>,
    ) {
        let mut put = |group: u32, tally: Tally| {
            let mut ways = Ways::default();
            *ways.place(context.direction.unwrap_or_default()) = tally;
            changes.push(Counted { group, ways });
        };
        let Some((paths, tally)) = copies_in(event) else { return };
        for path in paths {
            let group = self.group_of([path.as_str()].into_iter(), home);
            put(self.union(context.sender, group), tally);
        }
        if let Event::VisitRefused { .. } = event {
            put(context.group, tally);
        }
    }
}

/// The recipients whose copies an event is about, and what it counts for each.
pub(super) fn copies_in(event: &Event) -> Option<(&[String], Tally)> {
    let one = Tally::default();
    Some(match event {
        Event::Delivered { recipient, .. } => {
            (std::slice::from_ref(recipient), Tally { delivered: 1, ..one })
        }
        Event::Deferred { recipient, .. } => {
            (std::slice::from_ref(recipient), Tally { deferred: 1, ..one })
        }
        Event::Failed { recipient, .. } => {
            (std::slice::from_ref(recipient), Tally { failed: 1, ..one })
        }
        Event::Quarantined { recipients, .. } => (recipients, Tally { quarantined: 1, ..one }),
        Event::VisitRefused { .. } => (&[], Tally { visits_refused: 1, ..one }),
        _ => return None,
    })
}

impl Tally {
    /// What an event makes of a mail, its copies aside. Each mail counts once, by its last
    /// verdict.
    pub(super) fn learn(&mut self, event: &Event) {
        match event {
            Event::Received { size_octets, .. } | Event::Originated { size_octets, .. } => {
                self.received = 1;
                self.octets = *size_octets;
            }
            Event::Judged { verdict, .. } => {
                Verdict::ALL.into_iter().for_each(|other| *self.place(other) = 0);
                *self.place(*verdict) = 1;
            }
            Event::Refused { .. } => self.refused = 1,
            Event::Released { .. } => self.released = 1,
            Event::Discarded => self.discarded = 1,
            _ => {}
        }
    }
}

/// The distinct names that an event counts for.
fn names_in(event: &Event, put: &mut dyn FnMut(Topping, &str)) {
    match event {
        Event::Received { reverse_path, forward_paths, .. } => {
            let sender = if reverse_path.is_empty() { "<>" } else { reverse_path };
            put(Topping::Senders, &folded(sender));
            let mut seen = HashSet::new();
            for path in forward_paths.iter().map(|path| folded(path)) {
                if forward_paths.len() == 1 || seen.insert(path.clone()) {
                    put(Topping::Recipients, &path);
                }
            }
        }
        Event::Judged { findings, .. } => {
            let names: HashSet<&str> = findings.iter().map(|note| note.name.as_str()).collect();
            names.into_iter().for_each(|name| put(Topping::Findings, name));
            let rules: HashSet<String> = rules_of(event).into_iter().collect();
            rules.iter().for_each(|name| put(Topping::Rules, name));
        }
        Event::ApprovalAsked { rule, .. } => put(Topping::Rules, rule),
        _ => {}
    }
    let viruses: HashSet<&str> = viruses_of(event).collect();
    viruses.into_iter().for_each(|name| put(Topping::Viruses, name));
}
