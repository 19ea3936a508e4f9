//! Rules as their files give them, checked.
//!
//! A [`Rule`] says where it looks, what it is worth and, by its [`Form`], what makes it hit.

use std::sync::Arc;

use super::seam::{ExactQuery, Validator};
use super::word::Word;
use crate::config::Place;
use crate::mail::{Class, Severity};
use crate::message::Zone;

/// How a pattern is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags {
    /// `i`: case does not matter.
    pub caseless: bool,
    /// `s`: a dot stands for a line end too.
    pub dot_all: bool,
    /// `m`: `^` and `$` stand at every line.
    pub multi_line: bool,
    /// `w`: only whole words.
    pub words: bool,
    /// `u`: `\w`, `\d` and `\s` speak of all scripts; `\b` cannot be used then.
    pub unicode: bool,
}

/// A pattern for the engine and where it stands in its file.
#[derive(Debug, Clone)]
pub struct Expression {
    /// In Hyperscan's syntax.
    pub text: String,
    /// How it is meant.
    pub flags: Flags,
    /// Where it stands.
    pub place: Place,
    /// What a distinct term of a lexicon adds to the score.
    pub term_score: f32,
    /// A match counts only when this finds it valid.
    pub validator: Option<Validator>,
    /// Looks only into texts behind one of these marks (see [`super::mark`]).
    pub(super) marks: Option<String>,
    /// A whole word: plain text that stands alone.
    pub(super) word: Option<Word>,
}

/// One side of a proximity rule.
#[derive(Debug, Clone)]
pub enum Side {
    /// A pattern.
    Pattern(Expression),
    /// Any term of a lexicon.
    Lexicon {
        /// Its id.
        id: String,
        /// Where it is named.
        place: Place,
        /// For what the terms stand beside; applied to each.
        validator: Option<Validator>,
        /// Its terms, once all files are read.
        terms: Arc<[Expression]>,
    },
}

impl Side {
    pub(super) fn expressions(&self) -> &[Expression] {
        match self {
            Side::Pattern(expression) => std::slice::from_ref(expression),
            Side::Lexicon { terms, .. } => terms,
        }
    }

    pub(super) fn is_validated(&self) -> bool {
        match self {
            Side::Pattern(expression) => expression.validator.is_some(),
            Side::Lexicon { validator, .. } => validator.is_some(),
        }
    }
}

/// Of all values that look like the ones that are counted, so many must be such.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// What looks alike.
    pub among: Validator,
    /// So many of these, 1 to 100.
    pub percent: f32,
}

/// What makes a rule hit.
#[derive(Debug, Clone)]
pub enum Form {
    /// One pattern.
    Pattern {
        /// What to look for.
        expression: Expression,
        /// How many of those that look alike must be valid.
        share: Option<Share>,
    },
    /// Words; distinct ones add up to a highest score.
    Lexicon {
        /// One a term.
        terms: Vec<Expression>,
        /// The sum never exceeds this.
        max_score: f32,
        /// So many different terms must be there.
        distinct: u32,
        /// Of one term no more than so many count.
        most_per_term: u32,
    },
    /// Two things near each other, in either order.
    Proximity {
        /// What is counted.
        a: Side,
        /// What must be near it.
        b: Side,
        /// Characters between them, at most.
        within_characters: u32,
    },
    /// Values of one row of a list.
    Exact(ExactQuery),
    /// Parts of a known document.
    Fingerprint {
        /// The name of the set.
        documents: String,
        /// Of the document.
        share_percent: f32,
    },
    /// A protective marking.
    Marking {
        /// Any of these.
        names: Vec<String>,
    },
}

/// A rule as its file gives it.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The name of its finding.
    pub id: String,
    /// Bits of the zones where it looks.
    pub zones: u8,
    /// What a hit adds to the score; for a lexicon the highest sum.
    pub score: f32,
    /// What it speaks of.
    pub class: Class,
    /// How grave a hit is.
    pub severity: Severity,
    /// So many distinct matches make a hit; absent when the rule does not count.
    pub count: Option<u32>,
    /// For the administrator.
    pub description: String,
    /// What makes it hit.
    pub form: Form,
    /// Texts that it must hit.
    pub hit: Vec<String>,
    /// Texts that it must not hit.
    pub near_miss: Vec<String>,
    /// The name of its file.
    pub file: String,
    /// Where it stands in its file.
    pub place: Place,
}

impl Rule {
    /// Whether it looks into a zone.
    pub fn looks_into(&self, zone: Zone) -> bool {
        self.zones & zone.bit() != 0
    }

    /// Whether the box ships it; a site's folders are known by absolute paths.
    pub fn is_shipped(&self) -> bool {
        self.file.starts_with("rules/")
    }

    /// Distinct matches that make a hit.
    pub fn needed(&self) -> u32 {
        self.count.unwrap_or(1)
    }
}
