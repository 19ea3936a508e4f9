//! Openers of documents, scripts and shortcuts; see [`contents`](super::contents).

mod little;
pub(in crate::message) mod ole;
