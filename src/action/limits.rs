//! Rate limits of the policy, asked before a mail is accepted.
//!
//! In: a judged mail and the [`Windows`]. Out: which of its recipients are beyond a limit, and
//! what was counted, to be given back when the mail is not accepted after all. Counted is a
//! mail that is let through, once for each key; what is refused or kept for another reason is
//! not.

use super::windows::{Key, Together, Wanted, Windows};
use crate::mail::{About, Disposition, Order, RateKey};

/// A limit that lets no more through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    /// The limit.
    pub limit: String,
    /// Whose mails are counted together.
    pub counted: String,
    /// In words that the sender may read.
    pub words: String,
    /// Whose copies.
    pub recipients: Vec<u16>,
}

/// What asking came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Charge {
    /// Limits that let no more through.
    pub over: Vec<Over>,
    counted: Vec<Key>,
    at_ms: u64,
}

impl Charge {
    /// The mail was not accepted: it does not count.
    pub fn give_back(&self, windows: &Windows) {
        windows.give_back(&self.counted, self.at_ms);
    }
}

/// Asks every limit that the mail is under.
pub fn charge(windows: &Windows, about: About<'_>, together: Together, now_ms: u64) -> Charge {
    let asked = asked(about);
    if asked.is_empty() {
        return Charge::default();
    }
    let wanted: Vec<Wanted> = asked.iter().map(|(wanted, _)| wanted.clone()).collect();
    let may = windows.take(&wanted, together, now_ms);
    let mut charge = Charge { at_ms: now_ms, ..Charge::default() };
    let none = together == Together::AllOrNone && may.contains(&false);
    for ((wanted, recipients), may) in asked.into_iter().zip(may) {
        let Wanted { key, count, per_s } = wanted;
        match may {
            true if none => {}
            true => charge.counted.push(key),
            false => charge.over.push(Over {
                words: format!("limit {:?} is {count} messages in {per_s} seconds", key.limit),
                limit: key.limit,
                counted: key.counted,
                recipients,
            }),
        }
    }
    charge
}

/// The limits of a mail, each with the recipients that it stands for; one of each key.
fn asked(about: About<'_>) -> Vec<(Wanted, Vec<u16>)> {
    let mut asked: Vec<(Wanted, Vec<u16>)> = Vec::new();
    for (order, recipients) in about.orders() {
        let Order::RateLimit { name, count, per_s, by } = order else { continue };
        let goes_out = |at: &u16| {
            let disposition = about.judgement.dispositions.get(usize::from(*at));
            matches!(disposition, Some(Disposition::Deliver | Disposition::Approval { .. }))
        };
        for at in recipients.into_iter().filter(goes_out) {
            let Some(counted) = counted(about, *by, at) else { continue };
            let key = Key { limit: name.clone(), counted };
            match asked.iter_mut().find(|(wanted, _)| wanted.key == key) {
                Some((_, whose)) => whose.push(at),
                None => {
                    asked.push((Wanted { key, count: *count, per_s: *per_s }, vec![at]));
                }
            }
        }
    }
    asked
}

/// Whose mail it counts as; nothing where there is no such one.
fn counted(about: About<'_>, by: RateKey, recipient: u16) -> Option<String> {
    let reverse_path = about.envelope.reverse_path.address();
    match by {
        RateKey::Sender => Some(reverse_path.map(|it| it.key()).unwrap_or_default()),
        RateKey::SenderDomain => {
            Some(reverse_path.map(|it| it.host().to_string()).unwrap_or_default())
        }
        RateKey::Recipient => {
            let named = about.envelope.recipients.get(usize::from(recipient))?;
            Some(named.forward_path.key())
        }
        RateKey::Account => about.facts.account.clone(),
        RateKey::Client => Some(about.facts.client.to_string()),
    }
}
