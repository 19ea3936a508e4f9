//! What is wrong with a text of rules, where, and what was probably meant.

use crate::config::{NOT_UTF8, Place};

/// The author of the rules is to blame; the rules in force stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The text is not TOML, not of the expected shape, or contradicts itself.
    #[error("{file}:{place}: {what}")]
    Wrong {
        /// Which file.
        file: String,
        /// Where.
        place: Place,
        /// What, with the nearest known name where a name is unknown.
        what: String,
    },
    /// More than is read.
    #[error("{file}: {what}")]
    TooMuch {
        /// Which file.
        file: String,
        /// How much is the most.
        what: String,
    },
    /// More than one of these, in the order in which they are written.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<PolicyError>),
}

impl PolicyError {
    /// The text of a file of rules or claims.
    pub fn text_of(octets: Vec<u8>, file: &str) -> Result<String, PolicyError> {
        Place::text_of(octets).map_err(|place| {
            let (file, what) = (file.to_owned(), NOT_UTF8.to_owned());
            PolicyError::Wrong { file, place, what }
        })
    }

    /// All of these, of which there is one at least.
    pub(crate) fn all(mut errors: Vec<PolicyError>) -> PolicyError {
        errors.sort_by_key(|error| match error {
            PolicyError::Wrong { place, .. } => (place.line, place.column),
            _ => (0, 0),
        });
        match (errors.len(), errors.pop()) {
            (1, Some(error)) => error,
            (_, last) => PolicyError::Several(errors.into_iter().chain(last).collect()),
        }
    }

    /// Each by itself.
    pub fn each(self) -> Vec<PolicyError> {
        match self {
            PolicyError::Several(errors) => errors,
            error => vec![error],
        }
    }
}

/// Something that may be meant but probably is not; the rules are taken all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub place: Place,
    /// The rule that it is about.
    pub rule: String,
    /// What.
    pub what: String,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: rule {:?}: {}", self.place, self.rule, self.what)
    }
}

/// The known name that an unknown one was probably meant to be.
pub(crate) fn nearest<'n>(
    unknown: &str,
    known: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    // The measure is quadratic, and names that are far longer than all known ones are far away.
    let unknown = unknown.get(..64).unwrap_or(unknown);
    let distance = |known: &&str| strsim::damerau_levenshtein(unknown, known);
    let best = known.into_iter().filter(|known| known.len() <= 128).min_by_key(distance)?;
    (distance(&best) <= 1 + unknown.len() / 3).then_some(best)
}
