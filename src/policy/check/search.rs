//! Which atoms would have to hold, and which not, for conditions to hold together.
//!
//! In: conditions that shall hold or not, and lemmas: sets of atoms that cannot be as they are
//! together. Out: a partial assignment that settles all conditions, whatever the other atoms
//! are. Complete search by cases, one atom after the other, with a limit on the work.

use std::collections::HashMap;

use crate::policy::rules::atom::{AtomId, Node};

/// An atom, and whether it holds.
pub(super) type Literal = (AtomId, bool);

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Solved {
    /// These atoms, like this.
    Model(Vec<Literal>),
    /// There is no way.
    Impossible,
    /// The limit was met.
    TooLong,
}

/// Conditions to be met.
#[derive(Debug, Clone, Default)]
pub(super) struct Search<'n> {
    wanted: Vec<(&'n Node, bool)>,
    /// In each, not all literals are true.
    lemmas: Vec<Vec<Literal>>,
    assigned: HashMap<AtomId, bool>,
    /// Literals in the order of their choice; those that were forced or are the second case
    /// are marked.
    trail: Vec<(AtomId, bool)>,
    steps_left: u64,
}

impl<'n> Search<'n> {
    pub(super) fn new(wanted: Vec<(&'n Node, bool)>, steps: u64) -> Search<'n> {
        Search { wanted, steps_left: steps, ..Search::default() }
    }

    /// One more condition.
    pub(super) fn want(&mut self, node: &'n Node, holds: bool) {
        self.wanted.push((node, holds));
    }

    /// These literals do not go together.
    pub(super) fn learn(&mut self, literals: Vec<Literal>) {
        self.lemmas.push(literals);
    }

    /// Looks for a way.
    pub(super) fn solve(&mut self) -> Solved {
        self.assigned.clear();
        self.trail.clear();
        loop {
            let next = match self.propagate() {
                true => self.choose(),
                false => Choice::Conflict,
            };
            if self.steps_left == 0 {
                return Solved::TooLong;
            }
            match next {
                Choice::Done => {
                    let mut model: Vec<Literal> =
                        self.assigned.iter().map(|(atom, holds)| (*atom, *holds)).collect();
                    model.sort_unstable();
                    return Solved::Model(model);
                }
                Choice::Literal(atom, holds) => self.assign(atom, holds, false),
                Choice::Conflict if !self.step_back() => return Solved::Impossible,
                Choice::Conflict => {}
            }
        }
    }

    fn assign(&mut self, atom: AtomId, holds: bool, is_settled: bool) {
        self.assigned.insert(atom, holds);
        self.trail.push((atom, is_settled));
    }

    /// To the last choice of which there is another case.
    fn step_back(&mut self) -> bool {
        while let Some((atom, is_settled)) = self.trail.pop() {
            let held = self.assigned.remove(&atom);
            if !is_settled {
                self.assign(atom, !held.unwrap_or(false), true);
                return true;
            }
        }
        false
    }

    /// Draws conclusions from lemmas; false when one is broken.
    fn propagate(&mut self) -> bool {
        loop {
            let mut forced = None;
            for lemma in &self.lemmas {
                self.steps_left = self.steps_left.saturating_sub(lemma.len() as u64);
                let mut open = None;
                let mut opens = 0;
                let mut is_kept = false;
                for (atom, holds) in lemma {
                    match self.assigned.get(atom) {
                        Some(own) if own != holds => is_kept = true,
                        Some(_) => {}
                        None => {
                            opens += 1;
                            open = Some((*atom, !*holds));
                        }
                    }
                }
                match (is_kept, opens, open) {
                    (true, ..) => {}
                    (false, 0, _) => return false,
                    (false, 1, Some(literal)) => {
                        forced = Some(literal);
                        break;
                    }
                    _ => {}
                }
            }
            match forced {
                Some((atom, holds)) => self.assign(atom, holds, true),
                None => return true,
            }
        }
    }

    fn choose(&mut self) -> Choice {
        let mut open = None;
        let mut steps = 0;
        for (node, holds) in &self.wanted {
            match value(node, &self.assigned, &mut steps) {
                Some(own) if own != *holds => {
                    self.steps_left = self.steps_left.saturating_sub(steps);
                    return Choice::Conflict;
                }
                Some(_) => {}
                None => open = open.or(Some((*node, *holds))),
            }
        }
        self.steps_left = self.steps_left.saturating_sub(steps);
        match open {
            None => Choice::Done,
            Some((node, holds)) => match pick(node, holds, &self.assigned) {
                Some((atom, holds)) => Choice::Literal(atom, holds),
                None => Choice::Conflict,
            },
        }
    }
}

enum Choice {
    Done,
    Conflict,
    Literal(AtomId, bool),
}

/// Whether a condition holds by what is assigned, where that says it.
fn value(node: &Node, assigned: &HashMap<AtomId, bool>, steps: &mut u64) -> Option<bool> {
    *steps += 1;
    match node {
        Node::Atom(atom) => assigned.get(atom).copied(),
        Node::Not(inner) => value(inner, assigned, steps).map(|holds| !holds),
        Node::All(nodes) => settled(nodes, false, assigned, steps),
        Node::Any(nodes) => settled(nodes, true, assigned, steps),
    }
}

/// The value of nodes of which one with this value decides.
fn settled(
    nodes: &[Node],
    decides: bool,
    assigned: &HashMap<AtomId, bool>,
    steps: &mut u64,
) -> Option<bool> {
    let mut is_open = false;
    for node in nodes {
        match value(node, assigned, steps) {
            Some(holds) if holds == decides => return Some(decides),
            Some(_) => {}
            None => is_open = true,
        }
    }
    (!is_open).then_some(!decides)
}

/// An atom that is not assigned yet, as it helps to make the condition so.
fn pick(node: &Node, wanted: bool, assigned: &HashMap<AtomId, bool>) -> Option<Literal> {
    match node {
        Node::Atom(atom) => (!assigned.contains_key(atom)).then_some((*atom, wanted)),
        Node::Not(inner) => pick(inner, !wanted, assigned),
        Node::All(nodes) | Node::Any(nodes) => {
            let mut steps = 0;
            let open = nodes.iter().filter(|node| value(node, assigned, &mut steps).is_none());
            open.into_iter().find_map(|node| pick(node, wanted, assigned))
        }
    }
}

impl Search<'_> {
    /// Work that was done elsewhere.
    pub(super) fn spend(&mut self, steps: u64) {
        self.steps_left = self.steps_left.saturating_sub(steps);
    }

    /// What is left of the limit.
    pub(super) fn steps_left(&self) -> u64 {
        self.steps_left
    }
}
