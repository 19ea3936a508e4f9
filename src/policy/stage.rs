//! The proof that a mail was judged.

use std::sync::Arc;

use crate::analysis::Scanned;
use crate::mail::{Disposition, Judgement};

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

    /// The same with copies kept from their recipients that would have gone out; never to a
    /// milder end.
    #[must_use]
    pub fn keep_back(self, recipients: &[u16], area: &str) -> Judged {
        let mut judgement = self.judgement.as_ref().clone();
        for recipient in recipients {
            let disposition = judgement.dispositions.get_mut(usize::from(*recipient));
            if let Some(disposition @ (Disposition::Deliver | Disposition::Approval { .. })) =
                disposition
            {
                *disposition = Disposition::Quarantine { area: area.to_owned() };
            }
        }
        Judged { judgement: Arc::new(judgement), ..self }
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
