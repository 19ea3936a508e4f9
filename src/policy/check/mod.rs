//! What rules mean, worked out without mail: rules that never count, and answers to claims.
//!
//! In: a [`RuleBook`], and claims such as "no mail marked RESTRICTED leaves except by secure
//! delivery". Out: [`Problem`]s; to a claim yes, a counter-example, or that it is not decided.
//!
//! How: each question of the rules is an atom that holds or not. A complete search finds
//! atoms for which the conditions in question hold; a mail is made up for them; what cannot be
//! made up (two recipients at once, a score above 9 and below 5) is told to the search, which
//! goes on. So a counter-example is always a mail, asked of the rules themselves, and yes is
//! only said when the search has come to its end and every refusal was proven. The work is
//! limited, and meeting the limit is an answer of its own.

mod answer;
mod claim;
mod files;
mod house;
mod mailbox;
mod realise;
mod search;
mod situation;
#[cfg(test)]
mod tests;
mod texts;
mod witness;

use std::collections::HashMap;
use std::fmt;

pub use answer::Answer;
pub use claim::{Claim, parse_claims};
pub use house::{House, slips};
pub use situation::{MadeFile, Situation};

use super::rules::atom::{Atom, Atoms, Node};
use super::rules::pattern::AddressPattern;
use super::rules::{Direction, Order, Rule, RuleBook, Scope};
use house::Bound;
use realise::realise;
use search::{Search, Solved};

/// Steps of one question; about a hundredth of a second.
const STEPS: u64 = 2_000_000;
/// Steps of a check of all rules.
const STEPS_IN_ALL: u64 = 400_000_000;
/// Mails that are made up for one question.
const MADE_UP: u64 = 3_000;
/// What making up a mail counts for.
const STEPS_A_MAIL: u64 = 500;
/// Steps to find whether the condition of one rule can hold, when it is read.
const STEPS_AT_LOAD: u64 = 20_000;

/// Something about the rules that cannot be meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Problem<'b> {
    /// For no mail does it apply.
    NeverApplies {
        /// Which.
        rule: &'b Rule,
        /// What of this box keeps it from applying; nothing where it is so on any.
        why: Vec<String>,
    },
    /// Where it applies, an earlier rule has always said by which next hops the mail goes.
    NeverRoutes {
        /// Which.
        rule: &'b Rule,
        /// The one that counts.
        earlier: &'b Rule,
    },
    /// Earlier rules have always decided when it applies.
    NeverDecides {
        /// Which.
        rule: &'b Rule,
        /// Those that decide, at most a few; none where they are too many to tell.
        earlier: Vec<&'b Rule>,
    },
    /// It applies exactly when an earlier rule does, and orders something else.
    Contradicts {
        /// Which.
        rule: &'b Rule,
        /// The one that counts.
        earlier: &'b Rule,
    },
}

/// What a check of all rules found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report<'b> {
    /// In the order of the rules.
    pub problems: Vec<Problem<'b>>,
    /// Rules of which nothing was found out within the limit.
    pub undecided: Vec<&'b Rule>,
}

/// Asks questions about rules.
#[derive(Debug)]
pub struct Checker<'b> {
    book: &'b RuleBook,
    atoms: Atoms,
    /// When each rule applies, scopes written out.
    full: Vec<Node>,
    plain: Option<Situation>,
    places: HashMap<&'b str, usize>,
    /// What never is otherwise on the box that the rules are for.
    bounds: Vec<Bound>,
    house: Option<House>,
    steps_left: u64,
}

enum Found {
    Yes(Box<Situation>),
    No,
    Undecided,
}

/// What a mail that was made up shows.
enum Shown {
    /// It is what was looked for.
    It,
    /// It is not, because this rule applies.
    Unless(usize),
}

impl<'b> Checker<'b> {
    /// Of these rules, on any box.
    pub fn new(book: &'b RuleBook) -> Checker<'b> {
        Checker::within(book, None)
    }

    /// Of these rules on the box that they are for.
    pub fn on(book: &'b RuleBook, house: &House) -> Checker<'b> {
        Checker::within(book, Some(house))
    }

    fn within(book: &'b RuleBook, house: Option<&House>) -> Checker<'b> {
        let mut atoms = book.atoms.clone();
        let full = book.standing.iter().map(|one| without_scopes(&one.full, &mut atoms)).collect();
        let places = book.rules().zip(0..).map(|(rule, at)| (&*rule.name, at)).collect();
        let (plain, steps_left) = (Situation::plain(), STEPS_IN_ALL);
        let bounds = house.map(|house| house.bounds(&mut atoms)).unwrap_or_default();
        let house = house.cloned();
        Checker { book, atoms, full, plain, places, bounds, house, steps_left }
    }

    /// Says anew what never is otherwise on the box: a claim may ask what no rule asks.
    fn bind(&mut self) {
        if let Some(house) = &self.house {
            self.bounds = house.bounds(&mut self.atoms);
        }
    }

    /// Finds what cannot be meant.
    pub fn check(&mut self) -> Report<'b> {
        let mut report = Report::default();
        for (number, standing) in self.book.standing.iter().enumerate() {
            let rule = &standing.rule;
            let mut earlier = Vec::new();
            match self.decides(number, standing.final_kind().is_some(), &mut earlier) {
                Found::Yes(_) => {}
                Found::Undecided => report.undecided.push(rule),
                // What is switched off everywhere is meant to be.
                Found::No if earlier.is_empty() && !rule.is_enabled => {}
                Found::No if earlier.is_empty() => {
                    let why = self.kept_by(number);
                    report.problems.push(Problem::NeverApplies { rule, why });
                    continue;
                }
                Found::No => {
                    report.problems.push(self.shadow(number, rule, &earlier));
                    continue;
                }
            }
            if let Some(earlier) = self.routed_by(number, rule) {
                report.problems.push(Problem::NeverRoutes { rule, earlier });
            }
        }
        report
    }

    /// Whether the final order of a rule ever counts; `earlier`: those that decided instead.
    fn decides(&mut self, number: usize, is_final: bool, earlier: &mut Vec<usize>) -> Found {
        let book = self.book;
        let places = std::mem::take(&mut self.places);
        let found = self.find(&[(number, true)], None, |situation| {
            let first = situation.with(|it| book.evaluate(it).final_order.map(|(rule, _)| rule));
            match first.and_then(|rule| places.get(&*rule.name)) {
                Some(place) if is_final && *place < number => {
                    earlier.push(*place);
                    Shown::Unless(*place)
                }
                _ => Shown::It,
            }
        });
        self.places = places;
        found
    }

    /// What of the box keeps a rule from ever applying.
    fn kept_by(&mut self, number: usize) -> Vec<String> {
        let bounds = std::mem::take(&mut self.bounds);
        let applies = |checker: &mut Checker<'b>| {
            !matches!(checker.find(&[(number, true)], None, |_| Shown::It), Found::No)
        };
        let mut why: Vec<String> = Vec::new();
        if applies(self) {
            for bound in &bounds {
                self.bounds = vec![bound.clone()];
                if !applies(self) {
                    why.push(bound.why.clone());
                }
            }
            if why.is_empty() {
                why.extend(bounds.iter().map(|bound| bound.why.clone()));
            }
        }
        self.bounds = bounds;
        why
    }

    /// The earlier rule whose `route_via` counts wherever this rule's would; nothing where it
    /// counts somewhere, or orders none.
    fn routed_by(&mut self, number: usize, rule: &'b Rule) -> Option<&'b Rule> {
        let own = route_of(rule)?;
        let book = self.book;
        let mut earlier = None;
        let places = std::mem::take(&mut self.places);
        let found = self.find(&[(number, true)], None, |situation| {
            let first = situation.with(|it| {
                let routes = book.evaluate(it).orders.into_iter();
                let mut routes = routes.filter(|(_, order)| matches!(order, Order::RouteVia(_)));
                routes.next().map(|(rule, _)| rule)
            });
            let first = first.and_then(|first| Some((first, *places.get(&*first.name)?)));
            match first {
                Some((first, place)) if place < number && route_of(first) != Some(own) => {
                    earlier.get_or_insert(first);
                    Shown::Unless(place)
                }
                _ => Shown::It,
            }
        });
        self.places = places;
        match found {
            Found::No => earlier,
            _ => None,
        }
    }

    /// Says of a rule that never decides by whom that is.
    fn shadow(&mut self, number: usize, rule: &'b Rule, earlier: &[usize]) -> Problem<'b> {
        let rules: Vec<&'b Rule> = self.book.rules().collect();
        let rule_at = |number: usize| rules.get(number).copied();
        for place in earlier {
            let implied = |checker: &mut Checker<'b>, wanted: usize, unwanted: usize| {
                let ask = [(wanted, true), (unwanted, false)];
                matches!(checker.find(&ask, None, |_| Shown::It), Found::No)
            };
            let Some(other) = rule_at(*place).filter(|_| implied(self, number, *place)) else {
                continue;
            };
            let kinds = (rule.final_order.as_ref(), other.final_order.as_ref());
            return match kinds.0 != kinds.1 && implied(self, *place, number) {
                true => Problem::Contradicts { rule, earlier: other },
                false => Problem::NeverDecides { rule, earlier: vec![other] },
            };
        }
        let few = earlier.iter().take(5).filter_map(|place| rule_at(*place)).collect();
        Problem::NeverDecides { rule, earlier: few }
    }

    /// A mail for which rules apply or do not, and a condition holds, that is what is looked
    /// for.
    fn find(
        &mut self,
        rules: &[(usize, bool)],
        when: Option<&Node>,
        show: impl FnMut(&Situation) -> Shown,
    ) -> Found {
        let Some(plain) = &self.plain else { return Found::Undecided };
        let given = rules.iter().filter_map(|(at, holds)| Some((self.full.get(*at)?, *holds)));
        let bounds = self.bounds.iter().map(|bound| (&bound.holds, true));
        let wanted: Vec<(&Node, bool)> =
            when.map(|node| (node, true)).into_iter().chain(given).chain(bounds).collect();
        let mut asking =
            Asking { atoms: &self.atoms, plain, wanted, steps: STEPS.min(self.steps_left) };
        let found = asking.find(&self.full, show);
        self.steps_left = self.steps_left.saturating_sub(STEPS.min(self.steps_left) - asking.steps);
        found
    }
}

/// One question.
struct Asking<'a> {
    atoms: &'a Atoms,
    plain: &'a Situation,
    wanted: Vec<(&'a Node, bool)>,
    steps: u64,
}

impl<'a> Asking<'a> {
    fn find(&mut self, full: &'a [Node], mut show: impl FnMut(&Situation) -> Shown) -> Found {
        let mut search = Search::new(self.wanted.clone(), self.steps);
        let mut is_proven = true;
        for _ in 0..MADE_UP {
            search.spend(STEPS_A_MAIL);
            let model = match search.solve() {
                Solved::Model(model) => model,
                Solved::Impossible => return self.end(&search, is_proven),
                Solved::TooLong => break,
            };
            match realise(&model, self.atoms, self.plain) {
                Err(conflict) => {
                    is_proven &= conflict.is_proven;
                    search.learn(conflict.literals);
                }
                Ok(situation) if !self.is_as_wanted(&situation) => {
                    // Made up wrongly; nothing follows.
                    is_proven = false;
                    search.learn(model);
                }
                Ok(situation) => match show(&situation) {
                    Shown::It => {
                        self.steps = search.steps_left();
                        return Found::Yes(Box::new(situation));
                    }
                    Shown::Unless(number) => match full.get(number) {
                        Some(node) => search.want(node, false),
                        None => break,
                    },
                },
            }
        }
        self.steps = search.steps_left();
        Found::Undecided
    }

    fn end(&mut self, search: &Search<'_>, is_proven: bool) -> Found {
        self.steps = search.steps_left();
        if is_proven { Found::No } else { Found::Undecided }
    }

    /// Asks the conditions themselves.
    fn is_as_wanted(&self, situation: &Situation) -> bool {
        situation.with(|circumstances| {
            let mut facts = super::rules::Facts::of(circumstances);
            self.wanted.iter().all(|(node, wanted)| holds(node, self.atoms, &mut facts) == *wanted)
        })
    }
}

/// The next hops that a rule orders.
fn route_of(rule: &Rule) -> Option<&str> {
    rule.orders.iter().find_map(|order| match order {
        Order::RouteVia(hops) => Some(hops.as_str()),
        _ => None,
    })
}

fn holds(node: &Node, atoms: &Atoms, facts: &mut super::rules::Facts<'_>) -> bool {
    match node {
        Node::Atom(number) => atoms.atom(*number).is_some_and(|atom| facts.ask(atom)),
        Node::Not(inner) => !holds(inner, atoms, facts),
        Node::All(nodes) => nodes.iter().all(|node| holds(node, atoms, facts)),
        Node::Any(nodes) => nodes.iter().any(|node| holds(node, atoms, facts)),
    }
}

/// Whether a condition holds for no mail, as far as that is found out quickly.
pub(crate) fn is_contradictory(condition: &Node, atoms: &Atoms) -> bool {
    let Some(plain) = Situation::plain() else { return false };
    let wanted = vec![(condition, true)];
    let mut asking = Asking { atoms, plain: &plain, wanted, steps: STEPS_AT_LOAD };
    matches!(asking.find(&[], |_| Shown::It), Found::No)
}

/// The same condition with scopes said in terms of direction, mailboxes and groups.
fn without_scopes(node: &Node, atoms: &mut Atoms) -> Node {
    match node {
        Node::Atom(number) => match atoms.atom(*number) {
            Some(Atom::Scope(scope)) => {
                let scope = scope.clone();
                scope_in_full(&scope, atoms)
            }
            _ => node.clone(),
        },
        Node::Not(inner) => without_scopes(inner, atoms).negated(),
        Node::All(nodes) => {
            Node::All(nodes.iter().map(|node| without_scopes(node, atoms)).collect())
        }
        Node::Any(nodes) => {
            Node::Any(nodes.iter().map(|node| without_scopes(node, atoms)).collect())
        }
    }
}

fn scope_in_full(scope: &Scope, atoms: &mut Atoms) -> Node {
    let (sender, recipient) = match scope {
        Scope::Site => return Node::always(),
        Scope::Domain(name) => (
            Atom::ReversePath(AddressPattern::Domain(name.clone())),
            Atom::ForwardPath(AddressPattern::Domain(name.clone())),
        ),
        Scope::Group(name) => (Atom::SenderGroup(name.clone()), Atom::RecipientGroup(name.clone())),
        Scope::User(key) => (
            Atom::ReversePath(AddressPattern::Exact(key.clone())),
            Atom::ForwardPath(AddressPattern::Exact(key.clone())),
        ),
    };
    let mut node = |atom: Atom| Node::Atom(atoms.number(atom));
    let is_inbound = node(Atom::Direction(Direction::Inbound));
    let is_outbound = node(Atom::Direction(Direction::Outbound));
    let (sender, recipient) = (node(sender), node(recipient));
    Node::any(vec![
        Node::all(vec![is_inbound.negated(), sender]),
        Node::all(vec![is_outbound.negated(), recipient]),
    ])
}

impl fmt::Display for Problem<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::NeverApplies { rule, why } => {
                write!(out, "{}: the rule {:?} applies to no mail", rule.place, rule.name)?;
                if !why.is_empty() {
                    write!(out, " of this box: {}", why.join("; "))?;
                }
                Ok(())
            }
            Problem::NeverRoutes { rule, earlier } => write!(
                out,
                "{}: `route_via` of the rule {:?} never counts: where it applies, {:?} ({}) orders \
                 other next hops, and the first counts",
                rule.place, rule.name, earlier.name, earlier.place
            ),
            Problem::NeverDecides { rule, earlier } => {
                let names: Vec<String> = earlier
                    .iter()
                    .map(|rule| format!("{:?} ({})", rule.name, rule.place))
                    .collect();
                write!(
                    out,
                    "{}: the rule {:?} is never reached: where it applies, {} decided before",
                    rule.place,
                    rule.name,
                    names.join(", ")
                )
            }
            Problem::Contradicts { rule, earlier } => write!(
                out,
                "{}: the rule {:?} contradicts {:?} ({}): both have the same condition, and other \
                 final orders",
                rule.place, rule.name, earlier.name, earlier.place
            ),
        }
    }
}
