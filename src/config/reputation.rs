//! `[reputation]`: lists in DNS of clients and of hosts in links.

use serde::Deserialize;

/// `[reputation]`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reputation {}
