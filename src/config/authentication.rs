//! `[authentication]`: sender authentication: SPF, DKIM, DMARC, ARC and reverse names.

use serde::Deserialize;

use super::DmarcReports;

/// `[authentication]`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Authentication {
    /// DMARC aggregate reports, received and sent.
    pub reports: DmarcReports,
}
