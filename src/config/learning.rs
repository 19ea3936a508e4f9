//! `[learning]`: how the classifier learns while the box runs.

use serde::Deserialize;

/// `[learning]`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Learning {}
