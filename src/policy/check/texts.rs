//! Facts that are texts: mailboxes, subjects, header fields, names.
//!
//! In: patterns that shall match or not. Out: texts put into the [`Situation`], found by
//! [`witness`](super::witness).

use super::mailbox::of_key;
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
        AddressPattern::Exact(key) => literal(&key.to_lowercase()),
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
        Witness::Text(key) => of_key(&key).ok_or(Settled::Unknown),
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

/// Some of the atoms.
fn some<'a>(asked: &[Asked<'a>], is: impl Fn(&Atom) -> bool) -> Vec<Asked<'a>> {
    asked.iter().copied().filter(|(atom, _)| is(atom)).collect()
}

fn is_of_field(atom: &Atom) -> bool {
    matches!(atom, Atom::Header(..))
}

/// Authors, and the From that they are read from.
pub(super) fn authors(asked: &[Asked<'_>], situation: &mut Situation) -> Settled {
    let is_null = |atom: &Atom| matches!(atom, Atom::Author(AddressPattern::Null));
    if asked.iter().any(|(atom, holds)| is_null(atom) && *holds) {
        return Settled::Impossible;
    }
    let (of_field, of_authors) = (some(asked, is_of_field), some(asked, |atom| !is_of_field(atom)));
    let mut authors: Vec<Address> = match many(&of_authors, Shape::Mailbox) {
        Ok(keys) => keys.iter().filter_map(|key| of_key(key)).collect(),
        Err(settled) => return settled,
    };
    if of_field.iter().any(|(_, holds)| *holds) || !authors.is_empty() {
        let (mut wanted, unwanted) = both(&of_field);
        let written = authors.iter().map(|author| author.to_string().to_lowercase());
        wanted.extend(written.map(|author| containing(&author)));
        // A name beside a mailbox, or two mailboxes, may be what is wanted.
        let Witness::Text(value) = witness::find(&wanted, &unwanted, Shape::Text) else {
            return match authors.is_empty() {
                true => field("from", &of_field, situation),
                false => Settled::Unknown,
            };
        };
        let ends = |letter: char| letter.is_whitespace() || "<>,;()".contains(letter);
        let shown: Vec<Address> = value.split(ends).filter_map(|word| word.parse().ok()).collect();
        authors.extend(shown);
        situation.header.retain(|field| field.name != "from");
        situation.header.push(HeaderField { name: "from".into(), value });
    }
    let mut keys: Vec<String> = authors.iter().map(Address::key).collect();
    keys.dedup();
    situation.authors = keys;
    Settled::Done
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
    let values = many(asked, Shape::Text).map_err(|settled| despite_blanks(asked, settled));
    put(values, |texts| put_fields(name, texts, situation))
}

fn put_fields(name: &str, values: Vec<String>, situation: &mut Situation) {
    situation.header.retain(|field| field.name != name);
    for value in values {
        situation.header.push(HeaderField { name: name.to_owned(), value });
    }
}

/// Blanks at the ends of a text count for some tests and not for others, which patterns do not
/// say.
fn despite_blanks(asked: &[Asked<'_>], settled: Settled) -> Settled {
    let has_blanks = |(atom, _): &Asked<'_>| match atom {
        Atom::Header(_, TextTest::Contains(text)) | Atom::Subject(TextTest::Contains(text)) => {
            text.trim() != &**text
        }
        _ => false,
    };
    match settled {
        Settled::Impossible if asked.iter().any(has_blanks) => Settled::Unknown,
        settled => settled,
    }
}

/// Of a mail its Subject is the first field of this name; one will do where it can.
pub(super) fn subject(asked: &[Asked<'_>], situation: &mut Situation) -> Settled {
    let (of_fields, of_first) = (some(asked, is_of_field), some(asked, |atom| !is_of_field(atom)));
    let fits_empty = of_first.iter().all(|(atom, wanted)| match atom {
        Atom::Subject(test) => test.holds("") == *wanted,
        _ => false,
    });
    if fits_empty && of_fields.iter().all(|(_, wanted)| !wanted) {
        situation.subject = String::new();
        put_fields("subject", Vec::new(), situation);
        return Settled::Done;
    }
    let mut values = match one(asked, Shape::Text) {
        Witness::Text(value) => vec![value],
        _ => Vec::new(),
    };
    if values.is_empty() {
        // The first is as the Subject is to be, and as no field is not to be.
        let unwanted = of_fields.iter().filter(|(_, wanted)| !wanted);
        let first: Vec<Asked<'_>> = of_first.iter().chain(unwanted).copied().collect();
        let fits = |(atom, _): &Asked<'_>| matches!(atom, Atom::Header(_, test) if test.holds(""));
        let is_empty = fits_empty && !first.iter().any(fits);
        match one(&first, Shape::Text) {
            _ if is_empty => values.push(String::new()),
            Witness::Text(value) => values.push(value),
            Witness::Impossible => return despite_blanks(asked, Settled::Impossible),
            Witness::Unknown => return Settled::Unknown,
        }
        match many(&of_fields, Shape::Text) {
            Ok(others) => values.extend(others),
            Err(settled) => return despite_blanks(asked, settled),
        }
    }
    situation.subject = values.first().cloned().unwrap_or_default();
    put_fields("subject", values, situation);
    Settled::Done
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
