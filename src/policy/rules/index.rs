//! What makes ten thousand rules cheap: for each rule, atoms of which one must hold for it to
//! apply, found by looking up the facts of a mail rather than by asking the rules.
//!
//! In: atoms and conditions. Out: [`Index`]. Atoms that ask for a name (a finding, a domain, a
//! group, …) are looked up by the names that a mail has, each once; a rule that needs one of
//! them is asked only when one was found. Rules without such a need are always asked.

use std::collections::HashMap;

use super::atom::{Atom, AtomId, Atoms, ContentTest, FileTest, Node};
use super::pattern::{AddressPattern, TextTest};
use super::scope::Scope;
use crate::mail::Severity;

/// Kinds of names by which atoms are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Finding,
    Marking,
    Sender,
    SenderDomain,
    SenderBelow,
    Recipient,
    RecipientDomain,
    RecipientBelow,
    Author,
    AuthorDomain,
    AuthorBelow,
    SenderGroup,
    RecipientGroup,
    Account,
    ContentRule,
    Field,
    ScopeDomain,
    ScopeGroup,
    ScopeUser,
}

const KINDS: usize = Kind::ScopeUser as usize + 1;

/// Nobody has asked yet.
pub(super) const UNKNOWN: u8 = 0;
/// It does not hold.
pub(super) const NO: u8 = 1;
/// It holds.
pub(super) const YES: u8 = 2;

/// Ready to be asked.
#[derive(Debug, Clone)]
pub(super) struct Index {
    names: Vec<HashMap<Box<str>, AtomId>>,
    /// Atoms of which there are few, asked for every mail.
    pub(super) few: Vec<AtomId>,
    /// For each atom, what is known of it before anything was asked: those that are looked up
    /// do not hold unless they are found.
    pub(super) before: Vec<u8>,
    /// For each atom, the rules that may apply when it holds.
    guarded: Vec<Vec<u32>>,
    /// The rules that are asked always, one bit each.
    pub(super) always: Vec<u64>,
}

impl Index {
    pub(super) fn new<'n>(atoms: &mut Atoms, rules: impl Iterator<Item = &'n Node>) -> Index {
        let rules: Vec<&Node> = rules.collect();
        let mut always = vec![0u64; rules.len().div_ceil(64)];
        let mut guards = Vec::new();
        for (number, node) in (0u32..).zip(&rules) {
            match guard(node, atoms) {
                Some((_, guard)) => guards.push((number, guard)),
                None => set(&mut always, number),
            }
        }
        let mut guarded = vec![Vec::new(); atoms.len()];
        for (number, guard) in guards {
            for atom in guard {
                guarded.get_mut(atom as usize).into_iter().for_each(|list| list.push(number));
            }
        }
        let mut index = Index {
            names: vec![HashMap::new(); KINDS],
            few: Vec::new(),
            before: vec![UNKNOWN; atoms.len()],
            guarded,
            always,
        };
        for (number, atom) in atoms.iter() {
            if let Some((kind, name)) = name_of(atom) {
                let names = index.names.get_mut(kind as usize);
                names.into_iter().for_each(|names| {
                    names.insert(name.into(), number);
                });
                index.before.get_mut(number as usize).into_iter().for_each(|it| *it = NO);
            } else if is_one_of_few(atom) {
                index.few.push(number);
            }
        }
        index
    }

    /// The atom that asks for a name.
    pub(super) fn find(&self, kind: Kind, name: &str) -> Option<AtomId> {
        self.names.get(kind as usize)?.get(name).copied()
    }

    /// Whether atoms of a kind are asked at all.
    pub(super) fn has(&self, kind: Kind) -> bool {
        self.names.get(kind as usize).is_some_and(|names| !names.is_empty())
    }

    /// The rules that may apply when an atom holds.
    pub(super) fn guarded_by(&self, atom: AtomId) -> &[u32] {
        self.guarded.get(atom as usize).map_or(&[], Vec::as_slice)
    }
}

/// Sets a bit.
pub(super) fn set(bits: &mut [u64], number: u32) {
    if let Some(word) = bits.get_mut(number as usize / 64) {
        *word |= 1 << (number % 64);
    }
}

/// Under which name an atom is looked up.
fn name_of(atom: &Atom) -> Option<(Kind, &str)> {
    match atom {
        Atom::Finding(glob) if glob.is_literal() => Some((Kind::Finding, glob.as_str())),
        Atom::Marking(glob) if glob.is_literal() => Some((Kind::Marking, glob.as_str())),
        Atom::Account(glob) if glob.is_literal() => Some((Kind::Account, glob.as_str())),
        Atom::ReversePath(pattern) => {
            address(pattern, [Kind::Sender, Kind::SenderDomain, Kind::SenderBelow])
        }
        Atom::ForwardPath(pattern) => {
            address(pattern, [Kind::Recipient, Kind::RecipientDomain, Kind::RecipientBelow])
        }
        Atom::Author(pattern) => {
            address(pattern, [Kind::Author, Kind::AuthorDomain, Kind::AuthorBelow])
        }
        Atom::SenderGroup(name) => Some((Kind::SenderGroup, name)),
        Atom::RecipientGroup(name) => Some((Kind::RecipientGroup, name)),
        Atom::Header(name, TextTest::Present) => Some((Kind::Field, name)),
        Atom::Content(ContentTest {
            rule: Some(rule),
            class: None,
            severity: Severity::Low,
            count: 0 | 1,
        }) => Some((Kind::ContentRule, rule)),
        Atom::Scope(Scope::Domain(name)) => Some((Kind::ScopeDomain, name)),
        Atom::Scope(Scope::Group(name)) => Some((Kind::ScopeGroup, name)),
        Atom::Scope(Scope::User(key)) => Some((Kind::ScopeUser, key)),
        _ => None,
    }
}

/// The same of a mailbox.
fn address(pattern: &AddressPattern, [exact, domain, below]: [Kind; 3]) -> Option<(Kind, &str)> {
    match pattern {
        AddressPattern::Exact(key) => Some((exact, key)),
        AddressPattern::Domain(name) => Some((domain, name)),
        AddressPattern::Below(name) => Some((below, name)),
        AddressPattern::Null | AddressPattern::Like(_) => None,
    }
}

fn is_one_of_few(atom: &Atom) -> bool {
    match atom {
        Atom::Direction(_) | Atom::Role(_) | Atom::Class(_) | Atom::Tls(_) => true,
        Atom::Authentication(..) => true,
        Atom::Attachment(test) => *test == FileTest::any(),
        _ => false,
    }
}

/// How much of the mail an atom lets through, roughly, and an atom that is looked up and holds
/// wherever this one does.
fn cost(atom: AtomId, atoms: &mut Atoms) -> Option<(u32, AtomId)> {
    let known = atoms.atom(atom)?;
    let weight = match known {
        Atom::Direction(_) | Atom::Role(_) => 400,
        Atom::Tls(_) | Atom::Authentication(..) => 300,
        Atom::Class(_) => 100,
        Atom::Scope(Scope::Domain(_)) => 60,
        Atom::ReversePath(_) | Atom::ForwardPath(_) | Atom::Author(_) => 20,
        Atom::SenderGroup(_) | Atom::RecipientGroup(_) | Atom::Scope(_) => 20,
        Atom::Attachment(_) => 150,
        Atom::Header(..) => 50,
        _ => 5,
    };
    let weaker = match known {
        atom if name_of(atom).is_some() || is_one_of_few(atom) => None,
        Atom::Header(name, _) => Some(Atom::Header(name.clone(), TextTest::Present)),
        Atom::Content(ContentTest { rule: Some(rule), .. }) => Some(Atom::Content(ContentTest {
            rule: Some(rule.clone()),
            class: None,
            severity: Severity::Low,
            count: 1,
        })),
        Atom::Attachment(_) => Some(Atom::Attachment(FileTest::any())),
        _ => return None,
    };
    Some((weight, weaker.map_or(atom, |weaker| atoms.number(weaker))))
}

/// Atoms of which one holds wherever the condition does.
fn guard(node: &Node, atoms: &mut Atoms) -> Option<(u32, Vec<AtomId>)> {
    match node {
        Node::Atom(atom) => cost(*atom, atoms).map(|(weight, atom)| (weight, vec![atom])),
        Node::Not(_) => None,
        Node::All(nodes) => {
            let guards = nodes.iter().filter_map(|node| guard(node, atoms));
            guards.min_by_key(|(weight, _)| *weight)
        }
        Node::Any(nodes) => {
            let (mut weight, mut all) = (0u32, Vec::new());
            for node in nodes {
                let (more, guard) = guard(node, atoms)?;
                weight = weight.saturating_add(more);
                all.extend(guard);
            }
            all.sort_unstable();
            all.dedup();
            Some((weight, all))
        }
    }
}
