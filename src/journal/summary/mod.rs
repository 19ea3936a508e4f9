//! What one segment counts: how much mail went which way, and which names stood out.
//!
//! In: its entries in their order, and what is known of their mails. Out: [`Summary`], in
//! memory for the segment that grows, and a file beside each closed one ([`file`]).
//!
//! Counts are kept by steps of five minutes, names by hours, both by group: the protected
//! domains that a mail touches, as far as is known when the event happens. Since a mail is in
//! one group, adding groups counts it once, whichever domains somebody may see. Unprotected
//! domains make no groups, so there are few.

pub(super) mod file;

use std::collections::{BTreeMap, HashMap, HashSet};

use super::event::Event;
use super::flow::{HOUR_MS, STEP_MS, Tally, Topping, Ways};
use super::frame::Entry;
use super::marks::{domain_of, folded};
use super::query::{Direction, Home, rules_of, viruses_of};

const TOPPINGS: usize = Topping::ALL.len();
/// Groups of one segment; what touches yet another set of domains counts with those that
/// touch none, and the summary says so.
const GROUPS: usize = 10_000;

/// What counting needs to know of a mail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Context {
    direction: Option<Direction>,
    group: u32,
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
    /// Notes what an event tells of its mail.
    pub(super) fn learn(&mut self, context: &mut Context, event: &Event, home: &Home) {
        context.direction = home.direction(event).or(context.direction);
        let (Event::Received { reverse_path, forward_paths, .. }
        | Event::Originated { reverse_path, forward_paths, .. }
        | Event::Continued { reverse_path, forward_paths, .. }
        | Event::TurnedAway { reverse_path, forward_paths, .. }) = event
        else {
            return;
        };
        let paths = std::iter::once(reverse_path).chain(forward_paths);
        let mut domains: Vec<String> =
            paths.filter_map(|path| domain_of(path)).filter(|one| home.holds(one)).collect();
        domains.extend_from_slice(self.domains(context.group));
        domains.sort_unstable();
        domains.dedup();
        context.group = self.group(domains);
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

    /// Counts an event of a mail.
    pub(super) fn count(&mut self, context: Context, entry: &Entry) -> Counted {
        let group = context.group;
        let mut tally = Tally::default();
        tally.count(&entry.event);
        let mut ways = Ways::default();
        *ways.place(context.direction.unwrap_or_default()) = tally;
        if tally != Tally::default() {
            let step = entry.at_ms - entry.at_ms % STEP_MS;
            *self.steps.entry((step, group)).or_default() += ways;
        }
        let hour = entry.at_ms - entry.at_ms % HOUR_MS;
        let hours = &mut self.hours;
        names_in(&entry.event, &mut |topping, name| {
            let lists = hours.entry((hour, group)).or_default();
            let Some(list) = lists.get_mut(topping as usize) else { return };
            match list.get_mut(name) {
                Some(count) => *count += 1,
                None => {
                    list.insert(name.into(), 1);
                }
            }
        });
        Counted { group, ways }
    }
}

impl Tally {
    /// Counts an event.
    pub(super) fn count(&mut self, event: &Event) {
        match event {
            Event::Received { size_octets, .. } | Event::Originated { size_octets, .. } => {
                self.received = 1;
                self.octets = *size_octets;
            }
            Event::Judged { verdict, .. } => *self.place(*verdict) = 1,
            Event::Refused { .. } => self.refused = 1,
            Event::TurnedAway { .. } => self.turned_away = 1,
            Event::VisitRefused { .. } => self.visits_refused = 1,
            Event::Delivered { .. } => self.delivered = 1,
            Event::Deferred { .. } => self.deferred = 1,
            Event::Failed { .. } => self.failed = 1,
            Event::Quarantined { recipients, .. } => self.quarantined = recipients.len() as u64,
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
