//! Carries out what policy ordered for each recipient of a durable mail, and mints
//! `Mail<Disposed>` when nothing is left to do.
//!
//! In: due mails from a [`Queue`]. Out: deliveries, quarantined copies, reports, and an end
//! for every recipient in the queue and in the journal. Everything is idempotent for a mail
//! and recipient: what was recorded as ended is not done again, and what was done but not
//! recorded before a crash is done once more and nowhere lost.

pub mod approval;
mod bounce;
pub mod errands;
mod executor;
pub mod limits;
mod plan;
mod queue;
pub mod secret;
mod stage;
pub mod tickets;
pub mod windows;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use bounce::{BounceError, Returner, bounce};
pub use executor::{Executor, Settings};
pub use plan::{Plan, REFUSED_AREA};
pub use queue::{
    Chronicle, Done, History, Keep, Kept, Outbox, Postponement, Queue, Rescan, Rescanned, Shelf,
    Soon,
};
pub use stage::Disposed;
