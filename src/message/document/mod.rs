//! Openers of documents, scripts and shortcuts; see [`contents`](super::contents).

mod code_page;
mod fields;
mod little;
pub(in crate::message) mod old;
pub(in crate::message) mod ole;
mod vba;
