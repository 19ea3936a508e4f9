//! What a content rule found in a mail, for the policy to decide on.
//!
//! Beside its finding, which adds to the score, every content rule that hit yields one
//! [`ContentHit`]: which rule, how grave, how often. The texts that were found stay out.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Class;

/// How grave it is when a content rule hits; in the order of gravity.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth a note.
    #[default]
    Low,
    /// Somebody should look at it.
    Medium,
    /// Must not leave unseen.
    High,
    /// Must not leave at all.
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        })
    }
}

/// A content rule that hit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentHit {
    /// The name of the rule and of its finding.
    pub rule: String,
    /// What it speaks of.
    pub class: Class,
    /// How grave it is.
    pub severity: Severity,
    /// Distinct values, terms, rows, documents or markings; 1 for a rule that does not count.
    pub count: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_are_ordered_and_named() {
        let all = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
        assert!(all.is_sorted());
        for severity in all {
            let name = serde_json::to_string(&severity).unwrap();
            assert_eq!(name, format!("\"{severity}\""));
            assert_eq!(serde_json::from_str::<Severity>(&name).unwrap(), severity);
        }
    }
}
