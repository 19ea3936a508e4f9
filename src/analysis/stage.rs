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
    /// A scanner that must see the mail before delivery has not seen it.
    pub unscanned: bool,
}

impl Scanned {
    pub(in crate::analysis) fn mint(
        received: Received,
        findings: Vec<Finding>,
        summary: Summary,
        unscanned: bool,
    ) -> Scanned {
        Scanned { received, findings, summary, unscanned }
    }

    /// The stage before.
    pub fn received(&self) -> &Received {
        &self.received
    }
}
