//! All rules of a site, in the order in which they are asked, ready to be asked.
//!
//! In: a text. Out: [`RuleBook`]. The order is that of inheritance: the rules of the site as
//! they are written, then those of domains, groups and users; a rule that overrides others
//! stands where the first of them stood. Scopes, switches and overriding become conditions
//! like others, so that evaluation and checker need not know of them.

use std::collections::{BTreeSet, HashMap};

use super::atom::{Atom, Atoms, Node};
use super::circumstances::Parties;
use super::error::{PolicyError, nearest};
use super::evaluate::Facts;
use super::file::{self, Groups, Parsed, Rule, Switch};
use super::index::Index;
use super::order::FinalKind;
use super::scope::Scope;
use crate::config::Place;
use crate::policy::check;

/// Errors of one text that are told.
const ERRORS: usize = 50;

/// Rules that are in force together.
#[derive(Debug, Clone)]
pub struct RuleBook {
    pub(crate) standing: Vec<Standing>,
    pub(crate) atoms: Atoms,
    switches: Vec<Switch>,
    asks_groups: bool,
    pub(super) index: Index,
}

/// A rule and where it stands among the others.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) rule: Rule,
    /// Whether somebody's mail comes under it: scope and switches.
    concerns: Node,
    /// The rules that stand in its place where they concern somebody.
    overridden_by: Vec<usize>,
    /// When it applies, all in all.
    pub(crate) full: Node,
}

/// A rule as it stands for somebody's mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EffectiveRule<'b> {
    /// The rule.
    pub rule: &'b Rule,
    /// Whose word it is that the rule is not in force, if it is not.
    pub out_of_force: Option<OutOfForce<'b>>,
}

/// Why a rule that is inherited is not in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutOfForce<'b> {
    /// A narrower rule stands in its place.
    OverriddenBy(&'b Rule),
    /// A narrower scope has switched it off.
    SwitchedOffBy(&'b Scope),
    /// It is switched off where it is written.
    Disabled,
}

fn is_of_groups(atom: &Atom) -> bool {
    matches!(atom, Atom::SenderGroup(_) | Atom::RecipientGroup(_) | Atom::Scope(Scope::Group(_)))
}

impl RuleBook {
    /// Reads and checks a text; `file_name` names it in errors.
    pub fn parse(text: &str, file_name: &str, groups: &Groups) -> Result<RuleBook, PolicyError> {
        let Parsed { rules, switches, mut atoms, mut errors } =
            file::parse(text, file_name, groups)?;
        let wrong =
            |(place, what): Wrong| PolicyError::Wrong { file: file_name.to_owned(), place, what };
        let mut numbers: HashMap<&str, usize> = HashMap::with_capacity(rules.len());
        for (number, rule) in rules.iter().enumerate() {
            if errors.len() >= ERRORS {
                break;
            }
            if let Some(earlier) = numbers.insert(&rule.name, number) {
                let earlier = rules.get(earlier).map_or(rule.place, |rule| rule.place);
                let what = format!("the name {:?} is given twice: first at {earlier}", rule.name);
                errors.push(wrong((rule.place, what)));
            }
            if check::is_contradictory(&rule.condition, &atoms) {
                let what = format!("the condition of the rule {:?} never holds", rule.name);
                errors.push(wrong((rule.place_of_condition, what)));
            }
        }
        // Where a rule cannot be read, those that name it are not to blame.
        let is_whole = errors.is_empty();
        let checked = check_switches(&rules, &switches, &numbers);
        errors.extend(checked.into_iter().filter(|_| is_whole).map(wrong));
        let targets = match targets(&rules, &numbers) {
            Ok(targets) if errors.is_empty() => targets,
            Ok(_) => return Err(PolicyError::all(errors)),
            Err(several) => {
                errors.extend(several.into_iter().filter(|_| is_whole).map(wrong));
                return Err(PolicyError::all(errors));
            }
        };
        let (order, moved_to) = order(&rules, &targets);
        let mut by_rule: HashMap<&str, Vec<&Switch>> = HashMap::new();
        for switch in &switches {
            by_rule.entry(&switch.name).or_default().push(switch);
        }
        let concerns: Vec<Node> = rules
            .iter()
            .map(|rule| {
                let own = by_rule.get(&*rule.name).map_or(&[][..], Vec::as_slice);
                concerns(rule, own, &mut atoms)
            })
            .collect();
        let mut overriders: Vec<Vec<usize>> = vec![Vec::new(); rules.len()];
        for (number, targets) in targets.iter().enumerate() {
            for target in targets {
                overriders.get_mut(*target).into_iter().for_each(|list| list.push(number));
            }
        }
        let mut standing = Vec::with_capacity(rules.len());
        for number in order {
            let (Some(rule), Some(own)) = (rules.get(number), concerns.get(number)) else {
                continue;
            };
            let by = overriders.get(number).map_or(&[][..], Vec::as_slice);
            let mut full = vec![own.clone()];
            for by in by.iter().filter_map(|by| concerns.get(*by)) {
                full.push(by.clone().negated());
            }
            full.push(rule.condition.clone());
            standing.push(Standing {
                rule: Rule { number: standing.len(), ..rule.clone() },
                concerns: own.clone(),
                overridden_by: by.iter().filter_map(|by| moved_to.get(*by).copied()).collect(),
                full: Node::all(full),
            });
        }
        let index = Index::new(&mut atoms, standing.iter().map(|one| &one.full));
        let asks_groups = atoms.iter().any(|(_, atom)| is_of_groups(atom));
        Ok(RuleBook { standing, atoms, switches, asks_groups, index })
    }

    /// Whether any rule wants to know of groups. Asked for each mail, worked out at load.
    pub fn asks_groups(&self) -> bool {
        self.asks_groups
    }

    /// No rules.
    pub fn empty() -> RuleBook {
        let mut atoms = Atoms::default();
        let index = Index::new(&mut atoms, std::iter::empty());
        let (standing, switches) = (Vec::new(), Vec::new());
        RuleBook { standing, atoms, switches, asks_groups: false, index }
    }

    /// The rules in the order in which they are asked.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.standing.iter().map(|standing| &standing.rule)
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.standing.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.standing.is_empty()
    }

    /// The policy for a sender and a recipient: every rule whose scope holds for their mail, in
    /// the order in which they are asked, and which of them are not in force, and why.
    pub fn effective(&self, parties: &Parties<'_>) -> Vec<EffectiveRule<'_>> {
        let facts = Facts::of_parties(parties);
        let holds = |node: &Node| facts.holds_of_scopes(node, &self.atoms);
        let in_scope = |scope: &Scope| facts.is_in(scope);
        let mut effective = Vec::new();
        for one in self.standing.iter().filter(|one| in_scope(&one.rule.scope)) {
            let over = one.overridden_by.iter().filter_map(|by| self.standing.get(*by));
            let over = over.filter(|by| holds(&by.concerns)).map(|by| &by.rule).next();
            let out_of_force = match holds(&one.concerns) {
                true => over.map(OutOfForce::OverriddenBy),
                false => {
                    let off = self.switches.iter().filter(|switch| {
                        switch.name == one.rule.name
                            && !switch.is_enabled
                            && in_scope(&switch.scope)
                    });
                    let narrowest = off.max_by_key(|switch| switch.scope.narrowness());
                    Some(narrowest.map_or(OutOfForce::Disabled, |switch| {
                        OutOfForce::SwitchedOffBy(&switch.scope)
                    }))
                }
            };
            effective.push(EffectiveRule { rule: &one.rule, out_of_force });
        }
        effective
    }

    /// Narrower scopes' words on rules.
    pub(crate) fn switches(&self) -> &[Switch] {
        &self.switches
    }
}

impl Standing {
    /// The kind of its final order.
    pub(crate) fn final_kind(&self) -> Option<FinalKind> {
        self.rule.final_order.as_ref().map(super::order::FinalOrder::kind)
    }
}

/// The atoms that a condition asks.
pub(crate) fn atoms_of(node: &Node, atoms: &mut BTreeSet<u32>) {
    match node {
        Node::Atom(number) => {
            atoms.insert(*number);
        }
        Node::Not(inner) => atoms_of(inner, atoms),
        Node::All(nodes) | Node::Any(nodes) => {
            nodes.iter().for_each(|node| atoms_of(node, atoms));
        }
    }
}

type Wrong = (Place, String);

fn unknown_rule(name: &str, numbers: &HashMap<&str, usize>) -> String {
    let meant = match nearest(name, numbers.keys().copied()) {
        Some(nearest) => format!("; did you mean {nearest:?}?"),
        None => String::new(),
    };
    format!("there is no rule {name:?}{meant}")
}

fn check_switches(
    rules: &[Rule],
    switches: &[Switch],
    numbers: &HashMap<&str, usize>,
) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let mut seen: BTreeSet<(&str, &Scope)> = BTreeSet::new();
    for switch in switches {
        let name = &*switch.name;
        let Some(rule) = numbers.get(name).and_then(|number| rules.get(*number)) else {
            let what = format!(
                "a rule without `orders` switches one of the same name; {}",
                unknown_rule(name, numbers)
            );
            wrong.push((switch.place, what));
            continue;
        };
        if switch.scope.narrowness() <= rule.scope.narrowness() {
            let what = format!(
                "the rule {name:?} ({}) is switched by narrower scopes only, not by {}",
                rule.scope, switch.scope
            );
            wrong.push((switch.place, what));
        }
        if !seen.insert((name, &switch.scope)) {
            let what = format!("the rule {name:?} is switched twice for {}", switch.scope);
            wrong.push((switch.place, what));
        }
    }
    wrong
}

/// The numbers of the rules in whose place each rule stands.
fn targets(rules: &[Rule], numbers: &HashMap<&str, usize>) -> Result<Vec<Vec<usize>>, Vec<Wrong>> {
    let mut wrong = Vec::new();
    let mut all = Vec::with_capacity(rules.len());
    for rule in rules {
        let mut targets = Vec::new();
        for name in &rule.overrides {
            let found = numbers.get(&**name).and_then(|at| Some((*at, rules.get(*at)?)));
            let Some((number, target)) = found else {
                wrong.push((rule.place_of_overrides, unknown_rule(name, numbers)));
                continue;
            };
            if target.scope.narrowness() >= rule.scope.narrowness() {
                let what = format!(
                    "the rule {:?} ({}) cannot override {name:?} ({}), which is not for a wider \
                     scope",
                    rule.name, rule.scope, target.scope
                );
                wrong.push((rule.place_of_overrides, what));
                continue;
            }
            targets.push(number);
        }
        all.push(targets);
    }
    if wrong.is_empty() { Ok(all) } else { Err(wrong) }
}

/// Numbers of rules in the order in which they are asked, and for each the place that it got.
fn order(rules: &[Rule], targets: &[Vec<usize>]) -> (Vec<usize>, Vec<usize>) {
    type Key = Vec<(u8, usize)>;
    // Wider scopes first: what a rule overrides has its key before it.
    let mut by_width: Vec<usize> = (0..rules.len()).collect();
    by_width.sort_by_key(|number| rules.get(*number).map(|rule| rule.scope.narrowness()));
    let mut keys: Vec<Key> = vec![Key::new(); rules.len()];
    for number in by_width {
        let own = rules.get(number).map_or(0, |rule| rule.scope.narrowness());
        let of_targets = targets.get(number).into_iter().flatten();
        let first = of_targets.filter_map(|target| keys.get(*target)).min();
        let mut key = first.cloned().unwrap_or_default();
        key.push((own, number));
        if let Some(place) = keys.get_mut(number) {
            *place = key;
        }
    }
    let mut order: Vec<usize> = (0..rules.len()).collect();
    order.sort_by(|one, other| keys.get(*one).cmp(&keys.get(*other)));
    let mut moved_to = vec![0; rules.len()];
    for (place, number) in order.iter().enumerate() {
        moved_to.get_mut(*number).into_iter().for_each(|to| *to = place);
    }
    (order, moved_to)
}

fn scope_node(scope: &Scope, atoms: &mut Atoms) -> Node {
    match scope {
        Scope::Site => Node::always(),
        scope => Node::Atom(atoms.number(Atom::Scope(scope.clone()))),
    }
}

/// When a rule concerns somebody's mail: its scope holds, and the narrowest word on it that
/// holds says that it is on. Where two scopes that are as narrow differ, it is on.
fn concerns(rule: &Rule, switches: &[&Switch], atoms: &mut Atoms) -> Node {
    let mut is_on = match rule.is_enabled {
        true => Node::always(),
        false => Node::never(),
    };
    for narrowness in 1..=3 {
        let (mut on, mut off) = (Vec::new(), Vec::new());
        for switch in switches.iter().filter(|one| one.scope.narrowness() == narrowness) {
            let list = if switch.is_enabled { &mut on } else { &mut off };
            list.push(scope_node(&switch.scope, atoms));
        }
        if !off.is_empty() {
            is_on = Node::all(vec![Node::any(off).negated(), is_on]);
        }
        if !on.is_empty() {
            on.push(is_on);
            is_on = Node::any(on);
        }
    }
    Node::all(vec![scope_node(&rule.scope, atoms), is_on])
}
