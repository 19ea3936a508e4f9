//! Scan, judge, commit: what happens between end of data and its reply, and again for mail
//! that was accepted unscanned.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::learning::Learning;
use crate::analysis::{Analysis, Failure};
use crate::journal::{Event, Journal};
use crate::mail::{EnhancedCode, Mail, MailId, Receipt, Reply};
use crate::policy::{self, PolicySet};
use crate::session::{Decision, Pipeline, Received};
use crate::spool::{CommitError, Spool};

/// What a reload replaces as a whole.
#[derive(Debug)]
pub(super) struct Judging {
    pub(super) analysis: Arc<Analysis>,
    pub(super) policy: PolicySet,
}

/// The rooms between session and delivery.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) judging: ArcSwap<Judging>,
    pub(super) spool: Arc<Spool>,
    pub(super) journal: Arc<Journal>,
    pub(super) learning: Learning,
}

impl Pipeline for Line {
    async fn process(&self, mail: Mail<Received>) -> Decision {
        let id = mail.id;
        let judging = self.judging.load_full();
        // An early no costs the sender a retry and the box nothing.
        if self.spool.is_full() {
            return Decision::Refused(no_space());
        }
        let scanned = match judging.analysis.scan(mail).await {
            Ok(scanned) => scanned,
            Err(Failure::Defer(why)) => return Decision::Refused(not_now(id, &why)),
        };
        let judged = policy::judge(scanned, &judging.policy);
        let judgement = Arc::clone(judged.stage().judgement());
        self.journal.record(id, Event::judged(&judgement));
        self.learning.after(&judging, &judged);
        if let Some(refusal) = policy::refusal(&judgement) {
            return Decision::Refused(refusal.reply().clone());
        }
        match self.spool.commit(judged).await {
            Ok(spooled) => {
                self.journal.record(id, Event::Committed);
                Decision::Accepted(Receipt::of(&spooled))
            }
            Err(CommitError::Full) => Decision::Refused(no_space()),
            Err(error) => {
                tracing::error!(mail_id = %id, %error, "cannot commit");
                let text = format!("local trouble, try again later; reference {id}");
                Decision::Refused(Reply::new(451, EnhancedCode(4, 3, 0), text))
            }
        }
    }
}

/// RFC 3463: 4.3.1, mail system full.
fn no_space() -> Reply {
    Reply::new(452, EnhancedCode(4, 3, 1), "insufficient system storage, try again later")
}

fn not_now(id: MailId, why: &str) -> Reply {
    tracing::warn!(mail_id = %id, why, "analysis not possible now, the sender shall try again");
    let text = format!("the message cannot be inspected now, try again later; reference {id}");
    Reply::new(451, EnhancedCode(4, 7, 1), text)
}
