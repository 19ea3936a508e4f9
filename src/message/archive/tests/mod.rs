//! Archives built here, walked through as attachments of a message.

mod bombs;
pub(in crate::message::archive) mod build;
mod eicar;
mod embedded;
mod hostile;
mod programs;
