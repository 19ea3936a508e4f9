//! The proof that a mail was looked into.

use crate::mail::{Finding, Summary};
use crate::session::Received;

/// What analysis knows of a mail.
#[derive(Debug, Clone)]
pub struct Scanned {
    received: Received,
    /// In the order in which the stages ran.
    pub findings: Vec<Finding>,
    /// For lists and tracking.
    pub summary: Summary,
}

impl Scanned {
    pub(in crate::analysis) fn mint(
        received: Received,
        findings: Vec<Finding>,
        summary: Summary,
    ) -> Scanned {
        Scanned { received, findings, summary }
    }

    /// The stage before.
    pub fn received(&self) -> &Received {
        &self.received
    }
}
