//! Who is refused before a message is seen, because of what is known of the sender.
//!
//! In: the questions of sessions at MAIL and RCPT. Out: a refusal, or none. The lists of
//! senders are those of the judgement in force, so that a reload concerns both alike.

use super::pipeline::Line;
use crate::mail::{Address, Role};
use crate::session::{Asked, Caller, Gatekeeper};

impl Gatekeeper for Line {
    fn recipient<'a>(&'a self, caller: Caller<'a>, forward_path: &'a Address) -> Asked<'a> {
        let visitor = caller.visitor;
        if visitor.role != Role::Inbound {
            return Box::pin(std::future::ready(None));
        }
        let judging = self.judging.load();
        let lists = judging.analysis.lists();
        let refusal =
            lists.at_recipient(visitor.role, visitor.client, caller.reverse_path, forward_path);
        Box::pin(std::future::ready(refusal))
    }
}
