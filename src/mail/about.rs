//! What most rooms want to know of a mail, whatever stage it is in.

use super::{Content, Envelope, Facts, Judgement, Mail, MailId, Order};

/// So many recipients are named at most.
const NAMED: usize = 100;

/// A mail, and what policy made of it.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// Its name.
    pub id: MailId,
    /// Who it is from and for.
    pub envelope: &'a Envelope,
    /// What the box observed.
    pub facts: &'a Facts,
    /// As it came.
    pub content: &'a Content,
    /// What was found in it and what becomes of it.
    pub judgement: &'a Judgement,
}

impl<'a> About<'a> {
    /// A mail and its judgement.
    pub fn of<S>(mail: &'a Mail<S>, judgement: &'a Judgement) -> About<'a> {
        About {
            id: mail.id,
            envelope: &mail.envelope,
            facts: &mail.facts,
            content: &mail.content,
            judgement,
        }
    }

    /// The forward-path of a recipient; empty when there is none of that number.
    pub fn recipient(&self, number: u16) -> String {
        let named = self.envelope.recipients.get(usize::from(number));
        named.map(|named| named.forward_path.to_string()).unwrap_or_default()
    }

    /// Those of several, of the first hundred.
    pub fn names(&self, numbers: &[u16]) -> Vec<String> {
        numbers.iter().take(NAMED).map(|number| self.recipient(*number)).collect()
    }

    /// Every order with the recipients that it is for, in order.
    pub fn orders(&self) -> Vec<(&'a Order, Vec<u16>)> {
        let all = u16::try_from(self.envelope.recipients.len()).unwrap_or(u16::MAX);
        let everybody: Vec<u16> = (0..all).collect();
        let orders = self.judgement.orders.iter();
        orders.map(|order| innermost(order, &everybody)).collect()
    }
}

fn innermost<'a>(order: &'a Order, recipients: &[u16]) -> (&'a Order, Vec<u16>) {
    match order {
        Order::For { recipients: chosen, order } => {
            let both: Vec<u16> =
                recipients.iter().filter(|at| chosen.contains(at)).copied().collect();
            innermost(order, &both)
        }
        order => (order, recipients.to_vec()),
    }
}
