//! What is to become of a scanned mail. Pure: no I/O, no clock.
//!
//! In: a [`Mail<Scanned>`] and the [`PolicySet`] in force: terms, rules about files, and the
//! site's own [`rules`]. Out: [`Mail<Judged>`] with a verdict
//! for the message, a disposition for each recipient and the orders for what goes out. Nothing
//! fails here: a mail on which no term speaks is delivered.
//!
//! Invariants: there is one disposition a recipient; a mail that was not scanned is never
//! given [`Disposition::Deliver`](crate::mail::Disposition::Deliver).

mod asked;
mod attachments;
pub mod check;
mod evaluate;
mod groups;
pub mod replay;
pub mod rules;
mod ruling;
mod stage;
mod terms;

pub use asked::inspection;
pub use evaluate::{
    Case, Refusal, hold_outbreak, judge, judgement_of, looks_like_spam, refusal, verdict,
};
pub use groups::PartyGroups;
pub use stage::Judged;
pub use terms::{PolicySet, Terms};

/// The quarantine area of mail that may carry malware.
const MALWARE_AREA: &str = "malware";

#[cfg(test)]
mod rules_tests;
#[cfg(test)]
mod tests;
