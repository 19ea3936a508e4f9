//! Openers of archives and compressed files; see [`contents`](super::contents).

mod binhex;
pub(in crate::message) mod intext;
pub(in crate::message) mod mail;
pub(in crate::message) mod tnef;
mod uuencode;
mod yenc;

pub(in crate::message) use intext::holds_files as holds_text_files;
