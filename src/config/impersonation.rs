//! `[impersonation]`: whom attackers pretend to be.

use serde::Deserialize;

/// `[impersonation]`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Impersonation {}
