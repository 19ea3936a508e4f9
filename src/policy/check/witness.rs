//! A text that matches some patterns and not others, or the proof that there is none.
//!
//! In: patterns with stars. Out: [`Witness`]. Simple guesses come first; behind them every
//! text is walked through at once, letter by letter, as the set of places that it has reached in
//! each pattern (the product of their automata). Letters that no pattern names are all alike,
//! so one of them stands for all. The walk is limited. Of mailboxes the texts are keys, whose
//! shape is walked along with the patterns ([`mailbox`](super::mailbox)).

use std::collections::{BTreeSet, HashSet};

use super::mailbox::{self, LITERAL_LETTERS, Literals};

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
    /// The key of a mailbox, in small letters.
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
    let strangers = match shape {
        Shape::Text => "xyzwvutsrqponmlkjihgfedcbaXYZWVUTSRQPONMLKJIHGFEDCBA0123456789",
        Shape::Mailbox => "xyzwvutsrqponmlkjihgfedcba0123456789",
    };
    let stranger = strangers.chars().find(|letter| !named.contains(letter));
    for guess in guesses(wanted, stranger.unwrap_or('x'), shape) {
        let fits = |pattern: &Pattern| matches(pattern, &guess);
        if is_shaped(&guess, shape) && wanted.iter().all(fits) && !unwanted.iter().any(fits) {
            return Witness::Text(guess);
        }
    }
    if wanted.iter().chain(unwanted).map(Vec::len).sum::<usize>() > LETTERS {
        return Witness::Unknown;
    }
    let mut letters: Vec<char> = stranger.into_iter().chain(named).collect();
    let found = match shape {
        Shape::Text => Walk { wanted, unwanted, letters, literals: None }.through(),
        Shape::Mailbox => {
            let more = ['@', '.', '['].into_iter().filter(|it| !letters.contains(it));
            letters.extend(more.collect::<Vec<char>>());
            mailbox(wanted, unwanted, &letters)
        }
    };
    match found {
        // Another letter might have done.
        Witness::Impossible if stranger.is_none() => Witness::Unknown,
        found => found,
    }
}

fn mailbox(wanted: &[Pattern], unwanted: &[Pattern], letters: &[char]) -> Witness {
    let walk = |literals| {
        let literals = Some(literals);
        Walk { wanted, unwanted, letters: letters.to_vec(), literals }.through()
    };
    let may_be_literal =
        wanted.iter().all(|pattern| matches!(pattern.last(), Some(None | Some(']'))));
    if !may_be_literal {
        return walk(Literals::None);
    }
    match walk(Literals::WellFormed) {
        Witness::Impossible => walk(Literals::AnyLetters),
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
    match shape {
        Shape::Text => !text.is_empty(),
        Shape::Mailbox => mailbox::of_key(text).is_some(),
    }
}

/// Where in its shape a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum State {
    Nothing,
    Something,
    Key(mailbox::Place),
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

/// A walk through all texts at once.
struct Walk<'p> {
    wanted: &'p [Pattern],
    unwanted: &'p [Pattern],
    letters: Vec<char>,
    /// Where keys of mailboxes are walked through: which of them.
    literals: Option<Literals>,
}

/// A step: where it leads, the number of the one before, and the letter.
type Step = (State, Vec<Places>, usize, char);

impl Walk<'_> {
    fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.wanted.iter().chain(self.unwanted)
    }

    fn behind(&self, state: State, letter: char) -> [Option<State>; 2] {
        match (state, self.literals) {
            (State::Key(place), Some(literals)) => {
                place.behind(letter, literals).map(|next| next.map(State::Key))
            }
            _ => [Some(State::Something), None],
        }
    }

    fn is_end(&self, state: State, places: &[Places]) -> bool {
        let is_whole = match state {
            State::Nothing => false,
            State::Something => true,
            State::Key(place) => place.is_end(),
        };
        let mut through = self.patterns().zip(places).map(|(pattern, at)| is_through(pattern, at));
        is_whole && through.by_ref().take(self.wanted.len()).all(|it| it) && !through.any(|it| it)
    }

    fn through(&self) -> Witness {
        // What no longer can match a wanted pattern leads nowhere.
        let is_lost = |places: &[Places]| places.iter().take(self.wanted.len()).any(Vec::is_empty);
        let in_literals: Vec<char> = LITERAL_LETTERS.chars().collect();
        let start: Vec<Places> = self.patterns().map(|pattern| closed(pattern, [0])).collect();
        let first = match self.literals {
            Some(_) => State::Key(mailbox::Place::Start),
            None => State::Nothing,
        };
        let mut seen: HashSet<(State, Vec<Places>)> = HashSet::from([(first, start.clone())]);
        let mut queue: Vec<Step> = vec![(first, start, 0, ' ')];
        let (mut at, mut is_proven) = (0, true);
        while let Some((state, places, _, _)) = queue.get(at).cloned() {
            let letters = match state {
                State::Key(place) if place.is_in_literal() => &in_literals,
                _ => &self.letters,
            };
            for letter in letters {
                let states = self.behind(state, *letter).into_iter().flatten();
                let states: Vec<State> = states.collect();
                if states.is_empty() {
                    continue;
                }
                let after = self.patterns().zip(&places);
                let next: Vec<Places> =
                    after.map(|(pattern, places)| step(pattern, places, *letter)).collect();
                if is_lost(&next) {
                    continue;
                }
                for state in states {
                    if !seen.insert((state, next.clone())) {
                        continue;
                    }
                    queue.push((state, next.clone(), at, *letter));
                    if self.is_end(state, &next) {
                        let text = spelled(&queue);
                        if self.literals.is_none() || mailbox::of_key(&text).is_some() {
                            return Witness::Text(text);
                        }
                        // Others that led here might have been mailboxes.
                        is_proven = false;
                    }
                    if queue.len() > SETS {
                        return Witness::Unknown;
                    }
                }
            }
            at += 1;
        }
        if is_proven { Witness::Impossible } else { Witness::Unknown }
    }
}

/// The letters that led to the last entry.
fn spelled(queue: &[Step]) -> String {
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
            (&["*@*@*"], &[], true),
            (&["*@a.test*", "*@b.test"], &[], true),
            (&["*@[*"], &[], true),
            (&["*@[*"], &["*]"], true),
            (&["*@[*"], &["*]", "*@*@*"], false),
            (&["*@[ipv6:2001:*"], &["*::*"], true),
            (&["*@[ipv6:2001:*"], &["*:*:*"], false),
            (&["*@[10.*]"], &["*0.0.0]", "*@*@*"], true),
            (&["*@[310.*]"], &[], true),
            (&["*@[310.*]"], &["*@*@*"], false),
            (&["\"*"], &[], true),
            (&["* *@a.test"], &["*x*"], true),
            (&["*@*.a-"], &[], false),
            (&["*@*@*"], &["*@*@*@*", "*@a.test", "*@*b*", "*@[*", "*@*.*", "*@*x*"], true),
        ];
        for (wanted, unwanted, possible) in table {
            let found = found(wanted, unwanted, Shape::Mailbox);
            let is_text = matches!(&found, Witness::Text(key) if mailbox::of_key(key).is_some());
            assert_eq!(is_text, *possible, "{wanted:?} {unwanted:?} {found:?}");
            assert!(found != Witness::Unknown, "{wanted:?} {unwanted:?}");
        }
    }
}
