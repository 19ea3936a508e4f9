//! The house's people whose names are borrowed to give orders.
//!
//! In: `impersonation.people` and a display name. Out: the person that the name is taken for.
//! Order of names, case, accents, look-alike letters, titles and inner initials do not matter;
//! a first name may be an initial when the rest is the same; names run together, names in the
//! address, and the service that a name is said to write through, count as well.

use super::fold;
use crate::config::Person;
use crate::mail::Address;

/// Words beside a name that are no part of it.
const TITLES: [&str; 32] = [
    "mr",
    "mrs",
    "ms",
    "miss",
    "mx",
    "dr",
    "prof",
    "professor",
    "sir",
    "dame",
    "lord",
    "lady",
    "rev",
    "herr",
    "frau",
    "mme",
    "mlle",
    "monsieur",
    "madame",
    "ing",
    "phd",
    "md",
    "mba",
    "ceo",
    "cfo",
    "cto",
    "coo",
    "director",
    "president",
    "chairman",
    "obe",
    "cbe",
];
/// What stands between a name and the service that somebody writes through.
const VIA: &str = "via";
/// Longer display names are no names.
const NAME_WORDS: usize = 12;

/// Shorter names, run together, are found in other words.
const RUN_LETTERS: usize = 6;

/// A person in the form in which names are compared.
#[derive(Debug)]
pub(super) struct Known {
    /// As it is written in the configuration.
    pub(super) name: String,
    words: Vec<String>,
    addresses: Vec<Address>,
}

impl Known {
    pub(super) fn new(person: &Person) -> Known {
        Known {
            name: person.name.clone(),
            words: name_words(&person.name),
            addresses: person.addresses.clone(),
        }
    }

    /// Whether this person writes from this address.
    pub(super) fn writes_from(&self, address: &Address) -> bool {
        self.addresses.iter().any(|known| known.key() == address.key())
    }

    /// Whether a display name is taken for this person's: 1 when it is the name, less when an
    /// initial stands for a part.
    pub(super) fn is_named(&self, display_name: &str) -> Option<f32> {
        let words = name_words(display_name);
        if self.words.len() < 2 {
            return (!self.words.is_empty() && words == self.words).then_some(0.6);
        }
        if let [one] = words.as_slice()
            && self.is_run_together(one)
        {
            return Some(1.0);
        }
        // Order does not matter: "Doe, Jane".
        let long = |words: &[String]| {
            let mut long: Vec<String> =
                words.iter().filter(|word| word.chars().count() > 1).cloned().collect();
            long.sort();
            long
        };
        let (mine, theirs) = (long(&self.words), long(&words));
        if mine == theirs {
            return Some(1.0);
        }
        let skeletons = |words: &[String]| -> Vec<String> {
            let mut all: Vec<String> = words.iter().map(|word| fold::skeleton(word)).collect();
            all.sort();
            all
        };
        if skeletons(&mine) == skeletons(&theirs) {
            return Some(1.0);
        }
        self.with_initial(&words)
    }

    /// "JaneDoe", "doejane", "JaneQDoe".
    fn is_run_together(&self, word: &str) -> bool {
        let long: Vec<&str> = self.long_words().collect();
        let mut turned = long.clone();
        turned.rotate_right(1);
        let word = fold::skeleton(word);
        [self.words.concat(), long.concat(), turned.concat()]
            .iter()
            .any(|run| run.chars().count() >= RUN_LETTERS && fold::skeleton(run) == word)
    }

    /// The parts of the name without its initials.
    fn long_words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str).filter(|word| word.chars().count() > 1)
    }

    /// Whether the local part of an address is this person's name: `jane.doe@elsewhere`, with
    /// or without what divides the names and numbers behind them. Some readers show nothing
    /// else.
    pub(super) fn is_addressed(&self, address: &Address) -> bool {
        let key = address.key();
        let local = key.rsplit_once('@').map_or(key.as_str(), |(local, _)| local);
        let local = local.split('+').next().unwrap_or_default();
        let bare = local.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
        let mut words = fold::words(&bare.replace(['.', '_', '-'], " "));
        words.retain(|word| word.chars().count() > 1);
        if self.long_words().count() < 2 {
            return false;
        }
        let mut mine: Vec<&str> = self.long_words().collect();
        mine.sort_unstable();
        words.sort_unstable();
        mine == words || matches!(words.as_slice(), [one] if self.is_run_together(one))
    }

    /// "J. Doe" for "Jane Doe": the last name whole, the first as an initial.
    fn with_initial(&self, words: &[String]) -> Option<f32> {
        let (first, last) = (self.words.first()?, self.words.last()?);
        let initial = first.chars().next()?.to_string();
        let has = |wanted: &str| words.iter().any(|word| word == wanted);
        (words.len() <= 3 && last.chars().count() >= 3 && has(last) && has(&initial)).then_some(0.5)
    }
}

fn name_words(name: &str) -> Vec<String> {
    let name = name.split(['(', '[', '<', '|', '@']).next().unwrap_or_default();
    let mut words = fold::words(name);
    words.truncate(NAME_WORDS);
    // "Jane Doe via Service": what a reader takes for the name stands before.
    if let Some(via) = words.iter().position(|word| word == VIA)
        && via > 0
    {
        words.truncate(via);
    }
    words.retain(|word| !TITLES.contains(&word.as_str()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_all_their_forms() {
        let person = |name: &str| Known::new(&Person { name: name.into(), addresses: vec![] });
        let jane = person("Jane Müller-Doe");
        for (name, found) in [
            ("Jane Müller-Doe", true),
            ("jane muller doe", true),
            ("Müller-Doe, Jane", true),
            ("Dr. Jane K. Müller Doe (CEO)", true),
            ("Jаne Мuller Dоe", true),
            ("Jane Mul1er Doe", true),
            ("J. Doe", true),
            ("Jane Doe", false),
            ("John Müller-Doe", false),
            ("Jane", false),
            ("", false),
        ] {
            assert_eq!(jane.is_named(name).is_some(), found, "{name}");
        }
        let one = person("Cher");
        assert!(one.is_named("Cher").is_some() && one.is_named("Cher Bono").is_none());
        assert!(person("").is_named("").is_none());
    }
}
