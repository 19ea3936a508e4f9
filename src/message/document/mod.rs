//! Openers of documents, scripts and shortcuts; see [`contents`](super::contents).

pub(in crate::message) mod calendar;
mod code_page;
pub(in crate::message) mod cryptographic;
mod fields;
pub mod fuzz;
mod grid;
pub(in crate::message) mod html_script;
pub(in crate::message) mod old;
pub(in crate::message) mod ole;
pub(in crate::message) mod onenote;
pub(in crate::message) mod ooxml;
mod part;
mod payload;
pub(in crate::message) mod pdf;
pub(in crate::message) mod plain;
pub(in crate::message) mod program;
pub(in crate::message) mod rtf;
pub(in crate::message) mod script;
pub(in crate::message) mod shortcut;
mod source;
pub(in crate::message) mod svg;
mod vba;
mod xml;

#[cfg(test)]
mod tests;
