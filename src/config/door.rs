//! `[door]`: what a client may do before it has brought a mail.

use serde::Deserialize;

/// `[door]`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Door {}
