//! How large a pattern becomes when its repeats are written out: what compiling it costs.
//!
//! In: a pattern as rules write it. Out: its places, each of which is a letter, a class or a dot;
//! `(?:a.{9}){3}` has 30. The engine makes a state of each and compares states with one another,
//! without any limit of its own for repeats within repeats. What the engine would refuse for
//! its form is measured as far as it goes and left to the engine.

use std::iter::Peekable;
use std::str::Chars;

/// Places of one pattern; with so many the engine takes about a second.
const MOST: u64 = 10_000;
/// Octets of a character that is not named: what a dot or a class costs in UTF-8.
const OCTETS: u64 = 8;
/// Groups within groups; the engine's own stack is as deep.
const DEPTH: usize = 200;

/// Why a pattern is not compiled.
pub(super) fn too_large(pattern: &str, is_unicode: bool) -> Option<String> {
    let classes = if is_unicode { OCTETS } else { 1 };
    let places = Measuring { letters: pattern.chars().peekable(), classes }.choice(0);
    (places > MOST).then(|| {
        format!(
            "the pattern is too large: with its repeats written out it has {places} places, more \
             than {MOST}"
        )
    })
}

struct Measuring<'p> {
    letters: Peekable<Chars<'p>>,
    /// What a class or a dot counts for.
    classes: u64,
}

impl Measuring<'_> {
    /// Branches up to the end of the group that they are in.
    fn choice(&mut self, depth: usize) -> u64 {
        let mut places: u64 = 0;
        while let Some(letter) = self.letters.next() {
            let one = match letter {
                ')' if depth > 0 => return places,
                '|' => continue,
                // What opens a group is no repeat.
                '(' if depth < DEPTH => {
                    self.letters.next_if_eq(&'?');
                    self.choice(depth + 1)
                }
                '[' => self.class(),
                '.' => self.classes,
                '\\' => self.escape(),
                _ => 1,
            };
            places = places.saturating_add(one.saturating_mul(self.repeat()));
        }
        places
    }

    /// So often stands what was before.
    fn repeat(&mut self) -> u64 {
        let mut times: u64 = 1;
        loop {
            match self.letters.peek() {
                Some('?' | '*' | '+') => {
                    self.letters.next();
                }
                Some('{') => match self.braces() {
                    Some(most) => times = times.saturating_mul(most),
                    None => return times,
                },
                _ => return times,
            }
        }
    }

    /// `{3}`, `{3,}`, `{,9}`, `{3,9}`: the most of them; nothing where it is something else.
    fn braces(&mut self) -> Option<u64> {
        let mut ahead = self.letters.clone();
        ahead.next();
        let inner: String = ahead.by_ref().take_while(|letter| *letter != '}').collect();
        let bounds: Vec<&str> = inner.split(',').map(str::trim).collect();
        let is_number = |text: &&str| text.chars().all(|letter| letter.is_ascii_digit());
        if inner.is_empty() || bounds.len() > 2 || !bounds.iter().all(is_number) {
            return None;
        }
        self.letters = ahead;
        let bound = |text: &&str| match text.is_empty() {
            true => 1,
            false => text.parse().unwrap_or(u64::MAX),
        };
        bounds.iter().map(bound).max()
    }

    fn class(&mut self) -> u64 {
        self.letters.next_if_eq(&'^');
        self.letters.next_if_eq(&']');
        while let Some(letter) = self.letters.next() {
            match letter {
                ']' => break,
                '\\' => {
                    self.letters.next();
                }
                '[' if self.letters.next_if_eq(&':').is_some() => {
                    self.letters.by_ref().find(|letter| *letter == ']');
                }
                _ => {}
            }
        }
        self.classes
    }

    fn escape(&mut self) -> u64 {
        match self.letters.next() {
            Some('Q') => self.quoted(),
            Some('x' | 'p' | 'P' | 'o' | 'g' | 'k' | 'N') => {
                if self.letters.next_if_eq(&'{').is_some() {
                    self.letters.by_ref().find(|letter| *letter == '}');
                }
                self.classes
            }
            Some('d' | 'D' | 'w' | 'W' | 's' | 'S' | 'h' | 'H' | 'v' | 'V' | 'R' | 'X') => {
                self.classes
            }
            // Edges take no place, but are repeated as well.
            _ => 1,
        }
    }

    /// `\Q…\E`.
    fn quoted(&mut self) -> u64 {
        let mut places = 0;
        while let Some(letter) = self.letters.next() {
            if letter == '\\' && self.letters.next_if_eq(&'E').is_some() {
                break;
            }
            places += 1;
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(pattern: &str) -> u64 {
        Measuring { letters: pattern.chars().peekable(), classes: 1 }.choice(0)
    }

    #[test]
    fn repeats_are_written_out() {
        let table = [
            ("abc", 3),
            ("(?:a.{9}){3}", 30),
            ("a{2,5}b{3,}c{,4}", 12),
            ("(?:a|bc)+?d", 4),
            ("[a-z\\]{}(]{4}", 4),
            ("[]a]{2}[^]a]{3}[[:alpha:]]{5}", 10),
            (r"\x{20ac}{3}\p{L}{2}\d{4}", 9),
            (r"\Qa{9}\E{2}", 5),
            ("a{x}", 4),
            ("(((a{9}){9}){9}){9}", 6_561),
            ("(a", 1),
            ("a)b", 3),
            ("", 0),
        ];
        for (pattern, expected) in table {
            // Of a quotation only the last letter would be repeated; more is on the safe side.
            let measured = places(pattern);
            assert!(measured >= expected && measured <= 2 * expected, "{pattern}: {measured}");
        }
    }

    #[test]
    fn what_would_take_minutes_is_refused() {
        for pattern in [r"\b(?:a.{900}){300}\b", "(((a{99}){99}){99}){99}", "(a{0,32000}){9}"] {
            let why = too_large(pattern, false).unwrap_or_default();
            assert!(why.contains("too large"), "{pattern}: {why}");
        }
        for pattern in [r"\b(?:[a-z]{1,50} ){40}\b", "a.{0,5000}b", r"(?i)word (?:\w+ ){0,5}other"]
        {
            assert_eq!(too_large(pattern, false), None, "{pattern}");
        }
        assert!(too_large("(?:a.{90}){60}", true).is_some());
    }
}
