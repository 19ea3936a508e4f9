//! Files that pass some tests and not others.
//!
//! In: tests that shall pass or not. Out: files put into the [`Situation`], each as unremarkable
//! as it may be.

use super::realise::{Asked, Settled};
use super::situation::{MadeFile, Situation};
use super::witness::{self, Shape, Witness, glob};
use crate::config::FileState;
use crate::mail::Family;
use crate::policy::rules::FileFact;
use crate::policy::rules::atom::{Atom, FAMILIES, FileTest, STATES};

/// Files that are tried for one test.
const TRIED: usize = 20_000;
/// Files that one test may ask for and be taken in earnest.
const COUNT: u32 = 1_000;

pub(super) fn files(asked: &[Asked<'_>], situation: &mut Situation) -> Settled {
    let of = |wanted: bool| -> Vec<&FileTest> {
        asked
            .iter()
            .filter_map(|(atom, holds)| match atom {
                Atom::Attachment(test) if *holds == wanted => Some(test),
                _ => None,
            })
            .collect()
    };
    let (wanted, unwanted) = (of(true), of(false));
    if wanted.iter().any(|one| unwanted.iter().any(|other| implies(one, other))) {
        return Settled::Impossible;
    }
    let mut made: Vec<MadeFile> = Vec::new();
    let mut is_exact = wanted.iter().chain(&unwanted).all(|test| test.count == 1);
    for test in &wanted {
        if test.count > COUNT {
            return Settled::Unknown;
        }
        let has = made.iter().filter(|file| passes(test, file)).count();
        let mut best: Option<(usize, MadeFile)> = None;
        for (tried, file) in candidates(test, &unwanted, &mut is_exact).into_iter().enumerate() {
            if tried > TRIED {
                is_exact = false;
                break;
            }
            let wrong = unwanted.iter().filter(|other| passes(other, &file)).count();
            if passes(test, &file) && best.as_ref().is_none_or(|(least, _)| wrong < *least) {
                best = Some((wrong, file));
            }
            if best.as_ref().is_some_and(|(least, _)| *least == 0) {
                break;
            }
        }
        let Some((_, file)) = best else { return Settled::Unknown };
        let missing = (test.count as usize).saturating_sub(has);
        made.extend(std::iter::repeat_n(file, missing));
    }
    let count = |test: &FileTest| made.iter().filter(|file| passes(test, file)).count();
    let is_right = wanted.iter().all(|test| count(test) >= test.count as usize)
        && unwanted.iter().all(|test| count(test) < test.count as usize);
    match (is_right, is_exact) {
        (true, _) => {
            situation.files = made;
            Settled::Done
        }
        (false, true) => Settled::Impossible,
        (false, false) => Settled::Unknown,
    }
}

/// Whether files that pass one test pass the other, as is plain to see.
fn implies(one: &FileTest, other: &FileTest) -> bool {
    fn narrower<T: PartialEq>(one: &[T], other: &[T]) -> bool {
        other.is_empty() || (!one.is_empty() && one.iter().all(|it| other.contains(it)))
    }
    narrower(&one.types, &other.types)
        && narrower(&one.families, &other.families)
        && narrower(&one.extensions, &other.extensions)
        && narrower(&one.names, &other.names)
        && other.states.iter().all(|state| one.states.contains(state))
        && other.larger.is_none_or(|limit| one.larger.is_some_and(|own| own >= limit))
        && one.count >= other.count
}

fn passes(test: &FileTest, file: &MadeFile) -> bool {
    let kind = [&*file.kind];
    test.holds(&FileFact {
        types: if file.kind.is_empty() { &[] } else { &kind },
        family: file.family,
        extensions: file.extension().into_iter().collect(),
        names: vec![file.name.clone()],
        states: file.states.clone(),
        octets: file.octets,
    })
}

/// Every kind of file that may pass, as far as tests can tell files apart.
fn candidates(test: &FileTest, unwanted: &[&FileTest], is_exact: &mut bool) -> Vec<MadeFile> {
    let kinds: Vec<String> = match test.types.is_empty() {
        true => vec![String::new()],
        false => test.types.iter().map(ToString::to_string).collect(),
    };
    let families: Vec<Family> = match test.families.is_empty() {
        true => FAMILIES.iter().rev().map(|(_, family)| *family).collect(),
        false => test.families.iter().map(|family| family.family()).collect(),
    };
    let names = names(test, unwanted, is_exact);
    let octets = test.larger.map_or(0, |limit| limit.saturating_add(1));
    let mut made = Vec::new();
    for states in states(test, unwanted) {
        for kind in &kinds {
            for name in &names {
                for family in &families {
                    if made.len() > TRIED {
                        *is_exact = false;
                        return made;
                    }
                    made.push(MadeFile {
                        kind: kind.clone(),
                        family: *family,
                        name: name.clone(),
                        states: states.clone(),
                        octets,
                    });
                }
            }
        }
    }
    made
}

/// The states that a file must have, with any of those that others ask it not to have.
fn states(test: &FileTest, unwanted: &[&FileTest]) -> Vec<Vec<FileState>> {
    let needed = |one: FileState| test.states.iter().any(|(it, is)| it.state() == one && *is);
    let barred = |one: FileState| test.states.iter().any(|(it, is)| it.state() == one && !*is);
    let asked = |one: FileState| {
        let all = unwanted.iter().flat_map(|test| &test.states);
        all.into_iter().any(|(it, is)| it.state() == one && !*is)
    };
    let must: Vec<FileState> =
        STATES.iter().map(|(_, state)| *state).filter(|state| needed(*state)).collect();
    let may = STATES.iter().map(|(_, state)| *state);
    let may: Vec<FileState> =
        may.filter(|state| asked(*state) && !needed(*state) && !barred(*state)).collect();
    (0u32..1 << may.len())
        .map(|bits| {
            let more = may.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0);
            must.iter().copied().chain(more.map(|(_, state)| *state)).collect()
        })
        .collect()
}

/// Names with the extensions and after the patterns that are asked for.
fn names(test: &FileTest, unwanted: &[&FileTest], is_exact: &mut bool) -> Vec<String> {
    if test.names.is_empty() && test.extensions.is_empty() {
        return vec![String::new()];
    }
    let avoided: Vec<_> =
        unwanted.iter().flat_map(|test| &test.names).map(|it| glob(it.as_str())).collect();
    let mut names = Vec::new();
    let globs = test.names.iter().map(|it| Some(glob(it.as_str())));
    let globs: Vec<_> = if test.names.is_empty() { vec![None] } else { globs.collect() };
    let extensions = test.extensions.iter().map(|it| Some(glob(&format!("*.{it}"))));
    let extensions: Vec<_> =
        if test.extensions.is_empty() { vec![None] } else { extensions.collect() };
    for pattern in &globs {
        for extension in &extensions {
            let wanted: Vec<_> = pattern.iter().chain(extension).cloned().collect();
            for avoided in [avoided.as_slice(), &[]] {
                match witness::find(&wanted, avoided, Shape::Text) {
                    Witness::Text(name) => names.push(name),
                    Witness::Impossible => {}
                    Witness::Unknown => *is_exact = false,
                }
            }
        }
    }
    // Which extension a name has that a pattern allows is not gone through.
    *is_exact &= test.names.is_empty() && avoided.is_empty();
    names
}
