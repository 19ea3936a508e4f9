//! A text that matches some patterns and not others, or the proof that there is none.
//!
//! In: patterns with stars. Out: [`Witness`]. Simple guesses come first; behind them every
//! text is walked through at once, letter by letter, as the set of places that it has reached in
//! each pattern (the product of their automata). Letters that no pattern names are all alike,
//! so one of them stands for all. The walk is limited.

use std::collections::{BTreeSet, HashSet};

/// A pattern: letters, and none for a star.
pub(super) type Pattern = Vec<Option<char>>;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Witness {
    /// This text.
    Text(String),
    /// There is no such text.
    Impossible,
    /// The walk took too long.
    Unknown,
}

/// What texts look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Anything but nothing.
    Text,
    /// A mailbox: something, an `@`, and labels between dots.
    Mailbox,
}

/// Sets of places that a walk looks at.
const SETS: usize = 20_000;
/// Letters of patterns together; a walk through more is not tried.
const LETTERS: usize = 4_000;

/// Reads a pattern in which `*` is a star.
pub(super) fn glob(text: &str) -> Pattern {
    text.chars().map(|letter| (letter != '*').then_some(letter)).collect()
}

/// The pattern that only this text matches.
pub(super) fn literal(text: &str) -> Pattern {
    text.chars().map(Some).collect()
}

/// The pattern of texts that hold this one.
pub(super) fn containing(text: &str) -> Pattern {
    let letters = text.chars().map(Some);
    std::iter::once(None).chain(letters).chain(std::iter::once(None)).collect()
}

/// A text that matches all of `wanted` and none of `unwanted`.
pub(super) fn find(wanted: &[Pattern], unwanted: &[Pattern], shape: Shape) -> Witness {
    let named: BTreeSet<char> =
        wanted.iter().chain(unwanted).flatten().flatten().copied().collect();
    let stranger = "xyzwvutsrqponmlkjihgfedcbaXYZWVUTSRQPONMLKJIHGFEDCBA0123456789"
        .chars()
        .find(|letter| !named.contains(letter));
    for guess in guesses(wanted, stranger.unwrap_or('x'), shape) {
        let fits = |pattern: &Pattern| matches(pattern, &guess);
        if is_shaped(&guess, shape) && wanted.iter().all(fits) && !unwanted.iter().any(fits) {
            return Witness::Text(guess);
        }
    }
    if wanted.iter().chain(unwanted).map(Vec::len).sum::<usize>() > LETTERS {
        return Witness::Unknown;
    }
    let mut alphabet: Vec<char> = stranger.into_iter().chain(named).collect();
    if shape == Shape::Mailbox {
        alphabet
            .extend(['@', '.'].into_iter().filter(|it| !alphabet.contains(it)).collect::<Vec<_>>());
    }
    let found = walk(wanted, unwanted, &alphabet, shape);
    match found {
        // Another letter might have done.
        Witness::Impossible if stranger.is_none() => Witness::Unknown,
        found => found,
    }
}

fn guesses(wanted: &[Pattern], stranger: char, shape: Shape) -> Vec<String> {
    let filled = |pattern: &Pattern, star: &str| -> String {
        pattern.iter().fold(String::new(), |mut text, letter| {
            match letter {
                Some(letter) => text.push(*letter),
                None => text.push_str(star),
            }
            text
        })
    };
    let star = stranger.to_string();
    let mut guesses = Vec::new();
    for pattern in wanted {
        guesses.push(filled(pattern, ""));
        guesses.push(filled(pattern, &star));
        guesses.push(filled(pattern, &format!("{stranger}@{stranger}.{stranger}")));
    }
    guesses.push(match shape {
        Shape::Text => star.clone(),
        Shape::Mailbox => format!("{stranger}@{stranger}.{stranger}"),
    });
    let together: Vec<String> = wanted.iter().map(|pattern| filled(pattern, "")).collect();
    guesses.push(together.join(&star));
    guesses
}

fn is_shaped(text: &str, shape: Shape) -> bool {
    let state = text.chars().try_fold(State::Start, |state, letter| state.behind(letter, shape));
    state.is_some_and(|state| state.is_end(shape))
}

/// Where in its shape a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum State {
    Start,
    Local,
    LabelStart,
    Label,
}

impl State {
    fn behind(self, letter: char, shape: Shape) -> Option<State> {
        if shape == Shape::Text {
            return Some(State::Label);
        }
        let in_domain = letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
        match (self, letter) {
            (State::Start, '@') => None,
            (State::Start, '.') => None,
            (State::Start, _) => Some(State::Local),
            (State::Local, '@') => Some(State::LabelStart),
            (State::Local, _) => Some(State::Local),
            (State::Label, '.') => Some(State::LabelStart),
            (State::LabelStart | State::Label, _) if in_domain => Some(State::Label),
            _ => None,
        }
    }

    fn is_end(self, _shape: Shape) -> bool {
        self == State::Label
    }
}

/// Places in a pattern that a text has reached: before these letters.
type Places = Vec<u16>;

fn closed(pattern: &Pattern, places: impl IntoIterator<Item = u16>) -> Places {
    let mut all = BTreeSet::new();
    for mut place in places {
        while all.insert(place) && pattern.get(usize::from(place)) == Some(&None) {
            place += 1;
        }
    }
    all.into_iter().collect()
}

fn step(pattern: &Pattern, places: &Places, letter: char) -> Places {
    let next = places.iter().filter_map(|place| match pattern.get(usize::from(*place)) {
        Some(None) => Some(*place),
        Some(Some(own)) if *own == letter => Some(place + 1),
        _ => None,
    });
    closed(pattern, next)
}

fn is_through(pattern: &Pattern, places: &Places) -> bool {
    places.last().is_some_and(|place| usize::from(*place) == pattern.len())
}

fn matches(pattern: &Pattern, text: &str) -> bool {
    let start = closed(pattern, [0]);
    is_through(pattern, &text.chars().fold(start, |at, letter| step(pattern, &at, letter)))
}

fn walk(wanted: &[Pattern], unwanted: &[Pattern], alphabet: &[char], shape: Shape) -> Witness {
    let all: Vec<&Pattern> = wanted.iter().chain(unwanted).collect();
    let is_end = |state: State, places: &[Places]| {
        let mut through = all.iter().zip(places).map(|(pattern, at)| is_through(pattern, at));
        state.is_end(shape)
            && through.by_ref().take(wanted.len()).all(|it| it)
            && !through.any(|it| it)
    };
    // What no longer can match a wanted pattern leads nowhere.
    let is_lost = |places: &[Places]| places.iter().take(wanted.len()).any(Vec::is_empty);
    let start: Vec<Places> = all.iter().map(|pattern| closed(pattern, [0])).collect();
    let mut seen: HashSet<(State, Vec<Places>)> = HashSet::from([(State::Start, start.clone())]);
    let mut queue: Vec<(State, Vec<Places>, usize, char)> = vec![(State::Start, start, 0, ' ')];
    let mut at = 0;
    while let Some((state, places, _, _)) = queue.get(at).cloned() {
        for letter in alphabet {
            let Some(state) = state.behind(*letter, shape) else { continue };
            let next: Vec<Places> = all
                .iter()
                .zip(&places)
                .map(|(pattern, places)| step(pattern, places, *letter))
                .collect();
            if is_lost(&next) || !seen.insert((state, next.clone())) {
                continue;
            }
            let found = is_end(state, &next);
            queue.push((state, next, at, *letter));
            if found {
                return Witness::Text(spelled(&queue));
            }
            if queue.len() > SETS {
                return Witness::Unknown;
            }
        }
        at += 1;
    }
    Witness::Impossible
}

/// The letters that led to the last entry.
fn spelled(queue: &[(State, Vec<Places>, usize, char)]) -> String {
    let mut letters = Vec::new();
    let mut at = queue.len().saturating_sub(1);
    while let Some((_, _, before, letter)) = queue.get(at).filter(|_| at > 0) {
        letters.push(*letter);
        at = *before;
    }
    letters.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(wanted: &[&str], unwanted: &[&str], shape: Shape) -> Witness {
        let globs = |texts: &[&str]| -> Vec<Pattern> { texts.iter().map(|it| glob(it)).collect() };
        let found = find(&globs(wanted), &globs(unwanted), shape);
        if let Witness::Text(text) = &found {
            assert!(wanted.iter().all(|it| matches(&glob(it), text)), "{text} {wanted:?}");
            assert!(!unwanted.iter().any(|it| matches(&glob(it), text)), "{text} {unwanted:?}");
        }
        found
    }

    #[test]
    fn texts_are_found_where_there_are_some() {
        let table: &[(&[&str], &[&str], bool)] = &[
            (&[], &[], true),
            (&["a*", "*b"], &["ab"], true),
            (&["a*", "*b"], &["a*b"], false),
            (&["a*", "b*"], &[], false),
            (&["*abc*", "*bcd*"], &["*abc*bcd*"], true),
            (&["*"], &["*"], false),
            (&["a"], &["*b*"], true),
            (&["ab*"], &["a*"], false),
            (&["*x*", "*y*", "*z*"], &["*zx*", "*xy*"], true),
        ];
        for (wanted, unwanted, possible) in table {
            let is_text = matches!(found(wanted, unwanted, Shape::Text), Witness::Text(_));
            assert_eq!(is_text, *possible, "{wanted:?} {unwanted:?}");
        }
    }

    #[test]
    fn mailboxes_have_their_shape() {
        let table: &[(&[&str], &[&str], bool)] = &[
            (&["*@a.test"], &["ann@a.test"], true),
            (&["*@a.test", "*@b.test"], &[], false),
            (&["*@*.a.test"], &["*@b.a.test"], true),
            (&["*@*.a.test"], &["*@*.test"], false),
            (&["ann@*"], &["*.test"], true),
            (&["nobody"], &[], false),
            (&["*@*@*"], &[], false),
        ];
        for (wanted, unwanted, possible) in table {
            let is_text = matches!(found(wanted, unwanted, Shape::Mailbox), Witness::Text(_));
            assert_eq!(is_text, *possible, "{wanted:?} {unwanted:?}");
        }
    }
}
