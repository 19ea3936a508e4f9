//! `[history]`: what the box remembers of senders, and greylisting.

use serde::Deserialize;

/// `[history]`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct History {}
