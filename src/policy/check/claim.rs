//! Claims about rules: text → what must never be.
//!
//! ```toml
//! claim = { when = { direction = "outbound", marking = "RESTRICTED" }, only = ["secure"] }
//! ```
//!
//! `only`: no other final order may count (mail that no rule decides counts as `deliver`);
//! `never`: none of these may; `with`: this order must be given beside. Several claims are
//! written as `[[claim]]`. The same in words, in this form only:
//!
//! > no mail [marked NAME] [from WHOM] [to WHOM] [with finding NAME] [with content NAME] [of
//! > class NAME] leaves | enters | stays | is delivered [except by ORDER [or ORDER …]]
//!
//! There mail that is refused, dropped, kept or deferred has not left. What `leaves` is also what
//! rules send outside of any mail: a copy, a redirected mail, a notice that tells of its content,
//! unless `except by` names `copy`, `redirect` or `notify`.

use super::house::House;
use crate::config::Place;
use crate::mail::{Class, Severity};
use crate::policy::rules::atom::{Atom, Atoms, ContentTest, Node};
use crate::policy::rules::pattern::{AddressPattern, Glob};
use crate::policy::rules::text::{Read, Source, Value};
use crate::policy::rules::when::Conditions;
use crate::policy::rules::{Direction, FinalKind, Groups, Order, PolicyError, nearest};

/// What is claimed.
#[derive(Debug, Clone)]
pub struct Claim {
    /// As it was written, or its name.
    pub text: String,
    when: Node,
    atoms: Atoms,
    /// Final orders that must not count.
    forbidden: Vec<FinalKind>,
    /// The order that must be given beside.
    with: Option<&'static str>,
    leaving: Option<Leaving>,
}

/// What is claimed not to go outside by any way.
#[derive(Debug, Clone)]
pub(super) struct Leaving {
    /// Which mail, wherever it goes.
    when: Node,
    atoms: Atoms,
    /// Orders by which it may.
    allowed: Vec<&'static str>,
}

/// Words of a claim in words.
const WORDS: [&str; 12] = [
    "marked",
    "from",
    "to",
    "with",
    "of",
    "leaves",
    "enters",
    "stays",
    "is",
    "except",
    "and",
    "delivered",
];

/// Reads claims: TOML, or a sentence.
pub fn parse_claims(
    text: &str,
    file_name: &str,
    groups: &Groups,
) -> Result<Vec<Claim>, PolicyError> {
    let sentence = text.trim().trim_end_matches('.');
    if !text.contains('=') {
        let claim = in_words(sentence, groups).map_err(|what| {
            let place = Place { line: 1, column: 1 };
            PolicyError::Wrong { file: file_name.to_owned(), place, what }
        })?;
        return Ok(vec![claim]);
    }
    let source = Source::new(text, file_name);
    let document = source.parse()?;
    source.known_keys(document.get_ref(), "a text of claims", &["claim"])?;
    let Some(claims) = document.get_ref().get("claim") else { return Ok(Vec::new()) };
    let list = source.list(claims, "`claim`")?;
    list.into_iter().map(|value| in_table(&source, value, groups)).collect()
}

fn in_table<'t>(source: &Source<'t>, value: &Value<'t>, groups: &Groups) -> Read<Claim> {
    let known = ["name", "when", "only", "never", "with"];
    let table = source.table(value, "a claim", &known)?;
    let mut atoms = Atoms::default();
    let when = match table.value("when") {
        Some(value) => Conditions { source, groups, atoms: &mut atoms }.read(value)?,
        None => Node::always(),
    };
    let kinds = |key: &str| -> Read<Option<Vec<FinalKind>>> {
        let Some(value) = table.value(key) else { return Ok(None) };
        let list = source.list(value, &format!("`{key}`"))?;
        let kind = |value| source.word(value, "final order", &FinalKind::WORDS);
        list.into_iter().map(kind).collect::<Read<Vec<FinalKind>>>().map(Some)
    };
    let (only, never) = (kinds("only")?, kinds("never")?);
    let words = Order::WORDS.map(|word| (word, word));
    let with = table.value("with").map(|value| source.word(value, "order", &words));
    let with = with.transpose()?;
    if only.is_none() && never.is_none() && with.is_none() {
        return Err(source.wrong(table.at, "a claim needs `only`, `never` or `with`"));
    }
    let mut forbidden = never.unwrap_or_default();
    if let Some(only) = only {
        let all = FinalKind::WORDS.iter().map(|(_, kind)| *kind);
        forbidden.extend(all.filter(|kind| !only.contains(kind)));
    }
    let text = match table.value("name") {
        Some(value) => source.line(value, "`name`")?.to_owned(),
        None => format!("claim at {}", source.place(table.at)),
    };
    Ok(Claim { text, when, atoms, forbidden, with, leaving: None })
}

/// Reads a sentence.
fn in_words(sentence: &str, groups: &Groups) -> Result<Claim, String> {
    let words = words(sentence);
    let mut rest = words.iter().map(String::as_str).peekable();
    let opening: Vec<String> = rest.by_ref().take(2).map(str::to_lowercase).collect();
    if opening != ["no", "mail"] {
        return Err("a claim in words begins with `no mail`; others are written as TOML".into());
    }
    let mut atoms = Atoms::default();
    let mut all = Vec::new();
    let (mut has_verb, mut leaves) = (false, false);
    let mut beside = Vec::new();
    // All others let the mail out, or may later: they must be named.
    let mut allowed =
        vec![FinalKind::Reject, FinalKind::Discard, FinalKind::Quarantine, FinalKind::Defer];
    while let Some(word) = rest.next() {
        let mut name = |what: &str| rest.next().map(str::to_owned).ok_or(format!("{what} what?"));
        let atom = match word.to_lowercase().as_str() {
            "and" => continue,
            "marked" => Atom::Marking(Glob::new(name("marked")?.to_lowercase())),
            "from" => party(&name("from")?, groups, Side::Sender)?,
            "to" => party(&name("to")?, groups, Side::Recipient)?,
            "of" => match name("of")?.as_str() {
                "class" => Atom::Class(class(&name("of class")?)?),
                other => return Err(format!("`of {other}`: expected `of class NAME`")),
            },
            "with" => match name("with")?.as_str() {
                "finding" => Atom::Finding(Glob::new(name("with finding")?)),
                "content" => Atom::Content(ContentTest {
                    rule: Some(name("with content")?.into()),
                    class: None,
                    severity: Severity::Low,
                    count: 1,
                }),
                other => {
                    return Err(format!(
                        "`with {other}`: expected `with finding` or `with content`"
                    ));
                }
            },
            "except" => {
                let by: Vec<&str> = rest.by_ref().collect();
                let (finals, others) = orders(&by)?;
                allowed.extend(finals);
                beside.extend(others);
                continue;
            }
            verb => {
                has_verb = true;
                match verb {
                    "leaves" => {
                        leaves = true;
                        continue;
                    }
                    "enters" => Atom::Direction(Direction::Inbound),
                    "stays" => Atom::Direction(Direction::Internal),
                    "is" | "gets" if rest.next_if(|it| *it == "delivered").is_some() => continue,
                    other => return Err(unknown(other, &WORDS)),
                }
            }
        };
        all.push(Node::Atom(atoms.number(atom)));
    }
    if !has_verb {
        return Err("a claim says what mail does: `leaves`, `enters`, `is delivered`".into());
    }
    let kinds = FinalKind::WORDS.iter().map(|(_, kind)| *kind);
    let forbidden: Vec<FinalKind> = kinds.filter(|kind| !allowed.contains(kind)).collect();
    let leaving = leaves.then(|| {
        let allowed = allowed.iter().map(|kind| kind.word()).chain(beside).collect();
        Leaving { when: Node::all(all.clone()), atoms: atoms.clone(), allowed }
    });
    if leaves {
        all.push(Node::Atom(atoms.number(Atom::Direction(Direction::Outbound))));
    }
    let (text, when) = (sentence.to_owned(), Node::all(all));
    Ok(Claim { text, when, atoms, forbidden, with: None, leaving })
}

/// The words of a sentence; what stands in quotes is one.
fn words(sentence: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, piece) in sentence.split('"').enumerate() {
        match number % 2 {
            0 => words.extend(piece.split_whitespace().map(str::to_owned)),
            _ => words.push(piece.to_owned()),
        }
    }
    words
}

fn unknown(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(nearest) => format!("`{word}` is not understood; did you mean `{nearest}`?"),
        None => format!("`{word}` is not understood, expected one of `{}`", known.join("`, `")),
    }
}

/// Orders by which mail does not leave beside its recipients unless they are named.
const BESIDE: [&str; 2] = ["copy", "notify"];

fn orders(words: &[&str]) -> Result<(Vec<FinalKind>, Vec<&'static str>), String> {
    let (mut kinds, mut beside) = (Vec::new(), Vec::new());
    for word in words {
        let word = word.trim_end_matches(',').to_lowercase();
        let found = FinalKind::WORDS.iter().find(|(known, _)| *known == word);
        match (word.as_str(), found) {
            ("by" | "or" | "and" | "delivery" | "approval" | "", _) => {}
            (_, Some((_, kind))) => kinds.push(*kind),
            (word, None) => match BESIDE.into_iter().find(|known| *known == word) {
                Some(known) => beside.push(known),
                None => {
                    let finals = FinalKind::WORDS.iter().map(|(word, _)| *word);
                    let known: Vec<&str> = finals.chain(BESIDE).collect();
                    return Err(unknown(word, &known));
                }
            },
        }
    }
    match kinds.is_empty() && beside.is_empty() {
        true => Err("except by what?".into()),
        false => Ok((kinds, beside)),
    }
}

fn class(name: &str) -> Result<Class, String> {
    let names = Class::ALL.map(|class| class.to_string());
    let found = Class::ALL.into_iter().zip(&names).find(|(_, known)| *known == name);
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    found.map(|(class, _)| class).ok_or_else(|| unknown(name, &known))
}

/// Which end of the envelope.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Sender,
    Recipient,
}

fn party(name: &str, groups: &Groups, side: Side) -> Result<Atom, String> {
    if let Some(group) = name.strip_prefix("group:") {
        if !groups.has(group) {
            let known: Vec<&str> = groups.names().collect();
            return Err(unknown(group, &known));
        }
        return Ok(match side {
            Side::Sender => Atom::SenderGroup(group.into()),
            Side::Recipient => Atom::RecipientGroup(group.into()),
        });
    }
    let pattern = match name.contains('@') {
        true => AddressPattern::parse(name)?,
        false => AddressPattern::parse_domain(name)?,
    };
    Ok(match side {
        Side::Sender => Atom::ReversePath(pattern),
        Side::Recipient => Atom::ForwardPath(pattern),
    })
}

impl Claim {
    /// Names in it that nobody knows.
    pub fn slips(&self, house: &House) -> Vec<String> {
        house.strangers(&self.when, &self.atoms)
    }

    /// Whether a final order of this kind breaks the claim.
    pub(super) fn forbids(&self, kind: FinalKind) -> bool {
        self.forbidden.contains(&kind)
    }

    /// The order that must be given beside.
    pub(super) fn with(&self) -> Option<&'static str> {
        self.with
    }

    /// What must not go outside by any way, if the claim is about that.
    pub(super) fn leaving(&self) -> Option<&Leaving> {
        self.leaving.as_ref()
    }

    /// Its condition in terms of other atoms.
    pub(super) fn when_in(&self, atoms: &mut Atoms) -> Node {
        renumbered(&self.when, &self.atoms, atoms)
    }
}

impl Leaving {
    /// Whether it may go by this order.
    pub(super) fn allows(&self, word: &str) -> bool {
        self.allowed.contains(&word)
    }

    /// Which mail, in terms of other atoms.
    pub(super) fn when_in(&self, atoms: &mut Atoms) -> Node {
        renumbered(&self.when, &self.atoms, atoms)
    }
}

fn renumbered(node: &Node, own: &Atoms, atoms: &mut Atoms) -> Node {
    let mut each = |nodes: &[Node]| nodes.iter().map(|it| renumbered(it, own, atoms)).collect();
    match node {
        Node::All(nodes) => Node::All(each(nodes)),
        Node::Any(nodes) => Node::Any(each(nodes)),
        Node::Not(inner) => Node::Not(Box::new(renumbered(inner, own, atoms))),
        Node::Atom(number) => match own.atom(*number) {
            Some(atom) => Node::Atom(atoms.number(atom.clone())),
            None => Node::never(),
        },
    }
}
