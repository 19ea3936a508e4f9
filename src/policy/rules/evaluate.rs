//! Rules and the circumstances of one (mail, recipient) → what they order.
//!
//! In: [`RuleBook`] and [`Circumstances`]. Out: [`Outcome`]: the first final order, all orders
//! that go beside, and on request why each rule did or did not apply. Pure, and linear in the
//! rules that may apply by the [`index`](super::index); each atom is asked once at most. A few
//! buffers are allocated an evaluation, nothing a rule.

use super::atom::{Atom, AtomId, Atoms, Node};
use super::book::RuleBook;
use super::circumstances::{Circumstances, Direction, Parties};
use super::file::Rule;
use super::index::{Index, Kind, NO, UNKNOWN, YES, set};
use super::order::{FinalOrder, Order};
use super::pattern::{AddressPattern, Person, is_like};
use super::scope::{Scope, own};

/// What the rules order for one (mail, recipient).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome<'b> {
    /// The first final order, and the rule that it is from.
    pub final_order: Option<(&'b Rule, &'b FinalOrder)>,
    /// The others, in order; equal ones may come from several rules.
    pub orders: Vec<(&'b Rule, &'b Order)>,
    /// Why, when that was asked for.
    pub trace: Vec<TraceLine<'b>>,
}

/// What one rule said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceLine<'b> {
    /// Which.
    pub rule: &'b str,
    /// What.
    pub said: Said,
}

/// Whether a rule applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It applies, and its final order, if it has one, is the first.
    Applies,
    /// It applies, but an earlier final order counts.
    AppliesTooLate,
    /// This does not hold.
    Fails(String),
}

/// Rules that a trace tells of.
pub const TRACED: usize = 1_000;

impl RuleBook {
    /// What the rules order.
    pub fn evaluate<'b>(&'b self, circumstances: &Circumstances<'_>) -> Outcome<'b> {
        let mut asking = Asking::new(self, circumstances);
        let mut outcome = Outcome::default();
        for (at, mut word) in (0u32..).zip(std::mem::take(&mut asking.candidates)) {
            while word != 0 {
                let number = at * 64 + word.trailing_zeros();
                word &= word - 1;
                let Some(standing) = self.standing.get(number as usize) else { continue };
                if asking.holds(&standing.full) {
                    outcome.add(&standing.rule);
                }
            }
        }
        outcome
    }

    /// The same, telling of each rule why it does or does not apply.
    pub fn explain<'b>(&'b self, circumstances: &Circumstances<'_>) -> Outcome<'b> {
        let mut asking = Asking::new(self, circumstances);
        let mut outcome = Outcome::default();
        for standing in &self.standing {
            let rule = &standing.rule;
            let said = match asking.holds(&standing.full) {
                true => {
                    let late = rule.final_order.is_some() && outcome.final_order.is_some();
                    outcome.add(rule);
                    if late { Said::AppliesTooLate } else { Said::Applies }
                }
                false => Said::Fails(asking.failing(&standing.full)),
            };
            if outcome.trace.len() < TRACED {
                outcome.trace.push(TraceLine { rule: &rule.name, said });
            }
        }
        outcome
    }
}

impl<'b> Outcome<'b> {
    fn add(&mut self, rule: &'b Rule) {
        if let (Some(order), None) = (&rule.final_order, &self.final_order) {
            self.final_order = Some((rule, order));
        }
        self.orders.extend(rule.orders.iter().map(|order| (rule, order)));
    }
}

/// Facts in the form in which atoms ask for them.
#[derive(Debug)]
pub(crate) struct Facts<'c> {
    parties: Parties<'c>,
    circumstances: Option<&'c Circumstances<'c>>,
    sender: Option<Person>,
    recipient: Person,
    account: Option<String>,
    markings: Vec<String>,
    subject: Option<String>,
    /// Names and values of the header in small letters.
    header: Option<Vec<(String, String)>>,
}

impl<'c> Facts<'c> {
    pub(crate) fn of(circumstances: &'c Circumstances<'c>) -> Facts<'c> {
        let account = circumstances.account.map(str::to_lowercase);
        let markings = circumstances.markings.iter().map(|one| one.to_lowercase()).collect();
        Facts {
            circumstances: Some(circumstances),
            account,
            markings,
            ..Facts::of_parties(&circumstances.parties)
        }
    }

    pub(crate) fn of_parties(parties: &Parties<'c>) -> Facts<'c> {
        Facts {
            parties: *parties,
            circumstances: None,
            sender: parties.reverse_path.map(Person::of),
            recipient: Person::of(parties.forward_path),
            account: None,
            markings: Vec::new(),
            subject: None,
            header: None,
        }
    }

    fn own(&self) -> impl Iterator<Item = (&Person, &[String])> {
        let sender = self.sender.as_ref().map(|sender| (sender, self.parties.sender_groups));
        own(self.parties.direction, sender, (&self.recipient, self.parties.recipient_groups))
    }

    /// Whether the mail is that of somebody in a scope.
    pub(crate) fn is_in(&self, scope: &Scope) -> bool {
        self.own().any(|(person, groups)| match scope {
            Scope::Site => true,
            Scope::Domain(name) => person.domain() == Some(name),
            Scope::Group(name) => groups.iter().any(|group| **group == **name),
            Scope::User(key) => person.key == **key,
        }) || *scope == Scope::Site
    }

    /// Whether a condition holds that asks for nothing but scopes.
    pub(crate) fn holds_of_scopes(&self, node: &Node, atoms: &Atoms) -> bool {
        match node {
            Node::Atom(number) => match atoms.atom(*number) {
                Some(Atom::Scope(scope)) => self.is_in(scope),
                _ => false,
            },
            Node::Not(inner) => !self.holds_of_scopes(inner, atoms),
            Node::All(nodes) => nodes.iter().all(|node| self.holds_of_scopes(node, atoms)),
            Node::Any(nodes) => nodes.iter().any(|node| self.holds_of_scopes(node, atoms)),
        }
    }

    fn header(&mut self) -> &[(String, String)] {
        let fields = self.circumstances.map_or(&[][..], |facts| facts.header);
        self.header.get_or_insert_with(|| {
            let small = |text: &str| text.to_lowercase();
            fields.iter().map(|field| (small(&field.name), small(&field.value))).collect()
        })
    }

    /// Whether an atom holds.
    pub(crate) fn ask(&mut self, atom: &Atom) -> bool {
        let Some(facts) = self.circumstances else {
            return matches!(atom, Atom::Scope(scope) if self.is_in(scope));
        };
        match atom {
            Atom::Direction(direction) => self.parties.direction == *direction,
            Atom::Role(role) => facts.role == *role,
            Atom::ReversePath(pattern) => pattern.holds(self.sender.as_ref()),
            Atom::ForwardPath(pattern) => pattern.holds(Some(&self.recipient)),
            Atom::SenderGroup(name) => {
                self.parties.sender_groups.iter().any(|group| **group == **name)
            }
            Atom::RecipientGroup(name) => {
                self.parties.recipient_groups.iter().any(|group| **group == **name)
            }
            Atom::Author(pattern) => facts.authors.iter().any(|author| is_author(pattern, author)),
            Atom::Header(name, test) => {
                self.header().iter().any(|(own, value)| **own == **name && test.holds(value))
            }
            Atom::Subject(test) => {
                let subject = self.subject.get_or_insert_with(|| facts.subject.to_lowercase());
                test.holds(subject)
            }
            Atom::Network(network) => {
                facts.client.is_some_and(|client| network.contains(&client.to_canonical()))
            }
            Atom::Account(glob) => self.account.as_ref().is_some_and(|it| glob.matches(it)),
            Atom::Authentication(mechanism, result) => {
                facts.authentication.of(*mechanism) == *result
            }
            Atom::Finding(glob) => facts.findings.iter().any(|finding| glob.matches(&finding.name)),
            Atom::Class(class) => facts.findings.iter().any(|finding| finding.class == *class),
            Atom::ScoreAtLeast(points) => facts.score >= points.0,
            Atom::Content(test) => facts.content.iter().any(|hit| test.holds(hit)),
            Atom::Attachment(test) => {
                let passing = facts.files.iter().filter(|file| test.holds(file));
                passing.take(test.count as usize).count() >= test.count as usize
            }
            Atom::SizeAtLeast(octets) => facts.octets >= *octets,
            Atom::Time(window) => facts.time.is_some_and(|time| window.holds(time)),
            Atom::Tls(test) => test.holds(facts.tls),
            Atom::Marking(glob) => self.markings.iter().any(|it| glob.matches(it)),
            Atom::Scope(scope) => self.is_in(scope),
        }
    }
}

/// Authors are given by their keys.
fn is_author(pattern: &AddressPattern, key: &str) -> bool {
    let domain = key.rsplit_once('@').map_or("", |(_, domain)| domain);
    match pattern {
        AddressPattern::Null => false,
        AddressPattern::Exact(exact) => **exact == *key,
        AddressPattern::Domain(name) => **name == *domain,
        AddressPattern::Below(parent) => {
            domain.strip_suffix(&**parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        }
        AddressPattern::Like(glob) => is_like(glob, key),
    }
}

/// One evaluation.
struct Asking<'b, 'c> {
    book: &'b RuleBook,
    facts: Facts<'c>,
    /// For each atom, what is known of it.
    known: Vec<u8>,
    /// The rules that may apply, one bit each.
    candidates: Vec<u64>,
}

impl<'b, 'c> Asking<'b, 'c> {
    fn new(book: &'b RuleBook, circumstances: &'c Circumstances<'c>) -> Asking<'b, 'c> {
        let index = &book.index;
        let mut asking = Asking {
            book,
            facts: Facts::of(circumstances),
            known: index.before.clone(),
            candidates: index.always.clone(),
        };
        let mut found = Vec::new();
        asking.look_up(index, circumstances, &mut found);
        for number in &index.few {
            let holds = book.atoms.atom(*number).is_some_and(|atom| asking.facts.ask(atom));
            match holds {
                true => found.push(*number),
                false => asking.learn(*number, NO),
            }
        }
        for number in found {
            asking.learn(number, YES);
            for rule in index.guarded_by(number) {
                set(&mut asking.candidates, *rule);
            }
        }
        asking
    }

    fn learn(&mut self, atom: AtomId, what: u8) {
        self.known.get_mut(atom as usize).into_iter().for_each(|known| *known = what);
    }

    /// Finds the atoms that ask for names which the mail has.
    fn look_up(&self, index: &Index, given: &Circumstances<'_>, found: &mut Vec<AtomId>) {
        let facts = &self.facts;
        let mut find = |kind, name: &str| found.extend(index.find(kind, name));
        let person = |find: &mut dyn FnMut(Kind, &str), key: &str, kinds: [Kind; 3]| {
            let [exact, of_domain, below] = kinds;
            find(exact, key);
            let Some((_, domain)) = key.rsplit_once('@') else { return };
            find(of_domain, domain);
            if index.has(below) {
                domain.match_indices('.').for_each(|(dot, _)| {
                    find(below, domain.get(dot + 1..).unwrap_or_default());
                });
            }
        };
        if let Some(sender) = &facts.sender {
            let kinds = [Kind::Sender, Kind::SenderDomain, Kind::SenderBelow];
            person(&mut find, &sender.key, kinds);
        }
        let kinds = [Kind::Recipient, Kind::RecipientDomain, Kind::RecipientBelow];
        person(&mut find, &facts.recipient.key, kinds);
        for author in given.authors {
            person(&mut find, author, [Kind::Author, Kind::AuthorDomain, Kind::AuthorBelow]);
        }
        facts.parties.sender_groups.iter().for_each(|name| find(Kind::SenderGroup, name));
        facts.parties.recipient_groups.iter().for_each(|name| find(Kind::RecipientGroup, name));
        given.findings.iter().for_each(|finding| find(Kind::Finding, &finding.name));
        given.content.iter().for_each(|hit| find(Kind::ContentRule, &hit.rule));
        facts.markings.iter().for_each(|marking| find(Kind::Marking, marking));
        facts.account.iter().for_each(|account| find(Kind::Account, account));
        if index.has(Kind::Field) {
            given.header.iter().for_each(|field| find(Kind::Field, &field.name.to_lowercase()));
        }
        for (person, groups) in facts.own() {
            find(Kind::ScopeUser, &person.key);
            person.domain().into_iter().for_each(|domain| find(Kind::ScopeDomain, domain));
            groups.iter().for_each(|group| find(Kind::ScopeGroup, group));
        }
    }

    fn holds(&mut self, node: &Node) -> bool {
        match node {
            Node::Atom(number) => self.ask(*number),
            Node::Not(inner) => !self.holds(inner),
            Node::All(nodes) => nodes.iter().all(|node| self.holds(node)),
            Node::Any(nodes) => nodes.iter().any(|node| self.holds(node)),
        }
    }

    fn ask(&mut self, number: AtomId) -> bool {
        match self.known.get(number as usize).copied().unwrap_or(NO) {
            UNKNOWN => {
                let atom = self.book.atoms.atom(number);
                let holds = atom.is_some_and(|atom| self.facts.ask(atom));
                self.learn(number, if holds { YES } else { NO });
                holds
            }
            known => known == YES,
        }
    }

    /// The first thing that keeps a condition from holding, in words.
    fn failing(&mut self, node: &Node) -> String {
        match node {
            Node::Atom(number) => {
                self.book.atoms.atom(*number).map(Atom::to_string).unwrap_or_default()
            }
            Node::Not(inner) => format!("not ({})", self.holding(inner)),
            Node::All(nodes) => match nodes.iter().find(|node| !self.holds(node)) {
                Some(node) => self.failing(node),
                None => String::new(),
            },
            Node::Any(nodes) => match nodes.first() {
                Some(first) if nodes.len() > 1 => {
                    format!("{} (nor any of {} others)", self.failing(first), nodes.len() - 1)
                }
                Some(first) => self.failing(first),
                None => "it is switched off".into(),
            },
        }
    }

    /// The first thing that makes a condition hold, in words.
    fn holding(&mut self, node: &Node) -> String {
        match node {
            Node::Atom(_) => self.failing(node),
            Node::Not(inner) => format!("not ({})", self.failing(inner)),
            Node::Any(nodes) => match nodes.iter().find(|node| self.holds(node)) {
                Some(node) => self.holding(node),
                None => String::new(),
            },
            Node::All(nodes) => {
                let words: Vec<String> =
                    nodes.iter().take(4).map(|node| self.holding(node)).collect();
                words.join(" and ")
            }
        }
    }
}

impl Direction {
    /// Whether the sender is one of the house's people.
    pub fn is_from_own(self) -> bool {
        self != Direction::Inbound
    }
}
