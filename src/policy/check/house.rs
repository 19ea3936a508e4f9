//! The box that rules are for, as far as rules speak of it; and what in them speaks of something
//! that is not there.
//!
//! In: a configuration, and the names of what analysis finds. Out: [`House`]; from it
//! [`Warning`]s about names that nobody knows ([`slips`]), and what can never be on this box, for
//! the checker ([`House::bounds`]).

use std::collections::{BTreeMap, BTreeSet};

use crate::analysis::markings;
use crate::config::Config;
use crate::mail::{Address, Host, MarkingLevel, Role};
use crate::policy::rules::atom::{Atom, Atoms, Node, TlsTest};
use crate::policy::rules::pattern::{AddressPattern, Glob, Person};
use crate::policy::rules::{
    AuthenticationResult, Direction, FinalOrder, Order, Rule, RuleBook, Scope, Warning, atoms_of,
    nearest,
};

/// More own domains than these, of which rules tell each from all others, are not written out
/// in conditions: they would cost more than they tell.
const DOMAINS: usize = 100;

/// What there is on the box.
#[derive(Debug, Clone, Default)]
pub struct House {
    /// Own domains.
    domains: BTreeSet<String>,
    /// Listeners; none where they are not known.
    roles: BTreeSet<Role>,
    /// Areas of the quarantine that the box itself fills.
    areas: BTreeSet<String>,
    /// Classes of the archive that have days of their own.
    classes: BTreeSet<String>,
    /// Names of findings.
    findings: BTreeSet<String>,
    /// Names of content rules.
    content: BTreeSet<String>,
    authentication_is_off: bool,
    /// Who reads what the administrator is told.
    postmaster: Option<Address>,
}

/// Something that is never so on this box.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    /// What always holds instead.
    pub(super) holds: Node,
    /// Why, for people.
    pub(super) why: String,
}

/// Areas that need no rule; the rest is in the configuration.
const AREAS: [&str; 7] =
    ["policy", "spam", "malware", "approval", "refused", "unjudged", "rate-limited"];

impl House {
    /// Of a configuration, the names of findings and those of content rules.
    pub fn new<'n>(
        config: &Config,
        findings: impl IntoIterator<Item = &'n str>,
        content: impl IntoIterator<Item = &'n str>,
    ) -> House {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let mut areas: BTreeSet<String> = own(&AREAS);
        areas.insert(config.attachments.area.clone());
        House {
            domains: config.domain.iter().map(|own| own.name.to_string()).collect(),
            roles: config.listen.iter().map(|one| one.role).collect(),
            areas,
            classes: config.archive.classes.keys().cloned().collect(),
            findings: findings.into_iter().map(str::to_owned).collect(),
            content: content.into_iter().map(str::to_owned).collect(),
            authentication_is_off: !config.authentication.enabled,
            postmaster: Some(config.system.postmaster.clone()),
        }
    }

    /// Whether somebody is in a domain of the box.
    pub(super) fn is_own(&self, address: &Address) -> bool {
        address.domain().is_some_and(|domain| self.domains.contains(domain.as_str()))
    }

    pub(super) fn postmaster(&self) -> Option<&Address> {
        self.postmaster.as_ref()
    }

    /// What can never be otherwise on the box, in terms of these atoms.
    pub(super) fn bounds(&self, atoms: &mut Atoms) -> Vec<Bound> {
        let mut bounds = vec![Bound {
            holds: Node::Atom(atoms.number(Atom::Tls(TlsTest::Verified))).negated(),
            why: "clients show no certificates here: `tls = \"verified\"` never holds".into(),
        }];
        let inbound = Node::Atom(atoms.number(Atom::Role(Role::Inbound)));
        let accounts: Vec<Atom> = atoms
            .iter()
            .filter(|(_, atom)| matches!(atom, Atom::Account(_)))
            .map(|(_, atom)| atom.clone())
            .collect();
        if !accounts.is_empty() {
            let named = accounts.into_iter().map(|atom| Node::Atom(atoms.number(atom))).collect();
            bounds.push(Bound {
                holds: Node::any(vec![Node::any(named).negated(), inbound.negated()]),
                why: "nobody logs in to a listener of role `inbound`: there is no `account`".into(),
            });
        }
        for role in [Role::Inbound, Role::Outbound, Role::Submission] {
            if !self.roles.is_empty() && !self.roles.contains(&role) {
                bounds.push(Bound {
                    holds: Node::Atom(atoms.number(Atom::Role(role))).negated(),
                    why: format!("there is no [[listen]] of role `{role}`"),
                });
            }
        }
        bounds.extend(self.bound_of_authentication(atoms));
        bounds.extend(self.bound_of_domains(atoms));
        bounds
    }

    /// Who sent a mail is only checked for mail that comes in from outside.
    fn bound_of_authentication(&self, atoms: &mut Atoms) -> Option<Bound> {
        let is_result = |atom: &Atom| matches!(atom, Atom::Authentication(_, result) if *result != AuthenticationResult::None);
        let results: Vec<Node> = atoms
            .iter()
            .filter(|(_, atom)| is_result(atom))
            .map(|(number, _)| Node::Atom(number))
            .collect();
        if results.is_empty() {
            return None;
        }
        let without = Node::any(results).negated();
        let inbound = Node::Atom(atoms.number(Atom::Role(Role::Inbound)));
        Some(match self.authentication_is_off {
            true => Bound {
                holds: without,
                why: "[authentication] is switched off: every result is `none`".into(),
            },
            false => Bound {
                holds: Node::any(vec![without, inbound]),
                why: "SPF, DKIM, DMARC and ARC are checked for mail to a listener of role \
                      `inbound` only; elsewhere every result is `none`"
                    .into(),
            },
        })
    }

    /// Own domains that rules can tell from each other: of those that the same patterns speak
    /// of, the first stands for all. Nothing where these are still too many.
    fn told_apart(&self, atoms: &Atoms) -> Option<Vec<&String>> {
        if self.domains.len() <= DOMAINS {
            return Some(self.domains.iter().collect());
        }
        let patterns: Vec<&AddressPattern> = atoms
            .iter()
            .filter_map(|(_, atom)| match atom {
                Atom::ForwardPath(pattern) => Some(pattern),
                _ => None,
            })
            .collect();
        let mut told = BTreeSet::new();
        let mut apart = Vec::new();
        for domain in &self.domains {
            let marks: Vec<usize> = (0..)
                .zip(&patterns)
                .flat_map(|(at, pattern)| marks_of(pattern, domain, at))
                .collect();
            if told.insert(marks) {
                apart.push(domain);
            }
            if apart.len() > DOMAINS {
                return None;
            }
        }
        Some(apart)
    }

    /// Mail that goes out has recipients elsewhere, all other mail has own ones.
    fn bound_of_domains(&self, atoms: &mut Atoms) -> Option<Bound> {
        if self.domains.is_empty() {
            return None;
        }
        let own = |domain: &String| Atom::ForwardPath(AddressPattern::Domain((**domain).into()));
        let apart: Vec<Atom> = self.told_apart(atoms)?.into_iter().map(own).collect();
        let own = apart.into_iter().map(|one| Node::Atom(atoms.number(one))).collect();
        let own = Node::any(own);
        let outbound = Node::Atom(atoms.number(Atom::Direction(Direction::Outbound)));
        Some(Bound {
            holds: Node::any(vec![
                Node::all(vec![own.clone(), outbound.clone().negated()]),
                Node::all(vec![own.negated(), outbound]),
            ]),
            why: "mail that comes in or stays is for a [[domain]] of the box, mail that goes out \
                  for none"
                .into(),
        })
    }

    /// What is the matter with an atom, if it speaks of something that is not there.
    fn stranger(&self, atom: &Atom) -> Option<String> {
        let meant = |name: &str, known: &BTreeSet<String>| {
            let near = nearest(name, known.iter().map(String::as_str));
            near.map_or(String::new(), |near| format!("; did you mean `{near}`?"))
        };
        match atom {
            Atom::Finding(glob) => {
                // Content rules are findings, too.
                let mut all = self.findings.iter().chain(&self.content);
                if all.any(|name| glob.matches(name)) {
                    return None;
                }
                let name = glob.as_str();
                Some(match glob.is_literal() {
                    true => {
                        format!("no finding has the name `{name}`{}", meant(name, &self.findings))
                    }
                    false => format!("no finding has a name like `{name}`"),
                })
            }
            Atom::Content(test) => {
                let name = test.rule.as_deref().filter(|name| !self.content.contains(*name))?;
                Some(format!("no content rule has the name `{name}`{}", meant(name, &self.content)))
            }
            Atom::Marking(glob) => {
                let levels = MarkingLevel::ALL.map(|level| level.words().to_lowercase());
                let words = glob.as_str().replace('*', " ").to_uppercase();
                let is_known = levels.iter().any(|level| glob.matches(level))
                    || !markings::in_line(&words).is_empty();
                if is_known {
                    return None;
                }
                let near = nearest(glob.as_str(), levels.iter().map(String::as_str));
                let near = near.map(str::to_uppercase);
                let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                Some(format!(
                    "`{}` is no marking that the box knows; only a sensitivity label of exactly \
                     that name would count{near}",
                    glob.as_str().to_uppercase()
                ))
            }
            _ => None,
        }
    }

    fn scope(&self, scope: &Scope) -> Option<String> {
        let domain = match scope {
            Scope::Domain(name) => name.to_string(),
            Scope::User(key) => match key.parse::<Address>().ok()?.host() {
                Host::Domain(domain) => domain.as_str().to_owned(),
                _ => return None,
            },
            Scope::Site | Scope::Group(_) => return None,
        };
        if self.domains.contains(&domain) {
            return None;
        }
        let near = nearest(&domain, self.domains.iter().map(String::as_str));
        let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        Some(format!(
            "the scope `{scope}` is of `{domain}`, which is no [[domain]] of the box: it concerns \
             nobody here{near}"
        ))
    }

    /// Names in a condition that nobody knows.
    pub(super) fn strangers(&self, condition: &Node, atoms: &Atoms) -> Vec<String> {
        let mut asked = BTreeSet::new();
        atoms_of(condition, &mut asked);
        let asked = asked.iter().filter_map(|number| atoms.atom(*number));
        asked.filter_map(|atom| self.stranger(atom)).collect()
    }
}

/// What a pattern of mailboxes sees of a domain, as numbers of its own: whether it can hold
/// somebody there, and for a text with stars whatever of it could stand in the domain.
fn marks_of(pattern: &AddressPattern, domain: &str, at: usize) -> Vec<usize> {
    let mark = |which: usize, is_so: bool| is_so.then_some(at * 32 + which);
    let domain_of = |mailbox: &str| mailbox.rsplit_once('@').map(|(_, domain)| domain.to_owned());
    match pattern {
        AddressPattern::Null => Vec::new(),
        AddressPattern::Exact(mailbox) => {
            mark(0, domain_of(mailbox).is_some_and(|its| its == domain)).into_iter().collect()
        }
        AddressPattern::Domain(name) => mark(0, **name == *domain).into_iter().collect(),
        AddressPattern::Below(_) => {
            let somebody = format!("postmaster@{domain}").parse::<Address>().ok();
            let somebody = somebody.map(|address| Person::of(&address));
            mark(0, pattern.holds(somebody.as_ref())).into_iter().collect()
        }
        AddressPattern::Like(glob) => {
            let of_domain = glob.as_str().rsplit_once('@').map(|(_, behind)| Glob::new(behind));
            let pieces = glob.as_str().split(['*', '@']).filter(|piece| !piece.is_empty());
            let ends = glob.as_str().rsplit('*').next().unwrap_or_default();
            let mut marks: Vec<usize> =
                mark(0, of_domain.is_some_and(|glob| glob.matches(domain))).into_iter().collect();
            marks.extend(mark(1, domain.ends_with(ends)));
            let seen = (2..32).zip(pieces).filter(|(_, piece)| domain.contains(piece));
            marks.extend(seen.filter_map(|(which, _)| mark(which, true)));
            marks
        }
    }
}

/// What is taken, but probably not meant, in the order in which it is written.
pub fn slips(book: &RuleBook, house: &House) -> Vec<Warning> {
    let mut slips = Vec::new();
    // Thousands of rules ask about the same few names.
    let strangers: BTreeMap<u32, String> = book
        .atoms
        .iter()
        .filter_map(|(number, atom)| Some((number, house.stranger(atom)?)))
        .collect();
    let mut used: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (kind, name) in book.rules().flat_map(places_of) {
        *used.entry((kind, name)).or_default() += 1;
    }
    for rule in book.rules() {
        let mut say = |place, what| slips.push(Warning { place, rule: rule.name.clone(), what });
        let mut asked = BTreeSet::new();
        atoms_of(&rule.condition, &mut asked);
        for what in asked.iter().filter_map(|number| strangers.get(number)) {
            say(rule.place_of_condition, what.clone());
        }
        if let Some(what) = house.scope(&rule.scope) {
            say(rule.place, what);
        }
        for (kind, name) in places_of(rule) {
            let known = if kind == AREA { &house.areas } else { &house.classes };
            let known = known.iter().map(String::as_str);
            let often = used.iter().filter(|((its, _), count)| *its == kind && **count > 1);
            let mut others = known.chain(often.map(|((_, other), _)| *other));
            if used.get(&(kind, name)).is_some_and(|count| *count > 1) {
                continue;
            }
            let mut near = None;
            if others.all(|other| {
                near = near.or(is_slip(name, other).then_some(other));
                other != name
            }) && let Some(near) = near
            {
                say(rule.place, format!("the {kind} `{name}` is new; did you mean `{near}`?"));
            }
        }
        if let Some(what) = idle_orders(rule) {
            say(rule.place, what);
        }
    }
    for switch in book.switches() {
        if let Some(what) = house.scope(&switch.scope) {
            slips.push(Warning { place: switch.place, rule: switch.name.clone(), what });
        }
    }
    slips.sort_by_key(|slip| (slip.place.line, slip.place.column));
    slips
}

const AREA: &str = "area";
const CLASS: &str = "archive class";

/// Where a rule puts mail.
fn places_of(rule: &Rule) -> Vec<(&'static str, &str)> {
    let mut places = Vec::new();
    if let Some(FinalOrder::Quarantine { area }) = &rule.final_order {
        places.push((AREA, area.as_str()));
    }
    for order in &rule.orders {
        if let Order::Archive { class } = order {
            places.push((CLASS, class.as_str()));
        }
    }
    places
}

/// Whether a name is another one with a letter wrong. Names that differ in numbers are meant.
fn is_slip(name: &str, other: &str) -> bool {
    let letters = |name: &str| name.chars().filter(|it| !it.is_ascii_digit()).collect::<String>();
    let (own, other) = (letters(name), letters(other));
    let wrong = strsim::damerau_levenshtein(&own, &other);
    own.chars().count() >= 4 && wrong > 0 && wrong <= if own.len() >= 8 { 2 } else { 1 }
}

/// Orders beside a final order with which they come to nothing, and those that are given twice
/// where one can count.
fn idle_orders(rule: &Rule) -> Option<String> {
    let routes = rule.orders.iter().filter(|order| matches!(order, Order::RouteVia(_))).count();
    if routes > 1 {
        return Some(
            "`route_via` is given twice, of which the first counts: several next hops are one \
             list, in the order in which they are tried"
                .into(),
        );
    }
    let dropped = match rule.final_order.as_ref()? {
        FinalOrder::Discard => "discard",
        FinalOrder::Defer { .. } => "defer",
        _ => return None,
    };
    let shapes = |order: &&Order| {
        matches!(
            order,
            Order::TagSubject(_)
                | Order::AddHeader { .. }
                | Order::RemoveHeader(_)
                | Order::StripAttachments(_)
                | Order::Annotate { .. }
                | Order::RouteVia(_)
        )
    };
    let idle = rule.orders.iter().find(shapes)?;
    Some(format!("`{}` comes to nothing beside `{dropped}`", idle.word()))
}
