//! `[authentication]`: sender authentication: SPF, DKIM, DMARC, ARC and reverse names.

use serde::Deserialize;

/// `[authentication]`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Authentication {}
