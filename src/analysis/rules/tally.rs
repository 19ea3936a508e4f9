//! Counts distinct values that a pattern finds.
//!
//! In: the ends of matches, as the engine reports them, in the order of the text. Out: how many
//! distinct values there were. The engine reports every end of a match that can end in several
//! places (`\d+`); of ends that grow by one character only the last is looked at, and of
//! values that overlap the longer or the first one counts. Values are kept as hashes under a
//! random key, never in clear; their number is limited for each rule and for all together, and
//! so are the calls of validators. What goes beyond is not looked at, and that is noted.
//! A report costs constant time, whatever the text.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use super::seam::{VALIDATED_OCTETS, Validator};
use super::text::{Span, Text};

/// No rule counts further.
pub(super) const VALUES_A_RULE: u32 = 10_000;
/// Of all rules together, in one message.
const VALUES_A_MESSAGE: usize = 200_000;
/// Calls of validators in one message.
const CALLS_A_MESSAGE: u32 = 4_000_000;
/// Octets by which values without a validator are told apart, from their beginning.
const VALUE_OCTETS: usize = 1_024;
/// Octets of such values that are brought into one form, in one message.
const PLAIN_OCTETS_A_MESSAGE: usize = 64 << 20;

/// What is counted in one message.
#[derive(Debug)]
pub(super) struct Ledger {
    values: HashSet<(u32, u64)>,
    keyed: RandomState,
    calls_left: u32,
    octets_left: usize,
    /// Something was not looked at.
    pub(super) is_cut: bool,
}

impl Default for Ledger {
    fn default() -> Ledger {
        let (values, keyed) = (HashSet::new(), RandomState::new());
        Ledger {
            values,
            keyed,
            calls_left: CALLS_A_MESSAGE,
            octets_left: PLAIN_OCTETS_A_MESSAGE,
            is_cut: false,
        }
    }
}

/// A value in a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Of its canonical form, when a validator gave it.
    hash: Option<u64>,
}

impl Ledger {
    /// The number of something with a name.
    pub(super) fn number_of(&self, name: &str) -> u64 {
        self.keyed.hash_one(name)
    }

    /// The value that a match is, when it is one.
    pub(super) fn value(
        &mut self,
        text: &Text<'_>,
        span: Span,
        validator: Option<Validator>,
    ) -> Option<Value> {
        let end = span.end;
        let Some(validator) = validator else {
            return Some(Value { start: span.start?, end, hash: None });
        };
        let Some(left) = self.calls_left.checked_sub(1) else {
            self.is_cut = true;
            return None;
        };
        self.calls_left = left;
        let (from, tail) = text.tail(end, VALIDATED_OCTETS);
        let valid = validator(tail)?;
        let start = from.saturating_add(valid.start).min(end);
        Some(Value { start, end, hash: Some(self.keyed.hash_one(valid.normal)) })
    }

    /// Whether a value of a text is new to a spot.
    pub(super) fn is_new_in(&mut self, spot: u32, text: &Text<'_>, value: Value) -> bool {
        if let Some(hash) = value.hash {
            return self.is_new(spot, hash);
        }
        let octets = text.part(value.start, value.end);
        let octets = octets.get(..octets.floor_char_boundary(VALUE_OCTETS)).unwrap_or_default();
        let Some(left) = self.octets_left.checked_sub(octets.len()) else {
            self.is_cut = true;
            return false;
        };
        self.octets_left = left;
        self.is_new(spot, self.keyed.hash_one(plain(octets)))
    }

    /// Whether something by this number is new to a spot.
    pub(super) fn is_new(&mut self, spot: u32, hash: u64) -> bool {
        if self.values.len() < VALUES_A_MESSAGE {
            return self.values.insert((spot, hash));
        }
        self.is_cut |= !self.values.contains(&(spot, hash));
        false
    }
}

/// Case and white space make no other value of it.
fn plain(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    for word in value.split_whitespace() {
        plain.extend(word.chars().flat_map(char::to_lowercase));
        plain.push(' ');
    }
    plain
}

/// Ends of one pattern that grow by one character at a time.
#[derive(Debug, Default)]
pub(super) struct Growth {
    pub(super) pending: Option<Span>,
}

impl Growth {
    /// Notes a match; gives the one before when that has ended.
    pub(super) fn note(&mut self, text: &Text<'_>, span: Span) -> Option<Span> {
        let before = self.pending.replace(span)?;
        let begins_no_later = span.start <= before.start;
        let grows = span.end == before.end || text.is_next(before.end, span.end);
        (!(grows && begins_no_later)).then_some(before)
    }
}

/// The count of one spot.
#[derive(Debug, Default)]
pub(super) struct Tally {
    growth: Growth,
    /// Counts unless a longer one turns up.
    held: Option<Value>,
    last_end: usize,
    is_open: bool,
}

impl Tally {
    /// Whether this is the first match in the text at hand.
    pub(super) fn open(&mut self) -> bool {
        !std::mem::replace(&mut self.is_open, true)
    }

    /// Notes a match; gives a value that is settled.
    pub(super) fn note(
        &mut self,
        ledger: &mut Ledger,
        text: &Text<'_>,
        span: Span,
        validator: Option<Validator>,
    ) -> Option<Value> {
        let ended = self.growth.note(text, span)?;
        self.settle(ledger.value(text, ended, validator)?)
    }

    /// The text is at its end: gives the values that were still open.
    pub(super) fn close(
        &mut self,
        ledger: &mut Ledger,
        text: &Text<'_>,
        validator: Option<Validator>,
    ) -> [Option<Value>; 2] {
        let ended = self.growth.pending.take();
        let value = ended.and_then(|span| ledger.value(text, span, validator));
        let settled = value.and_then(|value| self.settle(value));
        self.last_end = 0;
        self.is_open = false;
        [settled, self.held.take()]
    }

    /// Of values that overlap, the one that holds the other or the first one counts.
    fn settle(&mut self, value: Value) -> Option<Value> {
        match self.held {
            Some(held) if value.start <= held.start => {
                self.held = Some(value);
                None
            }
            Some(held) if value.start < held.end => None,
            _ => self.held.replace(value),
        }
    }

    /// Whether a match of a literal text is another one than the last; its boundaries may be
    /// reported twice.
    pub(super) fn is_elsewhere(&mut self, span: Span) -> bool {
        let is_elsewhere = span.start.is_none_or(|start| start >= self.last_end);
        if is_elsewhere {
            self.last_end = span.end;
        }
        is_elsewhere
    }
}

/// A value as it may be shown: letters and digits but the last three are hidden.
pub(super) fn masked(value: &str) -> String {
    const SHOWN: usize = 3;
    const LONGEST: usize = 40;
    let letters = value.chars().filter(|letter| letter.is_alphanumeric()).count();
    let shown = if letters > 2 * SHOWN { SHOWN } else { 0 };
    let mut left = letters - shown;
    let mask = |letter: char| match letter {
        _ if letter.is_control() => ' ',
        _ if letter.is_alphanumeric() && left > 0 => {
            left -= 1;
            '*'
        }
        _ => letter,
    };
    let masked: Vec<char> = value.chars().map(mask).collect();
    let from = masked.len().saturating_sub(LONGEST);
    masked.into_iter().skip(from).collect()
}
