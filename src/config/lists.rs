//! `[lists]`: trusted and blocked senders of the site, its domains and its users.

use serde::Deserialize;

/// `[lists]`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lists {}
