//! The proof that a mail was looked into.

use super::Look;
use crate::session::Received;

/// What analysis knows of a mail.
#[derive(Debug, Clone)]
pub struct Scanned {
    received: Received,
    look: Look,
}

impl Scanned {
    pub(in crate::analysis) fn mint(received: Received, look: Look) -> Scanned {
        Scanned { received, look }
    }

    /// What was found.
    pub fn look(&self) -> &Look {
        &self.look
    }

    /// The stage before.
    pub fn received(&self) -> &Received {
        &self.received
    }
}
