//! Knows senders from before: asks the lists and the greylist when a recipient is named.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::pipeline::Line;
use crate::mail::{Address, Reply};
use crate::session::{Asked, Caller, Gatekeeper};

/// Asks what a reload last put in force.
#[derive(Debug)]
pub(super) struct Gate(pub(super) Arc<Line>);

impl Gatekeeper for Gate {
    fn recipient<'a>(&'a self, caller: Caller<'a>, forward_path: &'a Address) -> Asked<'a> {
        Box::pin(std::future::ready(self.refusal(caller, forward_path)))
    }
}

impl Gate {
    fn refusal(&self, caller: Caller<'_>, forward_path: &Address) -> Option<Reply> {
        let judging = self.0.judging.load();
        let (role, client) = (caller.visitor.role, caller.visitor.client);
        let sender = caller.reverse_path;
        let blocked = judging.analysis.lists().at_recipient(role, client, sender, forward_path);
        if blocked.is_some() || caller.account.is_some() {
            return blocked;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let greylist = judging.analysis.greylist()?;
        greylist.at_recipient(role, client, sender, forward_path, now.as_secs())
    }
}
