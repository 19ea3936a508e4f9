//! The proof that a mail was looked into.

use super::Look;
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
    /// Something could not be looked into now but may be later: the mail must be held and
    /// looked into again before it is delivered.
    pub unscanned: bool,
}

impl Scanned {
    pub(in crate::analysis) fn mint(received: Received, look: Look) -> Scanned {
        let Look { findings, summary, unscanned } = look;
        Scanned { received, findings, summary, unscanned }
    }

    /// The stage before.
    pub fn received(&self) -> &Received {
        &self.received
    }
}
