//! Looks into a mail, one file per stage; mints `Mail<Scanned>`. No stage decides.

pub mod classifier;
mod stage;

pub use stage::Scanned;
