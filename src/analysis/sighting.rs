//! What a stage saw, before it is weighed: a name, a place, and how strongly.
//!
//! Stages do not know weights: [`Weights`](super::weights::Weights) turns sightings into
//! findings, so that an administrator can change what a sight is worth without a new program.

/// One thing that a stage saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// A noun in upper snake case that `rules/weights/` knows.
    pub name: &'static str,
    /// The score of the finding is its weight times this; 1 unless there are degrees.
    pub strength: f32,
    /// Where and what, in plain words, without what the description says already.
    pub detail: String,
}

impl Sighting {
    /// Seen, without degrees.
    pub fn new(name: &'static str, detail: impl Into<String>) -> Sighting {
        Sighting { name, strength: 1.0, detail: detail.into() }
    }

    /// Seen this strongly.
    pub fn strong(name: &'static str, strength: f32, detail: impl Into<String>) -> Sighting {
        Sighting { name, strength, detail: detail.into() }
    }
}
