//! `[bulk]`: digests of what was seen before, here and at other sites.

use serde::Deserialize;

/// `[bulk]`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bulk {}
