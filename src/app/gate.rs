//! Knows senders from before, and recipients: asks the lists, the greylist, the directories
//! and the next hops when a recipient is named.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::pipeline::Line;
use crate::config::OnUnverified;
use crate::directory::Recipient;
use crate::mail::{Address, EnhancedCode, Reply};
use crate::session::{Asked, Caller, Gatekeeper, Placed};

/// Asks what a reload last put in force.
#[derive(Debug)]
pub(super) struct Gate(pub(super) Arc<Line>);

impl Gatekeeper for Gate {
    fn mailbox<'a>(&'a self, forward_path: &'a Address) -> Placed<'a> {
        Box::pin(self.place(forward_path))
    }

    fn recipient<'a>(&'a self, caller: Caller<'a>, forward_path: &'a Address) -> Asked<'a> {
        Box::pin(std::future::ready(self.refusal(caller, forward_path)))
    }
}

impl Gate {
    async fn place(&self, forward_path: &Address) -> Result<Address, Reply> {
        let directories = self.0.directories.load_full();
        match directories.recipient(forward_path).await {
            Recipient::Known(address) => Ok(address),
            Recipient::Unknown => {
                let text = format!("<{forward_path}>: no such mailbox here");
                Err(Reply::new(550, EnhancedCode(5, 1, 1), text))
            }
            Recipient::Unverified { then, why } => {
                tracing::warn!(%forward_path, why, ?then, "a recipient cannot be verified");
                unverified(then, forward_path)
            }
        }
    }

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

/// RFC 3463: X.4.3, directory server failure.
fn unverified(then: OnUnverified, forward_path: &Address) -> Result<Address, Reply> {
    match then {
        OnUnverified::Accept => Ok(forward_path.clone()),
        OnUnverified::Defer => {
            let text =
                format!("<{forward_path}>: cannot be verified for the moment; try again later");
            Err(Reply::new(451, EnhancedCode(4, 4, 3), text))
        }
        OnUnverified::Refuse => {
            let text = format!("<{forward_path}>: cannot be verified");
            Err(Reply::new(550, EnhancedCode(5, 4, 3), text))
        }
    }
}
