//! What content rules ask of others: validators, lists of exact values, fingerprints of
//! documents, protective markings.
//!
//! In: a text, or its end. Out: what is in it. The rules know only these shapes; who loads the
//! lists and knows the numbers lives elsewhere in the room and is handed over in [`Lookups`].
//! Everything here is asked on the hot path: implementations work in time linear in the text
//! and keep nothing of it.

use std::fmt;
use std::sync::Arc;

use crate::analysis::{markings, validators};
use crate::message::Zone;

pub use crate::analysis::validators::{REACH_OCTETS as VALIDATED_OCTETS, Valid, Validator};

/// Whether a text was looked at to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// All of it.
    Whole,
    /// There was more than is looked at.
    Cut,
}

/// What is asked of a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExactQuery {
    /// The list's name.
    pub list: String,
    /// From so many columns of one row values must be there.
    pub columns: u16,
    /// So close to each other, in characters.
    pub within_characters: u32,
}

/// Lists of values that are known by their digests.
pub trait ExactLists: Send + Sync {
    /// How many columns a list has; `None` for no such list.
    fn columns(&self, list: &str) -> Option<u16>;

    /// Gives the number of each row of the list that the text gives away, once or more.
    fn look(&self, query: &ExactQuery, text: &str, found: &mut dyn FnMut(u32)) -> Coverage;
}

/// A document of which a text holds parts.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentHit {
    /// Its name.
    pub document: String,
    /// How much of the document is in the text.
    pub share_percent: f32,
}

/// Sets of documents that are known by their fingerprints.
pub trait Documents: Send + Sync {
    /// Whether there is such a set.
    fn knows(&self, documents: &str) -> bool;

    /// Gives every document of the set of which the text holds parts.
    fn look(&self, documents: &str, text: &str, found: &mut dyn FnMut(DocumentHit)) -> Coverage;
}

/// A protective marking in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkingHit {
    /// Its name, as rules write it.
    pub name: String,
    /// Where it ends in the text, in octets.
    pub end: usize,
}

/// Protective markings and sensitivity labels.
pub trait Markings: Send + Sync {
    /// Whether there is such a marking.
    fn knows(&self, name: &str) -> bool;

    /// Gives every marking in a text of this zone.
    fn look(&self, zone: Zone, text: &str, found: &mut dyn FnMut(MarkingHit));
}

/// All that rules may ask. What is missing makes rules that need it wrong.
#[derive(Clone, Default)]
pub struct Lookups {
    /// The validator of a name.
    pub validator: Option<fn(&str) -> Option<Validator>>,
    /// For `[[exact]]`.
    pub exact: Option<Arc<dyn ExactLists>>,
    /// For `[[fingerprint]]`.
    pub documents: Option<Arc<dyn Documents>>,
    /// For `[[marking]]`.
    pub markings: Option<Arc<dyn Markings>>,
}

impl Lookups {
    /// What the box brings itself: validators and markings.
    pub fn shipped() -> Lookups {
        Lookups {
            validator: Some(validators::by_name),
            markings: Some(Arc::new(markings::Asked)),
            ..Lookups::default()
        }
    }

    pub(super) fn validator_of(&self, name: &str) -> Option<Validator> {
        self.validator.and_then(|by_name| by_name(name))
    }
}

impl fmt::Debug for Lookups {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Lookups")
            .field("validator", &self.validator.is_some())
            .field("exact", &self.exact.is_some())
            .field("documents", &self.documents.is_some())
            .field("markings", &self.markings.is_some())
            .finish()
    }
}
