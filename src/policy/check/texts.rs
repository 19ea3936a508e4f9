//! Facts that are texts: mailboxes, subjects, header fields, names.
//!
//! In: patterns that shall match or not. Out: texts put into the [`Situation`], found by
//! [`witness`](super::witness).

use super::realise::{Asked, Settled};
use super::situation::Situation;
use super::witness::{self, Pattern, Shape, Witness, containing, glob, literal};
use crate::mail::{Address, Class, Finding, HeaderField};
use crate::policy::rules::atom::Atom;
use crate::policy::rules::pattern::{AddressPattern, TextTest};

fn of_text(test: &TextTest) -> Pattern {
    match test {
        TextTest::Present => vec![None],
        TextTest::Contains(text) => containing(text),
        TextTest::Is(text) => literal(text),
        TextTest::Matches(pattern) => glob(pattern.as_str()),
    }
}

fn of_address(pattern: &AddressPattern) -> Option<Pattern> {
    Some(match pattern {
        AddressPattern::Null => return None,
        AddressPattern::Exact(key) => literal(key),
        AddressPattern::Domain(domain) => glob(&format!("*@{domain}")),
        AddressPattern::Below(domain) => glob(&format!("*@*.{domain}")),
        AddressPattern::Like(pattern) => glob(pattern.as_str()),
    })
}

/// The pattern of an atom; none for the null reverse-path.
fn pattern_of(atom: &Atom) -> Option<Pattern> {
    match atom {
        Atom::ReversePath(pattern) | Atom::ForwardPath(pattern) | Atom::Author(pattern) => {
            of_address(pattern)
        }
        Atom::Header(_, test) | Atom::Subject(test) => Some(of_text(test)),
        Atom::Account(pattern) | Atom::Finding(pattern) | Atom::Marking(pattern) => {
            Some(glob(pattern.as_str()))
        }
        _ => None,
    }
}

/// The patterns of the atoms that shall hold, and of those that shall not.
fn both(asked: &[Asked<'_>]) -> (Vec<Pattern>, Vec<Pattern>) {
    let of = |wanted: bool| {
        let some = asked.iter().filter(move |(_, holds)| *holds == wanted);
        some.filter_map(|(atom, _)| pattern_of(atom)).collect()
    };
    (of(true), of(false))
}

/// One text for all.
fn one(asked: &[Asked<'_>], shape: Shape) -> Witness {
    let (wanted, unwanted) = both(asked);
    witness::find(&wanted, &unwanted, shape)
}

/// One text for each pattern that shall match; none of them matches what shall not.
fn many(asked: &[Asked<'_>], shape: Shape) -> Result<Vec<String>, Settled> {
    let (wanted, unwanted) = both(asked);
    let mut texts = Vec::new();
    for pattern in wanted {
        match witness::find(&[pattern], &unwanted, shape) {
            Witness::Text(text) => texts.push(text),
            Witness::Impossible => return Err(Settled::Impossible),
            Witness::Unknown => return Err(Settled::Unknown),
        }
    }
    Ok(texts)
}

fn mailbox(asked: &[Asked<'_>]) -> Result<Address, Settled> {
    match one(asked, Shape::Mailbox) {
        // What the shape lets through and the grammar does not proves nothing.
        Witness::Text(text) => text.parse().map_err(|_| Settled::Unknown),
        Witness::Impossible => Err(Settled::Impossible),
        Witness::Unknown => Err(Settled::Unknown),
    }
}

fn is_null(atom: &Atom) -> bool {
    matches!(
        atom,
        Atom::ReversePath(AddressPattern::Null) | Atom::ForwardPath(AddressPattern::Null)
    )
}

pub(super) fn sender(asked: &[Asked<'_>], situation: &mut Situation) -> Settled {
    let needs_null = asked.iter().any(|(atom, holds)| is_null(atom) && *holds);
    let bars_null = asked.iter().any(|(atom, holds)| is_null(atom) != *holds);
    let settled = match needs_null {
        true => Err(Settled::Impossible),
        false => mailbox(asked),
    };
    match settled {
        Ok(address) => situation.reverse_path = Some(address),
        Err(settled) if bars_null => return settled,
        Err(_) => situation.reverse_path = None,
    }
    Settled::Done
}

pub(super) fn recipient(asked: &[Asked<'_>], situation: &mut Situation) -> Settled {
    if asked.iter().any(|(atom, holds)| is_null(atom) && *holds) {
        return Settled::Impossible;
    }
    match mailbox(asked) {
        Ok(address) => {
            situation.forward_path = address;
            Settled::Done
        }
        Err(settled) => settled,
    }
}

pub(super) fn authors(asked: &[Asked<'_>], situation: &mut Situation) -> Settled {
    let is_null = |atom: &Atom| matches!(atom, Atom::Author(AddressPattern::Null));
    if asked.iter().any(|(atom, holds)| is_null(atom) && *holds) {
        return Settled::Impossible;
    }
    put(many(asked, Shape::Mailbox), |texts| situation.authors = texts)
}

fn put(texts: Result<Vec<String>, Settled>, put: impl FnOnce(Vec<String>)) -> Settled {
    match texts {
        Ok(texts) => {
            put(texts);
            Settled::Done
        }
        Err(settled) => settled,
    }
}

pub(super) fn field(name: &str, asked: &[Asked<'_>], situation: &mut Situation) -> Settled {
    put(many(asked, Shape::Text), |texts| {
        situation.header.retain(|field| field.name != name);
        for value in texts {
            situation.header.push(HeaderField { name: name.to_owned(), value });
        }
    })
}

/// A mail has one subject; it may be empty.
pub(super) fn subject(asked: &[Asked<'_>], situation: &mut Situation) -> Settled {
    let is_empty_fine = asked.iter().all(|(atom, wanted)| match atom {
        Atom::Subject(test) => test.holds("") == *wanted,
        _ => false,
    });
    if is_empty_fine {
        situation.subject = String::new();
        return Settled::Done;
    }
    text(one(asked, Shape::Text), |text| situation.subject = text)
}

fn text(found: Witness, put: impl FnOnce(String)) -> Settled {
    match found {
        Witness::Text(text) => {
            put(text);
            Settled::Done
        }
        Witness::Impossible => Settled::Impossible,
        Witness::Unknown => Settled::Unknown,
    }
}

pub(super) fn account(asked: &[Asked<'_>], situation: &mut Situation) -> Settled {
    if asked.iter().all(|(_, wanted)| !wanted) {
        situation.account = None;
        return Settled::Done;
    }
    text(one(asked, Shape::Text), |text| situation.account = Some(text))
}

pub(super) fn markings(asked: &[Asked<'_>], situation: &mut Situation) -> Settled {
    put(many(asked, Shape::Text), |texts| situation.markings = texts)
}

/// Names and classes go together: whatever has a name has a class, too.
pub(super) fn findings(asked: &[Asked<'_>], situation: &mut Situation) -> Settled {
    let asks = |class: Class, how: bool| {
        asked.iter().any(|(atom, wanted)| *wanted == how && **atom == Atom::Class(class))
    };
    let classes = Class::ALL.into_iter().filter(|class| asks(*class, true));
    let mut classes: Vec<Class> = classes.collect();
    let names = match many(asked, Shape::Text) {
        Ok(names) => names,
        Err(settled) => return settled,
    };
    let of_name = classes.first().copied();
    // Of those that nothing follows from first.
    let free = Class::ALL.into_iter().rev().find(|class| !asks(*class, false));
    let mut findings = Vec::new();
    for name in names {
        let Some(class) = of_name.or(free) else { return Settled::Impossible };
        classes.retain(|one| *one != class);
        let (score, detail) = (0.0, String::new());
        findings.push(Finding { name: name.into(), class, score, detail });
    }
    let (_, unwanted) = both(asked);
    for class in classes {
        match witness::find(&[], &unwanted, Shape::Text) {
            Witness::Text(name) => {
                let (score, detail) = (0.0, String::new());
                findings.push(Finding { name: name.into(), class, score, detail });
            }
            Witness::Impossible => return Settled::Impossible,
            Witness::Unknown => return Settled::Unknown,
        }
    }
    situation.findings = findings;
    Settled::Done
}
