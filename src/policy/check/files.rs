//! Files that pass some tests and not others.
//!
//! In: tests that shall pass or not. Out: files put into the [`Situation`], each as unremarkable
//! as it may be.

use super::realise::{Asked, Settled};
use super::situation::{MadeFile, Situation};
use super::witness::{self, Shape, Witness, glob};
use crate::config::FileState;
use crate::mail::Family;
use crate::message::Nature;
use crate::policy::rules::atom::{Atom, FileTest, STATES};

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
    test.holds(&file.fact())
}

/// What files may be, as far as tests can tell apart what they are; those of which least is
/// known first.
fn natures(test: &FileTest, unwanted: &[&FileTest]) -> Vec<Nature> {
    let marks = |test: &FileTest, nature: Nature| {
        let names = nature.extensions();
        let is_type = test.types.iter().any(|one| names.contains(&&**one));
        let is_family = test.families.iter().any(|one| one.family() == nature.family());
        (test.types.is_empty() || is_type, test.families.is_empty() || is_family)
    };
    let mut told: Vec<Vec<(bool, bool)>> = Vec::new();
    let mut natures: Vec<Nature> = Nature::all().collect();
    natures.reverse();
    natures.retain(|nature| {
        // A text needs a name to be a file.
        let mut own = vec![marks(test, *nature), (nature.family() == Family::Text, true)];
        own.extend(unwanted.iter().map(|other| marks(other, *nature)));
        let is_new = own.first() == Some(&(true, true)) && !told.contains(&own);
        if is_new {
            told.push(own);
        }
        is_new
    });
    natures
}

/// Every kind of file that may pass, as far as tests can tell files apart.
fn candidates(test: &FileTest, unwanted: &[&FileTest], is_exact: &mut bool) -> Vec<MadeFile> {
    let names = names(test, unwanted, is_exact);
    let natures = natures(test, unwanted);
    let octets = test.larger.map_or(0, |limit| limit.saturating_add(1));
    let mut made = Vec::new();
    for states in states(test, unwanted) {
        for name in &names {
            for nature in &natures {
                if made.len() > TRIED {
                    *is_exact = false;
                    return made;
                }
                if name.is_empty() && nature.family() == Family::Text {
                    continue;
                }
                let (nature, name, states) = (*nature, name.clone(), states.clone());
                made.push(MadeFile { nature, name, states, octets });
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
    let avoided: Vec<_> =
        unwanted.iter().flat_map(|test| &test.names).map(|it| glob(it.as_str())).collect();
    if test.names.is_empty() && test.extensions.is_empty() {
        let mut names = vec![String::new()];
        if let Witness::Text(name) = witness::find(&[], &avoided, Shape::Text) {
            names.push(name);
        }
        return names;
    }
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
