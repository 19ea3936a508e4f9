//! What is to become of a scanned mail. Pure: no I/O, no clock.
//!
//! In: a [`Mail<Scanned>`] and the [`PolicySet`] in force. Out: [`Mail<Judged>`] with a verdict
//! for the message, a disposition for each recipient and the orders for what goes out. Nothing
//! fails here: a mail on which no term speaks is delivered.
//!
//! Invariants: there is one disposition a recipient; a mail that was not scanned is never
//! given [`Disposition::Deliver`](crate::mail::Disposition::Deliver).

mod attachments;
mod evaluate;
mod stage;
mod terms;

pub use evaluate::{Refusal, hold_outbreak, judge, judgement_of, refusal, verdict};
pub use stage::Judged;
pub use terms::{PolicySet, Terms};

#[cfg(test)]
mod tests;
