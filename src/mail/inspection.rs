//! What the inspection of content tells the policy beside findings.

use serde::{Deserialize, Serialize};

use super::Class;

/// How grave a hit of a content rule is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth noting.
    #[default]
    Low,
    /// Worth a question.
    Medium,
    /// Worth stopping.
    High,
    /// Must not happen.
    Critical,
}

/// A content rule that hit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentHit {
    /// Its name.
    pub rule: String,
    /// What it speaks of.
    pub class: Class,
    /// How grave.
    pub severity: Severity,
    /// Distinct places or values.
    pub count: u32,
}
