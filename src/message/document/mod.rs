//! Openers of documents, scripts and shortcuts; see [`contents`](super::contents).

mod code_page;
mod fields;
pub mod fuzz;
mod little;
pub(in crate::message) mod old;
pub(in crate::message) mod ole;
pub(in crate::message) mod ooxml;
mod part;
pub(in crate::message) mod rtf;
#[cfg(test)]
mod tests;
mod vba;
mod xml;
