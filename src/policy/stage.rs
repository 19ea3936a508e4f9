//! The proof that a mail was judged.

use std::sync::Arc;

use crate::analysis::Scanned;
use crate::mail::Judgement;

/// A scanned mail and what policy made of it.
#[derive(Debug, Clone)]
pub struct Judged {
    scanned: Scanned,
    judgement: Arc<Judgement>,
}

impl Judged {
    pub(in crate::policy) fn mint(scanned: Scanned, judgement: Judgement) -> Judged {
        Judged { scanned, judgement: Arc::new(judgement) }
    }

    /// The stage before.
    pub fn scanned(&self) -> &Scanned {
        &self.scanned
    }

    /// Verdict, dispositions and orders.
    pub fn judgement(&self) -> &Arc<Judgement> {
        &self.judgement
    }
}
