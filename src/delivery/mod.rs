//! Delivery: routing, schedule, lanes of connections, Maildirs, reports.
//!
//! In: durable mails. Out: what became of each recipient, and reports to senders. `route` says
//! where a mail goes, `schedule` (pure) when, `lanes` carry it there over `connection`s or into
//! a `maildir`, `outcome` (pure) decides what follows from the answers, `report` writes
//! RFC 3464 delivery reports. `callout` asks next hops for recipients without sending a mail.
//!
//! Invariants: only a durable mail is delivered; each recipient that was answered positively is
//! recorded before the mail can end; a mail is never bounced for what this box or DNS cannot do
//! for the moment, before it expires.

pub mod aggregate;
pub mod callout;
mod connection;
mod lane;
mod lanes;
mod letter;
mod maildir;
pub mod outcome;
pub mod report;
mod route;
mod schedule;
mod trace;

pub use lane::{Handed, Onward};
pub use lanes::{Attempt, Delivery};
pub use letter::{Letter, Origin};
pub use route::{Destination, Found, NoRoute, Routes, Target};
pub use schedule::Schedule;

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests;
